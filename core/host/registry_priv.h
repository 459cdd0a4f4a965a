/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the registry share, and nobody else sees. */
#ifndef TC_CORE_REGISTRY_PRIV_H
#define TC_CORE_REGISTRY_PRIV_H

#include "core/base/why.h"
#include "core/conf/options.h"
#include "core/host/last_error.h"
#include "core/host/loader.h"
#include "core/host/registry.h"
#include "core/host/switched_off.h"

enum tc_registry_entry_doing {
    TC_ENTRY_IDLE,
    TC_ENTRY_STORING,  /* a pool thread writes down that it is disabled, or not */
    TC_ENTRY_LOADING,  /* a pool thread opens the file */
    TC_ENTRY_STOPPING, /* the old one, to be replaced or just to go */
    TC_ENTRY_STARTING,
};

/* One name under `plugins:`, whether it runs or not. */
struct tc_registry_entry {
    struct tc_registry_entry *next;
    struct tc_registry *registry;
    char name[64];
    char place[512];       /* of its section in the configuration */
    char why[TC_WHY_MAX];  /* it does not run because of this; "" */
    char note[TC_WHY_MAX]; /* of the operation under way, when it succeeds; "" */
    struct tc_last_error
        last_error; /* what kept it from starting, or from other options */
    bool enabled;
    bool crash_disabled; /* crashed too often: only `enable` by hand starts it */
    bool demanded;       /* one on call (tc_registry_demand) is to run */
    bool watched;        /* it runs: that it fails has not been told */
    bool putting_back;   /* starting: `plugin` again, since the fresh one did not start */
    enum tc_registry_entry_doing doing;
    struct tc_plugin *plugin; /* the one that runs, or did; NULL */
    struct tc_plugin *fresh;  /* made to take its place */
    tc_registry_done_fn done; /* of the operation under way; may be NULL */
    void *arg;
};

struct tc_retired {
    struct tc_retired *next;
    struct tc_plugin *plugin;
};

/* Something that was asked of the registry, and waits for its turn. */
struct tc_registry_request {
    struct tc_registry_request *next;
    void (*run)(struct tc_registry *registry, const struct tc_registry_request *request);
    char name[64];                  /* of the plugin; "": config */
    const struct tc_config *config; /* NULL: one plugin */
    bool dry;
    tc_registry_done_fn done;
    void *arg;
};

struct tc_registry {
    struct tc_registry_options options;
    struct tc_plugin_env env;
    char *dirs[TC_REGISTRY_DIRS_MAX]; /* options.dirs, its own */
    const struct tc_config *config;
    struct tc_registry_entry *entries;
    struct tc_switched_off off; /* disabled by a command */
    struct tc_registry_store {  /* writes that down, on a pool thread */
        uv_work_t work;
        struct tc_registry_entry *entry; /* that waits for it; NULL: it is free */
        struct tc_switched_off off;
        void (*then)(struct tc_registry_entry *entry);
        int err;
        char why[TC_WHY_MAX];
    } store;
    struct tc_retired *retired; /* stopped, but still busy */
    uv_timer_t step; /* looks at what has changed, outside every plugin's callback */
    bool booting;
    bool stopping, stopped;
    tc_registry_done_fn done; /* of boot or stop; when all entries are idle */
    void *arg;
    struct tc_registry_request *requests; /* in the order of asking */
    struct tc_registry_plan *plan;        /* a configuration being applied, or NULL */
    /* Set by registry_config.c with its first plan; called whenever all entries are idle.
     */
    void (*plan_continue)(struct tc_registry *registry);
};

struct tc_registry_entry *tc_registry_entry_find(const struct tc_registry *registry,
                                                 const char *name);
int tc_registry_entry_add(struct tc_registry *registry, const char *name,
                          struct tc_registry_entry **ret_entry);

/* Whether plugins of that kind are started by tc_registry_demand only. */
bool tc_registry_on_demand(const struct tc_plugin *plugin);

/* The bit of whichever of its plugins subscribes now; 0: none votes. */
uint64_t tc_registry_entry_voter(const struct tc_registry_entry *entry);

/* The file of a plugin: as the configuration says, or the first found in the folders. */
int tc_registry_file(const struct tc_registry *registry, const struct tc_config *config,
                     const char *name, char *path, size_t cap, char why[256]);

/* Opens it, in the way that the configuration says: here, or in a process of its own. Any
 * thread; blocks. */
int tc_registry_open(const struct tc_registry *registry, const struct tc_config *config,
                     const char *name, const char *path, struct tc_module **ret_module,
                     char why[256]);

/* Makes a plugin of a module and puts it in place; module and options are consumed in any
 * case. */
int tc_registry_entry_make(struct tc_registry_entry *entry, struct tc_module *module,
                           struct tc_options *options, char why[256]);

/* Begin to start what tc_registry_entry_make made, stopping first what runs; or to stop
 * it for good. */
void tc_registry_entry_start(struct tc_registry_entry *entry);
void tc_registry_entry_stop(struct tc_registry_entry *entry);

/* Stops one that is not enabled any more; one on demand, through whoever demanded it. */
void tc_registry_entry_disabled(struct tc_registry_entry *entry);

/* It runs with what the configuration says: what had kept it from that is over. */
void tc_registry_entry_content(struct tc_registry_entry *entry);

/* Looks whether what it was doing has come to its end, and goes on from there. */
void tc_registry_entry_settle(struct tc_registry_entry *entry);

/* Starts `fresh`, or `plugin` when nothing fresh takes its place. */
void tc_registry_entry_start_now(struct tc_registry_entry *entry);

/* Tells of it, as struct tc_registry_options.event. */
void tc_registry_entry_emit(struct tc_registry_entry *entry, const char *what,
                            const char *why);

/* Ends the operation under way: its caller hears of it. */
void tc_registry_entry_finish(struct tc_registry_entry *entry, int status,
                              const char *why);

/* What was to take its place could not be made. */
void tc_registry_entry_refused(struct tc_registry_entry *entry, const char *why);

/* The plugin, or NULL, has stopped: it is freed, at once or when no thread runs its code.
 */
void tc_registry_retire(struct tc_registry *registry, struct tc_plugin *plugin);
void tc_registry_free_retired(struct tc_registry *registry);

/* registry_load.c: opens the file on a pool thread, makes the plugin and begins to start
 * it. On failure the operation under way has ended. */
int tc_registry_entry_load(struct tc_registry_entry *entry);

/* Opens the file at once and makes the plugin. A broken file is that plugin's trouble; a
 * broken section everybody's: -EINVAL, and why. */
int tc_registry_entry_load_now(struct tc_registry_entry *entry, char why[256]);

/* Removes copies of plugins that earlier agents have left. */
void tc_registry_sweep(struct tc_registry *registry);

/* Those of the caller are as a rule a configuration's, which is replaced one day. */
int tc_registry_copy_dirs(struct tc_registry *registry);
void tc_registry_free_dirs(struct tc_registry *registry);

/* registry_queue.c: takes the request, a copy, carries it out when its turn comes, at
 * once if that is now; the next ones whose turn it is; and none any more. */
void tc_registry_ask(struct tc_registry *registry,
                     const struct tc_registry_request *request);
void tc_registry_serve(struct tc_registry *registry);
void tc_registry_cancel(struct tc_registry *registry);

/* Looks at everything soon. */
void tc_registry_step_soon(struct tc_registry *registry, uint64_t ms);
bool tc_registry_idle(const struct tc_registry *registry);

#endif
