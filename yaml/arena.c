/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see arena.h. */
#include "yaml/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 32768 /* what is larger gets a block of its own */

struct tc_arena_block {
    struct tc_arena_block *next;
    size_t used, size;
    max_align_t bytes[];
};

void *tc_arena_take_raw(struct tc_arena *arena, size_t size)
{
    struct tc_arena_block *block = arena->blocks;
    size_t align = alignof(max_align_t), room;
    void *memory;

    if (size > arena->limit - arena->used) {
        arena->full = true;
        return NULL;
    }
    size = (size + align - 1) / align * align;
    if (!block || block->size - block->used < size) {
        room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block = malloc(sizeof(*block) + room);
        if (!block)
            return NULL;
        *block = (struct tc_arena_block){.next = arena->blocks, .size = room};
        arena->blocks = block;
    }
    memory = (char *)block->bytes + block->used;
    block->used += size;
    arena->used += size < arena->limit - arena->used ? size : arena->limit - arena->used;
    return memory;
}

void *tc_arena_take(struct tc_arena *arena, size_t size)
{
    void *memory = tc_arena_take_raw(arena, size);

    return memory ? memset(memory, 0, size) : NULL;
}

char *tc_arena_text(struct tc_arena *arena, const char *text, size_t len)
{
    char *copy = tc_arena_take(arena, len + 1);

    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

void tc_arena_reset(struct tc_arena *arena)
{
    struct tc_arena_block *block = arena->blocks;

    arena->used = 0;
    arena->full = false;
    if (!block)
        return;
    if (block->next) {
        tc_arena_done(arena);
        return;
    }
    block->used = 0;
}

void tc_arena_done(struct tc_arena *arena)
{
    for (struct tc_arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
    arena->used = 0;
    arena->full = false;
}
