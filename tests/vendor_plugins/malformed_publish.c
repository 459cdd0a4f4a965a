/* SPDX-License-Identifier: Apache-2.0 */
/* Publishes bytes that are no event, under a topic that is its own. */
#include "plain.h"

static void malformed_event(void *state, const struct tocsin_event *event)
{
    const struct tocsin_host *host = state;
    struct tocsin_event made = {.size = sizeof(made),
                                .reply_to = event->id,
                                .fd = -1,
                                .topic = "test.family.one",
                                .data = "no map",
                                .len = 6};

    (void)host->publish(host, &made, NULL);
}

static const char *const publishes[] = {"test.family.*", NULL};
static const char *const subscribes[] = {"test.in", NULL};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("malformed_publish"),
    .publishes = publishes,
    .subscribes = subscribes,
    .init = plain_init,
    .start = plain_start,
    .event = malformed_event,
    .stop = plain_stop,
    .destroy = plain_destroy,
};
