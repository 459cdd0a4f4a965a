/* SPDX-License-Identifier: Apache-2.0 */
/* Answers one test.in with 20,000 test.flood, and is itself too slow to read them all;
 * test.large with as many alerts of 60 KB, and test.refused with how many were. */
#include "plain.h"

#define FLOOD 20000

static void flood_with_alerts(const struct tocsin_host *host,
                              const struct tocsin_event *event)
{
    static char ballast[60000];
    struct tocsin_writer w;
    uint8_t buf[16];
    unsigned refused = 0;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_bin(&w, "ballast", ballast, sizeof(ballast));
    tocsin_end(&w);
    for (int i = 0; i < FLOOD; i++)
        refused +=
            tocsin_publish(host, TOCSIN_TOPIC_ALERT_RAISED, event->id, &w) == -ENOBUFS;
    tocsin_writer_done(&w);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "n", refused);
    tocsin_end(&w);
    (void)tocsin_publish(host, "test.refused", event->id, &w);
}

static void floods_event(void *state, const struct tocsin_event *event)
{
    const struct tocsin_host *host = state;
    struct tocsin_writer w;
    uint8_t buf[16];

    if (!strcmp(event->topic, "test.large"))
        flood_with_alerts(host, event);
    if (strcmp(event->topic, "test.in") != 0)
        return;
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_end(&w);
    for (int i = 0; i < FLOOD; i++)
        (void)tocsin_publish(host, "test.flood", event->id, &w);
}

static const char *const publishes[] = {"test.flood", "test.refused",
                                        TOCSIN_TOPIC_ALERT_RAISED, NULL};
static const char *const subscribes[] = {"test.in", "test.large", "test.flood", NULL};

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
