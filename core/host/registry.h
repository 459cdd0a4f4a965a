/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which plugins there are and which should run: finds their files, loads them off
 * the loop, starts them, enables, disables, reloads and reconfigures them while the agent
 * runs. None waits for another. Loop thread. Must not:
 * log, publish, or know what any plugin does.
 */
#ifndef TC_CORE_REGISTRY_H
#define TC_CORE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/conf/options.h"
#include "core/host/plugin.h"

struct tc_config;
struct tc_module;
struct tc_pack;
struct tc_registry;

#define TC_REGISTRY_DIRS_MAX 16

/* status 0, and what there is to say about it, or ""; or a negative errno and one
 * sentence. */
typedef void (*tc_registry_done_fn)(void *arg, int status, const char *why);

struct tc_registry_options {
    struct tc_plugin_env env; /* copied; `changed` calls tc_registry_changed */
    /* Opens a plugin that is to run in a process of its own; as tc_module_open, on any
     * thread. NULL: none can. */
    int (*isolate)(void *isolate_arg, const char *name, const char *path,
                   struct tc_module **ret_module, char why[256]);
    void *isolate_arg;
    const char *private_dir; /* for the loader's copies; made by the caller */
    /* Where tocsin_<name>.so is looked for, in order; copied. */
    const char *dirs[TC_REGISTRY_DIRS_MAX];
    /*
     * A plugin "started", "stopped", "failed", was "refused", was "kept" (what should
     * have replaced it did not load or start, and it runs on, or again; without a `why`:
     * that is over, it runs as the configuration says), or (one on demand) is "loaded" to
     * be called, or "restarting" for a new file or new options; `why` says so for people.
     * `plugin` is NULL when there is none to look at.
     */
    void (*event)(void *arg, const char *what, const char *name, const char *why,
                  const struct tc_plugin *plugin);
    /*
     * A plugin on demand runs, and is no longer to: disabled by hand or by a new
     * configuration. Whoever has called it sees to its successor and then to
     * tc_registry_demand.
     */
    void (*disabled)(void *arg, const char *name);
    /* The set of voters (tc_plugin_voter) has changed: no other is there to answer. */
    void (*voters)(void *arg, uint64_t set);
    void *arg;
};

int tc_registry_new(const struct tc_registry_options *options,
                    struct tc_registry **ret_registry);

/* All plugins must have been stopped (tc_registry_stop). */
void tc_registry_free(struct tc_registry *registry);

/* A plugin's state has changed: the registry looks at it soon. From
 * tc_plugin_env.changed. */
void tc_registry_changed(struct tc_registry *registry);

/* Keeps `name` from being started until it is enabled by hand; `why` says what it did. */
int tc_registry_disable_crashed(struct tc_registry *registry, const char *name,
                                const char *why);

/*
 * Loads what the configuration names and begins to start it, detectors first; what runs
 * on demand can be demanded as soon as this returns. `done` when each runs or has failed.
 * Loading blocks: call it before any sensor runs. The configuration is
 * borrowed until the next one is applied. -EINVAL, and nothing is started, when a section
 * does not fit its plugin.
 */
int tc_registry_boot(struct tc_registry *registry, const struct tc_config *config,
                     tc_registry_done_fn done, void *arg, char why[256]);

/*
 * System, kernel and network extensions run on demand: they are loaded like any other,
 * and started and stopped by this only, since the registry does not decide which of them
 * may run. The outcome comes as options.event; one that "failed" or was "refused" is no
 * longer demanded. One that was started stays loaded when it is stopped. -ENOENT: no such
 * plugin or file, or it is not enabled; -EBUSY: it is being changed, call again after its
 * next event.
 */
int tc_registry_demand(struct tc_registry *registry, const char *name, bool run);

/* The enabled plugin of that kind (enum tocsin_kind) that comes first, or NULL. */
const char *tc_registry_of_kind(const struct tc_registry *registry, uint32_t kind);

/*
 * By a command. What is disabled stays so over new configurations and in the agents to
 * come (core/host/switched_off) until it is enabled; what a configuration disables can be
 * enabled until the next one. One at a time for each plugin: one that is under way, as
 * the start of the agent is, is waited for. -ENOENT no such plugin; -ECANCELED the
 * registry is being stopped. reload loads the file anew and takes the running one away
 * only when the new one has been made; it comes back, with the options that it had, when
 * that does not start. -EINVAL: it is disabled.
 */
void tc_registry_enable(struct tc_registry *registry, const char *name,
                        tc_registry_done_fn done, void *arg);
void tc_registry_disable(struct tc_registry *registry, const char *name,
                         tc_registry_done_fn done, void *arg);
void tc_registry_reload(struct tc_registry *registry, const char *name,
                        tc_registry_done_fn done, void *arg);

/*
 * Checks a configuration against all plugins that it names, those not yet loaded too,
 * and, unless `dry`, puts it in force: whole, or not at all (status < 0: the old one
 * stays). On success it is borrowed as in boot. Waits for all that was asked before it.
 * Its warnings come a line each.
 */
void tc_registry_apply(struct tc_registry *registry, const struct tc_config *config,
                       bool dry, tc_registry_done_fn done, void *arg);

/* Stops sensors, then the rest, frees them all; `done` with status 0. What is not ready
 * yet is stopped at once. */
void tc_registry_stop(struct tc_registry *registry, tc_registry_done_fn done, void *arg);

/* The running or failed plugin of that name, or NULL. */
struct tc_plugin *tc_registry_plugin(const struct tc_registry *registry,
                                     const char *name);

/* True when there is one of that name, in the configuration or running. */
bool tc_registry_has(const struct tc_registry *registry, const char *name);

/* True when the plugin of that name should run, by the configuration or a later command.
 */
bool tc_registry_wants(const struct tc_registry *registry, const char *name);

/* The options of a plugin that is loaded; `first` NULL: none is, or it has none. */
struct tc_option_table tc_registry_table(const struct tc_registry *registry,
                                         const char *name);

uint64_t tc_registry_voter(const struct tc_registry *registry, const char *name);
void tc_registry_voter_names(const struct tc_registry *registry, uint64_t set, char *buf,
                             size_t cap);
void tc_registry_count(const struct tc_registry *registry, unsigned *ret_loaded,
                       unsigned *ret_failed);

/* Puts one map for each plugin into an open array, or the fields of one into an open map.
 */
void tc_registry_put_all(const struct tc_registry *registry, struct tc_pack *p);
int tc_registry_put(const struct tc_registry *registry, const char *name,
                    struct tc_pack *p);

#endif
