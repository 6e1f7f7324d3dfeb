/*
 * What a token claims, checked against what a location asks for.
 *
 * The claims are one block of heap, made once per token and never changed,
 * so that any number of requests may look at them.  Reading and checking are
 * pure: no clock of their own, no I/O.  The signature is somebody else's
 * business (convo_jwks.h) and comes first.
 */

#ifndef CONVO_CLAIMS_H
#define CONVO_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convo_document.h"
#include "convo_fault.h"
#include "convo_require.h"
#include "convo_text.h"

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* Values in all the claims; real tokens have a few dozen. */
#define CONVO_CLAIMS_COUNT_MAX 512

/* The longest payload, in base64url: as much as a token can be. */
#define CONVO_CLAIMS_PAYLOAD_MAX 16384

/* The longest "sub" (OpenID Connect Core 1.0, section 2). */
#define CONVO_CLAIMS_SUB_MAX 255

/* "identities" sent as a JSON string: bytes, depth and values looked at. */
#define CONVO_CLAIMS_IDENTITIES_MAX 8192
#define CONVO_CLAIMS_IDENTITIES_DEPTH 3
#define CONVO_CLAIMS_IDENTITIES_COUNT 256

/* The claims of one token. */
typedef struct convo_claims_s convo_claims_t;

/*
 * Reads the payload of a JWS, still in base64url.  The caller releases
 * *claims with convo_claims_free().  Says nothing about the signature.
 * CONVO_FAULT_NONE, _CLAIMS (not one acceptable object; convo_document.h) or
 * _INTERNAL (out of memory).
 */
convo_fault_e convo_claims_read(const convo_text_t *payload,
                                convo_claims_t **claims);

/* NULL is nothing to release. */
void convo_claims_free(convo_claims_t *claims);

/* The bytes of the block. */
size_t convo_claims_size(const convo_claims_t *claims);

/* All claims, an object.  Like whatever is inside it lives as they do. */
const convo_value_t *convo_claims_root(const convo_claims_t *claims);

/* The claim of exactly this name, at the top level; NULL without one. */
const convo_value_t *convo_claims_get(const convo_claims_t *claims,
                                      const char *name, size_t len);

/*
 * The claim that a path names: "address.country" is the "country" in the
 * object "address", "identities.0.userId" is in the first element of a list.
 * Names may have dots themselves; of those that the path can begin with the
 * longest that is there counts, so "https://x.y/role" is found as it is.
 * "identities" that was sent as JSON text is looked into as if it were none.
 * NULL when there is no such claim.
 */
const convo_value_t *convo_claims_find(const convo_claims_t *claims,
                                       const convo_text_t *path);

typedef enum {
    CONVO_CLAIMS_USE_ID = 1,
    CONVO_CLAIMS_USE_ACCESS = 2,
    CONVO_CLAIMS_USE_NONE = 4, /* ID tokens that do not say what they are */
} convo_claims_use_e;

/* What a location asks for; the arrays belong to the caller. */
typedef struct {
    convo_text_t issuer; /* exact "iss" */
    const convo_text_t *clients;
    size_t nclients;
    unsigned uses; /* accepted CONVO_CLAIMS_USE_*, or-ed */
    const convo_text_t *providers;
    size_t nproviders; /* 0: any */
    const convo_require_t *requires;
    size_t nrequires;
    int64_t leeway_s;
    int64_t lifetime_max_s; /* from "iat" to "exp"; 0: any */
} convo_claims_rules_t;

/*
 * Checks in this order: issuer, use, client, times, subject (401), then
 * required claims and identity provider (403).  Returns the first fault, or
 * CONVO_FAULT_NONE.
 *
 *   edge     asked where a require is of an expression or of variables; may
 *            be NULL where none is
 *   now_s    epoch seconds
 *
 * A token is expired when now - leeway >= exp, and not yet valid when
 * now + leeway < nbf or iat; "exp" must be there, the others need not.  With
 * a longest lifetime "iat" must be there, too.  Cheap: allocates nothing.
 */
convo_fault_e convo_claims_check(const convo_claims_t *claims,
                                 const convo_claims_rules_t *rules,
                                 const convo_require_edge_t *edge,
                                 int64_t now_s);

/* "exp" in epoch seconds, rounded down; 0 when there is no such number. */
int64_t convo_claims_expires(const convo_claims_t *claims);

/* The same of "iat". */
int64_t convo_claims_issued(const convo_claims_t *claims);

/*
 * "sub", which lives as long as claims; NULL when it is no string of 1 to
 * CONVO_CLAIMS_SUB_MAX bytes without control characters.
 */
const char *convo_claims_subject(const convo_claims_t *claims);

/*
 * The name of the sign-in that the token is of: "origin_jti", else "jti",
 * which lives as long as claims.  Empty when neither is a string of 1 to
 * CONVO_CLAIMS_SUB_MAX bytes without control characters.
 */
convo_text_t convo_claims_sign_in(const convo_claims_t *claims);

/*
 * A claim by the name that a variable can have: lower case, and "_" for
 * whatever is neither letter nor digit ("cognito_groups" for
 * "cognito:groups").  An exact name wins; two claims that fold to the same
 * name are NULL.  The result lives as long as claims.
 */
const convo_value_t *convo_claims_by_folded_name(const convo_claims_t *claims,
                                                 const char *name, size_t len);

/* True when a byte below 0x20, or 0x7f, is among the len bytes. */
bool convo_claims_has_control(const char *text, size_t len);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_CLAIMS_H */
