/*
 * A dead letter as an operator sees it; see dead_letter.h.
 *
 * To put a ticket back the script must be named the key of its user, so that
 * "what" is read here as the script reads it.
 */

#include "dead_letter.h"
#include "convo_base64.h"
#include "stream.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a letter may come from; the key is of the same kind. */
static const char *const sources[] = {
    CONVO_KEY_QUEUE,   CONVO_KEY_CLAIMS, CONVO_KEY_SESSIONS,
    CONVO_KEY_CLOSING, CONVO_KEY_LIVEKIT, CONVO_KEY_ENDED,
    CONVO_KEY_REPORTS, CONVO_KEY_PROBES, CONVO_KEY_DIRTY,
};

#define SOURCES (sizeof(sources) / sizeof(sources[0]))


/* --- in memory --- */

/* A copy of a field of the entry, "" when it has none; a NUL in it is where
 * the copy ends. */
static char *
copy_field(const redisReply *entry, const char *name)
{
    const redisReply list = { .type = REDIS_REPLY_ARRAY, .elements = 1,
                              .element = (redisReply *[]) {
                                  (redisReply *) entry } };
    convo_field_t field = convo_stream_field(&list, 0, name);
    char *copy = strndup(field.text != NULL ? field.text : "", field.len);

    if (copy == NULL) {
        perror("convo-worker");
        abort();
    }

    return copy;
}


int
convo_dead_letter_take(convo_dead_letter_t *letter, const redisReply *entry)
{
    memset(letter, 0, sizeof(*letter));

    if (!convo_reply_is_array(entry, 2)
        || entry->element[0]->type != REDIS_REPLY_STRING
        || entry->element[0]->len >= CONVO_DEAD_ID)
    {
        return -1;
    }

    strcpy(letter->id, entry->element[0]->str);
    letter->what = copy_field(entry, "what");
    letter->kind = copy_field(entry, "kind");
    letter->from = copy_field(entry, "from");
    letter->encoding = copy_field(entry, "encoding");
    letter->reason = copy_field(entry, "reason");
    letter->at = copy_field(entry, "at");

    return 0;
}


void
convo_dead_letter_free(convo_dead_letter_t *letter)
{
    free(letter->what);
    free(letter->kind);
    free(letter->from);
    free(letter->encoding);
    free(letter->reason);
    free(letter->at);
    memset(letter, 0, sizeof(*letter));
}


/* --- on stdout --- */

/* The text, or null when it is no UTF-8. */
static json_t *
text_of(const char *text)
{
    json_t *string = json_string(text);

    return string != NULL ? string : json_null();
}


/* What was buried: the JSON that "what" is, or the text that it is not. */
static json_t *
what_of(const convo_dead_letter_t *letter)
{
    json_t *what = json_loads(letter->what, JSON_DECODE_ANY | JSON_ALLOW_NUL,
                              NULL);

    return what != NULL ? what : text_of(letter->what);
}


/* Epoch seconds of "at", or 0 when it is none. */
static json_int_t
at_of(const convo_dead_letter_t *letter)
{
    size_t digits = strspn(letter->at, "0123456789");

    return letter->at[digits] == '\0' && digits > 0 && digits <= 18
               ? strtoll(letter->at, NULL, 10) / 1000
               : 0;
}


int
convo_dead_letter_print(const convo_command_t *command, convo_redis_t *redis,
                        const convo_pool_t *pool,
                        const convo_dead_letter_t *letter)
{
    json_t *line;
    int failed;

    (void) redis;

    line = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I}", "id", letter->id,
                     "pool", pool->name, "kind", text_of(letter->kind), "from",
                     text_of(letter->from), "what", what_of(letter), "reason",
                     text_of(letter->reason), "at", at_of(letter));

    if (line != NULL && letter->encoding[0] != '\0') {
        json_object_set_new(line, "encoding", text_of(letter->encoding));
    }

    failed = line == NULL
             || json_dumpf(line, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER)
                    != 0
             || putchar('\n') == EOF;
    json_decref(line);

    if (failed) {
        convo_command_failed(command, "%s: cannot be printed", letter->id);
    }

    return failed ? -1 : 0;
}


/* --- back --- */

static const char *
source_of(const convo_dead_letter_t *letter)
{
    for (size_t i = 0; i < SOURCES; i++) {
        if (strcmp(sources[i], letter->from) == 0) {
            return sources[i];
        }
    }

    return NULL;
}


/* Decodes standard base 64 in place: the length, or -1. */
static long
decode(char *text)
{
    size_t len = strcspn(text, "=");

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '+') {
            text[i] = '-';
        } else if (text[i] == '/') {
            text[i] = '_';
        }
    }

    return convo_base64url_decode((unsigned char *) text, text, len);
}


/* Adds the key of the ticket's user, or {pool}:none when it names nobody. */
static void
add_user_key(convo_redis_t *redis, const convo_pool_t *pool,
             const convo_dead_letter_t *letter)
{
    json_t *what = what_of(letter);
    const char *text = json_string_value(what);
    const char *user = NULL;
    char *ticket = NULL;
    size_t user_len;
    long len;

    if (strcmp(letter->from, CONVO_KEY_QUEUE) == 0 && text != NULL) {
        len = (long) json_string_length(what);
        ticket = malloc((size_t) len + 3);
        if (ticket != NULL) {
            memcpy(ticket, text, (size_t) len + 1);
            len = strcmp(letter->encoding, "base64") == 0 ? decode(ticket)
                                                          : len;
            user = len > 0 ? convo_ticket_user(ticket, (size_t) len, &user_len)
                           : NULL;
        }
    }

    if (user != NULL) {
        convo_redis_key(redis, pool, CONVO_KEY_USER, user, user_len);
    } else {
        convo_redis_key(redis, pool, CONVO_KEY_NONE, NULL, 0);
    }

    free(ticket);
    json_decref(what);
}


static int
tell_refused(const convo_command_t *command, const convo_dead_letter_t *letter,
             const redisReply *reply)
{
    const char *why = "no answer to that";

    if (reply->type == REDIS_REPLY_ERROR) {
        why = reply->str;
    } else if (convo_reply_is(reply, "void")) {
        why = "its user cannot wait now";
    } else if (convo_reply_is(reply, "again")) {
        why = "it does not say what it was";
    } else if (convo_reply_is(reply, "gone") || convo_reply_int(reply) == 0) {
        why = "no such letter";
    }

    convo_command_failed(command, "%s: %s", letter->id, why);

    return -1;
}


int
convo_dead_letter_retry(const convo_command_t *command, convo_redis_t *redis,
                        const convo_pool_t *pool,
                        const convo_dead_letter_t *letter)
{
    const char *source = source_of(letter);

    if (source == NULL) {
        convo_command_failed(command, "%s: it does not say where it came from",
                             letter->id);
        return -1;
    }

    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_REVIVE);
    convo_redis_key(redis, pool, CONVO_KEY_DEAD, NULL, 0);
    convo_redis_key(redis, pool, source, NULL, 0);
    add_user_key(redis, pool, letter);
    convo_redis_key(redis, pool, CONVO_KEY_ORDER, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
    convo_redis_str(redis, letter->id);

    if (convo_command_redis(command, redis) != 0) {
        return -1;
    }

    return convo_reply_is(convo_redis_reply(redis, 0), "back")
               ? 0
               : tell_refused(command, letter, convo_redis_reply(redis, 0));
}


int
convo_dead_letter_drop(const convo_command_t *command, convo_redis_t *redis,
                       const convo_pool_t *pool,
                       const convo_dead_letter_t *letter)
{
    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_DROP);
    convo_redis_key(redis, pool, CONVO_KEY_DEAD, NULL, 0);
    convo_redis_str(redis, letter->id);

    if (convo_command_redis(command, redis) != 0) {
        return -1;
    }

    return convo_reply_int(convo_redis_reply(redis, 0)) == 1
               ? 0
               : tell_refused(command, letter, convo_redis_reply(redis, 0));
}
