/*
 * convo_jws and convo_claims: from a token's bytes to a decision.  An input
 * of one line is the token itself; one of several is a JOSE header and the
 * claims, which are encoded here, as no fuzzer finds its way through base 64.
 * Whatever passes has what the edge goes on with: a subject and an end.
 */

#include "input.h"

#include <string.h>

#include "convo_base64.h"
#include "convo_claims.h"
#include "convo_jws.h"

#define NOW 1000000100
#define TEXT(text) { text, sizeof(text) - 1 }

static const convo_text_t clients[] = { TEXT("c1"), TEXT("c2") };
static const convo_text_t providers[] = { TEXT("Google") };
static const char *const requires[] = {
    "email_verified=true", "age?!=18", "identities.0.providerName?~o",
    "a.b?=$x", "a?!=null", "cognito:groups?!=\"banned\"",
};

#define REQUIRES (sizeof(requires) / sizeof(requires[0]))

static convo_require_t parsed[REQUIRES];
static const convo_claims_rules_t rules = {
    .issuer = TEXT("https://i"),
    .clients = clients,
    .nclients = 2,
    .uses = CONVO_CLAIMS_USE_ID | CONVO_CLAIMS_USE_ACCESS,
    .providers = providers,
    .nproviders = 1,
    .requires = parsed,
    .nrequires = REQUIRES,
    .leeway_s = 60,
};


static bool
value(void *request, const convo_require_t *require, convo_text_t *text)
{
    (void) request;
    MUST(require->edge != NULL);
    *text = (convo_text_t)TEXT("x");

    return true;
}


static bool
matches(void *request, const convo_require_t *require,
        const convo_text_t *text)
{
    (void) request;
    (void) require;

    return memchr(text->data, 'o', text->len) != NULL;
}


static const convo_require_edge_t edge = { value, matches, NULL };


/* Once, before the first input. */
static void
prepare(void)
{
    for (size_t i = 0; i < REQUIRES; i++) {
        convo_text_t text = { requires[i], strlen(requires[i]) };

        MUST(convo_require_parse(&parsed[i], &text));
    }

    parsed[3].type = CONVO_REQUIRE_TEXT;
    parsed[3].edge = &edge;
}


/* "HEADER.CLAIMS.AA", exactly as long as it is. */
static input_text_t
encode(const input_text_t *header, const input_text_t *claims)
{
    input_text_t token = { malloc(CONVO_BASE64_LEN(header->len)
                                  + CONVO_BASE64_LEN(claims->len) + 8), 0 };

    token.len = convo_base64url(token.data, (unsigned char *) header->data,
                                header->len);
    token.data[token.len++] = '.';
    token.len += convo_base64url(token.data + token.len,
                                 (unsigned char *) claims->data, claims->len);
    memcpy(token.data + token.len, ".AA", 3);
    token.len += 3;
    token.data = realloc(token.data, token.len);

    return token;
}


static void
decide(const input_text_t *token)
{
    convo_jws_t jws;
    convo_jws_header_t header;
    convo_claims_t *claims;

    if (convo_jws_split(&jws, token->data, token->len) != CONVO_FAULT_NONE) {
        return;
    }

    MUST(jws.signed_input.len + 1 + jws.signature.len == token->len);

    if (convo_jws_read_header(&jws, &header) == CONVO_FAULT_NONE) {
        MUST(header.alg[0] != '\0');
    }

    if (convo_claims_read(&jws.payload, &claims) != CONVO_FAULT_NONE) {
        return;
    }

    if (convo_claims_check(claims, &rules, &edge, NOW) == CONVO_FAULT_NONE) {
        MUST(convo_claims_subject(claims) != NULL);
        MUST(convo_claims_expires(claims) >= NOW - rules.leeway_s);
    }

    convo_claims_by_folded_name(claims, "cognito_groups", 14);
    convo_claims_free(claims);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    input_t input = { data, len };
    input_text_t line = input_line(&input);
    input_text_t rest = input_rest(&input);

    if (parsed[0].path.len == 0) {
        prepare();
    }

    if (rest.len == 0) {
        decide(&line);
    } else {
        input_text_t token = encode(&line, &rest);

        decide(&token);
        free(token.data);
    }

    free(line.data);
    free(rest.data);

    return 0;
}
