/*
 * Why a token is not accepted; see convo_fault.h.
 *
 * Codes and statuses follow RFC 6750, section 3.1: a token's own faults are
 * 401 invalid_token, missing rights are 403.
 */

#include "convo_fault.h"

static const convo_fault_reply_t convo_fault_replies[CONVO_FAULT_COUNT] = {
    [CONVO_FAULT_MISSING] = { 401, "missing_token", "missing_token",
                              "Sign in: this address needs a token." },
    [CONVO_FAULT_MALFORMED] = { 401, "malformed", "invalid_token",
                                "The token is not a well-formed JWT." },
    [CONVO_FAULT_CRITICAL] = { 401, "critical_header", "invalid_token",
                               "The token demands an unknown extension." },
    [CONVO_FAULT_ALGORITHM] = { 401, "algorithm", "invalid_token",
                                "The token's algorithm is not its key's." },
    [CONVO_FAULT_UNKNOWN_KEY] = { 401, "unknown_key", "invalid_token",
                                  "The token's key is not known." },
    [CONVO_FAULT_SIGNATURE] = { 401, "signature", "invalid_token",
                                "The token's signature is wrong." },
    [CONVO_FAULT_CLAIMS] = { 401, "claims", "invalid_token",
                             "The token's claims are not acceptable." },
    [CONVO_FAULT_ISSUER] = { 401, "issuer", "invalid_token",
                             "The token is of another issuer." },
    [CONVO_FAULT_TOKEN_USE] = { 401, "token_use", "invalid_token",
                                "The token is of another kind." },
    [CONVO_FAULT_CLIENT] = { 401, "client", "invalid_token",
                             "The token was made for another client." },
    [CONVO_FAULT_EXPIRED] = { 401, "expired", "invalid_token",
                              "The token has expired." },
    [CONVO_FAULT_NOT_YET_VALID] = { 401, "not_yet_valid", "invalid_token",
                                    "The token is not valid yet." },
    [CONVO_FAULT_LIFETIME] = { 401, "lifetime", "invalid_token",
                               "The token lives longer than accepted." },
    [CONVO_FAULT_SUBJECT] = { 401, "subject", "invalid_token",
                              "The token names no acceptable subject." },
    [CONVO_FAULT_REVOKED] = { 401, "revoked", "revoked",
                              "This sign-in has been ended." },
    [CONVO_FAULT_EMAIL_NOT_VERIFIED] = { 403, "email_not_verified",
                                         "email_not_verified",
                                         "Confirm your e-mail address." },
    [CONVO_FAULT_PROVIDER] = { 403, "provider_not_allowed",
                               "provider_not_allowed",
                               "Sign in with another provider." },
    [CONVO_FAULT_REQUIRED_CLAIM] = { 403, "required_claim", "forbidden",
                                     "This account may not do this." },
    [CONVO_FAULT_KEYS_UNAVAILABLE] = { 503, "keys_unavailable",
                                       "keys_unavailable",
                                       "Sign-ins cannot be checked now." },
    [CONVO_FAULT_REVOCATIONS_UNKNOWN] = { 503, "revocations_unknown",
                                          "redis_unavailable",
                                          "Sign-ins cannot be checked now." },
    [CONVO_FAULT_EMAIL_UNKNOWN] = { 503, "email_unknown",
                                    "redis_unavailable",
                                    "Sign-ins cannot be checked now." },
    [CONVO_FAULT_INTERNAL] = { 500, "internal", "internal_error",
                               "The server is short of resources." },
};

const convo_fault_reply_t *
convo_fault_reply(convo_fault_e fault)
{
    if (fault <= CONVO_FAULT_NONE || fault >= CONVO_FAULT_COUNT) {
        fault = CONVO_FAULT_INTERNAL;
    }

    return &convo_fault_replies[fault];
}
