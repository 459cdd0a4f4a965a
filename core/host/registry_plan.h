/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What registry_config.c (a new configuration, stage by stage) and registry_change.c
 * (what it means for each plugin) share, and nobody else sees.
 */
#ifndef TC_CORE_REGISTRY_PLAN_H
#define TC_CORE_REGISTRY_PLAN_H

#include "core/conf/config.h"
#include "core/conf/config_paths.h"
#include "core/host/registry_priv.h"

enum tc_registry_change {
    TC_CHANGE_KEEP,  /* nothing to do */
    TC_CHANGE_TAKE,  /* runs, or waits to be called: takes its new options */
    TC_CHANGE_START, /* newly enabled, or has failed */
    TC_CHANGE_STOP,  /* disabled, or no longer named */
};

struct tc_registry_item {
    struct tc_registry_entry *entry;
    enum tc_registry_change change;
    bool wanted;  /* the new configuration enables it */
    bool load;    /* the file has to be opened, if only to check the section */
    bool restart; /* its new options need a new start */
    bool took;    /* its new options are in force, or wait for its new start */
    bool mended;  /* it was not running, and would now with other options */
    char path[4096];
    struct tc_module *module; /* of `path`; NULL: not opened */
    struct tc_options *options;
};

/*
 * What a configuration goes through. Pool threads do LOADING and LOOKING, while sensors
 * start and stop as before; what is done to plugins is done when nothing else is, and is
 * decided then, by what they are then.
 */
enum tc_registry_stage {
    TC_STAGE_LOADING,    /* files are opened */
    TC_STAGE_LOOKING,    /* at the paths that the configuration names */
    TC_STAGE_TAKING,     /* everything is right: in force as soon as no plugin is being
                            changed */
    TC_STAGE_STARTING,   /* those that are new, and stopping those that go */
    TC_STAGE_RESTARTING, /* those whose options need it */
};

struct tc_registry_plan {
    uv_work_t work; /* data is NULL when no thread has it */
    struct tc_registry *registry;
    const struct tc_config *config;
    struct tc_config_paths *paths;
    bool dry;
    enum tc_registry_stage stage;
    tc_registry_done_fn done;
    void *arg;
    struct tc_registry_item *items;
    size_t count;
    int err;
    char why[TC_WHY_MAX];
};

/* Makes plan->items, one for each name that either configuration has, and decides. */
int tc_registry_plan_items(struct tc_registry_plan *plan);

/* Decides what changes, by what the plugins are now. */
int tc_registry_plan_decide(struct tc_registry_plan *plan);

/* Whether that takes a file that has not been opened. */
bool tc_registry_plan_must_load(const struct tc_registry_plan *plan);

/* Checks every section against its table; while LOADING, notes the paths in it. */
int tc_registry_plan_bind(struct tc_registry_plan *plan);

/*
 * Makes each plugin whose file was opened for this, with its options, and frees it again:
 * what only the plugin knows of them is refused with its own sentence. -EINVAL.
 */
int tc_registry_plan_try(struct tc_registry_plan *plan);

/* Gives those that run and those that wait to be called their new options, all or none.
 */
int tc_registry_plan_take_options(struct tc_registry_plan *plan);

/* Begins to start and to stop. */
void tc_registry_plan_start_and_stop(struct tc_registry_plan *plan);

#endif
