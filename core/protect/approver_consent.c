/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the look at the file of consents from time to time. What others could have
 * changed, or have removed, would not be used at the next start: it is written anew, as
 * the agent knows it.
 */
#include <stdlib.h>
#include <tocsin/plugin.h>

#include "core/base/log.h"
#include "core/base/why.h"
#include "core/protect/approver_priv.h"

#define EVERY_MS 5000

struct look {
    uv_work_t work;
    struct tc_approver *approver;
    struct tc_consent consent; /* what is to be there */
    int err;
    char wrong[TC_WHY_MAX]; /* with the file; "": nothing */
    char why[TC_WHY_MAX];   /* it could not be written anew */
};

static void look_end(struct look *look)
{
    struct tc_approver *a = look->approver;

    a->looking = false;
    free(look);
    tc_approver_release(a);
}

static void rewrite_run(uv_work_t *work)
{
    struct look *look = work->data;

    look->err =
        tc_consent_write(look->approver->services->state_dir, &look->consent, look->why);
}

static void rewrite_done(uv_work_t *work, int status)
{
    struct look *look = work->data;
    struct tc_approver *a = look->approver;

    a->storing = false;
    if (!status && look->err)
        tc_notice_report(&a->services->notice, "core", TOCSIN_REPORT_ISSUE,
                         "consent_file", look->why,
                         "make the state folder writable: it is tried again");
    else if (!status)
        tc_log(TOCSIN_LOG_WARNING, "approval",
               "%s; it was written anew, as it was granted", look->wrong);
    look_end(look);
}

static void look_run(uv_work_t *work)
{
    struct look *look = work->data;

    look->err = tc_consent_check(look->approver->services->state_dir, &look->consent,
                                 look->wrong);
    if (!look->err)
        look->wrong[0] = '\0';
}

static void look_done(uv_work_t *work, int status)
{
    struct look *look = work->data;
    struct tc_approver *a = look->approver;

    if (!status && !look->err)
        tc_notice_report(&a->services->notice, "core", TOCSIN_REPORT_CLEAR,
                         "consent_file", NULL, NULL);
    /* An answer that is being stored writes the file anyway. */
    if (status || !look->err || a->storing || a->closing) {
        look_end(look);
        return;
    }
    look->consent = a->consent;
    a->storing = true;
    if (uv_queue_work(a->services->loop, &look->work, rewrite_run, rewrite_done)) {
        a->storing = false;
        look_end(look);
    }
}

static void on_due(uv_timer_t *timer)
{
    struct tc_approver *a = timer->data;
    struct look *look;

    if (a->looking || a->closing)
        return;
    look = calloc(1, sizeof(*look));
    if (!look)
        return;
    look->approver = a;
    look->consent = a->consent;
    look->work.data = look;
    if (uv_queue_work(a->services->loop, &look->work, look_run, look_done)) {
        free(look);
        return;
    }
    a->looking = true;
    a->work++;
}

void tc_approver_consent_watch(struct tc_approver *a)
{
    uv_timer_init(a->services->loop, &a->consent_timer);
    a->consent_timer.data = a;
    uv_timer_start(&a->consent_timer, on_due, EVERY_MS, EVERY_MS);
}
