/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves all behind that one can: two timers, a watch, a piece of work and references to
 * the events it got. The work ends only after stop has returned.
 */
#include "plain.h"

#include <stdlib.h>
#include <unistd.h>

struct leaks {
    const struct tocsin_host *host;
    int pipe[2];  /* watched, never written to */
    int go_on[2]; /* what the work waits for */
};

static int leaks_init(const struct tocsin_host *host, void **ret_state)
{
    struct leaks *leaks = calloc(1, sizeof(*leaks));

    if (!leaks)
        return -ENOMEM;
    leaks->host = host;
    *ret_state = leaks;
    return 0;
}

static void tick(void *arg)
{
    (void)arg;
}

static void ready(void *arg, int status, uint32_t events)
{
    (void)arg;
    (void)status;
    (void)events;
}

static void begun(void *arg)
{
    struct leaks *leaks = arg;

    leaks->host->report(leaks->host, TOCSIN_REPORT_FACT, "work", "begun", NULL);
}

static void wait_for_stop(void *arg)
{
    struct leaks *leaks = arg;
    char byte;

    (void)leaks->host->post(leaks->host, begun, leaks);
    while (read(leaks->go_on[0], &byte, 1) < 0 && errno == EINTR)
        ;
}

static void done(void *arg, int status)
{
    struct leaks *leaks = arg;
    const struct tocsin_host *host = leaks->host;

    host->report(host, TOCSIN_REPORT_FACT, "done", status ? "canceled" : "ran", NULL);
}

static int leaks_start(void *state)
{
    struct leaks *leaks = state;
    const struct tocsin_host *host = leaks->host;
    struct tocsin_timer *timer;
    struct tocsin_watch *watch;
    int rc;

    if (pipe(leaks->pipe) < 0 || pipe(leaks->go_on) < 0)
        return -errno;
    rc = host->timer_start(host, 1, 1, tick, NULL, &timer);
    if (!rc)
        rc = host->timer_start(host, 3600000, 0, tick, NULL, &timer);
    if (!rc)
        rc = host->watch_fd(host, leaks->pipe[0], TOCSIN_READABLE, ready, NULL, &watch);
    if (!rc)
        rc = host->work(host, wait_for_stop, done, leaks);
    return rc;
}

static void leaks_event(void *state, const struct tocsin_event *event)
{
    struct leaks *leaks = state;

    leaks->host->event_ref(leaks->host, event);
    leaks->host->event_ref(leaks->host, event);
}

static int leaks_stop(void *state)
{
    struct leaks *leaks = state;

    return write(leaks->go_on[1], "", 1) == 1 ? 0 : -errno;
}

static void leaks_destroy(void *state)
{
    struct leaks *leaks = state;

    close(leaks->pipe[0]);
    close(leaks->pipe[1]);
    close(leaks->go_on[0]);
    close(leaks->go_on[1]);
    free(leaks);
}

static const char *const subscribes[] = {"test.in", NULL};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("leaks"),
    .subscribes = subscribes,
    .init = leaks_init,
    .start = leaks_start,
    .event = leaks_event,
    .stop = leaks_stop,
    .destroy = leaks_destroy,
};
