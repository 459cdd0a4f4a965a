/* SPDX-License-Identifier: Apache-2.0 */
/* Has stopped once it has been told so: by a test.in that comes while it is stopping. */
#ifndef TC_TESTS_PLUGINS_WAITS_H
#define TC_TESTS_PLUGINS_WAITS_H

#include <stdlib.h>

#include "plain.h"

struct waits {
    const struct tocsin_host *host;
    bool stopping;
};

static inline int waits_init(const struct tocsin_host *host, void **ret_state)
{
    struct waits *waits = calloc(1, sizeof(*waits));

    if (!waits)
        return -ENOMEM;
    waits->host = host;
    *ret_state = waits;
    return 0;
}

static inline void waits_event(void *state, const struct tocsin_event *event)
{
    struct waits *waits = state;

    (void)event;
    if (waits->stopping)
        waits->host->complete(waits->host, 0);
}

static inline int waits_stop(void *state)
{
    ((struct waits *)state)->stopping = true;
    return TOCSIN_PENDING;
}

/* Everything but what it publishes. */
#define WAITS(name_)                                                                     \
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR), PLAIN_IDENTITY(name_),                   \
        .init = waits_init, .start = plain_start, .event = waits_event,                  \
        .stop = waits_stop, .destroy = free

#endif
