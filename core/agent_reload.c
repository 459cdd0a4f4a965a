/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: taking a new configuration: read on a pool thread, checked whole, put in force
 * for the plugins (core/registry) and then for the core, or thrown away.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent.h"
#include "core/config.h"
#include "core/registry.h"
#include "core/why.h"

struct reload {
    uv_work_t work;
    struct tc_agent *agent;
    bool dry;
    char path[4096]; /* "": the embedded text */
    struct tc_config *config;
    int err;
    char why[TC_WHY_MAX];
    tc_agent_done_fn done;
    void *arg;
};

static void reload_read(uv_work_t *work)
{
    struct reload *r = work->data;

    if (r->path[0])
        r->err = tc_config_read(r->path, &r->config, r->why);
    else
        r->err = tc_config_read_text("(built in)", r->agent->options->config_text,
                                     &r->config, r->why);
}

static void find_changes(const struct tc_config *before, const struct tc_config *after,
                         struct tc_agent_changes *ret)
{
    tc_config_changed_keys(before, after, ret->changed, sizeof(ret->changed));
    tc_config_restart_keys(before, after, ret->restart, sizeof(ret->restart));
}

static void reload_end(struct reload *r, int status, const char *why)
{
    struct tc_agent *agent = r->agent;
    struct tc_config *old = agent->config;
    struct tc_agent_changes changes = {.changed = ""};

    agent->reloading = false;
    if (!status)
        find_changes(old, r->config, &changes);
    if (status || r->dry) {
        r->done(r->arg, status, why, &changes);
        tc_config_free(r->config);
    } else {
        agent->config = r->config;
        tc_agent_configured(agent);
        /* Exclusions or the mode may be others now. */
        tc_agent_note(agent, TOCSIN_TOPIC_VERDICT_RESET, NULL, "configuration");
        tc_agent_note(agent, "config.reloaded", NULL, changes.restart);
        r->done(r->arg, 0, "", &changes);
        tc_config_free(old);
    }
    free(r);
}

static void reload_applied(void *arg, int status, const char *why)
{
    reload_end(arg, status, why);
}

static void reload_done(uv_work_t *work, int status)
{
    struct reload *r = work->data;

    if (status && !r->err)
        r->err = status;
    if (r->err)
        reload_end(r, r->err, r->why);
    else
        tc_registry_apply(r->agent->registry, r->config, r->dry, reload_applied, r);
}

void tc_agent_reload(struct tc_agent *agent, const char *path, bool dry,
                     tc_agent_done_fn done, void *arg)
{
    struct reload *r;
    int err;

    if (agent->reloading || agent->stopping) {
        done(arg, -EBUSY,
             "the configuration is being read already: try again in a moment", NULL);
        return;
    }
    r = calloc(1, sizeof(*r));
    if (!r) {
        done(arg, -ENOMEM, "out of memory", NULL);
        return;
    }
    if (!path)
        path = agent->options->config_path;
    snprintf(r->path, sizeof(r->path), "%s", path ? path : "");
    r->agent = agent;
    r->dry = dry;
    r->done = done;
    r->arg = arg;
    r->work.data = r;
    agent->reloading = true;
    err = uv_queue_work(&agent->loop, &r->work, reload_read, reload_done);
    if (err)
        reload_end(r, err, uv_strerror(err));
}
