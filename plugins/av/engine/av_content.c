/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/av_content.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define CACHED_TIMEOUT_MS 50 /* everybody waits for it; then the pool tries again */

bool tc_av_content_changed(int fd, const struct tc_av_result *result)
{
    struct tc_av_key key;
    struct stat st;

    if (fstat(fd, &st))
        return true;
    key = tc_av_key_of(&st);
    return !tc_av_key_same(&key, &result->key);
}

static void block_hit(struct tc_av_hit *hit)
{
    *hit = (struct tc_av_hit){.rule = "block_list",
                              .id = "block_list",
                              .name = "Blocked.Hash",
                              .severity = "high",
                              .description = "its SHA-256 is on the block list"};
}

/* What a rule has matched, by its hash: of the whole file, however much was scanned, or
 * of its beginning when it is longer than anybody waits for. */
static int hash_of_hit(int fd, const void *data, size_t len, struct tc_av_result *ret)
{
    uint64_t size = ret->key.size < TC_AV_HASH_MAX ? ret->key.size : TC_AV_HASH_MAX;

    return len == size ? tc_av_hash_mem(data, len, ret->hash)
                       : tc_av_hash_fd(fd, 0, size, ret->hash);
}

/* Judges the first len bytes in `data`; false when the scan took too long. */
static bool judge(int fd, const struct tc_av_judges *judges, const void *data, size_t len,
                  unsigned timeout_ms, struct tc_av_result *ret)
{
    bool listed = len == ret->key.size && !tc_av_lists_empty(judges->lists);
    int r = 0;

    ret->bytes = len;
    if (listed) {
        r = tc_av_hash_mem(data, len, ret->hash);
        if (r)
            goto out;
        switch (tc_av_lists_find(judges->lists, ret->hash)) {
        case TC_AV_ALLOWED:
            goto out;
        case TC_AV_BLOCKED:
            block_hit(&ret->hit);
            r = 1;
            goto out;
        case TC_AV_UNLISTED:
            break;
        }
    }
    r = tc_av_rules_scan(judges->rules, data, len, ret->key.size, timeout_ms, &ret->hit);
    if (r == 1 && !listed) {
        int e = hash_of_hit(fd, data, len, ret);

        /* Larger than what is scanned, its hash is known only now: what was allowed is.
         */
        r = e ? e : tc_av_lists_find(judges->lists, ret->hash) != TC_AV_ALLOWED;
    }
out:
    ret->found = r < 0 ? TC_AV_UNKNOWN : r ? TC_AV_INFECTED : TC_AV_CLEAN;
    ret->error = r < 0 ? r : 0;
    return r != -ETIMEDOUT;
}

static void start(const struct tc_av_key *key, struct tc_av_result *ret)
{
    struct timespec now;

    memset(ret, 0, sizeof(*ret));
    ret->key = *key;
    clock_gettime(CLOCK_REALTIME, &now);
    ret->read_ns = (uint64_t)tc_av_ns(now);
}

void tc_av_content_scan(int fd, const struct tc_av_judges *judges,
                        struct tc_av_result *ret)
{
    struct stat st = {.st_mode = S_IFREG};
    int r = fstat(fd, &st) ? -errno : 0;
    struct tc_av_key key = tc_av_key_of(&st);
    size_t len;
    void *buf;

    start(&key, ret);
    if (!r && (!S_ISREG(st.st_mode) || !key.size))
        return;
    ret->truncated = ret->key.size > judges->max_file_size;
    len = (size_t)(ret->truncated ? judges->max_file_size : ret->key.size);
    buf = r ? NULL : malloc(len);
    if (!r && !buf)
        r = -ENOMEM;
    if (!r)
        r = tc_av_pread_all(fd, buf, len, 0);
    if (!r)
        judge(fd, judges, buf, len, judges->timeout_s * 1000, ret);
    free(buf);
    ret->changed = !r && tc_av_content_changed(fd, ret);
    if (r) {
        ret->found = TC_AV_UNKNOWN;
        ret->error = r;
    }
}

int tc_av_content_selftest(const struct tc_av_judges *judges)
{
    struct tc_av_result result = {.error = 0};
    int fd = memfd_create("tocsin-selftest", MFD_CLOEXEC), r = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, TC_AV_SAMPLE, strlen(TC_AV_SAMPLE)) != (ssize_t)strlen(TC_AV_SAMPLE))
        r = -EIO;
    if (!r)
        tc_av_content_scan(fd, judges, &result);
    close(fd);
    if (!r && result.found == TC_AV_UNKNOWN)
        r = result.error;
    return r ? r : tc_av_rules_selftest(judges->rules, judges->timeout_s * 1000);
}

/* tmpfs has no RWF_NOWAIT, but what it holds is in memory, if nothing was swapped out. */
static bool in_memory(int fd)
{
    struct statfs fs;

    return !fstatfs(fd, &fs) && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

bool tc_av_content_cached(int fd, const struct tc_av_key *key,
                          const struct tc_av_judges *judges, void *buf, size_t max,
                          struct tc_av_result *ret)
{
    struct iovec iov = {.iov_base = buf, .iov_len = max + 1};
    ssize_t got;

    start(key, ret);
    if (!key->size || key->size > max || key->size > judges->max_file_size)
        return false;
    got = preadv2(fd, &iov, 1, 0, RWF_NOWAIT);
    if (got < 0 && errno == EOPNOTSUPP && in_memory(fd))
        got = pread(fd, buf, max + 1, 0);
    if (got < 0 || (uint64_t)got != ret->key.size)
        return false;
    return judge(fd, judges, buf, (size_t)got, CACHED_TIMEOUT_MS, ret);
}

int tc_av_content_open(const char *path, const struct tc_av_key *key, int *ret_fd)
{
    int fd = tc_av_open_quiet(AT_FDCWD, path);
    struct stat st;
    int r = 0;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st))
        r = -errno;
    else if (!S_ISREG(st.st_mode))
        r = -EINVAL;
    else if (key && (st.st_ino != key->ino || st.st_dev != key->dev))
        r = -ESTALE;
    if (r)
        close(fd);
    else
        *ret_fd = fd;
    return r;
}
