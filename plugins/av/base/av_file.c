/* SPDX-License-Identifier: Apache-2.0 */
#include "base/av_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HASH_CHUNK (256 * 1024)

int64_t tc_av_ns(struct timespec ts)
{
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct tc_av_key tc_av_key_of(const struct stat *st)
{
    return (struct tc_av_key){.dev = st->st_dev,
                              .ino = st->st_ino,
                              .size = (uint64_t)st->st_size,
                              .ctime_ns = tc_av_ns(st->st_ctim)};
}

bool tc_av_key_same(const struct tc_av_key *a, const struct tc_av_key *b)
{
    return a->ino == b->ino && a->dev == b->dev && a->ctime_ns == b->ctime_ns &&
           a->size == b->size;
}

void tc_av_hash_text(const uint8_t hash[TC_AV_HASH_BYTES], char ret[TC_AV_HASH_TEXT])
{
    for (size_t i = 0; i < TC_AV_HASH_BYTES; i++)
        snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool tc_av_hash_read(const char *text, size_t len, uint8_t ret[TC_AV_HASH_BYTES])
{
    uint8_t hash[TC_AV_HASH_BYTES];

    if (len != TC_AV_HASH_TEXT - 1)
        return false;
    for (size_t i = 0; i < sizeof(hash); i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        hash[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(ret, hash, sizeof(hash));
    return true;
}

int tc_av_hash_mem(const void *data, size_t len, uint8_t ret[TC_AV_HASH_BYTES])
{
    return EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL) ? 0 : -ENOMEM;
}

int tc_av_hash_fd(int fd, uint64_t offset, uint64_t len, uint8_t ret[TC_AV_HASH_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t *buf = malloc(HASH_CHUNK);
    int r = -ENOMEM;

    if (!ctx || !buf || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
        goto out;
    while (len) {
        size_t n = len < HASH_CHUNK ? (size_t)len : HASH_CHUNK;

        r = tc_av_pread_all(fd, buf, n, offset);
        if (r)
            goto out;
        EVP_DigestUpdate(ctx, buf, n);
        offset += n;
        len -= n;
    }
    r = EVP_DigestFinal_ex(ctx, ret, NULL) ? 0 : -EIO;
out:
    EVP_MD_CTX_free(ctx);
    free(buf);
    return r;
}

int tc_av_id_of(const struct tc_av_key *key, const uint8_t hash[TC_AV_HASH_BYTES],
                char ret[TC_AV_ID_TEXT])
{
    uint64_t identity[3] = {key->dev, key->ino, (uint64_t)key->ctime_ns};
    uint8_t bytes[sizeof(identity) + TC_AV_HASH_BYTES], b[TC_AV_HASH_BYTES];
    int r;

    memcpy(bytes, identity, sizeof(identity));
    memcpy(bytes + sizeof(identity), hash, TC_AV_HASH_BYTES);
    r = tc_av_hash_mem(bytes, sizeof(bytes), b);
    if (r)
        return r;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x80); /* RFC 9562, 5.8 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(ret, TC_AV_ID_TEXT,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
             b[13], b[14], b[15]);
    return 0;
}

bool tc_av_id_valid(const char *text, size_t len)
{
    if (len != TC_AV_ID_TEXT - 1)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : digit(text[i]) < 0)
            return false;
    }
    return true;
}

int tc_av_open_parent(const char *path, int *ret_dirfd, const char **ret_name)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    const char *slash = strrchr(path, '/');
    char *folder;
    long fd;

    if (path[0] != '/' || !slash[1] || !strcmp(slash, "/.") || !strcmp(slash, "/.."))
        return -EINVAL;
    folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (!folder)
        return -ENOMEM;
    /* Readable, not O_PATH: the same descriptor is fsynced after the name has changed. */
    fd = syscall(SYS_openat2, AT_FDCWD, folder, &how, sizeof(how));
    if (fd < 0)
        fd = -errno;
    free(folder);
    if (fd < 0)
        return (int)fd;
    *ret_dirfd = (int)fd;
    *ret_name = slash + 1;
    return 0;
}

int tc_av_open_quiet(int dirfd, const char *name)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = openat(dirfd, name, flags | O_NOATIME);

    if (fd < 0 && errno == EPERM) /* of others' files, without CAP_FOWNER */
        fd = openat(dirfd, name, flags);
    return fd < 0 ? -errno : fd;
}

/* The kernel reads and writes an int, whatever the request's name says. */
uint32_t tc_av_locks_of(int fd)
{
    int flags = 0;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
        return 0;
    return (uint32_t)flags & (FS_IMMUTABLE_FL | FS_APPEND_FL);
}

int tc_av_locks_set(int fd, uint32_t locks, bool on)
{
    int flags = 0;

    if (!locks)
        return 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
        return -errno;
    flags = on ? flags | (int)locks : flags & ~(int)locks;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) ? -errno : 0;
}

bool tc_av_is_absence(int error)
{
    return error == -ENOENT || error == -ENOTDIR || error == -ELOOP ||
           error == -ENXIO; /* a socket */
}

int tc_av_rename_new(int dirfd, const char *from, const char *to)
{
    struct stat st;

    if (!renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE))
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    /* A file system that cannot rename so can link: that never replaces either. */
    if (!linkat(dirfd, from, dirfd, to, 0))
        return unlinkat(dirfd, from, 0) ? -errno : 0;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
        return -errno;
    if (!fstatat(dirfd, to, &st, AT_SYMLINK_NOFOLLOW))
        return -EEXIST;
    return errno != ENOENT || renameat(dirfd, from, dirfd, to) ? -errno : 0;
}

/* The errno of a transfer, as ours. */
static int transfer_error(void)
{
    return errno == EBADMSG ? -EIO : -errno;
}

int tc_av_pread_all(int fd, void *buf, size_t n, uint64_t offset)
{
    char *p = buf;

    while (n) {
        ssize_t got = pread(fd, p, n, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? transfer_error() : -EIO;
        p += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return 0;
}

int tc_av_pwrite_all(int fd, const void *buf, size_t n, uint64_t offset)
{
    const char *p = buf;

    while (n) {
        ssize_t put = pwrite(fd, p, n, (off_t)offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return transfer_error();
        p += put;
        n -= (size_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

int tc_av_write_durable(int dirfd, const char *name, const void *data, size_t len)
{
    char temp[NAME_MAX + 1];
    int fd, r;

    if (snprintf(temp, sizeof(temp), "%s.new", name) >= (int)sizeof(temp))
        return -ENAMETOOLONG;
    fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = tc_av_pwrite_all(fd, data, len, 0);
    if (!r && fsync(fd))
        r = -errno;
    close(fd);
    if (!r && renameat(dirfd, temp, dirfd, name))
        r = -errno;
    if (r)
        unlinkat(dirfd, temp, 0);
    else if (fsync(dirfd))
        r = -errno;
    return r;
}

int tc_av_read_whole(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len)
{
    int fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    char *buf = NULL;
    struct stat st;
    int r;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st))
        r = -errno;
    else if (!S_ISREG(st.st_mode))
        r = -EINVAL;
    else if ((uint64_t)st.st_size > max)
        r = -EFBIG;
    else
        r = (buf = malloc((size_t)st.st_size + 1)) ? 0 : -ENOMEM;
    if (!r)
        r = tc_av_pread_all(fd, buf, (size_t)st.st_size, 0);
    close(fd);
    if (r || !buf) {
        free(buf);
        return r;
    }
    buf[st.st_size] = 0;
    *ret = buf;
    *ret_len = (size_t)st.st_size;
    return 0;
}
