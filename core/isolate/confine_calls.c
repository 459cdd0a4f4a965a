/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the list of system calls that an isolated plugin may make, as a program of
 * seccomp(2). What is not on it fails with EPERM, so that a library that tries it goes on
 * without; nobody is killed for asking. Not on it: sockets, other processes, programs,
 * mounts, keys, BPF, tracing, io_uring, users, time.
 */
#include <asm/ioctls.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/isolate/confine.h"

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000u
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#define X32_BIT 0xffffffffu /* there is no such thing here */
#else
#error "name this machine's audit constant"
#endif

/* Calls of older interfaces, which newer machines do not have. */
#define CALL(name) SYS_##name
static const int allowed[] = {
    /* memory */
    CALL(brk),
    CALL(mmap),
    CALL(munmap),
    CALL(mprotect),
    CALL(mremap),
    CALL(madvise),
    CALL(mlock),
    CALL(munlock),
    CALL(msync),
    CALL(mincore),
    CALL(membarrier),
    CALL(memfd_create),
    CALL(pkey_alloc),
    CALL(pkey_free),
    CALL(pkey_mprotect),
    /* files: which ones is Landlock's to say, and the user's */
    CALL(openat),
    CALL(openat2),
    CALL(close),
    CALL(close_range),
    CALL(read),
    CALL(write),
    CALL(readv),
    CALL(writev),
    CALL(pread64),
    CALL(pwrite64),
    CALL(preadv),
    CALL(pwritev),
    CALL(lseek),
    CALL(fstat),
    CALL(newfstatat),
    CALL(statx),
    CALL(statfs),
    CALL(fstatfs),
    CALL(faccessat),
    CALL(faccessat2),
    CALL(getdents64),
    CALL(readlinkat),
    CALL(getcwd),
    CALL(dup),
    CALL(dup3),
    CALL(fcntl),
    CALL(flock),
    CALL(fsync),
    CALL(fdatasync),
    CALL(ftruncate),
    CALL(fallocate),
    CALL(fadvise64),
    CALL(readahead),
    CALL(sync_file_range),
    CALL(copy_file_range),
    CALL(sendfile),
    CALL(mkdirat),
    CALL(unlinkat),
    CALL(renameat),
    CALL(renameat2),
    CALL(symlinkat),
    CALL(fchmod),
    CALL(fchmodat),
    CALL(utimensat),
    CALL(umask),
    /* waiting, on descriptors that it has */
    CALL(epoll_create1),
    CALL(epoll_ctl),
    CALL(epoll_pwait),
    CALL(ppoll),
    CALL(pselect6),
    CALL(eventfd2),
    CALL(pipe2),
    CALL(timerfd_create),
    CALL(timerfd_settime),
    CALL(timerfd_gettime),
    CALL(inotify_init1),
    CALL(inotify_add_watch),
    CALL(inotify_rm_watch),
    CALL(sendmsg),
    CALL(recvmsg),
    CALL(sendto),
    CALL(recvfrom),
    CALL(shutdown),
    CALL(getsockopt),
    CALL(getsockname),
    /* threads and time */
    CALL(futex),
    CALL(set_robust_list),
    CALL(get_robust_list),
    CALL(set_tid_address),
    CALL(rseq),
    CALL(sched_yield),
    CALL(sched_getaffinity),
    CALL(sched_setaffinity),
    CALL(sched_getparam),
    CALL(sched_getscheduler),
    CALL(getcpu),
    CALL(nanosleep),
    CALL(clock_gettime),
    CALL(clock_getres),
    CALL(clock_nanosleep),
    CALL(gettimeofday),
    CALL(times),
    CALL(getitimer),
    CALL(setitimer),
    /* itself */
    CALL(exit),
    CALL(exit_group),
    CALL(getpid),
    CALL(getppid),
    CALL(gettid),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    CALL(getgroups),
    CALL(getpgid),
    CALL(getsid),
    CALL(getresuid),
    CALL(getresgid),
    CALL(getrlimit),
    CALL(prlimit64),
    CALL(getrusage),
    CALL(sysinfo),
    CALL(uname),
    CALL(getrandom),
    CALL(prctl),
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(rt_sigpending),
    CALL(rt_sigtimedwait),
    CALL(rt_sigsuspend),
    CALL(sigaltstack),
    CALL(restart_syscall),
#if defined(__x86_64__)
    CALL(open),
    CALL(stat),
    CALL(lstat),
    CALL(access),
    CALL(readlink),
    CALL(dup2),
    CALL(poll),
    CALL(select),
    CALL(epoll_wait),
    CALL(epoll_create),
    CALL(eventfd),
    CALL(pipe),
    CALL(inotify_init),
    CALL(mkdir),
    CALL(rmdir),
    CALL(unlink),
    CALL(rename),
    CALL(symlink),
    CALL(chmod),
    CALL(getdents),
    CALL(arch_prctl),
    CALL(time),
    CALL(getpgrp),
    CALL(pause),
    CALL(alarm),
#endif
};

/* What ioctl(2) may ask of a descriptor; among the rest is writing to somebody's
 * terminal. */
static const uint32_t allowed_ioctls[] = {FIONBIO, FIOCLEX, FIONCLEX, FIONREAD, TCGETS};
#define IOCTLS (sizeof(allowed_ioctls) / sizeof(*allowed_ioctls))

/* Below them, those whose arguments matter: a thread is made, no process; a signal goes
 * to this process only. */
#define COUNT (sizeof(allowed) / sizeof(*allowed))
#define PROGRAM_MAX (COUNT * 2 + 32)

static struct sock_filter load(size_t at)
{
    return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)at);
}

static struct sock_filter answer(uint32_t what)
{
    return (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what);
}

/* Goes on to the next but one where what was loaded is not (or has no bit of) `value`. */
static struct sock_filter unless(uint16_t how, uint32_t value)
{
    return (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_K | how, value, 0, 1);
}

/* The lower half of a call's argument; both machines are little-endian. */
static size_t argument(size_t index)
{
    return offsetof(struct seccomp_data, args) + index * sizeof(uint64_t);
}

static size_t write_program(struct sock_filter *p)
{
    const uint32_t no = SECCOMP_RET_ERRNO | EPERM;
    size_t n = 0;

    p[n++] = load(offsetof(struct seccomp_data, arch));
    p[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
    p[n++] = answer(SECCOMP_RET_KILL_PROCESS);
    p[n++] = load(offsetof(struct seccomp_data, nr));
    p[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    p[n++] = answer(no);
    for (size_t i = 0; i < COUNT; i++) {
        p[n++] = unless(BPF_JEQ, (uint32_t)allowed[i]);
        p[n++] = answer(SECCOMP_RET_ALLOW);
    }
    /* libc falls back to clone, whose flags can be looked at. */
    p[n++] = unless(BPF_JEQ, SYS_clone3);
    p[n++] = answer(SECCOMP_RET_ERRNO | ENOSYS);
    p[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
    p[n++] = load(argument(0));
    p[n++] = unless(BPF_JSET, CLONE_THREAD);
    p[n++] = answer(SECCOMP_RET_ALLOW);
    p[n++] = answer(no);
    p[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 4);
    p[n++] = load(argument(0));
    p[n++] = unless(BPF_JEQ, (uint32_t)getpid());
    p[n++] = answer(SECCOMP_RET_ALLOW);
    p[n++] = answer(no);
    p[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0,
                                          2 * IOCTLS + 1);
    p[n++] = load(argument(1));
    for (size_t i = 0; i < IOCTLS; i++) {
        p[n++] = unless(BPF_JEQ, allowed_ioctls[i]);
        p[n++] = answer(SECCOMP_RET_ALLOW);
    }
    p[n++] = answer(no);
    return n;
}

int tc_confine_calls(void)
{
    struct sock_filter instructions[PROGRAM_MAX];
    struct sock_fprog program = {.filter = instructions};

    program.len = (unsigned short)write_program(instructions);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0))
        return -errno;
    return 0;
}
