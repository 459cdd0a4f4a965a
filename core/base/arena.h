/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: memory for many small things that all end at once, up to a bound.
 */
#ifndef TC_CORE_ARENA_H
#define TC_CORE_ARENA_H

#include <stddef.h>

struct tc_arena_block;

struct tc_arena {
    struct tc_arena_block *blocks;
    size_t used, limit; /* bytes */
};

void tc_arena_init(struct tc_arena *arena, size_t limit);

/* Frees all that was taken. An arena of zeros is fine. */
void tc_arena_done(struct tc_arena *arena);

/* Zeroed memory, aligned for anything. -ENOMEM; -E2BIG beyond the limit. */
int tc_arena_take(struct tc_arena *arena, size_t size, void **ret_memory);

/* A copy of `len` bytes with a NUL behind them. */
int tc_arena_text(struct tc_arena *arena, const char *text, size_t len,
                  const char **ret_text);

#endif
