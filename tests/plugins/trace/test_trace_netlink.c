/* SPDX-License-Identifier: Apache-2.0 */
/* What trace reports of processes on its lower level, the kernel's process connector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/skip.h"
#include "tests/support/trace_scratch.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const netlink[] = {"mechanism=netlink", NULL};

static void trace_reports_processes_without_ebpf(void **state)
{
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event;
    int status, pid;

    pid = tc_trace_spawn("/bin/sleep", (const char *[]){"sleep", "30", NULL});
    event = tc_trace_await(s, "process.started", pid);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, "process.command_line"),
                        "sleep 30");
    assert_string_equal(tc_harness_text(&s->h, event, "process.name"), "sleep");
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PARENT_PID, -1), getpid());
    assert_int_equal(tocsin_event_int(event, "process.user.id", -1), 0);
    assert_non_null(tc_trace_await(s, "process.forked", pid));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    event = tc_trace_await(s, "process.exited", pid);
    assert_non_null(event);
    assert_int_equal(tocsin_event_int(event, "process.exit_signal", -1), SIGKILL);
    assert_string_equal(tc_harness_text(&s->h, event, "process.command_line"),
                        "sleep 30");
}

/* One that has gone before it could be looked at is reported all the same. */
static void trace_misses_no_short_life_without_ebpf(void **state)
{
    enum { LIVES = 200 };
    struct tc_trace_scratch *s = *state;
    int pids[LIVES];

    for (int i = 0; i < LIVES; i++)
        pids[i] = tc_trace_run(s->program, (const char *[]){"n", NULL});
    assert_non_null(tc_trace_await(s, "process.exited", pids[LIVES - 1]));
    for (int i = 0; i < LIVES; i++) {
        assert_int_equal(tc_trace_count(s, "process.forked", pids[i]), 1);
        assert_int_equal(tc_trace_count(s, "process.started", pids[i]), 1);
        assert_int_equal(tc_trace_count(s, "process.exited", pids[i]), 1);
    }
    assert_int_equal(tc_trace_stat(s, "lost"), 0);
}

static void trace_reports_what_the_lower_level_costs(void **state)
{
    struct tc_trace_scratch *s = *state;
    const struct tc_harness_report *issue = tc_harness_reported(&s->h, "trace_netlink");

    assert_string_equal(
        tc_harness_reported(&s->h, "supplementary_events_subsystem")->text, "netlink");
    assert_non_null(issue);
    assert_int_equal(issue->what, TOCSIN_REPORT_ISSUE);
    assert_non_null(strstr(issue->text, "without their command line"));
    assert_string_equal(issue->fix, "tocsin config set plugins.trace.mechanism auto");
}

static int setup(void **state)
{
    static struct tc_trace_scratch scratch;

    tc_trace_scratch_init(&scratch, netlink);
    *state = &scratch;
    return 0;
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, tc_trace_scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(trace_reports_processes_without_ebpf),
        WITH(trace_misses_no_short_life_without_ebpf),
        WITH(trace_reports_what_the_lower_level_costs),
    };

    if (!tc_trace_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
