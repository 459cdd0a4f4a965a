/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: see arena.h.
 */
#include "core/base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 16384 /* what is larger gets a block of its own */

struct tc_arena_block {
    struct tc_arena_block *next;
    size_t used, size;
    max_align_t bytes[];
};

void tc_arena_init(struct tc_arena *arena, size_t limit)
{
    *arena = (struct tc_arena){.limit = limit};
}

void tc_arena_done(struct tc_arena *arena)
{
    for (struct tc_arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
}

int tc_arena_take(struct tc_arena *arena, size_t size, void **ret_memory)
{
    struct tc_arena_block *block = arena->blocks;
    size_t align = alignof(max_align_t);

    size = (size + align - 1) / align * align;
    if (size > arena->limit - arena->used)
        return -E2BIG;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;

        block = calloc(1, sizeof(*block) + room);
        if (!block)
            return -ENOMEM;
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    *ret_memory = (char *)block->bytes + block->used;
    block->used += size;
    arena->used += size;
    return 0;
}

int tc_arena_text(struct tc_arena *arena, const char *text, size_t len,
                  const char **ret_text)
{
    void *copy;
    int r = tc_arena_take(arena, len + 1, &copy);

    if (r < 0)
        return r;
    memcpy(copy, text, len);
    *ret_text = copy;
    return 0;
}
