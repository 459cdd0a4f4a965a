/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a plugin's descriptor says, for people and for the agent. Of one that
 * tc_descriptor_read has made; pure. */
#ifndef TC_CORE_DESCRIPTOR_VIEW_H
#define TC_CORE_DESCRIPTOR_VIEW_H

#include <stdbool.h>
#include <tocsin/plugin.h>

struct tc_pack;

const char *tc_descriptor_kind(uint32_t kind); /* "detector"; "?" of none */

/* Whether its `publishes` names the topic, or a family that it is of. */
bool tc_descriptor_publishes(const struct tocsin_plugin *plugin, const char *topic);

/* Whether it is asked about AUTH events: it subscribes, and may publish `verdict`. */
bool tc_descriptor_votes(const struct tocsin_plugin *plugin);

/* Puts its topics and options into the open map of p. */
void tc_descriptor_put(const struct tocsin_plugin *plugin, struct tc_pack *p);

#endif
