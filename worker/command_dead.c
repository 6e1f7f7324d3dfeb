/*
 * convo-worker dead: the dead letters, which are what no job could work on.
 *
 *     dead list               prints them, oldest first
 *     dead retry ID ...       puts them back where they came from
 *     dead drop ID ...        forgets them
 *
 * An ID is the "id" of a letter in the list; --all means every one that is
 * there when the command begins.  Two pools may have letters of one id: --pool
 * says which is meant, and without it an id that both have is refused.
 *
 * What cannot be retried stays a letter and makes the command fail; what is
 * still wrong with it will make it one again.
 */

#include "command.h"
#include "dead_letter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Letters in one read. */
#define PAGE 200

typedef struct {
    const convo_command_t *command;
    const convo_config_t *config;
    convo_redis_t *redis;
    const char *pool; /* NULL: all of them */
    int (*act)(const convo_command_t *command, convo_redis_t *redis,
               const convo_pool_t *pool, const convo_dead_letter_t *letter);
} dead_t;


static int
is_meant(const dead_t *self, const convo_pool_t *pool)
{
    return self->pool == NULL || strcmp(self->pool, pool->name) == 0;
}


/* Reads up to n letters of a pool by XRANGE or XREVRANGE: the reply, or NULL
 * when they cannot be read, which has been told. */
static const redisReply *
read_letters(dead_t *self, const convo_pool_t *pool, const char *command,
             const char *from, const char *to, int n)
{
    const redisReply *reply;

    convo_redis_begin(self->redis);
    convo_redis_command(self->redis, command);
    convo_redis_key(self->redis, pool, CONVO_KEY_DEAD, NULL, 0);
    convo_redis_str(self->redis, from);
    convo_redis_str(self->redis, to);
    convo_redis_str(self->redis, "COUNT");
    convo_redis_int(self->redis, n);

    if (convo_command_redis(self->command, self->redis) != 0) {
        return NULL;
    }

    reply = convo_redis_reply(self->redis, 0);
    if (reply->type != REDIS_REPLY_ARRAY) {
        convo_command_failed(self->command, "pool %s: its letters cannot be "
                                            "read: %s", pool->name,
                             reply->type == REDIS_REPLY_ERROR ? reply->str
                                                              : "no list");
        return NULL;
    }

    return reply;
}


/* Copies a page, as what is done with a letter needs the connection: how many
 * there are, or -1. */
static int
read_page(dead_t *self, const convo_pool_t *pool, const char *from,
          const char *to, convo_dead_letter_t letters[PAGE])
{
    const redisReply *reply = read_letters(self, pool, "XRANGE", from, to,
                                           PAGE);
    int n = 0;

    if (reply == NULL) {
        return -1;
    }

    for (size_t i = 0; i < reply->elements && n < PAGE; i++) {
        n += convo_dead_letter_take(&letters[n], reply->element[i]) == 0;
    }

    return n;
}


/* The id of the last letter now, "" when there is none: 0, or -1. */
static int
read_last(dead_t *self, const convo_pool_t *pool, char id[CONVO_DEAD_ID])
{
    const redisReply *reply = read_letters(self, pool, "XREVRANGE", "+", "-",
                                           1);
    convo_dead_letter_t letter;

    id[0] = '\0';

    if (reply == NULL) {
        return -1;
    }

    if (reply->elements > 0
        && convo_dead_letter_take(&letter, reply->element[0]) == 0)
    {
        strcpy(id, letter.id);
        convo_dead_letter_free(&letter);
    }

    return 0;
}


/* Does it with every letter of a pool that is there now; the status. */
static int
act_on_pool(dead_t *self, const convo_pool_t *pool)
{
    convo_dead_letter_t letters[PAGE];
    char from[CONVO_DEAD_ID + 1] = "-", last[CONVO_DEAD_ID];
    int status = CONVO_COMMAND_DONE;
    int n = PAGE;

    if (read_last(self, pool, last) != 0) {
        return CONVO_COMMAND_FAILED;
    }

    while (n == PAGE && last[0] != '\0') {
        n = read_page(self, pool, from, last, letters);
        if (n < 0) {
            return CONVO_COMMAND_FAILED;
        }

        for (int i = 0; i < n; i++) {
            if (self->act(self->command, self->redis, pool, &letters[i]) != 0)
            {
                status = CONVO_COMMAND_FAILED;
            }
            from[0] = '('; /* the next ones come after this */
            strcpy(from + 1, letters[i].id);
            convo_dead_letter_free(&letters[i]);
        }
    }

    return status;
}


static int
act_on_all(dead_t *self)
{
    int status = CONVO_COMMAND_DONE;

    for (size_t i = 0; i < self->config->npools; i++) {
        if (is_meant(self, &self->config->pools[i])
            && act_on_pool(self, &self->config->pools[i])
                   != CONVO_COMMAND_DONE)
        {
            status = CONVO_COMMAND_FAILED;
        }
    }

    return status;
}


/* Does it with the letter of an id; the status. */
static int
act_on_id(dead_t *self, const char *id)
{
    convo_dead_letter_t letter = { .what = NULL };
    const convo_pool_t *where = NULL;
    int status;

    for (size_t i = 0; i < self->config->npools; i++) {
        const convo_pool_t *pool = &self->config->pools[i];
        const redisReply *reply;

        if (!is_meant(self, pool)) {
            continue;
        }

        reply = read_letters(self, pool, "XRANGE", id, id, 1);
        if (reply == NULL) {
            convo_dead_letter_free(&letter);
            return CONVO_COMMAND_FAILED;
        }
        if (reply->elements == 0) {
            continue;
        }
        if (where != NULL) {
            convo_dead_letter_free(&letter);
            return convo_command_failed(self->command, "%s: two pools have "
                                        "such a letter: say --pool", id);
        }
        if (convo_dead_letter_take(&letter, reply->element[0]) == 0) {
            where = pool;
        }
    }

    if (where == NULL) {
        return convo_command_failed(self->command, "%s: no such letter", id);
    }

    status = self->act(self->command, self->redis, where, &letter) == 0
                 ? CONVO_COMMAND_DONE
                 : CONVO_COMMAND_FAILED;
    convo_dead_letter_free(&letter);

    return status;
}


/* --- the line --- */

static const struct {
    const char *name;
    int (*act)(const convo_command_t *command, convo_redis_t *redis,
               const convo_pool_t *pool, const convo_dead_letter_t *letter);
} verbs[] = {
    { "list", convo_dead_letter_print },
    { "retry", convo_dead_letter_retry },
    { "drop", convo_dead_letter_drop },
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))


/* 1 when it is a stream's id: "digits-digits". */
static int
is_id(const char *text)
{
    size_t first = strspn(text, "0123456789");
    size_t second = text[first] == '-'
                        ? strspn(text + first + 1, "0123456789")
                        : 0;

    return first > 0 && first <= 20 && second > 0 && second <= 20
           && text[first + 1 + second] == '\0';
}


/* What makes no sense in "VERB [ID ...]": NULL, or why. */
static const char *
check_words(const dead_t *self, char **words, int n, int all)
{
    int listing = self->act == convo_dead_letter_print;

    if (self->act == NULL) {
        return "expected list, retry or drop";
    }
    if (listing && (all || n > 0)) {
        return "list takes no ids";
    }
    if (!listing && (all != 0) == (n > 0)) {
        return "expected ids, or --all";
    }

    for (int i = 0; i < n; i++) {
        if (!is_id(words[i])) {
            return "expected ids as dead list prints them";
        }
    }

    return NULL;
}


static int
work(dead_t *self, char **ids, int n, int all)
{
    int status = CONVO_COMMAND_DONE;

    if (all) {
        return act_on_all(self);
    }

    for (int i = 0; i < n; i++) {
        if (act_on_id(self, ids[i]) != CONVO_COMMAND_DONE) {
            status = CONVO_COMMAND_FAILED;
        }
    }

    return status;
}


/* 1 when the configuration has the pool that is meant, or none is. */
static int
has_pool(const dead_t *self)
{
    for (size_t i = 0; i < self->config->npools; i++) {
        if (is_meant(self, &self->config->pools[i])) {
            return 1;
        }
    }

    return 0;
}


static int
run(const convo_command_t *self, const char *path, int argc, char **argv)
{
    convo_command_option_t options[] = { { .name = "pool", .has_value = 1 },
                                         { .name = "all" } };
    dead_t dead = { .command = self };
    const char *why;
    int words, code;

    code = convo_command_options(self, argc, argv, options, 2, &words);
    if (code >= 0) {
        return code;
    }

    for (size_t i = 0; words > 0 && i < VERBS; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            dead.act = verbs[i].act;
        }
    }

    why = check_words(&dead, argv + 2, words - 1, options[1].value != NULL);
    if (why != NULL) {
        return convo_command_wrong(self, "%s", why);
    }

    dead.pool = options[0].value;
    dead.config = convo_command_load(path);
    if (dead.config == NULL) {
        return CONVO_COMMAND_FAILED;
    }
    if (!has_pool(&dead)) {
        return convo_command_failed(self, "no pool \"%s\" in %s", dead.pool,
                                    path);
    }

    dead.redis = convo_redis_new(dead.config, self->name);
    code = work(&dead, argv + 2, words - 1,
                dead.act == convo_dead_letter_print
                    || options[1].value != NULL);
    convo_redis_free(dead.redis);

    if (fflush(stdout) != 0 || ferror(stdout)) {
        return convo_command_failed(self, "stdout: %s", strerror(errno));
    }

    return code;
}


const convo_command_t convo_command_dead = {
    .name = "dead",
    .arguments = "list|retry ID ...|drop ID ... [--pool POOL] [--all]",
    .does = "lists what no job could work on, and tries or drops it",
    .run = run,
};
