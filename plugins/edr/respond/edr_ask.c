/* SPDX-License-Identifier: Apache-2.0 */
/* All on the loop thread. */
#include <errno.h>

#include "respond/edr_job.h"

#define ANSWER_MS 30000 /* for av to put a file away */

static void on_late(void *arg)
{
    struct tc_edr_job *job = arg;

    tc_edr_job_report_all(job, "failed", "nobody has answered: is plugin av enabled?");
    tc_edr_job_free(job);
}

int tc_edr_ask(struct tc_edr_job *job)
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
    tc_edr_job_put(&w, job);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", job->act.path);
    if (job->act.hash_counts) {
        tocsin_begin_map(&w, "hash");
        tc_edr_job_put_text(&w, "sha256", hash);
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

static struct tc_edr_job *find_request(struct tc_edr_responder *responder, uint64_t id)
{
    struct tc_edr_job *job = responder->jobs;

    while (job && (!job->request || job->request != id))
        job = job->next;
    return job;
}

void tc_edr_respond_answer(struct tc_edr_responder *responder,
                           const struct tocsin_event *answer)
{
    struct tc_edr_job *job = find_request(responder, answer->reply_to);
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
    tc_edr_job_report_known(job);
    tc_edr_job_free(job);
}
