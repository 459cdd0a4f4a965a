/* SPDX-License-Identifier: Apache-2.0 */
/* Says no before it has begun. */
#include "plain.h"

static int init_fails(const struct tocsin_host *host, void **ret_state)
{
    (void)host;
    (void)ret_state;
    return -ENOENT;
}

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("init_fails"),
    .init = init_fails,
    .start = plain_start,
    .stop = plain_stop,
    .destroy = plain_destroy,
};
