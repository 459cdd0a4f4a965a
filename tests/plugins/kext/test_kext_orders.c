/* SPDX-License-Identifier: Apache-2.0 */
/* That no process stays stopped: from what the loop has decided to what is carried out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/child.h"
#include "tests/support/kext_scratch.h"

#include "kext.h"
#include "tests/support/skip.h"
#include <bpf/bpf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RING_BYTES 4096

/* The plugin as far as it carries out what was decided; and a process that it holds. */
struct fixture {
    struct tc_kext kext;
    pid_t pid;
    uint64_t start_ns;
};

static int wait_for_signals(const char *path, const char *other)
{
    (void)path;
    (void)other;
    while (pause() < 0)
        ;
    return 0;
}

static int setup(void **state)
{
    static const struct tc_kext_sizes sizes = {.ring_bytes = RING_BYTES, .known = 1};
    static struct fixture fixture;
    struct fixture *f = &fixture;
    struct tc_kext *kext = &f->kext;
    struct tc_kext_held held;
    char why[256];
    int status;

    memset(f, 0, sizeof(*f));
    if (tc_kext_load(&kext->programs, TC_KEXT_LEVEL_TRACING, &sizes, NULL, why))
        fail_msg("%s", why);
    kext->reader.programs = &kext->programs;
    f->pid = tc_child_begin(wait_for_signals, NULL, NULL);
    assert_int_equal(kill(f->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(f->pid, &status, WUNTRACED), f->pid);
    assert_true(WIFSTOPPED(status));
    tc_child_state(f->pid, &f->start_ns);
    held.start_ns = f->start_ns;
    assert_int_equal(
        bpf_map_update_elem(tc_kext_held_fd(&kext->programs), &f->pid, &held, BPF_ANY),
        0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    tc_kext_unload(&f->kext.programs);
    return 0;
}

/* A reader whose thread gets to nothing, with so many orders that wait. */
static void begin_busy(struct fixture *f, size_t orders)
{
    static const struct tc_sensor_reader_limits limits = {.items_max = 1};
    struct tc_kext_reader *reader = &f->kext.reader;

    pthread_mutex_init(&reader->lock, NULL);
    assert_int_equal(tc_sensor_reader_open(&reader->base, &limits, NULL, -1, 0), 0);
    reader->orders = calloc(TC_KEXT_ORDERS_MAX, sizeof(*reader->orders));
    assert_non_null(reader->orders);
    reader->order_count = orders;
}

static void end_busy(struct fixture *f)
{
    tc_sensor_reader_close(&f->kext.reader.base);
    free(f->kext.reader.orders);
    pthread_mutex_destroy(&f->kext.reader.lock);
}

static void order_to_kill(struct fixture *f)
{
    const struct tc_kext_order order = {TC_KEXT_ORDER_KILL, f->pid, f->start_ns};

    tc_kext_reader_order(&f->kext.reader, &order);
}

static bool is_held(struct fixture *f)
{
    struct tc_kext_held held;
    uint32_t pid;

    return tc_kext_any_held(&f->kext.programs, &pid, &held);
}

static void resume(struct fixture *f)
{
    tc_kext_resume(&f->kext, f->pid, f->start_ns, TC_KEXT_WAS_STOPPED);
}

static void assert_goes_on(struct fixture *f)
{
    int status;

    assert_int_equal(waitpid(f->pid, &status, WCONTINUED), f->pid);
    assert_true(WIFCONTINUED(status));
    assert_false(is_held(f));
}

static void assert_was_killed(struct fixture *f)
{
    int status;

    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* Should the agent die before, the guard finds it there. */
static void regress_who_is_to_go_on_is_known_as_stopped_until_he_does(void **state)
{
    struct fixture *f = *state;

    begin_busy(f, 0);
    resume(f);
    assert_int_equal(f->kext.reader.order_count, 1);
    assert_true(is_held(f));
    end_busy(f);
}

static void who_is_to_go_on_does_at_once_when_there_is_no_room_for_the_order(void **state)
{
    struct fixture *f = *state;

    begin_busy(f, TC_KEXT_ORDERS_MAX);
    resume(f);
    assert_goes_on(f);
    assert_int_equal(f->kext.reader.orders_full, 1);
    end_busy(f);
}

static void who_is_to_die_does_at_once_when_there_is_no_room_for_the_order(void **state)
{
    struct fixture *f = *state;

    begin_busy(f, TC_KEXT_ORDERS_MAX);
    order_to_kill(f);
    assert_was_killed(f);
    assert_false(is_held(f));
    end_busy(f);
}

static void the_reader_lets_go_on_whom_it_is_told_to(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(tc_kext_reader_start(&f->kext.reader, RING_BYTES), 0);
    resume(f);
    assert_goes_on(f);
    tc_kext_reader_stop(&f->kext.reader);
}

static void the_reader_kills_whom_it_is_told_to(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(tc_kext_reader_start(&f->kext.reader, RING_BYTES), 0);
    order_to_kill(f);
    assert_was_killed(f);
    tc_kext_reader_stop(&f->kext.reader);
    assert_false(is_held(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(regress_who_is_to_go_on_is_known_as_stopped_until_he_does),
        TEST(who_is_to_go_on_does_at_once_when_there_is_no_room_for_the_order),
        TEST(who_is_to_die_does_at_once_when_there_is_no_room_for_the_order),
        TEST(the_reader_lets_go_on_whom_it_is_told_to),
        TEST(the_reader_kills_whom_it_is_told_to),
#undef TEST
    };

    if (!tc_kext_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
