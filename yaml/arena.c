/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see pool.h. */
#include "yaml/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 32768 /* what is larger gets a block of its own */

struct tc_pool_block {
    struct tc_pool_block *next;
    size_t used, size;
    max_align_t bytes[];
};

void *tc_pool_take_raw(struct tc_pool *pool, size_t size)
{
    struct tc_pool_block *block = pool->blocks;
    size_t align = alignof(max_align_t), room;
    void *memory;

    if (size > pool->limit - pool->used)
        return NULL;
    size = (size + align - 1) / align * align;
    if (!block || block->size - block->used < size) {
        room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block = malloc(sizeof(*block) + room);
        if (!block)
            return NULL;
        *block = (struct tc_pool_block){.next = pool->blocks, .size = room};
        pool->blocks = block;
    }
    memory = (char *)block->bytes + block->used;
    block->used += size;
    pool->used += size < pool->limit - pool->used ? size : pool->limit - pool->used;
    return memory;
}

void *tc_pool_take(struct tc_pool *pool, size_t size)
{
    void *memory = tc_pool_take_raw(pool, size);

    return memory ? memset(memory, 0, size) : NULL;
}

char *tc_pool_text(struct tc_pool *pool, const char *text, size_t len)
{
    char *copy = tc_pool_take(pool, len + 1);

    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

void tc_pool_reset(struct tc_pool *pool)
{
    struct tc_pool_block *block = pool->blocks;

    pool->used = 0;
    if (!block)
        return;
    if (block->next) {
        tc_pool_done(pool);
        return;
    }
    block->used = 0;
}

void tc_pool_done(struct tc_pool *pool)
{
    for (struct tc_pool_block *block = pool->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    pool->blocks = NULL;
    pool->used = 0;
}
