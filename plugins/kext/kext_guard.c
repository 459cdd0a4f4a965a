/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent has threads, so after fork(2) only what is async-signal-safe may be used
 * (signal-safety(7)): system calls, on memory that was there before.
 */
#include "kext_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kext_load.h"
#include "sensor_clock.h"

#define POLL_MS                                                                          \
    2000 /* how often it looks whether the agent still renews its deadline               \
          */

#define LAST_MS 100 /* longer than a program in the kernel runs */

static long bpf(int command, union bpf_attr *attr)
{
    return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static bool first_held(int map, uint32_t *ret_pid, struct tc_kext_held *ret_held)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.map_fd = (uint32_t)map;
    attr.next_key = (uint64_t)(uintptr_t)ret_pid;
    if (bpf(BPF_MAP_GET_NEXT_KEY, &attr))
        return false;
    memset(&attr, 0, sizeof(attr));
    attr.map_fd = (uint32_t)map;
    attr.key = (uint64_t)(uintptr_t)ret_pid;
    attr.value = (uint64_t)(uintptr_t)ret_held;
    return !bpf(BPF_MAP_LOOKUP_ELEM, &attr);
}

static void forget(int map, uint32_t pid)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.map_fd = (uint32_t)map;
    attr.key = (uint64_t)(uintptr_t)&pid;
    bpf(BPF_MAP_DELETE_ELEM, &attr);
}

/* SIGCONT to a process that is not stopped does no harm: its start is not checked. */
static void resume_all(int map)
{
    struct tc_kext_held held;
    uint32_t pid;

    for (int left = 4 * TC_KEXT_HELD_MAX; left && first_held(map, &pid, &held); left--) {
        kill((pid_t)pid, SIGCONT);
        forget(map, pid);
    }
}

static bool is_stale(const struct tc_kext_control *control)
{
    return tc_sensor_clock_ns(CLOCK_MONOTONIC) > control->hold_until_ns;
}

/* A program that began before its link was closed may stop one more. */
static void resume_for_good(int map, struct tc_kext_control *control)
{
    __atomic_store_n(&control->hold, 0, __ATOMIC_SEQ_CST);
    resume_all(map);
    poll(NULL, 0, LAST_MS);
    resume_all(map);
}

_Noreturn static void guard_main(int pipe, int map, struct tc_kext_control *control)
{
    struct pollfd other_end = {.fd = pipe, .events = POLLIN};

    for (;;) {
        if (poll(&other_end, 1, POLL_MS) > 0) {
            resume_for_good(map, control);
            _exit(0);
        }
        if (is_stale(control))
            resume_all(map);
    }
}

/* Keeps the two descriptors and no other: not the sensors', which must end with the
 * agent. */
static void close_others(unsigned a, unsigned b)
{
    unsigned low = a < b ? a : b, high = a < b ? b : a;

    if (low)
        syscall(SYS_close_range, 0u, low - 1, 0);
    if (high > low + 1)
        syscall(SYS_close_range, low + 1, high - 1, 0);
    syscall(SYS_close_range, high + 1, ~0u, 0);
}

int tc_kext_guard_start(struct tc_kext_guard *guard,
                        const struct tc_kext_programs *programs)
{
    int map = tc_kext_held_fd(programs), ends[2];
    sigset_t all, before;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    /* A handler of the agent's must not run in the child. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (!pid) {
        setsid(); /* what is sent to the agent's group is not for it */
        prctl(PR_SET_NAME, "tocsin-kext");
        close_others((unsigned)ends[0], (unsigned)map);
        guard_main(ends[0], map, programs->control);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(ends[0]);
    if (pid < 0) {
        int err = -errno;

        close(ends[1]);
        return err;
    }
    guard->pid = pid;
    guard->pipe = ends[1];
    return 0;
}

void tc_kext_guard_stop(struct tc_kext_guard *guard)
{
    if (!guard->pid)
        return;
    close(guard->pipe);
    while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    guard->pid = 0;
}
