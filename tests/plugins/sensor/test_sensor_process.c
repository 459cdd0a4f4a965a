/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor_process.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEPT 4
#define OWN_NAME "test_sensor_pro" /* the kernel keeps 15 characters */

static int setup(void **state)
{
    struct tc_sensor_processes *processes;

    assert_int_equal(tc_sensor_processes_new(KEPT, &processes), 0);
    *state = processes;
    return 0;
}

static int teardown(void **state)
{
    tc_sensor_processes_free(*state);
    return 0;
}

/* A child that waits for a byte, then executes /bin/cat, which waits for the end. */
struct child {
    pid_t pid;
    int in;
};

static struct child begin(void)
{
    struct child child;
    int in[2];

    assert_int_equal(pipe(in), 0);
    child.pid = fork();
    if (!child.pid) {
        char byte;

        close(in[1]);
        dup2(in[0], 0);
        if (read(0, &byte, 1) == 1)
            execl("/bin/cat", "cat", "-", (char *)NULL);
        _exit(0);
    }
    close(in[0]);
    child.in = in[1];
    return child;
}

static void end(const struct child *child)
{
    close(child->in);
    assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
}

static void a_name_with_a_parenthesis_is_read_whole(void **state)
{
    char line[] = "77 (a) R 1 (b) S 3 2 1 0 -1 64 1 2 3 4 5 6 7 8 20 0 9 0 99 1 2\n";
    struct tc_sensor_stat stat;

    (void)state;
    assert_int_equal(tc_sensor_proc_stat_parse(line, &stat), 0);
    assert_string_equal(stat.name, "a) R 1 (b");
    assert_int_equal(stat.state, 'S');
    assert_int_equal(stat.parent, 3);
    assert_int_equal(stat.session, 1);
    assert_int_equal(stat.flags, 64);
    assert_int_equal(stat.threads, 9);
    assert_int_equal(stat.start_ns, 99 * tc_sensor_proc_tick_ns());
}

static void a_line_that_is_none_is_refused(void **state)
{
    char lines[][40] = {"", "77 a S 3", ")(", "77 (a", "77 (a) S 3 2 1"};
    struct tc_sensor_stat stat;

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_int_equal(tc_sensor_proc_stat_parse(lines[i], &stat), -EPROTO);
}

static struct tc_sensor_process_counters counters(struct tc_sensor_processes *processes)
{
    struct tc_sensor_process_counters c;

    tc_sensor_processes_counters(processes, &c);
    return c;
}

static void a_process_is_read_once(void **state)
{
    const struct tc_sensor_process *process = NULL;

    for (int i = 0; i < 10; i++)
        process = tc_sensor_processes_find(*state, getpid());
    assert_non_null(process);
    assert_string_equal(process->self.name, OWN_NAME);
    assert_int_equal(process->parent.pid, getppid());
    assert_int_equal(process->uid, geteuid());
    assert_int_equal(counters(*state).reads, 1);
    assert_int_equal(counters(*state).hits, 9);
}

static void the_start_is_within_a_second_of_the_truth(void **state)
{
    time_t before = time(NULL);
    struct child child = begin();
    time_t after = time(NULL);
    const struct tc_sensor_process *process = tc_sensor_processes_find(*state, child.pid);

    assert_in_range(process->self.start_ns / 1000000000u, before - 1, after + 1);
    end(&child);
}

static void an_exec_is_noticed(void **state)
{
    struct child child = begin();
    const struct tc_sensor_process *process = tc_sensor_processes_find(*state, child.pid);
    time_t limit = time(NULL) + 60;

    assert_string_equal(process->self.name, OWN_NAME);
    assert_int_equal(write(child.in, "x", 1), 1);
    do
        process = tc_sensor_processes_find(*state, child.pid);
    while (process && strcmp(process->self.name, "cat") != 0 && time(NULL) < limit);
    assert_non_null(process);
    assert_string_equal(process->self.name, "cat");
    end(&child);
}

/* ThreadSanitizer takes no second process in its memory. */
#if !defined(__SANITIZE_THREAD__)
/* It waits before its exec, with its parent's memory, as one whose exec is asked about.
 */
static int vforked_main(void *arg)
{
    struct child *child = arg;
    char byte;

    if (read(child->in, &byte, 1) == 1 && dup2(child->in, STDIN_FILENO) >= 0)
        execl("/bin/cat", "cat", "-", (char *)NULL);
    _exit(1);
}

static void regress_who_shares_memory_is_read_once_until_it_executes(void **state)
{
    static char stack[64 * 1024];
    struct child child;
    const struct tc_sensor_process *process;
    time_t limit = time(NULL) + 60;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    child.in = ends[0];
    child.pid = clone(vforked_main, stack + sizeof(stack), CLONE_VM | SIGCHLD, &child);
    assert_true(child.pid > 0);
    for (int i = 0; i < 3; i++) {
        process = tc_sensor_processes_find(*state, child.pid);
        assert_non_null(process);
        assert_string_equal(process->self.name, OWN_NAME);
        assert_int_equal(process->parent.pid, getpid());
    }
    assert_int_equal(counters(*state).reads, 1);
    assert_int_equal(counters(*state).hits, 2);
    assert_int_equal(write(ends[1], "x", 1), 1);
    do
        process = tc_sensor_processes_find(*state, child.pid);
    while (process && strcmp(process->self.name, "cat") != 0 && time(NULL) < limit);
    assert_non_null(process);
    assert_string_equal(process->self.name, "cat");
    kill(child.pid, SIGKILL);
    assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
    close(ends[0]);
    close(ends[1]);
}
#endif

static void who_was_found_stays_so_for_a_turn(void **state)
{
    struct child child = begin();

    tc_sensor_processes_turn(*state);
    assert_non_null(tc_sensor_processes_find(*state, child.pid));
    end(&child);
    assert_non_null(tc_sensor_processes_find(*state, child.pid));
    assert_int_equal(counters(*state).gone, 0);
    assert_int_equal(counters(*state).hits, 1);
    tc_sensor_processes_turn(*state);
    assert_non_null(tc_sensor_processes_find(*state, child.pid));
    assert_int_equal(counters(*state).gone, 1);
}

static void the_user_is_the_one_of_now(void **state)
{
    int ends[2], back[2];
    char byte;
    pid_t pid;

    if (geteuid())
        skip();
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(back), 0);
    pid = fork();
    if (!pid) {
        if (read(ends[0], &byte, 1) != 1 || setresuid(65534, 65534, 65534) ||
            write(back[1], "x", 1) != 1 || read(ends[0], &byte, 1) != 1)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(tc_sensor_processes_find(*state, pid)->uid, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(read(back[0], &byte, 1), 1);
    assert_int_equal(tc_sensor_processes_find(*state, pid)->uid, 65534);
    assert_int_equal(counters(*state).reads, 1);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(back[i]);
    }
}

static void what_was_known_of_an_ended_process_is_still_given(void **state)
{
    struct child child = begin();
    const struct tc_sensor_process *process = tc_sensor_processes_find(*state, child.pid);
    uint64_t start_ns = process->self.start_ns;

    end(&child);
    process = tc_sensor_processes_find(*state, child.pid);
    assert_non_null(process);
    assert_true(process->self.start_ns == start_ns);
    assert_int_equal(counters(*state).gone, 1);
}

static void regress_an_ending_process_keeps_its_executable(void **state)
{
    struct child child = begin();
    const struct tc_sensor_process *process = tc_sensor_processes_find(*state, child.pid);
    siginfo_t info;

    close(child.in);
    assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
    process = tc_sensor_processes_find(*state, child.pid);
    assert_non_null(process);
    assert_non_null(process->self.executable);
    assert_non_null(process->command_line);
    assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
}

static void nothing_is_said_of_a_process_that_never_was(void **state)
{
    assert_null(tc_sensor_processes_find(*state, 0x3ffffff0));
    assert_null(tc_sensor_processes_find(*state, 0x3ffffff0));
}

static void the_longest_unused_goes_first(void **state)
{
    struct child children[KEPT];

    tc_sensor_processes_find(*state, getpid());
    for (size_t i = 0; i < KEPT; i++) {
        children[i] = begin();
        assert_non_null(tc_sensor_processes_find(*state, children[i].pid));
        assert_non_null(tc_sensor_processes_find(*state, getpid()));
    }
    assert_int_equal(counters(*state).kept, KEPT);
    assert_int_equal(counters(*state).evicted, 1);
    assert_int_equal(counters(*state).reads, KEPT + 1); /* we were never evicted */
    for (size_t i = KEPT; i-- > 0;) /* each holds the pipes of those before it */
        end(&children[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        cmocka_unit_test(a_name_with_a_parenthesis_is_read_whole),
        cmocka_unit_test(a_line_that_is_none_is_refused),
        TEST(a_process_is_read_once),
        TEST(the_start_is_within_a_second_of_the_truth),
        TEST(an_exec_is_noticed),
#if !defined(__SANITIZE_THREAD__)
        TEST(regress_who_shares_memory_is_read_once_until_it_executes),
#endif
        TEST(who_was_found_stays_so_for_a_turn),
        TEST(the_user_is_the_one_of_now),
        TEST(what_was_known_of_an_ended_process_is_still_given),
        TEST(regress_an_ending_process_keeps_its_executable),
        TEST(nothing_is_said_of_a_process_that_never_was),
        TEST(the_longest_unused_goes_first),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
