/* SPDX-License-Identifier: Apache-2.0 */
#include "es_proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "es_proxy_child.h"
#include "sensor_thread.h"

#define EVENT_FLAGS (O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NONBLOCK)

/* In the child: keeps two descriptors, as 0 and 1, and nothing else of the agent's. */
static void keep_two(int first, int second)
{
    /* By way of numbers that are neither 0 nor 1, so that neither is overwritten. */
    int a = fcntl(first, F_DUPFD, 2), b = fcntl(second, F_DUPFD, 2);

    if (a < 0 || b < 0 || dup2(a, 0) < 0 || dup2(b, 1) < 0)
        _exit(1);
    close_range(2, ~0u, 0);
}

/* Forks with all signals blocked, so that no handler of the agent's runs in the child,
 * and only SIGKILL ends it. */
static pid_t fork_quietly(void)
{
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    else
        setsid(); /* what is sent to the agent's group is not for it */
    return pid;
}

static int start_reader(struct tc_es_proxy *proxy,
                        const struct tc_es_proxy_config *config, int group)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
        return -errno;
    proxy->reader = fork_quietly();
    if (!proxy->reader) {
        keep_two(group, ends[1]);
        prctl(PR_SET_NAME, "tocsin-es-read");
        tc_es_proxy_reader(config, proxy->shared);
    }
    close(ends[1]);
    proxy->socket = ends[0];
    return proxy->reader < 0 ? -EAGAIN : 0;
}

static int start_guard(struct tc_es_proxy *proxy, const struct tc_es_proxy_config *config,
                       int group)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
        return -errno;
    proxy->guard = fork_quietly();
    if (!proxy->guard) {
        keep_two(group, ends[1]);
        prctl(PR_SET_NAME, "tocsin-es-guard");
        tc_es_proxy_guard(config, proxy->shared);
    }
    close(ends[1]);
    proxy->gate = ends[0];
    return proxy->guard < 0 ? -EAGAIN : 0;
}

int tc_es_proxy_start(struct tc_es_proxy *proxy, const struct tc_es_proxy_config *config)
{
    int group, err = 0;

    *proxy = (struct tc_es_proxy){.socket = -1, .gate = -1};
    proxy->shared = mmap(NULL, sizeof(*proxy->shared), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (proxy->shared == MAP_FAILED) {
        proxy->shared = NULL;
        return -errno;
    }
    for (size_t i = 0; i < TC_ES_PROXY_PENDING_MAX; i++)
        atomic_init(&proxy->shared->waiting[i], -1);
    group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK |
                              FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
                          EVENT_FLAGS);
    if (group < 0)
        err = -errno;
    if (!err)
        err = start_guard(proxy, config, group); /* first: nobody reads without one */
    if (!err)
        err = start_reader(proxy, config, group);
    if (group >= 0)
        close(group); /* it lives as long as one of them */
    if (err) {
        tc_es_proxy_end(proxy);
        tc_es_proxy_done(proxy);
    }
    return err;
}

int tc_es_proxy_receive(struct tc_es_proxy *proxy, struct tc_es_proxy_message *ret,
                        int *ret_fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(proxy->socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    const struct cmsghdr *header;

    *ret_fd = -1;
    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    header = CMSG_FIRSTHDR(&msg);
    if (header && header->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
    if (n == (ssize_t)sizeof(*ret))
        return 0;
    if (*ret_fd >= 0)
        close(*ret_fd);
    *ret_fd = -1;
    return -EPIPE;
}

static void send_order(struct tc_es_proxy *proxy, uint64_t id, uint32_t order)
{
    const struct tc_es_proxy_order message = {.id = id, .order = order};

    /* Fails when the reader has ended, and nobody waits any more, and when it has not
     * read so many orders that it is stuck, and the guard sees to it. */
    if (proxy->socket >= 0 &&
        send(proxy->socket, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
}

void tc_es_proxy_answer(struct tc_es_proxy *proxy, uint64_t id, bool allow)
{
    send_order(proxy, id, allow ? TC_ES_PROXY_ALLOW : TC_ES_PROXY_DENY);
}

void tc_es_proxy_unmark(struct tc_es_proxy *proxy)
{
    send_order(proxy, 0, TC_ES_PROXY_UNMARK);
}

bool tc_es_proxy_given_up(const struct tc_es_proxy *proxy)
{
    return proxy->shared && atomic_load(&proxy->shared->given_up);
}

void tc_es_proxy_end(struct tc_es_proxy *proxy)
{
    if (proxy->socket >= 0)
        close(proxy->socket);
    if (proxy->gate >= 0)
        close(proxy->gate);
    proxy->socket = proxy->gate = -1;
}

static bool reap(pid_t *pid)
{
    if (*pid > 0 && !waitpid(*pid, NULL, WNOHANG))
        return false;
    *pid = 0;
    return true;
}

bool tc_es_proxy_ended(struct tc_es_proxy *proxy)
{
    bool reader = reap(&proxy->reader), guard = reap(&proxy->guard);

    return reader && guard;
}

void tc_es_proxy_done(struct tc_es_proxy *proxy)
{
    if (proxy->shared)
        munmap(proxy->shared, sizeof(*proxy->shared));
    proxy->shared = NULL;
}
