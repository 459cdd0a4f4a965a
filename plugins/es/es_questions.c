/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how a question is handled once its turn has come, always alike: read the file's
 * status, judge its place, publish, wait for verdict.final, remember, answer. Must not:
 * open a file (but as sensor_place.h says) or log between the kernel's question and the
 * answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "es.h"
#include "sensor_place.h"
#include "sensor_remember.h"

#define ANSWER_MARGIN_NS 1000000000ull /* what the agent may be late by */
#define SWEEP_AFTER_NS 60000000000ull  /* past its deadline: it will never be closed */
#define WRITTEN_WAITS ((uint64_t)INT64_MAX) /* later than all that is known */

/* What the event's descriptor is. */
struct file_info {
    struct tc_sensor_place place;
    struct tc_sensor_file file;
    const struct tc_sensor_process *process;
};

static int read_file_info(struct tc_es *es, const struct tc_es_item *item,
                          struct file_info *info)
{
    int err = tc_sensor_place_of(es->scope, es->own_fds, item->fd, &info->place);

    if (err)
        return err;
    es->counters.path_cut += info->place.cut;
    memset(&info->file, 0, sizeof(info->file));
    info->file.path = info->place.path;
    tc_sensor_file_set(&info->file, &info->place.stx);
    return 0;
}

/*
 * enum tocsin_exclusion. A path that only others find the file by, and a program that is
 * not what its path says, are none that the operator has meant. Who executes a file is
 * the program of before; what is executed is no file that it uses.
 */
static int find_exclusion(struct tc_es *es, const struct tc_es_item *item,
                          struct file_info *info)
{
    const struct tc_sensor_process *process =
        tc_sensor_processes_find(es->processes, item->pid);
    const char *path, *executable = NULL;
    int why;

    info->process = process;
    info->file.cut = info->place.cut;
    info->file.unverified = !tc_sensor_place_is_own(es->scope, &info->place);
    path = info->file.unverified ? NULL : info->place.path;
    if (process && process->verified && !(item->mask & FAN_OPEN_EXEC_PERM))
        executable = process->self.executable;
    why = es->host->excluded(es->host, path, executable);
    if (why == TOCSIN_EXCLUDED_BY_PROCESS && item->slot != TC_ES_NO_SLOT &&
        !tc_sensor_process_runs(process))
        why = es->host->excluded(es->host, path, NULL);
    return why;
}

/* Whether the exclusions leave out all that is in the folder of `path`: names that
 * nothing has in common are left out both. */
static bool excludes_folder(struct tc_es *es, const char *path)
{
    static const char *const names[] = {"\001", "\002\003\002"};
    int len = (int)(strrchr(path, '/') - path) + 1;
    char name[TC_SENSOR_PATH_MAX + 8];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(name, sizeof(name), "%.*s%s", len, path, names[i]);
        if (es->host->excluded(es->host, name, NULL) != TOCSIN_EXCLUDED_BY_PATH)
            return false;
    }
    return true;
}

/* Answers without having asked anybody. */
static void reply_unasked(struct tc_es *es, const struct tc_es_item *item, bool allow,
                          uint64_t *counter)
{
    es->questions[item->slot].fd = item->fd;
    tc_es_answer(es, item->slot, allow);
    if (counter)
        (*counter)++;
}

static uint32_t *bucket_of(struct tc_es *es, uint64_t id)
{
    return &es->buckets[id % es->max_pending];
}

static void keep(struct tc_es *es, const struct tc_es_item *item,
                 const struct file_info *info, const struct tocsin_event *event)
{
    struct tc_es_question *question = &es->questions[item->slot];
    uint32_t *bucket = bucket_of(es, event->id);

    tc_es_turns_start(&es->turns, info->process ? info->process->user : UINT64_MAX,
                      item->slot);
    es->published++;
    es->last_id = event->id;
    question->event = event;
    question->asked_ns = item->time_ns;
    question->device = info->file.device;
    question->inode = info->file.inode;
    question->size = info->file.size;
    question->ctime_ns = info->file.ctime_ns;
    question->generation = es->generation;
    question->uses = tc_remember_uses(event->topic, true);
    question->changed = false;
    question->upper =
        es->overlays_silent && tc_sensor_scope_upper(es->scope, info->place.path);
    question->next = *bucket;
    *bucket = item->slot;
    if (event->deadline_ns)
        tc_es_gate_extend(&es->source.gate, item->slot,
                          event->deadline_ns + ANSWER_MARGIN_NS);
}

/*
 * The last file.written of such a file, by its id: detectors hear of it after the
 * question, which is urgent, and must not answer by what they knew before. Files of one
 * hash share a place: what they lose is an answer that was known.
 */
static uint64_t *written_of(struct tc_es *es, const struct tc_sensor_file *file)
{
    uint64_t hash = tc_hash(TC_HASH_START, &file->inode, sizeof(file->inode));

    hash = tc_hash(hash, &file->device, sizeof(file->device));
    return &es->written[hash % TC_ES_WRITTEN_MAX];
}

static void ask(struct tc_es *es, const struct tc_es_item *item, struct file_info *info)
{
    const char *topic =
        item->mask & FAN_OPEN_EXEC_PERM ? TOCSIN_TOPIC_FILE_EXEC : TOCSIN_TOPIC_FILE_OPEN;
    const struct tocsin_event *event = NULL;

    es->counters.asked++;
    info->file.written_event = *written_of(es, &info->file);
    if (tc_es_publish(es, topic, TOCSIN_EVENT_AUTH, &info->file, info->process, item->pid,
                      item->fd, &event))
        reply_unasked(es, item, es->on_timeout_allow, NULL);
    else
        keep(es, item, info, event);
}

void tc_es_questions_handle(struct tc_es *es, const struct tc_es_item *item)
{
    struct file_info info;
    bool allow;

    if (atomic_load(&es->canary.by_loop) &&
        tc_es_canary_asked(&es->canary, item->fd, item->mask,
                           es->host->is_agent(es->host, item->pid), item->time_ns,
                           &allow)) {
        reply_unasked(es, item, allow, NULL);
        return;
    }
    if (read_file_info(es, item, &info)) {
        reply_unasked(es, item, es->on_timeout_allow, &es->counters.special);
        return;
    }
    /* The canary, too, whoever opens it: remembered, it would tell us nothing more. */
    if (!S_ISREG(info.place.stx.stx_mode) ||
        tc_es_canary_has(&es->canary, info.file.device, info.file.inode)) {
        reply_unasked(es, item, true, &es->counters.special);
        return;
    }
    if (info.place.where == TC_SENSOR_OUTSIDE) {
        reply_unasked(es, item, true, &es->counters.out_of_scope);
        if (!info.place.cut)
            tc_es_outside_opened(es, info.place.path, false);
        return;
    }
    switch (find_exclusion(es, item, &info)) {
    case TOCSIN_NOT_EXCLUDED:
        ask(es, item, &info);
        break;
    case TOCSIN_EXCLUDED_BY_PATH:
        reply_unasked(es, item, true, &es->counters.excluded);
        if (excludes_folder(es, info.place.path))
            tc_es_outside_opened(es, info.place.path, true);
        break;
    default:
        reply_unasked(es, item, true, &es->counters.excluded);
    }
}

/*
 * A file that was open for writing has been closed. Writes through a mapping did not make
 * the kernel forget it (fsnotify sees no mapping), so it is forgotten here; and a
 * question that is still open must not be remembered by what was read before.
 */
static void forget_written(struct tc_es *es, int fd, const struct tc_sensor_file *file)
{
    tc_es_source_forget(&es->source, fd);
    tc_es_questions_changed(es, file->device, file->inode);
}

void tc_es_written_waits(struct tc_es *es, const struct tc_es_item *item)
{
    struct tc_sensor_file file = {0};
    struct statx stx;

    if (!statx(item->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &stx))
        tc_sensor_file_set(&file, &stx);
    forget_written(es, item->fd, &file);
    if (file.known)
        *written_of(es, &file) = WRITTEN_WAITS;
}

void tc_es_written_handle(struct tc_es *es, const struct tc_es_item *item, bool waited)
{
    const struct tocsin_event *event;
    struct file_info info;
    int fd = item->fd, err;

    memset(&info.file, 0, sizeof(info.file));
    err = read_file_info(es, item, &info);
    if (!waited)
        forget_written(es, fd, &info.file);
    if (err || !S_ISREG(info.place.stx.stx_mode))
        goto out;
    if (info.place.where == TC_SENSOR_OUTSIDE || find_exclusion(es, item, &info))
        goto out;
    if (fd > es->fd_ceiling) {
        close(fd);
        fd = -1;
        es->counters.no_fd++;
    }
    if (!tc_es_publish(es, TOCSIN_TOPIC_FILE_WRITTEN, 0, &info.file, info.process,
                       item->pid, fd, &event)) {
        *written_of(es, &info.file) = es->last_id = event->id;
        es->host->event_unref(es->host, event);
        es->counters.written++;
        return;
    }
out:
    if (*written_of(es, &info.file) == WRITTEN_WAITS) /* nobody will be told */
        *written_of(es, &info.file) = es->last_id + 1;
    if (fd >= 0)
        close(fd);
}

/* Takes a question out of its bucket; NULL when no such event is waited for. */
static struct tc_es_question *take(struct tc_es *es, uint64_t id, uint32_t *ret_slot)
{
    uint32_t *at = bucket_of(es, id), slot;

    while (*at != TC_ES_NO_SLOT && es->questions[*at].event->id != id)
        at = &es->questions[*at].next;
    slot = *at;
    if (slot == TC_ES_NO_SLOT)
        return NULL;
    *at = es->questions[slot].next;
    *ret_slot = slot;
    return &es->questions[slot];
}

void tc_es_questions_answer(struct tc_es *es, uint64_t id, bool allow, unsigned facts)
{
    struct tc_es_question *question;
    uint32_t slot;

    if (!es->questions)
        return;
    question = take(es, id, &slot);
    if (!question) {
        tc_es_served_answer(es, id, allow);
        return;
    }
    question->remember = allow;
    question->facts = facts;
    question->judged = true;
    es->published--;
    tc_es_answer(es, slot, allow || es->host->passive(es->host));
}

void tc_es_questions_changed(struct tc_es *es, uint64_t device, uint64_t inode)
{
    uint32_t left = es->published;

    for (uint32_t i = 0; left && i < es->max_pending; i++) {
        struct tc_es_question *question = &es->questions[i];

        if (!question->event || question->judged)
            continue;
        left--;
        if (question->inode == inode && question->device == device)
            question->changed = true;
    }
}

void tc_es_questions_sweep(struct tc_es *es)
{
    uint64_t now_ns = es->host->now_ns(es->host), id;

    for (uint32_t i = 0; i < es->max_pending; i++) {
        const struct tocsin_event *event = es->questions[i].event;

        if (!event || es->questions[i].judged ||
            now_ns < event->deadline_ns + SWEEP_AFTER_NS ||
            now_ns < es->questions[i].asked_ns + es->deadline_ns + SWEEP_AFTER_NS)
            continue;
        id = event->id;
        es->counters.unanswered++;
        tc_es_questions_answer(es, id, es->on_timeout_allow, TC_REMEMBER_DEFAULT);
    }
}

void tc_es_questions_drop(struct tc_es *es)
{
    struct tc_es_item item;

    while (es->turns.turns && tc_es_turns_drop(&es->turns, &item))
        close(item.fd);
    for (uint32_t i = 0; es->questions && i < es->max_pending; i++) {
        struct tc_es_question *question = &es->questions[i];

        es->host->event_unref(es->host, question->event);
        if (question->fd >= 0)
            close(question->fd);
        *question = (struct tc_es_question){.fd = -1};
    }
    for (uint32_t i = 0; es->buckets && i < es->max_pending; i++)
        es->buckets[i] = TC_ES_NO_SLOT;
    es->published = 0;
}
