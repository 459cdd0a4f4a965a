/* SPDX-License-Identifier: Apache-2.0 */
/* All on the loop thread, but for act() and read_boot(). */
#include "respond/edr_respond.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "alerts/edr_alerts.h"
#include "detector_event.h"
#include "detector_options.h"
#include "respond/edr_act.h"
#include "sensor_proc.h"

#define RUNNING_MAX 64            /* at once; more fail, and say so */
#define REMEMBERED 256            /* so that none is done twice */
#define ANSWER_MS 30000           /* for av to put a file away */
#define TEXT_BYTES_MAX (8 * 1024) /* of one field that is passed on */

struct job {
    struct job *next;
    struct tc_edr_responder *responder;
    char alert_id[TC_EDR_ALERT_ID_BYTES];
    char *rule_id, *rule_name;
    const char *severity;
    const struct tocsin_event *event; /* a reference */
    struct tc_edr_act act;            /* act.exec: a reference */
    bool acting;                      /* in the pool */
    uint64_t request;                 /* the id of quarantine.requested; 0: none */
    struct tocsin_timer *late;
};

/* For whom something was done, or tried. */
struct done_for {
    char alert_id[TC_EDR_ALERT_ID_BYTES];
    struct tc_edr_id who;
};

struct tc_edr_responder {
    struct tc_detector_work *work;
    const struct tocsin_host *host;
    struct tc_edr_respond_counters counters;
    struct tc_edr_responses *wanted;
    unsigned issues_n; /* reported under responses_0 and on, with gaps */
    uint64_t boot_ns, boot_ns_read;
    struct done_for done[REMEMBERED];
    size_t done_n;
    struct job *jobs;
    size_t jobs_n;
};

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

void tc_edr_respond_check(struct tc_edr_responder *responder,
                          const struct tc_sigma_set *set)
{
    const struct tocsin_host *host = responder->host;
    size_t n = tc_edr_responses_count(responder->wanted);
    const char *problem;
    char key[32];

    for (unsigned i = 0; i < n || i < responder->issues_n; i++) {
        snprintf(key, sizeof(key), "responses_%u", i);
        problem =
            i < n ? tc_edr_responses_problem(responder->wanted, i, is_rule, &set) : NULL;
        if (problem)
            host->report(host, TOCSIN_REPORT_ISSUE, key, problem,
                         "correct plugins.edr.responses in the configuration");
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

/* ---- Reporting ---- */

/* From the event, or from the one that reported the process's last exec. */
static struct tocsin_str text_of(const struct job *job, const char *field)
{
    struct tocsin_str s = tocsin_event_str(job->event, field);

    return s.ptr ? s : tocsin_event_str(job->act.exec, field);
}

static void put_text(struct tocsin_writer *w, const char *key, struct tocsin_str s)
{
    if (s.ptr && s.len <= TEXT_BYTES_MAX)
        tocsin_put_strn(w, key, s.ptr, s.len);
}

/* What every event about a response begins with. */
static void put_common(struct tocsin_writer *w, const struct job *job)
{
    tocsin_put_uint(w, TOCSIN_FIELD_TIMESTAMP, tc_detector_now_ns());
    tocsin_begin_map(w, "alert");
    tocsin_put_str(w, "id", job->alert_id);
    tocsin_put_str(w, "severity", job->severity);
    tocsin_end(w);
    tocsin_begin_map(w, "rule");
    tocsin_put_str(w, "id", job->rule_id);
    tocsin_put_str(w, "name", job->rule_name);
    tocsin_end(w);
    if (job->act.who.pid <= 0)
        return;
    tocsin_begin_map(w, "process");
    tocsin_put_int(w, "pid", job->act.who.pid);
    tocsin_put_int(w, "start", job->act.who.start);
    put_text(w, "name", text_of(job, TOCSIN_FIELD_PROCESS_NAME));
    put_text(w, "executable", text_of(job, TOCSIN_FIELD_PROCESS_EXECUTABLE));
    put_text(w, "command_line", text_of(job, TOCSIN_FIELD_PROCESS_COMMAND_LINE));
    tocsin_end(w);
}

static void report_action(struct job *job, enum tc_edr_action action)
{
    const struct tc_edr_outcome *outcome = &job->act.outcomes[action];
    struct tc_edr_responder *responder = job->responder;
    struct tocsin_writer w;

    job->act.actions &= ~(1u << action);
    responder->counters.responses++;
    responder->counters.done += !strcmp(outcome->status, "done");
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    put_common(&w, job);
    tocsin_begin_map(&w, "response");
    tocsin_put_str(&w, "action", tc_edr_action_name(action));
    tocsin_put_str(&w, "status", outcome->status);
    if (outcome->reason[0])
        tocsin_put_str(&w, "reason", outcome->reason);
    if (outcome->processes)
        tocsin_put_uint(&w, "processes", outcome->processes);
    tocsin_end(&w);
    if (action == TC_EDR_QUARANTINE && job->act.path[0]) {
        tocsin_begin_map(&w, "file");
        tocsin_put_str(&w, "path", job->act.path);
        tocsin_end(&w);
    }
    tocsin_end(&w);
    if (tocsin_publish(responder->host, TOCSIN_TOPIC_ALERT_RESPONSE, job->event->id, &w))
        responder->counters.publish_errors++;
    tocsin_writer_done(&w);
}

/* Reports all that is known. */
static void report_known(struct job *job)
{
    for (unsigned i = 0; i < TC_EDR_ACTIONS; i++)
        if (job->act.actions & 1u << i && job->act.outcomes[i].status)
            report_action(job, i);
}

/* Everything that is not reported yet gets the same outcome. */
static void report_all(struct job *job, const char *status, const char *reason)
{
    for (unsigned i = 0; i < TC_EDR_ACTIONS; i++)
        if (job->act.actions & 1u << i && !job->act.outcomes[i].status)
            tc_edr_outcome_set(&job->act.outcomes[i], status, "%s", reason);
    report_known(job);
}

/* ---- Jobs ---- */

static void job_free(struct job *job)
{
    struct tc_edr_responder *responder = job->responder;
    const struct tocsin_host *host = responder->host;
    struct job **at = &responder->jobs;

    while (*at && *at != job)
        at = &(*at)->next;
    if (*at) {
        *at = job->next;
        responder->jobs_n--;
    }
    host->timer_stop(host, job->late);
    host->event_unref(host, job->act.exec);
    host->event_unref(host, job->event);
    if (job->act.fd >= 0)
        close(job->act.fd);
    free(job->rule_id);
    free(job->rule_name);
    free(job);
}

static const char *severity_of(enum tc_sigma_level level)
{
    static const char *const severities[] = {
        [TC_SIGMA_INFORMATIONAL] = "low", [TC_SIGMA_LOW] = "low",
        [TC_SIGMA_MEDIUM] = "medium",     [TC_SIGMA_HIGH] = "high",
        [TC_SIGMA_CRITICAL] = "critical",
    };

    return severities[level];
}

static struct job *job_new(struct tc_edr_responder *responder, const char *alert_id,
                           const struct tc_sigma_rule *rule,
                           const struct tocsin_event *event,
                           struct tc_edr_processes *processes)
{
    const struct tocsin_host *host = responder->host;
    const struct tocsin_event *exec = tc_edr_processes_find(processes, event);
    struct job *job = calloc(1, sizeof(*job));

    if (!job)
        return NULL;
    job->responder = responder;
    job->act.fd = -1;
    job->event = event;
    job->act.exec = exec ? exec : event;
    host->event_ref(host, job->event);
    host->event_ref(host, job->act.exec);
    job->next = responder->jobs;
    responder->jobs = job;
    responder->jobs_n++;
    snprintf(job->alert_id, sizeof(job->alert_id), "%s", alert_id);
    job->severity = severity_of(rule->level);
    job->rule_id = strdup(rule->id);
    job->rule_name = strdup(rule->title);
    job->act.host = host;
    job->act.boot_ns = responder->boot_ns;
    job->act.who.pid = tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, 0);
    job->act.who.start = tocsin_event_int(event, TOCSIN_FIELD_PROCESS_START, 0);
    if (job->rule_id && job->rule_name)
        return job;
    job_free(job);
    return NULL;
}

/* ---- Quarantine: av is asked, and answers. ---- */

static void on_late(void *arg)
{
    struct job *job = arg;

    report_all(job, "failed", "nobody has answered: is plugin av enabled?");
    job_free(job);
}

static int request(struct job *job)
{
    const struct tocsin_host *host = job->responder->host;
    struct tocsin_event event = {.size = sizeof(event),
                                 .fd = job->act.fd,
                                 .topic = TOCSIN_TOPIC_QUARANTINE_REQUESTED};
    const struct tocsin_event *published;
    struct tocsin_str hash = tocsin_event_str(job->act.exec, "process.hash.sha256");
    struct tocsin_writer w;
    int r;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    put_common(&w, job);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", job->act.path);
    if (job->act.hash_counts) {
        tocsin_begin_map(&w, "hash");
        put_text(&w, "sha256", hash);
        tocsin_end(&w);
    }
    tocsin_end(&w);
    tocsin_end(&w);
    event.data = w.buf;
    event.len = w.len;
    r = w.error ? w.error : host->publish(host, &event, &published);
    tocsin_writer_done(&w);
    if (r)
        return r;
    job->act.fd = -1; /* the event's now */
    job->request = published->id;
    host->event_unref(host, published);
    return host->timer_start(host, ANSWER_MS, 0, on_late, job, &job->late);
}

static struct job *find_request(struct tc_edr_responder *responder, uint64_t id)
{
    struct job *job = responder->jobs;

    while (job && (!job->request || job->request != id))
        job = job->next;
    return job;
}

void tc_edr_respond_answer(struct tc_edr_responder *responder,
                           const struct tocsin_event *answer)
{
    struct job *job = find_request(responder, answer->reply_to);
    struct tocsin_str status = tocsin_event_str(answer, "status"), reason;

    if (!job)
        return;
    reason = tocsin_event_str(answer, TOCSIN_FIELD_REASON);
    tc_edr_outcome_set(&job->act.outcomes[TC_EDR_QUARANTINE],
                       tocsin_str_is(status, "quarantined") ? "done"
                       : tocsin_str_is(status, "refused")   ? "refused"
                       : tocsin_str_is(status, "passive")   ? "passive"
                                                            : "failed",
                       "%.*s", (int)(reason.len < TC_EDR_REASON ? reason.len : 0),
                       reason.ptr ? reason.ptr : "");
    report_known(job);
    job_free(job);
}

/* ---- Doing it ---- */

static void act(void *arg)
{
    struct job *job = arg;

    tc_edr_act_run(&job->act);
}

static void acted(void *arg, int status)
{
    struct job *job = arg;
    int r;

    job->acting = false;
    report_known(job);
    if (status || job->responder->work->stopping)
        report_all(job, "failed", "the plugin was stopped");
    if (job->act.actions) {
        r = request(job);
        if (r)
            report_all(job, "failed", strerror(-r));
    }
    if (!job->act.actions)
        job_free(job);
}

/* What is known beforehand. */
static void report_impossible(struct job *job)
{
    const struct tc_edr_responder *responder = job->responder;

    if (responder->host->passive(responder->host))
        report_all(job, "passive", "the agent only detects: mode is passive");
    tc_edr_outcome_set(&job->act.outcomes[TC_EDR_ISOLATE], "failed",
                       "not possible: plugin netfilter is not installed");
    report_known(job);
    if (job->act.who.pid <= 0 || job->act.who.start <= 0)
        report_all(job, "failed", "the event does not say which process it was");
    if (responder->jobs_n > RUNNING_MAX)
        report_all(job, "failed", "too many responses at once");
}

/* True when this was done before; else it is from now on. */
static bool is_repeated(const struct job *job)
{
    struct tc_edr_responder *responder = job->responder;
    struct done_for done = {.who = job->act.who};
    const struct done_for *before;

    if (responder->host->passive(responder->host)) /* then once an alert is enough */
        done.who = (struct tc_edr_id){0, 0};
    for (size_t i = 0; i < REMEMBERED; i++) {
        before = &responder->done[i];
        if (before->who.pid == done.who.pid && before->who.start == done.who.start &&
            !strcmp(before->alert_id, job->alert_id)) {
            responder->counters.repeated++;
            return true;
        }
    }
    snprintf(done.alert_id, sizeof(done.alert_id), "%s", job->alert_id);
    responder->done[responder->done_n++ % REMEMBERED] = done;
    return false;
}

void tc_edr_respond(struct tc_edr_responder *responder, const char *alert_id,
                    const struct tc_sigma_rule *rule, const struct tocsin_event *event,
                    struct tc_edr_processes *processes)
{
    unsigned actions = tc_edr_responses_find(responder->wanted, rule->id);
    struct job *job;
    int r;

    if (!actions)
        return;
    job = job_new(responder, alert_id, rule, event, processes);
    if (!job) {
        responder->counters.publish_errors++;
        return;
    }
    if (!is_repeated(job)) {
        job->act.actions = actions;
        report_impossible(job);
    }
    if (job->act.actions) {
        job->act.below_n = tc_edr_processes_below(processes, job->act.who, job->act.below,
                                                  TC_EDR_BELOW_MAX);
        r = tc_detector_work_submit(responder->work, act, acted, job);
        job->acting = !r;
        if (r)
            report_all(job, "failed", strerror(-r));
    }
    if (!job->act.actions)
        job_free(job);
}

void tc_edr_respond_stop(struct tc_edr_responder *responder)
{
    struct job *job = responder->jobs, *next;

    for (; job; job = next) {
        next = job->next;
        if (job->acting)
            continue;
        report_all(job, "failed", "the plugin was stopped before av had answered");
        job_free(job);
    }
}

void tc_edr_respond_counters(const struct tc_edr_responder *responder,
                             struct tc_edr_respond_counters *ret)
{
    *ret = responder->counters;
}
