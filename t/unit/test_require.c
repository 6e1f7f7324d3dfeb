/*
 * convo_require: how a required claim is written, and for which claims it
 * holds; above all for which it does not.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "convo_require.h"

#define LEN(array) (sizeof(array) / sizeof(array[0]))

static convo_value_t values[64];
static char text[1024];


static convo_require_t
parse(const char *string)
{
    convo_text_t view = { string, strlen(string) };
    convo_require_t require;

    if (!convo_require_parse(&require, &view)) {
        fail_msg("%s is refused", string);
    }

    return require;
}


/* The edge's part: "find this text", and a variable that is this text. */
static bool
matches(void *request, const convo_require_t *require,
        const convo_text_t *subject)
{
    char needle[32] = "";

    (void) request;
    memcpy(needle, require->value.data, require->value.len);

    return strstr(subject->data, needle) != NULL;
}


static bool
value(void *request, const convo_require_t *require, convo_text_t *variable)
{
    (void) require;

    if (request == NULL) {
        return false;
    }

    *variable = (convo_text_t){ request, strlen(request) };

    return true;
}


static convo_require_answer_e
answer(const convo_require_t *require, const char *json, const char *variable)
{
    convo_require_edge_t edge = { value, matches, (void *) variable };
    const convo_value_t *claim = NULL;

    if (json[0] != '\0') {
        strcpy(text, "[");
        strcat(text, json);
        strcat(text, "]");
        assert_int_not_equal(
            convo_document_read(values, LEN(values), 8, text, strlen(text)),
            0);
        claim = convo_value_next(values, NULL);
    }

    return convo_require_check(require, claim, &edge);
}


/* Of these claims, "" being none, the require holds for the first n. */
static void
holds_for(const char *string, const char *const *claims, size_t n,
          size_t all)
{
    convo_require_t require = parse(string);

    for (size_t i = 0; i < all; i++) {
        convo_require_answer_e expected = i < n ? CONVO_REQUIRE_HOLDS
                                                : CONVO_REQUIRE_FAILS;

        if (answer(&require, claims[i], NULL) != expected) {
            fail_msg("%s for %s: not %d", string, claims[i], expected);
        }
    }
}

#define HOLDS_FOR(string, n, ...)                                             \
    do {                                                                      \
        static const char *const claims[] = { __VA_ARGS__ };                  \
        holds_for(string, claims, n, LEN(claims));                            \
    } while (0)


static void
a_require_has_a_name_an_operator_and_a_value(void **state)
{
    static const struct {
        const char *string;
        const char *path;
        convo_require_e op;
        bool if_there;
        const char *value;
        convo_require_type_e type;
    } cases[] = {
        { "a=b", "a", CONVO_REQUIRE_EQUAL, false, "b", CONVO_REQUIRE_STRING },
        { "a=", "a", CONVO_REQUIRE_EQUAL, false, "", CONVO_REQUIRE_STRING },
        { "a!=b", "a", CONVO_REQUIRE_DIFFERENT, false, "b",
          CONVO_REQUIRE_STRING },
        { "a?=b", "a", CONVO_REQUIRE_EQUAL, true, "b", CONVO_REQUIRE_STRING },
        { "a?!=b", "a", CONVO_REQUIRE_DIFFERENT, true, "b",
          CONVO_REQUIRE_STRING },
        { "a~b", "a", CONVO_REQUIRE_MATCH, false, "b", CONVO_REQUIRE_STRING },
        { "a?~^b=c!~$", "a", CONVO_REQUIRE_MATCH, true, "^b=c!~$",
          CONVO_REQUIRE_STRING },
        { "a~*b", "a", CONVO_REQUIRE_MATCH, false, "b",
          CONVO_REQUIRE_STRING },
        { "a~18", "a", CONVO_REQUIRE_MATCH, false, "18",
          CONVO_REQUIRE_STRING },
        { "a=~b", "a", CONVO_REQUIRE_EQUAL, false, "~b",
          CONVO_REQUIRE_STRING },
        { "a=b=c", "a", CONVO_REQUIRE_EQUAL, false, "b=c",
          CONVO_REQUIRE_STRING },
        { "https://x.y/r=1.8e1", "https://x.y/r", CONVO_REQUIRE_EQUAL, false,
          "1.8e1", CONVO_REQUIRE_NUMBER },
        { "a=true", "a", CONVO_REQUIRE_EQUAL, false, "true",
          CONVO_REQUIRE_BOOLEAN },
        { "a!=null", "a", CONVO_REQUIRE_DIFFERENT, false, "null",
          CONVO_REQUIRE_NULL },
        { "a=\"18\"", "a", CONVO_REQUIRE_EQUAL, false, "18",
          CONVO_REQUIRE_STRING },
        { "a=\"\"", "a", CONVO_REQUIRE_EQUAL, false, "",
          CONVO_REQUIRE_STRING },
        { "a=\"", "a", CONVO_REQUIRE_EQUAL, false, "\"",
          CONVO_REQUIRE_STRING },
        { "a=018", "a", CONVO_REQUIRE_EQUAL, false, "018",
          CONVO_REQUIRE_STRING },
        { "a=True", "a", CONVO_REQUIRE_EQUAL, false, "True",
          CONVO_REQUIRE_STRING },
    };
    static const char *const bad[] = {
        "", "a", "=", "=b", "!=b", "?=b", "?!=b", "~b", "a~", "a~*", "a!~b",
        "a?!~b",
    };
    convo_require_t require;

    (void) state;

    for (size_t i = 0; i < LEN(cases); i++) {
        require = parse(cases[i].string);

        assert_int_equal(require.path.len, strlen(cases[i].path));
        assert_memory_equal(require.path.data, cases[i].path,
                            require.path.len);
        assert_int_equal(require.op, cases[i].op);
        assert_int_equal(require.if_there, cases[i].if_there);
        assert_int_equal(require.value.len, strlen(cases[i].value));
        assert_memory_equal(require.value.data, cases[i].value,
                            require.value.len);
        assert_int_equal(require.type, cases[i].type);
        assert_int_equal(require.caseless,
                         strcmp(cases[i].string, "a~*b") == 0);
        assert_null(require.edge);
    }

    for (size_t i = 0; i < LEN(bad); i++) {
        convo_text_t view = { bad[i], strlen(bad[i]) };

        assert_false(convo_require_parse(&require, &view));
    }
}


static void
equal_is_equal_as_json(void **state)
{
    (void) state;

    HOLDS_FOR("a=x", 3, "\"x\"", "[\"x\"]", "[1,null,{},[],\"x\"]",
              "", "null", "\"X\"", "\"xy\"", "\"\"", "1", "true", "{}",
              "{\"x\":1}", "[]", "[\"y\"]", "[[\"x\"]]", "[{\"x\":\"x\"}]");
    HOLDS_FOR("a=", 2, "\"\"", "[\"\"]", "", "null", "[]", "{}", "0",
              "false", "\" \"");
    HOLDS_FOR("a=18", 6, "18", "18.0", "1.8e1", "180e-1", "[18]",
              "[\"x\",18.00]", "\"18\"", "[\"18\"]", "-18", "18.1",
              "18.000000000000000000001", "1", "180", "true", "");
    HOLDS_FOR("a=9007199254740993", 1, "9007199254740993",
              "9007199254740992", "9007199254740993.5");
    HOLDS_FOR("a=0", 3, "0", "-0", "0e9", "false", "\"\"", "null", "\"0\"");
    HOLDS_FOR("a=\"18\"", 2, "\"18\"", "[\"18\"]", "18", "\"18.0\"");
    HOLDS_FOR("a=true", 2, "true", "[true]", "false", "1", "\"true\"", "",
              "\"True\"");
    HOLDS_FOR("a=false", 1, "false", "true", "0", "null", "\"false\"", "");
    HOLDS_FOR("a=\"true\"", 1, "\"true\"", "true");
    HOLDS_FOR("a=null", 2, "null", "[null]", "", "\"null\"", "0", "false");
}


static void
different_is_surely_different(void **state)
{
    (void) state;

    /* what is not there, or cannot be compared, does not hold */
    HOLDS_FOR("a!=x", 7, "\"y\"", "\"\"", "1", "true", "[]", "[\"y\",2]",
              "[null]", "\"x\"", "[\"x\"]", "[\"y\",\"x\"]", "", "null",
              "{}", "[[\"y\"]]", "[{}]");

    /* nor does what another reader could take for the value */
    HOLDS_FOR("a!=true", 3, "false", "\"no\"", "1", "true", "\"true\"",
              "[false,\"true\"]", "", "null");
    HOLDS_FOR("a!=18", 3, "17", "\"17\"", "true", "18", "18.0", "\"18\"",
              "\"1.8e1\"", "[17,\"18\"]", "");
    HOLDS_FOR("a!=\"18\"", 1, "17", "18", "\"18\"");
    HOLDS_FOR("a!=null", 4, "1", "\"null\"", "{}", "[1]", "null", "",
              "[1,null]");
}


static void
a_claim_that_may_be_missing_may_be_missing(void **state)
{
    (void) state;

    HOLDS_FOR("a?=x", 3, "", "null", "\"x\"", "\"y\"", "[]", "{}");
    HOLDS_FOR("a?!=x", 4, "", "null", "\"y\"", "[\"y\"]", "\"x\"", "{}");
    HOLDS_FOR("a?~x", 3, "", "null", "\"x\"", "\"y\"", "1");
    HOLDS_FOR("a?=null", 2, "", "null", "1");
}


static void
an_expression_is_for_strings(void **state)
{
    convo_require_t require = parse("a~x");

    (void) state;

    HOLDS_FOR("a~x", 3, "\"axb\"", "[\"y\",\"x\"]", "[1,\"x\"]", "\"y\"",
              "\"\"", "", "null", "[]", "[\"y\"]", "{}", "{\"x\":1}",
              "[[\"x\"]]", "true");
    HOLDS_FOR("a~1", 1, "\"1\"", "1", "[1]", "");

    /* without an edge there is no match */
    assert_int_equal(convo_require_check(&require, values, NULL),
                     CONVO_REQUIRE_FAILS);
}


static void
a_boolean_address_may_be_a_string(void **state)
{
    (void) state;

    HOLDS_FOR("email_verified=true", 2, "true", "\"true\"", "\"True\"",
              "\"1\"", "1", "false", "\"false\"", "", "null");
    HOLDS_FOR("email_verified2=true", 1, "true", "\"true\"");
}


static void
a_value_of_variables_is_of_the_claims_type(void **state)
{
    convo_require_t equal = parse("a=$x");
    convo_require_t different = parse("a!=$x");

    (void) state;

    equal.type = different.type = CONVO_REQUIRE_TEXT;
    equal.edge = different.edge = &equal;

    assert_int_equal(answer(&equal, "\"18\"", "18"), CONVO_REQUIRE_HOLDS);
    assert_int_equal(answer(&equal, "18.0", "18"), CONVO_REQUIRE_HOLDS);
    assert_int_equal(answer(&equal, "true", "true"), CONVO_REQUIRE_HOLDS);
    assert_int_equal(answer(&equal, "[\"a\",\"b\"]", "b"),
                     CONVO_REQUIRE_HOLDS);
    assert_int_equal(answer(&equal, "\"18.0\"", "18"), CONVO_REQUIRE_FAILS);
    assert_int_equal(answer(&equal, "null", "null"), CONVO_REQUIRE_FAILS);
    assert_int_equal(answer(&equal, "", "x"), CONVO_REQUIRE_FAILS);

    /* who has no value is not equal to who has none either */
    assert_int_equal(answer(&equal, "\"\"", ""), CONVO_REQUIRE_FAILS);
    assert_int_equal(answer(&equal, "[\"\"]", ""), CONVO_REQUIRE_FAILS);

    assert_int_equal(answer(&different, "\"a\"", "b"), CONVO_REQUIRE_HOLDS);
    assert_int_equal(answer(&different, "\"a\"", ""), CONVO_REQUIRE_HOLDS);
    assert_int_equal(answer(&different, "\"a\"", "a"), CONVO_REQUIRE_FAILS);
    assert_int_equal(answer(&different, "18", "18.0"), CONVO_REQUIRE_FAILS);

    /* out of memory, and nobody to ask */
    assert_int_equal(answer(&equal, "1", NULL), CONVO_REQUIRE_ERROR);
    assert_int_equal(convo_require_check(&equal, values, NULL),
                     CONVO_REQUIRE_ERROR);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_require_has_a_name_an_operator_and_a_value),
        cmocka_unit_test(equal_is_equal_as_json),
        cmocka_unit_test(different_is_surely_different),
        cmocka_unit_test(a_claim_that_may_be_missing_may_be_missing),
        cmocka_unit_test(an_expression_is_for_strings),
        cmocka_unit_test(a_boolean_address_may_be_a_string),
        cmocka_unit_test(a_value_of_variables_is_of_the_claims_type),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
