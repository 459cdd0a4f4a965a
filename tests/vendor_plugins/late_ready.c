/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start and stop both end later, by a post from a pool thread and by a timer, with the
 * status that its option says; and it completes once too often.
 */
#include "plain.h"

#include <stdlib.h>

struct late {
    const struct tocsin_host *host;
    struct tocsin_timer *timer;
};

static int late_init(const struct tocsin_host *host, void **ret_state)
{
    struct late *late = calloc(1, sizeof(*late));

    if (!late)
        return -ENOMEM;
    late->host = host;
    *ret_state = late;
    return 0;
}

static void ready(void *arg)
{
    struct late *late = arg;
    const struct tocsin_host *host = late->host;

    host->complete(host, -(int)host->option_int(host, "error"));
}

static void load_rules(void *arg)
{
    struct late *late = arg;

    (void)late->host->post(late->host, ready, late);
}

static void loaded(void *arg, int status)
{
    (void)arg;
    (void)status;
}

static int late_start(void *state)
{
    struct late *late = state;
    int rc = late->host->work(late->host, load_rules, loaded, late);

    return rc ? rc : TOCSIN_PENDING;
}

/* An event makes it say that it is ready, when nobody has asked. */
static void late_event(void *state, const struct tocsin_event *event)
{
    struct late *late = state;

    (void)event;
    late->host->complete(late->host, 0);
}

static void ended(void *arg)
{
    struct late *late = arg;

    late->host->timer_stop(late->host, late->timer);
    late->host->complete(late->host, 0);
}

static int late_stop(void *state)
{
    struct late *late = state;
    int rc = late->host->timer_start(late->host, 1, 0, ended, late, &late->timer);

    return rc ? rc : TOCSIN_PENDING;
}

static const char *const subscribes[] = {"test.in", NULL};
static const struct tocsin_option options[] = {
    {.name = "error",
     .type = TOCSIN_OPTION_INT,
     .fallback = "0",
     .help = "The errno that start ends with.",
     .max = 133},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("late_ready"),
    .subscribes = subscribes,
    .options = options,
    .init = late_init,
    .start = late_start,
    .event = late_event,
    .stop = late_stop,
    .destroy = free,
};
