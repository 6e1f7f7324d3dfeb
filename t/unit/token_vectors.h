/*
 * Tokens and keys as RFCs print them: 7515 appendix A, 7517 appendix A, 7520
 * section 4, 8037 appendix A.  Line breaks apart nothing is changed; of a
 * private key its public members are shown.
 */

#ifndef TOKEN_VECTORS_H
#define TOKEN_VECTORS_H

#define TOKEN_VECTORS 7

typedef struct {
    const char *section;
    const char *alg;
    const char *jwk;
    const char *token;
} token_vector_t;

/* Tokens that are good. */
extern const token_vector_t token_vectors[TOKEN_VECTORS];

/* Tokens that are signed by everybody who can verify them, or by nobody. */
extern const char token_vector_hmac_key[];
extern const char token_vector_hmac[];
extern const char token_vector_none[];

/* Key sets. */
extern const char token_vector_public_keys[];
extern const char token_vector_private_keys[];
extern const char token_vector_symmetric_keys[];

#endif /* TOKEN_VECTORS_H */
