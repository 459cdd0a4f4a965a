/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the environment that every plugin gets, what the agent does when one starts or
 * ends, and the voters as the judge sees them.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/health.h"
#include "core/base/log.h"
#include "core/base/pulse.h"
#include "core/conf/config.h"
#include "core/daemon/agent_priv.h"
#include "core/daemon/crash_context.h"
#include "core/host/loader.h"
#include "core/host/registry.h"
#include "core/protect/approver.h"
#include "core/protect/protection.h"
#include "core/verdict/judge.h"

static int on_publish(void *arg, const struct tocsin_event *draft, const char *source,
                      const struct tocsin_event **ret_event)
{
    struct tc_agent *agent = arg;

    return tc_protection_publish(agent->protection, draft, source, ret_event);
}

static void on_report(void *arg, const char *plugin, uint32_t what, const char *key,
                      const char *text, const char *fix)
{
    struct tc_agent *agent = arg;

    if (!key && what == TOCSIN_REPORT_CLEAR) {
        tc_health_forget(agent->services.notice.health, plugin);
        return;
    }
    tc_notice_report(&agent->services.notice, plugin, what, key, text, fix);
    if (what != TOCSIN_REPORT_FACT)
        return;
    if (!strcmp(key, "canary_ns"))
        tc_protection_canary(agent->protection, plugin);
    else if (!strcmp(key, "network_events_subsystem"))
        tc_approver_reported(tc_protection_approver(agent->protection));
}

static int on_excluded(void *arg, const char *plugin, const char *path,
                       const char *executable)
{
    struct tc_agent *agent = arg;

    return tc_config_excluded(agent->services.config, plugin, path, executable);
}

static bool on_passive(void *arg)
{
    return tc_agent_passive(arg);
}

static bool on_is_agent(void *arg, int32_t pid)
{
    struct tc_agent *agent = arg;

    return pid == agent->pid || pid == agent->services.pulse->supervisor ||
           tc_isolate_has(&agent->isolate, pid);
}

static void on_changed(void *arg, struct tc_plugin *plugin)
{
    struct tc_agent *agent = arg;

    (void)plugin; /* the registry looks at all of them */
    tc_registry_changed(agent->services.registry);
}

static void on_entering(void *arg, const char *plugin)
{
    (void)arg;
    tc_crash_context_enter(plugin);
}

static uint64_t on_voter_bit(void *arg, const char *source)
{
    struct tc_agent *agent = arg;

    return tc_registry_voter(agent->services.registry, source);
}

static void on_voter_names(void *arg, uint64_t set, char *buf, size_t cap)
{
    struct tc_agent *agent = arg;

    tc_registry_voter_names(agent->services.registry, set, buf, cap);
}

static void on_voters(void *arg, uint64_t set)
{
    struct tc_agent *agent = arg;

    tc_judge_voter_gone(agent->services.judge, ~set);
    tc_protection_voters(agent->protection, set);
}

/* A plugin has started, stopped, failed or was refused. */
static void on_plugin_event(void *arg, const char *what, const char *name,
                            const char *why, const struct tc_plugin *plugin)
{
    struct tc_agent *agent = arg;
    bool kept = !strcmp(what, "kept");
    bool bad = (kept && *why) || !strcmp(what, "failed") || !strcmp(what, "refused");
    char key[96], text[768], fix[128], topic[32];

    snprintf(key, sizeof(key), "plugin_%s", name);
    snprintf(topic, sizeof(topic), "plugin.%s", what);
    tc_log(bad ? TOCSIN_LOG_ERROR : TOCSIN_LOG_NOTICE, "agent", "plugin %s %s%s%s", name,
           what, *why ? ": " : "", why);
    tc_notice_note(&agent->services.notice, topic, name, why);
    tc_protection_plugin(agent->protection, what, name, why);
    if (bad) {
        snprintf(text, sizeof(text), "%s", why);
        if (kept && plugin)
            snprintf(text, sizeof(text),
                     "plugin %s is still version %s, which runs: %.400s", name,
                     tc_plugin_module(plugin)->plugin->version, why);
        snprintf(fix, sizeof(fix), "tocsin plugin %s %s", kept ? "reload" : "enable",
                 name);
        tc_health_report(agent->services.notice.health, "core", TOCSIN_REPORT_ISSUE, key,
                         text, fix);
    } else {
        tc_health_report(agent->services.notice.health, "core", TOCSIN_REPORT_CLEAR, key,
                         NULL, NULL);
    }
    if (strcmp(what, "started") && !kept) {
        tc_health_forget(agent->services.notice.health, name);
        if (agent->control)
            tc_control_plugin_gone(agent->control, name);
    }
    /* The set of detectors has changed: cached verdicts are void. */
    if (plugin && tc_plugin_module(plugin)->plugin->kind == TOCSIN_KIND_DETECTOR)
        tc_notice_note(&agent->services.notice, TOCSIN_TOPIC_VERDICT_RESET, name, what);
}

static void on_disabled(void *arg, const char *name)
{
    struct tc_agent *agent = arg;

    tc_protection_disabled(agent->protection, name);
}

/* tocsin-host is beside the folder of the agent's own plugins. */
static void prepare_isolation(struct tc_agent *agent)
{
    char program[4096];

    snprintf(program, sizeof(program), "%s/../tocsin-host",
             agent->options->plugin_dir ? agent->options->plugin_dir : ".");
    tc_isolate_init(&agent->isolate, program, agent->state_dir,
                    agent->services.pulse->supervisor);
}

int tc_agent_make_plugins(struct tc_agent *agent)
{
    const struct tc_judge_voters voters = {on_voter_bit, on_voter_names, agent};
    const struct tc_options *core = tc_config_core(agent->services.config);
    struct tc_registry_options options = {
        .env = {.loop = &agent->loop,
                .bus = agent->services.notice.bus,
                .state_dir = agent->state_dir,
                .arg = agent,
                .publish = on_publish,
                .report = on_report,
                .excluded = on_excluded,
                .passive = on_passive,
                .is_agent = on_is_agent,
                .changed = on_changed,
                .entering = on_entering},
        .isolate = tc_isolate_open,
        .isolate_arg = &agent->isolate,
        .private_dir = agent->private_dir,
        .event = on_plugin_event,
        .disabled = on_disabled,
        .voters = on_voters,
        .arg = agent,
    };
    const char *dir;
    size_t n = 0;
    int err;

    prepare_isolation(agent);
    while (n < TC_REGISTRY_DIRS_MAX - 2 &&
           (dir = tc_options_item(core, "paths.plugins", n)))
        options.dirs[n++] = dir;
    options.dirs[n] = agent->options->plugin_dir;
    err = tc_registry_new(&options, &agent->services.registry);
    return err ? err
               : tc_judge_new(&agent->loop, agent->services.notice.bus, &voters,
                              &agent->services.judge);
}
