/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the way of one line to standard error. The one module with state of the whole
 * process, a level and a counter: a line must be possible anywhere, on any thread.
 */
#include "core/base/log.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Below PIPE_BUF, so that a pipe which poll(2) calls writable takes a line whole. */
#define LINE_MAX_BYTES 2048

static atomic_int log_level = TOCSIN_LOG_INFO;
static atomic_uint_fast64_t log_lost;
static pthread_mutex_t log_order = PTHREAD_MUTEX_INITIALIZER;

void tc_log_set_level(int level)
{
    atomic_store(&log_level, level);
}

int tc_log_level(void)
{
    return atomic_load(&log_level);
}

uint64_t tc_log_lost(void)
{
    return atomic_load(&log_lost);
}

/* Whether standard error goes to the system's journal: $JOURNAL_STREAM, systemd.exec(5),
 * names its device and inode. */
static bool to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat st;

    return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && (uintmax_t)st.st_dev == device &&
           (uintmax_t)st.st_ino == inode;
}

/* A socket has a flag for this; anything else is asked first. */
static bool write_now(const char *line, size_t len)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t n;

    n = send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK) {
        if (poll(&fd, 1, 0) != 1 || fd.revents != POLLOUT)
            return false;
        n = write(STDERR_FILENO, line, len);
    }
    return n == (ssize_t)len;
}

/* What somebody else chose, a file name for one, must not begin a line of its own. */
static void flatten(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
}

static size_t cut(int written, size_t room)
{
    if (written < 0)
        return 0;
    return (size_t)written < room ? (size_t)written : room - 1;
}

void tc_vlog(int level, const char *area, const char *format, va_list args)
{
    char line[LINE_MAX_BYTES];
    size_t start = 0, len;

    if (level > atomic_load(&log_level))
        return;
    if (to_journal())
        start = cut(snprintf(line, sizeof(line), "<%d>", level & 7), sizeof(line));
    len = start;
    len +=
        cut(snprintf(line + len, sizeof(line) - len, "%s: ", area), sizeof(line) - len);
    len +=
        cut(vsnprintf(line + len, sizeof(line) - len, format, args), sizeof(line) - len);
    flatten(line + start, len - start);
    line[len++] = '\n';
    pthread_mutex_lock(&log_order);
    if (!write_now(line, len))
        atomic_fetch_add(&log_lost, 1);
    pthread_mutex_unlock(&log_order);
}

void tc_log(int level, const char *area, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tc_vlog(level, area, format, args);
    va_end(args);
}
