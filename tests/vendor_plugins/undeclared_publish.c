/* SPDX-License-Identifier: Apache-2.0 */
/* Publishes what its descriptor does not list, and reports what it was told. */
#include "plain.h"

#include <stdio.h>

static void undeclared_event(void *state, const struct tocsin_event *event)
{
    const struct tocsin_host *host = state;
    struct tocsin_writer w;
    uint8_t buf[16];
    char text[16];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_end(&w);
    (void)snprintf(text, sizeof(text), "%d",
                   tocsin_publish(host, "test.other", event->id, &w));
    host->report(host, TOCSIN_REPORT_FACT, "other", text, NULL);
    (void)snprintf(text, sizeof(text), "%d",
                   tocsin_publish(host, "test.family.one", event->id, &w));
    host->report(host, TOCSIN_REPORT_FACT, "family", text, NULL);
}

static const char *const publishes[] = {"test.family.*", NULL};
static const char *const subscribes[] = {"test.in", NULL};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("undeclared_publish"),
    .publishes = publishes,
    .subscribes = subscribes,
    .init = plain_init,
    .start = plain_start,
    .event = undeclared_event,
    .stop = plain_stop,
    .destroy = plain_destroy,
};
