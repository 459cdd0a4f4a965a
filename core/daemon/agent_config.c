/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the configuration in force: the first one, and taking a new one: read on a pool
 * thread, checked whole, put in force for the plugins (core/host) and then for the
 * core, or thrown away.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/health.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/why.h"
#include "core/conf/config.h"
#include "core/conf/config_edit.h"
#include "core/daemon/agent_priv.h"
#include "core/host/registry.h"
#include "core/journal/journal.h"
#include "core/protect/protection.h"
#include "core/verdict/judge.h"
#include "ipc/bus.h"

static int read_config(const struct tc_agent *agent, const char *path,
                       struct tc_config **ret_config, char why[TC_WHY_MAX])
{
    if (path)
        return tc_config_read(path, ret_config, why);
    return tc_config_read_text("(built in)", agent->options->config_text, ret_config,
                               why);
}

/* ---- in force ---- */

static void configure_judge(struct tc_agent *agent)
{
    const struct tc_options *core = tc_config_core(agent->services.config);

    tc_judge_configure(agent->services.judge,
                       !strcmp(tc_options_text(core, "verdict.on_timeout"), "allow"),
                       (uint64_t)tc_options_int(core, "verdict.budget"));
}

static void configure_journal(struct tc_agent *agent)
{
    const struct tc_options *core = tc_config_core(agent->services.config);
    const struct tc_journal_limits limits = {
        .bytes = (uint64_t)tc_options_int(core, "journal.max_size"),
        .age_ms = (uint64_t)tc_options_int(core, "journal.max_age")};

    if (agent->services.journal)
        tc_journal_configure(agent->services.journal, &limits);
}

static void configure_privacy(struct tc_agent *agent)
{
    const struct tc_options *core = tc_config_core(agent->services.config);

    tc_bus_mask(agent->services.notice.bus,
                tc_options_bool(core, "privacy.mask_secrets"));
}

static void set_log_level(const struct tc_agent *agent)
{
    static const struct {
        const char *name;
        int level;
    } levels[] = {{"error", TOCSIN_LOG_ERROR},
                  {"warning", TOCSIN_LOG_WARNING},
                  {"notice", TOCSIN_LOG_NOTICE},
                  {"info", TOCSIN_LOG_INFO},
                  {"debug", TOCSIN_LOG_DEBUG}};
    const char *want =
        tc_options_text(tc_config_core(agent->services.config), "log.level");

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (!strcmp(levels[i].name, want))
            tc_log_set_level(levels[i].level);
}

static void report_facts(const struct tc_agent *agent)
{
    char id[TC_MACHINE_ID_MAX];
    const struct {
        const char *key, *text;
    } facts[] = {
        {"app_version", TOCSIN_VERSION},
        {"machine_id", tc_machine_id(id) ? NULL : id},
    };

    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
        tc_health_report(agent->services.notice.health, "core", TOCSIN_REPORT_FACT,
                         facts[i].key, facts[i].text, NULL);
}

int tc_agent_read_config(struct tc_agent *agent, char why[TC_WHY_MAX])
{
    int err =
        read_config(agent, agent->options->config_path, &agent->services.config, why);

    if (!err)
        set_log_level(agent);
    return err;
}

void tc_agent_configure(struct tc_agent *agent)
{
    configure_judge(agent);
    configure_journal(agent);
    configure_privacy(agent);
    set_log_level(agent);
    report_facts(agent);
    if (agent->protection)
        tc_protection_configured(agent->protection);
}

bool tc_agent_passive(const struct tc_agent *agent)
{
    return !strcmp(tc_options_text(tc_config_core(agent->services.config), "mode"),
                   "passive");
}

/* The next start would not come up by them. */
void tc_agent_put_refused(const struct tc_agent *agent, struct tc_health_numbers *ret)
{
    struct tc_health_issue *issue = agent->refused[0] ? tc_health_add(ret) : NULL;

    if (!issue)
        return;
    snprintf(issue->id, sizeof(issue->id), "core.config");
    snprintf(issue->text, sizeof(issue->text),
             "the configuration was refused, the one before is in force: %.190s",
             agent->refused);
    snprintf(issue->fix, sizeof(issue->fix), "tocsin config reload");
}

/* ---- another one ---- */

/* A change of one key, on its way into its file and into force. */
struct edit {
    enum tc_config_verb verb;
    char *key, *value;
    struct tc_config_edit *made; /* NULL: not yet */
};

static void edit_free(struct edit *edit)
{
    if (!edit)
        return;
    tc_config_edit_free(edit->made);
    free(edit->key);
    free(edit->value);
    free(edit);
}

/* One at a time, in the order of asking: the first of agent->reloads is under way. */
struct tc_agent_reload {
    struct tc_agent_reload *next;
    uv_work_t work;
    struct tc_agent *agent;
    bool dry;
    char path[4096];   /* "": the embedded text */
    struct edit *edit; /* of one of its files, or NULL */
    struct tc_config *config;
    struct tc_config_changes changes;
    int err;
    char why[TC_WHY_MAX];
    tc_control_reloaded_fn done;
    void *arg;
};

static int read_edited(struct tc_agent_reload *r)
{
    struct edit *edit = r->edit;
    int err = tc_config_edit_make(r->path, edit->verb, edit->key, edit->value,
                                  &edit->made, r->why);

    if (err)
        return err;
    snprintf(r->changes.file, sizeof(r->changes.file), "%s", edit->made->path);
    if (edit->made->also)
        snprintf(r->changes.also, sizeof(r->changes.also), "%s", edit->made->also);
    return tc_config_read_edited(r->path, edit->made, &r->config, r->why);
}

static void reload_read(uv_work_t *work)
{
    struct tc_agent_reload *r = work->data;

    if (r->edit)
        r->err = read_edited(r);
    else
        r->err = read_config(r->agent, r->path[0] ? r->path : NULL, &r->config, r->why);
}

static void find_changes(struct tc_agent_reload *r)
{
    const struct tc_config *old = r->agent->services.config;

    tc_config_changed_keys(old, r->config, r->changes.changed,
                           sizeof(r->changes.changed));
    tc_config_restart_keys(old, r->config, r->changes.restart,
                           sizeof(r->changes.restart));
}

static void reload_begin(struct tc_agent_reload *r);

static void reload_free(struct tc_agent_reload *r)
{
    edit_free(r->edit);
    free(r);
}

static void reload_next(struct tc_agent *agent)
{
    struct tc_agent_reload *r = agent->reloads;

    agent->reloads = r->next;
    reload_free(r);
    while (agent->stopping && (r = agent->reloads)) {
        agent->reloads = r->next;
        r->done(r->arg, -ECANCELED, "the agent is stopping", NULL);
        reload_free(r);
    }
    if (agent->reloads)
        reload_begin(agent->reloads);
}

static void reload_end(struct tc_agent_reload *r, int status, const char *why)
{
    struct tc_agent *agent = r->agent;
    struct tc_config *old = agent->services.config;

    if (!r->dry && !r->edit && status != -ECANCELED)
        tc_why(agent->refused, "%s", status ? why : "");
    if (status || r->dry) {
        r->done(r->arg, status, why, &r->changes);
        tc_config_free(r->config);
    } else {
        agent->services.config = r->config;
        agent->refused[0] = '\0';
        tc_agent_configure(agent);
        /* Exclusions or the mode may be others now. */
        tc_notice_note(&agent->services.notice, TOCSIN_TOPIC_VERDICT_RESET, NULL,
                       "configuration");
        tc_notice_note(&agent->services.notice, "config.reloaded", NULL,
                       r->changes.restart);
        r->done(r->arg, 0, why, &r->changes);
        tc_config_free(old);
    }
    reload_next(agent);
}

static void reload_applied(void *arg, int status, const char *why)
{
    reload_end(arg, status, why);
}

/* ---- the file that is edited ---- */

static void edit_undo(uv_work_t *work)
{
    struct tc_agent_reload *r = work->data;
    char why[TC_WHY_MAX];

    if (tc_config_edit_undo(r->edit->made, why))
        tc_log(TOCSIN_LOG_ERROR, "agent", "%s", why);
}

static void edit_undone(uv_work_t *work, int status)
{
    struct tc_agent_reload *r = work->data;

    (void)status;
    reload_end(r, r->err, r->why);
}

/* What is not in force is not to be in the file either. */
static void edit_applied(void *arg, int status, const char *why)
{
    struct tc_agent_reload *r = arg;

    if (!status || tc_config_edit_is_none(r->edit->made)) {
        reload_end(r, status, why);
        return;
    }
    r->err = status;
    tc_why(r->why, "%s", why);
    if (uv_queue_work(&r->agent->loop, &r->work, edit_undo, edit_undone))
        reload_end(r, r->err, r->why);
}

static void edit_write(uv_work_t *work)
{
    struct tc_agent_reload *r = work->data;

    if (!tc_config_edit_is_none(r->edit->made))
        r->err = tc_config_edit_write(r->edit->made, r->why);
}

static void put_in_force(struct tc_agent_reload *r);

static void edit_written(uv_work_t *work, int status)
{
    struct tc_agent_reload *r = work->data;

    if (status && !r->err)
        r->err = status;
    if (r->err)
        reload_end(r, r->err, r->why);
    else
        put_in_force(r);
}

/* ---- the steps ---- */

/* What waits for the next start stays as it is until then. */
static void put_in_force(struct tc_agent_reload *r)
{
    struct tc_agent *agent = r->agent;

    if (tc_config_keep_restart_keys(r->config, agent->services.config))
        reload_end(r, -ENOMEM, "out of memory");
    else
        tc_registry_apply(agent->services.registry, r->config, false,
                          r->edit ? edit_applied : reload_applied, r);
}

static void reload_checked(void *arg, int status, const char *why)
{
    struct tc_agent_reload *r = arg;

    if (!status && r->edit)
        status = uv_queue_work(&r->agent->loop, &r->work, edit_write, edit_written);
    else if (!status)
        put_in_force(r);
    if (status)
        reload_end(r, status, why);
}

static void reload_done(uv_work_t *work, int status)
{
    struct tc_agent_reload *r = work->data;

    if (status && !r->err)
        r->err = status;
    if (!r->err && r->agent->stopping) {
        r->err = -ECANCELED;
        tc_why(r->why, "the agent is stopping");
    }
    if (r->err) {
        reload_end(r, r->err, r->why);
        return;
    }
    find_changes(r);
    /* What is to be in a file, or in force at the next start, is checked as it stands. */
    if (r->dry || r->edit || r->changes.restart[0])
        tc_registry_apply(r->agent->services.registry, r->config, true,
                          r->dry ? reload_applied : reload_checked, r);
    else
        put_in_force(r);
}

static void reload_begin(struct tc_agent_reload *r)
{
    int err;

    r->work.data = r;
    err = uv_queue_work(&r->agent->loop, &r->work, reload_read, reload_done);
    if (err)
        reload_end(r, err, uv_strerror(err));
}

/* Takes `edit` over, also when it fails. */
static void ask(struct tc_agent *agent, const char *path, bool dry, struct edit *edit,
                tc_control_reloaded_fn done, void *done_arg)
{
    struct tc_agent_reload *r = NULL, **end = &agent->reloads;

    if (!agent->stopping)
        r = calloc(1, sizeof(*r));
    if (!r) {
        edit_free(edit);
        done(done_arg, agent->stopping ? -ECANCELED : -ENOMEM,
             agent->stopping ? "the agent is stopping" : "out of memory", NULL);
        return;
    }
    if (!path)
        path = agent->options->config_path;
    snprintf(r->path, sizeof(r->path), "%s", path ? path : "");
    r->agent = agent;
    r->dry = dry;
    r->edit = edit;
    r->done = done;
    r->arg = done_arg;
    while (*end)
        end = &(*end)->next;
    *end = r;
    if (r == agent->reloads)
        reload_begin(r);
}

void tc_agent_reload(void *arg, const char *path, bool dry, tc_control_reloaded_fn done,
                     void *done_arg)
{
    ask(arg, path, dry, NULL, done, done_arg);
}

void tc_agent_edit(void *arg, enum tc_config_verb verb, const char *key,
                   const char *value, tc_control_reloaded_fn done, void *done_arg)
{
    struct tc_agent *agent = arg;
    struct edit *edit;

    if (!agent->options->config_path) {
        done(done_arg, -EINVAL,
             "the agent runs by the configuration that is built in, which is no file",
             NULL);
        return;
    }
    edit = calloc(1, sizeof(*edit));
    if (edit) {
        edit->verb = verb;
        edit->key = strdup(key);
        edit->value = strdup(value);
    }
    if (!edit || !edit->key || !edit->value) {
        edit_free(edit);
        done(done_arg, -ENOMEM, "out of memory", NULL);
        return;
    }
    ask(agent, NULL, false, edit, done, done_arg);
}
