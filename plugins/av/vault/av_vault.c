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

#define LINKS_BYTES_MAX (TC_AV_LINKS_MAX * (PATH_MAX + 8))

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

void tc_av_vault_name(char ret[TC_AV_NAME_TEXT], const char *id, const char *suffix)
{
    snprintf(ret, TC_AV_NAME_TEXT, "%s%s", id, suffix);
}

static int fail(char why[TC_AV_WHY], int error, const char *what)
{
    snprintf(why, TC_AV_WHY, "%s: %s", what, strerror(-error));
    return error;
}

/* True when the name in its folder still is that inode. */
static bool names(int parent, const char *name, uint64_t dev, uint64_t ino)
{
    struct stat st;

    return !fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
           st.st_dev == dev && st.st_ino == ino;
}

static size_t count_items(const struct tc_av_vault *vault)
{
    int fd = openat(vault->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    size_t n = 0;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (struct dirent *e; (e = readdir(dir));)
        n += strstr(e->d_name, TC_AV_WHOLE) != NULL;
    closedir(dir);
    return n;
}

static int write_partial(const struct tc_av_vault *vault, const char *name, int fd,
                         const struct tc_av_record *record, char why[TC_AV_WHY])
{
    uint8_t hash[TC_AV_HASH_BYTES];
    uint64_t payload;
    int out = openat(vault->dirfd, name,
                     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
    int r;

    if (out < 0)
        return fail(why, -errno, "cannot write to the quarantine folder");
    r = tc_av_record_write(record, out, &payload);
    if (!r)
        r = tc_av_record_copy(record, TC_AV_MASK, fd, 0, out, payload, hash);
    if (!r && (fsync(out) || fsync(vault->dirfd)))
        r = -errno;
    close(out);
    if (r)
        return fail(why, r, "cannot copy the file into the quarantine folder");
    if (memcmp(hash, record->hash, sizeof(hash))) {
        snprintf(why, TC_AV_WHY, "the file has changed since it was scanned");
        return -ESTALE;
    }
    return 0;
}

/* From here on the original goes: whatever happens after the unlink, the copy stays. */
static int replace_original(const struct tc_av_vault *vault, int fd,
                            const struct tc_av_record *record, uint64_t *ret_links,
                            char why[TC_AV_WHY])
{
    char partial[TC_AV_NAME_TEXT], whole[TC_AV_NAME_TEXT];
    const char *name;
    struct stat st;
    int parent, r;

    tc_av_vault_name(partial, record->id, TC_AV_PARTIAL);
    tc_av_vault_name(whole, record->id, TC_AV_WHOLE);
    r = tc_av_open_parent(record->path, &parent, &name);
    if (r) {
        unlinkat(vault->dirfd, partial, 0);
        return fail(why, r, "cannot open its folder");
    }
    if (fstat(fd, &st) || tc_av_ns(st.st_mtim) != record->mtime_ns ||
        (uint64_t)st.st_size != record->size ||
        !names(parent, name, record->dev, record->ino)) {
        snprintf(why, TC_AV_WHY, "the file has changed since it was scanned");
        r = -ESTALE;
    } else if (unlinkat(parent, name, 0)) {
        r = fail(why, -errno,
                 errno == EPERM ? "cannot remove it (immutable?)" : "cannot remove it");
    }
    if (r) {
        unlinkat(vault->dirfd, partial, 0);
        close(parent);
        return r;
    }
    fsync(parent);
    close(parent);
    *ret_links = st.st_nlink - 1;
    if (renameat(vault->dirfd, partial, vault->dirfd, whole) || fsync(vault->dirfd))
        return fail(why, -errno, "cannot finish the quarantine; done at the next start");
    return 0;
}

int tc_av_vault_take(const struct tc_av_vault *vault, int fd, struct tc_av_record *record,
                     uint64_t *ret_links, char why[TC_AV_WHY])
{
    char path[PATH_MAX], partial[TC_AV_NAME_TEXT];
    int r;

    r = record->path ? 0 : tc_av_fd_path(fd, path, sizeof(path));
    if (r)
        return fail(why, r, "cannot find its path");
    if (!record->path && !(record->path = strdup(path)))
        return fail(why, -ENOMEM, "quarantine");
    r = tc_av_record_read_file(record, fd);
    if (r)
        return fail(why, r, "cannot read its attributes");
    if (record->size > TC_AV_VAULT_FILE_MAX)
        return fail(why, -EFBIG, "larger than the quarantine takes");
    if (count_items(vault) >= TC_AV_VAULT_ITEMS_MAX)
        return fail(why, -ENOSPC, "the quarantine is full; remove what is not needed");
    tc_av_vault_name(partial, record->id, TC_AV_PARTIAL);
    r = write_partial(vault, partial, fd, record, why);
    if (r) {
        unlinkat(vault->dirfd, partial, 0);
        return r;
    }
    return replace_original(vault, fd, record, ret_links, why);
}

static int read_links(const struct tc_av_vault *vault, const char *id,
                      struct tc_av_record *record)
{
    char name[TC_AV_NAME_TEXT], *data;
    struct tocsin_value list, path;
    struct tocsin_iter it;
    size_t len;
    int r;

    tc_av_vault_name(name, id, TC_AV_LINKS);
    r = tc_av_read_whole(vault->dirfd, name, LINKS_BYTES_MAX, &data, &len);
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

static int note_link(const struct tc_av_vault *vault, const char *id, const char *path)
{
    struct tc_av_record record = {.id = ""};
    char name[TC_AV_NAME_TEXT];
    struct tocsin_writer w;
    int r = read_links(vault, id, &record);

    if (!r)
        r = tc_av_record_add_link(&record, path, strlen(path));
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_array(&w, "paths");
    for (size_t i = 0; i < record.links_n; i++)
        tocsin_put_str(&w, NULL, record.links[i]);
    tocsin_end(&w);
    tocsin_end(&w);
    tc_av_vault_name(name, id, TC_AV_LINKS);
    if (!r)
        r = w.error ? w.error : tc_av_write_durable(vault->dirfd, name, w.buf, w.len);
    tocsin_writer_done(&w);
    tc_av_record_done(&record);
    return r;
}

int tc_av_vault_take_link(const struct tc_av_vault *vault, const char *id,
                          const char *path, uint64_t dev, uint64_t ino,
                          char why[TC_AV_WHY])
{
    char whole[TC_AV_NAME_TEXT];
    const char *name;
    int parent, r;

    tc_av_vault_name(whole, id, TC_AV_WHOLE);
    if (faccessat(vault->dirfd, whole, F_OK, 0))
        return fail(why, -ENOENT, "its content is no longer in quarantine");
    r = tc_av_open_parent(path, &parent, &name);
    if (r)
        return fail(why, r, "cannot open its folder");
    if (!names(parent, name, dev, ino)) {
        snprintf(why, TC_AV_WHY, "the name belongs to another file now");
        r = -ESTALE;
    } else if ((r = note_link(vault, id, path))) {
        fail(why, r, "cannot note the further path");
    } else if (unlinkat(parent, name, 0)) {
        r = fail(why, -errno, "cannot remove it");
    } else {
        fsync(parent);
    }
    close(parent);
    return r;
}

int tc_av_vault_open_file(const struct tc_av_vault *vault, const char *name,
                          struct tc_av_record *ret_record, uint64_t *ret_payload,
                          int *ret_fd)
{
    int fd = openat(vault->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
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
    if (r != -ENOENT && r != -ENOTDIR && r != -ELOOP && r != -ENXIO)
        return r;
    *ret_fd = -1;
    return 0;
}

int tc_av_vault_is_there(const char *path, uint64_t ino,
                         const uint8_t hash[TC_AV_HASH_BYTES], bool *ret_there)
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
    else if (S_ISREG(st.st_mode) && st.st_ino == ino) {
        r = tc_av_hash_fd(fd, 0, (uint64_t)st.st_size, now);
        there = !r && !memcmp(now, hash, sizeof(now));
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
    r = read_links(vault, id, &record);
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
