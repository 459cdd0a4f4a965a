/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* One for the process, as are the functions that stand in front of. */
static struct {
    atomic_uint calls, left; /* left 0: it has come */
    atomic_int err;
    void (*then)(void *arg);
    void *arg;
} fault;

void tc_fault_arm(unsigned calls, unsigned nth, int err)
{
    fault.then = NULL;
    fault.err = err;
    fault.left = nth;
    fault.calls = calls;
}

void tc_fault_interrupt(unsigned calls, unsigned nth, void (*then)(void *arg), void *arg)
{
    tc_fault_arm(0, nth, 0);
    fault.then = then;
    fault.arg = arg;
    fault.calls = calls;
}

bool tc_fault_disarm(void)
{
    fault.calls = 0;
    return !fault.left;
}

/* Whether this call is the one. */
static bool due(enum tc_fault_calls what)
{
    unsigned left = fault.left;

    if (!(fault.calls & what))
        return false;
    do {
        if (!left)
            return false;
    } while (!atomic_compare_exchange_weak(&fault.left, &left, left - 1));
    if (left > 1)
        return false;
    if (fault.then) {
        fault.calls = 0;
        fault.then(fault.arg);
        return false;
    }
    if (fault.err == TC_FAULT_KILL)
        (void)raise(SIGKILL);
    errno = what == TC_FAULT_MEMORY ? ENOMEM : fault.err;
    return true;
}

/* name(arguments) as the linker calls it, and what it stands in front of. */
#define WRAP(what_, type_, failed_, name_, declared_, passed_)                           \
    type_ __real_##name_ declared_;                                                      \
    type_ __wrap_##name_ declared_;                                                      \
    type_ __wrap_##name_ declared_                                                       \
    {                                                                                    \
        return due(what_) ? (failed_) : __real_##name_ passed_;                          \
    }
#define MEMORY(name_, declared_, passed_)                                                \
    WRAP(TC_FAULT_MEMORY, void *, NULL, name_, declared_, passed_)
#define FILES(type_, name_, declared_, passed_)                                          \
    WRAP(TC_FAULT_FILES, type_, -1, name_, declared_, passed_)

MEMORY(malloc, (size_t size), (size))
MEMORY(calloc, (size_t n, size_t size), (n, size))
MEMORY(realloc, (void *at, size_t size), (at, size))
WRAP(TC_FAULT_MEMORY, char *, NULL, strdup, (const char *s), (s))
WRAP(TC_FAULT_MEMORY, char *, NULL, strndup, (const char *s, size_t n), (s, n))

FILES(ssize_t, read, (int fd, void *to, size_t n), (fd, to, n))
FILES(ssize_t, pread, (int fd, void *to, size_t n, off_t at), (fd, to, n, at))
FILES(ssize_t, __read_chk, (int fd, void *to, size_t n, size_t size), (fd, to, n, size))
FILES(ssize_t, __pread_chk, (int fd, void *to, size_t n, off_t at, size_t size),
      (fd, to, n, at, size))
FILES(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n))
FILES(ssize_t, pwrite, (int fd, const void *from, size_t n, off_t at), (fd, from, n, at))
FILES(int, fsync, (int fd), (fd))
FILES(int, fdatasync, (int fd), (fd))
FILES(int, ftruncate, (int fd, off_t size), (fd, size))
FILES(int, fstat, (int fd, struct stat *st), (fd, st))
FILES(int, fstatat, (int dir, const char *name, struct stat *st, int flags),
      (dir, name, st, flags))
FILES(int, ioctl, (int fd, unsigned long request, void *arg), (fd, request, arg))
FILES(off_t, lseek, (int fd, off_t at, int whence), (fd, at, whence))
FILES(int, fsetxattr, (int fd, const char *name, const void *value, size_t n, int flags),
      (fd, name, value, n, flags))
FILES(int, fchmod, (int fd, mode_t mode), (fd, mode))
FILES(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
FILES(int, futimens, (int fd, const struct timespec times[2]), (fd, times))
FILES(int, mkdir, (const char *path, mode_t mode), (path, mode))
FILES(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
FILES(int, rename, (const char *from, const char *to), (from, to))
FILES(int, renameat, (int d, const char *from, int e, const char *to), (d, from, e, to))
FILES(int, renameat2, (int d, const char *from, int e, const char *to, unsigned flags),
      (d, from, e, to, flags))
FILES(int, linkat, (int d, const char *from, int e, const char *to, int flags),
      (d, from, e, to, flags))
FILES(int, unlink, (const char *path), (path))
FILES(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))

FILES(int, __open_2, (const char *path, int flags), (path, flags))
FILES(int, __openat_2, (int dir, const char *path, int flags), (dir, path, flags))

#define OPEN(name_, declared_, passed_)                                                  \
    int __real_##name_ declared_;                                                        \
    int __wrap_##name_ declared_;                                                        \
    int __wrap_##name_ declared_                                                         \
    {                                                                                    \
        unsigned mode = 0;                                                               \
        va_list more;                                                                    \
                                                                                         \
        if (due(TC_FAULT_FILES))                                                         \
            return -1;                                                                   \
        if (flags & (O_CREAT | O_TMPFILE)) {                                             \
            va_start(more, flags);                                                       \
            mode = va_arg(more, unsigned);                                               \
            va_end(more);                                                                \
        }                                                                                \
        return __real_##name_ passed_;                                                   \
    }

OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
