/*
 * Real keys and tokens for the units, made with OpenSSL while they run:
 * no key lies in the tree, and a token can be wrong in any way a test likes.
 */

#ifndef TOKEN_FIXTURE_H
#define TOKEN_FIXTURE_H

#include <openssl/evp.h>

/* A new RSA key; the same pointer for the same number and bits. */
EVP_PKEY *token_fixture_key(int number, unsigned bits);

/* A new key on a curve, "P-256" to "P-521" or "ED25519"; the same likewise. */
EVP_PKEY *token_fixture_curve_key(int number, const char *curve);

/*
 * {"kty":"RSA","n":...,"e":... MEMBERS}, or what a key on a curve has;
 * members is JSON that begins with a comma, or "".  The caller frees.
 */
char *token_fixture_jwk(EVP_PKEY *key, const char *members);

/* A token of two JSON texts, signed with RS256.  The caller frees. */
char *token_fixture_sign(EVP_PKEY *key, const char *header,
                         const char *payload);

/* The same with a digest of another name ("SHA512"). */
char *token_fixture_sign_with(EVP_PKEY *key, const char *digest,
                              const char *header, const char *payload);

/*
 * The same by an algorithm's name ("PS256", "ES512", "EdDSA"), which need not
 * be what the key is for.
 */
char *token_fixture_sign_by(EVP_PKEY *key, const char *alg,
                            const char *header, const char *payload);

/* A token of two JSON texts and a signature of any bytes. */
char *token_fixture_token(const char *header, const char *payload,
                          const unsigned char *signature, size_t len);

/* printf into memory that the caller frees. */
char *token_fixture_text(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif /* TOKEN_FIXTURE_H */
