/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/av_vault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>
#include <unistd.h>

#include "vault/av_vault_priv.h"

int tc_av_vault_open(struct tc_av_vault *vault, const char *state_dir)
{
    char path[PATH_MAX];
    struct stat st;
    int fd;

    if (snprintf(path, sizeof(path), "%s/quarantine", state_dir) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    if (mkdir(path, 0700) && errno != EEXIST)
        return -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) || fchmod(fd, 0700)) {
        int r = -errno;

        close(fd);
        return r;
    }
    *vault = (struct tc_av_vault){.dirfd = fd, .dev = st.st_dev, .ino = st.st_ino};
    return 0;
}

void tc_av_vault_close(struct tc_av_vault *vault)
{
    if (vault->dirfd >= 0)
        close(vault->dirfd);
    vault->dirfd = -1;
}

int tc_av_vault_replace(struct tc_av_vault *vault, const struct tc_av_vault *fresh)
{
    int fd = vault->dirfd < 0 ? fcntl(fresh->dirfd, F_DUPFD_CLOEXEC, 3)
                              : dup3(fresh->dirfd, vault->dirfd, O_CLOEXEC);

    if (fd < 0)
        return -errno;
    vault->dirfd = fd;
    vault->dev = fresh->dev;
    vault->ino = fresh->ino;
    return 0;
}

void tc_av_vault_name(char ret[TC_AV_NAME_TEXT], const char *id, const char *suffix)
{
    snprintf(ret, TC_AV_NAME_TEXT, "%s%s", id, suffix);
}

int tc_av_vault_read_links(const struct tc_av_vault *vault, const char *id,
                           struct tc_av_record *record)
{
    char name[TC_AV_NAME_TEXT], *data;
    struct tocsin_value list, path;
    struct tocsin_iter it;
    size_t len;
    int r;

    tc_av_vault_name(name, id, TC_AV_LINKS);
    r = tc_av_read_whole(vault->dirfd, name, TC_AV_LINKS_BYTES_MAX, &data, &len);
    if (r)
        return r == -ENOENT ? 0 : r;
    if (tocsin_find(data, len, "paths", &list)) {
        tocsin_iter_init(&it, &list);
        while (!r && tocsin_iter_next(&it, NULL, &path))
            if (path.ptr)
                r = tc_av_record_add_link(record, path.ptr, path.len);
    }
    free(data);
    return r;
}

int tc_av_vault_open_file(const struct tc_av_vault *vault, const char *name,
                          struct tc_av_record *ret_record, uint64_t *ret_payload,
                          int *ret_fd)
{
    int fd = openat(vault->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int r;

    if (fd < 0) /* -EBADMSG is what the file's own bytes say */
        return errno == EBADMSG ? -EIO : -errno;
    r = tc_av_record_load(fd, ret_record, ret_payload);
    if (r)
        close(fd);
    else
        *ret_fd = fd;
    return r;
}

/* Opens a path without following a link; -1 when no file that could be read is there: a
 * socket (ENXIO) is none. */
static int open_if_there(const char *path, int *ret_fd)
{
    const char *name;
    int parent, r = tc_av_open_parent(path, &parent, &name);

    if (!r) {
        *ret_fd = tc_av_open_quiet(parent, name);
        close(parent);
        r = *ret_fd < 0 ? *ret_fd : 0;
    }
    if (!r)
        return 0;
    if (!tc_av_is_absence(r))
        return r;
    *ret_fd = -1;
    return 0;
}

int tc_av_vault_is_there(const char *path, uint64_t ino,
                         const struct tc_av_record *record, bool *ret_there)
{
    uint8_t now[TC_AV_HASH_BYTES];
    bool there = false;
    struct stat st;
    int fd, r;

    r = open_if_there(path, &fd);
    if (r)
        return r;
    if (fd < 0)
        goto out;
    /* By inode and content: device numbers may change with a reboot, and a freed inode
     * number may have been given to another file. */
    if (fstat(fd, &st))
        r = -errno;
    else if (S_ISREG(st.st_mode) && st.st_ino == ino &&
             (uint64_t)st.st_size == record->size) {
        r = tc_av_hash_fd(fd, 0, record->size, now);
        there = !r && !memcmp(now, record->hash, sizeof(now));
    }
    close(fd);
out:
    if (!r)
        *ret_there = there;
    return r;
}

int tc_av_vault_find(const struct tc_av_vault *vault, const char *id,
                     struct tc_av_record *ret_record)
{
    struct tc_av_record record = {.id = ""};
    char name[TC_AV_NAME_TEXT];
    uint64_t payload;
    int fd = -1, r;

    tc_av_vault_name(name, id, TC_AV_WHOLE);
    r = tc_av_vault_open_file(vault, name, &record, &payload, &fd);
    if (r)
        return r;
    close(fd);
    r = tc_av_vault_read_links(vault, id, &record);
    if (r)
        tc_av_record_done(&record);
    else
        *ret_record = record;
    return r;
}

/* The id in a name like <id><suffix>, or false. */
static bool id_of(const char *name, const char *suffix, char ret[TC_AV_ID_TEXT])
{
    if (strlen(name) <= TC_AV_ID_TEXT - 1 || strcmp(name + TC_AV_ID_TEXT - 1, suffix) ||
        !tc_av_id_valid(name, TC_AV_ID_TEXT - 1))
        return false;
    snprintf(ret, TC_AV_ID_TEXT, "%s", name);
    return true;
}

int tc_av_vault_list(const struct tc_av_vault *vault, struct tc_av_record **ret_records,
                     size_t *ret_count, size_t *ret_bad)
{
    int fd = openat(vault->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct tc_av_record *records = NULL;
    size_t count = 0, bad = 0;
    char id[TC_AV_ID_TEXT];
    int r = 0;

    if (!dir) {
        r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    for (struct dirent *e; !r && (e = readdir(dir));) {
        struct tc_av_record *grown;

        if (!id_of(e->d_name, TC_AV_WHOLE, id))
            continue;
        grown = realloc(records, (count + 1) * sizeof(*grown));
        r = grown ? 0 : -ENOMEM;
        if (r)
            break;
        records = grown;
        if (tc_av_vault_find(vault, id, &records[count]))
            bad++;
        else
            count++;
    }
    closedir(dir);
    if (r) {
        tc_av_vault_list_free(records, count);
        return r;
    }
    *ret_records = records;
    *ret_count = count;
    *ret_bad = bad;
    return 0;
}

void tc_av_vault_list_free(struct tc_av_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tc_av_record_done(&records[i]);
    free(records);
}

int tc_av_vault_remove(const struct tc_av_vault *vault, const char *id)
{
    char whole[TC_AV_NAME_TEXT], links[TC_AV_NAME_TEXT];

    tc_av_vault_name(whole, id, TC_AV_WHOLE);
    tc_av_vault_name(links, id, TC_AV_LINKS);
    if (unlinkat(vault->dirfd, whole, 0))
        return -errno;
    unlinkat(vault->dirfd, links, 0);
    return fsync(vault->dirfd) ? -errno : 0;
}
