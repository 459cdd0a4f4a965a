/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the managed profiles in force: read at start and again whenever their folder
 * changes, off the loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/why.h"
#include "core/conf/config.h"
#include "core/conf/options.h"
#include "core/protect/approver_priv.h"

_Static_assert((int)TC_PROFILE_FULL_DISK_ACCESS == (int)TC_GATE_FULL_DISK_ACCESS &&
                   (int)TC_PROFILE_FORBIDS == (int)TC_GATE_PROFILE_FORBIDS,
               "gates, and what profiles say of them, are numbered alike");

/* Profiles being read by a pool thread: those of the folder, or those that were sent. */
struct reading {
    uv_work_t work;
    struct tc_approver *approver;
    struct tc_profiles *profiles;
    int err;
    char why[TC_WHY_MAX];
    tc_approver_checked_fn checked; /* of those that were sent */
    void *arg;
    size_t len;
    uint8_t params[];
};

/*
 * What the profiles are read by: kept apart from the configuration, which may be replaced
 * while a pool thread reads. All of it takes effect at the next start only.
 */
int tc_approver_profiles_init(struct tc_approver *a)
{
    static const char *const keys[TC_APPROVER_TEXTS] = {
        "identity.team",      "identity.agent", "identity.es",
        "identity.netfilter", "identity.kext",  "paths.managed"};
    const struct tc_options *core = tc_config_core(a->services->config);

    for (size_t i = 0; i < TC_APPROVER_TEXTS; i++) {
        a->texts[i] = strdup(tc_options_text(core, keys[i]));
        if (!a->texts[i])
            return -ENOMEM;
    }
    a->identity = (struct tc_identity){.team = a->texts[0],
                                       .agent = a->texts[1],
                                       .es = a->texts[2],
                                       .netfilter = a->texts[3],
                                       .kext = a->texts[4]};
    a->managed = a->texts[5];
    return 0;
}

static void report_errors(struct tc_approver *a, int err, const char *why)
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
    tc_notice_report(&a->services->notice, "core",
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

    r->err = tc_profiles_read(r->approver->managed, &r->approver->identity, &r->profiles,
                              r->why);
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
        report_errors(a, r->err, r->why);
        tc_approver_profiles_apply(a);
        tc_approver_changed(a);
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
    if (uv_queue_work(a->services->loop, &r->work, read_run, read_done)) {
        free(r);
        return;
    }
    a->reading = true;
    a->work++;
}

void tc_approver_profiles_start(struct tc_approver *a)
{
    char why[TC_WHY_MAX] = "";
    int err = tc_profiles_read(a->managed, &a->identity, &a->profiles, why);

    report_errors(a, err, why);
    err =
        tc_profiles_watch_start(a->services->loop, a->managed, on_changed, a, &a->watch);
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

/* ---- profiles that somebody has sent ---- */

static void check_run(uv_work_t *work)
{
    struct reading *r = work->data;

    r->err = tc_profiles_read_sent(r->params, r->len, &r->approver->identity,
                                   &r->profiles, r->why);
}

static void check_done(uv_work_t *work, int status)
{
    struct reading *r = work->data;

    r->checked(r->arg, status ? status : r->err, r->why, r->profiles);
    tc_profiles_free(r->profiles);
    tc_approver_release(r->approver);
    free(r);
}

void tc_approver_check(struct tc_approver *a, const void *params, size_t len,
                       tc_approver_checked_fn checked, void *arg)
{
    struct reading *r = calloc(1, sizeof(*r) + len);

    if (r) {
        r->approver = a;
        r->work.data = r;
        r->checked = checked;
        r->arg = arg;
        r->len = len;
        memcpy(r->params, params, len);
    }
    if (!r || uv_queue_work(a->services->loop, &r->work, check_run, check_done)) {
        free(r);
        checked(arg, -ENOMEM, "out of memory", NULL);
        return;
    }
    a->work++;
}
