/* SPDX-License-Identifier: Apache-2.0 */
/* The reading of a real group, with a clock and a loop of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "es_canary.h"
#include "es_source.h"

#define PENDING 4
#define MS 1000000ull
#define POST_FAILURES 3

struct fixture {
    struct tocsin_host host; /* first: its functions find the fixture by it */
    char dir[64], path[80];
    struct tc_es_canary canary;
    struct tc_es_source source;
    uint64_t now_ns;
    atomic_uint posts;
};

static struct fixture *fixture_of(const struct tocsin_host *host)
{
    return (struct fixture *)(uintptr_t)host;
}

static uint64_t host_now_ns(const struct tocsin_host *host)
{
    return fixture_of(host)->now_ns;
}

static bool host_is_agent(const struct tocsin_host *host, int32_t pid)
{
    (void)host;
    return pid == getpid();
}

static int host_post(const struct tocsin_host *host, tocsin_call_fn fn, void *arg)
{
    (void)fn;
    (void)arg;
    return atomic_fetch_add(&fixture_of(host)->posts, 1) < POST_FAILURES ? -ENOMEM : 0;
}

static int setup(void **state)
{
    static struct fixture f;
    struct tc_es_source_config config = {.host = &f.host,
                                         .canary = &f.canary,
                                         .max_pending = PENDING,
                                         .deadline_ns = 60000 * MS};

    memset(&f, 0, sizeof(f));
    f.host.now_ns = host_now_ns;
    f.host.is_agent = host_is_agent;
    f.host.post = host_post;
    f.now_ns = 1000 * MS;
    strcpy(f.dir, "/tmp/tocsin-source-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    assert_int_equal(mount("tocsin-es", f.dir, "tmpfs", 0, NULL), 0);
    snprintf(f.path, sizeof(f.path), "%s/f", f.dir);
    tc_child_put(f.path, "x");
    tc_es_canary_init(&f.canary);
    assert_int_equal(tc_es_source_open(&f.source, &config), 0);
    assert_int_equal(tc_es_source_mark(&f.source, f.dir), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tc_es_source_close(&f->source);
    assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
    assert_int_equal(rmdir(f->dir), 0);
    return 0;
}

/* Until so many items were read; the loop's part. */
static void await_items(struct fixture *f, struct tc_es_item *items, size_t count)
{
    struct tc_es_item some[TC_ES_SOURCE_BATCH];
    size_t n;

    for (size_t got = 0; got < count; got += n) {
        n = tc_es_source_read(&f->source, some);
        assert_true(got + n <= count);
        memcpy(items + got, some, n * sizeof(*items));
    }
}

static int end_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static uint64_t pending_full(struct fixture *f)
{
    struct tc_es_source_counters counters;

    tc_es_source_counters(&f->source, &counters);
    return counters.pending_full;
}

static void answer(struct fixture *f, const struct tc_es_item *item)
{
    tc_es_gate_answer(&f->source.gate, item->slot, true);
    close(item->fd);
}

/* One more asks than has room. */
static void source_leaves_a_question_with_the_kernel_until_there_is_room(void **state)
{
    struct tc_es_item items[PENDING], over[TC_ES_SOURCE_BATCH];
    struct fixture *f = *state;
    pid_t pids[PENDING + 1];

    for (size_t i = 0; i < PENDING + 1; i++)
        pids[i] = tc_child_begin(tc_child_open, f->path, NULL);
    await_items(f, items, PENDING);
    assert_int_equal(tc_es_source_read(&f->source, over), 0);
    f->now_ns += 99 * MS;
    assert_int_equal(tc_es_source_read(&f->source, over), 0);
    assert_int_equal(pending_full(f), 0);
    answer(f, &items[0]);
    await_items(f, &items[0], 1);
    for (size_t i = 0; i < PENDING; i++)
        answer(f, &items[i]);
    for (size_t i = 0; i < PENDING + 1; i++)
        assert_int_equal(end_of(pids[i]), 0);
    assert_int_equal(pending_full(f), 0);
}

static void source_answers_by_default_when_there_is_no_room_for_long(void **state)
{
    struct tc_es_item items[PENDING], over[TC_ES_SOURCE_BATCH];
    struct fixture *f = *state;
    pid_t pids[PENDING + 1];
    int refused = 0;

    for (size_t i = 0; i < PENDING + 1; i++)
        pids[i] = tc_child_begin(tc_child_open, f->path, NULL);
    await_items(f, items, PENDING);
    assert_int_equal(tc_es_source_read(&f->source, over), 0);
    f->now_ns += 100 * MS;
    while (!pending_full(f)) /* the last may not have asked yet */
        assert_int_equal(tc_es_source_read(&f->source, over), 0);
    for (size_t i = 0; i < PENDING; i++)
        answer(f, &items[i]);
    for (size_t i = 0; i < PENDING + 1; i++)
        refused += end_of(pids[i]) == EPERM;
    assert_int_equal(refused, 1);
}

/* By the kernel, in one call; the second has been killed, and its answer is refused. */
static void source_gives_many_answers_in_one_call(void **state)
{
    const int expected[PENDING] = {0, -1, EPERM, 0};
    struct tc_es_gate_answer answers[PENDING];
    struct tc_es_item items[PENDING];
    struct fixture *f = *state;
    pid_t pids[PENDING];

    for (size_t i = 0; i < PENDING; i++) {
        pids[i] = tc_child_begin(tc_child_open, f->path, NULL);
        await_items(f, &items[i], 1);
        answers[i].slot = items[i].slot;
        answers[i].allow = expected[i] != EPERM;
    }
    assert_int_equal(kill(pids[1], SIGKILL), 0);
    assert_int_equal(end_of(pids[1]), -1);
    tc_es_gate_answer_many(&f->source.gate, answers, PENDING);
    for (size_t i = 0; i < PENDING; i++) {
        close(items[i].fd);
        if (i != 1)
            assert_int_equal(end_of(pids[i]), expected[i]);
    }
    assert_int_equal(tc_es_gate_used(&f->source.gate), 0);
}

/* The thread's own reading. */
static void regress_a_wake_up_that_could_not_be_posted_is_posted_again(void **state)
{
    struct fixture *f = *state;
    struct tc_es_item item;
    pid_t pid;

    assert_int_equal(tc_es_source_run(&f->source), 0);
    pid = tc_child_begin(tc_child_open, f->path, NULL);
    for (int left = TC_CHILD_WAIT_S * 1000; left; left--) {
        if (atomic_load(&f->posts) > POST_FAILURES)
            break;
        usleep(1000);
    }
    assert_int_equal(atomic_load(&f->posts), POST_FAILURES + 1);
    assert_true(tc_es_source_next(&f->source, &item));
    answer(f, &item);
    assert_int_equal(end_of(pid), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(source_leaves_a_question_with_the_kernel_until_there_is_room),
        TEST(source_answers_by_default_when_there_is_no_room_for_long),
        TEST(source_gives_many_answers_in_one_call),
        TEST(regress_a_wake_up_that_could_not_be_posted_is_posted_again),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
