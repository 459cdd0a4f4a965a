/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for an event before it has stopped, which a plugin that votes no longer gets. */
#include "waits.h"

static const char *const publishes[] = {TOCSIN_TOPIC_VERDICT, NULL};
static const char *const subscribes[] = {"test.in", NULL};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    WAITS("waits_voting"),
    .publishes = publishes,
    .subscribes = subscribes,
};
