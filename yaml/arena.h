/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: memory for many small things that end together, up to a bound. An arena of zeros
 * with its limit set is ready for use. One thread at a time.
 */
#ifndef TC_YAML_ARENA_H
#define TC_YAML_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct tc_arena_block;

struct tc_arena {
    struct tc_arena_block *blocks;
    size_t used, limit; /* bytes */
    bool full;          /* something was refused for the limit */
};

/* Zeroed memory, aligned for anything; NULL when there is none, or beyond the limit. */
void *tc_arena_take(struct tc_arena *arena, size_t size);

/* The same, of memory with anything in it. */
void *tc_arena_take_raw(struct tc_arena *arena, size_t size);

/* A copy of `len` bytes with a NUL behind them, or NULL. */
char *tc_arena_text(struct tc_arena *arena, const char *text, size_t len);

/* Frees everything but one block, which is used again. */
void tc_arena_reset(struct tc_arena *arena);

/* Frees all that was taken. */
void tc_arena_done(struct tc_arena *arena);

#endif
