/*
 * The Lua scripts of libconvo/scripts, embedded at build time.
 *
 * scripts/embed writes generated/convo_scripts.c and the enum of
 * generated/convo_script_names.h from the *.lua files there: a script
 * join.lua is CONVO_SCRIPT_JOIN.  A line "--@include NAME" in a script stands
 * for scripts/lib/NAME.lua.
 */

#ifndef CONVO_SCRIPTS_H
#define CONVO_SCRIPTS_H

#include <stddef.h>

#include "generated/convo_script_names.h"

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

typedef struct {
    const char *name; /* "join" */
    const char *body; /* Lua source, NUL terminated */
    size_t len;       /* bytes of body without the NUL */
    const char *sha1; /* 40 lower-case hex digits of body, for EVALSHA */
    int nkeys;        /* declared number of keys, -1 when it varies */
    int nargs;        /* declared number of arguments, -1 when it varies */
} convo_script_t;

/* Every script, by its enum; CONVO_SCRIPT_COUNT entries. */
extern const convo_script_t convo_scripts[CONVO_SCRIPT_COUNT];

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_SCRIPTS_H */
