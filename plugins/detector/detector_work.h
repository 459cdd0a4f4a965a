/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the count of a detector's work in the pool. What that work uses (rules, a vault)
 * must outlive its last piece: a plugin that stops releases it after that one, and only
 * then has it stopped. Loop thread. Must not: know what the work is.
 */
#ifndef TC_DETECTOR_WORK_H
#define TC_DETECTOR_WORK_H

#include <tocsin/plugin.h>

struct tc_detector_work {
    const struct tocsin_host *host;
    void (*release)(void *owner); /* frees what the work may use; called once, by stop */
    void *owner;
    size_t running; /* pieces in the pool, or whose `done` has not returned */
    bool stopping;
};

/*
 * host->work, counted: run(arg) in the pool, then done(arg, status) on the loop thread,
 * which owns arg from here on. Errors: -ECANCELED while stopping, -ENOMEM, and those of
 * host->work; then neither is called, and arg is still the caller's.
 */
int tc_detector_work_submit(struct tc_detector_work *work, tocsin_call_fn run,
                            tocsin_done_fn done, void *arg);

/*
 * The last step of a plugin's stop callback, and its result: 0, all is released;
 * TOCSIN_PENDING: pieces are in the pool, and after the last one come release and
 * host->complete.
 */
int tc_detector_work_stop(struct tc_detector_work *work);

#endif
