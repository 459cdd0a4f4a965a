/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see feed.h. */
#include "plugintest/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/jsonpack.h"
#include "cli/recording.h"
#include "core/base/why.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"
#include "plugintest/run.h"

#define TOPIC_MAX 256

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The file that the event is about, from the folder of files; -1: there is none. */
static int open_subject(const struct tc_feed *feed, const struct tocsin_event *event)
{
    struct tocsin_str path = tocsin_event_str(event, TOCSIN_FIELD_FILE_PATH);
    char whole[PATH_MAX];
    int n;

    if (!feed->files || !path.len)
        return -1;
    n = snprintf(whole, sizeof(whole), "%s/%.*s", feed->files, (int)path.len, path.ptr);
    if (n < 0 || (size_t)n >= sizeof(whole))
        return -1;
    return open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* Shows an event whose map is in p; what it does not say is filled in. */
static void show(struct tc_feed *feed, struct tocsin_event *event,
                 const struct tc_pack *p)
{
    int64_t time_ns;

    event->size = sizeof(*event);
    event->data = p->bytes.data;
    event->len = p->bytes.size;
    event->fd = open_subject(feed, event);
    time_ns = tocsin_event_int(event, TOCSIN_FIELD_TIMESTAMP, 0);
    if (!event->time_ns)
        event->time_ns = time_ns > 0 ? (uint64_t)time_ns : now_ns();
    if (!event->id)
        event->id = feed->last_id + 1;
    if (event->id > feed->last_id)
        feed->last_id = event->id;
    tc_run_show(feed->run, event);
}

/* ---- JSON ---- */

static const char *text_of(json_object *line, const char *name, const char *fallback)
{
    json_object *found;

    if (json_object_object_get_ex(line, name, &found) &&
        json_object_is_type(found, json_type_string))
        return json_object_get_string(found);
    return fallback;
}

static uint64_t number_of(json_object *line, const char *name)
{
    json_object *found;

    if (json_object_object_get_ex(line, name, &found) &&
        json_object_is_type(found, json_type_int))
        return json_object_get_uint64(found);
    return 0;
}

static void show_object(struct tc_feed *feed, json_object *line, const char *path,
                        uint64_t number)
{
    struct tocsin_event event = {.topic = text_of(line, "topic", NULL),
                                 .source = text_of(line, "source", "recording"),
                                 .id = number_of(line, "id"),
                                 .reply_to = number_of(line, "reply_to"),
                                 .time_ns = number_of(line, "time_ns")};
    json_object *map = NULL, *auth;
    struct tc_pack p;

    if (json_object_object_get_ex(line, "auth", &auth) && json_object_get_boolean(auth))
        event.flags = TOCSIN_EVENT_AUTH;
    tc_pack_init(&p);
    if (!event.topic || !json_object_object_get_ex(line, "event", &map))
        tc_run_wrong(feed->run,
                     "%s:%llu: is no event: {\"topic\": ..., \"event\": {...}}", path,
                     (unsigned long long)number);
    else
        tc_json_pack(&p, map);
    if (p.error)
        tc_run_wrong(feed->run, "%s:%llu: its event is no object, or nested too deep",
                     path, (unsigned long long)number);
    else if (map)
        show(feed, &event, &p);
    tc_pack_done(&p);
}

static int feed_lines(struct tc_feed *feed, FILE *file, const char *path)
{
    char *text = NULL, wrong[128];
    uint64_t number = 0;
    json_object *line;
    size_t room = 0;

    while (getline(&text, &room, file) >= 0) {
        number++;
        text[strcspn(text, "\r\n")] = '\0';
        if (!text[strspn(text, " \t")])
            continue;
        line = NULL;
        if (tc_json_parse(text, strlen(text), &line, wrong))
            tc_run_wrong(feed->run, "%s:%llu: %s", path, (unsigned long long)number,
                         wrong);
        else
            show_object(feed, line, path, number);
        json_object_put(line);
    }
    free(text);
    return ferror(file) ? -EIO : 0;
}

/* ---- Recordings ---- */

static void show_recorded(struct tc_feed *feed, const struct tc_tap_event *tap)
{
    char topic[TOPIC_MAX], source[TOPIC_MAX];
    struct tocsin_event event = {.topic = topic,
                                 .source = source,
                                 .id = tap->id,
                                 .reply_to = tap->reply_to,
                                 .time_ns = tap->time_ns};
    struct tc_pack p;

    (void)snprintf(topic, sizeof(topic), "%.*s", (int)tap->topic.len, tap->topic.ptr);
    (void)snprintf(source, sizeof(source), "%.*s", (int)tap->source.len, tap->source.ptr);
    tc_pack_init(&p);
    tc_pack_object(&p, NULL, tap->map);
    if (p.error)
        tc_run_wrong(feed->run, "event %llu cannot be shown: %s",
                     (unsigned long long)tap->id, strerror(-p.error));
    else
        show(feed, &event, &p);
    tc_pack_done(&p);
}

static int feed_recording(struct tc_feed *feed, FILE *file, const char *path)
{
    struct tc_recording *recording;
    struct tc_recorded recorded;
    uint64_t number = 0;
    int got = tc_recording_new(file, &recording);

    if (got)
        return got;
    while ((got = tc_recording_next(recording, &recorded)) == 1 || got == -EBADMSG) {
        number++;
        if (got == 1)
            show_recorded(feed, &recorded.event);
        else
            tc_run_wrong(feed->run, "%s: event %llu of it is no recorded event", path,
                         (unsigned long long)number);
    }
    tc_recording_free(recording);
    return got;
}

int tc_feed_file(struct tc_feed *feed, const char *path, char why[256])
{
    const bool opens = strcmp(path, "-") != 0;
    FILE *file = opens ? fopen(path, "re") : stdin;
    int first, err = 0;

    if (!file) {
        err = -errno;
        tc_why(why, "%s: %s", path, strerror(-err));
        return err;
    }
    first = getc(file);
    if (first == EOF) {
        err = ferror(file) ? -EIO : 0;
    } else {
        (void)ungetc(first, file);
        err = tc_recording_begins(first) ? feed_recording(feed, file, path)
                                         : feed_lines(feed, file, path);
    }
    if (opens)
        (void)fclose(file);
    if (err)
        tc_why(why, "%s: %s", path, strerror(-err));
    return err;
}
