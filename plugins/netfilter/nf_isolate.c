/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the isolation of the host: who asked for it, until when, and that the kernel has
 * it. It does not depend on the filter: that may be disabled meanwhile. The kernel is
 * changed, and looked at once a second, on a pool thread; it begins again with the agent.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "netfilter.h"
#include "nf_netns.h"

#define NS_PER_S UINT64_C(1000000000)
#define VERIFY_MS 1000
#define FOR_S_MAX (INT64_C(100) * 366 * 86400) /* more is for ever */

enum answer {
    BY_REPLY, /* rpc.reply */
    BY_DONE,  /* isolation.done */
};

struct tc_nf_isolate_request {
    struct tc_nf_isolate_request *next;
    const struct tocsin_event *event; /* a reference; NULL: its time is over */
    enum answer answer;
    struct tc_nf_isolation isolation; /* off: release */
    int err;
    char why[TC_NF_WHY_MAX];
};

/* ---- On a pool thread. ---- */

/* Sockets that are opened meanwhile are of the namespace that is configured. */
static int open_there(struct tc_nf *nf)
{
    int own = -1, there = -1, err;

    if (nf->isolation_nft.context)
        return 0;
    if (*nf->options.namespace) {
        there = tc_nf_netns_enter(nf->options.namespace, &own, nf->isolation_why);
        if (there < 0)
            return there;
    }
    err = tc_nf_nft_open(&nf->isolation_nft, nf->isolation_why);
    if (!err)
        err = tc_nf_isolator_init(&nf->isolator, &nf->isolation_nft, nf->isolation_why);
    if (err)
        tc_nf_nft_close(&nf->isolation_nft);
    if (there >= 0) {
        tc_nf_netns_leave(own);
        close(there);
    }
    return err;
}

/* In the kernel first: what is on the disk is what the next start makes. */
static int apply(struct tc_nf *nf, const struct tc_nf_isolation *isolation)
{
    char *why = nf->isolation_why;
    int err = open_there(nf);

    if (!err)
        err = isolation->on ? tc_nf_isolator_apply(&nf->isolator, isolation, why)
                            : tc_nf_isolator_lift(&nf->isolator, why);
    return err ? err : tc_nf_isolation_save(nf->folder, isolation, why);
}

static void verify(struct tc_nf *nf, const struct tc_nf_isolation *isolation)
{
    struct tc_nf_isolation_counts counts;

    nf->isolation_status =
        tc_nf_isolator_verify(&nf->isolator, &counts, nf->isolation_why);
    if (!nf->isolation_status)
        nf->isolation_seen = counts;
    else
        nf->isolation_status = apply(nf, isolation);
}

void tc_nf_isolate_run(void *arg)
{
    struct tc_nf *nf = arg;
    struct tc_nf_isolate_request *request = nf->isolate_requests;

    pthread_mutex_lock(&nf->nft_lock);
    if (!request && nf->isolation.on)
        verify(nf, &nf->isolation);
    for (; request; request = request->next) {
        request->err = apply(nf, &request->isolation);
        nf->isolation_status = request->err;
        if (request->err)
            memcpy(request->why, nf->isolation_why, sizeof(request->why));
    }
    pthread_mutex_unlock(&nf->nft_lock);
}

void tc_nf_isolate_load(struct tc_nf *nf)
{
    nf->kept_isolation_status =
        tc_nf_isolation_load(nf->folder, &nf->kept_isolation, nf->kept_isolation_why);
}

void tc_nf_isolate_release(struct tc_nf *nf)
{
    tc_nf_isolator_done(&nf->isolator);
    tc_nf_nft_close(&nf->isolation_nft); /* and with it the table, until the next start */
    memset(&nf->isolation_nft, 0, sizeof(nf->isolation_nft));
}

/* ---- Answers and events: the loop. ---- */

static void put_isolation(struct tocsin_writer *w, const struct tc_nf *nf)
{
    const struct tc_nf_isolation *isolation = &nf->isolation;
    char text[TC_NF_ALLOW_TEXT_MAX];

    tocsin_put_bool(w, "isolated", isolation->on);
    if (!isolation->on)
        return;
    tocsin_put_uint(w, "since_ns", (uint64_t)isolation->since * NS_PER_S);
    if (isolation->until)
        tocsin_put_uint(w, "until_ns", (uint64_t)isolation->until * NS_PER_S);
    tocsin_begin_array(w, "allow");
    for (size_t i = 0; i < isolation->allow_count; i++) {
        tc_nf_allow_text(&isolation->allow[i], text);
        tocsin_put_str(w, NULL, text);
    }
    tocsin_end(w);
    tocsin_put_str(w, "reason", isolation->reason);
    tocsin_put_str(w, "who", isolation->who);
    tocsin_put_uint(w, "cut_out", nf->isolation_counts.out);
    tocsin_put_uint(w, "cut_in", nf->isolation_counts.in);
    tocsin_put_uint(w, "cut_forwarded", nf->isolation_counts.forwarded);
}

void tc_nf_isolation_put(struct tocsin_writer *w, const char *key, const struct tc_nf *nf)
{
    tocsin_begin_map(w, key);
    put_isolation(w, nf);
    tocsin_end(w);
}

static void publish(struct tc_nf *nf, const char *topic, uint64_t reply_to,
                    const struct tocsin_writer *w)
{
    if (tocsin_publish(nf->host, topic, reply_to, w))
        nf->publish_errors++;
}

static void announce(struct tc_nf *nf)
{
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tc_nf_isolation_put(&w, NULL, nf);
    publish(nf, TOCSIN_TOPIC_ISOLATION_CHANGED, 0, &w);
    tocsin_writer_done(&w);
}

static void answer_done(struct tc_nf *nf, const struct tc_nf_isolate_request *request)
{
    struct tocsin_writer w;
    uint8_t buf[512];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "status", request->err ? "failed" : "done");
    tocsin_put_str(&w, "text",
                   request->err               ? request->why
                   : request->isolation.until ? "until its time is over"
                                              : "until tocsin isolate off");
    tocsin_end(&w);
    publish(nf, TOCSIN_TOPIC_ISOLATION_DONE, request->event->id, &w);
}

static void answer_reply(struct tc_nf *nf, const struct tc_nf_isolate_request *request)
{
    struct tocsin_writer w;

    if (request->err) {
        (void)tocsin_refuse(nf->host, request->event, NULL, request->why);
        return;
    }
    tocsin_writer_init_growing(&w);
    tc_nf_isolation_put(&w, NULL, nf);
    publish(nf, TOCSIN_TOPIC_RPC_REPLY, request->event->id, &w);
    tocsin_writer_done(&w);
}

static void report(struct tc_nf *nf)
{
    const struct tocsin_host *host = nf->host;
    char text[512];

    if (nf->isolation.on && nf->isolation_status) {
        snprintf(text, sizeof(text), "the host cannot be isolated: %s",
                 nf->isolation_why);
        host->report(host, TOCSIN_REPORT_ISSUE, "isolation", text,
                     "tocsin isolate status");
        return;
    }
    host->report(host, TOCSIN_REPORT_CLEAR, "isolation", NULL, NULL);
    snprintf(text, sizeof(text), "isolated by %s%s%s", nf->isolation.who,
             *nf->isolation.reason ? ": " : "", nf->isolation.reason);
    host->report(host, TOCSIN_REPORT_FACT, "host_isolation",
                 nf->isolation.on ? text : NULL, NULL);
}

static void request(struct tc_nf *nf, const struct tocsin_event *event,
                    enum answer answer, const struct tc_nf_isolation *isolation);

static void on_timer(void *arg)
{
    static const struct tc_nf_isolation off;
    struct tc_nf *nf = arg;

    if (nf->jobs.closing || tc_sensor_jobs_busy(&nf->jobs, TC_NF_JOB_ISOLATE))
        return;
    if (tc_nf_isolation_over(&nf->isolation, time(NULL)))
        request(nf, NULL, BY_DONE, &off);
    else
        (void)tc_sensor_jobs_start(&nf->jobs, TC_NF_JOB_ISOLATE);
}

static void look_after(struct tc_nf *nf)
{
    const struct tocsin_host *host = nf->host;

    if (nf->isolation.on && !nf->isolation_timer) {
        (void)host->timer_start(host, VERIFY_MS, VERIFY_MS, on_timer, nf,
                                &nf->isolation_timer);
    } else if (!nf->isolation.on) {
        host->timer_stop(host, nf->isolation_timer);
        nf->isolation_timer = NULL;
    }
}

static void answer(struct tc_nf *nf, struct tc_nf_isolate_request *request)
{
    if (!request->err) {
        nf->isolation = request->isolation;
        announce(nf);
    }
    if (request->event && request->answer == BY_REPLY)
        answer_reply(nf, request);
    else if (request->event)
        answer_done(nf, request);
    nf->host->event_unref(nf->host, request->event);
    free(request);
}

static void answer_all(struct tc_nf *nf, int status)
{
    struct tc_nf_isolate_request *request;

    while ((request = nf->isolate_requests) != NULL) {
        nf->isolate_requests = request->next;
        if (status && !request->err) {
            request->err = status;
            snprintf(request->why, sizeof(request->why), "%s", strerror(-status));
        }
        answer(nf, request);
    }
}

static void start_requests(struct tc_nf *nf)
{
    int err = tc_sensor_jobs_start(&nf->jobs, TC_NF_JOB_ISOLATE);

    if (err)
        answer_all(nf, err);
}

void tc_nf_isolate_done(void *arg, int status)
{
    struct tc_nf *nf = arg;

    answer_all(nf, status);
    if (!nf->isolation_status)
        nf->isolation_counts = nf->isolation_seen;
    if (nf->jobs.closing)
        return;
    report(nf);
    look_after(nf);
    if (!nf->isolate_next)
        return;
    nf->isolate_requests = nf->isolate_next;
    nf->isolate_next = NULL;
    start_requests(nf);
}

void tc_nf_isolate_forget(struct tc_nf *nf)
{
    struct tc_nf_isolate_request *request;

    while ((request = nf->isolate_next) != NULL) {
        nf->isolate_next = request->next;
        nf->host->event_unref(nf->host, request->event);
        free(request);
    }
}

/* ---- Asking. ---- */

static void request(struct tc_nf *nf, const struct tocsin_event *event,
                    enum answer answer_by, const struct tc_nf_isolation *isolation)
{
    struct tc_nf_isolate_request *request = calloc(1, sizeof(*request)), **end;

    if (!request)
        return;
    request->event = event;
    request->answer = answer_by;
    request->isolation = *isolation;
    if (event)
        nf->host->event_ref(nf->host, event);
    if (!tc_sensor_jobs_busy(&nf->jobs, TC_NF_JOB_ISOLATE)) {
        nf->isolate_requests = request;
        start_requests(nf);
        return;
    }
    for (end = &nf->isolate_next; *end; end = &(*end)->next)
        ;
    *end = request;
}

static void text_of(const struct tocsin_event *event, const char *path, char *ret,
                    size_t cap)
{
    struct tocsin_str text = tocsin_event_str(event, path);

    snprintf(ret, cap, "%.*s", (int)(text.ptr ? text.len : 0), text.ptr ? text.ptr : "");
    for (char *c = ret; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
}

/* -EINVAL, and a sentence. */
static int read_allow(const struct tocsin_event *event, struct tc_nf_isolation *isolation,
                      char why[TC_NF_WHY_MAX])
{
    struct tocsin_value list, item;
    char text[TC_NF_ALLOW_TEXT_MAX];
    struct tocsin_iter it;
    int err;

    if (!tocsin_find(event->data, event->len, "allow", &list))
        return 0;
    tocsin_iter_init(&it, &list);
    while (tocsin_iter_next(&it, NULL, &item)) {
        if (item.type != TOCSIN_STR ||
            isolation->allow_count == TC_NF_ISOLATION_ALLOW_MAX) {
            snprintf(why, TC_NF_WHY_MAX, "allow takes at most %d texts",
                     TC_NF_ISOLATION_ALLOW_MAX);
            return -EINVAL;
        }
        snprintf(text, sizeof(text), "%.*s", (int)item.len, item.ptr);
        err = tc_nf_allow_parse(text, &isolation->allow[isolation->allow_count], why);
        if (err)
            return err;
        isolation->allow_count++;
    }
    return 0;
}

static void make(const struct tocsin_event *event, const char *who,
                 struct tc_nf_isolation *ret)
{
    int64_t for_s = tocsin_event_int(event, "for_s", 0);

    memset(ret, 0, sizeof(*ret));
    ret->on = true;
    ret->since = time(NULL);
    if (for_s > FOR_S_MAX)
        for_s = FOR_S_MAX;
    ret->until = for_s > 0 ? ret->since + for_s : 0;
    snprintf(ret->who, sizeof(ret->who), "%s", who);
    text_of(event, "reason", ret->reason, sizeof(ret->reason));
}

void tc_nf_isolate_rpc(struct tc_nf *nf, const struct tocsin_event *event)
{
    struct tc_nf_isolation isolation;
    char why[TC_NF_WHY_MAX];

    make(event, "root", &isolation);
    if (read_allow(event, &isolation, why)) {
        (void)tocsin_refuse(nf->host, event, "usage", why);
        return;
    }
    request(nf, event, BY_REPLY, &isolation);
}

void tc_nf_release_rpc(struct tc_nf *nf, const struct tocsin_event *event)
{
    static const struct tc_nf_isolation off;

    request(nf, event, BY_REPLY, &off);
}

static void answer_passive(struct tc_nf *nf, const struct tocsin_event *event)
{
    struct tocsin_writer w;
    uint8_t buf[128];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "status", "passive");
    tocsin_put_str(&w, "text", "the agent only detects: mode is passive");
    tocsin_end(&w);
    publish(nf, TOCSIN_TOPIC_ISOLATION_DONE, event->id, &w);
}

/* A detector's: what root has allowed already stays allowed. */
void tc_nf_isolate_requested(struct tc_nf *nf, const struct tocsin_event *event)
{
    struct tc_nf_isolation isolation;

    if (nf->passive) {
        answer_passive(nf, event);
        return;
    }
    make(event, event->source, &isolation);
    if (nf->isolation.on) {
        isolation.allow_count = nf->isolation.allow_count;
        memcpy(isolation.allow, nf->isolation.allow, sizeof(isolation.allow));
        if (!nf->isolation.until ||
            (isolation.until && isolation.until < nf->isolation.until))
            isolation.until = nf->isolation.until;
    }
    request(nf, event, BY_DONE, &isolation);
}

void tc_nf_isolate_start(struct tc_nf *nf)
{
    const struct tocsin_host *host = nf->host;
    char text[512];

    nf->isolation = nf->kept_isolation;
    if (nf->kept_isolation_status) {
        snprintf(text, sizeof(text),
                 "whether the host is to be isolated is not known: %s",
                 nf->kept_isolation_why);
        host->report(host, TOCSIN_REPORT_ISSUE, "isolation", text, "tocsin isolate off");
        return;
    }
    if (!nf->isolation.on)
        return;
    if (tc_nf_isolation_over(&nf->isolation, time(NULL)))
        nf->isolation.on = false;
    request(nf, NULL, BY_DONE, &nf->isolation);
}
