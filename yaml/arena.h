/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: memory for many small things that end together, up to a bound.
 */
#ifndef TC_SIGMA_POOL_H
#define TC_SIGMA_POOL_H

#include <stddef.h>

struct tc_pool_block;

struct tc_pool {
    struct tc_pool_block *blocks;
    size_t used, limit; /* bytes */
};

/* Zeroed memory, aligned for anything; NULL when there is none, or beyond the limit. */
void *tc_pool_take(struct tc_pool *pool, size_t size);

/* The same, of memory with anything in it. */
void *tc_pool_take_raw(struct tc_pool *pool, size_t size);

/* A copy of `len` bytes with a NUL behind them, or NULL. */
char *tc_pool_text(struct tc_pool *pool, const char *text, size_t len);

/* Lets go of everything but one block, which is used again. */
void tc_pool_reset(struct tc_pool *pool);

/* Frees all that was taken. */
void tc_pool_done(struct tc_pool *pool);

#endif
