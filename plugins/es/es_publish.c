/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <time.h>
#include <unistd.h>

#include "es.h"
#include "sensor_clock.h"

int tc_es_publish(struct tc_es *es, const char *topic, uint32_t flags,
                  const struct tc_sensor_file *file,
                  const struct tc_sensor_process *process, int32_t pid, int fd,
                  const struct tocsin_event **ret_event)
{
    struct tc_sensor_stamp stamp = {.topic = topic,
                                    .sensor = "es",
                                    .time_ns = tc_sensor_clock_ns(CLOCK_REALTIME),
                                    .sequence = es->sequence + 1,
                                    .epoch = es->epoch};
    struct tocsin_event event = {
        .size = sizeof(event), .flags = flags, .fd = fd, .topic = topic};
    struct tocsin_writer w;
    int err;

    tocsin_writer_init(&w, es->encoded, sizeof(es->encoded));
    tc_sensor_encode(&w, &stamp, file, process, pid);
    event.time_ns = stamp.time_ns;
    event.data = w.buf;
    event.len = w.len;
    err = w.error ? w.error : es->host->publish(es->host, &event, ret_event);
    if (err)
        es->counters.publish_errors++;
    else
        es->sequence++;
    return err;
}

static uint64_t *counter_of(struct tc_es *es, uint64_t mask)
{
    switch (mask) {
    case FAN_CREATE:
        return &es->counters.created;
    case FAN_DELETE:
        return &es->counters.deleted;
    case FAN_CLOSE_WRITE:
        return &es->counters.written;
    default:
        return &es->counters.renamed;
    }
}

static void publish_name(struct tc_es *es, struct tc_sensor_name *name)
{
    const struct tc_sensor_process *process = NULL;
    struct tc_sensor_file file = {.path = name->path, .old_path = name->old_path};

    if (name->pid > 0)
        process = tc_sensor_processes_find(es->processes, name->pid);
    if ((name->pid > 0 && es->host->is_agent(es->host, name->pid)) ||
        es->host->excluded(es->host, name->path,
                           process && process->verified ? process->self.executable
                                                        : NULL))
        return;
    if (name->known)
        tc_sensor_file_set(&file, &name->stx);
    if (tc_es_publish(es, tc_sensor_topic_of(name->mask), 0, &file, process, name->pid,
                      name->fd, NULL))
        return;
    name->fd = -1;
    ++*counter_of(es, name->mask);
}

bool tc_es_publish_found(void *arg, struct tc_sensor_found *found)
{
    struct tc_sensor_file file = {.path = found->path,
                                  .reason = TC_SENSOR_CATCH_UP_REASON};
    struct tc_es *es = arg;

    if (es->host->excluded(es->host, found->path, NULL))
        return false;
    if (found->fd > es->fd_ceiling) {
        close(found->fd);
        found->fd = -1;
        es->counters.no_fd++;
    }
    tc_sensor_file_set(&file, &found->stx);
    if (tc_es_publish(es, TOCSIN_TOPIC_FILE_WRITTEN, 0, &file, NULL, 0, found->fd, NULL))
        return false;
    found->fd = -1;
    return true;
}

/* Publishes that events between `from_ns` and now were lost. */
static void publish_gap(struct tc_es *es, const char *reason, uint64_t lost)
{
    uint64_t now_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
    struct tocsin_writer w;
    uint8_t buf[256];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "sensor", "es");
    tocsin_put_str(&w, "reason", reason);
    tocsin_put_uint(&w, "count", lost);
    tocsin_put_uint(&w, "from", es->complete_ns);
    tocsin_put_uint(&w, "to", now_ns);
    tocsin_end(&w);
    if (tocsin_publish(es->host, TOCSIN_TOPIC_SENSOR_GAP, 0, &w))
        es->counters.publish_errors++;
    es->counters.gaps++;
    es->complete_ns = now_ns;
}

void tc_es_publish_names(struct tc_es *es, struct tc_sensor_name_batch *batch)
{
    tc_sensor_processes_turn(es->processes);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->names[i].mask == FAN_Q_OVERFLOW)
            publish_gap(es, "the kernel's queue of file names was full", 0);
        else if (batch->names[i].path)
            publish_name(es, &batch->names[i]);
    }
    es->complete_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
}

void tc_es_publish_losses(struct tc_es *es)
{
    struct tc_es_source_counters now;
    char text[160];

    tc_es_source_counters(&es->source, &now);
    if (now.overflow != es->seen_overflow)
        publish_gap(es, "the kernel's queue of opens was full",
                    now.overflow - es->seen_overflow);
    if (now.writes_lost != es->seen_writes_lost) {
        publish_gap(es, "the agent was too busy to take closed files",
                    now.writes_lost - es->seen_writes_lost);
        tc_es_cache_reset(es); /* one of them may be remembered, and have changed */
    }
    if (now.read_errors != es->seen_read_errors) {
        snprintf(text, sizeof(text),
                 "files were refused that the agent could not open: %s",
                 strerror(es->source.read_error));
        es->host->report(es->host, TOCSIN_REPORT_ISSUE, "es_read", text,
                         "raise the limit of open files of the agent (LimitNOFILE)");
    }
    es->seen_overflow = now.overflow;
    es->seen_writes_lost = now.writes_lost;
    es->seen_read_errors = now.read_errors;
}

static void put_counters(struct tc_es *es, struct tocsin_writer *w)
{
    const struct tc_es_counters *c = &es->counters;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"asked", c->asked},
        {"allowed", c->allowed},
        {"denied", c->denied},
        {"cached", c->cached},
        {"not_cached", c->not_cached},
        {"out_of_scope", c->out_of_scope},
        {"excluded", c->excluded},
        {"special", c->special},
        {"resets", c->resets},
        {"written", c->written},
        {"created", c->created},
        {"renamed", c->renamed},
        {"deleted", c->deleted},
        {"path_cut", c->path_cut},
        {"no_fd", c->no_fd},
        {"gaps", c->gaps},
        {"mount_scans", c->mount_scans},
        {"unanswered", c->unanswered},
        {"publish_errors", c->publish_errors},
        {"sequence", es->sequence},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        tocsin_put_uint(w, rows[i].name, rows[i].value);
}

static void put_source(struct tc_es *es, struct tocsin_writer *w)
{
    struct tc_es_source_counters c;

    tc_es_source_counters(&es->source, &c);
    tocsin_put_uint(w, "own", c.own);
    tocsin_put_uint(w, "late", c.late);
    tocsin_put_uint(w, "timeouts", c.timeouts);
    tocsin_put_uint(w, "pending", tc_es_gate_used(&es->source.gate));
    tocsin_put_uint(w, "pending_full", c.pending_full);
    tocsin_put_uint(w, "user_full", es->counters.user_full);
    tocsin_put_uint(w, "in_line", es->turns.fair.waiting);
    tocsin_put_uint(w, "held", es->counters.held);
    tocsin_put_uint(w, "writes_lost", c.writes_lost);
    tocsin_put_uint(w, "overflow", c.overflow);
    tocsin_put_uint(w, "read_errors", c.read_errors);
    tocsin_put_uint(w, "marks", es->mounts.marked);
    tocsin_put_uint(w, "marks_failed", es->mounts.failed);
    tocsin_put_uint(w, "marks_foreign", es->mounts.foreign);
    tocsin_put_uint(w, "marks_unnamed", es->mounts.unnamed);
    tocsin_put_uint(w, "folders_outside", es->outside.marked);
    tocsin_put_uint(w, "folders_outside_refused", es->outside.refused);
    tocsin_put_uint(w, "folders_outside_dropped", es->outside.dropped);
}

void tc_es_publish_stats(struct tc_es *es, const struct tocsin_event *request)
{
    struct tc_sensor_process_counters p;
    struct tocsin_writer w;
    uint8_t buf[2048];

    tc_sensor_processes_counters(es->processes, &p);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "mechanism",
                   es->level == TC_ES_LEVEL_PERMISSION ? "fanotify" : "fanotify_notify");
    put_counters(es, &w);
    if (es->level == TC_ES_LEVEL_PERMISSION) {
        put_source(es, &w);
        tc_es_served_put(es, &w);
    }
    if (es->names_open) {
        tocsin_put_uint(&w, "names_unresolved", es->names.unresolved);
        tocsin_put_uint(&w, "folders_refused", es->names.refused);
    }
    tc_sensor_catch_up_put(&es->catch_up, &w);
    tocsin_put_uint(&w, "processes", p.kept);
    tocsin_put_uint(&w, "process_hits", p.hits);
    tocsin_put_uint(&w, "process_reads", p.reads);
    tocsin_put_uint(&w, "process_gone", p.gone);
    tocsin_put_uint(&w, "process_evicted", p.evicted);
    tocsin_put_str(&w, "conflicting_applications", es->conflicts);
    tocsin_end(&w);
    if (tocsin_reply(es->host, request, &w))
        es->counters.publish_errors++;
}
