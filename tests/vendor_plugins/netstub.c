/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for a network extension: it starts, or will not (`fail: start`), and says of
 * itself that it filters once it runs (`filter: true`). It looks at no flow.
 */
#include "plain.h"

#include <string.h>

static int netstub_start(void *state)
{
    const struct tocsin_host *host = state;

    if (!strcmp(host->option_text(host, "fail"), "start"))
        return -EPERM;
    if (host->option_bool(host, "filter"))
        host->report(host, TOCSIN_REPORT_FACT, "network_events_subsystem",
                     "network_filter_extension", NULL);
    return 0;
}

static const struct tocsin_option options[] = {
    {.name = "fail",
     .type = TOCSIN_OPTION_CHOICE,
     .fallback = "none",
     .help = "what fails",
     .choices = "none|start"},
    {.name = "filter",
     .type = TOCSIN_OPTION_BOOL,
     .fallback = "true",
     .help = "whether a verdict of its own would go round"},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_NETWORK_EXTENSION),
    PLAIN_IDENTITY("netstub"),
    .options = options,
    .init = plain_init,
    .start = netstub_start,
    .stop = plain_stop,
    .destroy = plain_destroy,
};
