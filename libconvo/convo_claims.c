/*
 * The claims of one token; see convo_claims.h.
 *
 * They are read on the stack, where there is room for the largest, and then
 * copied into a block of just their size: a struct, the values, the text.
 */

#include "convo_claims.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "convo_base64.h"
#include "convo_claims_private.h"

/* Beyond this a double holds no exact seconds; no real token comes near. */
#define CONVO_CLAIMS_TIME_MAX 9007199254740992.0

#define CONVO_CLAIMS_TEXT_MAX (CONVO_CLAIMS_PAYLOAD_MAX / 4 * 3 + 2)

/* The claims, then what an "identities" of JSON text says. */
#define CONVO_CLAIMS_VALUES                                                   \
    (CONVO_CLAIMS_COUNT_MAX + CONVO_CLAIMS_IDENTITIES_COUNT)
#define CONVO_CLAIMS_TEXTS                                                    \
    (CONVO_CLAIMS_TEXT_MAX + CONVO_CLAIMS_IDENTITIES_MAX                      \
     + 2 * CONVO_DOCUMENT_SLACK)

typedef struct {
    size_t nvalues;
    size_t len;        /* of the text, slack included */
    size_t identities; /* which value is the array; 0: none */
    convo_value_t values[CONVO_CLAIMS_VALUES];
    char text[CONVO_CLAIMS_TEXTS];
} convo_claims_draft_t;

static const convo_text_t convo_claims_names[CONVO_CLAIMS_KNOWN] = {
    [CONVO_CLAIMS_EXP] = { "exp", 3 },
    [CONVO_CLAIMS_NBF] = { "nbf", 3 },
    [CONVO_CLAIMS_IAT] = { "iat", 3 },
    [CONVO_CLAIMS_ISS] = { "iss", 3 },
    [CONVO_CLAIMS_AUD] = { "aud", 3 },
    [CONVO_CLAIMS_SUB] = { "sub", 3 },
    [CONVO_CLAIMS_CLIENT_ID] = { "client_id", 9 },
    [CONVO_CLAIMS_TOKEN_USE] = { "token_use", 9 },
    [CONVO_CLAIMS_JTI] = { "jti", 3 },
    [CONVO_CLAIMS_SCOPE] = { "scope", 5 },
    [CONVO_CLAIMS_IDENTITIES] = { "identities", 10 },
    [CONVO_CLAIMS_ORIGIN_JTI] = { "origin_jti", 10 },
};

static bool
convo_claims_decode(convo_claims_draft_t *draft, const convo_text_t *payload)
{
    long len;

    if (payload->len > CONVO_CLAIMS_PAYLOAD_MAX) {
        return false;
    }

    len = convo_base64url_decode((unsigned char *) draft->text, payload->data,
                                 payload->len);

    if (len < 0) {
        return false;
    }

    draft->len = (size_t) len + CONVO_DOCUMENT_SLACK;
    draft->nvalues = convo_document_read(
        draft->values, CONVO_CLAIMS_COUNT_MAX, CONVO_DOCUMENT_DEPTH_MAX,
        draft->text, (size_t) len);

    return draft->nvalues > 0
           && convo_value_type(draft->values) == CONVO_VALUE_OBJECT;
}

/*
 * Cognito sends "identities" as an array, and at times as its JSON text: that
 * is read here, once.  Text that is no such array counts as none.
 */
static void
convo_claims_decode_identities(convo_claims_draft_t *draft)
{
    const convo_value_t *claim = convo_value_member(draft->values,
                                                    "identities", 10);
    convo_value_t *array = draft->values + draft->nvalues;
    char *copy = draft->text + draft->len;
    size_t n;

    draft->identities = 0;

    if (convo_value_type(claim) == CONVO_VALUE_ARRAY) {
        draft->identities = (size_t) (claim - draft->values);
    }

    if (convo_value_type(claim) != CONVO_VALUE_STRING
        || claim->len > CONVO_CLAIMS_IDENTITIES_MAX) {
        return;
    }

    memcpy(copy, claim->text, claim->len);
    n = convo_document_read(array, CONVO_CLAIMS_IDENTITIES_COUNT,
                            CONVO_CLAIMS_IDENTITIES_DEPTH, copy, claim->len);

    if (n > 0 && convo_value_type(array) == CONVO_VALUE_ARRAY) {
        draft->identities = draft->nvalues;
        draft->nvalues += n;
        draft->len += claim->len + CONVO_DOCUMENT_SLACK;
    }
}

/* A NumericDate (RFC 7519, section 2), which may have a fraction. */
static double
convo_claims_time(const convo_value_t *value)
{
    double time_s;

    if (value == NULL) {
        return CONVO_CLAIMS_TIME_MISSING;
    }

    if (!convo_value_number(value, &time_s) || time_s < 0
        || time_s > CONVO_CLAIMS_TIME_MAX) {
        return CONVO_CLAIMS_TIME_BAD;
    }

    return time_s;
}

/* Finds what every request asks. */
static void
convo_claims_know(convo_claims_t *claims)
{
    const convo_value_t *claim = NULL;

    while ((claim = convo_value_next(claims->values, claim)) != NULL) {
        for (size_t i = 0; i < CONVO_CLAIMS_KNOWN; i++) {
            if (claim->name_len == convo_claims_names[i].len
                && memcmp(claim->name, convo_claims_names[i].data,
                          claim->name_len) == 0) {
                claims->known[i] = claim;
                break;
            }
        }
    }

    for (size_t i = 0; i < CONVO_CLAIMS_TIMES; i++) {
        claims->times[i] = convo_claims_time(claims->known[i]);
    }
}

static convo_claims_t *
convo_claims_settle(const convo_claims_draft_t *draft)
{
    size_t values = draft->nvalues * sizeof(convo_value_t);
    size_t size = sizeof(convo_claims_t) + values + draft->len;
    convo_claims_t *claims = malloc(size);
    char *text;

    if (claims == NULL) {
        return NULL;
    }

    memset(claims, 0, sizeof(convo_claims_t));
    claims->size = size;

    text = (char *) (claims->values + draft->nvalues);
    memcpy(claims->values, draft->values, values);
    memcpy(text, draft->text, draft->len);
    convo_document_move(claims->values, draft->nvalues, draft->text, text);

    convo_claims_know(claims);

    if (draft->identities > 0) {
        claims->identities = claims->values + draft->identities;
    }

    return claims;
}

convo_fault_e
convo_claims_read(const convo_text_t *payload, convo_claims_t **claims)
{
    convo_claims_draft_t draft;

    if (!convo_claims_decode(&draft, payload)) {
        return CONVO_FAULT_CLAIMS;
    }

    convo_claims_decode_identities(&draft);

    *claims = convo_claims_settle(&draft);

    return *claims != NULL ? CONVO_FAULT_NONE : CONVO_FAULT_INTERNAL;
}

void
convo_claims_free(convo_claims_t *claims)
{
    free(claims);
}

size_t
convo_claims_size(const convo_claims_t *claims)
{
    return claims->size;
}

const convo_value_t *
convo_claims_root(const convo_claims_t *claims)
{
    return claims->values;
}

const convo_value_t *
convo_claims_get(const convo_claims_t *claims, const char *name, size_t len)
{
    return convo_value_member(claims->values, name, len);
}

static void
convo_claims_advance(convo_text_t *path, size_t n)
{
    path->data += n;
    path->len -= n;
}

/* The member whose name the path begins with; takes it off the path. */
static const convo_value_t *
convo_claims_find_member(const convo_value_t *object, convo_text_t *path)
{
    size_t n = path->len;
    const convo_value_t *member;

    for (;;) {
        member = convo_value_member(object, path->data, n);

        if (member != NULL) {
            convo_claims_advance(path, n);
            return member;
        }

        do {
            if (n == 0) {
                return NULL;
            }
        } while (path->data[--n] != '.');
    }
}

/* The element whose number the path begins with; takes that off the path. */
static const convo_value_t *
convo_claims_find_element(const convo_value_t *array, convo_text_t *path)
{
    const convo_value_t *element = NULL;
    size_t index = 0;
    size_t n = 0;

    while (n < path->len && path->data[n] >= '0' && path->data[n] <= '9'
           && index < CONVO_CLAIMS_COUNT_MAX) {
        index = index * 10 + (size_t) (path->data[n] - '0');
        n++;
    }

    if (n == 0 || (n > 1 && path->data[0] == '0')
        || index >= convo_value_count(array)) {
        return NULL;
    }

    for (size_t i = 0; i <= index; i++) {
        element = convo_value_next(array, element);
    }

    convo_claims_advance(path, n);

    return element;
}

const convo_value_t *
convo_claims_find(const convo_claims_t *claims, const convo_text_t *path)
{
    convo_text_t rest = *path;
    const convo_value_t *value = convo_claims_find_member(claims->values,
                                                          &rest);

    while (value != NULL && rest.len > 0) {
        if (rest.data[0] != '.') {
            return NULL;
        }

        convo_claims_advance(&rest, 1);

        if (value == claims->known[CONVO_CLAIMS_IDENTITIES]
            && claims->identities != NULL) {
            value = claims->identities;
        }

        value = convo_value_type(value) == CONVO_VALUE_ARRAY
                    ? convo_claims_find_element(value, &rest)
                    : convo_claims_find_member(value, &rest);
    }

    return value;
}

int64_t
convo_claims_expires(const convo_claims_t *claims)
{
    double time_s = claims->times[CONVO_CLAIMS_EXP];

    return time_s < 0 ? 0 : (int64_t) time_s;
}

int64_t
convo_claims_issued(const convo_claims_t *claims)
{
    double time_s = claims->times[CONVO_CLAIMS_IAT];

    return time_s < 0 ? 0 : (int64_t) time_s;
}

/* A text that may name somebody or something; empty when it is none. */
static convo_text_t
convo_claims_id(const convo_value_t *value)
{
    static const convo_text_t none = { "", 0 };
    convo_text_t text = convo_value_text(value);

    if (convo_value_type(value) != CONVO_VALUE_STRING
        || text.len > CONVO_CLAIMS_SUB_MAX
        || convo_claims_has_control(text.data, text.len)) {
        return none;
    }

    return text;
}

const char *
convo_claims_subject(const convo_claims_t *claims)
{
    convo_text_t sub = convo_claims_id(claims->known[CONVO_CLAIMS_SUB]);

    return sub.len > 0 ? sub.data : NULL;
}

convo_text_t
convo_claims_sign_in(const convo_claims_t *claims)
{
    convo_text_t id = convo_claims_id(claims->known[CONVO_CLAIMS_ORIGIN_JTI]);

    return id.len > 0 ? id
                      : convo_claims_id(claims->known[CONVO_CLAIMS_JTI]);
}

static bool
convo_claims_folds_to(const convo_text_t *claim, const char *name, size_t len)
{
    if (claim->len != len) {
        return false;
    }

    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char) claim->data[i];
        char folded = isalnum(ch) ? (char) tolower(ch) : '_';

        if (folded != name[i]) {
            return false;
        }
    }

    return true;
}

const convo_value_t *
convo_claims_by_folded_name(const convo_claims_t *claims, const char *name,
                            size_t len)
{
    const convo_value_t *found = convo_claims_get(claims, name, len);
    const convo_value_t *claim = NULL;

    if (found != NULL) {
        return found;
    }

    while ((claim = convo_value_next(claims->values, claim)) != NULL) {
        convo_text_t its_name = convo_value_name(claim);

        if (!convo_claims_folds_to(&its_name, name, len)) {
            continue;
        }

        if (found != NULL) {
            return NULL;
        }

        found = claim;
    }

    return found;
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
