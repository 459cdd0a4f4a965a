/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the streams by which pages are told that something has changed. What has changed
 * is one word; the page asks for it again. Several changes within a quarter of a second
 * are one. While somebody looks, health is compared every two seconds, since not all that
 * it shows comes with an event. The loop's thread.
 */
#ifndef TC_PORTAL_HUB_H
#define TC_PORTAL_HUB_H

#include <msgpack.h>
#include <tocsin/event.h>
#include <uv.h>

struct tc_hub;
struct tc_portal;

/* NULL: no memory. `portal` is borrowed. */
struct tc_hub *tc_hub_new(const struct tc_portal *portal);

/* Ends every stream. Takes NULL. The memory goes with the loop's next turn. */
void tc_hub_stop(struct tc_hub *hub);

/* An event of the agent. */
void tc_hub_happened(struct tc_hub *hub, struct tocsin_str topic);

/* The agent has come or gone. */
void tc_hub_agent(struct tc_hub *hub);

#endif
