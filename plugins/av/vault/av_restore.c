/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the way out of the vault; av_vault.h gives the order of its steps. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>
#include <unistd.h>

#include "base/av_lists.h"
#include "vault/av_payload.h"
#include "vault/av_vault.h"
#include "vault/av_vault_priv.h"

#define NOTE_BYTES_MAX (PATH_MAX + 256)

/* One restore under way. */
struct out {
    const struct tc_av_vault *vault;
    struct tc_av_record record;
    uint64_t payload;
    const char *to, *name; /* the target; its last part */
    int vault_fd, parent, fd;
    char temp[sizeof(TC_AV_TEMP_PREFIX) + TC_AV_ID_TEXT];
    char *why, *left;
};

static int fail(struct out *out, int error, const char *what)
{
    snprintf(out->why, TC_AV_WHY, "%s: %s", what, strerror(-error));
    return error;
}

static void temp_name(char *ret, size_t cap, const char *id)
{
    snprintf(ret, cap, TC_AV_TEMP_PREFIX "%s", id);
}

/* Notes durably where the file goes, and as which inode (0: it is not there yet). */
static int note(struct out *out, uint64_t ino)
{
    uint8_t buf[NOTE_BYTES_MAX];
    char name[TC_AV_NAME_TEXT];
    struct tocsin_writer w;

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "path", out->to);
    tocsin_put_uint(&w, "inode", ino);
    tocsin_end(&w);
    tc_av_vault_name(name, out->record.id, TC_AV_RESTORING);
    return w.error ? w.error : tc_av_write_durable(out->vault->dirfd, name, w.buf, w.len);
}

static int write_temp(struct out *out)
{
    uint8_t hash[TC_AV_HASH_BYTES];
    struct stat st;
    int r;

    out->fd = openat(out->parent, out->temp,
                     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);
    if (out->fd < 0)
        return fail(out, -errno, "cannot write to the target's folder");
    r = tc_av_payload_copy(&out->record, TC_AV_UNMASK, out->vault_fd, out->payload,
                           out->fd, 0, hash);
    if (r)
        return fail(out, r, "cannot write the file");
    if (memcmp(hash, out->record.hash, sizeof(hash))) {
        snprintf(out->why, TC_AV_WHY, "the quarantined copy is damaged");
        return -EBADMSG;
    }
    r = tc_av_record_apply(&out->record, out->fd, out->left);
    if (r)
        return fail(out, r, "cannot give it its owner, mode and attributes");
    if (fsync(out->fd) || fstat(out->fd, &st))
        return fail(out, -errno, "cannot write the file");
    r = note(out, st.st_ino);
    return r ? fail(out, r, "cannot write to the quarantine folder") : 0;
}

static int put_in_place(struct out *out, bool overwrite)
{
    int r;

    if (!overwrite)
        r = tc_av_rename_new(out->parent, out->temp, out->name);
    else
        r = renameat(out->parent, out->temp, out->parent, out->name) ? -errno : 0;
    if (r)
        return fail(out, r, out->to);
    if (fsync(out->parent))
        return fail(out, -errno, "cannot write the target's folder");
    return 0;
}

static int start(struct out *out, const struct tc_av_restore *restore)
{
    char name[TC_AV_NAME_TEXT];
    struct stat st;
    int r;

    tc_av_vault_name(name, restore->id, TC_AV_WHOLE);
    r = tc_av_vault_open_file(out->vault, name, &out->record, &out->payload,
                              &out->vault_fd);
    if (r)
        return fail(out, r, restore->id);
    out->to = restore->to ? restore->to : out->record.path;
    temp_name(out->temp, sizeof(out->temp), restore->id);
    r = tc_av_open_parent(out->to, &out->parent, &out->name);
    if (r)
        return fail(out, r, "cannot open the target's folder");
    if (!fstatat(out->parent, out->name, &st, AT_SYMLINK_NOFOLLOW) &&
        (!restore->overwrite || S_ISDIR(st.st_mode)))
        return fail(out, -EEXIST, out->to);
    r = note(out, 0);
    return r ? fail(out, r, "cannot write to the quarantine folder") : 0;
}

int tc_av_vault_restore(const struct tc_av_vault *vault,
                        const struct tc_av_restore *restore,
                        struct tc_av_record *ret_record, char ret_left[TC_AV_LEFT],
                        char why[TC_AV_WHY])
{
    char left[TC_AV_LEFT] = "";
    struct out out = {
        .vault = vault, .vault_fd = -1, .parent = -1, .fd = -1, .why = why, .left = left};
    struct tc_av_record moved = {.id = ""};
    bool restored = false;
    int r, finished;

    r = start(&out, restore);
    if (!r)
        r = write_temp(&out);
    if (!r && (r = tc_av_lists_append(restore->own_dirfd, restore->own, out.record.hash,
                                      out.record.name)))
        fail(&out, r, "cannot add it to the list of allowed files");
    if (!r)
        r = put_in_place(&out, restore->overwrite);
    /* The end of a restore and the clearing up after a failed or crashed one are the
     * same code, so that it is well tested. */
    if (out.parent >= 0) {
        finished =
            tc_av_vault_finish_restore(vault, restore->id, &restored, &moved, left);
        if (!r && finished)
            r = fail(&out, finished, "cannot finish");
        else if (!r && !restored)
            r = fail(&out, -ESTALE, "something else has its name already");
    }
    if (out.vault_fd >= 0)
        close(out.vault_fd);
    if (out.fd >= 0)
        close(out.fd);
    if (out.parent >= 0)
        close(out.parent);
    tc_av_record_done(&out.record);
    if (r) {
        tc_av_record_done(&moved);
        return r;
    }
    *ret_record = moved;
    memcpy(ret_left, left, sizeof(left));
    return 0;
}

static void unlink_temp(const char *target, const char *id)
{
    char temp[sizeof(TC_AV_TEMP_PREFIX) + TC_AV_ID_TEXT];
    const char *name;
    int parent;

    if (tc_av_open_parent(target, &parent, &name))
        return;
    temp_name(temp, sizeof(temp), id);
    unlinkat(parent, temp, 0);
    close(parent);
}

/* One of its other names; what has it already stays. */
static int link_to(int target, const char *target_name, const struct stat *st,
                   const char *path)
{
    struct stat now;
    const char *name;
    int parent, r = tc_av_open_parent(path, &parent, &name);

    if (r)
        return r;
    r = linkat(target, target_name, parent, name, 0) ? -errno : 0;
    if (r == -EEXIST && !fstatat(parent, name, &now, AT_SYMLINK_NOFOLLOW) &&
        now.st_ino == st->st_ino && now.st_dev == st->st_dev)
        r = 0; /* a restore that a crash had cut off made it */
    if (!r && fsync(parent))
        r = -errno;
    close(parent);
    return r;
}

/* What comes after the first name: the others, when it is back where it was, and the
 * attributes that forbid all of this. */
static int complete(const struct tc_av_record *record, const char *target,
                    char left[TC_AV_LEFT])
{
    bool in_place = !strcmp(target, record->path);
    char text[PATH_MAX + 64];
    const char *name;
    struct stat st;
    int parent, fd, r;

    if (!record->links_n && !record->locks)
        return 0;
    r = tc_av_open_parent(target, &parent, &name);
    if (r)
        return r;
    fd = tc_av_open_quiet(parent, name);
    r = fd < 0 ? fd : fstat(fd, &st) ? -errno : 0;
    for (size_t i = 0; !r && i < record->links_n; i++) {
        int e = in_place ? link_to(parent, name, &st, record->links[i]) : 0;

        if (!in_place || e) {
            snprintf(text, sizeof(text), "its name %s%s%s", record->links[i],
                     e ? ": " : "", e ? strerror(-e) : "");
            tc_av_left_add(left, text);
        }
    }
    if (!r && tc_av_locks_set(fd, record->locks, true))
        tc_av_left_add(left, "immutable attribute");
    if (fd >= 0)
        close(fd);
    close(parent);
    return r;
}

int tc_av_vault_finish_restore(const struct tc_av_vault *vault, const char *id,
                               bool *ret_restored, struct tc_av_record *ret_record,
                               char left[TC_AV_LEFT])
{
    char name[TC_AV_NAME_TEXT], *data = NULL, *target = NULL;
    struct tc_av_record record = {.id = ""};
    struct tocsin_str path;
    bool restored = false;
    size_t len;
    int r;

    tc_av_vault_name(name, id, TC_AV_RESTORING);
    r = tc_av_read_whole(vault->dirfd, name, NOTE_BYTES_MAX, &data, &len);
    if (r)
        return r == -ENOENT ? 0 : r;
    path = tocsin_find_str(data, len, "path");
    target = path.ptr ? strndup(path.ptr, path.len) : NULL;
    if (!target) {
        r = -EBADMSG;
        goto out;
    }
    r = tc_av_vault_find(vault, id, &record);
    if (!r) {
        r = tc_av_vault_is_there(target, (uint64_t)tocsin_find_int(data, len, "inode", 0),
                                 &record, &restored);
        if (!r && restored)
            r = complete(&record, target, left);
        if (!r && restored)
            r = tc_av_vault_remove(vault, id);
    } else if (r == -ENOENT) {
        r = 0; /* the crash came between the last two steps */
    }
    if (r)
        goto out;
    unlink_temp(target, id);
    if (unlinkat(vault->dirfd, name, 0) || fsync(vault->dirfd))
        r = -errno;
    free(record.path);
    record.path = target;
    target = NULL;
out:
    free(data);
    free(target);
    if (r || !restored)
        tc_av_record_done(&record);
    else
        *ret_record = record;
    *ret_restored = !r && restored;
    return r;
}
