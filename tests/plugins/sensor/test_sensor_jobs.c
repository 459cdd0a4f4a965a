/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin's jobs and its end, over a host whose pool runs when the test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor_jobs.h"

#include <errno.h>
#include <string.h>

enum { FIRST, SECOND, COUNT };

/* What the pool has been given, and what the jobs have done. */
struct plugin {
    struct tocsin_host host; /* first: work and complete get it back */
    struct tc_sensor_jobs jobs;
    void (*run[COUNT + 1])(void *arg);
    void (*done[COUNT + 1])(void *arg, int status);
    void *arg[COUNT + 1];
    size_t queued;
    bool no_pool, held;
    unsigned ran[COUNT], closes, closed, completed;
    int status;
};

static int work(const struct tocsin_host *host, void (*run)(void *arg),
                void (*done)(void *arg, int status), void *arg)
{
    struct plugin *p = (struct plugin *)(uintptr_t)host;

    if (p->no_pool)
        return -EAGAIN;
    assert_true(p->queued <= COUNT);
    p->run[p->queued] = run;
    p->done[p->queued] = done;
    p->arg[p->queued++] = arg;
    return 0;
}

static void complete(const struct tocsin_host *host, int status)
{
    struct plugin *p = (struct plugin *)(uintptr_t)host;

    p->completed++;
    p->status = status;
}

/* Lets the pool do what it was given first. */
static void pool(struct plugin *p, int status)
{
    void (*run)(void *arg) = p->run[0];
    void (*done)(void *arg, int status) = p->done[0];
    void *arg = p->arg[0];

    assert_true(p->queued > 0);
    p->queued--;
    memmove(&p->run[0], &p->run[1], p->queued * sizeof(p->run[0]));
    memmove(&p->done[0], &p->done[1], p->queued * sizeof(p->done[0]));
    memmove(&p->arg[0], &p->arg[1], p->queued * sizeof(p->arg[0]));
    if (!status)
        run(arg);
    done(arg, status);
}

static void run_first(void *arg)
{
    ((struct plugin *)arg)->ran[FIRST]++;
}

static void run_second(void *arg)
{
    ((struct plugin *)arg)->ran[SECOND]++;
}

static void done_nothing(void *arg, int status)
{
    (void)arg;
    (void)status;
}

/* As one that could not open what it needs. */
static void done_closes(void *arg, int status)
{
    struct plugin *p = arg;

    (void)status;
    tc_sensor_jobs_close(&p->jobs, -EIO);
}

static bool busy(void *arg)
{
    return ((struct plugin *)arg)->held;
}

static void close_all(void *arg)
{
    ((struct plugin *)arg)->closes++;
}

static void closed(void *arg)
{
    ((struct plugin *)arg)->closed++;
}

static int setup(void **state)
{
    static const struct tc_sensor_job jobs[COUNT] = {
        [FIRST] = {run_first, done_nothing}, [SECOND] = {run_second, done_closes}};
    static struct plugin plugin;
    struct tc_sensor_jobs_config config = {.host = &plugin.host,
                                           .jobs = jobs,
                                           .count = COUNT,
                                           .busy = busy,
                                           .close = close_all,
                                           .closed = closed,
                                           .arg = &plugin};

    memset(&plugin, 0, sizeof(plugin));
    plugin.host.work = work;
    plugin.host.complete = complete;
    tc_sensor_jobs_init(&plugin.jobs, &config);
    *state = &plugin;
    return 0;
}

static void jobs_asked_for_while_busy_run_once_more(void **state)
{
    struct plugin *p = *state;

    for (int i = 0; i < 3; i++)
        assert_int_equal(tc_sensor_jobs_start(&p->jobs, FIRST), 0);
    assert_int_equal(p->queued, 1);
    pool(p, 0);
    assert_int_equal(p->queued, 1);
    pool(p, 0);
    assert_int_equal(p->queued, 0);
    assert_int_equal(p->ran[FIRST], 2);
    assert_false(tc_sensor_jobs_busy(&p->jobs, FIRST));
}

static void jobs_that_run_once_are_not_repeated(void **state)
{
    struct plugin *p = *state;

    tc_sensor_jobs_start(&p->jobs, FIRST);
    tc_sensor_jobs_start(&p->jobs, FIRST);
    p->jobs.once = true;
    pool(p, 0);
    assert_int_equal(p->queued, 0);
}

static void jobs_end_when_all_that_runs_has_ended(void **state)
{
    struct plugin *p = *state;

    p->held = true;
    tc_sensor_jobs_start(&p->jobs, FIRST);
    tc_sensor_jobs_start(&p->jobs, FIRST);
    tc_sensor_jobs_close(&p->jobs, 0);
    tc_sensor_jobs_go_on(&p->jobs);
    assert_int_equal(p->closes, 0);
    pool(p, 0); /* not once more: it ends */
    assert_int_equal(p->queued, 0);
    p->held = false;
    tc_sensor_jobs_go_on(&p->jobs);
    assert_int_equal(p->queued, 1);
    assert_int_equal(p->completed, 0);
    pool(p, 0);
    assert_int_equal(p->closes, 1);
    assert_int_equal(p->closed, 1);
    assert_int_equal(p->completed, 1);
    assert_int_equal(p->status, 0);
}

static void jobs_end_with_the_failure_of_the_one_that_closes(void **state)
{
    struct plugin *p = *state;

    tc_sensor_jobs_start(&p->jobs, SECOND);
    pool(p, -ECANCELED);
    assert_int_equal(p->ran[SECOND], 0);
    pool(p, 0);
    assert_int_equal(p->closes, 1);
    assert_int_equal(p->completed, 1);
    assert_int_equal(p->status, -EIO);
}

static void jobs_close_without_the_pool(void **state)
{
    struct plugin *p = *state;

    p->no_pool = true;
    assert_int_equal(tc_sensor_jobs_start(&p->jobs, FIRST), -EAGAIN);
    tc_sensor_jobs_close(&p->jobs, 0);
    tc_sensor_jobs_go_on(&p->jobs);
    assert_int_equal(p->closes, 1);
    assert_int_equal(p->completed, 1);
}

static void jobs_close_once_when_the_pool_does_not_run_it(void **state)
{
    struct plugin *p = *state;

    tc_sensor_jobs_close(&p->jobs, 0);
    tc_sensor_jobs_go_on(&p->jobs);
    pool(p, -ECANCELED);
    assert_int_equal(p->closes, 1);
    assert_int_equal(p->closed, 1);
    assert_int_equal(p->completed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup(f, setup)
        TEST(jobs_asked_for_while_busy_run_once_more),
        TEST(jobs_that_run_once_are_not_repeated),
        TEST(jobs_end_when_all_that_runs_has_ended),
        TEST(jobs_end_with_the_failure_of_the_one_that_closes),
        TEST(jobs_close_without_the_pool),
        TEST(jobs_close_once_when_the_pool_does_not_run_it),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
