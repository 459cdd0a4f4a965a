/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor_clock.h"
#include "sensor_served.h"

#define BLOCK 65536

int tc_trace_hashes_init(struct tc_trace_hashes *hashes, uint64_t max_bytes)
{
    memset(hashes, 0, sizeof(*hashes));
    hashes->hashes = calloc(TC_TRACE_HASHES_MAX, sizeof(*hashes->hashes));
    if (!hashes->hashes)
        return -ENOMEM;
    hashes->max_bytes = max_bytes;
    pthread_mutex_init(&hashes->lock, NULL);
    return 0;
}

void tc_trace_hashes_done(struct tc_trace_hashes *hashes)
{
    if (!hashes->hashes)
        return;
    while (hashes->wanted_count)
        free(hashes->wanted[--hashes->wanted_count].path);
    free(hashes->hashes);
    hashes->hashes = NULL;
    pthread_mutex_destroy(&hashes->lock);
}

static bool same(const struct tc_trace_file *a, const struct tc_trace_file *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->ctime_ns == b->ctime_ns;
}

static struct tc_trace_hash *place_of(struct tc_trace_hashes *hashes,
                                      const struct tc_trace_file *file)
{
    uint64_t h = (file->inode * 31 + file->device) * 0x9e3779b97f4a7c15ull;

    return &hashes->hashes[h >> 32 & (TC_TRACE_HASHES_MAX - 1)];
}

/* With the lock held. */
static void want(struct tc_trace_hashes *hashes, const struct tc_trace_file *file,
                 const char *path)
{
    char *copy;

    for (size_t i = 0; i < hashes->wanted_count; i++)
        if (same(&hashes->wanted[i].file, file))
            return;
    copy = hashes->wanted_count < TC_TRACE_WANTED_MAX ? strdup(path) : NULL;
    if (copy)
        hashes->wanted[hashes->wanted_count++] =
            (struct tc_trace_wanted){.file = *file, .path = copy};
    else
        hashes->put_off++;
}

bool tc_trace_hashes_find(struct tc_trace_hashes *hashes,
                          const struct tc_trace_file *file, const char *path,
                          char ret_hex[TC_TRACE_HEX])
{
    const struct tc_trace_hash *at = place_of(hashes, file);
    bool found;

    if (!file->inode || !path || file->size > hashes->max_bytes)
        return false;
    pthread_mutex_lock(&hashes->lock);
    found = same(&at->file, file);
    if (found)
        memcpy(ret_hex, at->hex, TC_TRACE_HEX);
    else
        want(hashes, file, path);
    pthread_mutex_unlock(&hashes->lock);
    hashes->hits += found;
    return found && *ret_hex;
}

bool tc_trace_hashes_wanted(struct tc_trace_hashes *hashes)
{
    bool wanted;

    pthread_mutex_lock(&hashes->lock);
    wanted = hashes->wanted_count > 0;
    pthread_mutex_unlock(&hashes->lock);
    return wanted;
}

/*
 * Still the file, unchanged? The device is not compared: on some file systems (overlay,
 * btrfs) stat(2) reports another than the kernel's own.
 */
static bool is_still(int fd, const struct tc_trace_file *file)
{
    struct stat st;

    return !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_ino == file->inode &&
           (uint64_t)st.st_size == file->size &&
           tc_sensor_timespec_ns(&st.st_ctim) == file->ctime_ns;
}

static bool digest(int fd, EVP_MD_CTX *context, char ret_hex[TC_TRACE_HEX])
{
    unsigned char *block = malloc(BLOCK), sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    ssize_t n = -1;
    bool ok = block && EVP_DigestInit_ex(context, EVP_sha256(), NULL);

    for (off_t at = 0; ok && (n = pread(fd, block, BLOCK, at)) > 0; at += n)
        ok = EVP_DigestUpdate(context, block, (size_t)n);
    ok = ok && !n && EVP_DigestFinal_ex(context, sum, &len);
    for (unsigned i = 0; ok && i < len; i++)
        snprintf(ret_hex + 2 * (size_t)i, 3, "%02x", sum[i]);
    free(block);
    return ok;
}

/* "" when the file is not there any more as it was, or its server might not answer. */
static void make(const struct tc_trace_wanted *wanted, char ret_hex[TC_TRACE_HEX])
{
    int fd = tc_sensor_served_path(wanted->path)
                 ? -1
                 : open(wanted->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    ret_hex[0] = '\0';
    if (fd < 0 || !context || !is_still(fd, &wanted->file) ||
        !digest(fd, context, ret_hex) || !is_still(fd, &wanted->file))
        ret_hex[0] = '\0';
    EVP_MD_CTX_free(context);
    if (fd >= 0)
        close(fd);
}

void tc_trace_hashes_work(struct tc_trace_hashes *hashes)
{
    struct tc_trace_wanted wanted;
    struct tc_trace_hash hash;

    for (;;) {
        pthread_mutex_lock(&hashes->lock);
        wanted = hashes->wanted[0];
        if (!hashes->wanted_count) {
            pthread_mutex_unlock(&hashes->lock);
            return;
        }
        pthread_mutex_unlock(&hashes->lock);
        hash.file = wanted.file;
        make(&wanted, hash.hex);
        if (*hash.hex)
            hashes->made++;
        else
            hashes->failed++;
        pthread_mutex_lock(&hashes->lock);
        *place_of(hashes, &hash.file) = hash;
        memmove(&hashes->wanted[0], &hashes->wanted[1],
                --hashes->wanted_count * sizeof(wanted));
        pthread_mutex_unlock(&hashes->lock);
        free(wanted.path);
    }
}
