/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: putting a new configuration in force for all plugins, whole or not at all: what
 * has to be loaded is loaded off the loop, every section is checked, running plugins take
 * their options with a way back, and only then do plugins start and stop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/host/registry_plan.h"

static void plan_free(struct tc_registry_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        tc_options_free(plan->items[i].options);
        tc_module_close(plan->items[i].module);
    }
    tc_config_paths_free(plan->paths);
    free(plan->items);
    free(plan);
}

/* Names that the configuration in force does not have, and nothing runs by. */
static void forget_unnamed(struct tc_registry *registry)
{
    struct tc_registry_entry **slot = &registry->entries, *e;
    struct tc_plugin_settings settings;

    while ((e = *slot)) {
        if (e->plugin || e->fresh || e->doing != TC_ENTRY_IDLE ||
            tc_config_plugin_settings(registry->config, e->name, &settings) != -ENOENT) {
            slot = &e->next;
            continue;
        }
        *slot = e->next;
        free(e);
    }
}

static void plan_end(struct tc_registry_plan *plan)
{
    plan->registry->plan = NULL;
    forget_unnamed(plan->registry);
    tc_registry_step_soon(plan->registry, 0); /* a stop may have waited for it */
    if (plan->err && !plan->why[0])
        tc_why(plan->why, "plugins cannot be changed: %s", strerror(-plan->err));
    plan->done(plan->arg, plan->err,
               plan->err ? plan->why : tc_config_paths_warnings(plan->paths));
    plan_free(plan);
}

static void next_stage(struct tc_registry_plan *plan);

static void run_on_pool(uv_work_t *work)
{
    struct tc_registry_plan *plan = work->data;

    if (plan->stage == TC_STAGE_LOOKING) {
        plan->err = tc_config_paths_check(plan->paths, plan->why);
        return;
    }
    for (size_t i = 0; !plan->err && i < plan->count; i++)
        if (plan->items[i].load && !plan->items[i].module)
            plan->err =
                tc_registry_open(plan->registry, plan->config, plan->items[i].entry->name,
                                 plan->items[i].path, &plan->items[i].module, plan->why);
}

static void pool_done(uv_work_t *work, int status)
{
    struct tc_registry_plan *plan = work->data;

    plan->work.data = NULL;
    if (status && !plan->err)
        plan->err = status;
    next_stage(plan);
}

static void to_pool(struct tc_registry_plan *plan)
{
    int err;

    plan->work.data = plan;
    err = uv_queue_work(plan->registry->env.loop, &plan->work, run_on_pool, pool_done);
    if (!err)
        return; /* from here plan->err is the pool thread's */
    plan->work.data = NULL;
    plan->err = err;
    plan_end(plan);
}

/* What is said of plugins may have become otherwise since: it is decided now. */
static void take(struct tc_registry_plan *plan)
{
    struct tc_registry *registry = plan->registry;

    plan->err = tc_registry_plan_decide(plan);
    if (!plan->err && tc_registry_plan_must_load(plan)) {
        to_pool(plan);
        return;
    }
    if (!plan->err)
        plan->err = tc_registry_plan_bind(plan);
    if (!plan->err)
        plan->err = tc_registry_plan_take_options(plan);
    if (!plan->err) {
        registry->config = plan->config;
        tc_registry_plan_start_and_stop(plan);
    }
    /* One that does not take back what it had is started anew, too. */
    plan->stage = TC_STAGE_STARTING;
    tc_registry_step_soon(registry, 0);
}

static void restart(struct tc_registry_plan *plan)
{
    plan->stage = TC_STAGE_RESTARTING;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].restart)
            tc_registry_entry_load(plan->items[i].entry); /* its outcome is an event */
    tc_registry_step_soon(plan->registry, 0);
}

/* A pool thread is done with it. */
static void next_stage(struct tc_registry_plan *plan)
{
    if (plan->registry->stopping && !plan->err) {
        plan->err = -ECANCELED;
        tc_why(plan->why, "the agent is stopping");
    }
    if (!plan->err && plan->stage == TC_STAGE_LOADING)
        plan->err = tc_registry_plan_bind(plan);
    if (!plan->err && plan->stage == TC_STAGE_LOADING) {
        plan->stage = TC_STAGE_LOOKING;
        to_pool(plan);
        return;
    }
    plan->stage = TC_STAGE_TAKING;
    if (!plan->err && plan->dry)
        plan->err = tc_registry_plan_try(plan);
    if (plan->err || plan->dry)
        plan_end(plan);
    else
        tc_registry_step_soon(plan->registry, 0);
}

/* Nothing else is being done to any plugin. */
static void plan_continue(struct tc_registry *registry)
{
    struct tc_registry_plan *plan = registry->plan;

    if (!plan || plan->work.data)
        return;
    if (registry->stopping && plan->stage == TC_STAGE_TAKING) {
        plan->err = -ECANCELED;
        tc_why(plan->why, "the agent is stopping");
    }
    if (registry->stopping || plan->stage == TC_STAGE_RESTARTING)
        plan_end(plan);
    else if (plan->stage == TC_STAGE_TAKING)
        take(plan);
    else if (plan->stage == TC_STAGE_STARTING)
        restart(plan);
}

static void apply(struct tc_registry *registry, const struct tc_registry_request *request)
{
    struct tc_registry_plan *plan = calloc(1, sizeof(*plan));

    if (!plan) {
        request->done(request->arg, -ENOMEM, "out of memory");
        return;
    }
    plan->registry = registry;
    plan->config = request->config;
    plan->dry = request->dry;
    plan->done = request->done;
    plan->arg = request->arg;
    registry->plan = plan;
    registry->plan_continue = plan_continue;
    plan->err = tc_config_paths_new(&plan->paths);
    if (!plan->err)
        plan->err = tc_registry_plan_items(plan);
    if (plan->err)
        plan_end(plan);
    else
        to_pool(plan);
}

void tc_registry_apply(struct tc_registry *registry, const struct tc_config *config,
                       bool dry, tc_registry_done_fn done, void *arg)
{
    const struct tc_registry_request request = {
        .run = apply, .config = config, .dry = dry, .done = done, .arg = arg};

    tc_registry_ask(registry, &request);
}
