/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a quarantine that another detector asks for (quarantine.requested): the file
 * behind the event's descriptor goes the way of one that a rule of ours has matched, but
 * for the alert, which whoever asks has raised. Each request is answered once
 * (quarantine.done). Loop thread but for run(). Must not: open a file by its path: who
 * asks has made sure that the descriptor is the file which is meant.
 */
#include <errno.h>
#include <stdio.h>

#include "av.h"

#define REQUESTS_MAX 64 /* at once; more are refused */

struct request {
    struct tc_av *av;
    const struct tocsin_event *event; /* a reference */
    struct tc_av_lists *lists;        /* a reference */
    bool has_hash;                    /* the file must have it */
    uint8_t hash[TC_AV_HASH_BYTES];
    struct tc_av_result result;
    char why[TC_AV_WHY];
};

static void answer(struct tc_av *av, const struct tocsin_event *event, const char *status,
                   const char *reason, const char *id)
{
    struct tocsin_writer w;
    uint8_t buf[1024];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "status", status);
    if (reason)
        tocsin_put_str(&w, TOCSIN_FIELD_REASON, reason);
    if (id) {
        tocsin_begin_map(&w, "detection");
        tocsin_put_str(&w, "id", id);
        tocsin_end(&w);
    }
    tocsin_end(&w);
    tocsin_publish(av->host, TOCSIN_TOPIC_QUARANTINE_DONE, event->id, &w);
}

static void request_free(struct request *request)
{
    tc_av_lists_unref(request->lists);
    request->av->host->event_unref(request->av->host, request->event);
    request->av->requests_n--;
    free(request);
}

/* In the pool. */
static void run(void *arg)
{
    struct request *request = arg;
    struct tc_av_result *result = &request->result;
    struct stat st;

    if (fstat(request->event->fd, &st)) {
        result->error = -errno;
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        result->error = -EINVAL;
        snprintf(request->why, sizeof(request->why), "it is no regular file");
        return;
    }
    result->key = tc_av_key_of(&st);
    if (result->key.size > TC_AV_HASH_MAX) {
        result->error = -EFBIG;
        snprintf(request->why, sizeof(request->why), "larger than the quarantine takes");
        return;
    }
    result->error = tc_av_hash_fd(request->event->fd, 0, result->key.size, result->hash);
    if (result->error)
        return;
    if (request->has_hash && memcmp(request->hash, result->hash, sizeof(request->hash))) {
        result->error = -ESTALE;
        snprintf(request->why, sizeof(request->why),
                 "the file is another one than the one that ran");
    } else if (tc_av_lists_find(request->lists, result->hash) == TC_AV_ALLOWED) {
        result->error = -EPERM;
        snprintf(request->why, sizeof(request->why),
                 "it is on an allow list, or was restored from quarantine");
    }
}

static void copy(const struct tocsin_event *event, const char *field,
                 const char *fallback, char *ret, size_t cap)
{
    struct tocsin_str s = tocsin_event_str(event, field);

    if (s.ptr)
        snprintf(ret, cap, "%.*s", (int)(s.len < cap ? s.len : cap), s.ptr);
    else
        snprintf(ret, cap, "%s", fallback);
}

/* The rule of whoever asks, as one that has matched. */
static void fill_hit(const struct tocsin_event *event, struct tc_av_hit *hit)
{
    copy(event, TOCSIN_FIELD_RULE_NAME, event->source, hit->rule, sizeof(hit->rule));
    copy(event, TOCSIN_FIELD_RULE_ID, hit->rule, hit->id, sizeof(hit->id));
    copy(event, TOCSIN_FIELD_RULE_NAME, event->source, hit->name, sizeof(hit->name));
    copy(event, TOCSIN_FIELD_ALERT_SEVERITY, "high", hit->severity,
         sizeof(hit->severity));
}

static void on_dealt_with(void *arg, const char *status, const char *why)
{
    struct request *request = arg;
    char id[TC_AV_ID_TEXT];

    if (tc_av_id_of(&request->result.key, request->result.hash, id))
        id[0] = 0;
    if (!strcmp(status, "excluded"))
        answer(request->av, request->event, "refused", "the operator has excluded it",
               NULL);
    else
        answer(request->av, request->event, status, why, id[0] ? id : NULL);
    request_free(request);
}

static void done(void *arg, int status)
{
    struct request *request = arg;
    struct tc_av *av = request->av;
    struct tc_av_sighting seen = {.event = request->event,
                                  .own_fd = -1,
                                  .result = &request->result,
                                  .requested = true,
                                  .done = on_dealt_with,
                                  .arg = request};

    if (status || request->result.error) {
        const char *why = status            ? "the agent was stopping"
                          : request->why[0] ? request->why
                                            : strerror(-request->result.error);

        answer(av, request->event, request->result.error == -EPERM ? "refused" : "failed",
               why, NULL);
        request_free(request);
    } else {
        request->result.found = TC_AV_INFECTED;
        fill_hit(request->event, &request->result.hit);
        tc_av_threat_found(av, &seen);
    }
}

static int begin(struct tc_av *av, const struct tocsin_event *event)
{
    struct request *request = calloc(1, sizeof(*request));
    struct tocsin_str hash = tocsin_event_str(event, TOCSIN_FIELD_FILE_SHA256);
    int r;

    if (!request)
        return -ENOMEM;
    request->av = av;
    av->requests_n++;
    av->host->event_ref(av->host, event);
    request->event = event;
    tc_av_lists_ref(av->lists);
    request->lists = av->lists;
    request->has_hash = hash.ptr && tc_av_hash_read(hash.ptr, hash.len, request->hash);
    r = tc_detector_work_submit(&av->work, run, done, request);
    if (r)
        request_free(request);
    return r;
}

void tc_av_request(struct tc_av *av, const struct tocsin_event *event)
{
    int r;

    if (av->host->passive(av->host)) {
        answer(av, event, "passive", "the agent only detects: mode is passive", NULL);
    } else if (!av->options.quarantine) {
        answer(av, event, "refused", "plugins.av.quarantine is false", NULL);
    } else if (event->fd < 0) {
        answer(av, event, "failed", "the request has no descriptor of the file", NULL);
    } else if (av->vault.dirfd < 0 || !av->lists) {
        answer(av, event, "failed", "the quarantine is not open", NULL);
    } else if (av->requests_n >= REQUESTS_MAX) {
        answer(av, event, "failed", "too many requests at once", NULL);
    } else {
        r = begin(av, event);
        if (r)
            answer(av, event, "failed", strerror(-r), NULL);
    }
}
