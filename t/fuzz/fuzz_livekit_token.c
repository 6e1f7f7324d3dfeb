/*
 * convo_livekit_token: any bytes as the Authorization header of a webhook.
 * An input of several lines is a JOSE header, the claims and the body, which
 * are signed here, as nothing is parsed before the signature is good.  A
 * token that is taken for its body is taken for no other.
 */

#include "input.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "convo_base64.h"
#include "convo_livekit_token.h"

#define NOW 1000000100
#define LEEWAY 60
#define SECRET "0123456789abcdef0123456789abcdef"
#define SIGNATURE_MAX CONVO_BASE64_LEN(EVP_MAX_MD_SIZE)

static const convo_secrets_t secrets = { 1, { { 32, SECRET } } };
static const convo_livekit_key_t key = { "APIconvo", &secrets };


/* A header with a good signature, exactly as long as it is. */
static input_text_t
sign(const input_text_t *header, const input_text_t *claims)
{
    input_text_t token = { malloc(CONVO_BASE64_LEN(header->len)
                                  + CONVO_BASE64_LEN(claims->len)
                                  + SIGNATURE_MAX + 3), 0 };
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int mac_len;

    token.len = convo_base64url(token.data, (unsigned char *) header->data,
                                header->len);
    token.data[token.len++] = '.';
    token.len += convo_base64url(token.data + token.len,
                                 (unsigned char *) claims->data, claims->len);

    HMAC(EVP_sha256(), SECRET, 32, (unsigned char *) token.data, token.len,
         mac, &mac_len);
    token.data[token.len++] = '.';
    token.len += convo_base64url(token.data + token.len, mac, mac_len);
    token.data = realloc(token.data, token.len);

    return token;
}


static void
verify(const input_text_t *header, const input_text_t *body)
{
    if (convo_livekit_verify(&key, header->data, header->len, body->data,
                             body->len, NOW, LEEWAY) == CONVO_LIVEKIT_OK) {
        MUST(convo_livekit_verify(&key, header->data, header->len, SECRET, 32,
                                  NOW, LEEWAY) == CONVO_LIVEKIT_BODY);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    input_t input = { data, len };
    input_text_t first = input_line(&input);
    input_text_t claims = input_line(&input);
    input_text_t body = input_rest(&input);
    input_text_t token = sign(&first, &claims);

    verify(&first, &body);
    verify(&token, &body);

    free(first.data);
    free(claims.data);
    free(body.data);
    free(token.data);

    return 0;
}
