/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/conf/config.h"
#include "core/host/registry_priv.h"

#define RETIRED_LOOK_MS                                                                  \
    20 /* how often a stopped plugin is asked whether it may be freed */

/* ---- entries ---- */

struct tc_registry_entry *tc_registry_entry_find(const struct tc_registry *registry,
                                                 const char *name)
{
    struct tc_registry_entry *e = registry->entries;

    while (e && strcmp(e->name, name))
        e = e->next;
    return e;
}

int tc_registry_entry_add(struct tc_registry *registry, const char *name,
                          struct tc_registry_entry **ret_entry)
{
    struct tc_registry_entry *e = tc_registry_entry_find(registry, name),
                             **end = &registry->entries;

    if (!e) {
        e = calloc(1, sizeof(*e));
        if (!e)
            return -ENOMEM;
        snprintf(e->name, sizeof(e->name), "%s", name);
        e->registry = registry;
        while (*end)
            end = &(*end)->next;
        *end = e;
    }
    *ret_entry = e;
    return 0;
}

uint64_t tc_registry_entry_voter(const struct tc_registry_entry *e)
{
    const struct tc_plugin *const both[] = {e->fresh, e->plugin};

    for (size_t i = 0; i < 2; i++)
        if (both[i] && tc_plugin_state(both[i]) == TC_PLUGIN_RUNNING)
            return tc_plugin_voter(both[i]);
    return 0;
}

static void emit(struct tc_registry_entry *e, const char *what, const char *why)
{
    struct tc_registry *registry = e->registry;

    registry->options.event(registry->options.arg, what, e->name, why, e->plugin);
}

/* Ends the operation under way: its caller hears of it. */
static void finish(struct tc_registry_entry *e, int status, const char *why)
{
    tc_registry_done_fn done = e->done;
    void *arg = e->arg;

    e->doing = TC_ENTRY_IDLE;
    e->done = NULL;
    snprintf(e->why, sizeof(e->why), "%s", status ? why : "");
    if (done)
        done(arg, status, why);
}

/* The plugin has stopped; it is freed once no thread runs its code. */
static void retire(struct tc_registry *registry, struct tc_plugin *plugin)
{
    struct tc_retired *r;

    if (!plugin)
        return;
    if (!tc_plugin_busy(plugin)) {
        tc_plugin_free(plugin);
        return;
    }
    r = malloc(sizeof(*r));
    if (!r)
        return; /* out of memory: its memory is the least of our troubles */
    r->plugin = plugin;
    r->next = registry->retired;
    registry->retired = r;
}

static void free_retired(struct tc_registry *registry)
{
    struct tc_retired **slot = &registry->retired, *r;

    while ((r = *slot)) {
        if (tc_plugin_busy(r->plugin)) {
            slot = &r->next;
            continue;
        }
        *slot = r->next;
        tc_plugin_free(r->plugin);
        free(r);
    }
    if (registry->retired)
        tc_registry_step_soon(registry, RETIRED_LOOK_MS);
}

int tc_registry_entry_make(struct tc_registry_entry *e, struct tc_module *module,
                           struct tc_options *options, char why[256])
{
    struct tc_plugin *plugin;
    int err = tc_plugin_new(&e->registry->env, module, options, &plugin, why);

    if (err) {
        tc_options_free(options);
        tc_module_close(module);
        return err;
    }
    e->fresh = plugin;
    return 0;
}

static bool settled(const struct tc_plugin *plugin)
{
    enum tc_plugin_state state = tc_plugin_state(plugin);

    return state != TC_PLUGIN_STARTING && state != TC_PLUGIN_STOPPING;
}

/* Starts e->fresh, or e->plugin when nothing fresh takes its place. */
static void start_now(struct tc_registry_entry *e)
{
    int err;

    e->doing = TC_ENTRY_STARTING;
    err = tc_plugin_start(e->fresh ? e->fresh : e->plugin);
    (void)err; /* the plugin's state says it too, and why */
    tc_registry_step_soon(e->registry, 0);
}

static bool runs(const struct tc_registry_entry *e)
{
    return e->plugin && tc_plugin_state(e->plugin) == TC_PLUGIN_RUNNING;
}

static bool on_demand(const struct tc_plugin *plugin)
{
    uint32_t kind = tc_plugin_module(plugin)->plugin->kind;

    return kind == TOCSIN_KIND_SYSTEM_EXTENSION || kind == TOCSIN_KIND_KERNEL_EXTENSION ||
           kind == TOCSIN_KIND_NETWORK_EXTENSION;
}

/* What was made takes the place of what was there. */
static void replace(struct tc_registry_entry *e)
{
    if (!e->fresh)
        return;
    retire(e->registry, e->plugin);
    e->plugin = e->fresh;
    e->fresh = NULL;
}

/* It is loaded, and waits to be called. */
static void park(struct tc_registry_entry *e)
{
    replace(e);
    emit(e, "loaded", "");
    finish(e, 0, "");
}

void tc_registry_entry_start(struct tc_registry_entry *e)
{
    if (e->fresh && on_demand(e->fresh) && !e->demanded) {
        park(e);
        return;
    }
    if (!runs(e)) {
        start_now(e);
        return;
    }
    if (on_demand(e->plugin))
        emit(e, "restarting", "");
    e->doing = TC_ENTRY_STOPPING;
    tc_plugin_stop(e->plugin);
    tc_registry_step_soon(e->registry, 0);
}

void tc_registry_entry_stop(struct tc_registry_entry *e)
{
    e->doing = TC_ENTRY_STOPPING;
    if (runs(e))
        tc_plugin_stop(e->plugin);
    tc_registry_step_soon(e->registry, 0);
}

void tc_registry_entry_disabled(struct tc_registry_entry *e)
{
    if (runs(e) && e->demanded)
        e->registry->options.disabled(e->registry->options.arg, e->name);
    else
        tc_registry_entry_stop(e);
}

void tc_registry_entry_content(struct tc_registry_entry *e)
{
    if (!e->why[0])
        return;
    e->why[0] = '\0';
    emit(e, "kept", "");
}

/* The old one has stopped: the fresh one's turn, or the end. */
static void after_stop(struct tc_registry_entry *e)
{
    if (e->fresh) {
        start_now(e);
        return;
    }
    emit(e, "stopped", "");
    if (!e->enabled || !on_demand(e->plugin) || e->registry->stopping) {
        retire(e->registry, e->plugin);
        e->plugin = NULL;
    }
    finish(e, 0, "");
}

/* The one that worked goes on, as it was. */
static void put_back(struct tc_registry_entry *e)
{
    snprintf(e->why, sizeof(e->why), "%s", tc_plugin_why(e->fresh));
    retire(e->registry, e->fresh);
    e->fresh = NULL;
    e->putting_back = true;
    tc_plugin_keep_options(e->plugin);
    start_now(e);
}

/* The whole registry stops: nothing takes the place of one that was not ready yet. */
static void stopped_early(struct tc_registry_entry *e)
{
    replace(e);
    e->putting_back = false;
    emit(e, "stopped", "");
    finish(e, -ECANCELED, "the agent is stopping");
}

/* Nothing runs: whoever has demanded it hears of it, and demands it again or does not. */
static void give_up(struct tc_registry_entry *e, const char *what, const char *why)
{
    e->demanded = false;
    emit(e, what, why);
}

static void after_start(struct tc_registry_entry *e)
{
    bool put_back_now = e->putting_back, runs_now;
    struct tc_plugin *tried = e->fresh ? e->fresh : e->plugin;
    char why[TC_WHY_MAX];

    runs_now = tc_plugin_state(tried) == TC_PLUGIN_RUNNING;
    if (!runs_now && e->registry->stopping) {
        stopped_early(e);
        return;
    }
    if (!runs_now && e->fresh && e->plugin &&
        tc_plugin_state(e->plugin) == TC_PLUGIN_STOPPED) {
        put_back(e);
        return;
    }
    tc_why(why, "%s", put_back_now ? e->why : tc_plugin_why(tried));
    e->putting_back = false;
    replace(e);
    if (!runs_now)
        give_up(e, "failed", why);
    else if (put_back_now)
        emit(e, "kept", why);
    else
        emit(e, "started", "");
    finish(e, runs_now && !put_back_now ? 0 : -EIO, why);
}

/* ---- stepping ---- */

static bool is_detector(const struct tc_plugin *plugin)
{
    return tc_plugin_module(plugin)->plugin->kind == TOCSIN_KIND_DETECTOR;
}

bool tc_registry_idle(const struct tc_registry *registry)
{
    for (const struct tc_registry_entry *e = registry->entries; e; e = e->next)
        if (e->doing != TC_ENTRY_IDLE)
            return false;
    return true;
}

static void start_kind(struct tc_registry *registry, bool detectors)
{
    for (struct tc_registry_entry *e = registry->entries; e; e = e->next)
        if (e->doing == TC_ENTRY_IDLE && e->fresh && is_detector(e->fresh) == detectors)
            tc_registry_entry_start(e);
}

/* True when there was one to stop. */
static bool stop_kind(struct tc_registry *registry, bool detectors)
{
    bool any = false;

    for (struct tc_registry_entry *e = registry->entries; e; e = e->next) {
        if (e->doing != TC_ENTRY_IDLE || !e->plugin ||
            is_detector(e->plugin) != detectors)
            continue;
        tc_registry_entry_stop(e);
        any = true;
    }
    return any;
}

/* All are idle: the next stage of what the whole registry is doing. */
static void all_idle(struct tc_registry *registry)
{
    tc_registry_done_fn done = registry->done;

    /* A configuration on its way has plugins in hand: it ends before they go. */
    if (registry->stopping && registry->plan) {
        registry->plan_continue(registry);
        return;
    }
    /* Sensors first: nobody is asked any more when the judges go. */
    if (registry->stopping &&
        (stop_kind(registry, false) || stop_kind(registry, true) || registry->retired))
        return;
    if (registry->booting || registry->stopping) {
        registry->stopped = registry->stopping;
        registry->booting = registry->stopping = false;
        registry->done = NULL;
        done(registry->arg, 0, "");
        return;
    }
    if (registry->plan_continue)
        registry->plan_continue(registry);
}

static void on_step(uv_timer_t *timer)
{
    struct tc_registry *registry = timer->data;
    uint64_t voters = 0;

    free_retired(registry);
    for (struct tc_registry_entry *e = registry->entries; e; e = e->next) {
        voters |= tc_registry_entry_voter(e);
        if (e->doing == TC_ENTRY_STOPPING && (!e->plugin || settled(e->plugin)))
            after_stop(e);
        else if (e->doing == TC_ENTRY_STARTING &&
                 settled(e->fresh ? e->fresh : e->plugin))
            after_start(e);
    }
    registry->options.voters(registry->options.arg, voters);
    if (tc_registry_idle(registry))
        all_idle(registry);
}

void tc_registry_step_soon(struct tc_registry *registry, uint64_t ms)
{
    if (ms && uv_is_active((uv_handle_t *)&registry->step))
        return;
    uv_timer_start(&registry->step, on_step, ms, 0);
}

void tc_registry_changed(struct tc_registry *registry)
{
    tc_registry_step_soon(registry, 0);
}

/* ---- loading ---- */

int tc_registry_file(const struct tc_registry *registry, const struct tc_config *config,
                     const char *name, char *path, size_t cap, char why[256])
{
    struct tc_plugin_settings settings;

    if (!tc_config_plugin_settings(config, name, &settings) && settings.file) {
        snprintf(path, cap, "%s", settings.file);
        return 0;
    }
    for (size_t i = 0; i < TC_REGISTRY_DIRS_MAX && registry->dirs[i]; i++) {
        snprintf(path, cap, "%s/tocsin_%s.so", registry->dirs[i], name);
        if (!access(path, F_OK))
            return 0;
    }
    tc_why(why,
           "%s: no plugin %s: tocsin_%s.so is in no folder of paths.plugins (first: %s)",
           settings.place ? settings.place : "configuration", name, name,
           registry->dirs[0] ? registry->dirs[0] : "none given");
    return -ENOENT;
}

/* A file being opened by a pool thread. */
struct load {
    uv_work_t work;
    struct tc_registry_entry *entry;
    char path[4096];
    struct tc_module *module;
    int err;
    char why[TC_WHY_MAX];
};

static void load_run(uv_work_t *work)
{
    struct load *load = work->data;

    load->err = tc_module_open(load->path, load->entry->registry->options.private_dir,
                               &load->module, load->why);
}

/* What it was to replace is untouched: where that runs, nothing has changed for others.
 */
static void refused(struct tc_registry_entry *e, const char *why)
{
    if (e->plugin)
        tc_plugin_keep_options(e->plugin);
    if (runs(e))
        emit(e, "kept", why);
    else
        give_up(e, "refused", why);
}

static void load_done(uv_work_t *work, int status)
{
    struct load *load = work->data;
    struct tc_registry_entry *e = load->entry;
    struct tc_option_table table;
    struct tc_options *options;

    if (status && !load->err)
        load->err = status;
    if (!load->err) {
        table.first = load->module->plugin->options;
        table.stride = load->module->plugin->option_size;
        load->err =
            tc_config_bind(e->registry->config, e->name, table, &options, load->why);
        if (load->err)
            tc_module_close(load->module);
    }
    if (!load->err)
        load->err = tc_registry_entry_make(e, load->module, options, load->why);
    if (load->err) {
        refused(e, load->why);
        finish(e, load->err, load->why);
    } else {
        e->enabled = true;
        tc_registry_entry_start(e);
    }
    free(load);
    tc_registry_step_soon(e->registry, 0);
}

/* On failure the operation under way has ended. */
static int begin_load(struct tc_registry_entry *e)
{
    struct tc_registry *registry = e->registry;
    struct load *load = calloc(1, sizeof(*load));
    char why[TC_WHY_MAX] = "out of memory";
    int err = load ? 0 : -ENOMEM;

    if (!err)
        err = tc_registry_file(registry, registry->config, e->name, load->path,
                               sizeof(load->path), why);
    if (!err) {
        load->entry = e;
        load->work.data = load;
        e->doing = TC_ENTRY_LOADING;
        err = uv_queue_work(registry->env.loop, &load->work, load_run, load_done);
    }
    if (!err)
        return 0;
    free(load);
    finish(e, err, why);
    return err;
}

/* ---- operations ---- */

static struct tc_registry_entry *begin(struct tc_registry *registry, const char *name,
                                       tc_registry_done_fn done, void *arg)
{
    struct tc_registry_entry *e = tc_registry_entry_find(registry, name);
    char why[TC_WHY_MAX];

    if (!e) {
        tc_why(why, "no plugin %s: name it under plugins: in the configuration first",
               name);
        done(arg, -ENOENT, why);
        return NULL;
    }
    if (e->doing != TC_ENTRY_IDLE || e->done || registry->booting || registry->stopping ||
        registry->stopped || registry->plan) {
        tc_why(why, "plugin %s is being changed already: try again in a moment", name);
        done(arg, -EBUSY, why);
        return NULL;
    }
    e->done = done;
    e->arg = arg;
    return e;
}

void tc_registry_enable(struct tc_registry *registry, const char *name,
                        tc_registry_done_fn done, void *arg)
{
    struct tc_registry_entry *e = begin(registry, name, done, arg);

    if (!e)
        return;
    e->crash_disabled = false;
    if (e->plugin && tc_plugin_state(e->plugin) == TC_PLUGIN_RUNNING)
        finish(e, 0, "");
    else
        begin_load(e);
}

void tc_registry_disable(struct tc_registry *registry, const char *name,
                         tc_registry_done_fn done, void *arg)
{
    struct tc_registry_entry *e = begin(registry, name, done, arg);

    if (!e)
        return;
    e->enabled = false;
    if (e->plugin)
        tc_registry_entry_disabled(e);
    else
        finish(e, 0, "");
}

int tc_registry_demand(struct tc_registry *registry, const char *name, bool run)
{
    struct tc_registry_entry *e = tc_registry_entry_find(registry, name);

    if (!e || !e->plugin || (run && !e->enabled))
        return -ENOENT;
    if (e->doing != TC_ENTRY_IDLE || registry->stopping)
        return -EBUSY;
    if (run && tc_plugin_busy(e->plugin))
        return -EBUSY; /* of its last life, which had to be ended */
    e->demanded = run;
    if (!run)
        tc_registry_entry_stop(e);
    else if (tc_plugin_state(e->plugin) == TC_PLUGIN_FAILED)
        return begin_load(e); /* anew, since a failed one starts no more */
    else
        start_now(e);
    return 0;
}

void tc_registry_reload(struct tc_registry *registry, const char *name,
                        tc_registry_done_fn done, void *arg)
{
    struct tc_registry_entry *e = begin(registry, name, done, arg);

    if (e)
        begin_load(e);
}

int tc_registry_disable_crashed(struct tc_registry *registry, const char *name,
                                const char *why)
{
    struct tc_registry_entry *e;
    int err = tc_registry_entry_add(registry, name, &e);

    if (err)
        return err;
    e->crash_disabled = true;
    snprintf(e->why, sizeof(e->why), "%s", why);
    return 0;
}

/* Loads one plugin at boot. A broken file is that plugin's trouble; a broken section
 * everybody's. */
static int boot_one(struct tc_registry_entry *e, char why[256])
{
    struct tc_registry *registry = e->registry;
    struct tc_option_table table;
    struct tc_options *options;
    struct tc_module *module;
    char path[4096];
    int err;

    err =
        tc_registry_file(registry, registry->config, e->name, path, sizeof(path), e->why);
    if (!err)
        err = tc_module_open(path, registry->options.private_dir, &module, e->why);
    if (err) {
        emit(e, "refused", e->why);
        return 0;
    }
    table.first = module->plugin->options;
    table.stride = module->plugin->option_size;
    err = tc_config_bind(registry->config, e->name, table, &options, why);
    if (err) {
        tc_module_close(module);
        return err;
    }
    if (tc_registry_entry_make(e, module, options, e->why))
        emit(e, "refused", e->why);
    return 0;
}

int tc_registry_boot(struct tc_registry *registry, const struct tc_config *config,
                     tc_registry_done_fn done, void *arg, char why[256])
{
    struct tc_plugin_settings settings;
    struct tc_registry_entry *e;
    const char *name;
    int err = 0;

    registry->config = config;
    for (size_t i = 0; !err && (name = tc_config_plugin(config, i)); i++) {
        tc_config_plugin_settings(config, name, &settings);
        err = tc_registry_entry_add(registry, name, &e);
        if (err) {
            tc_why(why, "plugin %s: out of memory", name);
            break;
        }
        snprintf(e->place, sizeof(e->place), "%s", settings.place);
        e->enabled = settings.enabled;
        if (!e->enabled)
            continue;
        if (e->crash_disabled)
            emit(e, "refused", e->why);
        else
            err = boot_one(e, why);
    }
    if (err)
        return err;
    registry->booting = true;
    registry->done = done;
    registry->arg = arg;
    /* Detectors first, so that they miss nothing; but nobody waits for them. */
    start_kind(registry, true);
    start_kind(registry, false);
    tc_registry_step_soon(registry, 0);
    return 0;
}

void tc_registry_stop(struct tc_registry *registry, tc_registry_done_fn done, void *arg)
{
    registry->booting = false;
    registry->stopping = true;
    registry->done = done;
    registry->arg = arg;
    for (struct tc_registry_entry *e = registry->entries; e; e = e->next) {
        /* Made, but never started. */
        if (e->doing == TC_ENTRY_IDLE && e->fresh) {
            retire(registry, e->fresh);
            e->fresh = NULL;
        } else if (e->doing == TC_ENTRY_STARTING) {
            tc_plugin_stop(e->fresh ? e->fresh : e->plugin);
        }
    }
    tc_registry_step_soon(registry, 0);
}

static void free_dirs(struct tc_registry *registry)
{
    for (size_t i = 0; i < TC_REGISTRY_DIRS_MAX; i++)
        free(registry->dirs[i]);
}

/* Those of the caller are as a rule a configuration's, which is replaced one day. */
static int copy_dirs(struct tc_registry *registry)
{
    for (size_t i = 0; i < TC_REGISTRY_DIRS_MAX && registry->options.dirs[i]; i++) {
        registry->dirs[i] = strdup(registry->options.dirs[i]);
        if (!registry->dirs[i])
            return -ENOMEM;
    }
    return 0;
}

int tc_registry_new(const struct tc_registry_options *options,
                    struct tc_registry **ret_registry)
{
    struct tc_registry *registry = calloc(1, sizeof(*registry));

    if (!registry)
        return -ENOMEM;
    registry->options = *options;
    registry->env = options->env;
    if (copy_dirs(registry)) {
        free_dirs(registry);
        free(registry);
        return -ENOMEM;
    }
    uv_timer_init(options->env.loop, &registry->step);
    registry->step.data = registry;
    *ret_registry = registry;
    return 0;
}

static void on_step_gone(uv_handle_t *handle)
{
    free(handle->data);
}

void tc_registry_free(struct tc_registry *registry)
{
    struct tc_registry_entry *e;

    if (!registry)
        return;
    while ((e = registry->entries)) {
        registry->entries = e->next;
        tc_plugin_free(e->plugin);
        tc_plugin_free(e->fresh);
        free(e);
    }
    free_dirs(registry);
    uv_close((uv_handle_t *)&registry->step, on_step_gone);
}
