/*
 * The revocations that a process knows; see convo_revoked.h.
 *
 * A hash table with chains that doubles when it holds as many entries as
 * chains.  An entry is one block: where it leads, its time and its member.
 *
 * How it fails: without memory for an entry, or with no room, the caller is
 * told and must trust the table no more; without memory to double it goes on
 * with longer chains.
 */

#include "convo_revoked.h"

#include <stdlib.h>
#include <string.h>

#define CHAINS_FIRST 64

/* "j:" or "s:" */
#define KIND_LEN 2

/* digits of a time in ms, until the year 33658 */
#define DIGITS_MAX 15

typedef struct entry_s entry_t;

struct entry_s {
    entry_t *next;
    int64_t at_ms;
    uint32_t hash;
    uint16_t len;
    char member[];
};

struct convo_revoked_s {
    entry_t **chains;
    size_t nchains; /* a power of two */
    size_t count;
    size_t max;
    size_t at; /* the chain where convo_revoked_forget() goes on */
};


convo_revoked_t *
convo_revoked_new(size_t max)
{
    convo_revoked_t *table = calloc(1, sizeof(*table));

    if (table == NULL) {
        return NULL;
    }

    table->max = max;
    table->nchains = CHAINS_FIRST;
    table->chains = calloc(table->nchains, sizeof(entry_t *));

    if (table->chains == NULL) {
        free(table);
        return NULL;
    }

    return table;
}


void
convo_revoked_free(convo_revoked_t *table)
{
    if (table == NULL) {
        return;
    }

    for (size_t i = 0; i < table->nchains; i++) {
        while (table->chains[i] != NULL) {
            entry_t *entry = table->chains[i];

            table->chains[i] = entry->next;
            free(entry);
        }
    }

    free(table->chains);
    free(table);
}


/* FNV-1a over the kind, the colon and the id. */

static uint32_t
hash_of(char kind, const char *id, size_t len)
{
    uint32_t hash = 2166136261U;

    hash = (hash ^ (unsigned char) kind) * 16777619U;
    hash = (hash ^ ':') * 16777619U;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char) id[i]) * 16777619U;
    }

    return hash;
}


static entry_t *
find(const convo_revoked_t *table, uint32_t hash, char kind, const char *id,
     size_t len)
{
    entry_t *entry = table->chains[hash & (table->nchains - 1)];

    while (entry != NULL
           && !(entry->hash == hash && entry->len == KIND_LEN + len
                && entry->member[0] == kind
                && memcmp(entry->member + KIND_LEN, id, len) == 0))
    {
        entry = entry->next;
    }

    return entry;
}


static void
insert(convo_revoked_t *table, entry_t *entry)
{
    entry_t **chain = &table->chains[entry->hash & (table->nchains - 1)];

    entry->next = *chain;
    *chain = entry;
}


static void
grow(convo_revoked_t *table)
{
    size_t before = table->nchains;
    entry_t **old = table->chains;
    entry_t **chains = calloc(before * 2, sizeof(entry_t *));

    if (chains == NULL) {
        return;
    }

    table->chains = chains;
    table->nchains = before * 2;

    for (size_t i = 0; i < before; i++) {
        while (old[i] != NULL) {
            entry_t *entry = old[i];

            old[i] = entry->next;
            insert(table, entry);
        }
    }

    free(old);
}


convo_revoked_e
convo_revoked_add(convo_revoked_t *table, const char *member, size_t len,
                  int64_t at_ms)
{
    uint32_t hash;
    entry_t *entry;

    if (len <= KIND_LEN || len > KIND_LEN + CONVO_REVOKED_ID_MAX
        || (member[0] != 'j' && member[0] != 's') || member[1] != ':'
        || at_ms < 0)
    {
        return CONVO_REVOKED_RUBBISH;
    }

    hash = hash_of(member[0], member + KIND_LEN, len - KIND_LEN);
    entry = find(table, hash, member[0], member + KIND_LEN, len - KIND_LEN);

    if (entry != NULL) {
        if (entry->at_ms < at_ms) {
            entry->at_ms = at_ms;
        }
        return CONVO_REVOKED_TAKEN;
    }

    if (table->count == table->max
        || (entry = malloc(sizeof(*entry) + len)) == NULL)
    {
        return CONVO_REVOKED_FULL;
    }

    entry->at_ms = at_ms;
    entry->hash = hash;
    entry->len = (uint16_t) len;
    memcpy(entry->member, member, len);

    if (table->count == table->nchains) {
        grow(table);
    }

    insert(table, entry);
    table->count++;

    return CONVO_REVOKED_TAKEN;
}


convo_revoked_e
convo_revoked_hear(convo_revoked_t *table, const char *text, size_t len)
{
    int64_t at_ms = 0;
    size_t i = 0;

    while (i < len && i < DIGITS_MAX && text[i] >= '0' && text[i] <= '9') {
        at_ms = at_ms * 10 + (text[i++] - '0');
    }

    if (i == 0 || i == len || text[i] != ' ') {
        return CONVO_REVOKED_RUBBISH;
    }

    return convo_revoked_add(table, text + i + 1, len - i - 1, at_ms);
}


int
convo_revoked_has(const convo_revoked_t *table, const char *sub,
                  size_t sub_len, const char *sign_in, size_t sign_in_len,
                  int64_t issued_s)
{
    const entry_t *entry;

    if (table->count == 0) {
        return 0;
    }

    if (sign_in_len > 0
        && find(table, hash_of('j', sign_in, sign_in_len), 'j', sign_in,
                sign_in_len)
               != NULL)
    {
        return 1;
    }

    entry = find(table, hash_of('s', sub, sub_len), 's', sub, sub_len);

    return entry != NULL && entry->at_ms / 1000 >= issued_s;
}


size_t
convo_revoked_count(const convo_revoked_t *table)
{
    return table->count;
}


void
convo_revoked_forget(convo_revoked_t *table, int64_t before_ms, size_t chains)
{
    for (size_t i = 0; i < chains && i < table->nchains; i++) {
        entry_t **place = &table->chains[table->at++ & (table->nchains - 1)];

        while (*place != NULL) {
            entry_t *entry = *place;

            if (entry->at_ms >= before_ms) {
                place = &entry->next;
                continue;
            }

            *place = entry->next;
            free(entry);
            table->count--;
        }
    }
}
