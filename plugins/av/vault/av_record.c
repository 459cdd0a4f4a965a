/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/av_record.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <tocsin/event.h>
#include <unistd.h>

#define MAGIC "TOCSINQ1"
#define MAGIC_BYTES 8
#define HEAD_BYTES (MAGIC_BYTES + 4)
#define COPY_CHUNK (256 * 1024)

void tc_av_record_done(struct tc_av_record *record)
{
    for (size_t i = 0; i < record->links_n; i++)
        free(record->links[i]);
    for (size_t i = 0; i < record->xattrs_n; i++) {
        free(record->xattrs[i].name);
        free(record->xattrs[i].value);
    }
    free(record->links);
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

int tc_av_record_apply(const struct tc_av_record *record, int fd)
{
    struct timespec times[2] = {timespec_of(record->atime_ns),
                                timespec_of(record->mtime_ns)};

    /* chown takes away set-id bits and capabilities, so those come after it; setting
     * attributes changes no time that utimes sets. */
    if (fchown(fd, record->uid, record->gid) || fchmod(fd, (mode_t)record->mode))
        return -errno;
    for (size_t i = 0; i < record->xattrs_n; i++) {
        const struct tc_av_xattr *x = &record->xattrs[i];

        if (fsetxattr(fd, x->name, x->value, x->len, 0))
            return -errno;
    }
    return futimens(fd, times) ? -errno : 0;
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

static int decode(struct tc_av_record *record, const void *data, size_t len)
{
    struct tocsin_str path = tocsin_find_str(data, len, "path");
    struct tocsin_str hash = tocsin_find_str(data, len, "sha256");

    get_text(data, len, "id", record->id, sizeof(record->id));
    get_text(data, len, "rule", record->rule, sizeof(record->rule));
    get_text(data, len, "name", record->name, sizeof(record->name));
    get_text(data, len, "severity", record->severity, sizeof(record->severity));
    get_text(data, len, "taken", record->taken, sizeof(record->taken));
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
    return decode_xattrs(record, data, len);
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

/* The mask repeats every 256 blocks of 32 bytes; the block's number is mixed in so that a
 * run of zeros does not lay it open as one pattern. */
static void mask(const uint8_t key[TC_AV_HASH_BYTES], uint8_t *p, size_t n,
                 uint64_t offset)
{
    for (size_t i = 0; i < n; i++, offset++)
        p[i] ^= key[offset % TC_AV_HASH_BYTES] ^ (uint8_t)(offset / TC_AV_HASH_BYTES);
}

int tc_av_record_copy(const struct tc_av_record *record, enum tc_av_mask direction,
                      int from, uint64_t from_offset, int to, uint64_t to_offset,
                      uint8_t ret_hash[TC_AV_HASH_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t *buf = malloc(COPY_CHUNK), key[TC_AV_HASH_BYTES];
    int r = tc_av_hash_mem(record->id, strlen(record->id), key);

    if (!ctx || !buf || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
        r = -ENOMEM;
    for (uint64_t done = 0; !r && done < record->size;) {
        uint64_t left = record->size - done;
        size_t n = left < COPY_CHUNK ? (size_t)left : COPY_CHUNK;

        r = tc_av_pread_all(from, buf, n, from_offset + done);
        if (r)
            break;
        if (direction == TC_AV_UNMASK)
            mask(key, buf, n, done);
        EVP_DigestUpdate(ctx, buf, n);
        if (direction == TC_AV_MASK)
            mask(key, buf, n, done);
        if (to >= 0)
            r = tc_av_pwrite_all(to, buf, n, to_offset + done);
        done += n;
    }
    if (!r)
        r = EVP_DigestFinal_ex(ctx, ret_hash, NULL) ? 0 : -EIO;
    EVP_MD_CTX_free(ctx);
    free(buf);
    return r;
}

int tc_av_record_verify(const struct tc_av_record *record, int fd, uint64_t payload)
{
    uint8_t hash[TC_AV_HASH_BYTES];
    int r = tc_av_record_copy(record, TC_AV_UNMASK, fd, payload, -1, 0, hash);

    return r ? r : memcmp(hash, record->hash, sizeof(hash)) ? -EBADMSG : 0;
}
