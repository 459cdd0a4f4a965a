/* SPDX-License-Identifier: Apache-2.0 */
/* Callbacks that do nothing, for test plugins whose fault lies elsewhere. */
#ifndef TC_TESTS_PLUGINS_PLAIN_H
#define TC_TESTS_PLUGINS_PLAIN_H

#include <tocsin/plugin.h>

/* The state is the host itself. */
static inline int plain_init(const struct tocsin_host *host, void **ret_state)
{
    *ret_state = (void *)(uintptr_t)host;
    return 0;
}

static inline int plain_start(void *state)
{
    (void)state;
    return 0;
}

static inline int plain_stop(void *state)
{
    (void)state;
    return 0;
}

static inline void plain_destroy(void *state)
{
    (void)state;
}

/* Name, version and summary, and the callbacks above; any field may follow anew. */
#define PLAIN_IDENTITY(name_) .name = (name_), .version = "1", .summary = "A test plugin"
#define PLAIN_CALLS                                                                      \
    .init = plain_init, .start = plain_start, .stop = plain_stop, .destroy = plain_destroy

#endif
