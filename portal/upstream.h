/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the portal's own connection to the agent, which everybody reads through: made
 * again whenever it breaks, and with a tap of what happens to protection. It has the
 * rights of the portal's user, who may look and change nothing. The loop's thread.
 */
#ifndef TC_PORTAL_UPSTREAM_H
#define TC_PORTAL_UPSTREAM_H

#include <msgpack.h>
#include <stdbool.h>
#include <tocsin/event.h>
#include <uv.h>

struct tc_link;
struct tc_upstream;

struct tc_upstream_handlers {
    void (*changed)(void *arg); /* the agent is there now, or is not any more */
    void (*happened)(void *arg, struct tocsin_str topic, const msgpack_object *event);
    void *arg;
};

/*
 * Connects to the control socket at `path`, first in the loop's next turn, and again
 * until stop: after 0.25 s, up to 1 s. `near` is the same from the working folder, which
 * may be reached where a folder above it is closed to the portal's user; NULL: there is
 * no such way. Both are copied.
 */
int tc_upstream_start(uv_loop_t *loop, const char *path, const char *near,
                      const struct tc_upstream_handlers *handlers,
                      struct tc_upstream **ret_upstream);

/* Takes NULL. Nothing comes any more; the memory goes with the loop's next turn. */
void tc_upstream_stop(struct tc_upstream *upstream);

/* To call the agent with; NULL while it is away. Valid until the loop's next turn. */
struct tc_link *tc_upstream_link(const struct tc_upstream *upstream);

/* Why it is away, a sentence for people; "" when it is not. */
const char *tc_upstream_why(const struct tc_upstream *upstream);

/* The path that it connects by now. */
const char *tc_upstream_path(const struct tc_upstream *upstream);

#endif
