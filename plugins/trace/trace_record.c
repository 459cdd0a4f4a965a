/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_record.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "sensor_path.h"
#include "sensor_proc.h"

#define NS_PER_S 1000000000ull

bool tc_trace_record_whole(const struct tc_trace_record *record, size_t len)
{
    uint32_t end = 0;

    if (len < sizeof(*record) || !record->kind || record->kind > TC_TRACE_EXIT)
        return false;
    for (size_t i = 0; i < TC_TRACE_TEXTS; i++) {
        if (record->end[i] < end || record->end[i] > len - sizeof(*record))
            return false;
        end = record->end[i];
    }
    return true;
}

void tc_trace_record_fill(const struct tc_trace_record *record,
                          struct tc_trace_process *process)
{
    process->identified = true;
    process->users = (struct tc_trace_users){.uid = record->uid,
                                             .euid = record->euid,
                                             .suid = record->suid,
                                             .gid = record->gid,
                                             .egid = record->egid,
                                             .sgid = record->sgid};
    process->login_uid = record->login_uid;
    process->session = (int32_t)record->session;
    process->cgroup_id = record->cgroup_id;
    memcpy(process->name, record->comm, sizeof(process->name));
    process->name[sizeof(process->name) - 1] = '\0';
    memcpy(process->tty, record->tty, sizeof(process->tty));
    process->tty[sizeof(process->tty) - 1] = '\0';
}

static const char *text_of(const struct tc_trace_record *record, enum tc_trace_text which,
                           size_t *ret_len)
{
    const char *texts = (const char *)(record + 1);
    uint32_t from = which ? record->end[which - 1] : 0;

    *ret_len = record->end[which] - from;
    return texts + from;
}

static char *path_of(const struct tc_trace_record *record, enum tc_trace_text which)
{
    size_t len;
    const char *names = text_of(record, which, &len);

    return tc_sensor_path_of_names(names, len);
}

static char *copy_of(const struct tc_trace_record *record, enum tc_trace_text which,
                     size_t *ret_len)
{
    const char *text = text_of(record, which, ret_len);
    char *copy = malloc(*ret_len + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, *ret_len);
    copy[*ret_len] = '\0';
    return copy;
}

struct tc_trace_image *tc_trace_record_image(const struct tc_trace_record *record)
{
    struct tc_trace_image *image = tc_trace_image_new();
    size_t len;

    if (!image)
        return NULL;
    image->executable = path_of(record, TC_TRACE_EXECUTABLE);
    image->exec_path = copy_of(record, TC_TRACE_EXEC_PATH, &len);
    image->folder = path_of(record, TC_TRACE_FOLDER);
    image->cgroup = path_of(record, TC_TRACE_CGROUP);
    image->args = copy_of(record, TC_TRACE_ARGS, &image->args_len);
    if (!image->executable || !image->exec_path || !image->folder || !image->cgroup ||
        !image->args) {
        tc_trace_image_unref(image);
        return NULL;
    }
    image->args_cut = record->flags & TC_TRACE_ARGS_CUT;
    image->deleted = record->flags & TC_TRACE_FILE_GONE;
    tc_sensor_proc_container_of(image->cgroup, image->container);
    image->file = (struct tc_trace_file){
        .device = makedev(record->device >> 20, record->device & 0xfffff),
        .inode = record->inode,
        .size = record->size,
        .ctime_ns = record->ctime_s * NS_PER_S + record->ctime_ns};
    return image;
}
