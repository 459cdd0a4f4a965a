/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the way into the vault; av_vault.h gives the order of its steps.
 *
 * A name is removed in two steps. Between a look at a name and its unlink somebody may
 * save another file over it, and no call removes a name only if it is a certain inode's.
 * So the name is first taken away by a rename to one that nobody else knows, and what was
 * taken is looked at then: the file that was meant goes, anything else gets its name back
 * at once. (An exchange with a placeholder would leave the placeholder to be removed, by
 * the same two steps.)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <tocsin/event.h>
#include <unistd.h>

#include "base/av_name.h"
#include "vault/av_payload.h"
#include "vault/av_unmapped.h"
#include "vault/av_vault.h"
#include "vault/av_vault_priv.h"

static int fail(char why[TC_AV_WHY], int error, const char *what)
{
    snprintf(why, TC_AV_WHY, "%s: %s", what, strerror(-error));
    return error;
}

/* A name beside the original, that nobody can have made before. */
static int make_taken_name(char ret[TC_AV_TAKEN_TEXT])
{
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return -EIO;
    snprintf(ret, TC_AV_TAKEN_TEXT, TC_AV_TAKEN_PREFIX "%016llx",
             (unsigned long long)random);
    return 0;
}

/* Gives the name back; `why` keeps why it was taken in vain. */
static int give_back(int parent, const char *name, const char *taken, int error,
                     char why[TC_AV_WHY])
{
    int r = tc_av_rename_new(parent, taken, name);

    if (r)
        snprintf(why, TC_AV_WHY, "what had the name is %s beside it now: %s", taken,
                 strerror(-r));
    return error;
}

static int remove_name(int parent, const char *name, const char *taken, uint64_t dev,
                       uint64_t ino, char why[TC_AV_WHY])
{
    if (renameat(parent, name, parent, taken))
        return fail(why, -errno,
                    errno == EPERM ? "cannot remove it (immutable?)"
                                   : "cannot remove it");
    if (!tc_av_name_is(parent, taken, dev, ino)) {
        snprintf(why, TC_AV_WHY, "another file has got its name");
        return give_back(parent, name, taken, -ESTALE, why);
    }
    if (unlinkat(parent, taken, 0)) {
        int r = fail(why, -errno, "cannot remove it");

        return give_back(parent, name, taken, r, why);
    }
    fsync(parent);
    return 0;
}

/* ---- Whether it can be done, before anything is copied ---- */

/* What is in the vault, and of it, what belonged to one user. */
struct usage {
    size_t items, user_items;
    uint64_t user_bytes;
};

static void measure(const struct tc_av_vault *vault, uid_t user, struct usage *ret)
{
    int fd = openat(vault->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;

    memset(ret, 0, sizeof(*ret));
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        if (!strstr(e->d_name, TC_AV_WHOLE))
            continue;
        ret->items++;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || st.st_uid != user)
            continue;
        ret->user_items++;
        ret->user_bytes += (uint64_t)st.st_blocks * 512;
    }
    closedir(dir);
}

static int check_room(const struct tc_av_vault *vault, const struct tc_av_record *record,
                      char why[TC_AV_WHY])
{
    uint64_t bytes = tc_av_payload_bytes(record), reserve;
    struct statvfs fs;
    struct usage usage;

    if (bytes > TC_AV_VAULT_FILE_MAX || record->size > TC_AV_HASH_MAX)
        return fail(why, -EFBIG, "larger than the quarantine takes");
    measure(vault, record->uid, &usage);
    if (usage.items >= TC_AV_VAULT_ITEMS_MAX) {
        snprintf(why, TC_AV_WHY, "the quarantine is full: it takes %d files",
                 TC_AV_VAULT_ITEMS_MAX);
        return -ENOSPC;
    }
    if (record->uid && (usage.user_items >= TC_AV_VAULT_USER_ITEMS_MAX ||
                        usage.user_bytes + bytes > TC_AV_VAULT_USER_BYTES_MAX)) {
        snprintf(why, TC_AV_WHY,
                 "the quarantine is full for user %u: it takes %d files of one, of %llu "
                 "GiB in all",
                 record->uid, TC_AV_VAULT_USER_ITEMS_MAX,
                 TC_AV_VAULT_USER_BYTES_MAX >> 30);
        return -EDQUOT;
    }
    if (fstatvfs(vault->dirfd, &fs))
        return fail(why, -errno, "the quarantine folder");
    reserve = fs.f_blocks / 20 * fs.f_frsize;
    if (reserve > TC_AV_VAULT_RESERVE_MAX)
        reserve = TC_AV_VAULT_RESERVE_MAX;
    if (bytes + reserve > fs.f_bavail * fs.f_frsize && bytes >> 20 == 0) {
        snprintf(why, TC_AV_WHY, "no room is left on the quarantine's file system");
        return -ENOSPC;
    }
    if (bytes + reserve > fs.f_bavail * fs.f_frsize) {
        snprintf(why, TC_AV_WHY,
                 "no room for its %llu MiB on the quarantine's file system",
                 (unsigned long long)(bytes >> 20));
        return -ENOSPC;
    }
    return 0;
}

int tc_av_vault_check(const struct tc_av_vault *vault, char why[TC_AV_WHY])
{
    const struct tc_av_record small = {.size = 1};
    int fd, r = check_room(vault, &small, why);

    if (r)
        return r;
    fd = openat(vault->dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) /* not every file system makes files without a name */
        return errno == EOPNOTSUPP || errno == EISDIR
                   ? 0
                   : fail(why, -errno, "no file can be made in the quarantine folder");
    if (write(fd, "", 1) != 1)
        r = fail(why, errno ? -errno : -EIO, "the quarantine folder cannot be written");
    close(fd);
    return r;
}

/* Finds what would not let the name go; what may be taken off the file is noted. */
static int check_removable(int fd, int parent, bool unlock, struct tc_av_record *record,
                           char why[TC_AV_WHY])
{
    struct statvfs fs;

    if (!fstatvfs(parent, &fs) && fs.f_flag & ST_RDONLY)
        return fail(why, -EROFS, "cannot remove it");
    if (tc_av_locks_of(parent)) {
        snprintf(why, TC_AV_WHY,
                 "its folder is immutable or append-only: chattr -ia on the folder");
        return -EPERM;
    }
    record->locks = tc_av_locks_of(fd);
    if (record->locks && !unlock) {
        snprintf(why, TC_AV_WHY,
                 "it is immutable or append-only: set plugins.av.clear_immutable, or "
                 "exclude the process chattr and take it off");
        return -EPERM;
    }
    return 0;
}

/* ---- In ---- */

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
        r = tc_av_payload_copy(record, TC_AV_MASK, fd, 0, out, payload, hash);
    /* Whose share of the vault it takes. */
    if (!r && record->uid && fchown(out, record->uid, (gid_t)-1))
        r = errno == EPERM || errno == EDQUOT ? 0 : -errno;
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

/* The original goes, if it is what was copied. */
static int remove_original(int fd, int parent, const char *name,
                           const struct tc_av_record *record, uint64_t *ret_links,
                           char why[TC_AV_WHY])
{
    struct stat st;
    int r;

    if (fstat(fd, &st) || tc_av_ns(st.st_mtim) != record->mtime_ns ||
        (uint64_t)st.st_size != record->size ||
        !tc_av_name_is(parent, name, record->dev, record->ino)) {
        snprintf(why, TC_AV_WHY, "the file has changed since it was scanned");
        return -ESTALE;
    }
    r = tc_av_locks_set(fd, record->locks, false);
    if (r)
        return fail(why, r, "cannot take its immutable attribute off");
    r = remove_name(parent, name, record->taken, record->dev, record->ino, why);
    if (r)
        (void)tc_av_locks_set(fd, record->locks, true);
    else
        *ret_links = st.st_nlink - 1;
    return r;
}

static int take_from(const struct tc_av_vault *vault, int fd, int parent,
                     const char *name, struct tc_av_record *record, bool unlock,
                     uint64_t *ret_links, char why[TC_AV_WHY])
{
    char partial[TC_AV_NAME_TEXT], whole[TC_AV_NAME_TEXT];
    int r;

    r = tc_av_record_read_file(record, fd);
    if (!r)
        r = tc_av_payload_find_holes(record, fd);
    if (r)
        return fail(why, r, "cannot read its attributes");
    r = check_removable(fd, parent, unlock, record, why);
    if (!r)
        r = check_room(vault, record, why);
    if (r)
        return r;
    r = make_taken_name(record->taken);
    if (r)
        return fail(why, r, "no random number");
    tc_av_vault_name(partial, record->id, TC_AV_PARTIAL);
    r = write_partial(vault, partial, fd, record, why);
    if (!r)
        r = remove_original(fd, parent, name, record, ret_links, why);
    if (r) {
        unlinkat(vault->dirfd, partial, 0);
        return r;
    }
    /* From here on the copy is the file: whatever happens, it stays. */
    tc_av_vault_name(whole, record->id, TC_AV_WHOLE);
    if (renameat(vault->dirfd, partial, vault->dirfd, whole) || fsync(vault->dirfd))
        return fail(why, -errno, "cannot finish the quarantine; done at the next start");
    return 0;
}

/* It has been renamed since it was seen, or was seen before it had a name. */
static int find_name(int parent, int fd, char found[NAME_MAX + 1],
                     struct tc_av_record *record, const char **name)
{
    size_t folder = (size_t)(*name - record->path);
    struct stat st;
    char *path;
    int r;

    if (fstat(fd, &st))
        return -errno;
    if (tc_av_name_is(parent, *name, st.st_dev, st.st_ino))
        return 0;
    r = tc_av_name_find(parent, st.st_dev, st.st_ino, TC_AV_NAME_MAX, found);
    if (r)
        return 0; /* what comes next says what is wrong with the name that is known */
    path = malloc(folder + strlen(found) + 1);
    if (!path)
        return -ENOMEM;
    memcpy(path, record->path, folder);
    memcpy(path + folder, found, strlen(found) + 1);
    free(record->path);
    record->path = path;
    *name = path + folder;
    return 0;
}

static int take_named(const struct tc_av_vault *vault, int fd,
                      struct tc_av_record *record, bool unlock, uint64_t *ret_links,
                      char why[TC_AV_WHY])
{
    char found[NAME_MAX + 1];
    const char *name;
    int parent, r;

    r = tc_av_open_parent(record->path, &parent, &name);
    if (r)
        return fail(why, r, "cannot open its folder");
    r = find_name(parent, fd, found, record, &name);
    if (r)
        fail(why, r, "cannot find its name");
    else
        r = take_from(vault, fd, parent, name, record, unlock, ret_links, why);
    close(parent);
    return r;
}

/* True when both were opened through the same mount, as far as the kernel says. */
static bool same_mount(int a, int b)
{
    struct statx x, y;

    return statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) ||
           statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &y) || x.stx_mnt_id == y.stx_mnt_id;
}

/* Replaces the path in the record, and the folder, by the way without a mapping. */
static bool go_unmapped(const struct stat *st, struct tc_av_record *record, int *parent,
                        const char **name)
{
    char path[PATH_MAX], *copy;
    const char *other_name;
    int other;

    if (!tc_av_unmapped(*parent, record->path, path, sizeof(path)) ||
        !(copy = strdup(path)))
        return false;
    if (tc_av_open_parent(copy, &other, &other_name)) {
        free(copy);
        return false;
    }
    if (!tc_av_name_is(other, other_name, st->st_dev, st->st_ino)) {
        close(other);
        free(copy);
        return false;
    }
    free(record->path);
    record->path = copy;
    close(*parent);
    *parent = other;
    *name = other_name;
    return true;
}

/*
 * Met through a mount that maps owners, or another namespace's, which may, the file is
 * opened anew, by the agent's own way and without a mapping if there is one: so it has
 * the owner that its file system knows, and goes back that way. -1: as it is, or no way.
 */
static int open_own(int fd, struct tc_av_record *record)
{
    const char *name;
    int parent, own = -1;
    struct stat st, now;

    if (fstat(fd, &st) || tc_av_open_parent(record->path, &parent, &name))
        return -1;
    if ((go_unmapped(&st, record, &parent, &name) || !same_mount(fd, parent)) &&
        tc_av_name_is(parent, name, st.st_dev, st.st_ino))
        own = tc_av_open_quiet(parent, name);
    close(parent);
    if (own >= 0 &&
        (fstat(own, &now) || now.st_dev != st.st_dev || now.st_ino != st.st_ino)) {
        close(own);
        own = -1;
    }
    return own < 0 ? -1 : own;
}

int tc_av_vault_take(const struct tc_av_vault *vault, int fd, struct tc_av_record *record,
                     bool unlock, uint64_t *ret_links, char why[TC_AV_WHY])
{
    char path[PATH_MAX];
    int own, r;

    r = record->path ? 0 : tc_av_fd_path(fd, path, sizeof(path));
    if (r)
        return fail(why, r, "cannot find its path");
    if (!record->path && !(record->path = strdup(path)))
        return fail(why, -ENOMEM, "quarantine");
    own = open_own(fd, record);
    r = take_named(vault, own >= 0 ? own : fd, record, unlock, ret_links, why);
    if (own >= 0)
        close(own);
    return r;
}

/* Notes a further path, and the name that it is about to be taken by. */
static int note_link(const struct tc_av_vault *vault, const char *id, const char *path,
                     const char *taken)
{
    struct tc_av_record record = {.id = ""};
    char name[TC_AV_NAME_TEXT];
    struct tocsin_writer w;
    bool known = false;
    int r = tc_av_vault_read_links(vault, id, &record);

    for (size_t i = 0; !r && i < record.links_n; i++)
        known = known || !strcmp(record.links[i], path);
    if (!r && !known)
        r = tc_av_record_add_link(&record, path, strlen(path));
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_array(&w, "paths");
    for (size_t i = 0; i < record.links_n; i++)
        tocsin_put_str(&w, NULL, record.links[i]);
    tocsin_end(&w);
    tocsin_put_str(&w, "taking", path);
    tocsin_put_str(&w, "taken", taken);
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
    char whole[TC_AV_NAME_TEXT], taken[TC_AV_TAKEN_TEXT];
    const char *name;
    int parent, r;

    tc_av_vault_name(whole, id, TC_AV_WHOLE);
    if (faccessat(vault->dirfd, whole, F_OK, 0))
        return fail(why, -ENOENT, "its content is no longer in quarantine");
    r = tc_av_open_parent(path, &parent, &name);
    if (r)
        return fail(why, r, "cannot open its folder");
    if (faccessat(parent, name, F_OK, AT_SYMLINK_NOFOLLOW) && errno == ENOENT) {
        r = 0; /* gone: it was the one in the vault, seen by another way */
    } else if (!tc_av_name_is(parent, name, dev, ino)) {
        snprintf(why, TC_AV_WHY, "the name belongs to another file now");
        r = -ESTALE;
    } else if ((r = make_taken_name(taken)) || (r = note_link(vault, id, path, taken))) {
        fail(why, r, "cannot note the further path");
    } else {
        r = remove_name(parent, name, taken, dev, ino, why);
    }
    close(parent);
    return r;
}
