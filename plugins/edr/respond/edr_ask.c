/* SPDX-License-Identifier: Apache-2.0 */
/* All on the loop thread. */
#include <errno.h>
#include <stdio.h>

#include "respond/edr_job.h"

/* What another plugin does, and how it is asked. */
struct question {
    const char *asks, *answers; /* topics */
    uint64_t wait_ms;
    const char *nobody; /* has answered in time: what that means */
    const char *reason; /* the answer's field for people */
    void (*put)(const struct tc_edr_job *job, struct tocsin_writer *w);
};

static void put_file(const struct tc_edr_job *job, struct tocsin_writer *w)
{
    tocsin_begin_map(w, "file");
    tocsin_put_str(w, "path", job->act.path);
    if (job->act.hash_counts) {
        tocsin_begin_map(w, "hash");
        tc_edr_job_put_text(w, "sha256",
                            tocsin_event_str(job->act.exec, "process.hash.sha256"));
        tocsin_end(w);
    }
    tocsin_end(w);
}

static void put_isolation(const struct tc_edr_job *job, struct tocsin_writer *w)
{
    char reason[TC_EDR_REASON];

    snprintf(reason, sizeof(reason), "rule %s (%s)", job->rule_name, job->rule_id);
    tocsin_put_str(w, TOCSIN_FIELD_REASON, reason);
    tocsin_put_int(w, "for_s", job->responder->isolate_for_s);
}

static const struct question questions[TC_EDR_ACTIONS] = {
    [TC_EDR_QUARANTINE] = {.asks = TOCSIN_TOPIC_QUARANTINE_REQUESTED,
                           .answers = TOCSIN_TOPIC_QUARANTINE_DONE,
                           .wait_ms = 30000,
                           .nobody = "nobody has answered: is plugin av enabled?",
                           .reason = TOCSIN_FIELD_REASON,
                           .put = put_file},
    [TC_EDR_ISOLATE] = {.asks = TOCSIN_TOPIC_ISOLATION_REQUESTED,
                        .answers = TOCSIN_TOPIC_ISOLATION_DONE,
                        .wait_ms = 5000,
                        .nobody = "plugin netfilter is not running",
                        .reason = "text",
                        .put = put_isolation},
};

static void on_late(void *arg)
{
    const struct tc_edr_request *request = arg;
    struct tc_edr_job *job = request->job;

    tc_edr_job_report(job, 1u << request->action, "failed",
                      questions[request->action].nobody);
    tc_edr_job_settle(job);
}

/* `fd` becomes the event's, unless it fails. */
static int publish(const struct tc_edr_job *job, const struct question *question, int fd,
                   const struct tocsin_event **ret_published)
{
    const struct tocsin_host *host = job->responder->host;
    struct tocsin_event event = {
        .size = sizeof(event), .fd = fd, .topic = question->asks};
    struct tocsin_writer w;
    int r;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tc_edr_job_put(&w, job);
    question->put(job, &w);
    tocsin_end(&w);
    event.data = w.buf;
    event.len = w.len;
    r = w.error ? w.error : host->publish(host, &event, ret_published);
    tocsin_writer_done(&w);
    return r;
}

void tc_edr_ask(struct tc_edr_job *job, enum tc_edr_action action)
{
    const struct question *question = &questions[action];
    struct tc_edr_request *request = &job->requests[action];
    const struct tocsin_host *host = job->responder->host;
    const struct tocsin_event *published;
    int *fd = action == TC_EDR_QUARANTINE ? &job->act.fd : NULL, r;

    if (!(job->actions & 1u << action))
        return;
    r = publish(job, question, fd ? *fd : -1, &published);
    if (!r) {
        if (fd)
            *fd = -1;
        request->job = job;
        request->action = action;
        request->id = published->id;
        host->event_unref(host, published);
        r = host->timer_start(host, question->wait_ms, 0, on_late, request,
                              &request->late);
    }
    if (r)
        tc_edr_job_report(job, 1u << action, "failed", strerror(-r));
}

static struct tc_edr_request *find_request(struct tc_edr_responder *responder,
                                           const struct tocsin_event *answer)
{
    for (struct tc_edr_job *job = responder->jobs; job; job = job->next)
        for (size_t i = 0; i < TC_EDR_ACTIONS; i++)
            if (job->requests[i].id && job->requests[i].id == answer->reply_to &&
                !strcmp(questions[i].answers, answer->topic))
                return &job->requests[i];
    return NULL;
}

static const char *status_of(struct tocsin_str status)
{
    return tocsin_str_is(status, "quarantined") || tocsin_str_is(status, "done") ? "done"
           : tocsin_str_is(status, "refused") ? "refused"
           : tocsin_str_is(status, "passive") ? "passive"
                                              : "failed";
}

void tc_edr_respond_answer(struct tc_edr_responder *responder,
                           const struct tocsin_event *answer)
{
    struct tc_edr_request *request = find_request(responder, answer);
    struct tocsin_str reason;
    struct tc_edr_job *job;

    if (!request)
        return;
    job = request->job;
    reason = tocsin_event_str(answer, questions[request->action].reason);
    tc_edr_outcome_set(&job->act.outcomes[request->action],
                       status_of(tocsin_event_str(answer, "status")), "%.*s",
                       (int)(reason.len < TC_EDR_REASON ? reason.len : 0),
                       reason.ptr ? reason.ptr : "");
    tc_edr_job_report_known(job);
    tc_edr_job_settle(job);
}
