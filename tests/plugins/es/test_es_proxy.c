/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that stand between the agent and a served file system, when it dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"
#include "tests/support/fuse_server.h"
#include "tests/support/skip.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "es_proxy.h"

struct place {
    char point[64], f[80], g[80];
    struct tc_fuse_server fuse;
};

/* An agent in a process of its own: allows everything but "g"; says when it asks. */
static int be_agent(const char *point, const char *ready)
{
    struct tc_es_proxy_config config = {
        .point = point, .on_timeout_allow = true, .deadline_ns = 60000000000};
    struct tc_es_proxy_message message;
    struct tc_es_proxy proxy;
    struct pollfd socket;
    int fd;

    if (tc_es_proxy_start(&proxy, &config))
        return 1;
    socket = (struct pollfd){.fd = proxy.socket, .events = POLLIN};
    for (;;) {
        poll(&socket, 1, -1);
        while (!tc_es_proxy_receive(&proxy, &message, &fd)) {
            if (message.kind == TC_ES_PROXY_MARKED && !message.err)
                tc_child_put(ready, "");
            if (message.kind == TC_ES_PROXY_QUESTION)
                tc_es_proxy_answer(&proxy, message.id, !strstr(message.path, "/g"));
            if (fd >= 0)
                close(fd);
        }
    }
}

static pid_t begin_agent(struct place *p)
{
    char ready[96];
    pid_t agent;

    snprintf(ready, sizeof(ready), "%.60s.ready", p->point);
    agent = tc_child_begin(be_agent, p->point, ready);
    while (access(ready, F_OK))
        usleep(1000);
    assert_int_equal(unlink(ready), 0);
    return agent;
}

static void kill_agent(pid_t agent)
{
    assert_int_equal(kill(agent, SIGKILL), 0);
    assert_int_equal(waitpid(agent, NULL, 0), agent);
}

static int end_of(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int open_(const char *path)
{
    return end_of(tc_child_begin(tc_child_open, path, NULL));
}

static int set_up(void **state)
{
    static struct place place;
    struct place *p = &place;

    snprintf(p->point, sizeof(p->point), "/tmp/tocsin-proxy-XXXXXX");
    assert_non_null(mkdtemp(p->point));
    tc_fuse_start(&p->fuse, p->point);
    snprintf(p->f, sizeof(p->f), "%.60s/f", p->point);
    snprintf(p->g, sizeof(p->g), "%.60s/g", p->point);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    tc_fuse_end(&p->fuse);
    assert_int_equal(rmdir(p->point), 0);
    return 0;
}

static void agent_that_is_killed_leaves_nobody_waiting(void **state)
{
    struct place *p = *state;
    pid_t agent = begin_agent(p);

    assert_int_equal(open_(p->f), 0);
    assert_int_equal(open_(p->g), EPERM);
    kill_agent(agent);
    assert_int_equal(open_(p->g), 0);
}

/* The one whose file is being opened waits for the server, as it would without us; who
 * stands behind it does not. */
static void agent_that_is_killed_while_a_server_hangs_ends(void **state)
{
    struct place *p = *state;
    pid_t agent = begin_agent(p), first, second;

    atomic_store(&p->fuse.shared->silent, FUSE_OPEN);
    first = tc_child_begin(tc_child_open, p->f, NULL);
    while (!atomic_load(&p->fuse.shared->unanswered))
        usleep(1000);
    second = tc_child_begin(tc_child_open, p->g, NULL);
    tc_child_await_state(second, 'D');
    kill_agent(agent);
    assert_int_equal(end_of(second), EPERM);
    assert_int_equal(waitpid(first, NULL, WNOHANG), 0);
    atomic_store(&p->fuse.shared->silent, 0);
    assert_int_equal(end_of(first), 0);
    assert_int_equal(open_(p->g), 0);
}

/* Nor does anybody wait for a reader that was stopped or killed. */
static void reader_that_is_dead_is_given_up(void **state)
{
    struct place *p = *state;
    struct tc_es_proxy_config config = {
        .point = p->point, .on_timeout_allow = true, .deadline_ns = 60000000000};
    struct tc_es_proxy_message message;
    struct tc_es_proxy proxy;
    struct pollfd ready;
    pid_t opener;
    int fd;

    assert_int_equal(tc_es_proxy_start(&proxy, &config), 0);
    ready = (struct pollfd){.fd = proxy.socket, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, -1), 1);
    assert_int_equal(tc_es_proxy_receive(&proxy, &message, &fd), 0);
    assert_int_equal(message.kind, TC_ES_PROXY_MARKED);
    assert_int_equal(kill(proxy.reader, SIGSTOP), 0);
    opener = tc_child_begin(tc_child_open, p->f, NULL);
    ready.fd = proxy.gate;
    assert_int_equal(poll(&ready, 1, -1), 1);
    assert_true(tc_es_proxy_given_up(&proxy));
    assert_int_equal(end_of(opener), EPERM);
    assert_int_equal(open_(p->g), 0);
    assert_int_equal(kill(proxy.reader, SIGKILL), 0);
    tc_es_proxy_end(&proxy);
    while (!tc_es_proxy_ended(&proxy))
        usleep(1000);
    tc_es_proxy_done(&proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(agent_that_is_killed_leaves_nobody_waiting,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(agent_that_is_killed_while_a_server_hangs_ends,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(reader_that_is_dead_is_given_up, set_up,
                                        tear_down),
    };

    if (!tc_es_scratch_possible() || !tc_fuse_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
