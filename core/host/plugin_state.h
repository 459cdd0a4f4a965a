/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what struct tc_plugin is, for plugin.c, which leads its life, and plugin_facts.c,
 * which describes it. */
#ifndef TC_CORE_PLUGIN_STATE_H
#define TC_CORE_PLUGIN_STATE_H

#include <stdbool.h>
#include <uv.h>

#include "core/base/why.h"
#include "core/host/host.h"
#include "core/host/plugin.h"

struct tc_module;
struct tc_options;
struct tc_subscriber;

/* What STARTING and STOPPING wait for, one after the other. */
enum tc_phase {
    PHASE_NONE,
    PHASE_STARTING, /* for complete, after start returned TOCSIN_PENDING */
    PHASE_STOPPING, /* for complete, after stop did */
    PHASE_WORKING,  /* for the last pieces of work to be done */
    PHASE_CLOSING,  /* for handles to close */
};

struct tc_plugin {
    struct tc_host host;
    const struct tc_plugin_env *env;
    struct tc_module *module;
    const struct tocsin_plugin *calls;
    struct tc_options *options; /* in force */
    struct tc_options *next;    /* for the next init, or NULL */
    void *made;                 /* what init returned ... */
    bool is_made;               /* ... if it did, and destroy has not been called since */
    struct tc_subscriber *subscriber;
    uv_timer_t limit; /* of start and stop */
    bool limit_open;
    enum tc_plugin_state state;
    enum tc_plugin_state end; /* where stopping leads: STOPPED or FAILED */
    enum tc_phase phase;
    bool held_back; /* settle waits: a callback's return value is still to be looked at */
    bool stop_wanted; /* asked for while one of its callbacks was running */
    bool overdue;     /* stop's limit has passed */
    char why[TC_WHY_MAX];
};

/* plugin.c: calls a callback whose return value says what follows, before anything else
 * does; and what follows, once no callback is on the stack. */
int tc_plugin_call(struct tc_plugin *plugin, int (*fn)(void *state));
void tc_plugin_settle(struct tc_plugin *plugin);

/* plugin_facts.c: whether it wants any events. */
bool tc_plugin_subscribes(const struct tc_plugin *plugin);

/* Whether it is asked about AUTH events: it subscribes, and may publish `verdict`. */
bool tc_plugin_votes(const struct tc_plugin *plugin);

#endif
