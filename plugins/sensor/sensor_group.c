/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>

#include "sensor_folders.h"

int tc_sensor_group_open(bool unlimited)
{
    int group =
        fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK |
                          FAN_REPORT_DFID_NAME | (unlimited ? FAN_UNLIMITED_MARKS : 0),
                      O_RDONLY | O_CLOEXEC);

    return group < 0 ? -errno : group;
}

int tc_sensor_group_mark(int group, unsigned int flags, uint64_t mask, uint64_t *renames,
                         const char *path)
{
    if (!fanotify_mark(group, FAN_MARK_ADD | flags, mask | *renames, AT_FDCWD, path))
        return 0;
    if (errno != EINVAL || *renames != FAN_RENAME)
        return -errno;
    *renames = FAN_MOVED_TO;
    return tc_sensor_group_mark(group, flags, mask, renames, path);
}

static void find_names(const uint8_t *p, const uint8_t *end,
                       struct tc_sensor_group_event *event)
{
    const struct fanotify_event_info_fid *record;

    for (; end - p >= (ptrdiff_t)sizeof(*record); p += record->hdr.len) {
        record = (const void *)p;
        if (!record->hdr.len)
            return;
        if (record->hdr.info_type == FAN_EVENT_INFO_TYPE_OLD_DFID_NAME)
            event->old_name = record;
        else if (record->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME ||
                 record->hdr.info_type == FAN_EVENT_INFO_TYPE_NEW_DFID_NAME)
            event->name = record;
    }
}

bool tc_sensor_group_next(const uint8_t **at, const uint8_t *end,
                          struct tc_sensor_group_event *ret_event)
{
    struct fanotify_event_metadata m;

    if (end - *at < (ptrdiff_t)sizeof(m))
        return false;
    memcpy(&m, *at, sizeof(m)); /* they are aligned to four bytes only */
    if (m.event_len < sizeof(m) || m.event_len > end - *at)
        return false;
    *ret_event = (struct tc_sensor_group_event){.mask = m.mask, .pid = m.pid};
    find_names(*at + m.metadata_len, *at + m.event_len, ret_event);
    *at += m.event_len;
    return true;
}

/* A file_handle is a header and bytes; the name follows them, NUL-terminated. */
static const char *name_of(const struct fanotify_event_info_fid *record)
{
    const struct file_handle *handle = (const void *)record->handle;

    return (const char *)handle->f_handle + handle->handle_bytes;
}

bool tc_sensor_group_folder(const struct fanotify_event_info_fid *record,
                            struct tc_sensor_handle *ret_handle)
{
    if (!strcmp(name_of(record), "."))
        return false;
    tc_sensor_handle_set(ret_handle, &record->fsid, (const void *)record->handle);
    return true;
}

char *tc_sensor_group_path(const struct fanotify_event_info_fid *record,
                           const char *folder)
{
    char *path;

    if (asprintf(&path, "%s/%s", strcmp(folder, "/") != 0 ? folder : "",
                 name_of(record)) < 0)
        return NULL;
    return path;
}
