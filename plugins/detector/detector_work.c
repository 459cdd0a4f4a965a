/* SPDX-License-Identifier: Apache-2.0 */
#include "detector_work.h"

#include <errno.h>

struct piece {
    struct tc_detector_work *work;
    tocsin_call_fn run;
    tocsin_done_fn done;
    void *arg;
};

static void piece_run(void *arg)
{
    const struct piece *piece = arg;

    piece->run(piece->arg);
}

static void piece_done(void *arg, int status)
{
    struct piece *piece = arg;
    struct tc_detector_work *work = piece->work;

    piece->done(piece->arg, status);
    free(piece);
    work->running--;
    if (!work->stopping || work->running)
        return;
    work->release(work->owner);
    work->host->complete(work->host, 0);
}

int tc_detector_work_submit(struct tc_detector_work *work, tocsin_call_fn run,
                            tocsin_done_fn done, void *arg)
{
    struct piece *piece = work->stopping ? NULL : malloc(sizeof(*piece));
    int r;

    if (!piece)
        return work->stopping ? -ECANCELED : -ENOMEM;
    *piece = (struct piece){.work = work, .run = run, .done = done, .arg = arg};
    r = work->host->work(work->host, piece_run, piece_done, piece);
    if (r)
        free(piece);
    else
        work->running++;
    return r;
}

int tc_detector_work_stop(struct tc_detector_work *work)
{
    work->stopping = true;
    if (work->running)
        return TOCSIN_PENDING;
    work->release(work->owner);
    return 0;
}
