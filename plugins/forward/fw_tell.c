/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the plugin is asked and says: requests, which the forwarder answers and the
 * loop passes on, and what health is told.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "forward.h"

#define FAILURES_TOLD 3 /* in a row: before that it may be a restart */
#define LIST_MAX 200    /* dead letters in one answer */

/* ---- Requests. Loop. ---- */

static void free_request(struct tc_fw_request *request)
{
    request->fw->host->event_unref(request->fw->host, request->event);
    tocsin_writer_done(&request->answer);
    free(request);
}

static const char *method_of(const struct tocsin_event *event)
{
    return strrchr(event->topic, '.') + 1;
}

static void answer_nothing(struct tc_fw *fw, const struct tocsin_event *event)
{
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_array(&w, "items");
    tocsin_end(&w);
    tocsin_end(&w);
    (void)tocsin_reply(fw->host, event, &w);
    tocsin_writer_done(&w);
}

void tc_fw_ask(struct tc_fw *fw, const struct tocsin_event *event)
{
    static const char *const methods[] = {"status", "list", "test"};
    struct tc_fw_request *request, **last;
    size_t i = 0;

    while (i < 3 && strcmp(methods[i], method_of(event)) != 0)
        i++;
    if (i == 3) {
        (void)tocsin_refuse(fw->host, event, "unknown_method",
                            "there are forward.status, forward.list and forward.test");
        return;
    }
    if (!fw->running) {
        answer_nothing(fw, event);
        return;
    }
    request = calloc(1, sizeof(*request));
    if (!request) {
        (void)tocsin_refuse(fw->host, event, NULL, "out of memory");
        return;
    }
    request->fw = fw;
    request->event = event;
    tocsin_writer_init_growing(&request->answer);
    fw->host->event_ref(fw->host, event);
    pthread_mutex_lock(&fw->lock);
    for (last = &fw->asked; *last;)
        last = &(*last)->next;
    *last = request;
    pthread_mutex_unlock(&fw->lock);
}

static void pass_on(void *arg)
{
    struct tc_fw *fw = arg;
    struct tc_fw_request *request;

    for (;;) {
        pthread_mutex_lock(&fw->lock);
        request = fw->answered;
        if (request)
            fw->answered = request->next;
        pthread_mutex_unlock(&fw->lock);
        if (!request)
            return;
        if (tocsin_reply(fw->host, request->event, &request->answer))
            (void)tocsin_refuse(fw->host, request->event, NULL,
                                "the answer cannot be given");
        free_request(request);
    }
}

void tc_fw_refuse_all(struct tc_fw *fw)
{
    struct tc_fw_request *lists[] = {fw->asked, fw->answered, fw->testing}, *next;

    for (size_t i = 0; i < 3; i++)
        for (struct tc_fw_request *request = lists[i]; request; request = next) {
            next = request->next;
            (void)tocsin_refuse(fw->host, request->event, NULL, "the plugin stops");
            free_request(request);
        }
    fw->asked = fw->answered = fw->testing = NULL;
}

/* ---- Their answers. Forwarder. ---- */

static void answered(struct tc_fw_request *request)
{
    struct tc_fw *fw = request->fw;

    pthread_mutex_lock(&fw->lock);
    request->next = fw->answered;
    fw->answered = request;
    pthread_mutex_unlock(&fw->lock);
    (void)fw->host->post(fw->host, pass_on, fw); /* or, while it stops, refuse_all */
}

static const char *state_of(const struct tc_fw_sink *sink)
{
    if (sink->failures)
        return "waiting";
    return sink->sending ? "sending" : "idle";
}

static void put_sink(struct tc_fw *fw, size_t i, struct tocsin_writer *w)
{
    const struct tc_fw_sink *sink = &fw->sinks[i];
    const struct tc_fw_told *told = &fw->told[i];
    struct tc_fw_counts counts = {0};

    if (fw->spool_open)
        (void)tc_fw_spool_counts(&fw->spool, i, &counts);
    tocsin_begin_map(w, NULL);
    tocsin_put_str(w, "name", sink->config.name);
    tocsin_put_str(w, "kind", tc_fw_kind_name(sink->config.kind));
    tocsin_put_str(w, "target", sink->config.target);
    tocsin_put_str(w, "state", state_of(sink));
    tocsin_put_uint(w, "queued", counts.queued);
    tocsin_put_uint(w, "sent", counts.sent);
    tocsin_put_uint(w, "retries", told->retries);
    tocsin_put_uint(w, "dead", counts.dead);
    tocsin_put_uint(w, "dropped", counts.dropped);
    if (told->last_sent_ns)
        tocsin_put_uint(w, "last_sent_ns", told->last_sent_ns);
    if (told->last_error_ns)
        tocsin_put_uint(w, "last_error_time_ns", told->last_error_ns);
    tocsin_put_str(w, "last_error", told->last_error);
    tocsin_end(w);
}

static void put_status(struct tc_fw *fw, struct tocsin_writer *w)
{
    uint64_t bytes = 0;

    if (fw->spool_open)
        (void)tc_fw_spool_bytes(&fw->spool, &bytes);
    tocsin_begin_map(w, NULL);
    tocsin_begin_array(w, "items");
    for (size_t i = 0; i < fw->count; i++)
        put_sink(fw, i, w);
    tocsin_end(w);
    tocsin_put_uint(w, "spool_bytes", bytes);
    tocsin_put_uint(w, "spool_max_bytes", fw->max_bytes);
    tocsin_end(w);
}

static void put_dead(void *arg, const char *sink, const struct tc_fw_event *event,
                     uint64_t refused_ns, const char *why)
{
    struct tocsin_writer *w = arg;

    tocsin_begin_map(w, NULL);
    tocsin_put_str(w, "sink", sink);
    tocsin_put_uint(w, "refused_ns", refused_ns);
    tocsin_put_str(w, "id", event->id);
    tocsin_put_str(w, "topic", event->topic);
    tocsin_put_str(w, "why", why);
    tocsin_put_uint(w, "time_ns", event->time_ns);
    tocsin_end(w);
}

static void put_list(struct tc_fw *fw, struct tocsin_writer *w)
{
    tocsin_begin_map(w, NULL);
    tocsin_begin_array(w, "items");
    if (fw->spool_open)
        (void)tc_fw_spool_dead(&fw->spool, LIST_MAX, put_dead, w);
    tocsin_end(w);
    tocsin_end(w);
}

static void start_test(struct tc_fw *fw, struct tc_fw_request *request)
{
    if (fw->testing) {
        tocsin_begin_map(&request->answer, NULL);
        tocsin_put_str(&request->answer, "error", "another test is under way");
        tocsin_end(&request->answer);
        answered(request);
        return;
    }
    tocsin_begin_map(&request->answer, NULL);
    tocsin_begin_array(&request->answer, "items");
    fw->testing = request;
    fw->tests_left = fw->count;
    for (size_t i = 0; i < fw->count; i++)
        fw->sinks[i].test = true;
}

void tc_fw_tested(struct tc_fw *fw, struct tc_fw_sink *sink)
{
    struct tc_fw_request *request = fw->testing;
    struct tocsin_writer *w;
    bool taken = sink->batch.items[0].outcome == TC_FW_SENT;

    if (!request)
        return;
    w = &request->answer;
    tocsin_begin_map(w, NULL);
    tocsin_put_str(w, "name", sink->config.name);
    tocsin_put_str(w, "target", sink->config.target);
    tocsin_put_bool(w, "ok", taken);
    tocsin_put_str(w, "result", taken ? "sent" : "failed");
    tocsin_put_str(w, "said", sink->batch.why);
    tocsin_end(w);
    if (--fw->tests_left)
        return;
    tocsin_end(w);
    tocsin_end(w);
    fw->testing = NULL;
    answered(request);
}

void tc_fw_take_requests(struct tc_fw *fw)
{
    struct tc_fw_request *request, *next;

    pthread_mutex_lock(&fw->lock);
    request = fw->asked;
    fw->asked = NULL;
    pthread_mutex_unlock(&fw->lock);
    for (; request; request = next) {
        const char *method = method_of(request->event);

        next = request->next;
        request->next = NULL;
        if (!strcmp(method, "test")) {
            start_test(fw, request);
            continue;
        }
        if (!strcmp(method, "status"))
            put_status(fw, &request->answer);
        else
            put_list(fw, &request->answer);
        answered(request);
    }
}

/* ---- Health. Forwarder, through the loop. ---- */

struct report {
    struct tc_fw *fw;
    uint32_t what;
    char key[TC_FW_NAME_BYTES + 32], text[512], fix[128];
};

static void on_report(void *arg)
{
    struct report *report = arg;
    const struct tocsin_host *host = report->fw->host;

    host->report(host, report->what, report->key, report->text, report->fix);
    free(report);
}

static void send_report(struct tc_fw *fw, uint32_t what, const char *key,
                        const char *name, const char *fix, const char *text)
{
    struct report *report = calloc(1, sizeof(*report));

    if (!report)
        return;
    report->fw = fw;
    report->what = what;
    snprintf(report->key, sizeof(report->key), "%s%s%s", key, name ? "_" : "",
             name ? name : "");
    snprintf(report->text, sizeof(report->text), "%s", text);
    snprintf(report->fix, sizeof(report->fix), "%s", fix);
    if (fw->host->post(fw->host, on_report, report))
        free(report);
}

void tc_fw_note(struct tc_fw *fw, size_t sink, bool failed, const char *why)
{
    struct tc_fw_told *told = &fw->told[sink];
    struct timespec now;
    uint64_t now_ns;

    clock_gettime(CLOCK_REALTIME, &now);
    now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (!failed) {
        told->last_sent_ns = now_ns;
        if (told->failing)
            fw->tell_ms = 0;
        return;
    }
    told->retries += fw->sinks[sink].failures > 0;
    told->last_error_ns = now_ns;
    if (strcmp(told->last_error, why) != 0)
        fw->host->log(fw->host, TOCSIN_LOG_WARNING, "sink %s: %s",
                      fw->sinks[sink].config.name, why);
    snprintf(told->last_error, sizeof(told->last_error), "%s", why);
    if (fw->sinks[sink].failures == FAILURES_TOLD)
        fw->tell_ms = 0;
}

static void tell_failing(struct tc_fw *fw, size_t i, const struct tc_fw_counts *counts)
{
    const char *name = fw->sinks[i].config.name;
    struct tc_fw_told *told = &fw->told[i];
    bool failing = fw->sinks[i].failures >= FAILURES_TOLD;
    char text[512];

    if (failing) {
        snprintf(text, sizeof(text), "%llu events wait for the sink %s: %s",
                 (unsigned long long)counts->queued, name, told->last_error);
        send_report(fw, TOCSIN_REPORT_ISSUE, "forward", name,
                    "tocsin forward status; then tocsin forward test", text);
    } else if (told->failing) {
        send_report(fw, TOCSIN_REPORT_CLEAR, "forward", name, "", "");
    }
    told->failing = failing;
}

static void tell_dropping(struct tc_fw *fw, size_t i, const struct tc_fw_counts *counts)
{
    const char *name = fw->sinks[i].config.name;
    struct tc_fw_told *told = &fw->told[i];
    char text[512];

    if (counts->dropped > told->dropped) {
        snprintf(text, sizeof(text),
                 "the spool is full: %llu events were dropped that the sink %s never "
                 "took",
                 (unsigned long long)counts->dropped, name);
        send_report(fw, TOCSIN_REPORT_ISSUE, "forward_dropped", name,
                    "make the receiver take events, or plugins.forward.max_size larger",
                    text);
        told->dropping = true;
    } else if (told->dropping && !counts->queued) {
        send_report(fw, TOCSIN_REPORT_CLEAR, "forward_dropped", name, "", "");
        told->dropping = false;
    }
    told->dropped = counts->dropped;
}

void tc_fw_tell_health(struct tc_fw *fw)
{
    struct tc_fw_counts counts;

    for (size_t i = 0; fw->spool_open && i < fw->count; i++) {
        if (!fw->sinks[i].failures && !fw->told[i].failing && !fw->told[i].dropping)
            continue;
        if (tc_fw_spool_counts(&fw->spool, i, &counts))
            return;
        tell_failing(fw, i, &counts);
        tell_dropping(fw, i, &counts);
    }
}

void tc_fw_tell_spool(struct tc_fw *fw, int err)
{
    char text[512];

    if (!err && fw->spool_failing)
        send_report(fw, TOCSIN_REPORT_CLEAR, "forward_spool", NULL, "", "");
    if (err) {
        snprintf(text, sizeof(text),
                 "events are not forwarded: the spool in %s/forward: %s",
                 fw->host->state_dir(fw->host), strerror(-err));
        send_report(fw, TOCSIN_REPORT_ISSUE, "forward_spool", NULL,
                    err == -ENOSPC ? "free space on the disk of the state folder"
                                   : "make the state folder writable",
                    text);
    }
    fw->spool_failing = err != 0;
}
