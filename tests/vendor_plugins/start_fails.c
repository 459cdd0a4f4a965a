/* SPDX-License-Identifier: Apache-2.0 */
/* Begins, fails half way, and leaves what it had begun. */
#include "plain.h"

static void never(void *arg)
{
    (void)arg;
}

static int start_fails(void *state)
{
    const struct tocsin_host *host = state;
    struct tocsin_timer *timer;
    int rc;

    rc = host->timer_start(host, 3600000, 0, never, NULL, &timer);
    return rc ? rc : -EIO;
}

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("start_fails"),
    .init = plain_init,
    .start = start_fails,
    .stop = plain_stop,
    .destroy = plain_destroy,
};
