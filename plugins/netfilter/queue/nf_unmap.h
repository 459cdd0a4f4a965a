/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what memory a child of fork(2) keeps that lives as long as its parent and needs
 * next to nothing. Else each page that the parent writes or gives back remains the
 * child's: in time it would have as much as the agent itself. Loaded objects are kept,
 * and the calling thread's stack with what is beside it; memory that is shared is for the
 * caller to name. Nothing is given back under a sanitizer, which needs more.
 */
#ifndef TC_NF_UNMAP_H
#define TC_NF_UNMAP_H

#include <stddef.h>
#include <stdint.h>

#define TC_NF_UNMAP_RANGES 256

struct tc_nf_range {
    uintptr_t from, to; /* whole pages */
};

struct tc_nf_unmap {
    size_t count;
    struct tc_nf_range kept[TC_NF_UNMAP_RANGES];
};

/* In the parent, on the thread that is going to fork, whose stack the plan is on;
 * `shared` is kept, too. Errors: -E2BIG, more objects than that; those of
 * pthread_getattr_np(3). */
int tc_nf_unmap_plan(struct tc_nf_unmap *plan, const void *shared, size_t len);

/* In the child: async-signal-safe. Then it must not allocate, nor use what it has not
 * from its stack, the objects or the shared memory; what it calls must be bound already
 * (everything here is linked with -z now): the loader's own memory is gone. */
void tc_nf_unmap_others(const struct tc_nf_unmap *plan);

#endif
