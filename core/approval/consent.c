/* SPDX-License-Identifier: Apache-2.0 */
#include "core/approval/consent.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <tocsin/event.h>
#include <unistd.h>

#include "core/base/why.h"

#define NAME "consent"
#define NAME_NEW                                                                         \
    "consent.new" /* what a killed writer leaves; the next one replaces it               \
                   */
#define FORMAT 1
#define FILE_MAX_BYTES 16384
#define DAMAGED_MAX 1000 /* files set aside */

/*
 * The file is one map {format, sha256, body}: sha256 is that of the bytes `body`, which
 * are one map {gate: {time_ns, uid, pid, who, sha256}} of those that are given.
 */

/* ---- Reading. ---- */

static bool take_bytes(const void *map, size_t len, const char *path,
                       uint8_t ret[TC_CONSENT_HASH_BYTES])
{
    struct tocsin_value v;

    if (!tocsin_find(map, len, path, &v) || v.type != TOCSIN_BIN ||
        v.len != TC_CONSENT_HASH_BYTES)
        return false;
    memcpy(ret, v.ptr, v.len);
    return true;
}

static bool take_number(const void *map, size_t len, const char *path, uint64_t max,
                        uint64_t *ret)
{
    struct tocsin_value v;

    if (!tocsin_find(map, len, path, &v) || v.type != TOCSIN_UINT || v.u > max)
        return false;
    *ret = v.u;
    return true;
}

/* One gate's entry, a map of its own. False: something lacks, or is not as we write it.
 */
static bool take_gate(const void *map, size_t len, struct tc_consent *consent,
                      enum tc_gate g)
{
    struct tocsin_str who = tocsin_find_str(map, len, "who");
    uint64_t uid, pid;

    if (!who.ptr || who.len >= TC_APPROVAL_WHO_MAX || memchr(who.ptr, 0, who.len) ||
        !take_number(map, len, "time_ns", UINT64_MAX, &consent->gates[g].time_ns) ||
        !take_number(map, len, "uid", UINT32_MAX, &uid) ||
        !take_number(map, len, "pid", INT32_MAX, &pid) ||
        !take_bytes(map, len, "sha256", consent->gates[g].sha256))
        return false;
    memcpy(consent->gates[g].who, who.ptr, who.len);
    consent->gates[g].uid = (uint32_t)uid;
    consent->gates[g].pid = (int32_t)pid;
    consent->gates[g].given = true;
    return true;
}

static bool take_body(const uint8_t *body, size_t len, struct tc_consent *ret)
{
    struct tc_consent consent = {0};
    struct tocsin_value v;

    if (!tocsin_read(body, body + len, &v) || v.type != TOCSIN_MAP)
        return false;
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        if (!tocsin_find(body, len, tc_gate_name(g), &v))
            continue;
        if (v.type != TOCSIN_MAP ||
            !take_gate(v.start, (size_t)(v.end - v.start), &consent, g))
            return false;
    }
    *ret = consent;
    return true;
}

static bool is_one_value(const uint8_t *p, size_t n)
{
    return n && tocsin_skip(p, p + n) == p + n;
}

/* What the bytes of the file say; a word on what is wrong with them, or NULL. */
static const char *take_file(const uint8_t *p, size_t n, struct tc_consent *ret)
{
    uint8_t hash[SHA256_DIGEST_LENGTH], said[TC_CONSENT_HASH_BYTES];
    struct tocsin_value body;
    uint64_t format;

    if (!is_one_value(p, n) || !take_number(p, n, "format", UINT64_MAX, &format))
        return "it is damaged";
    if (format != FORMAT)
        return "another version of tocsin has written it";
    if (!take_bytes(p, n, "sha256", said) || !tocsin_find(p, n, "body", &body) ||
        body.type != TOCSIN_BIN)
        return "it is damaged";
    SHA256((const unsigned char *)body.ptr, body.len, hash);
    if (memcmp(hash, said, sizeof(hash)) != 0)
        return "its checksum is wrong";
    if (!is_one_value((const uint8_t *)body.ptr, body.len) ||
        !take_body((const uint8_t *)body.ptr, body.len, ret))
        return "it is damaged";
    return NULL;
}

/* Renames the file to the first free consent.damaged-<n>, for somebody to look at. */
static void set_aside(int dir, const char *state_dir, const char *wrong, char why[256])
{
    char name[64];

    for (unsigned n = 1; n <= DAMAGED_MAX; n++) {
        (void)snprintf(name, sizeof(name), NAME ".damaged-%u", n);
        if (!renameat2(dir, NAME, dir, name, RENAME_NOREPLACE)) {
            tc_why(why,
                   "%s/" NAME " is not used, since %s; it is kept as %s, and "
                   "everything has to be approved again",
                   state_dir, wrong, name);
            return;
        }
        if (errno != EEXIST)
            break;
    }
    tc_why(why, "%s/" NAME " is not used, since %s; everything has to be approved again",
           state_dir, wrong);
}

static bool is_safe(const struct stat *st)
{
    return S_ISREG(st->st_mode) && (st->st_uid == 0 || st->st_uid == geteuid()) &&
           !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int check_owner(int fd, const char *state_dir, char why[256])
{
    struct stat st;

    if (fstat(fd, &st)) {
        tc_why(why, "%s/" NAME ": %s", state_dir, strerror(errno));
        return -errno;
    }
    if (!is_safe(&st)) {
        tc_why(why,
               "%s/" NAME " is not used, since others than root may write it; remove "
               "it and approve again",
               state_dir);
        return -EPERM;
    }
    return 0;
}

/* Reads up to `size` bytes. Their number, or a negative errno. */
static ssize_t read_all(int fd, uint8_t *buf, size_t size)
{
    size_t at = 0;
    ssize_t n;

    while (at < size) {
        n = read(fd, buf + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (!n)
            break;
        at += (size_t)n;
    }
    return (ssize_t)at;
}

static int open_dir(const char *state_dir, char why[256])
{
    int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    tc_why(why, "%s: %s", state_dir, strerror(errno));
    return -errno;
}

int tc_consent_read(const char *state_dir, struct tc_consent *ret, char why[256])
{
    uint8_t buf[FILE_MAX_BYTES + 1];
    struct tc_consent consent = {0};
    const char *wrong;
    int dir, fd = -1, r;
    ssize_t n;

    *ret = consent;
    dir = open_dir(state_dir, why);
    if (dir < 0)
        return dir;
    /* Not to wait for a writer, should it be a pipe. */
    fd = openat(dir, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        r = errno == ENOENT ? 0 : -errno;
        tc_why(why, "%s/" NAME ": %s", state_dir, strerror(errno));
        goto out;
    }
    r = check_owner(fd, state_dir, why);
    if (r)
        goto out;
    n = read_all(fd, buf, sizeof(buf));
    if (n < 0) {
        r = (int)n;
        tc_why(why, "%s/" NAME ": %s", state_dir, strerror(-r));
        goto out;
    }
    wrong = n > FILE_MAX_BYTES ? "it is too large" : take_file(buf, (size_t)n, &consent);
    if (wrong) {
        set_aside(dir, state_dir, wrong, why);
        r = -EUCLEAN;
        goto out;
    }
    *ret = consent;
out:
    if (fd >= 0)
        close(fd);
    close(dir);
    return r;
}

static bool any_given(const struct tc_consent *consent)
{
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        if (consent->gates[g].given)
            return true;
    return false;
}

int tc_consent_check(const char *state_dir, const struct tc_consent *consent,
                     char why[256])
{
    char path[4096];
    struct stat st;

    if (snprintf(path, sizeof(path), "%s/" NAME, state_dir) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    if (lstat(path, &st)) {
        if (errno == ENOENT && !any_given(consent))
            return 0;
        tc_why(why, "%s: %s", path, strerror(errno));
        return -errno;
    }
    if (is_safe(&st))
        return 0;
    tc_why(why, "%s could be written by others than root", path);
    return -EPERM;
}

/* ---- Writing. ---- */

static void put_body(struct tocsin_writer *w, const struct tc_consent *consent)
{
    tocsin_begin_map(w, NULL);
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        if (!consent->gates[g].given)
            continue;
        tocsin_begin_map(w, tc_gate_name(g));
        tocsin_put_uint(w, "time_ns", consent->gates[g].time_ns);
        tocsin_put_uint(w, "uid", consent->gates[g].uid);
        tocsin_put_int(w, "pid", consent->gates[g].pid);
        tocsin_put_str(w, "who", consent->gates[g].who);
        tocsin_put_bin(w, "sha256", consent->gates[g].sha256, TC_CONSENT_HASH_BYTES);
        tocsin_end(w);
    }
    tocsin_end(w);
}

static void put_file(struct tocsin_writer *w, const struct tc_consent *consent)
{
    uint8_t buf[FILE_MAX_BYTES / 2], hash[SHA256_DIGEST_LENGTH];
    struct tocsin_writer body;

    tocsin_writer_init(&body, buf, sizeof(buf));
    put_body(&body, consent);
    SHA256(buf, body.len, hash);
    tocsin_begin_map(w, NULL);
    tocsin_put_uint(w, "format", FORMAT);
    tocsin_put_bin(w, "sha256", hash, sizeof(hash));
    tocsin_put_bin(w, "body", buf, body.len);
    tocsin_end(w);
    if (body.error)
        w->error = body.error;
}

static int write_all(int fd, const uint8_t *p, size_t len)
{
    ssize_t n;

    while (len) {
        n = write(fd, p, len);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* The file under its other name, whole and on the disk. */
static int write_new(int dir, const struct tocsin_writer *w)
{
    int fd, r;

    if (unlinkat(dir, NAME_NEW, 0) && errno != ENOENT)
        return -errno;
    fd =
        openat(dir, NAME_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = write_all(fd, w->buf, w->len);
    if (!r && fsync(fd))
        r = -errno;
    if (close(fd) && !r)
        r = -errno;
    return r;
}

int tc_consent_write(const char *state_dir, const struct tc_consent *consent,
                     char why[256])
{
    uint8_t buf[FILE_MAX_BYTES];
    struct tocsin_writer w;
    int dir, r;

    dir = open_dir(state_dir, why);
    if (dir < 0)
        return dir;
    tocsin_writer_init(&w, buf, sizeof(buf));
    put_file(&w, consent);
    r = w.error ? w.error : write_new(dir, &w);
    if (!r && renameat(dir, NAME_NEW, dir, NAME))
        r = -errno;
    if (!r && fsync(dir))
        r = -errno;
    if (r) {
        tc_why(why, "consent cannot be kept in %s/" NAME ": %s", state_dir, strerror(-r));
        (void)unlinkat(dir, NAME_NEW, 0);
    }
    close(dir);
    return r;
}
