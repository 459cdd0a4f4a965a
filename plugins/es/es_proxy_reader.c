/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "es_proxy_child.h"

#define COPY_STEP 65536
#define ASKED (FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM)

struct pending {
    uint64_t id; /* 0: free */
    uint64_t deadline_ns;
    int fd;
};

struct reader {
    const struct tc_es_proxy_config *config;
    struct tc_es_proxy_shared *shared;
    struct pending pending[TC_ES_PROXY_PENDING_MAX];
    size_t pending_count;
    uint64_t last_id;
    struct tc_es_proxy_message message;
    char buffer[COPY_STEP];
};

/* Around each call that the server has to answer. */
static void busy(struct reader *r)
{
    atomic_store(&r->shared->busy_since_ns, tc_es_proxy_now_ns());
}

static void idle(struct reader *r)
{
    atomic_store(&r->shared->busy_since_ns, 0);
}

/* Closing flushes, which the server has to answer. */
static void close_file(struct reader *r, int fd)
{
    busy(r);
    close(fd);
    idle(r);
}

static void answer(struct reader *r, struct pending *pending, bool allow)
{
    int fd = pending->fd;

    tc_es_proxy_respond(fd, allow);
    atomic_store(&r->shared->waiting[pending - r->pending], -1);
    pending->id = 0;
    r->pending_count--;
    close_file(r, fd);
}

static void answer_due(struct reader *r, uint64_t until_ns)
{
    for (size_t i = 0; i < TC_ES_PROXY_PENDING_MAX; i++)
        if (r->pending[i].id && r->pending[i].deadline_ns <= until_ns)
            answer(r, &r->pending[i], r->config->on_timeout_allow);
}

/* Takes what is left by default, and ends. */
_Noreturn static void end(struct reader *r)
{
    struct fanotify_event_metadata event;
    struct pollfd group = {.fd = GROUP, .events = POLLIN};

    tc_es_proxy_unmark_all();
    answer_due(r, UINT64_MAX);
    while (!atomic_load(&r->shared->given_up) && poll(&group, 1, 0) > 0) {
        busy(r);
        if (read(GROUP, &event, sizeof(event)) == (ssize_t)sizeof(event) &&
            event.fd >= 0) {
            if (event.mask & ASKED)
                tc_es_proxy_respond(event.fd, r->config->on_timeout_allow);
            close(event.fd);
        }
        idle(r);
    }
    atomic_store(&r->shared->ended, true);
    _exit(0);
}

/* The descriptor stays the caller's. False: the agent is gone. */
static bool send_message(struct reader *r, int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = &r->message, .iov_len = sizeof(r->message)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct pollfd agent = {.fd = AGENT, .events = POLLOUT};

    if (fd >= 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    while (sendmsg(AGENT, &msg, MSG_NOSIGNAL) < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
            return false;
        poll(&agent, 1, CHECK_MS);
        atomic_fetch_add(&r->shared->turns, 1);
        answer_due(r, tc_es_proxy_now_ns());
    }
    return true;
}

static void take_order(struct reader *r, const struct tc_es_proxy_order *order)
{
    if (order->order == TC_ES_PROXY_UNMARK)
        tc_es_proxy_unmark_all();
    for (size_t i = 0; i < TC_ES_PROXY_PENDING_MAX; i++)
        if (order->id && r->pending[i].id == order->id)
            answer(r, &r->pending[i], order->order == TC_ES_PROXY_ALLOW);
}

/* Does not wait. */
static void take_orders(struct reader *r)
{
    struct tc_es_proxy_order order;
    ssize_t n;

    atomic_fetch_add(&r->shared->turns, 1);
    while ((n = recv(AGENT, &order, sizeof(order), MSG_DONTWAIT)) == sizeof(order))
        take_order(r, &order);
    if (n >= 0 || (errno != EAGAIN && errno != EINTR))
        end(r); /* the agent is gone, or lets go */
}

/* A sealed copy of the file, or a negative errno. */
static int copy_file(struct reader *r, int fd)
{
    uint64_t until_ns = tc_es_proxy_now_ns() + TC_ES_PROXY_COPY_MS * NS_PER_MS;
    int copy = memfd_create("tocsin-copy", MFD_CLOEXEC | MFD_ALLOW_SEALING), err = 0;
    ssize_t n;

    if (copy < 0)
        return -errno;
    for (off_t at = 0; !err; at += n) {
        busy(r);
        n = pread(fd, r->buffer, sizeof(r->buffer), at);
        idle(r);
        take_orders(r); /* others' answers must not wait for this file */
        if (n <= 0) {
            err = n ? -errno : 0;
            break;
        }
        if (at + n > (off_t)TC_ES_PROXY_COPY_MAX) /* it has grown */
            err = -EFBIG;
        else if (pwrite(copy, r->buffer, (size_t)n, at) != n)
            err = -ENOSPC;
        else if (tc_es_proxy_now_ns() > until_ns)
            err = -ETIMEDOUT;
    }
    if (!err && fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK))
        err = -errno;
    if (!err)
        return copy;
    close(copy);
    return err;
}

/* What the file is. False: nothing can be said of it. */
static bool look_at(struct reader *r, int fd)
{
    struct tc_es_proxy_message *m = &r->message;
    char link[32];
    ssize_t n;
    int failed;

    busy(r);
    failed = statx(fd, "", AT_EMPTY_PATH,
                   STATX_BASIC_STATS | STATX_MNT_ID | STATX_MNT_ID_UNIQUE, &m->stx);
    idle(r);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, m->path, sizeof(m->path) - 1);
    m->cut = n < 0 && errno == ENAMETOOLONG;
    if (m->cut)
        n = snprintf(m->path, sizeof(m->path), "/.../#%llu",
                     (unsigned long long)m->stx.stx_ino);
    m->path[n > 0 ? n : 0] = '\0';
    return !failed && n > 0;
}

/* At once, so that the guard can answer it. There is room: see the reader's poll. */
static struct pending *keep(struct reader *r, int fd)
{
    struct pending *pending = r->pending;

    while (pending->id)
        pending++;
    *pending =
        (struct pending){.id = ++r->last_id,
                         .deadline_ns = tc_es_proxy_now_ns() + r->config->deadline_ns,
                         .fd = fd};
    atomic_store(&r->shared->waiting[pending - r->pending], fd);
    r->pending_count++;
    return pending;
}

static void ask(struct reader *r, int fd)
{
    struct tc_es_proxy_message *m = &r->message;
    struct pending *pending = keep(r, fd);
    int copy;

    m->kind = TC_ES_PROXY_QUESTION;
    m->id = pending->id;
    if (!look_at(r, fd) || !S_ISREG(m->stx.stx_mode)) {
        answer(r, pending, m->path[0] || r->config->on_timeout_allow);
        return;
    }
    copy = m->stx.stx_size <= TC_ES_PROXY_COPY_MAX ? copy_file(r, fd) : -EFBIG;
    m->err = copy < 0 ? copy : 0;
    if (!send_message(r, copy))
        end(r);
    if (copy >= 0)
        close(copy);
}

static void tell_written(struct reader *r, int fd)
{
    r->message.kind = TC_ES_PROXY_WRITTEN;
    if (look_at(r, fd) && S_ISREG(r->message.stx.stx_mode) && !send_message(r, -1))
        end(r);
    close_file(r, fd);
}

static void take_one(struct reader *r)
{
    struct fanotify_event_metadata event;
    ssize_t n;

    busy(r);
    n = read(GROUP, &event, sizeof(event));
    idle(r);
    if (n != (ssize_t)sizeof(event) || event.fd < 0)
        return;
    memset(&r->message, 0, offsetof(struct tc_es_proxy_message, path));
    r->message.mask = event.mask;
    r->message.pid = event.pid;
    r->message.time_ns = tc_es_proxy_now_ns();
    if (atomic_load(&r->shared->given_up)) {
        if (event.mask & ASKED)
            tc_es_proxy_respond(event.fd, r->config->on_timeout_allow);
        close_file(r, event.fd);
    } else if (event.mask & ASKED) {
        ask(r, event.fd);
    } else {
        tell_written(r, event.fd);
    }
}

static void mark(struct reader *r)
{
    busy(r);
    if (fanotify_mark(GROUP, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, ASKED | FAN_CLOSE_WRITE,
                      AT_FDCWD, r->config->point))
        r->message.err = -errno;
    idle(r);
    r->message.kind = TC_ES_PROXY_MARKED;
    if (!send_message(r, -1) || r->message.err)
        end(r);
}

_Noreturn void tc_es_proxy_reader(const struct tc_es_proxy_config *config,
                                  struct tc_es_proxy_shared *shared)
{
    struct reader reader, *r = &reader;
    struct pollfd fds[2] = {{.fd = AGENT, .events = POLLIN},
                            {.fd = GROUP, .events = POLLIN}};

    memset(r, 0, sizeof(*r));
    r->config = config;
    r->shared = shared;
    mark(r);
    while (!atomic_load(&shared->given_up)) {
        /* What comes when too many wait stays with the kernel, in its order. */
        fds[1].events = r->pending_count < TC_ES_PROXY_PENDING_MAX ? POLLIN : 0;
        poll(fds, 2, r->pending_count ? CHECK_MS : -1);
        take_orders(r);
        answer_due(r, tc_es_proxy_now_ns());
        if (fds[1].revents & POLLIN)
            take_one(r);
    }
    end(r);
}
