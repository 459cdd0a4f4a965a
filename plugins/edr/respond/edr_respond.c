/* SPDX-License-Identifier: Apache-2.0 */
/* All on the loop thread, but for act() and read_boot(). */
#include "respond/edr_respond.h"

#include <errno.h>
#include <stdio.h>

#include "detector_options.h"
#include "respond/edr_job.h"
#include "sensor_proc.h"

#define RUNNING_MAX 64 /* at once; more fail, and say so */
#define TO_A_PROCESS (~(1u << TC_EDR_ISOLATE))

/* ---- What is wanted ---- */

int tc_edr_respond_configure(struct tc_edr_responder *responder)
{
    struct tc_detector_list entries;
    struct tc_edr_responses *wanted;
    int r = tc_detector_list_read(responder->host, "responses", &entries);

    if (r)
        return r;
    r = tc_edr_responses_new((const char *const *)entries.items, entries.n, &wanted);
    tc_detector_list_free(&entries);
    if (r)
        return r;
    tc_edr_responses_free(responder->wanted);
    responder->wanted = wanted;
    responder->isolate_for_s =
        responder->host->option_int(responder->host, "isolate_for") / 1000;
    return 0;
}

int tc_edr_respond_new(struct tc_detector_work *work,
                       struct tc_edr_responder **ret_responder)
{
    struct tc_edr_responder *responder = calloc(1, sizeof(*responder));
    int r = -ENOMEM;

    if (responder) {
        responder->work = work;
        responder->host = work->host;
        r = tc_edr_respond_configure(responder);
    }
    if (r)
        tc_edr_respond_free(responder);
    else
        *ret_responder = responder;
    return r;
}

void tc_edr_respond_free(struct tc_edr_responder *responder)
{
    if (responder)
        tc_edr_responses_free(responder->wanted);
    free(responder);
}

static bool is_rule(void *arg, const char *rule_id)
{
    const struct tc_sigma_set *set = *(const struct tc_sigma_set **)arg;
    const char *id;

    for (size_t i = 0; i < tc_sigma_count(set); i++) {
        id = tc_sigma_rule(set, i)->id;
        if (id && !strcmp(id, rule_id))
            return true;
    }
    return false;
}

/* The command that takes it off the list, if a shell and YAML take it as it is. */
static const char *write_fix(const char *entry, char fix[256])
{
    if (strspn(entry, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                      "._=-") != strlen(entry) ||
        strlen(entry) > 200)
        return "tocsin config show; correct plugins.edr.responses";
    snprintf(fix, 256, "tocsin config remove plugins.edr.responses %s", entry);
    return fix;
}

void tc_edr_respond_check(struct tc_edr_responder *responder,
                          const struct tc_sigma_set *set)
{
    const struct tocsin_host *host = responder->host;
    size_t n = tc_edr_responses_count(responder->wanted);
    const char *problem;
    char key[32], fix[256];

    for (unsigned i = 0; i < n || i < responder->issues_n; i++) {
        snprintf(key, sizeof(key), "responses_%u", i);
        problem =
            i < n ? tc_edr_responses_problem(responder->wanted, i, is_rule, &set) : NULL;
        if (problem)
            host->report(host, TOCSIN_REPORT_ISSUE, key, problem,
                         write_fix(tc_edr_responses_text(responder->wanted, i), fix));
        else
            host->report(host, TOCSIN_REPORT_CLEAR, key, NULL, NULL);
    }
    responder->issues_n = (unsigned)n;
}

/* ---- The clock: a start is given as a time, and the clock may be set. ---- */

static void read_boot(void *arg)
{
    struct tc_edr_responder *responder = arg;

    responder->boot_ns_read = tc_sensor_proc_boot_ns();
}

static void boot_read(void *arg, int status)
{
    struct tc_edr_responder *responder = arg;

    if (!status)
        responder->boot_ns = responder->boot_ns_read;
}

void tc_edr_respond_start(struct tc_edr_responder *responder)
{
    /* Without it, all is well until the clock is set. */
    (void)tc_detector_work_submit(responder->work, read_boot, boot_read, responder);
}

/* ---- Doing it ---- */

static void act(void *arg)
{
    struct tc_edr_job *job = arg;

    tc_edr_act_run(&job->act);
}

static void acted(void *arg, int status)
{
    struct tc_edr_job *job = arg;

    job->acting = false;
    tc_edr_job_report_known(job);
    if (status || job->responder->work->stopping)
        tc_edr_job_report_all(job, "failed", "the plugin was stopped");
    tc_edr_ask(job, TC_EDR_QUARANTINE);
    tc_edr_job_settle(job);
}

/* What is known beforehand. */
static void report_impossible(struct tc_edr_job *job)
{
    const struct tc_edr_responder *responder = job->responder;

    if (responder->host->passive(responder->host))
        tc_edr_job_report_all(job, "passive", "the agent only detects: mode is passive");
    if (job->act.who.pid <= 0 || job->act.who.start <= 0)
        tc_edr_job_report(job, TO_A_PROCESS, "failed",
                          "the event does not say which process it was");
    if (responder->jobs_n > RUNNING_MAX)
        tc_edr_job_report_all(job, "failed", "too many responses at once");
}

/* True when this was done before; else it is from now on. */
static bool is_repeated(const struct tc_edr_job *job)
{
    struct tc_edr_responder *responder = job->responder;
    struct tc_edr_done_for done = {.who = job->act.who};
    const struct tc_edr_done_for *before;

    if (responder->host->passive(responder->host)) /* then once an alert is enough */
        done.who = (struct tc_edr_id){0, 0};
    for (size_t i = 0; i < TC_EDR_REMEMBERED; i++) {
        before = &responder->done[i];
        if (before->who.pid == done.who.pid && before->who.start == done.who.start &&
            !strcmp(before->alert_id, job->alert_id)) {
            responder->counters.repeated++;
            return true;
        }
    }
    snprintf(done.alert_id, sizeof(done.alert_id), "%s", job->alert_id);
    responder->done[responder->done_n++ % TC_EDR_REMEMBERED] = done;
    return false;
}

void tc_edr_respond(struct tc_edr_responder *responder, const char *alert_id,
                    const struct tc_sigma_rule *rule, const struct tocsin_event *event,
                    struct tc_edr_processes *processes)
{
    unsigned actions = tc_edr_responses_find(responder->wanted, rule->id);
    struct tc_edr_job *job;
    int r;

    if (!actions)
        return;
    job = tc_edr_job_new(responder, alert_id, rule, event, processes);
    if (!job) {
        responder->counters.publish_errors++;
        return;
    }
    if (!is_repeated(job)) {
        job->actions = actions;
        report_impossible(job);
    }
    tc_edr_ask(job, TC_EDR_ISOLATE);
    if (job->actions & TO_A_PROCESS) {
        job->act.actions = job->actions & TO_A_PROCESS;
        job->act.below_n = tc_edr_processes_below(processes, job->act.who, job->act.below,
                                                  TC_EDR_BELOW_MAX);
        r = tc_detector_work_submit(responder->work, act, acted, job);
        job->acting = !r;
        if (r)
            tc_edr_job_report(job, TO_A_PROCESS, "failed", strerror(-r));
    }
    tc_edr_job_settle(job);
}

void tc_edr_respond_stop(struct tc_edr_responder *responder)
{
    struct tc_edr_job *job = responder->jobs, *next;

    for (; job; job = next) {
        next = job->next;
        tc_edr_job_report_all(job, "failed",
                              "the plugin was stopped before it was answered");
        tc_edr_job_settle(job);
    }
}

void tc_edr_respond_counters(const struct tc_edr_responder *responder,
                             struct tc_edr_respond_counters *ret)
{
    *ret = responder->counters;
}
