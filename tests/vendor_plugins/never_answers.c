/* SPDX-License-Identifier: Apache-2.0 */
/* Is asked about every flow, and never answers. */
#include "plain.h"

static void never_event(void *state, const struct tocsin_event *event)
{
    (void)state;
    (void)event;
}

static const char *const publishes[] = {TOCSIN_TOPIC_VERDICT, NULL};
static const char *const subscribes[] = {TOCSIN_TOPIC_NETWORK_FLOW, NULL};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("never_answers"),
    PLAIN_CALLS,
    .publishes = publishes,
    .subscribes = subscribes,
    .event = never_event,
};
