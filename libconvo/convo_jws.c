/*
 * The compact serialization of a signed token; see convo_jws.h.
 */

#include "convo_jws.h"

#include <stdbool.h>
#include <string.h>

#include "convo_base64.h"
#include "convo_document.h"

/* Room for the bytes that n characters of base64url decode to. */
#define CONVO_JWS_DECODED(n) ((n) / 4 * 3 + 2)

/* Cuts the part before the next dot off rest; false when there is none. */
static bool
convo_jws_cut(convo_text_t *part, convo_text_t *rest)
{
    const char *dot = memchr(rest->data, '.', rest->len);

    if (dot == NULL) {
        return false;
    }

    part->data = rest->data;
    part->len = (size_t) (dot - rest->data);
    rest->len -= part->len + 1;
    rest->data = dot + 1;

    return part->len > 0;
}

convo_fault_e
convo_jws_split(convo_jws_t *jws, const char *token, size_t len)
{
    convo_text_t rest = { token, len };

    if (len > CONVO_JWS_TOKEN_MAX || !convo_jws_cut(&jws->header, &rest)
        || !convo_jws_cut(&jws->payload, &rest)) {
        return CONVO_FAULT_MALFORMED;
    }

    /* no signature, or a fourth part: "none", or an encrypted token */
    if (rest.len == 0 || memchr(rest.data, '.', rest.len) != NULL) {
        return CONVO_FAULT_MALFORMED;
    }

    if (jws->header.len > CONVO_JWS_HEADER_MAX
        || rest.len > CONVO_JWS_SIGNATURE_MAX) {
        return CONVO_FAULT_MALFORMED;
    }

    jws->signature = rest;
    jws->signed_input.data = token;
    jws->signed_input.len = (size_t) (rest.data - token) - 1;
    jws->is_hashed = false;

    return CONVO_FAULT_NONE;
}

static const convo_value_t *
convo_jws_member(const convo_value_t *header, const char *name)
{
    return convo_value_member(header, name, strlen(name));
}

/*
 * Copies a string member into a buffer of size bytes with its NUL; a missing
 * member is "".  False for another type, or one that is empty or too long.
 */
static bool
convo_jws_copy(char *to, size_t size, const convo_value_t *header,
               const char *name)
{
    const convo_value_t *member = convo_jws_member(header, name);
    convo_text_t text = convo_value_text(member);

    to[0] = '\0';

    if (member == NULL) {
        return true;
    }

    if (convo_value_type(member) != CONVO_VALUE_STRING || text.len == 0
        || text.len >= size) {
        return false;
    }

    memcpy(to, text.data, text.len + 1);

    return true;
}

/* RFC 7519, 5.1 and RFC 9068, 2.1; other types are not sign-in tokens. */
static bool
convo_jws_is_token_type(const convo_value_t *typ)
{
    static const char *const types[] = { "JWT", "jwt", "at+jwt",
                                         "application/at+jwt" };

    if (typ == NULL) {
        return true;
    }

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (convo_value_is(typ, types[i], strlen(types[i]))) {
            return true;
        }
    }

    return false;
}

static convo_fault_e
convo_jws_take_header(const convo_value_t *json, convo_jws_header_t *header)
{
    if (convo_jws_member(json, "crit") != NULL) {
        return CONVO_FAULT_CRITICAL;
    }

    if (convo_jws_member(json, "b64") != NULL
        || convo_jws_member(json, "zip") != NULL
        || !convo_jws_is_token_type(convo_jws_member(json, "typ"))) {
        return CONVO_FAULT_MALFORMED;
    }

    if (!convo_jws_copy(header->alg, sizeof(header->alg), json, "alg")
        || !convo_jws_copy(header->kid, sizeof(header->kid), json, "kid")
        || header->alg[0] == '\0') {
        return CONVO_FAULT_MALFORMED;
    }

    return CONVO_FAULT_NONE;
}

convo_fault_e
convo_jws_read_header(const convo_jws_t *jws, convo_jws_header_t *header)
{
    char text[CONVO_JWS_DECODED(CONVO_JWS_HEADER_MAX) + CONVO_DOCUMENT_SLACK];
    convo_value_t values[CONVO_JWS_HEADER_COUNT_MAX];
    long len;

    len = convo_base64url_decode((unsigned char *) text, jws->header.data,
                                 jws->header.len);

    if (len < 0
        || convo_document_read(values, CONVO_JWS_HEADER_COUNT_MAX,
                               CONVO_DOCUMENT_DEPTH_MAX, text, (size_t) len)
               == 0
        || convo_value_type(values) != CONVO_VALUE_OBJECT) {
        return CONVO_FAULT_MALFORMED;
    }

    return convo_jws_take_header(values, header);
}
