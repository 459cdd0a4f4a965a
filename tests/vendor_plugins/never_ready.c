/* SPDX-License-Identifier: Apache-2.0 */
/* Promises to be ready later and never is. Reports whether it was then told to stop. */
#include "plain.h"

static int start_pending(void *state)
{
    (void)state;
    return TOCSIN_PENDING;
}

static int stop_reports(void *state)
{
    const struct tocsin_host *host = state;

    host->report(host, TOCSIN_REPORT_FACT, "stopped", "yes", NULL);
    return 0;
}

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("never_ready"),
    .init = plain_init,
    .start = start_pending,
    .stop = stop_reports,
    .destroy = plain_destroy,
};
