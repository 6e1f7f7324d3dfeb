/*
 * convo_history: sessions as the scripts wrote them, damaged ones and replies
 * that are none.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "convo_history.h"

#define SID "abcdefghijklmnopqrstuvwxyz"
#define ENTRY(sid)                                                            \
    "{\"reason\":\"left\",\"duration\":412,\"endTime\":1700000412,"           \
    "\"pointsSpent\":7,\"sessionId\":\"" sid "\","                            \
    "\"startTime\":1.7e9,\"peer\":\"secret\"}"


static redisReply *
list_of(const char *const *texts, size_t n)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    char head[64];

    snprintf(head, sizeof(head), "*%zu\r\n", n);
    redisReaderFeed(reader, head, strlen(head));

    for (size_t i = 0; i < n; i++) {
        snprintf(head, sizeof(head), "$%zu\r\n", strlen(texts[i]));
        redisReaderFeed(reader, head, strlen(head));
        redisReaderFeed(reader, texts[i], strlen(texts[i]));
        redisReaderFeed(reader, "\r\n", 2);
    }

    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);

    return reply;
}


static json_t *
document_of(const char *const *texts, size_t n)
{
    redisReply *reply = list_of(texts, n);
    json_t *document = convo_history_document(reply);

    freeReplyObject(reply);
    return document;
}


static void
a_session_is_its_named_members_in_order(void **state)
{
    static const char *const texts[] = { ENTRY(SID) };
    json_t *document = document_of(texts, 1);
    char *text = json_dumps(document, JSON_COMPACT);

    (void) state;

    assert_string_equal(text,
                        "{\"sessions\":[{\"sessionId\":\"" SID "\","
                        "\"startTime\":1700000000,\"endTime\":1700000412,"
                        "\"duration\":412,\"pointsSpent\":7,"
                        "\"reason\":\"left\"}]}");
    free(text);
    json_decref(document);
}


static void
a_reason_that_no_store_kept_is_null(void **state)
{
    static const char *const texts[] = {
        "{\"sessionId\":\"" SID "\",\"startTime\":1,\"endTime\":2,"
        "\"duration\":1,\"pointsSpent\":1}",
    };
    json_t *document = document_of(texts, 1);
    char *text = json_dumps(document, JSON_COMPACT);

    (void) state;

    assert_string_equal(text,
                        "{\"sessions\":[{\"sessionId\":\"" SID "\","
                        "\"startTime\":1,\"endTime\":2,\"duration\":1,"
                        "\"pointsSpent\":1,\"reason\":null}]}");
    free(text);
    json_decref(document);
}


static void
no_sessions_are_an_empty_list(void **state)
{
    json_t *document = document_of(NULL, 0);

    (void) state;

    assert_int_equal(json_array_size(json_object_get(document, "sessions")),
                     0);
    assert_true(json_is_array(json_object_get(document, "sessions")));
    json_decref(document);
}


static void
damaged_sessions_are_left_out(void **state)
{
    static const char *const texts[] = {
        "", "null", "[]", "{}", "{\"sessionId\":", "not json",
        ENTRY("short"),
        ENTRY(SID) " ",
        "{\"sessionId\":\"" SID "\",\"reason\":\"left\"}",
        "{\"reason\":7,\"duration\":1,\"endTime\":1,\"pointsSpent\":1,"
        "\"sessionId\":\"" SID "\",\"startTime\":1}",
        "{\"reason\":\"left\",\"duration\":\"1\",\"endTime\":1,"
        "\"pointsSpent\":1,\"sessionId\":\"" SID "\",\"startTime\":1}",
        "{\"reason\":\"left\",\"duration\":1e300,\"endTime\":1,"
        "\"pointsSpent\":1,\"sessionId\":\"" SID "\",\"startTime\":1}",
        "{\"reason\":\"left\",\"duration\":-1,\"endTime\":1,"
        "\"pointsSpent\":1,\"sessionId\":\"" SID "\",\"startTime\":1}",
        "{\"reason\":[[[[[[[[\"left\"]]]]]]]],\"sessionId\":\"" SID "\"}",
    };
    json_t *document = document_of(texts, sizeof(texts) / sizeof(texts[0]));

    (void) state;

    /* the one with a blank behind it is whole */
    assert_int_equal(json_array_size(json_object_get(document, "sessions")),
                     1);
    json_decref(document);
}


static void
sessions_and_texts_are_bounded(void **state)
{
    const char *texts[CONVO_HISTORY_MAX + 1];
    char *longest = malloc(CONVO_HISTORY_TEXT_MAX + 2);
    json_t *document;

    (void) state;

    for (size_t i = 0; i <= CONVO_HISTORY_MAX; i++) {
        texts[i] = ENTRY(SID);
    }

    document = document_of(texts, CONVO_HISTORY_MAX + 1);
    assert_int_equal(json_array_size(json_object_get(document, "sessions")),
                     CONVO_HISTORY_MAX);
    json_decref(document);

    memset(longest, ' ', CONVO_HISTORY_TEXT_MAX + 1);
    longest[CONVO_HISTORY_TEXT_MAX + 1] = '\0';
    memcpy(longest, ENTRY(SID), strlen(ENTRY(SID)));
    texts[0] = longest;

    document = document_of(texts, 1);
    assert_int_equal(json_array_size(json_object_get(document, "sessions")),
                     0);
    json_decref(document);
    free(longest);
}


static void
other_replies_are_refused(void **state)
{
    redisReply error = { .type = REDIS_REPLY_ERROR };
    redisReply nil = { .type = REDIS_REPLY_NIL };

    (void) state;

    assert_null(convo_history_document(NULL));
    assert_null(convo_history_document(&error));
    assert_null(convo_history_document(&nil));
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_its_named_members_in_order),
        cmocka_unit_test(a_reason_that_no_store_kept_is_null),
        cmocka_unit_test(no_sessions_are_an_empty_list),
        cmocka_unit_test(damaged_sessions_are_left_out),
        cmocka_unit_test(sessions_and_texts_are_bounded),
        cmocka_unit_test(other_replies_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
