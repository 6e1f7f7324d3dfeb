/*
 * A JWK Set turned into keys that verify; see convo_jwks.h.
 */

#include "convo_jwks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "convo_json.h"

/* set, "keys", entry, "x5c" or "key_ops", and one to spare */
#define CONVO_JWKS_DEPTH_MAX 5
#define CONVO_JWKS_COUNT_MAX 4096

struct convo_jwks_s {
    uint8_t digest[CONVO_JWKS_DIGEST_LEN];
    size_t nkeys;
    convo_jwk_t *keys[CONVO_JWKS_KEYS_MAX];
};

/* The key of this id, or NULL. */
static const convo_jwk_t *
convo_jwks_by_kid(const convo_jwks_t *set, const char *kid)
{
    for (size_t i = 0; i < set->nkeys; i++) {
        if (strcmp(convo_jwk_kid(set->keys[i]), kid) == 0) {
            return set->keys[i];
        }
    }

    return NULL;
}

/* NULL when the entry has become the set's next key, else why not. */
static const char *
convo_jwks_add(convo_jwks_t *set, const json_t *entry)
{
    const char *reason;
    convo_jwk_t *key = convo_jwk_create(entry, &reason);

    if (key == NULL) {
        return reason;
    }

    if (convo_jwk_kid(key)[0] != '\0'
        && convo_jwks_by_kid(set, convo_jwk_kid(key)) != NULL) {
        convo_jwk_free(key);
        return "its \"kid\" is taken by an earlier key";
    }

    set->keys[set->nkeys++] = key;

    return NULL;
}

static void
convo_jwks_add_all(convo_jwks_t *set, const json_t *keys,
                   convo_jwks_report_t *report)
{
    size_t i;
    const json_t *entry;

    json_array_foreach(keys, i, entry) {
        const char *reason = convo_jwks_add(set, entry);

        report->refusals[i] = reason;

        if (reason != NULL && report->refused++ == 0) {
            report->reason = reason;
        }
    }
}

/* Fills the set; false with a reason when the document as a whole is bad. */
static bool
convo_jwks_fill(convo_jwks_t *set, const json_t *document,
                convo_jwks_report_t *report)
{
    const json_t *keys = json_object_get(document, "keys");

    if (!json_is_array(keys)) {
        report->reason = "the document is no JSON object with a \"keys\" array";
        return false;
    }

    report->entries = json_array_size(keys);

    if (report->entries > CONVO_JWKS_KEYS_MAX) {
        report->reason = "the document has more than 64 keys";
        return false;
    }

    convo_jwks_add_all(set, keys, report);

    if (set->nkeys == 0 && report->reason == NULL) {
        report->reason = "the document has no keys";
    }

    return set->nkeys > 0;
}

convo_jwks_t *
convo_jwks_parse(const char *text, size_t len, convo_jwks_report_t *report)
{
    static const convo_json_limits_t limits = {
        .depth = CONVO_JWKS_DEPTH_MAX,
        .count = CONVO_JWKS_COUNT_MAX,
    };
    json_t *document;
    convo_jwks_t *set;

    memset(report, 0, sizeof(*report));

    if (len > CONVO_JWKS_TEXT_MAX) {
        report->reason = "the document is longer than 256 KB";
        return NULL;
    }

    set = calloc(1, sizeof(*set));

    if (set == NULL) {
        report->reason = "out of memory";
        return NULL;
    }

    SHA256((const unsigned char *) text, len, set->digest);
    document = convo_json_load_object(text, len, &limits);

    if (!convo_jwks_fill(set, document, report)) {
        convo_jwks_free(set);
        set = NULL;
    }

    json_decref(document);

    return set;
}

void
convo_jwks_free(convo_jwks_t *set)
{
    if (set == NULL) {
        return;
    }

    for (size_t i = 0; i < set->nkeys; i++) {
        convo_jwk_free(set->keys[i]);
    }

    free(set);
}

const uint8_t *
convo_jwks_digest(const convo_jwks_t *set)
{
    return set->digest;
}

size_t
convo_jwks_count(const convo_jwks_t *set)
{
    return set->nkeys;
}

const convo_jwk_t *
convo_jwks_find(const convo_jwks_t *set, const convo_jws_header_t *header,
                const convo_jwa_accept_t *accept)
{
    convo_jwa_e algorithm;
    const convo_jwk_t *only = NULL;

    if (header->kid[0] != '\0') {
        return convo_jwks_by_kid(set, header->kid);
    }

    algorithm = convo_jwa_by_name(header->alg);

    for (size_t i = 0; i < set->nkeys; i++) {
        if (convo_jwk_serves(set->keys[i], algorithm, accept)) {
            if (only != NULL) {
                return NULL;
            }

            only = set->keys[i];
        }
    }

    return only;
}

convo_fault_e
convo_jwks_verify(const convo_jwks_t *set, const convo_jws_header_t *header,
                  const convo_jwa_accept_t *accept, const convo_jws_t *jws)
{
    const convo_jwk_t *key = convo_jwks_find(set, header, accept);

    if (key == NULL) {
        return CONVO_FAULT_UNKNOWN_KEY;
    }

    return convo_jwk_verify(key, header->alg, accept, jws);
}
