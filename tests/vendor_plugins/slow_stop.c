/* SPDX-License-Identifier: Apache-2.0 */
/* Promises to have stopped later and never has. */
#include "plain.h"

static int stop_pending(void *state)
{
    (void)state;
    return TOCSIN_PENDING;
}

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("slow_stop"),
    .init = plain_init,
    .start = plain_start,
    .stop = stop_pending,
    .destroy = plain_destroy,
};
