/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the managed profiles in force: read at start and again whenever their folder
 * changes, off the loop.
 */
#include <stdlib.h>
#include <string.h>

#include "core/agent.h"
#include "core/approver_priv.h"
#include "core/config.h"
#include "core/log.h"
#include "core/options.h"
#include "core/why.h"

_Static_assert((int)TC_PROFILE_FULL_DISK_ACCESS == (int)TC_GATE_FULL_DISK_ACCESS &&
                   (int)TC_PROFILE_FORBIDS == (int)TC_GATE_PROFILE_FORBIDS,
               "gates, and what profiles say of them, are numbered alike");

/* A folder being read by a pool thread. */
struct reading {
    uv_work_t work;
    struct tc_approver *approver;
    struct tc_profiles *profiles;
    int err;
    char why[TC_WHY_MAX];
};

struct tc_identity tc_approver_identity(const struct tc_options *core)
{
    return (struct tc_identity){
        .team = tc_options_text(core, "identity.team"),
        .agent = tc_options_text(core, "identity.agent"),
        .es = tc_options_text(core, "identity.es"),
        .netfilter = tc_options_text(core, "identity.netfilter"),
        .kext = tc_options_text(core, "identity.kext"),
    };
}

static int read_folder(const struct tc_approver *a, struct tc_profiles **ret_profiles,
                       char why[256])
{
    const struct tc_options *core = tc_config_core(a->agent->config);
    const struct tc_identity identity = tc_approver_identity(core);

    return tc_profiles_read(tc_options_text(core, "paths.managed"), &identity,
                            ret_profiles, why);
}

static void tell_errors(struct tc_approver *a, int err, const char *why)
{
    const struct tc_profiles_item *item;
    unsigned refused = 0;
    char text[TC_WHY_MAX];

    for (size_t i = 0; (item = tc_profiles_item(a->profiles, i)); i++) {
        if (!item->error)
            continue;
        refused++;
        tc_log(TOCSIN_LOG_WARNING, "approval", "%s", item->error);
    }
    tc_why(text, "%u managed profile%s cannot be used", refused, refused == 1 ? "" : "s");
    tc_agent_report(a->agent, "core",
                    err || refused ? TOCSIN_REPORT_ISSUE : TOCSIN_REPORT_CLEAR,
                    "profiles", err ? why : text, "tocsin profile list");
}

void tc_approver_profiles_apply(struct tc_approver *a)
{
    for (int g = 0; g < TC_GATES; g++) {
        struct tc_profiles_gate gate =
            tc_profiles_gate(a->profiles, (enum tc_profile_gate)g);

        tc_approval_set_managed(a->approval, (enum tc_gate)g,
                                (enum tc_gate_managed)gate.says,
                                gate.by ? gate.by->name : "", uv_hrtime());
    }
}

static void on_changed(void *arg);

static void read_run(uv_work_t *work)
{
    struct reading *r = work->data;

    r->err = read_folder(r->approver, &r->profiles, r->why);
}

static void read_done(uv_work_t *work, int status)
{
    struct reading *r = work->data;
    struct tc_approver *a = r->approver;

    a->reading = false;
    if (status || a->closing) {
        tc_profiles_free(r->profiles);
    } else {
        /* A folder that nobody can vouch for grants nothing. */
        tc_profiles_free(a->profiles);
        a->profiles = r->profiles;
        tell_errors(a, r->err, r->why);
        tc_approver_profiles_apply(a);
        tc_approver_moved(a);
        if (a->read_again)
            on_changed(a);
    }
    free(r);
    tc_approver_release(a);
}

static void on_changed(void *arg)
{
    struct tc_approver *a = arg;
    struct reading *r;

    a->read_again = a->reading;
    if (a->reading)
        return;
    r = calloc(1, sizeof(*r));
    if (!r)
        return;
    r->approver = a;
    r->work.data = r;
    if (uv_queue_work(&a->agent->loop, &r->work, read_run, read_done)) {
        free(r);
        return;
    }
    a->reading = true;
    a->work++;
}

void tc_approver_profiles_start(struct tc_approver *a)
{
    const struct tc_options *core = tc_config_core(a->agent->config);
    char why[TC_WHY_MAX] = "";
    int err = read_folder(a, &a->profiles, why);

    tell_errors(a, err, why);
    err = tc_profiles_watch_start(&a->agent->loop, tc_options_text(core, "paths.managed"),
                                  on_changed, a, &a->watch);
    if (err)
        tc_log(TOCSIN_LOG_WARNING, "approval",
               "changes of managed profiles are seen at the next start only: %s",
               uv_strerror(err));
}

void tc_approver_profiles_stop(struct tc_approver *a)
{
    tc_profiles_watch_stop(a->watch);
    tc_profiles_free(a->profiles);
    a->watch = NULL;
    a->profiles = NULL;
}
