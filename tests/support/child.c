/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sensor_clock.h"
#include "sensor_proc.h"

static char *const no_environment[] = {NULL};

pid_t tc_child_begin(tc_child_fn fn, const char *path, const char *other)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid) {
        alarm(TC_CHILD_ALARM_S);
        close_range(3, ~0u, 0);
        _exit(fn(path, other));
    }
    return pid;
}

int tc_child_open(const char *path, const char *other)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    (void)other;
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

int tc_child_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

    if (fd < 0)
        return errno;
    return write(fd, text, strlen(text)) < 0 ? errno : close(fd);
}

int tc_child_copy(const char *path, const char *to)
{
    tc_child_put_program(to, path);
    return 0;
}

int tc_child_become(const char *path, const char *other)
{
    execle(path, path, other, (char *)NULL, no_environment);
    return errno;
}

int tc_child_execute(const char *path, const char *other)
{
    pid_t pid = fork();
    int status;

    (void)other;
    if (!pid) {
        alarm(TC_CHILD_ALARM_S); /* fork has cleared it */
        execl(path, path, (char *)NULL);
        _exit(errno);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 255;
    return WEXITSTATUS(status);
}

void tc_child_put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

void tc_child_put_program(const char *path, const char *program)
{
    int from = open(program, O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    char buf[65536];
    ssize_t n;

    assert_true(from >= 0 && to >= 0);
    while ((n = read(from, buf, sizeof(buf))) > 0)
        assert_int_equal(write(to, buf, (size_t)n), n);
    close(from);
    close(to);
}

void tc_child_settle(const char *path)
{
    struct timespec now;
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    do
        clock_gettime(CLOCK_REALTIME, &now);
    while ((now.tv_sec - st.st_ctim.tv_sec) * 1000000000 + now.tv_nsec -
               st.st_ctim.tv_nsec <
           25000000);
}

pid_t tc_child_spawn(const char *program, const char *first, const char *second,
                     size_t bytes)
{
    const char *argv[] = {program, first, second, NULL};
    posix_spawn_file_actions_t actions;
    char buf[64];
    int ends[2];
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    assert_int_equal(posix_spawn(&pid, program, &actions, NULL,
                                 (char *const *)(uintptr_t)argv, no_environment),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    for (; bytes; bytes -= (size_t)n) {
        n = read(ends[0], buf, sizeof(buf) < bytes ? sizeof(buf) : bytes);
        assert_true(n > 0);
    }
    close(ends[0]);
    return pid;
}

char tc_child_state(pid_t pid, uint64_t *ret_start_ns)
{
    struct tc_sensor_stat stat;

    if (tc_sensor_proc_stat(pid, &stat))
        return 0;
    *ret_start_ns = stat.start_ns;
    return stat.state;
}

static uint64_t deadline_ns(void)
{
    return tc_sensor_clock_ns(CLOCK_MONOTONIC) + TC_CHILD_WAIT_S * UINT64_C(1000000000);
}

void tc_child_await_state(pid_t pid, char wanted)
{
    uint64_t until_ns = deadline_ns(), start_ns;

    while (tc_child_state(pid, &start_ns) != wanted)
        if (tc_sensor_clock_ns(CLOCK_MONOTONIC) > until_ns)
            fail_msg("process %d never came to state %c", pid, wanted);
}

size_t tc_child_reap_all(void)
{
    uint64_t until_ns = deadline_ns();
    size_t n = 0;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
        if (tc_sensor_clock_ns(CLOCK_MONOTONIC) > until_ns)
            fail_msg("some are still alive");
        if (pid)
            n++;
        else
            usleep(1000);
    }
    assert_int_equal(errno, ECHILD);
    return n;
}
