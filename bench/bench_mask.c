/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What masking costs an event that a tap, the journal or an output is shown: to look
 * through one of a process that has started, with eight ancestors, and to
 * make its twin when it has a secret. The floor is to make the event and to walk over its
 * values once. Rounds in turn, the best of each.
 *
 *     {"bench":"mask","case":"one_line","bytes":..,"ns":..,"floor_ns":..,"ratio":..}
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ipc/event.h"
#include "ipc/mask.h"
#include "ipc/topic.h"

#define ROUNDS 9
#define BATCH 20000
#define LINE                                                                             \
    "/usr/bin/rsync -a --delete --exclude=.git /srv/data/ backup@10.0.0.7:/srv/backup/"

static void must(int ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_mask: %s failed\n", what);
    exit(1);
}

static double now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void put_process(struct tocsin_writer *w, const char *key, const char *line)
{
    tocsin_begin_map(w, key);
    tocsin_put_uint(w, "pid", 4711);
    tocsin_put_uint(w, "start", 1795328959930000000u);
    tocsin_put_str(w, "name", "rsync");
    tocsin_put_str(w, "executable", "/usr/bin/rsync");
    tocsin_put_str(w, "command_line", line);
}

/* `above`: whether the command lines of ancestors are known, too. */
static void write_event(struct tocsin_writer *w, const char *line, bool above)
{
    static const char *const args[] = {"/usr/bin/rsync", "-a",
                                       "--delete",       "--exclude=.git",
                                       "/srv/data/",     "backup@10.0.0.7:/srv/backup/"};

    tocsin_writer_init_growing(w);
    tocsin_begin_map(w, NULL);
    tocsin_put_uint(w, "@timestamp", 1795328959930000000u);
    put_process(w, "process", line);
    tocsin_begin_array(w, "args");
    for (size_t i = 0; i < sizeof(args) / sizeof(*args); i++)
        tocsin_put_str(w, NULL, args[i]);
    tocsin_end(w);
    tocsin_begin_array(w, "ancestors");
    for (int i = 0; i < 8; i++) {
        put_process(w, NULL, above ? LINE : "");
        tocsin_end(w);
    }
    tocsin_end(w);
    tocsin_end(w);
    tocsin_end(w);
}

static volatile uint64_t sum;

static void walk(const struct tocsin_value *v)
{
    struct tocsin_value key, item;
    struct tocsin_iter it;

    sum += v->type;
    if (v->type != TOCSIN_MAP && v->type != TOCSIN_ARRAY)
        return;
    tocsin_iter_init(&it, v);
    while (tocsin_iter_next(&it, &key, &item))
        walk(&item);
}

/* Best of the rounds, a time for one event. */
static double measure(const struct tocsin_writer *w, const struct tc_topic *topic,
                      bool mask)
{
    struct tocsin_event draft = {
        .size = sizeof(draft), .fd = -1, .data = w->buf, .len = w->len};
    struct tocsin_value root;
    struct tc_event *event;
    double best = 1e18, from;

    for (int round = 0; round < ROUNDS; round++) {
        from = now_ns();
        for (int i = 0; i < BATCH; i++) {
            must(!tc_event_new(&draft, topic, "trace", 1, &event), "event");
            if (mask)
                must(tc_event_mask(event) != NULL, "mask");
            else if (tocsin_read(event->pub.data,
                                 (const uint8_t *)event->pub.data + event->pub.len,
                                 &root))
                walk(&root);
            tc_event_unref(event);
        }
        from = (now_ns() - from) / BATCH;
        best = from < best ? from : best;
    }
    return best;
}

int main(void)
{
    static const struct {
        const char *name, *line;
        bool above;
    } cases[] = {{"one_line", LINE, false},
                 {"nine_lines", LINE, true},
                 {"secret", LINE " --password hunter2", true}};
    struct tc_topics *topics = tc_topics_new();
    const struct tc_topic *topic;

    must(topics && !tc_topic_intern(topics, "process.started", &topic), "topic");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tocsin_writer w;
        double floor, ns;

        write_event(&w, cases[i].line, cases[i].above);
        must(!w.error, "writing");
        floor = measure(&w, topic, false);
        ns = measure(&w, topic, true);
        (void)printf("{\"bench\":\"mask\",\"case\":\"%s\",\"bytes\":%zu,\"ns\":%.0f,"
                     "\"floor_ns\":%.0f,\"ratio\":%.2f}\n",
                     cases[i].name, w.len, ns, floor, ns / floor);
        tocsin_writer_done(&w);
    }
    tc_topics_free(topics);
    return 0;
}
