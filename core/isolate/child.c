/* SPDX-License-Identifier: Apache-2.0 */
#include "core/isolate/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/why.h"
#include "core/isolate/isolate.h"
#include "core/isolate/wire.h"

#define FD_FREE                                                                          \
    10 /* above those that the host inherits, so that none is in another's way */

/* A page that neither side can take from under the other. */
static int make_page(struct tc_wire_page **ret_page)
{
    int fd = memfd_create("tocsin-host-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *page;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, sizeof(struct tc_wire_page)) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        close(fd);
        return -errno;
    }
    page = mmap(NULL, sizeof(struct tc_wire_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                0);
    if (page == MAP_FAILED) {
        close(fd);
        return -ENOMEM;
    }
    *ret_page = page;
    return fd;
}

static int lift(int fd)
{
    int lifted = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_FREE);

    if (fd >= 0)
        close(fd);
    return lifted;
}

static int make_sockets(int ret_ends[2])
{
    const int bytes = TC_WIRE_BUFFER_BYTES;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0)
        return -errno;
    /* FORCE passes net.core.wmem_max, and takes CAP_NET_ADMIN. */
    for (int i = 0; i < 2; i++)
        if (setsockopt(ret_ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
            (void)setsockopt(ret_ends[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    ret_ends[0] = lift(ret_ends[0]);
    ret_ends[1] = lift(ret_ends[1]);
    return ret_ends[0] < 0 || ret_ends[1] < 0 ? -EMFILE : 0;
}

/* Signals as a new program expects them, and a group of its own: what a terminal sends to
 * the agent is the agent's to pass on. */
static int spawn(const char *program, int socket, int page, int plugin, pid_t *ret_pid)
{
    static char *const no_words[] = {NULL};
    const char *stream = getenv("JOURNAL_STREAM");
    char name[] = "tocsin-host", journal[96];
    char *const arguments[] = {name, NULL}, *const words[] = {journal, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t all, none;
    int err;

    (void)snprintf(journal, sizeof(journal), "JOURNAL_STREAM=%.64s",
                   stream ? stream : "");
    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    err = posix_spawn_file_actions_init(&files);
    if (err)
        return -err;
    err = posix_spawnattr_init(&attr);
    if (!err) {
        (void)posix_spawnattr_setsigdefault(&attr, &all);
        (void)posix_spawnattr_setsigmask(&attr, &none);
        (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF |
                                                  POSIX_SPAWN_SETSIGMASK |
                                                  POSIX_SPAWN_SETPGROUP);
        err = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        if (!err)
            err = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
        if (!err)
            err = posix_spawn_file_actions_adddup2(&files, socket, TC_WIRE_FD_SOCKET);
        if (!err)
            err = posix_spawn_file_actions_adddup2(&files, page, TC_WIRE_FD_PAGE);
        if (!err)
            err = posix_spawn_file_actions_adddup2(&files, plugin, TC_WIRE_FD_PLUGIN);
        if (!err)
            err = posix_spawn(ret_pid, program, &files, &attr, arguments,
                              stream ? words : no_words);
        (void)posix_spawnattr_destroy(&attr);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    return -err;
}

static void note_pid(struct tc_isolate *isolate, int from, int to)
{
    for (size_t i = 0; i < TC_ISOLATE_MAX; i++) {
        int expected = from;

        if (atomic_compare_exchange_strong(&isolate->pids[i], &expected, to))
            return;
    }
}

static int send_setup(const struct tc_child *child, const void *setup, size_t len,
                      uint32_t flags)
{
    struct tc_wire_head head = {.magic = TC_WIRE_MAGIC,
                                .kind = TC_WIRE_SETUP,
                                .flags = flags,
                                .len = (uint32_t)len};

    if (len > TC_WIRE_BYTES_MAX - sizeof(head))
        return -EMSGSIZE;
    return tc_wire_send(child->socket, &head, setup, -1);
}

int tc_child_start(struct tc_isolate *isolate, int plugin, const void *setup, size_t len,
                   uint32_t flags, struct tc_child *ret_child, char why[256])
{
    struct tc_child child = {.pidfd = -1, .socket = -1, .room = -1};
    int ends[2] = {-1, -1}, page = -1, copy = -1, err;

    err = make_sockets(ends);
    child.socket = ends[0];
    if (!err) {
        page = lift(make_page(&child.page));
        copy = fcntl(plugin, F_DUPFD_CLOEXEC, FD_FREE);
        child.room = fcntl(ends[0], F_DUPFD_CLOEXEC, FD_FREE);
        err = page < 0 || copy < 0 || child.room < 0 ? -EMFILE : 0;
    }
    if (!err)
        err = spawn(isolate->program, ends[1], page, copy, &child.pid);
    if (!err) {
        note_pid(isolate, 0, child.pid);
        child.pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
        err = child.pidfd < 0 ? -errno : send_setup(&child, setup, len, flags);
    } else {
        child.pid = 0;
    }
    for (size_t i = 0; i < 3; i++) {
        const int ours[] = {ends[1], page, copy};

        if (ours[i] >= 0)
            close(ours[i]);
    }
    if (err) {
        tc_why(why, "cannot start %s: %s", isolate->program,
               err == -EMSGSIZE ? "its options are too long" : strerror(-err));
        tc_child_done(isolate, &child);
        return err;
    }
    *ret_child = child;
    return 0;
}

void tc_child_kill(const struct tc_child *child)
{
    if (child->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
    else if (child->pid > 0)
        (void)kill(child->pid, SIGKILL); /* ours, and not reaped: it is still that one */
}

static const char *doing(const struct tc_wire_page *page)
{
    switch (atomic_load(&page->doing)) {
    case TC_WIRE_DOING_LOAD:
        return " while it was loaded";
    case TC_WIRE_DOING_START:
        return " in init or start";
    case TC_WIRE_DOING_EVENT:
        return " in event";
    case TC_WIRE_DOING_STOP:
        return " in stop";
    default:
        return "";
    }
}

int tc_child_ended(const struct tc_child *child, int *ret_status, char *ret_how,
                   size_t cap)
{
    siginfo_t info = {.si_pid = 0};

    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG) < 0)
        return -errno;
    if (!info.si_pid)
        return -EAGAIN;
    if (info.si_code == CLD_EXITED) {
        *ret_status = info.si_status;
        (void)snprintf(ret_how, cap, "ended by itself%s (exit status %d)",
                       doing(child->page), info.si_status);
    } else {
        *ret_status = -info.si_status;
        (void)snprintf(ret_how, cap, "crashed%s (signal %d, %s)", doing(child->page),
                       info.si_status, strsignal(info.si_status));
    }
    return 0;
}

/*
 * One that was killed has ended in a moment, unless it waits for a file system that does
 * not answer: the agent does not wait with it, and leaves a process without life to its
 * own end.
 */
static void bury(const struct tc_child *child)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    siginfo_t info;

    for (int left = 20; left; left--) {
        info.si_pid = 0;
        if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid)
            return;
        (void)nanosleep(&moment, NULL);
    }
}

void tc_child_done(struct tc_isolate *isolate, struct tc_child *child)
{
    const int fds[] = {child->pidfd, child->socket, child->room};

    if (child->pid > 0) {
        tc_child_kill(child);
        bury(child);
        note_pid(isolate, child->pid, 0);
    }
    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (child->page)
        (void)munmap(child->page, sizeof(*child->page));
    *child = (struct tc_child){.pidfd = -1, .socket = -1, .room = -1};
}
