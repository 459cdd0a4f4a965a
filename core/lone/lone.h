/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one plugin without an agent: the real loader's module, host and ledger on a loop
 * of the caller's, and a sink for all that the plugin says. tocsin-host is this with a
 * sink that writes frames; whoever wants to run a plugin on a recording gives it one that
 * prints. Loop thread. Must not: know where events come from, or judge anything.
 *
 *     tc_lone_new(&(struct tc_lone_options){.loop = &loop, .state_dir = dir,
 *                                           .sink = {.publish = print, .arg = me}},
 * &lone); tc_module_open(path, copies, &module, why);    (its refusals are the agent's)
 *     tc_lone_take(lone, module, why);               (the module is the lone's now)
 *     tc_lone_set(lone, "word", "hello", why);       (an option, as in the file)
 *     tc_lone_start(lone, why);                      (init, start; sink.changed: RUNNING)
 *     tc_lone_show(lone, &event);                    (id, source, flags as they were)
 *     tc_lone_stop(lone);                            (sink.changed: STOPPED)
 *     uv_run(&loop, ...) until !tc_lone_busy(lone); tc_lone_free(lone);
 */
#ifndef TC_CORE_LONE_H
#define TC_CORE_LONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/plugin.h>
#include <uv.h>

#include "core/host/plugin.h"

struct tc_lone;
struct tc_module;

/* Where what the plugin says goes. Any may be NULL: nobody hears of it, nothing is
 * excluded, the mode is not passive, this process alone is the agent. */
struct tc_lone_sink {
    /*
     * An event that has passed the host's checks: it is in the plugin's `publishes`, its
     * data is one well-formed map. On success the sink has taken over draft->fd, and
     * says the event's id in ret_id, which is NULL when the plugin does not ask for it.
     */
    int (*publish)(void *arg, const struct tocsin_event *draft, uint64_t *ret_id);
    void (*report)(void *arg, uint32_t what, const char *key, const char *text,
                   const char *fix);
    int (*excluded)(void *arg, const char *path, const char *executable);
    bool (*passive)(void *arg);
    bool (*is_agent)(void *arg, int32_t pid); /* any thread */
    /* RUNNING, STOPPED, FAILED (`why` is one sentence) and the states between. Not from
     * inside a callback of the plugin. */
    void (*changed)(void *arg, enum tc_plugin_state state, const char *why);
    void *arg;
};

struct tc_lone_options {
    uv_loop_t *loop;
    const char *state_dir; /* borrowed; host->state_dir */
    struct tc_lone_sink sink;
    uint64_t start_ms, stop_ms; /* 0: TC_PLUGIN_START_MS, TC_PLUGIN_STOP_MS */
};

/* What the plugin logs goes where the process's log goes (core/base/log.h). -ENOMEM. */
int tc_lone_new(const struct tc_lone_options *options, struct tc_lone **ret_lone);

/* Not busy; unloads the plugin. Takes NULL. */
void tc_lone_free(struct tc_lone *lone);

/* Takes the module over on success, with all its options at their defaults. Once. */
int tc_lone_take(struct tc_lone *lone, struct tc_module *module, char why[256]);

/* Set one of its options, before the start; as tc_options_set, tc_options_set_list. */
int tc_lone_set(struct tc_lone *lone, const char *key, const char *text, char why[256]);
int tc_lone_set_list(struct tc_lone *lone, const char *key, const char *const *items,
                     size_t count, char why[256]);

/* init, then start, whose outcome is sink.changed's. Errors: init's. */
int tc_lone_start(struct tc_lone *lone, char why[256]);

/*
 * Shows it an event that it subscribes to, as the agent would: a copy, which the plugin
 * may hold. id, source, reply_to, times and flags stay as they are; event->fd is taken
 * over on success only. 0; -ENOMSG: it does not subscribe to that; -ESHUTDOWN: it does
 * not run, or (one that votes) is not ready; or an error of tc_event_new.
 */
int tc_lone_show(struct tc_lone *lone, const struct tocsin_event *event);

/* -EALREADY when there is nothing to stop. */
int tc_lone_stop(struct tc_lone *lone);

/* A start, a stop, work or a handle is still under way. */
bool tc_lone_busy(const struct tc_lone *lone);

/* The plugin, once it has been started, or NULL: to ask for its state and what it holds.
 */
const struct tc_plugin *tc_lone_plugin(const struct tc_lone *lone);

#endif
