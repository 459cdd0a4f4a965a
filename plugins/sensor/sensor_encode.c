/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_encode.h"

#include <sys/fanotify.h>
#include <sys/sysmacros.h>

#include "common/hash.h"
#include "sensor_process.h"

#define NS_PER_S 1000000000ull

void tc_sensor_file_set(struct tc_sensor_file *file, const struct statx *stx)
{
    file->known = true;
    file->device = makedev(stx->stx_dev_major, stx->stx_dev_minor);
    file->inode = stx->stx_ino;
    file->size = stx->stx_size;
    file->mtime_ns = (uint64_t)stx->stx_mtime.tv_sec * NS_PER_S + stx->stx_mtime.tv_nsec;
    file->ctime_ns = (uint64_t)stx->stx_ctime.tv_sec * NS_PER_S + stx->stx_ctime.tv_nsec;
    file->uid = stx->stx_uid;
    file->gid = stx->stx_gid;
    file->mode = stx->stx_mode;
}

/* With its NUL, so that two texts in a row are not taken for two others. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    return tc_hash(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

uint64_t tc_sensor_dedupe_key(const char *topic, const struct tc_sensor_file *file,
                              int32_t pid)
{
    uint64_t hash = hash_text(TC_HASH_START, topic);

    hash = tc_hash(hash, &pid, sizeof(pid));
    if (!strcmp(topic, TOCSIN_TOPIC_FILE_WRITTEN)) {
        hash = tc_hash(hash, &file->device, sizeof(file->device));
        hash = tc_hash(hash, &file->inode, sizeof(file->inode));
    } else {
        hash = hash_text(hash, file->path);
        hash = hash_text(hash, file->old_path);
    }
    hash &= INT64_MAX;
    return hash ? hash : 1;
}

const char *tc_sensor_topic_of(uint64_t mask)
{
    switch (mask) {
    case FAN_CREATE:
        return TOCSIN_TOPIC_FILE_CREATED;
    case FAN_DELETE:
        return TOCSIN_TOPIC_FILE_DELETED;
    case FAN_CLOSE_WRITE:
        return TOCSIN_TOPIC_FILE_WRITTEN;
    default:
        return TOCSIN_TOPIC_FILE_RENAMED;
    }
}

static bool blocks(const char *topic)
{
    return !strcmp(topic, TOCSIN_TOPIC_FILE_OPEN) ||
           !strcmp(topic, TOCSIN_TOPIC_FILE_EXEC);
}

static void put_text(struct tocsin_writer *w, const char *key, const char *text)
{
    if (text && *text)
        tocsin_put_str(w, key, text);
}

void tc_sensor_put_file(struct tocsin_writer *w, const struct tc_sensor_file *file)
{
    const char *slash = strrchr(file->path, '/');

    tocsin_begin_map(w, "file");
    tocsin_put_str(w, "path", file->path);
    tocsin_put_str(w, "name", slash ? slash + 1 : file->path);
    if (file->cut)
        tocsin_put_bool(w, "path_truncated", true);
    if (file->unverified)
        tocsin_put_bool(w, "path_unverified", true);
    put_text(w, "old_path", file->old_path);
    put_text(w, "xattr", file->xattr);
    if (file->served)
        tocsin_put_bool(w, "served", true);
    if (file->known) {
        tocsin_put_uint(w, "inode", file->inode);
        tocsin_put_uint(w, "device", file->device);
        tocsin_put_uint(w, "size", file->size);
        tocsin_put_uint(w, "mtime", file->mtime_ns);
        tocsin_put_uint(w, "ctime", file->ctime_ns);
        tocsin_put_uint(w, "uid", file->uid);
        tocsin_put_uint(w, "gid", file->gid);
        tocsin_put_uint(w, "mode", file->mode);
    }
    if (file->written_event)
        tocsin_put_uint(w, "written_event", file->written_event);
    tocsin_end(w);
}

static void put_identity(struct tocsin_writer *w,
                         const struct tc_sensor_identity *identity)
{
    tocsin_put_int(w, "pid", identity->pid);
    if (identity->start_ns)
        tocsin_put_uint(w, "start", identity->start_ns);
    put_text(w, "name", identity->name);
    put_text(w, "executable", identity->executable);
}

static void put_process(struct tocsin_writer *w, const struct tc_sensor_process *process)
{
    tocsin_begin_map(w, "process");
    put_identity(w, &process->self);
    if (process->self.executable && !process->verified)
        tocsin_put_bool(w, "executable_unverified", true);
    put_text(w, "command_line", process->command_line);
    tocsin_begin_map(w, "user");
    tocsin_put_uint(w, "id", process->uid);
    tocsin_end(w);
    if (process->parent.pid) {
        tocsin_begin_map(w, "parent");
        put_identity(w, &process->parent);
        tocsin_end(w);
    }
    tocsin_end(w);
    if (*process->container) {
        tocsin_begin_map(w, "container");
        tocsin_put_str(w, "id", process->container);
        tocsin_end(w);
    }
}

void tc_sensor_encode(struct tocsin_writer *w, const struct tc_sensor_stamp *stamp,
                      const struct tc_sensor_file *file,
                      const struct tc_sensor_process *process, int32_t pid)
{
    tocsin_begin_map(w, NULL);
    tocsin_put_uint(w, "@timestamp", stamp->time_ns);
    tocsin_begin_map(w, "event");
    tocsin_put_uint(w, "sequence", stamp->sequence);
    put_text(w, "reason", file->reason);
    tocsin_end(w);
    tocsin_put_str(w, "sensor", stamp->sensor);
    tocsin_put_uint(w, "epoch", stamp->epoch);
    if (!blocks(stamp->topic))
        tocsin_put_uint(w, "dedupe_key", tc_sensor_dedupe_key(stamp->topic, file, pid));
    tc_sensor_put_file(w, file);
    if (process) {
        put_process(w, process);
    } else if (pid > 0) {
        tocsin_begin_map(w, "process");
        tocsin_put_int(w, "pid", pid);
        tocsin_end(w);
    }
    tocsin_end(w);
}
