/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/av_record.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <tocsin/event.h>
#include <unistd.h>

#define MAGIC "TOCSINQ1"
#define MAGIC_BYTES 8
#define HEAD_BYTES (MAGIC_BYTES + 4)

bool tc_av_taken_valid(const char *name)
{
    size_t n = sizeof(TC_AV_TAKEN_PREFIX) - 1;

    return !strncmp(name, TC_AV_TAKEN_PREFIX, n) && strlen(name) == n + 16 &&
           strspn(name + n, "0123456789abcdef") == 16;
}

void tc_av_record_done(struct tc_av_record *record)
{
    for (size_t i = 0; i < record->links_n; i++)
        free(record->links[i]);
    for (size_t i = 0; i < record->xattrs_n; i++) {
        free(record->xattrs[i].name);
        free(record->xattrs[i].value);
    }
    free(record->links);
    free(record->holes);
    free(record->xattrs);
    free(record->path);
    memset(record, 0, sizeof(*record));
}

int tc_av_record_add_link(struct tc_av_record *record, const char *path, size_t len)
{
    char **grown;

    if (record->links_n == TC_AV_LINKS_MAX)
        return -ENOSPC;
    grown = realloc(record->links, (record->links_n + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    record->links = grown;
    grown[record->links_n] = strndup(path, len);
    if (!grown[record->links_n])
        return -ENOMEM;
    record->links_n++;
    return 0;
}

static int add_xattr(struct tc_av_record *record, const char *name, size_t name_len,
                     const void *value, size_t len)
{
    struct tc_av_xattr *grown, *x;

    if (record->xattrs_n == TC_AV_XATTRS_MAX)
        return -E2BIG;
    grown = realloc(record->xattrs, (record->xattrs_n + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    record->xattrs = grown;
    x = &grown[record->xattrs_n];
    *x = (struct tc_av_xattr){
        .name = strndup(name, name_len), .value = malloc(len + 1), .len = len};
    if (!x->name || !x->value) {
        free(x->name);
        free(x->value);
        return -ENOMEM;
    }
    memcpy(x->value, value, len);
    record->xattrs_n++;
    return 0;
}

static int read_xattrs(struct tc_av_record *record, int fd)
{
    char *names = malloc(XATTR_LIST_MAX), *value = malloc(XATTR_SIZE_MAX);
    ssize_t n, len;
    int r = -ENOMEM;

    if (!names || !value)
        goto out;
    n = flistxattr(fd, names, XATTR_LIST_MAX);
    r = n < 0 && errno != ENOTSUP ? -errno : 0;
    for (char *p = names; !r && p < names + n; p += strlen(p) + 1) {
        len = fgetxattr(fd, p, value, XATTR_SIZE_MAX);
        if (len >= 0)
            r = add_xattr(record, p, strlen(p), value, (size_t)len);
        else if (errno != ENODATA) /* gone since it was listed */
            r = -errno;
    }
out:
    free(names);
    free(value);
    return r;
}

int tc_av_record_read_file(struct tc_av_record *record, int fd)
{
    struct stat st;

    if (fstat(fd, &st))
        return -errno;
    record->uid = st.st_uid;
    record->gid = st.st_gid;
    record->mode = st.st_mode & 07777;
    record->atime_ns = tc_av_ns(st.st_atim);
    record->mtime_ns = tc_av_ns(st.st_mtim);
    record->dev = st.st_dev;
    record->ino = st.st_ino;
    record->size = (uint64_t)st.st_size;
    return read_xattrs(record, fd);
}

static struct timespec timespec_of(int64_t ns)
{
    struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    if (ts.tv_nsec < 0) {
        ts.tv_nsec += 1000000000;
        ts.tv_sec--;
    }
    return ts;
}

void tc_av_left_add(char left[TC_AV_LEFT], const char *what)
{
    size_t n = strlen(left);

    snprintf(left + n, TC_AV_LEFT - n, "%s%s", n ? ", " : "", what);
}

/* What a file system says that cannot hold it, or will not from us: vfat, FUSE, ramfs, a
 * mount that maps ids. Anything else is a failure. */
static int cannot_hold(int error)
{
    switch (error) {
    case EPERM:
    case EACCES:
    case EOPNOTSUPP:
    case ENOSYS:
    case EINVAL:
    case EOVERFLOW:
    case ERANGE:
    case E2BIG:
        return 0;
    default:
        return -error;
    }
}

static int apply_xattrs(const struct tc_av_record *record, int fd, char left[TC_AV_LEFT])
{
    int r = 0;

    for (size_t i = 0; !r && i < record->xattrs_n; i++) {
        const struct tc_av_xattr *x = &record->xattrs[i];

        if (!fsetxattr(fd, x->name, x->value, x->len, 0))
            continue;
        r = cannot_hold(errno);
        if (!r)
            tc_av_left_add(left, x->name);
    }
    return r;
}

int tc_av_record_apply(const struct tc_av_record *record, int fd, char left[TC_AV_LEFT])
{
    struct timespec times[2] = {timespec_of(record->atime_ns),
                                timespec_of(record->mtime_ns)};
    mode_t mode = (mode_t)record->mode;
    struct stat st;
    int r = 0;

    /* chown takes away set-id bits and capabilities, so those come after it; setting
     * attributes changes no time that utimes sets. */
    if (fchown(fd, record->uid, record->gid))
        r = cannot_hold(errno);
    if (!r && fstat(fd, &st))
        r = -errno;
    if (r)
        return r;
    if (st.st_uid != record->uid || st.st_gid != record->gid) {
        tc_av_left_add(left, "owner");
        mode &= 01777; /* of the agent now: it must not be run in its name */
    }
    if (fchmod(fd, mode))
        r = cannot_hold(errno);
    if (!r)
        r = apply_xattrs(record, fd, left);
    if (!r && futimens(fd, times)) {
        r = cannot_hold(errno);
        if (!r)
            tc_av_left_add(left, "times");
    }
    if (!r && fstat(fd, &st))
        r = -errno;
    if (!r && (st.st_mode & 07777) != record->mode)
        tc_av_left_add(left, "mode");
    return r;
}

static void encode(const struct tc_av_record *record, struct tocsin_writer *w)
{
    tocsin_begin_map(w, NULL);
    tocsin_put_str(w, "id", record->id);
    tocsin_put_str(w, "path", record->path);
    tocsin_put_uint(w, "uid", record->uid);
    tocsin_put_uint(w, "gid", record->gid);
    tocsin_put_uint(w, "mode", record->mode);
    tocsin_put_int(w, "atime_ns", record->atime_ns);
    tocsin_put_int(w, "mtime_ns", record->mtime_ns);
    tocsin_put_int(w, "time_ns", record->time_ns);
    tocsin_put_uint(w, "device", record->dev);
    tocsin_put_uint(w, "inode", record->ino);
    tocsin_put_uint(w, "size", record->size);
    tocsin_put_bin(w, "sha256", record->hash, sizeof(record->hash));
    tocsin_put_str(w, "rule", record->rule);
    tocsin_put_str(w, "name", record->name);
    tocsin_put_str(w, "severity", record->severity);
    tocsin_put_str(w, "taken", record->taken);
    tocsin_put_uint(w, "locks", record->locks);
    tocsin_begin_array(w, "holes");
    for (size_t i = 0; i < record->holes_n; i++) {
        tocsin_put_uint(w, NULL, record->holes[i].at);
        tocsin_put_uint(w, NULL, record->holes[i].len);
    }
    tocsin_end(w);
    tocsin_begin_array(w, "xattrs");
    for (size_t i = 0; i < record->xattrs_n; i++) {
        tocsin_begin_map(w, NULL);
        tocsin_put_str(w, "name", record->xattrs[i].name);
        tocsin_put_bin(w, "value", record->xattrs[i].value, record->xattrs[i].len);
        tocsin_end(w);
    }
    tocsin_end(w);
    tocsin_end(w);
}

int tc_av_record_write(const struct tc_av_record *record, int fd, uint64_t *ret_payload)
{
    struct tocsin_writer w;
    uint8_t head[HEAD_BYTES] = MAGIC;
    int r;

    tocsin_writer_init_growing(&w);
    encode(record, &w);
    r = w.error;
    if (!r && w.len > TC_AV_RECORD_BYTES_MAX)
        r = -E2BIG;
    for (int i = 0; i < 4; i++)
        head[MAGIC_BYTES + i] = (uint8_t)(w.len >> (24 - 8 * i));
    if (!r)
        r = tc_av_pwrite_all(fd, head, sizeof(head), 0);
    if (!r)
        r = tc_av_pwrite_all(fd, w.buf, w.len, sizeof(head));
    if (!r)
        *ret_payload = sizeof(head) + w.len;
    tocsin_writer_done(&w);
    return r;
}

static void get_text(const void *data, size_t len, const char *key, char *ret, size_t cap)
{
    struct tocsin_str s = tocsin_find_str(data, len, key);

    snprintf(ret, cap, "%.*s", (int)s.len, s.ptr ? s.ptr : "");
}

static int decode_xattrs(struct tc_av_record *record, const void *data, size_t len)
{
    struct tocsin_value list, entry;
    struct tocsin_iter it;
    int r = 0;

    if (!tocsin_find(data, len, "xattrs", &list))
        return 0;
    tocsin_iter_init(&it, &list);
    while (!r && tocsin_iter_next(&it, NULL, &entry)) {
        size_t n = tocsin_value_size(&entry);
        struct tocsin_str name = tocsin_find_str(entry.start, n, "name");
        struct tocsin_str value = tocsin_find_str(entry.start, n, "value");

        r = name.ptr && value.ptr
                ? add_xattr(record, name.ptr, name.len, value.ptr, value.len)
                : -EBADMSG;
    }
    return r;
}

int tc_av_record_add_hole(struct tc_av_record *record, uint64_t at, uint64_t len)
{
    struct tc_av_hole *grown;

    if (record->holes_n == TC_AV_HOLES_MAX)
        return -ENOSPC;
    grown = realloc(record->holes, (record->holes_n + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    record->holes = grown;
    grown[record->holes_n++] = (struct tc_av_hole){.at = at, .len = len};
    return 0;
}

/* They lie in the file, one after the other. */
static int decode_holes(struct tc_av_record *record, const void *data, size_t len)
{
    struct tocsin_value list, at, n;
    struct tocsin_iter it;
    uint64_t end = 0;
    int r = 0;

    if (!tocsin_find(data, len, "holes", &list))
        return 0;
    tocsin_iter_init(&it, &list);
    while (!r && tocsin_iter_next(&it, NULL, &at)) {
        if (!tocsin_iter_next(&it, NULL, &n) || at.type != TOCSIN_UINT ||
            n.type != TOCSIN_UINT || at.u < end || at.u > record->size ||
            n.u > record->size - at.u)
            return -EBADMSG;
        end = at.u + n.u;
        r = tc_av_record_add_hole(record, at.u, n.u);
    }
    return r == -ENOSPC ? -EBADMSG : r;
}

static int decode(struct tc_av_record *record, const void *data, size_t len)
{
    struct tocsin_str path = tocsin_find_str(data, len, "path");
    struct tocsin_str hash = tocsin_find_str(data, len, "sha256");
    int r;

    get_text(data, len, "id", record->id, sizeof(record->id));
    get_text(data, len, "rule", record->rule, sizeof(record->rule));
    get_text(data, len, "name", record->name, sizeof(record->name));
    get_text(data, len, "severity", record->severity, sizeof(record->severity));
    get_text(data, len, "taken", record->taken, sizeof(record->taken));
    if (!tc_av_taken_valid(record->taken))
        record->taken[0] = 0;
    if (!path.ptr || hash.len != sizeof(record->hash) ||
        !tc_av_id_valid(record->id, strlen(record->id)))
        return -EBADMSG;
    memcpy(record->hash, hash.ptr, sizeof(record->hash));
    record->path = strndup(path.ptr, path.len);
    if (!record->path)
        return -ENOMEM;
    record->uid = (uint32_t)tocsin_find_int(data, len, "uid", 0);
    record->gid = (uint32_t)tocsin_find_int(data, len, "gid", 0);
    record->mode = (uint32_t)tocsin_find_int(data, len, "mode", 0);
    record->atime_ns = tocsin_find_int(data, len, "atime_ns", 0);
    record->mtime_ns = tocsin_find_int(data, len, "mtime_ns", 0);
    record->time_ns = tocsin_find_int(data, len, "time_ns", 0);
    record->dev = (uint64_t)tocsin_find_int(data, len, "device", 0);
    record->ino = (uint64_t)tocsin_find_int(data, len, "inode", 0);
    record->size = (uint64_t)tocsin_find_int(data, len, "size", 0);
    record->locks = (uint32_t)tocsin_find_int(data, len, "locks", 0);
    r = decode_holes(record, data, len);
    return r ? r : decode_xattrs(record, data, len);
}

int tc_av_record_load(int fd, struct tc_av_record *ret_record, uint64_t *ret_payload)
{
    struct tc_av_record record = {.id = ""};
    uint8_t head[HEAD_BYTES], *buf = NULL;
    struct stat st;
    uint32_t len = 0;
    int r;

    if (fstat(fd, &st))
        return -EIO;
    if (st.st_size < HEAD_BYTES)
        return -EBADMSG;
    r = tc_av_pread_all(fd, head, sizeof(head), 0);
    if (!r && memcmp(head, MAGIC, MAGIC_BYTES))
        r = -EBADMSG;
    for (int i = 0; !r && i < 4; i++)
        len = len << 8 | head[MAGIC_BYTES + i];
    if (!r && (len > TC_AV_RECORD_BYTES_MAX || len > st.st_size - HEAD_BYTES))
        r = -EBADMSG;
    if (!r)
        r = (buf = malloc(len + 1u)) ? 0 : -ENOMEM;
    if (!r)
        r = tc_av_pread_all(fd, buf, len, sizeof(head));
    if (!r)
        r = decode(&record, buf, len);
    if (!r && (uint64_t)st.st_size != sizeof(head) + len + record.size)
        r = -EBADMSG;
    free(buf);
    if (r) {
        tc_av_record_done(&record);
        return r;
    }
    *ret_record = record;
    *ret_payload = sizeof(head) + len;
    return 0;
}
