/* SPDX-License-Identifier: Apache-2.0 */
/* Built for the minor that there is not yet: fills in what that has added. */
#include "tests/vendor_plugins/plain.h"

static int next_start(void *state)
{
    const struct tocsin_host *host = (const struct tocsin_host *)state;
    static const uint8_t empty_map[] = {0x80};
    struct tocsin_event event = {.size = sizeof(event),
                                 .fd = -1,
                                 .topic = "abi.done",
                                 .data = empty_map,
                                 .len = sizeof(empty_map),
                                 .made_up = 13};

    return host->publish(host, &event, NULL);
}

static int next_made_up(void *state)
{
    (void)state;
    return 11;
}

static const char *const publishes[] = {"abi.*", NULL};

static const struct tocsin_option options[] = {
    {.name = "a", .type = TOCSIN_OPTION_BOOL, .fallback = "true", .help = "A flag."},
    {.name = "b",
     .type = TOCSIN_OPTION_BOOL,
     .fallback = "true",
     .help = "A flag.",
     .made_up = 12},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("abi_next"),
    .publishes = publishes,
    .options = options,
    .init = plain_init,
    .start = next_start,
    .stop = plain_stop,
    .destroy = plain_destroy,
    .made_up = next_made_up,
};
