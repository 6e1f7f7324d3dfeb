/*
 * What a token claims, checked against what a location asks for; see
 * convo_claims.h.
 *
 * Shapes are Cognito's: an ID token has "aud" and "token_use":"id", an
 * access token has "client_id" and "token_use":"access".  A claim of another
 * type than expected never matches.
 */

#include "convo_claims.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "convo_json.h"

/* Beyond this a double holds no exact seconds; no real token comes near. */
#define CONVO_CLAIMS_TIME_MAX 9007199254740992.0

#define CONVO_CLAIMS_IDENTITIES_DEPTH 3
#define CONVO_CLAIMS_IDENTITIES_COUNT 256

/* "-9223372036854775808" and its NUL */
#define CONVO_CLAIMS_INTEGER_LEN 21

static bool
convo_claims_is(const json_t *value, const char *text, size_t len)
{
    return json_is_string(value) && json_string_length(value) == len
           && memcmp(json_string_value(value), text, len) == 0;
}

static bool
convo_claims_is_one_of(const json_t *value, const convo_text_t *texts,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (convo_claims_is(value, texts[i].data, texts[i].len)) {
            return true;
        }
    }

    return false;
}

/* An OpenID audience list counts only when every member is one of ours. */
static bool
convo_claims_audience(const json_t *aud, const convo_claims_rules_t *rules)
{
    size_t i;
    const json_t *member;

    if (!json_is_array(aud)) {
        return convo_claims_is_one_of(aud, rules->clients, rules->nclients);
    }

    json_array_foreach(aud, i, member) {
        if (!convo_claims_is_one_of(member, rules->clients,
                                    rules->nclients)) {
            return false;
        }
    }

    return json_array_size(aud) > 0;
}

static convo_fault_e
convo_claims_check_use(const json_t *claims,
                       const convo_claims_rules_t *rules)
{
    const json_t *use = json_object_get(claims, "token_use");
    bool ours;

    if ((rules->uses & CONVO_CLAIMS_USE_ID) && convo_claims_is(use, "id", 2)) {
        ours = convo_claims_audience(json_object_get(claims, "aud"), rules);

    } else if ((rules->uses & CONVO_CLAIMS_USE_ACCESS)
               && convo_claims_is(use, "access", 6)) {
        ours = convo_claims_is_one_of(json_object_get(claims, "client_id"),
                                      rules->clients, rules->nclients);

    } else {
        return CONVO_FAULT_TOKEN_USE;
    }

    return ours ? CONVO_FAULT_NONE : CONVO_FAULT_CLIENT;
}

/*
 * A NumericDate (RFC 7519, section 2), which may have a fraction.  False for
 * any other type and for what is no time at all.
 */
static bool
convo_claims_time(const json_t *value, double *time_s)
{
    if (!json_is_number(value)) {
        return false;
    }

    *time_s = json_number_value(value);

    return *time_s >= 0 && *time_s <= CONVO_CLAIMS_TIME_MAX;
}

/* A time that may be missing, but when there must not be in the future. */
static convo_fault_e
convo_claims_check_past(const json_t *claims, const char *name,
                        double latest_s)
{
    const json_t *value = json_object_get(claims, name);
    double time_s;

    if (value == NULL) {
        return CONVO_FAULT_NONE;
    }

    if (!convo_claims_time(value, &time_s)) {
        return CONVO_FAULT_CLAIMS;
    }

    return time_s <= latest_s ? CONVO_FAULT_NONE : CONVO_FAULT_NOT_YET_VALID;
}

static convo_fault_e
convo_claims_check_times(const json_t *claims,
                         const convo_claims_rules_t *rules, int64_t now_s)
{
    convo_fault_e fault;
    double exp_s;
    double latest_s = (double) (now_s + rules->leeway_s);

    if (!convo_claims_time(json_object_get(claims, "exp"), &exp_s)) {
        return CONVO_FAULT_CLAIMS;
    }

    if ((double) (now_s - rules->leeway_s) >= exp_s) {
        return CONVO_FAULT_EXPIRED;
    }

    fault = convo_claims_check_past(claims, "nbf", latest_s);

    if (fault != CONVO_FAULT_NONE) {
        return fault;
    }

    return convo_claims_check_past(claims, "iat", latest_s);
}

/* Numbers and booleans are compared by their JSON spelling. */
static bool
convo_claims_holds(const json_t *claim, const convo_text_t *value)
{
    char number[CONVO_CLAIMS_INTEGER_LEN];
    const char *text;
    size_t i;
    const json_t *member;

    switch (json_typeof(claim)) {

    case JSON_STRING:
        return convo_claims_is(claim, value->data, value->len);

    case JSON_TRUE:
        text = "true";
        break;

    case JSON_FALSE:
        text = "false";
        break;

    case JSON_INTEGER:
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
                 json_integer_value(claim));
        text = number;
        break;

    case JSON_ARRAY:
        json_array_foreach(claim, i, member) {
            if (convo_claims_is(member, value->data, value->len)) {
                return true;
            }
        }

        return false;

    default:
        return false;
    }

    return strlen(text) == value->len
           && memcmp(text, value->data, value->len) == 0;
}

static convo_fault_e
convo_claims_check_require(const json_t *claims,
                           const convo_claims_require_t *require)
{
    const json_t *claim = json_object_get(claims, require->name);

    if (claim != NULL && convo_claims_holds(claim, &require->value)) {
        return CONVO_FAULT_NONE;
    }

    return strcmp(require->name, "email_verified") == 0
               ? CONVO_FAULT_EMAIL_NOT_VERIFIED
               : CONVO_FAULT_REQUIRED_CLAIM;
}

static bool
convo_claims_identity_matches(const json_t *identities,
                              const convo_claims_rules_t *rules)
{
    size_t i;
    const json_t *identity;

    json_array_foreach(identities, i, identity) {
        if (convo_claims_is_one_of(json_object_get(identity, "providerName"),
                                   rules->providers, rules->nproviders)) {
            return true;
        }
    }

    return false;
}

/* Cognito sends "identities" as an array, and at times as its JSON text. */
static convo_fault_e
convo_claims_check_provider(const json_t *claims,
                            const convo_claims_rules_t *rules)
{
    static const convo_json_limits_t limits = {
        .depth = CONVO_CLAIMS_IDENTITIES_DEPTH,
        .count = CONVO_CLAIMS_IDENTITIES_COUNT,
    };
    const json_t *identities = json_object_get(claims, "identities");
    json_t *parsed = NULL;
    bool matches;

    if (rules->nproviders == 0) {
        return CONVO_FAULT_NONE;
    }

    if (json_is_string(identities)
        && json_string_length(identities) <= CONVO_CLAIMS_IDENTITIES_MAX) {
        parsed = convo_json_load(json_string_value(identities),
                                 json_string_length(identities), &limits);
        identities = parsed;
    }

    matches = convo_claims_identity_matches(identities, rules);
    json_decref(parsed);

    return matches ? CONVO_FAULT_NONE : CONVO_FAULT_PROVIDER;
}

/* The token's own faults, which are all 401. */
static convo_fault_e
convo_claims_check_token(const json_t *claims,
                         const convo_claims_rules_t *rules, int64_t now_s)
{
    convo_fault_e fault;

    if (!convo_claims_is(json_object_get(claims, "iss"), rules->issuer.data,
                         rules->issuer.len)) {
        return CONVO_FAULT_ISSUER;
    }

    fault = convo_claims_check_use(claims, rules);

    if (fault == CONVO_FAULT_NONE) {
        fault = convo_claims_check_times(claims, rules, now_s);
    }

    if (fault == CONVO_FAULT_NONE && convo_claims_subject(claims) == NULL) {
        fault = CONVO_FAULT_SUBJECT;
    }

    return fault;
}

convo_fault_e
convo_claims_check(const json_t *claims, const convo_claims_rules_t *rules,
                   int64_t now_s)
{
    convo_fault_e fault = convo_claims_check_token(claims, rules, now_s);

    for (size_t i = 0; fault == CONVO_FAULT_NONE && i < rules->nrequires;
         i++) {
        fault = convo_claims_check_require(claims, &rules->requires[i]);
    }

    if (fault == CONVO_FAULT_NONE) {
        fault = convo_claims_check_provider(claims, rules);
    }

    return fault;
}

int64_t
convo_claims_expires(const json_t *claims)
{
    double exp_s;

    if (!convo_claims_time(json_object_get(claims, "exp"), &exp_s)) {
        return 0;
    }

    return (int64_t) exp_s;
}

const char *
convo_claims_subject(const json_t *claims)
{
    const json_t *sub = json_object_get(claims, "sub");
    const char *text = json_string_value(sub);
    size_t len = json_string_length(sub);

    if (text == NULL || len == 0 || len > CONVO_CLAIMS_SUB_MAX
        || convo_claims_has_control(text, len)) {
        return NULL;
    }

    return text;
}

static bool
convo_claims_folds_to(const char *claim, const char *name, size_t len)
{
    if (strlen(claim) != len) {
        return false;
    }

    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char) claim[i];
        char folded = isalnum(ch) ? (char) tolower(ch) : '_';

        if (folded != name[i]) {
            return false;
        }
    }

    return true;
}

const json_t *
convo_claims_by_folded_name(const json_t *claims, const char *name,
                            size_t len)
{
    const char *key;
    json_t *value;
    const json_t *found = NULL;
    bool twice = false;

    json_object_foreach((json_t *) claims, key, value) {
        if (strlen(key) == len && memcmp(key, name, len) == 0) {
            return value;
        }

        if (convo_claims_folds_to(key, name, len)) {
            twice = twice || found != NULL;
            found = value;
        }
    }

    return twice ? NULL : found;
}

bool
convo_claims_has_control(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char) text[i];

        if (ch < 0x20 || ch == 0x7f) {
            return true;
        }
    }

    return false;
}
