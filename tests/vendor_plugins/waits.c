/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for an event before it has stopped, and votes on nothing. */
#include "waits.h"

static const char *const subscribes[] = {"test.in", NULL};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    WAITS("waits"),
    .subscribes = subscribes,
};
