/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_tracker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sensor_clock.h"
#include "sensor_process.h"
#include "trace_act.h"
#include "trace_attributes.h"
#include "trace_encode.h"
#include "trace_files.h"
#include "trace_flow.h"
#include "trace_hash.h"
#include "trace_proc.h"
#include "trace_record.h"
#include "trace_user_names.h"

void tc_trace_tracker_set_clock(struct tc_trace_tracker *tracker)
{
    tracker->now_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);
    tracker->realtime_ns = tc_sensor_clock_ns(CLOCK_REALTIME) - tracker->now_ns;
    tracker->known = tracker->table.alive_count + tracker->table.gone_count;
    tracker->aged = tracker->table.aged;
    tracker->evicted = tracker->table.evicted;
}

int tc_trace_tracker_init(struct tc_trace_tracker *tracker, size_t capacity,
                          struct tc_trace_hashes *hashes,
                          struct tc_trace_user_names *names)
{
    int err;

    memset(tracker, 0, sizeof(*tracker));
    tracker->hashes = hashes;
    tracker->names = names;
    tracker->epoch = tc_sensor_clock_ns(CLOCK_REALTIME) / 1000000;
    tc_trace_items_init(&tracker->items);
    err = tc_trace_table_init(&tracker->table, capacity);
    if (!err)
        err = tc_sensor_processes_new(1, &tracker->clock);
    if (err)
        tc_trace_tracker_done(tracker);
    return err;
}

void tc_trace_tracker_done(struct tc_trace_tracker *tracker)
{
    tc_trace_items_clear(&tracker->items);
    tc_trace_table_done(&tracker->table);
    tc_sensor_processes_free(tracker->clock);
    tracker->clock = NULL;
}

/* ---- What /proc knows. ---- */

/* Takes over what was read; the entry keeps its place and its first parent. */
static void take_over(struct tc_trace_process *process, struct tc_trace_process *fresh)
{
    tc_trace_image_unref(process->image);
    process->image = fresh->image;
    if (!process->parent_pid) {
        process->parent_pid = fresh->parent_pid;
        process->parent_start_ns = fresh->parent_start_ns;
    }
    process->identified = true;
    process->users = fresh->users;
    process->login_uid = fresh->login_uid;
    process->session = fresh->session;
    memcpy(process->name, fresh->name, sizeof(process->name));
    memcpy(process->tty, fresh->tty, sizeof(process->tty));
}

/* Reads it anew; start_ns 0: whoever has that pid now. NULL: it is not there. */
static struct tc_trace_process *read_anew(struct tc_trace_tracker *tracker, int32_t pid,
                                          uint64_t start_ns)
{
    struct tc_trace_process fresh, *process = NULL;

    memset(&fresh, 0, sizeof(fresh));
    tracker->proc_reads++;
    if (tc_trace_proc_read(tracker->clock, pid, &fresh) ||
        (start_ns && fresh.start_ns != start_ns)) {
        tracker->proc_gone++;
        goto out;
    }
    if (fresh.parent_pid > 0)
        fresh.parent_start_ns = tc_trace_proc_start(tracker->clock, fresh.parent_pid);
    process = tc_trace_table_put(&tracker->table, pid, fresh.start_ns);
    if (!process)
        goto out;
    take_over(process, &fresh);
    fresh.image = NULL;
out:
    tc_trace_image_unref(fresh.image);
    return process;
}

static void remember(void *arg, int32_t pid)
{
    struct tc_trace_process *process = read_anew(arg, pid, 0);

    if (process && process->image)
        tc_trace_image_trim(process->image);
}

int tc_trace_tracker_snapshot(struct tc_trace_tracker *tracker)
{
    int err = tc_trace_proc_each(remember, tracker);

    tc_trace_tracker_set_clock(tracker);
    return err;
}

static struct tc_trace_process *find_or_read(struct tc_trace_tracker *tracker,
                                             int32_t pid, uint64_t start_ns)
{
    struct tc_trace_process *process;

    process = tc_trace_table_find(&tracker->table, pid, start_ns);
    if (!process && pid > 0) {
        process = read_anew(tracker, pid, start_ns);
        if (process && process->image)
            tc_trace_image_trim(process->image);
    }
    return process;
}

/* ---- Reporting. ---- */

static void write_event(struct tc_trace_tracker *tracker, struct tc_trace_event *event)
{
    struct tocsin_writer w;

    event->sequence = ++tracker->sequence;
    event->epoch = tracker->epoch;
    tocsin_writer_init_growing(&w);
    tc_trace_encode(&w, event);
    if (w.error || w.len > TOCSIN_EVENT_MAX_BYTES) {
        tracker->failed++;
        tocsin_writer_done(&w);
    } else if (tc_trace_items_add(&tracker->items, event->topic, event->time_ns, w.buf,
                                  w.len)) {
        tracker->failed++;
    }
}

static const char *user_of(struct tc_trace_tracker *tracker,
                           const struct tc_trace_process *process,
                           char ret_name[TC_TRACE_USER_NAME_MAX])
{
    if (!process->identified ||
        !tc_trace_user_names_find(tracker->names, process->users.uid, tracker->now_ns,
                                  ret_name))
        return NULL;
    return ret_name;
}

static void emit(struct tc_trace_tracker *tracker, struct tc_trace_event *event)
{
    const struct tc_trace_process *process = event->process, *above;
    const struct tc_trace_image *image = process->image;
    char hex[TC_TRACE_HEX], user[TC_TRACE_USER_NAME_MAX],
        parent_user[TC_TRACE_USER_NAME_MAX];

    /* Reading the parent may make others be forgotten, so it comes first. */
    if (process->parent_pid > 0)
        find_or_read(tracker, process->parent_pid, process->parent_start_ns);
    for (above = process; event->ancestor_count < TC_TRACE_ANCESTORS_MAX;) {
        if (above->parent_pid <= 0)
            break;
        above = tc_trace_table_find(&tracker->table, above->parent_pid,
                                    above->parent_start_ns);
        if (!above)
            break;
        event->ancestors[event->ancestor_count++] = above;
    }
    if (image &&
        tc_trace_hashes_find(tracker->hashes, &image->file, image->executable, hex))
        event->sha256 = hex;
    event->user = user_of(tracker, process, user);
    if (event->ancestor_count)
        event->parent_user = user_of(tracker, event->ancestors[0], parent_user);
    write_event(tracker, event);
    event->sha256 = event->user = event->parent_user = NULL; /* they were ours */
}

static void emit_started(struct tc_trace_tracker *tracker,
                         struct tc_trace_process *process, uint64_t time_ns)
{
    struct tc_trace_event event = {.topic = "process.started",
                                   .time_ns = time_ns,
                                   .process = process,
                                   .whole = true};

    tracker->started++;
    tracker->args_cut += process->image && process->image->args_cut;
    emit(tracker, &event);
    if (process->image)
        tc_trace_image_trim(process->image);
}

static void emit_forked(struct tc_trace_tracker *tracker,
                        struct tc_trace_process *process, uint64_t time_ns)
{
    struct tc_trace_event event = {
        .topic = "process.forked", .time_ns = time_ns, .process = process};

    tracker->forked++;
    emit(tracker, &event);
}

static void emit_exited(struct tc_trace_tracker *tracker,
                        struct tc_trace_process *process, int status, uint64_t time_ns)
{
    struct tc_trace_event event = {.topic = "process.exited",
                                   .time_ns = time_ns,
                                   .process = process,
                                   .ended = true,
                                   .exit_status = status};

    if (process->gone) {
        tracker->exited_twice++;
        return;
    }
    tracker->exited++;
    emit(tracker, &event);
    tc_trace_table_end(&tracker->table, process);
}

/* ---- From the ring. ---- */

/* The entry of whom a record is about, up to date but for its image. */
static struct tc_trace_process *entry_of(struct tc_trace_tracker *tracker,
                                         const struct tc_trace_record *record)
{
    uint64_t start_ns = tc_sensor_processes_start(tracker->clock, record->start_ns);
    struct tc_trace_process *process =
        tc_trace_table_put(&tracker->table, (int32_t)record->pid, start_ns);

    if (!process)
        return NULL;
    if (!process->parent_pid && record->parent_pid) {
        process->parent_pid = (int32_t)record->parent_pid;
        process->parent_start_ns =
            tc_sensor_processes_start(tracker->clock, record->parent_start_ns);
    }
    tc_trace_record_fill(record, process);
    return process;
}

static void inherit(struct tc_trace_tracker *tracker, struct tc_trace_process *process,
                    int32_t pid, uint64_t start_ns)
{
    const struct tc_trace_process *forker = find_or_read(tracker, pid, start_ns);

    if (!process->image && forker)
        process->image = tc_trace_image_ref(forker->image);
}

static void set_image(struct tc_trace_tracker *tracker, struct tc_trace_process *process,
                      const struct tc_trace_record *record)
{
    struct tc_trace_image *image = tc_trace_record_image(record);

    tc_trace_image_unref(process->image);
    process->image = image;
    if (!image)
        return;
    tracker->path_cut += record->flags & TC_TRACE_PATH_CUT ? 1 : 0;
    if (!(record->flags & TC_TRACE_ARGS_MISSING))
        return;
    tracker->args_missing++;
    image->args = tc_trace_proc_args(process->pid, TC_TRACE_ARGS_MAX, &image->args_len);
    image->args_cut = true;
}

/* Who did it; boot_ns: when it was started, since boot. NULL, counted: no memory. */
static struct tc_trace_process *actor_of(struct tc_trace_tracker *tracker, uint32_t pid,
                                         uint64_t boot_ns)
{
    uint64_t start_ns = tc_sensor_processes_start(tracker->clock, boot_ns);
    struct tc_trace_process *process = find_or_read(tracker, (int32_t)pid, start_ns);

    if (!process) /* unknown, but this much is known of it */
        process = tc_trace_table_put(&tracker->table, (int32_t)pid, start_ns);
    if (!process)
        tracker->failed++;
    return process;
}

static void emit_flow(struct tc_trace_tracker *tracker,
                      const struct tc_trace_flow_record *record, const char *topic)
{
    struct tc_trace_event event = {.topic = topic,
                                   .time_ns = record->time_ns + tracker->realtime_ns,
                                   .process =
                                       actor_of(tracker, record->pid, record->start_ns),
                                   .flow = record};

    if (!event.process)
        return;
    tracker->flows++;
    emit(tracker, &event);
}

/* Threads change one after the other: the process has changed with the first of them. */
static bool has_changed(struct tc_trace_process *process, struct tc_trace_act *act)
{
    struct tc_trace_users now = tc_trace_act_users(act->record);

    act->before = process->identified ? process->users : now;
    process->users = now;
    process->identified = true;
    return memcmp(&act->before, &now, sizeof(now)) != 0;
}

/* Where other sensors look, and in some more places; and what is dangerous anywhere. */
static bool is_left_out(const struct tc_trace_tracker *tracker,
                        const struct tc_trace_act_record *record,
                        const struct tc_trace_attributes *attributes)
{
    return !tc_trace_attributes_lend(record, attributes) &&
           !tc_trace_files_attributes_wanted(tracker->places, attributes->path);
}

static void emit_attributes(struct tc_trace_tracker *tracker,
                            struct tc_trace_process *process,
                            struct tc_trace_event *event)
{
    const struct tc_trace_act_record *record = event->act->record;
    bool here = !process->image || !*process->image->container;
    struct tc_trace_attributes attributes;

    if (!tc_trace_attributes_resolve(record, here, &attributes))
        return;
    if (is_left_out(tracker, record, &attributes)) {
        tracker->attributes_left_out++;
        return;
    }
    event->file = &attributes.file;
    tracker->acts++;
    emit(tracker, event);
    event->file = NULL; /* it was ours */
}

static void emit_act(struct tc_trace_tracker *tracker,
                     const struct tc_trace_act_record *record, const char *topic)
{
    struct tc_trace_act act = {.record = record};
    struct tc_trace_event event = {
        .topic = topic, .time_ns = record->time_ns + tracker->realtime_ns, .act = &act};
    struct tc_trace_process *process;
    uint64_t target_ns = 0; /* whoever has that pid */

    if (record->what == TC_TRACE_BPF_LOADED && tracker->is_agent &&
        tracker->is_agent(tracker->arg, (int32_t)record->pid))
        return;
    if (record->target_start_ns)
        target_ns = tc_sensor_processes_start(tracker->clock, record->target_start_ns);
    if (record->target_pid)
        act.target = find_or_read(tracker, (int32_t)record->target_pid, target_ns);
    process = actor_of(tracker, record->pid, record->start_ns);
    if (!process || (record->what == TC_TRACE_CREDENTIALS && !has_changed(process, &act)))
        return;
    event.process = process;
    if (record->what == TC_TRACE_ATTRIBUTES) {
        emit_attributes(tracker, process, &event);
        return;
    }
    tracker->acts++;
    emit(tracker, &event);
}

/* ---- From the group of files. ---- */

/* Whoever did it may have ended since; its end has been read, and then it is kept. */
static struct tc_trace_process *who_did(struct tc_trace_tracker *tracker, int32_t pid)
{
    struct tc_trace_process *process = tc_trace_table_find_last(&tracker->table, pid);

    return process ? process : find_or_read(tracker, pid, 0);
}

void tc_trace_tracker_file(struct tc_trace_tracker *tracker,
                           const struct tc_trace_file_event *file)
{
    struct tc_trace_process nobody = {.pid = file->pid, .login_uid = TC_TRACE_NOBODY};
    struct tc_trace_event event = {.topic = file->topic,
                                   .time_ns = tc_sensor_clock_ns(CLOCK_REALTIME),
                                   .file = &file->file};

    tracker->files++;
    if (file->pid <= 0) {
        write_event(tracker, &event);
        return;
    }
    event.process = who_did(tracker, file->pid);
    if (!event.process)
        event.process = &nobody;
    emit(tracker, &event);
}

void tc_trace_tracker_record(struct tc_trace_tracker *tracker,
                             const struct tc_trace_record *record, size_t len)
{
    const struct tc_trace_flow_record *flow = (const void *)record;
    const struct tc_trace_act_record *act = (const void *)record;
    const char *topic = tc_trace_flow_topic(flow, len);
    struct tc_trace_process *process;
    uint64_t time_ns;

    if (topic) {
        emit_flow(tracker, flow, topic);
        return;
    }
    topic = tc_trace_act_topic(act, len);
    if (topic) {
        emit_act(tracker, act, topic);
        return;
    }
    if (!tc_trace_record_whole(record, len)) {
        tracker->malformed++;
        return;
    }
    time_ns = record->time_ns + tracker->realtime_ns;
    process = entry_of(tracker, record);
    if (!process) {
        tracker->failed++;
    } else if (record->kind == TC_TRACE_FORK) {
        inherit(tracker, process, (int32_t)record->forker_pid,
                tc_sensor_processes_start(tracker->clock, record->forker_start_ns));
        emit_forked(tracker, process, time_ns);
    } else if (record->kind == TC_TRACE_EXEC) {
        set_image(tracker, process, record);
        emit_started(tracker, process, time_ns);
    } else {
        emit_exited(tracker, process, record->exit_status, time_ns);
    }
}

/* ---- From the process connector: all else is read from /proc, if it is still there. */

void tc_trace_tracker_forked(struct tc_trace_tracker *tracker, int32_t pid,
                             int32_t parent_pid, uint64_t time_ns)
{
    uint64_t start_ns = tc_trace_proc_start(tracker->clock, pid);
    struct tc_trace_process *process, *forker;

    /* Of one that has gone already, the moment of its fork is its start. */
    if (!start_ns)
        start_ns = tc_sensor_processes_start(tracker->clock, time_ns);
    forker = find_or_read(tracker, parent_pid, 0);
    process = tc_trace_table_put(&tracker->table, pid, start_ns);
    if (!process) {
        tracker->failed++;
        return;
    }
    process->parent_pid = parent_pid;
    if (forker) {
        struct tc_trace_process copy = *forker;

        copy.image = tc_trace_image_ref(forker->image);
        take_over(process, &copy);
        process->parent_start_ns = forker->start_ns;
    }
    emit_forked(tracker, process, time_ns + tracker->realtime_ns);
}

void tc_trace_tracker_executed(struct tc_trace_tracker *tracker, int32_t pid,
                               uint64_t time_ns)
{
    struct tc_trace_process *process = read_anew(tracker, pid, 0);

    if (!process) {
        /* What it was before is not what it has become: only that it did is known. */
        process = tc_trace_table_find(&tracker->table, pid, 0);
        if (!process)
            process = tc_trace_table_put(&tracker->table, pid, 0);
        if (process) {
            tc_trace_image_unref(process->image);
            process->image = NULL;
        }
    }
    if (process)
        emit_started(tracker, process, time_ns + tracker->realtime_ns);
    else
        tracker->failed++;
}

void tc_trace_tracker_exited(struct tc_trace_tracker *tracker, int32_t pid, int status,
                             uint64_t time_ns)
{
    struct tc_trace_process *process = tc_trace_table_find(&tracker->table, pid, 0);

    if (!process)
        process = tc_trace_table_put(&tracker->table, pid, 0);
    if (process)
        emit_exited(tracker, process, status, time_ns + tracker->realtime_ns);
    else
        tracker->failed++;
}

/* ---- Loss. ---- */

void tc_trace_tracker_gap(struct tc_trace_tracker *tracker, const char *reason,
                          uint64_t from_ns, uint64_t lost, const uint64_t *by_cpu,
                          size_t cpus)
{
    uint64_t to_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
    struct tocsin_writer w;

    tracker->sequence += lost; /* a hole in it is a loss */
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "sensor", "trace");
    tocsin_put_str(&w, "reason", reason);
    tocsin_put_uint(&w, "count", lost);
    tocsin_put_uint(&w, "from", from_ns);
    tocsin_put_uint(&w, "to", to_ns);
    tocsin_begin_array(&w, "cpus");
    for (size_t i = 0; i < cpus; i++)
        tocsin_put_uint(&w, NULL, by_cpu[i]);
    tocsin_end(&w);
    tocsin_end(&w);
    if (w.error) {
        tracker->failed++;
        tocsin_writer_done(&w);
    } else if (tc_trace_items_add(&tracker->items, TOCSIN_TOPIC_SENSOR_GAP, to_ns, w.buf,
                                  w.len)) {
        tracker->failed++;
    }
}
