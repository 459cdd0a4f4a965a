/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the lower rung, for an agent without CAP_SYS_ADMIN: marks on folders, one by one,
 * which tell of what has happened and hold nothing back. What is above it is
 * sensor_names.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>

#include "sensor_folders.h"
#include "sensor_names.h"

#define WHAT (FAN_CREATE | FAN_DELETE | FAN_CLOSE_WRITE | FAN_ONDIR | FAN_EVENT_ON_CHILD)

static int mark(struct tc_sensor_names *names, const char *path)
{
    if (!fanotify_mark(names->group,
                       FAN_MARK_ADD | FAN_MARK_ONLYDIR | FAN_MARK_DONT_FOLLOW,
                       WHAT | names->renames, AT_FDCWD, path))
        return 0;
    if (errno != EINVAL || names->renames != FAN_RENAME)
        return -errno;
    names->renames = FAN_MOVED_TO; /* before Linux 5.17 */
    return mark(names, path);
}

/* Marks one folder and keeps what its events will call it. */
static int mark_folder(struct tc_sensor_names *names, const char *path)
{
    struct tc_sensor_handle handle;
    int err = tc_sensor_handle_of(path, &handle);

    if (err)
        return err;
    err = tc_sensor_folders_put(names->folders, &handle, path);
    return err ? err : mark(names, path);
}

int tc_sensor_names_mark_tree(struct tc_sensor_names *names, const char *path,
                              struct tc_sensor_name_batch *found)
{
    char *root = strdup(path), *roots[2] = {root, NULL};
    int err = -ENOMEM, result;
    FTSENT *entry;
    FTS *fts;

    fts = root ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
    if (!fts)
        goto out;
    err = -ENOENT;
    while ((entry = fts_read(fts)) != NULL) {
        if (entry->fts_info == FTS_D) {
            result = mark_folder(names, entry->fts_path);
            names->refused += result != 0;
            if (entry->fts_level == FTS_ROOTLEVEL)
                err = result;
        } else if (entry->fts_info == FTS_F && found) {
            tc_sensor_name_batch_add(found, FAN_CLOSE_WRITE, 0, entry->fts_path, NULL);
        }
    }
    fts_close(fts);
out:
    free(root);
    return err;
}
