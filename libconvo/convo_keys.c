/*
 * Names of keys, tickets, rooms and identities; see convo_keys.h.
 *
 * Plain string work on the caller's memory.  What comes from outside (a pool,
 * a ticket, a room, an identity) is checked byte by byte and refused, never
 * trusted and never asserted.
 */

#include "convo_keys.h"

#include <stdio.h>
#include <string.h>

#define BASE32 "abcdefghijklmnopqrstuvwxyz234567"


int
convo_is_pool(const char *pool, size_t len)
{
    if (len == 0 || len > CONVO_POOL_MAX) {
        return 0;
    }

    for (size_t i = 0; i < len; i++) {
        char c = pool[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return 0;
        }
    }

    return 1;
}


int
convo_is_sid(const char *sid, size_t len)
{
    if (len != CONVO_SID_LEN) {
        return 0;
    }

    for (size_t i = 0; i < len; i++) {
        char c = sid[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'))) {
            return 0;
        }
    }

    return 1;
}


int
convo_key(convo_key_t *key, const char *pool, size_t pool_len,
          const char *kind, const char *id, size_t id_len)
{
    int n;

    key->name[0] = '\0';
    key->len = 0;

    if (!convo_is_pool(pool, pool_len)) {
        return -1;
    }

    n = snprintf(key->name, sizeof(key->name), "{%.*s}:%s", (int) pool_len,
                 pool, kind);

    if (id != NULL) {
        if (id_len == 0 || id_len > CONVO_USER_MAX) {
            key->name[0] = '\0';
            return -1;
        }

        /* an id may hold any byte but is copied as it is */
        key->name[n++] = ':';
        memcpy(key->name + n, id, id_len);
        n += (int) id_len;
        key->name[n] = '\0';
    }

    key->len = (size_t) n;
    return 0;
}


void
convo_sid(char *sid, const unsigned char random[16])
{
    unsigned int bits = 0;
    unsigned int held = 0;
    size_t out = 0;

    for (size_t i = 0; i < 16; i++) {
        bits = (bits << 8 | random[i]) & 0xffff;
        held += 8;

        while (held >= 5) {
            held -= 5;
            sid[out++] = BASE32[bits >> held & 31];
        }
    }

    sid[out++] = BASE32[bits << (5 - held) & 31];
    sid[out] = '\0';
}


static const char *
skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }

    return p;
}


const char *
convo_ticket_user(const char *ticket, size_t len, size_t *user_len)
{
    const char *end = ticket + len;
    const char *dot, *colon;

    dot = skip_digits(ticket, end);
    if (dot == ticket || dot == end || *dot != '.') {
        return NULL;
    }

    colon = skip_digits(dot + 1, end);
    if (colon == dot + 1 || colon == end || *colon != ':') {
        return NULL;
    }

    *user_len = (size_t) (end - colon - 1);
    if (*user_len == 0 || *user_len > CONVO_USER_MAX) {
        return NULL;
    }

    return colon + 1;
}


size_t
convo_room(char *room, const char *pool, size_t pool_len, const char *sid)
{
    memcpy(room, pool, pool_len);
    room[pool_len] = '.';
    memcpy(room + pool_len + 1, sid, CONVO_SID_LEN + 1);

    return pool_len + 1 + CONVO_SID_LEN;
}


int
convo_room_parse(const char *room, size_t len, const char **pool,
                 size_t *pool_len, const char **sid)
{
    if (len < CONVO_SID_LEN + 2) {
        return -1;
    }

    *pool = room;
    *pool_len = len - CONVO_SID_LEN - 1;
    *sid = room + *pool_len + 1;

    if (room[*pool_len] != '.' || !convo_is_pool(*pool, *pool_len)
        || !convo_is_sid(*sid, CONVO_SID_LEN))
    {
        return -1;
    }

    return 0;
}


void
convo_identity(char *identity, const char *sid, char side)
{
    memcpy(identity, sid, CONVO_SID_LEN);
    identity[CONVO_SID_LEN] = '-';
    identity[CONVO_SID_LEN + 1] = side;
    identity[CONVO_SID_LEN + 2] = '\0';
}


char
convo_identity_side(const char *identity, size_t len, const char *sid)
{
    char side;

    if (len != CONVO_IDENTITY_LEN || memcmp(identity, sid, CONVO_SID_LEN) != 0
        || identity[CONVO_SID_LEN] != '-')
    {
        return 0;
    }

    side = identity[CONVO_SID_LEN + 1];

    return side == 'a' || side == 'b' ? side : 0;
}
