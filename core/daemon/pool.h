/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: how many threads the loop's pool has, and their priority. Loop thread. */
#ifndef TC_CORE_POOL_H
#define TC_CORE_POOL_H

#include <uv.h>

/* Plugin av uses four of them at most: there is always one for others. */
#define TC_POOL_THREADS 6

struct tc_pool {
    uv_work_t first[TC_POOL_THREADS];
    uv_barrier_t begun;
};

/*
 * Makes the process's pool of libuv, before anything else has work for it. The loop goes
 * before those that ask it (tc_machine_prepare): a crowd of threads that it has just
 * woken would keep it from answering the next. The pool, which would inherit that, gets
 * the priority of everybody. `pool` lives as long as the loop; done: after the loop.
 */
void tc_pool_make(struct tc_pool *pool, uv_loop_t *loop);
void tc_pool_done(struct tc_pool *pool);

#endif
