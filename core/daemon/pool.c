/* SPDX-License-Identifier: Apache-2.0 */
#include "core/daemon/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static void on_thread(uv_work_t *work)
{
    setpriority(PRIO_PROCESS, 0, 0); /* of the calling thread: setpriority(2), BUGS */
    uv_barrier_wait(work->data);
}

static void on_done(uv_work_t *work, int status)
{
    (void)work;
    (void)status;
}

void tc_pool_make(struct tc_pool *pool, uv_loop_t *loop)
{
    char threads[12];

    snprintf(threads, sizeof(threads), "%d", TC_POOL_THREADS);
    setenv("UV_THREADPOOL_SIZE", threads, 1);
    uv_barrier_init(&pool->begun, TC_POOL_THREADS);
    /* Each thread gets one, as none is done before all have begun. */
    for (size_t i = 0; i < TC_POOL_THREADS; i++) {
        pool->first[i].data = &pool->begun;
        uv_queue_work(loop, &pool->first[i], on_thread, on_done);
    }
}

void tc_pool_done(struct tc_pool *pool)
{
    uv_barrier_destroy(&pool->begun);
}
