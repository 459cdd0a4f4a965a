/* SPDX-License-Identifier: Apache-2.0 */
/* Takes its process down at the first event. */
#include "plain.h"

#include <stdlib.h>

static void crashes_event(void *state, const struct tocsin_event *event)
{
    (void)state;
    (void)event;
    abort();
}

static const char *const subscribes[] = {"test.in", NULL};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("crashes"),
    .subscribes = subscribes,
    .init = plain_init,
    .start = plain_start,
    .event = crashes_event,
    .stop = plain_stop,
    .destroy = plain_destroy,
};
