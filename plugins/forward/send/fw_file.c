/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the sink `file`: one event a line, on the disk (fsync) before it counts as sent.
 * At max_size the file becomes FILE.1, FILE.1 becomes FILE.2, up to FILE.<keep>. One that
 * was moved or removed, as by logrotate, is made anew; a line that was cut short by the
 * end of the agent is taken away when it is opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "send/fw_sink.h"

#define TAIL_BYTES (1024 * 1024) /* looked at for the last whole line */

struct file {
    int fd;
    uint64_t bytes;
};

static void format(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                   struct tc_fw_text *text)
{
    tc_fw_sink_put(sink, event, text);
    tc_fw_put(text, "\n", 1);
}

static void forget(struct file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    file->fd = -1;
}

/* Takes a line away that has no end. */
static int mend(struct file *file)
{
    size_t n = file->bytes < TAIL_BYTES ? (size_t)file->bytes : TAIL_BYTES;
    uint64_t from = file->bytes - n;
    char *tail, *end;
    int err = 0;

    if (!n)
        return 0;
    tail = malloc(n);
    if (!tail)
        return -ENOMEM;
    if (pread(file->fd, tail, n, (off_t)from) != (ssize_t)n)
        err = -EIO;
    end = err || tail[n - 1] == '\n' ? NULL : memrchr(tail, '\n', n);
    if (!err && tail[n - 1] != '\n' && (end || !from)) {
        file->bytes = from + (end ? (uint64_t)(end - tail) + 1 : 0);
        err = ftruncate(file->fd, (off_t)file->bytes) ? -errno : 0;
    }
    free(tail);
    return err;
}

static int make_folder(const char *path)
{
    char copy[4096];

    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
        return -ENAMETOOLONG;
    return mkdir(dirname(copy), 0750) && errno != EEXIST ? -errno : 0;
}

static int open_file(struct file *file, const char *path)
{
    struct stat here, st;
    int err;

    if (file->fd >= 0 && !lstat(path, &here) && !fstat(file->fd, &st) &&
        here.st_ino == st.st_ino && here.st_dev == st.st_dev) {
        file->bytes = (uint64_t)st.st_size; /* logrotate may have emptied it */
        return 0;
    }
    forget(file);
    err = make_folder(path);
    if (err)
        return err;
    file->fd = open(
        path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0640);
    if (file->fd < 0)
        return -errno;
    if (fstat(file->fd, &st))
        return -errno;
    if (!S_ISREG(st.st_mode)) {
        forget(file);
        return -EINVAL;
    }
    file->bytes = (uint64_t)st.st_size;
    return mend(file);
}

static int rotate(struct file *file, const char *path, uint64_t keep)
{
    char from[4096 + 24], to[4096 + 24];

    forget(file);
    if (!keep)
        return unlink(path) ? -errno : 0;
    for (uint64_t n = keep; n; n--) {
        snprintf(to, sizeof(to), "%s.%" PRIu64, path, n);
        if (n > 1)
            snprintf(from, sizeof(from), "%s.%" PRIu64, path, n - 1);
        else
            snprintf(from, sizeof(from), "%s", path);
        if (rename(from, to) && errno != ENOENT)
            return -errno;
    }
    return 0;
}

/* All of it, or, of what was begun, nothing. */
static int append(struct file *file, const char *p, size_t n)
{
    size_t done = 0;
    ssize_t r;
    int err = 0;

    while (!err && done < n) {
        r = write(file->fd, p + done, n - done);
        if (r < 0 && errno != EINTR)
            err = -errno;
        else if (r > 0)
            done += (size_t)r;
    }
    if (!err && fsync(file->fd))
        err = -errno;
    if (err && ftruncate(file->fd, (off_t)file->bytes))
        forget(file); /* mended when it is opened again */
    if (!err)
        file->bytes += n;
    return err;
}

static int write_batch(struct tc_fw_sink *sink)
{
    const struct tc_fw_config *config = &sink->config;
    struct file *file = sink->own;
    int err = open_file(file, config->target);

    if (!err && file->bytes && file->bytes + sink->batch.text.len > config->max_size) {
        err = rotate(file, config->target, config->keep);
        if (!err)
            err = open_file(file, config->target);
    }
    return err ? err : append(file, sink->batch.text.p, sink->batch.text.len);
}

static void begin(struct tc_fw_sink *sink)
{
    struct file *file = sink->own;
    int err;

    if (!file) {
        file = sink->own = calloc(1, sizeof(*file));
        if (file)
            file->fd = -1;
    }
    err = file ? write_batch(sink) : -ENOMEM;
    if (err)
        tc_fw_sink_end(sink, TC_FW_RETRY, "%s: %s", sink->config.target,
                       err == -EINVAL ? "no regular file" : strerror(-err));
    else
        tc_fw_sink_end(sink, TC_FW_SENT, "written to %s", sink->config.target);
}

static void close_sink(struct tc_fw_sink *sink)
{
    if (sink->own)
        forget(sink->own);
    free(sink->own);
    sink->own = NULL;
}

const struct tc_fw_ops tc_fw_file_ops = {
    .items_max = 1000,
    .bytes_max = 4 * 1024 * 1024,
    .format = format,
    .begin = begin,
    .close = close_sink,
};
