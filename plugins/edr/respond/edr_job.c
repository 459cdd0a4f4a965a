/* SPDX-License-Identifier: Apache-2.0 */
/* All on the loop thread. */
#include "respond/edr_job.h"

#include <stdio.h>
#include <unistd.h>

#include "detector_event.h"

#define TEXT_BYTES_MAX (8 * 1024) /* of one field that is passed on */

/* ---- Reporting ---- */

/* From the event, or from the one that reported the process's last exec. */
static struct tocsin_str text_of(const struct tc_edr_job *job, const char *field)
{
    struct tocsin_str s = tocsin_event_str(job->event, field);

    return s.ptr ? s : tocsin_event_str(job->act.exec, field);
}

void tc_edr_job_put_text(struct tocsin_writer *w, const char *key, struct tocsin_str s)
{
    if (s.ptr && s.len <= TEXT_BYTES_MAX)
        tocsin_put_strn(w, key, s.ptr, s.len);
}

void tc_edr_job_put(struct tocsin_writer *w, const struct tc_edr_job *job)
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
    tc_edr_job_put_text(w, "name", text_of(job, TOCSIN_FIELD_PROCESS_NAME));
    tc_edr_job_put_text(w, "executable", text_of(job, TOCSIN_FIELD_PROCESS_EXECUTABLE));
    tc_edr_job_put_text(w, "command_line",
                        text_of(job, TOCSIN_FIELD_PROCESS_COMMAND_LINE));
    tocsin_end(w);
}

static void report_action(struct tc_edr_job *job, enum tc_edr_action action)
{
    const struct tc_edr_outcome *outcome = &job->act.outcomes[action];
    struct tc_edr_responder *responder = job->responder;
    struct tocsin_writer w;

    job->actions &= ~(1u << action);
    responder->counters.responses++;
    responder->counters.done += !strcmp(outcome->status, "done");
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tc_edr_job_put(&w, job);
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

/* What is in the pool is not looked at. */
static unsigned at_hand(const struct tc_edr_job *job)
{
    return job->acting ? job->actions & 1u << TC_EDR_ISOLATE : job->actions;
}

void tc_edr_job_report_known(struct tc_edr_job *job)
{
    unsigned actions = at_hand(job);

    for (unsigned i = 0; i < TC_EDR_ACTIONS; i++)
        if (actions & 1u << i && job->act.outcomes[i].status)
            report_action(job, i);
}

void tc_edr_job_report(struct tc_edr_job *job, unsigned actions, const char *status,
                       const char *reason)
{
    actions &= at_hand(job);
    for (unsigned i = 0; i < TC_EDR_ACTIONS; i++)
        if (actions & 1u << i && !job->act.outcomes[i].status)
            tc_edr_outcome_set(&job->act.outcomes[i], status, "%s", reason);
    tc_edr_job_report_known(job);
}

void tc_edr_job_report_all(struct tc_edr_job *job, const char *status, const char *reason)
{
    tc_edr_job_report(job, ~0u, status, reason);
}

/* ---- Jobs ---- */

void tc_edr_job_settle(struct tc_edr_job *job)
{
    if (!job->actions && !job->acting)
        tc_edr_job_free(job);
}

void tc_edr_job_free(struct tc_edr_job *job)
{
    struct tc_edr_responder *responder = job->responder;
    const struct tocsin_host *host = responder->host;
    struct tc_edr_job **at = &responder->jobs;

    while (*at && *at != job)
        at = &(*at)->next;
    if (*at) {
        *at = job->next;
        responder->jobs_n--;
    }
    for (size_t i = 0; i < TC_EDR_ACTIONS; i++)
        host->timer_stop(host, job->requests[i].late);
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

struct tc_edr_job *tc_edr_job_new(struct tc_edr_responder *responder,
                                  const char *alert_id, const struct tc_sigma_rule *rule,
                                  const struct tocsin_event *event,
                                  struct tc_edr_processes *processes)
{
    const struct tocsin_host *host = responder->host;
    const struct tocsin_event *exec = tc_edr_processes_find(processes, event);
    struct tc_edr_job *job = calloc(1, sizeof(*job));

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
    tc_edr_job_free(job);
    return NULL;
}
