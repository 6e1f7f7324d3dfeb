/*
 * convo_claims: each rule at its edge, and what comes before what.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "convo_base64.h"
#include "convo_claims.h"

#define NOW 1000000
#define TEXT(s) { s, sizeof(s) - 1 }

static const convo_text_t clients[] = { TEXT("client-1"), TEXT("client-2") };
static const convo_text_t providers[] = { TEXT("Google") };

/* What a location asks for; tests copy it and ask for more. */
static const convo_claims_rules_t plain = {
    .issuer = TEXT("https://idp.example/pool"),
    .clients = clients,
    .nclients = 2,
    .uses = CONVO_CLAIMS_USE_ID,
    .leeway_s = 30,
};

/* { "iss": "https:\/\/idp.example\/pool", "aud": "client-1", "sub": "u-1",
 *   "token_use": "id", "exp": NOW + 300 } */
static const char good[] =
    "{\"iss\":\"https:\\/\\/idp.example\\/pool\",\"aud\":\"client-1\","
    "\"sub\":\"u-1\",\"token_use\":\"id\",\"exp\":1000300}";


/* The claims of a payload of this text, or NULL with the fault. */
static convo_claims_t *
claims_of(const char *text, convo_fault_e *fault)
{
    size_t len = strlen(text);
    char *encoded = malloc(CONVO_BASE64_LEN(len) + 1);
    convo_text_t payload = { encoded, 0 };
    convo_claims_t *claims = NULL;

    payload.len = convo_base64url(encoded, (const unsigned char *) text, len);
    *fault = convo_claims_read(&payload, &claims);
    free(encoded);

    return claims;
}


/* The fault of the good token with these members put over it. */
static convo_fault_e
check(const convo_claims_rules_t *rules, const char *members)
{
    json_t *json = json_loads(good, 0, NULL);
    json_t *changes = json_loads(members, 0, NULL);
    convo_claims_t *claims;
    convo_fault_e fault;
    char *text;
    const char *key;
    json_t *value;
    void *next;

    assert_non_null(json);
    assert_non_null(changes);

    json_object_update(json, changes);

    /* "-" takes a claim away */
    json_object_foreach_safe(json, next, key, value) {
        if (json_is_string(value)
            && strcmp(json_string_value(value), "-") == 0) {
            json_object_del(json, key);
        }
    }

    text = json_dumps(json, 0);
    claims = claims_of(text, &fault);
    assert_int_equal(fault, CONVO_FAULT_NONE);

    fault = convo_claims_check(claims, rules, NULL, NOW);

    convo_claims_free(claims);
    json_decref(json);
    json_decref(changes);
    free(text);

    return fault;
}


static void
a_good_token_passes(void **state)
{
    (void) state;

    assert_int_equal(check(&plain, "{}"), CONVO_FAULT_NONE);
    assert_int_equal(check(&plain, "{\"aud\":\"client-2\"}"),
                     CONVO_FAULT_NONE);
    assert_int_equal(check(&plain, "{\"aud\":[\"client-1\"]}"),
                     CONVO_FAULT_NONE);
}


static void
the_issuer_is_exact(void **state)
{
    static const char *const others[] = {
        "{\"iss\":\"-\"}", "{\"iss\":null}", "{\"iss\":1}",
        "{\"iss\":[\"https://idp.example/pool\"]}",
        "{\"iss\":\"https://idp.example/pool/\"}",
        "{\"iss\":\"https://idp.example/poo\"}",
        "{\"iss\":\"https://idp.example/pool2\"}",
        "{\"iss\":\"HTTPS://idp.example/pool\"}", "{\"iss\":\"\"}",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(check(&plain, others[i]), CONVO_FAULT_ISSUER);
    }
}


static void
a_token_for_another_client_is_refused(void **state)
{
    static const char *const others[] = {
        "{\"aud\":\"-\"}", "{\"aud\":\"client-3\"}", "{\"aud\":\"client\"}",
        "{\"aud\":\"client-1 \"}", "{\"aud\":[]}", "{\"aud\":[1]}",
        "{\"aud\":[\"client-1\",\"client-3\"]}", "{\"aud\":{}}",
        "{\"aud\":\"-\",\"client_id\":\"client-1\"}",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(check(&plain, others[i]), CONVO_FAULT_CLIENT);
    }
}


static void
an_id_token_is_no_access_token(void **state)
{
    static const char access[] =
        "{\"token_use\":\"access\",\"aud\":\"-\",\"client_id\":\"client-1\"}";
    convo_claims_rules_t rules = plain;

    (void) state;

    assert_int_equal(check(&rules, access), CONVO_FAULT_TOKEN_USE);
    assert_int_equal(check(&rules, "{\"token_use\":\"-\"}"),
                     CONVO_FAULT_TOKEN_USE);
    assert_int_equal(check(&rules, "{\"token_use\":[\"id\"]}"),
                     CONVO_FAULT_TOKEN_USE);

    rules.uses = CONVO_CLAIMS_USE_ACCESS;
    assert_int_equal(check(&rules, access), CONVO_FAULT_NONE);
    assert_int_equal(check(&rules, "{}"), CONVO_FAULT_TOKEN_USE);

    /* its client must be in "client_id", not in "aud" */
    assert_int_equal(check(&rules, "{\"token_use\":\"access\"}"),
                     CONVO_FAULT_CLIENT);

    rules.uses |= CONVO_CLAIMS_USE_ID;
    assert_int_equal(check(&rules, access), CONVO_FAULT_NONE);
    assert_int_equal(check(&rules, "{}"), CONVO_FAULT_NONE);
    assert_int_equal(check(&rules, "{\"token_use\":\"refresh\"}"),
                     CONVO_FAULT_TOKEN_USE);
}


static void
a_provider_without_token_use_goes_by_the_audience(void **state)
{
    convo_claims_rules_t rules = plain;

    (void) state;

    rules.uses = CONVO_CLAIMS_USE_NONE;
    assert_int_equal(check(&rules, "{\"token_use\":\"-\"}"),
                     CONVO_FAULT_NONE);
    assert_int_equal(check(&rules, "{\"token_use\":\"-\",\"aud\":\"other\"}"),
                     CONVO_FAULT_CLIENT);
    assert_int_equal(check(&rules, "{\"token_use\":\"-\",\"aud\":\"-\","
                                   "\"client_id\":\"client-1\"}"),
                     CONVO_FAULT_CLIENT);

    /* what says what it is, and a logout token */
    assert_int_equal(check(&rules, "{}"), CONVO_FAULT_TOKEN_USE);
    assert_int_equal(check(&rules, "{\"token_use\":\"access\"}"),
                     CONVO_FAULT_TOKEN_USE);
    assert_int_equal(check(&rules, "{\"token_use\":\"-\",\"events\":{}}"),
                     CONVO_FAULT_TOKEN_USE);

    /* and elsewhere such a token is none */
    assert_int_equal(check(&plain, "{\"token_use\":\"-\"}"),
                     CONVO_FAULT_TOKEN_USE);
}


static void
times_count_to_the_second_of_the_leeway(void **state)
{
    (void) state;

    assert_int_equal(check(&plain, "{\"exp\":999971}"), CONVO_FAULT_NONE);
    assert_int_equal(check(&plain, "{\"exp\":999970}"), CONVO_FAULT_EXPIRED);
    assert_int_equal(check(&plain, "{\"exp\":999970.5}"), CONVO_FAULT_NONE);

    assert_int_equal(check(&plain, "{\"nbf\":1000030}"), CONVO_FAULT_NONE);
    assert_int_equal(check(&plain, "{\"nbf\":1000031}"),
                     CONVO_FAULT_NOT_YET_VALID);
    assert_int_equal(check(&plain, "{\"nbf\":1000030.5}"),
                     CONVO_FAULT_NOT_YET_VALID);

    assert_int_equal(check(&plain, "{\"iat\":1000030}"), CONVO_FAULT_NONE);
    assert_int_equal(check(&plain, "{\"iat\":1000031}"),
                     CONVO_FAULT_NOT_YET_VALID);
}


static void
what_is_no_time_is_refused(void **state)
{
    static const char *const bad[] = {
        "{\"exp\":\"-\"}", "{\"exp\":\"1000300\"}", "{\"exp\":null}",
        "{\"exp\":true}", "{\"exp\":[1000300]}", "{\"exp\":-1}",
        "{\"exp\":1e300}", "{\"exp\":9007199254740994}",
        "{\"nbf\":\"0\"}", "{\"nbf\":-1}", "{\"nbf\":null}",
        "{\"iat\":\"0\"}", "{\"iat\":1e17}",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(check(&plain, bad[i]), CONVO_FAULT_CLAIMS);
    }
}


static void
ids_and_scopes_are_texts(void **state)
{
    static const char *const bad[] = {
        "{\"jti\":1}", "{\"jti\":null}", "{\"jti\":[\"a\"]}",
        "{\"scope\":[\"openid\"]}", "{\"scope\":false}",
    };

    (void) state;

    assert_int_equal(check(&plain, "{\"jti\":\"\",\"scope\":\"a b\"}"),
                     CONVO_FAULT_NONE);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(check(&plain, bad[i]), CONVO_FAULT_CLAIMS);
    }
}

static void
a_subject_is_a_name(void **state)
{
    char longest[CONVO_CLAIMS_SUB_MAX + 64];
    static const char *const bad[] = {
        "{\"sub\":\"-\"}", "{\"sub\":\"\"}", "{\"sub\":1}",
        "{\"sub\":\"a\\nb\"}", "{\"sub\":\"a\\u007f\"}", "{\"sub\":null}",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(check(&plain, bad[i]), CONVO_FAULT_SUBJECT);
    }

    memset(longest, 's', sizeof(longest));
    memcpy(longest, "{\"sub\":\"", 8);
    strcpy(longest + 8 + CONVO_CLAIMS_SUB_MAX, "\"}");
    assert_int_equal(check(&plain, longest), CONVO_FAULT_NONE);
    strcpy(longest + 8 + CONVO_CLAIMS_SUB_MAX, "s\"}");
    assert_int_equal(check(&plain, longest), CONVO_FAULT_SUBJECT);
}


static void
a_sign_in_is_named_by_its_first_token(void **state)
{
    static const struct {
        const char *json;
        const char *sign_in; /* "": none */
    } cases[] = {
        { "{\"origin_jti\":\"o\",\"jti\":\"j\"}", "o" },
        { "{\"jti\":\"j\"}", "j" },
        { "{\"origin_jti\":\"\",\"jti\":\"j\"}", "j" },
        { "{\"origin_jti\":7,\"jti\":\"j\"}", "j" },
        { "{\"origin_jti\":\"a\\nb\",\"jti\":\"j\"}", "j" },
        { "{\"origin_jti\":null,\"jti\":[\"j\"]}", "" },
        { "{}", "" },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        convo_fault_e fault;
        convo_claims_t *claims = claims_of(cases[i].json, &fault);
        convo_text_t sign_in = convo_claims_sign_in(claims);

        assert_int_equal(sign_in.len, strlen(cases[i].sign_in));
        assert_memory_equal(sign_in.data, cases[i].sign_in, sign_in.len);
        convo_claims_free(claims);
    }
}


/* The rules of the plain location that also requires this. */
static convo_claims_rules_t
requiring(const char *text, convo_require_t *require)
{
    convo_text_t view = { text, strlen(text) };
    convo_claims_rules_t rules = plain;

    assert_true(convo_require_parse(require, &view));
    rules.requires = require;
    rules.nrequires = 1;

    return rules;
}


static void
required_claims_hold(void **state)
{
    static const char *const cases[][3] = {
        { "a=x", "{\"a\":\"x\"}", "{\"a\":\"X\"}" },
        { "a=x", "{\"a\":[\"y\",\"x\"]}", "{}" },
        { "a!=x", "{\"a\":\"y\"}", "{}" },
        { "a.b=1", "{\"a\":{\"b\":1}}", "{\"a.c\":1}" },
    };
    convo_require_t require;

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        convo_claims_rules_t rules = requiring(cases[i][0], &require);

        assert_int_equal(check(&rules, cases[i][1]), CONVO_FAULT_NONE);
        assert_int_equal(check(&rules, cases[i][2]),
                         CONVO_FAULT_REQUIRED_CLAIM);
    }
}


static void
a_value_that_nobody_can_tell_is_our_fault(void **state)
{
    convo_require_t require;
    convo_claims_rules_t rules = requiring("a=$x", &require);

    (void) state;

    require.edge = &require;
    assert_int_equal(check(&rules, "{\"a\":\"x\"}"), CONVO_FAULT_INTERNAL);
    assert_int_equal(check(&rules, "{}"), CONVO_FAULT_REQUIRED_CLAIM);
}


static void
a_lifetime_ends_where_it_is_set(void **state)
{
    convo_claims_rules_t rules = plain;

    (void) state;

    rules.lifetime_max_s = 600;

    assert_int_equal(check(&rules, "{\"iat\":999700}"), CONVO_FAULT_NONE);
    assert_int_equal(check(&rules, "{\"iat\":999699}"), CONVO_FAULT_LIFETIME);
    assert_int_equal(check(&rules, "{\"iat\":999699.5}"),
                     CONVO_FAULT_LIFETIME);
    assert_int_equal(check(&rules, "{}"), CONVO_FAULT_CLAIMS);
    assert_int_equal(check(&plain, "{\"iat\":0}"), CONVO_FAULT_NONE);

    /* other faults of its times come first */
    assert_int_equal(check(&rules, "{\"iat\":1,\"exp\":2}"),
                     CONVO_FAULT_EXPIRED);
    assert_int_equal(convo_fault_reply(CONVO_FAULT_LIFETIME)->status, 401);
}


static void
a_path_finds_what_is_inside(void **state)
{
    static const char text[] =
        "{\"address\":{\"country\":\"DE\",\"a.b\":{\"c\":1}},\"x.y\":2,"
        "\"x\":{\"y\":3,\"z\":4},\"https://x.y/role\":\"r\","
        "\"l\":[\"a\",{\"n\":[5]}],\"\":{\"\":6},"
        "\"identities\":\"[{\\\"providerName\\\":\\\"Google\\\"}]\"}";
    static const char *const found[][2] = {
        { "address.country", "DE" }, { "address.a.b.c", "1" },
        { "x.y", "2" }, { "x.z", "4" }, { "https://x.y/role", "r" },
        { "l.0", "a" }, { "l.1.n.0", "5" }, { ".", "6" },
        { "identities.0.providerName", "Google" },
    };
    static const char *const missing[] = {
        "address.city", "address.country.x", "address.", "country", "l.2",
        "l.00", "l.01", "l.-1", "l.", "l.0x", "l.a", "l.18446744073709551616",
        "l.0.0", "x.y.z", "identities.1.providerName", "..", "address..a",
    };
    convo_fault_e fault;
    convo_claims_t *claims = claims_of(text, &fault);

    (void) state;

    assert_int_equal(fault, CONVO_FAULT_NONE);

    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
        convo_text_t path = { found[i][0], strlen(found[i][0]) };
        convo_text_t value = convo_value_text(convo_claims_find(claims,
                                                                &path));

        assert_non_null(value.data);
        assert_int_equal(value.len, strlen(found[i][1]));
        assert_memory_equal(value.data, found[i][1], value.len);
    }

    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        convo_text_t path = { missing[i], strlen(missing[i]) };

        if (convo_claims_find(claims, &path) != NULL) {
            fail_msg("%s is found", missing[i]);
        }
    }

    convo_claims_free(claims);
}


static void
an_unverified_address_is_not_verified(void **state)
{
    static const char *const bad[] = {
        "{}", "{\"email_verified\":false}", "{\"email_verified\":1}",
        "{\"email_verified\":\"True\"}", "{\"email_verified\":\"1\"}",
        "{\"email_verified\":null}", "{\"email_verified\":\"false\"}",
        "{\"Email_Verified\":true}",
    };
    convo_require_t require;
    convo_claims_rules_t rules = requiring("email_verified=true", &require);

    (void) state;

    assert_int_equal(check(&rules, "{\"email_verified\":true}"),
                     CONVO_FAULT_NONE);
    assert_int_equal(check(&rules, "{\"email_verified\":\"true\"}"),
                     CONVO_FAULT_NONE);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(check(&rules, bad[i]),
                         CONVO_FAULT_EMAIL_NOT_VERIFIED);
    }
}


static void
a_provider_counts_only_by_its_identity(void **state)
{
    static const char *const good_ones[] = {
        "{\"identities\":[{\"providerName\":\"Google\"}]}",
        "{\"identities\":[{\"providerName\":\"X\"},"
        "{\"providerName\":\"Google\"}]}",
        "{\"identities\":\"[{\\\"providerName\\\":\\\"Google\\\"}]\"}",
    };
    static const char *const bad[] = {
        "{}", "{\"identities\":[]}", "{\"identities\":null}",
        "{\"identities\":\"\"}", "{\"identities\":\"Google\"}",
        "{\"identities\":[\"Google\"]}",
        "{\"identities\":[{\"providerName\":\"google\"}]}",
        "{\"identities\":[{\"providerName\":\"GoogleX\"}]}",
        "{\"identities\":[{\"providerType\":\"Google\"}]}",
        "{\"identities\":{\"providerName\":\"Google\"}}",
        "{\"identities\":\"{\\\"providerName\\\":\\\"Google\\\"}\"}",
        "{\"identities\":\"[[[[[[[[[[\"}",
        "{\"cognito:username\":\"Google_1\","
        "\"cognito:groups\":[\"pool_Google\"]}",
    };
    convo_claims_rules_t rules = plain;

    (void) state;

    rules.providers = providers;
    rules.nproviders = 1;

    for (size_t i = 0; i < sizeof(good_ones) / sizeof(good_ones[0]); i++) {
        assert_int_equal(check(&rules, good_ones[i]), CONVO_FAULT_NONE);
    }

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(check(&rules, bad[i]), CONVO_FAULT_PROVIDER);
    }
}


static void
a_tokens_own_faults_come_before_a_refusal(void **state)
{
    convo_require_t require;
    convo_claims_rules_t rules = requiring("email_verified=true", &require);

    (void) state;
    rules.providers = providers;
    rules.nproviders = 1;

    assert_int_equal(check(&rules, "{\"iss\":\"-\"}"), CONVO_FAULT_ISSUER);
    assert_int_equal(check(&rules, "{\"exp\":1}"), CONVO_FAULT_EXPIRED);
    assert_int_equal(check(&rules, "{\"sub\":\"\"}"), CONVO_FAULT_SUBJECT);
    assert_int_equal(convo_fault_reply(CONVO_FAULT_EXPIRED)->status, 401);
    assert_int_equal(convo_fault_reply(CONVO_FAULT_PROVIDER)->status, 403);
}


static void
a_folded_name_finds_one_claim(void **state)
{
    convo_fault_e fault;
    convo_claims_t *claims = claims_of(
        "{\"cognito:groups\":1,\"givenName\":2,\"a:b\":3,\"a-b\":4,"
        "\"c-d\":5,\"c_d\":6}",
        &fault);

    (void) state;

#define FOUND(name)                                                           \
    convo_value_text(                                                         \
        convo_claims_by_folded_name(claims, name, sizeof(name) - 1))          \
        .data[0]

    assert_int_equal(FOUND("cognito_groups"), '1');
    assert_int_equal(FOUND("givenname"), '2');
    assert_int_equal(FOUND("c_d"), '6');
    assert_null(convo_claims_by_folded_name(claims, "a_b", 3));
    assert_null(convo_claims_by_folded_name(claims, "cognito", 7));

    convo_claims_free(claims);
}


static void
claims_are_one_object(void **state)
{
    static const char *const bad[] = {
        "W10" /* [] */, "eA" /* x */, "e30=", "e31", "",
        "eyJhIjoxLCJhIjoyfQ" /* {"a":1,"a":2} */,
    };
    convo_text_t payload = TEXT("e30");
    convo_claims_t *claims = NULL;

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        convo_text_t text = { bad[i], strlen(bad[i]) };

        assert_int_equal(convo_claims_read(&text, &claims),
                         CONVO_FAULT_CLAIMS);
        assert_null(claims);
    }

    assert_int_equal(convo_claims_read(&payload, &claims), CONVO_FAULT_NONE);
    assert_int_equal(convo_value_count(convo_claims_root(claims)), 0);
    assert_int_equal(convo_claims_expires(claims), 0);
    assert_null(convo_claims_subject(claims));
    convo_claims_free(claims);
}


static void
claims_outlive_their_token(void **state)
{
    convo_fault_e fault;
    convo_claims_t *claims = claims_of(
        "{\"sub\":\"u-1\",\"exp\":1000300.9,\"iat\":1e6,\"a\":[\"\\u00e9\"]}",
        &fault);
    const convo_value_t *a = convo_claims_get(claims, "a", 1);

    (void) state;

    assert_string_equal(convo_claims_subject(claims), "u-1");
    assert_int_equal(convo_claims_expires(claims), 1000300);
    assert_int_equal(convo_claims_issued(claims), 1000000);
    assert_true(convo_value_is(convo_value_next(a, NULL), "\xc3\xa9", 2));
    assert_null(convo_claims_get(claims, "A", 1));
    assert_in_range(convo_claims_size(claims), 64, 512);

    convo_claims_free(claims);
    convo_claims_free(NULL);
}


static void
every_fault_has_a_reply(void **state)
{
    (void) state;

    for (int i = CONVO_FAULT_NONE + 1; i < CONVO_FAULT_COUNT; i++) {
        const convo_fault_reply_t *reply = convo_fault_reply(i);

        assert_in_range(reply->status, 401, 503);
        assert_non_null(reply->word);
        assert_non_null(reply->code);
        assert_null(strchr(reply->detail, '"'));
    }

    assert_int_equal(convo_fault_reply(CONVO_FAULT_NONE)->status, 500);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_token_passes),
        cmocka_unit_test(the_issuer_is_exact),
        cmocka_unit_test(a_token_for_another_client_is_refused),
        cmocka_unit_test(an_id_token_is_no_access_token),
        cmocka_unit_test(a_provider_without_token_use_goes_by_the_audience),
        cmocka_unit_test(times_count_to_the_second_of_the_leeway),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(a_subject_is_a_name),
        cmocka_unit_test(ids_and_scopes_are_texts),
        cmocka_unit_test(a_sign_in_is_named_by_its_first_token),
        cmocka_unit_test(required_claims_hold),
        cmocka_unit_test(a_value_that_nobody_can_tell_is_our_fault),
        cmocka_unit_test(a_lifetime_ends_where_it_is_set),
        cmocka_unit_test(a_path_finds_what_is_inside),
        cmocka_unit_test(an_unverified_address_is_not_verified),
        cmocka_unit_test(a_provider_counts_only_by_its_identity),
        cmocka_unit_test(a_tokens_own_faults_come_before_a_refusal),
        cmocka_unit_test(a_folded_name_finds_one_claim),
        cmocka_unit_test(claims_are_one_object),
        cmocka_unit_test(claims_outlive_their_token),
        cmocka_unit_test(every_fault_has_a_reply),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
