/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: setting the vault right after a crash, once, before it is used. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>
#include <unistd.h>

#include "vault/av_payload.h"
#include "vault/av_vault.h"
#include "vault/av_vault_priv.h"

static int keep_record(struct tc_av_record **list, size_t *count,
                       struct tc_av_record *record)
{
    struct tc_av_record *grown = realloc(*list, (*count + 1) * sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    *list = grown;
    grown[(*count)++] = *record;
    memset(record, 0, sizeof(*record));
    return 0;
}

/* From malloc; NULL: not there, or no memory. */
static char *copy_text(const void *data, size_t len, const char *key)
{
    struct tocsin_str s = tocsin_find_str(data, len, key);

    return s.ptr ? strndup(s.ptr, s.len) : NULL;
}

static int keep_path(struct tc_av_recovery *recovery, char **path)
{
    char **grown = realloc(recovery->rescan, (recovery->rescan_n + 1) * sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    recovery->rescan = grown;
    grown[recovery->rescan_n++] = *path;
    *path = NULL;
    return 0;
}

/* One that is there, and will be found again. */
static int keep_back(struct tc_av_recovery *recovery, struct tc_av_record *record)
{
    char *path = strdup(record->path);
    int r = path ? keep_path(recovery, &path) : -ENOMEM;

    free(path);
    return r ? r : keep_record(&recovery->back, &recovery->back_n, record);
}

/* What a crash has left under the name that it was taken by: it gets the old one back,
 * and is looked at anew. When that is another file's by now, what is in the vault goes.
 */
static int give_back(const char *path, const char *taken,
                     const struct tc_av_record *record)
{
    char beside[PATH_MAX];
    const char *name;
    bool there;
    int parent, r;

    if (!taken[0]) /* of a version that did not take names */
        return 0;
    r = tc_av_open_parent(path, &parent, &name);
    if (r)
        return tc_av_is_absence(r) ? 0 : r;
    r = tc_av_rename_new(parent, taken, name);
    if (r == -EEXIST && snprintf(beside, sizeof(beside), "%.*s%s", (int)(name - path),
                                 path, taken) < (int)sizeof(beside)) {
        r = tc_av_vault_is_there(beside, record->ino, record, &there);
        if (!r && there && unlinkat(parent, taken, 0))
            r = -errno;
    }
    close(parent);
    return tc_av_is_absence(r) ? 0 : r;
}

/* When the crash came after they had been taken off. */
static void put_locks_back(const struct tc_av_record *record)
{
    const char *name;
    int parent, fd;

    if (!record->locks || tc_av_open_parent(record->path, &parent, &name))
        return;
    fd = tc_av_open_quiet(parent, name);
    close(parent);
    if (fd < 0)
        return;
    (void)tc_av_locks_set(fd, record->locks, true);
    close(fd);
}

/*
 * The original is unlinked only when the copy is whole and on the disk. So a copy that is
 * not, or whose original is there, is removed; one whose original is gone is the file.
 * One of which this cannot be decided now stays: it may be all that there is.
 */
static int recover_partial(const struct tc_av_vault *vault, const char *name,
                           const char *id, struct tc_av_recovery *recovery)
{
    struct tc_av_record record = {.id = ""};
    char whole[TC_AV_NAME_TEXT];
    bool damaged, there = false;
    uint64_t payload;
    int fd, r;

    r = tc_av_vault_open_file(vault, name, &record, &payload, &fd);
    if (r == -EBADMSG)
        return unlinkat(vault->dirfd, name, 0) ? -errno : 0;
    if (r)
        return r;
    r = tc_av_payload_verify(&record, fd, payload);
    close(fd);
    damaged = r == -EBADMSG;
    if (!r || damaged)
        r = give_back(record.path, record.taken, &record);
    if (!r && !damaged)
        r = tc_av_vault_is_there(record.path, record.ino, &record, &there);
    if (r)
        goto out;
    if (there)
        put_locks_back(&record);
    if (damaged || there) {
        r = unlinkat(vault->dirfd, name, 0) ? -errno
            : there                         ? keep_back(recovery, &record)
                                            : keep_path(recovery, &record.path);
        goto out;
    }
    tc_av_vault_name(whole, id, TC_AV_WHOLE);
    r = renameat(vault->dirfd, name, vault->dirfd, whole) ? -errno : 0;
    if (!r)
        r = keep_record(&recovery->taken, &recovery->taken_n, &record);
out:
    tc_av_record_done(&record);
    return r;
}

/* A further name of what is in the vault, when the crash came in its removal. */
static int recover_link(const struct tc_av_vault *vault, const char *name, const char *id,
                        struct tc_av_recovery *recovery)
{
    struct tc_av_record record = {.id = ""};
    char *data = NULL, *path = NULL, *taken = NULL;
    struct stat st;
    size_t len;
    int r;

    r = tc_av_vault_find(vault, id, &record);
    if (!r)
        r = tc_av_read_whole(vault->dirfd, name, TC_AV_LINKS_BYTES_MAX, &data, &len);
    if (r) /* what is damaged is counted where items are listed */
        goto out;
    path = copy_text(data, len, "taking");
    taken = copy_text(data, len, "taken");
    if (!path || !taken || !tc_av_taken_valid(taken))
        goto out;
    r = give_back(path, taken, &record);
    if (!r && !lstat(path, &st) && st.st_ino == record.ino)
        r = keep_path(recovery, &path);
out:
    free(data);
    free(path);
    free(taken);
    tc_av_record_done(&record);
    return r == -EBADMSG ? 0 : r;
}

static int recover_restoring(const struct tc_av_vault *vault, const char *id,
                             struct tc_av_recovery *recovery)
{
    struct tc_av_record record = {.id = ""};
    char left[TC_AV_LEFT] = "";
    bool restored = false;
    int r = tc_av_vault_finish_restore(vault, id, &restored, &record, left);

    if (!r && restored)
        r = keep_record(&recovery->restored, &recovery->restored_n, &record);
    tc_av_record_done(&record);
    return r;
}

static int recover_name(const struct tc_av_vault *vault, const char *name,
                        struct tc_av_recovery *recovery)
{
    char id[TC_AV_ID_TEXT], whole[TC_AV_NAME_TEXT];
    const char *suffix;

    if (strlen(name) < TC_AV_ID_TEXT || !tc_av_id_valid(name, TC_AV_ID_TEXT - 1))
        return 0;
    memcpy(id, name, TC_AV_ID_TEXT - 1);
    id[TC_AV_ID_TEXT - 1] = 0;
    suffix = name + TC_AV_ID_TEXT - 1;
    if (!strcmp(suffix, TC_AV_PARTIAL))
        return recover_partial(vault, name, id, recovery);
    if (!strcmp(suffix, TC_AV_RESTORING))
        return recover_restoring(vault, id, recovery);
    tc_av_vault_name(whole, id, TC_AV_WHOLE);
    if (!strcmp(suffix, TC_AV_LINKS) && !faccessat(vault->dirfd, whole, F_OK, 0))
        return recover_link(vault, name, id, recovery);
    /* What tc_av_write_durable had not yet renamed, and notes about what is gone. */
    if (strstr(suffix, ".new") || !strcmp(suffix, TC_AV_LINKS))
        return unlinkat(vault->dirfd, name, 0) && errno != ENOENT ? -errno : 0;
    return 0;
}

int tc_av_vault_recover(const struct tc_av_vault *vault, struct tc_av_recovery *ret)
{
    struct tc_av_recovery recovery = {.taken = NULL};
    struct dirent **entries;
    int n = scandirat(vault->dirfd, ".", &entries, NULL, alphasort), r = 0;

    if (n < 0)
        return -errno;
    for (int i = 0; i < n; i++) {
        /* One file that cannot be set right does not keep the others from it. */
        int e = recover_name(vault, entries[i]->d_name, &recovery);

        if (e && !r)
            r = e;
        free(entries[i]);
    }
    free(entries);
    if (fsync(vault->dirfd) && !r)
        r = -errno;
    *ret = recovery;
    return r;
}

void tc_av_recovery_done(struct tc_av_recovery *recovery)
{
    tc_av_vault_list_free(recovery->taken, recovery->taken_n);
    tc_av_vault_list_free(recovery->restored, recovery->restored_n);
    tc_av_vault_list_free(recovery->back, recovery->back_n);
    for (size_t i = 0; i < recovery->rescan_n; i++)
        free(recovery->rescan[i]);
    free(recovery->rescan);
    memset(recovery, 0, sizeof(*recovery));
}
