/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent has threads, so the child may use only what is async-signal-safe
 * (signal-safety(7)): system calls, on memory that was there before.
 */
#include "nf_watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nf_unmap.h"

#define RETRY_MS 50 /* the kernel had no memory for the message */

/* Of both processes. */
struct shared {
    _Atomic uint64_t beat_ns;
    _Atomic uint32_t releases;
    size_t len;
    char bytes[TC_NF_WATCHDOG_SEND_BYTES];
};

struct tc_nf_watchdog {
    int fd;             /* the queue's, which is not ours */
    int gate;           /* the pipe's end that the child does not have; -1 */
    _Atomic pid_t pid;  /* 0: there is none */
    uint32_t seen;      /* of `releases` */
    uint64_t looked_ns; /* whether it lives */
    struct shared *shared;
};

/* By the system call: what the C library reads without one is unmapped in the child. */
static uint64_t now_ns(void)
{
    struct timespec now;

    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static bool release(int fd, const struct shared *shared)
{
    return send(fd, shared->bytes, shared->len, 0) == (ssize_t)shared->len;
}

/* Once for a beat that was the last for too long; *freed is that. How long to wait. */
static int look(int fd, struct shared *shared, uint64_t *freed)
{
    uint64_t beat = atomic_load(&shared->beat_ns), now = now_ns();
    uint64_t due = beat + TC_NF_WATCHDOG_STALE_MS * UINT64_C(1000000);

    if (beat == *freed)
        return TC_NF_WATCHDOG_STALE_MS;
    if (now < due)
        return (int)((due - now) / 1000000) + 1;
    if (!release(fd, shared))
        return RETRY_MS;
    atomic_fetch_add(&shared->releases, 1); /* after it: who sees it may bind anew */
    *freed = beat;
    return TC_NF_WATCHDOG_STALE_MS;
}

_Noreturn static void watch(int fd, int gate, struct shared *shared)
{
    struct pollfd other_end = {.fd = gate};
    uint64_t freed = 0;

    while (poll(&other_end, 1, look(fd, shared, &freed)) <= 0)
        ;
    release(fd, shared); /* nobody has the other end: the agent is dead */
    _exit(0);
}

/* Not the sensors', which must end with the agent. */
static void close_others(unsigned a, unsigned b)
{
    unsigned low = a < b ? a : b, high = a < b ? b : a;

    if (low)
        close_range(0, low - 1, 0);
    if (high > low + 1)
        close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0u, 0);
}

static int begin(struct tc_nf_watchdog *watchdog)
{
    struct shared *shared = watchdog->shared;
    int gate[2], fd = watchdog->fd, err;
    struct tc_nf_unmap plan;
    sigset_t all, before;
    pid_t pid;

    err = tc_nf_unmap_plan(&plan, shared, sizeof(*shared));
    if (err)
        return err;
    if (pipe2(gate, O_CLOEXEC))
        return -errno;
    watchdog->looked_ns = now_ns();
    atomic_store(&shared->beat_ns, watchdog->looked_ns);
    /* No handler of the agent's may run in the child, and no signal to the agent's group
     * or control group but SIGKILL ends it. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = _Fork();
    if (!pid) {
        close_others((unsigned)fd, (unsigned)gate[0]);
        tc_nf_unmap_others(&plan);
        setsid();
        prctl(PR_SET_NAME, "tocsin-nf-watch");
        watch(fd, gate[0], shared);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(gate[0]);
    if (pid < 0) {
        close(gate[1]);
        return -EAGAIN;
    }
    watchdog->gate = gate[1];
    atomic_store(&watchdog->pid, pid);
    return 0;
}

/* It is reaped. */
static void forget(struct tc_nf_watchdog *watchdog)
{
    atomic_store(&watchdog->pid, 0);
    if (watchdog->gate >= 0)
        close(watchdog->gate);
    watchdog->gate = -1;
}

/* By SIGKILL, which a stopped process obeys, too; and before the pipe is closed, which
 * says that the agent is dead. */
static void end(struct tc_nf_watchdog *watchdog)
{
    pid_t pid = atomic_load(&watchdog->pid);

    if (!pid)
        return;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    forget(watchdog);
}

int tc_nf_watchdog_start(int fd, const void *bytes, size_t len,
                         struct tc_nf_watchdog **ret_watchdog)
{
    struct tc_nf_watchdog *watchdog;
    void *shared;
    int err;

    if (len > TC_NF_WATCHDOG_SEND_BYTES)
        return -E2BIG;
    watchdog = calloc(1, sizeof(*watchdog));
    if (!watchdog)
        return -ENOMEM;
    watchdog->fd = fd;
    watchdog->gate = -1;
    shared = mmap(NULL, sizeof(*watchdog->shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        err = -errno;
        free(watchdog);
        return err;
    }
    watchdog->shared = shared;
    watchdog->shared->len = len;
    memcpy(watchdog->shared->bytes, bytes, len);
    err = begin(watchdog);
    if (err) {
        tc_nf_watchdog_stop(watchdog);
        return err;
    }
    *ret_watchdog = watchdog;
    return 0;
}

void tc_nf_watchdog_stop(struct tc_nf_watchdog *watchdog)
{
    if (!watchdog)
        return;
    end(watchdog);
    munmap(watchdog->shared, sizeof(*watchdog->shared));
    free(watchdog);
}

/* Not more often than that, should it die at once each time. */
static unsigned look_after(struct tc_nf_watchdog *watchdog, uint64_t beat_ns)
{
    pid_t pid = atomic_load(&watchdog->pid);

    if (beat_ns - watchdog->looked_ns < TC_NF_WATCHDOG_REVIVE_MS * UINT64_C(1000000))
        return 0;
    watchdog->looked_ns = beat_ns;
    if (pid && !waitpid(pid, NULL, WNOHANG))
        return 0;
    forget(watchdog);
    return begin(watchdog) ? TC_NF_WATCHDOG_MISSING : TC_NF_WATCHDOG_REPLACED;
}

unsigned tc_nf_watchdog_beat(struct tc_nf_watchdog *watchdog, uint64_t beat_ns)
{
    uint32_t releases = atomic_load(&watchdog->shared->releases);
    unsigned result = releases != watchdog->seen ? TC_NF_WATCHDOG_RELEASED : 0;

    atomic_store(&watchdog->shared->beat_ns, beat_ns);
    watchdog->seen = releases;
    return result | look_after(watchdog, beat_ns);
}

pid_t tc_nf_watchdog_pid(const struct tc_nf_watchdog *watchdog)
{
    return atomic_load(&watchdog->pid);
}

uint32_t tc_nf_watchdog_releases(const struct tc_nf_watchdog *watchdog)
{
    return atomic_load(&watchdog->shared->releases);
}
