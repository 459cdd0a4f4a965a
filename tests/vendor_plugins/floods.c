/* SPDX-License-Identifier: Apache-2.0 */
/* Answers one test.in with 20,000 test.flood, and is itself too slow to read them all. */
#include "plain.h"

#define FLOOD 20000

static void floods_event(void *state, const struct tocsin_event *event)
{
    const struct tocsin_host *host = state;
    struct tocsin_writer w;
    uint8_t buf[16];

    if (strcmp(event->topic, "test.in") != 0)
        return;
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_end(&w);
    for (int i = 0; i < FLOOD; i++)
        (void)tocsin_publish(host, "test.flood", event->id, &w);
}

static const char *const publishes[] = {"test.flood", NULL};
static const char *const subscribes[] = {"test.in", "test.flood", NULL};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("floods"),
    .publishes = publishes,
    .subscribes = subscribes,
    .init = plain_init,
    .start = plain_start,
    .event = floods_event,
    .stop = plain_stop,
    .destroy = plain_destroy,
};
