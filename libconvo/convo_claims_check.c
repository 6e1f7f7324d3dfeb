/*
 * A token's claims against what a location asks for; see convo_claims.h.
 *
 * It runs for each request and location, so it neither allocates nor parses.
 * Shapes are Cognito's: an ID token has "aud" and "token_use":"id", an
 * access token has "client_id" and "token_use":"access".  A claim of another
 * type than expected never matches.
 */

#include "convo_claims.h"

#include "convo_claims_private.h"

static bool
convo_claims_is_one_of(const convo_value_t *value, const convo_text_t *texts,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (convo_value_is(value, texts[i].data, texts[i].len)) {
            return true;
        }
    }

    return false;
}

/* An OpenID audience list counts only when every member is one of ours. */
static bool
convo_claims_audience(const convo_value_t *aud,
                      const convo_claims_rules_t *rules)
{
    const convo_value_t *member = NULL;

    if (convo_value_type(aud) != CONVO_VALUE_ARRAY) {
        return convo_claims_is_one_of(aud, rules->clients, rules->nclients);
    }

    while ((member = convo_value_next(aud, member)) != NULL) {
        if (!convo_claims_is_one_of(member, rules->clients,
                                    rules->nclients)) {
            return false;
        }
    }

    return convo_value_count(aud) > 0;
}

/*
 * An ID token of a provider that has no "token_use".  What a provider signs
 * for the same audience beside it, a logout token, has "events" (OpenID
 * Connect Back-Channel Logout 1.0, section 2.4).
 */
static bool
convo_claims_is_plain_id(const convo_claims_t *claims)
{
    return claims->known[CONVO_CLAIMS_TOKEN_USE] == NULL
           && convo_claims_get(claims, "events", 6) == NULL;
}

static convo_fault_e
convo_claims_check_use(const convo_claims_t *claims,
                       const convo_claims_rules_t *rules)
{
    const convo_value_t *use = claims->known[CONVO_CLAIMS_TOKEN_USE];
    bool ours;

    if (((rules->uses & CONVO_CLAIMS_USE_ID) && convo_value_is(use, "id", 2))
        || ((rules->uses & CONVO_CLAIMS_USE_NONE)
            && convo_claims_is_plain_id(claims))) {
        ours = convo_claims_audience(claims->known[CONVO_CLAIMS_AUD], rules);

    } else if ((rules->uses & CONVO_CLAIMS_USE_ACCESS)
               && convo_value_is(use, "access", 6)) {
        ours = convo_claims_is_one_of(claims->known[CONVO_CLAIMS_CLIENT_ID],
                                      rules->clients, rules->nclients);

    } else {
        return CONVO_FAULT_TOKEN_USE;
    }

    return ours ? CONVO_FAULT_NONE : CONVO_FAULT_CLIENT;
}

/* A time that may be missing, but when there must not be in the future. */
static convo_fault_e
convo_claims_check_past(double time_s, double latest_s)
{
    if (time_s == CONVO_CLAIMS_TIME_MISSING) {
        return CONVO_FAULT_NONE;
    }

    if (time_s < 0) {
        return CONVO_FAULT_CLAIMS;
    }

    return time_s <= latest_s ? CONVO_FAULT_NONE : CONVO_FAULT_NOT_YET_VALID;
}

static convo_fault_e
convo_claims_check_times(const convo_claims_t *claims,
                         const convo_claims_rules_t *rules, int64_t now_s)
{
    convo_fault_e fault;
    double exp_s = claims->times[CONVO_CLAIMS_EXP];
    double latest_s = (double) (now_s + rules->leeway_s);

    if (exp_s < 0) {
        return CONVO_FAULT_CLAIMS;
    }

    if ((double) (now_s - rules->leeway_s) >= exp_s) {
        return CONVO_FAULT_EXPIRED;
    }

    fault = convo_claims_check_past(claims->times[CONVO_CLAIMS_NBF],
                                    latest_s);

    if (fault != CONVO_FAULT_NONE) {
        return fault;
    }

    return convo_claims_check_past(claims->times[CONVO_CLAIMS_IAT], latest_s);
}

/* How long the token lives in all, by its own words. */
static convo_fault_e
convo_claims_check_lifetime(const convo_claims_t *claims,
                            const convo_claims_rules_t *rules)
{
    double iat_s = claims->times[CONVO_CLAIMS_IAT];

    if (rules->lifetime_max_s == 0) {
        return CONVO_FAULT_NONE;
    }

    if (iat_s < 0) {
        return CONVO_FAULT_CLAIMS;
    }

    return claims->times[CONVO_CLAIMS_EXP] - iat_s
                   <= (double) rules->lifetime_max_s
               ? CONVO_FAULT_NONE
               : CONVO_FAULT_LIFETIME;
}

static convo_fault_e
convo_claims_check_require(const convo_claims_t *claims,
                           const convo_require_t *require,
                           const convo_require_edge_t *edge)
{
    const convo_value_t *claim = convo_claims_find(claims, &require->path);

    switch (convo_require_check(require, claim, edge)) {
    case CONVO_REQUIRE_HOLDS:
        return CONVO_FAULT_NONE;
    case CONVO_REQUIRE_FAILS:
        return convo_require_is_email(require)
                   ? CONVO_FAULT_EMAIL_NOT_VERIFIED
                   : CONVO_FAULT_REQUIRED_CLAIM;
    default:
        return CONVO_FAULT_INTERNAL;
    }
}

/* Only the "providerName" of an element of "identities" counts. */
static convo_fault_e
convo_claims_check_provider(const convo_claims_t *claims,
                            const convo_claims_rules_t *rules)
{
    const convo_value_t *identity = NULL;

    if (rules->nproviders == 0) {
        return CONVO_FAULT_NONE;
    }

    while ((identity = convo_value_next(claims->identities, identity))
           != NULL) {
        if (convo_claims_is_one_of(
                convo_value_member(identity, "providerName", 12),
                rules->providers, rules->nproviders)) {
            return CONVO_FAULT_NONE;
        }
    }

    return CONVO_FAULT_PROVIDER;
}

/* "jti" (RFC 7519, section 4.1.7) and "scope" (RFC 8693, section 4.2). */
static bool
convo_claims_is_text(const convo_value_t *value)
{
    return value == NULL || convo_value_type(value) == CONVO_VALUE_STRING;
}

/* The token's own faults, which are all 401. */
static convo_fault_e
convo_claims_check_token(const convo_claims_t *claims,
                         const convo_claims_rules_t *rules, int64_t now_s)
{
    convo_fault_e fault;

    if (!convo_value_is(claims->known[CONVO_CLAIMS_ISS], rules->issuer.data,
                        rules->issuer.len)) {
        return CONVO_FAULT_ISSUER;
    }

    fault = convo_claims_check_use(claims, rules);

    if (fault == CONVO_FAULT_NONE) {
        fault = convo_claims_check_times(claims, rules, now_s);
    }

    if (fault == CONVO_FAULT_NONE) {
        fault = convo_claims_check_lifetime(claims, rules);
    }

    if (fault == CONVO_FAULT_NONE && convo_claims_subject(claims) == NULL) {
        fault = CONVO_FAULT_SUBJECT;
    }

    if (fault == CONVO_FAULT_NONE
        && (!convo_claims_is_text(claims->known[CONVO_CLAIMS_JTI])
            || !convo_claims_is_text(claims->known[CONVO_CLAIMS_SCOPE]))) {
        fault = CONVO_FAULT_CLAIMS;
    }

    return fault;
}

convo_fault_e
convo_claims_check(const convo_claims_t *claims,
                   const convo_claims_rules_t *rules,
                   const convo_require_edge_t *edge, int64_t now_s)
{
    convo_fault_e fault = convo_claims_check_token(claims, rules, now_s);

    for (size_t i = 0; fault == CONVO_FAULT_NONE && i < rules->nrequires;
         i++) {
        fault = convo_claims_check_require(claims, &rules->requires[i], edge);
    }

    if (fault == CONVO_FAULT_NONE) {
        fault = convo_claims_check_provider(claims, rules);
    }

    return fault;
}
