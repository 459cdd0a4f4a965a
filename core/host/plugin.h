/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one plugin's life, from its file to dlclose: the state machine, its subscription,
 * and (in host.c) the ledger of all that it holds. Loop thread. Must not: know which
 * plugins there are or should be; agent.c does.
 *
 *   LOADED -> STARTING -> RUNNING -> STOPPING -> STOPPED
 *                |           |          |
 *                +---------> FAILED <---+      (with the reason)
 */
#ifndef TC_CORE_PLUGIN_H
#define TC_CORE_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>
#include <tocsin/plugin.h>
#include <uv.h>

struct tc_bus;
struct tc_last_error;
struct tc_event;
struct tc_module;
struct tc_options;
struct tc_pack;
struct tc_plugin;

#define TC_PLUGIN_START_MS 30000 /* from start to complete */
#define TC_PLUGIN_STOP_MS 5000   /* from stop to complete */
#define TC_PLUGIN_TIMERS_MAX 256 /* each: held by one plugin at once */
#define TC_PLUGIN_WATCHES_MAX 256
#define TC_PLUGIN_WORKS_MAX 16384
#define TC_PLUGIN_POSTS_MAX 65536

enum tc_plugin_state {
    TC_PLUGIN_LOADED,
    TC_PLUGIN_STARTING,
    TC_PLUGIN_RUNNING,
    TC_PLUGIN_STOPPING,
    TC_PLUGIN_STOPPED,
    TC_PLUGIN_FAILED,
};

/* What the agent gives every plugin. Borrowed; outlives them all. Callbacks on the loop
 * thread unless said. */
struct tc_plugin_env {
    uv_loop_t *loop;
    struct tc_bus *bus;
    const char *state_dir;
    void *arg; /* of the callbacks */

    /* Publishes for `source`; as tc_bus_publish. The judge opens a case for an AUTH event
     * here. */
    int (*publish)(void *arg, const struct tocsin_event *draft, const char *source,
                   const struct tocsin_event **ret_event);
    /* CLEAR without a key: all that it has reported, as another life of it begins. */
    void (*report)(void *arg, const char *plugin, uint32_t what, const char *key,
                   const char *text, const char *fix);
    int (*excluded)(void *arg, const char *plugin, const char *path,
                    const char *executable);
    bool (*passive)(void *arg);
    bool (*is_agent)(void *arg, int32_t pid); /* any thread */
    /*
     * The state has changed; never called from inside one of the plugin's callbacks. From
     * here the plugin must not be freed; a posted or later call may. On STOPPING,
     * tc_plugin_voter still says whose answers no longer come. STOPPED or FAILED comes a
     * second time where work outlived the stop limit: tc_plugin_busy is then false.
     */
    void (*changed)(void *arg, struct tc_plugin *plugin);
    /* The calling thread (the loop, or a pool thread with work) enters code of that
     * plugin, or (NULL) has left it: so that a crash or hang finds its owner. */
    void (*entering)(void *arg, const char *plugin);

    uint64_t start_ms, stop_ms; /* 0: TC_PLUGIN_START_MS, TC_PLUGIN_STOP_MS */
};

/*
 * Makes a plugin of a loaded module (module and options become the plugin's on success)
 * and calls init. Errors: what init returned, or -ENOMEM; the sentence is in `why`.
 */
int tc_plugin_new(const struct tc_plugin_env *env, struct tc_module *module,
                  struct tc_options *options, struct tc_plugin **ret_plugin,
                  char why[256]);

/*
 * Subscribes (a voter: once it is RUNNING, so that nobody waits for one that is not
 * ready) and calls start; `changed` has the outcome: RUNNING, or FAILED once all is
 * taken back. From STOPPED, destroy and init come first. One that is not ready in time is
 * stopped and FAILED. Errors: -EALREADY, not LOADED or STOPPED; -EBUSY, tc_plugin_busy.
 */
int tc_plugin_start(struct tc_plugin *plugin);

/* Calls its event callback, as the bus does: an event that came another way. STARTING
 * (one that votes: not before it is RUNNING), RUNNING. */
void tc_plugin_show(struct tc_plugin *plugin, struct tc_event *event);

/*
 * Ends a voter's subscription (another's: once it has stopped), runs the posts it was
 * promised, cancels the work no thread has begun, calls stop; once
 * complete or TC_PLUGIN_STOP_MS have passed, takes back the ledger -> STOPPED. -EALREADY
 * when neither STARTING nor RUNNING.
 */
int tc_plugin_stop(struct tc_plugin *plugin);

/* Drops the options that wait for its next start: it starts with those it has. */
void tc_plugin_keep_options(struct tc_plugin *plugin);

/*
 * Puts new options (the plugin's on success) in force: by reload when the plugin has it
 * and no RESTART option changed (*ret_restart = false), else leaves the plugin to be
 * stopped and started by the caller
 * (*ret_restart = true). One that does not run has them at its next start. *ret_changed:
 * they are others than it had, or would have had then. On failure the old options stay
 * and the new ones are still the caller's.
 */
int tc_plugin_reconfigure(struct tc_plugin *plugin, struct tc_options *options,
                          bool *ret_restart, bool *ret_changed, char why[256]);

/* Whether these are what it runs with, or would have at its next start. */
bool tc_plugin_has_options(const struct tc_plugin *plugin,
                           const struct tc_options *options);

/* Calls destroy and unloads; STOPPED, FAILED or LOADED, with no work running
 * (tc_plugin_busy). */
void tc_plugin_free(struct tc_plugin *plugin);

/* True while a pool thread still runs the plugin's code, or its handles are open: not to
 * be freed yet. */
bool tc_plugin_busy(const struct tc_plugin *plugin);

/* True while work of it is not done, or a call it has posted has not run. */
bool tc_plugin_working(const struct tc_plugin *plugin);

enum tc_plugin_state tc_plugin_state(const struct tc_plugin *plugin);
const char *tc_plugin_state_name(enum tc_plugin_state state);
const char *tc_plugin_name(const struct tc_plugin *plugin);
const char *tc_plugin_why(const struct tc_plugin *plugin); /* of FAILED; "" otherwise */
void tc_plugin_last_error(const struct tc_plugin *plugin, struct tc_last_error *ret);
const struct tc_module *tc_plugin_module(const struct tc_plugin *plugin);
const struct tc_options *tc_plugin_options(const struct tc_plugin *plugin);

/* Those of its next start: the same, unless others wait for it. */
const struct tc_options *tc_plugin_next_options(const struct tc_plugin *plugin);

/* It runs in a process of its own (core/isolate). */
bool tc_plugin_isolated(const struct tc_plugin *plugin);

/* The plugin's bit among the bus's voters; 0 when it is not asked. */
uint64_t tc_plugin_voter(const struct tc_plugin *plugin);

/* Puts name, version, state, why, file, sha256, what it holds, what it was delivered and
 * dropped into an open map. */
void tc_plugin_put(const struct tc_plugin *plugin, struct tc_pack *p);

#endif
