/* SPDX-License-Identifier: Apache-2.0 */
/* Never returns from the first event. */
#include "plain.h"

static void spins_event(void *state, const struct tocsin_event *event)
{
    (void)state;
    (void)event;
    for (volatile int turn = 0;; turn = !turn)
        ;
}

static const char *const subscribes[] = {"test.in", NULL};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("spins"),
    .subscribes = subscribes,
    .init = plain_init,
    .start = plain_start,
    .event = spins_event,
    .stop = plain_stop,
    .destroy = plain_destroy,
};
