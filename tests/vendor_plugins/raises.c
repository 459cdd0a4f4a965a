/* SPDX-License-Identifier: Apache-2.0 */
/* Raises as many alerts as rpc.raises.raise asks for by `count`, from `first` on: the
 * n-th has the id "raised-n". */
#include <stdio.h>

#include "plain.h"

static void raise_one(const struct tocsin_host *host, int64_t n)
{
    struct tocsin_writer w;
    uint8_t buf[1024];
    char id[32];

    snprintf(id, sizeof(id), "raised-%lld", (long long)n);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "alert");
    tocsin_put_str(&w, "id", id);
    tocsin_put_str(&w, "title", "Raised by a test");
    tocsin_put_str(&w, "severity", n % 2 ? "high" : "low");
    tocsin_put_str(&w, "category", "behaviour");
    tocsin_put_str(&w, "detected_from", "raises");
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_put_int(&w, "pid", n);
    tocsin_put_str(&w, "executable", "/usr/bin/example");
    tocsin_put_str(&w, "command_line",
                   "example --with \"quotes\" | and = signs \\ and a line feed:\n.");
    tocsin_end(&w);
    tocsin_end(&w);
    (void)tocsin_publish(host, TOCSIN_TOPIC_ALERT_RAISED, 0, &w);
}

static void raises_event(void *state, const struct tocsin_event *event)
{
    const struct tocsin_host *host = state;
    int64_t first = tocsin_event_int(event, "first", 0);
    int64_t count = tocsin_event_int(event, "count", 1);
    struct tocsin_writer w;
    uint8_t buf[16];

    for (int64_t n = first; n < first + count; n++)
        raise_one(host, n);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_end(&w);
    (void)tocsin_reply(host, event, &w);
}

static const char *const publishes[] = {TOCSIN_TOPIC_ALERT_RAISED, TOCSIN_TOPIC_RPC_REPLY,
                                        NULL};
static const char *const subscribes[] = {"rpc.raises.*", NULL};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("raises"),
    .publishes = publishes,
    .subscribes = subscribes,
    .init = plain_init,
    .start = plain_start,
    .event = raises_event,
    .stop = plain_stop,
    .destroy = plain_destroy,
};
