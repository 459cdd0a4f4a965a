/* SPDX-License-Identifier: Apache-2.0 */
#include "av_events.h"

#include <stdio.h>

#include "detector_event.h"

#define PROCESS_BYTES_MAX (64 * 1024) /* of the sensor's process map, passed on as is */

static void put_rule(struct tocsin_writer *w, const struct tc_av_hit *hit)
{
    tocsin_begin_map(w, "rule");
    tocsin_put_str(w, "id", hit->id);
    tocsin_put_str(w, "name", hit->rule);
    if (hit->description[0])
        tocsin_put_str(w, "description", hit->description);
    if (hit->reference[0])
        tocsin_put_str(w, "reference", hit->reference);
    tocsin_end(w);
}

static void put_file(struct tocsin_writer *w, const struct tc_av_record *record)
{
    char hash[TC_AV_HASH_TEXT];

    tc_av_hash_text(record->hash, hash);
    tocsin_begin_map(w, "file");
    tocsin_put_str(w, "path", record->path);
    tocsin_put_uint(w, "inode", record->ino);
    tocsin_put_uint(w, "device", record->dev);
    tocsin_put_uint(w, "size", record->size);
    tocsin_begin_map(w, "hash");
    tocsin_put_str(w, "sha256", hash);
    tocsin_end(w);
    tocsin_end(w);
}

static void put_process(struct tocsin_writer *w, const struct tocsin_event *event)
{
    struct tocsin_value process;
    size_t n;

    if (!event || !tocsin_find(event->data, event->len, "process", &process))
        return;
    n = tocsin_value_size(&process);
    if (n && n <= PROCESS_BYTES_MAX)
        tocsin_put_encoded(w, "process", process.start, n);
}

/* Of a quarantine that was asked for: because of which alert. */
static void put_alert_id(struct tocsin_writer *w, const struct tocsin_event *event)
{
    struct tocsin_str id = {NULL, 0};

    if (event)
        id = tocsin_event_str(event, TOCSIN_FIELD_ALERT_ID);
    if (!id.ptr)
        return;
    tocsin_begin_map(w, "alert");
    tocsin_put_strn(w, "id", id.ptr, id.len);
    tocsin_end(w);
}

/* Publishes what happened at time_ns, which begin_at has written. */
static void publish_at(const struct tocsin_host *host, const char *topic, int64_t time_ns,
                       struct tocsin_writer *w)
{
    struct tocsin_event event = {
        .size = sizeof(event), .fd = -1, .topic = topic, .time_ns = (uint64_t)time_ns};
    int r;

    tocsin_end(w);
    event.data = w->buf;
    event.len = w->len;
    r = w->error ? w->error : host->publish(host, &event, NULL);
    if (r)
        host->log(host, TOCSIN_LOG_ERROR, "%s could not be published: %s", topic,
                  strerror(-r));
    tocsin_writer_done(w);
}

static void publish(const struct tocsin_host *host, const char *topic,
                    struct tocsin_writer *w)
{
    publish_at(host, topic, 0, w);
}

static void begin_at(struct tocsin_writer *w, int64_t time_ns)
{
    tocsin_writer_init_growing(w);
    tocsin_begin_map(w, NULL);
    tocsin_put_int(w, TOCSIN_FIELD_TIMESTAMP, time_ns);
}

static void begin(struct tocsin_writer *w)
{
    begin_at(w, (int64_t)tc_detector_now_ns());
}

static void put_detection(struct tocsin_writer *w, const struct tc_av_record *record,
                          const char *action, const char *status, const char *reason)
{
    tocsin_begin_map(w, "detection");
    tocsin_put_str(w, "id", record->id);
    tocsin_put_str(w, "name", record->name);
    tocsin_put_str(w, "severity", record->severity);
    tocsin_put_str(w, "action", action);
    tocsin_put_str(w, "status", status);
    if (reason)
        tocsin_put_str(w, "reason", reason);
    tocsin_end(w);
}

void tc_av_events_detected(const struct tc_av_news *news, const char *action)
{
    struct tocsin_writer w;

    begin(&w);
    put_detection(&w, news->record, action, "detected", NULL);
    put_alert_id(&w, news->event);
    put_rule(&w, news->hit);
    put_file(&w, news->record);
    put_process(&w, news->event);
    publish(news->host, TOCSIN_TOPIC_THREAT_DETECTED, &w);
}

void tc_av_events_alert(const struct tc_av_news *news)
{
    char title[256];
    struct tocsin_writer w;

    snprintf(title, sizeof(title), "Malware found: %s", news->record->name);
    begin(&w);
    tocsin_begin_map(&w, "alert");
    tocsin_put_str(&w, "id", news->record->id); /* one alert a threat: they share it */
    tocsin_put_str(&w, "title", title);
    tocsin_put_str(&w, "severity", news->record->severity);
    tocsin_put_str(&w, "category", "malware");
    tocsin_put_str(&w, "detected_from", "av");
    tocsin_end(&w);
    tocsin_begin_map(&w, "detection");
    tocsin_put_str(&w, "id", news->record->id);
    tocsin_end(&w);
    put_rule(&w, news->hit);
    put_file(&w, news->record);
    put_process(&w, news->event);
    publish(news->host, TOCSIN_TOPIC_ALERT_RAISED, &w);
}

static void publish_remediated(const struct tocsin_host *host,
                               const struct tc_av_record *record, const char *action,
                               const char *status, const char *reason, int64_t time_ns)
{
    struct tocsin_writer w;

    begin_at(&w, time_ns);
    put_detection(&w, record, action, status, reason);
    tocsin_begin_map(&w, "rule");
    tocsin_put_str(&w, "name", record->rule);
    tocsin_end(&w);
    put_file(&w, record);
    publish_at(host, TOCSIN_TOPIC_THREAT_REMEDIATED, time_ns, &w);
}

void tc_av_events_remediated(const struct tocsin_host *host,
                             const struct tc_av_record *record, const char *action,
                             const char *status, const char *reason)
{
    publish_remediated(host, record, action, status, reason,
                       (int64_t)tc_detector_now_ns());
}

void tc_av_events_kept(const struct tocsin_host *host, const struct tc_av_record *record)
{
    if ((int64_t)tc_detector_now_ns() - record->time_ns < TC_AV_EVENTS_REPEAT_NS)
        publish_remediated(host, record, "quarantine", "quarantined", NULL,
                           record->time_ns);
}
