/* SPDX-License-Identifier: Apache-2.0 */
/* What one agent leaves, as the next one finds it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/machine.h"
#include "core/daemon/last_life.h"
#include "tests/support/harness.h"

struct folders {
    char dir[64], runtime[80], state[80];
};

static int setup(void **state)
{
    struct folders *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "/tmp/tocsin-life-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->runtime, sizeof(f->runtime), "%s/runtime", f->dir);
    snprintf(f->state, sizeof(f->state), "%s/state", f->dir);
    assert_int_equal(mkdir(f->runtime, 0755), 0);
    assert_int_equal(mkdir(f->state, 0700), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct folders *f = *state;

    tc_harness_remove_folder(f->dir);
    free(f);
    return 0;
}

static void open_life(const struct folders *f, struct tc_last_life *life)
{
    tc_last_life_open(life, f->runtime, f->state);
}

/* As when it is killed: nothing more is written. */
static void kill_life(struct tc_last_life *life)
{
    assert_true(life->fd >= 0);
    close(life->fd);
}

/* /run is empty after the machine has started. */
static void restart_machine(const struct folders *f)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/last-life", f->runtime);
    assert_int_equal(unlink(path), 0);
}

static void life_of_nobody_is_not_known(void **state)
{
    struct tc_last_life life;

    open_life(*state, &life);
    assert_false(life.known);
    kill_life(&life);
}

static void life_that_was_killed_ends_with_its_last_sign(void **state)
{
    struct tc_last_life life, next;
    uint64_t before, after;

    open_life(*state, &life);
    tc_last_life_beat(&life, "es");
    before = tc_wall_ns();
    tc_last_life_beat(&life, "kext");
    after = tc_wall_ns();
    kill_life(&life);
    open_life(*state, &next);
    assert_true(next.known);
    assert_false(next.stopped);
    assert_in_range(next.alive_ns, before, after);
    assert_string_equal(next.holder, "kext");
    kill_life(&next);
}

static void
life_that_was_stopped_says_so_and_lasts_over_a_start_of_the_machine(void **state)
{
    struct tc_last_life life, next;
    uint64_t before;

    open_life(*state, &life);
    for (int machine = 0; machine < 2; machine++) {
        tc_last_life_beat(&life, "es");
        before = tc_wall_ns();
        tc_last_life_stop(&life, "es");
        tc_last_life_beat(&life, ""); /* nothing any more */
        if (machine)
            restart_machine(*state);
        open_life(*state, &next);
        assert_true(next.known);
        assert_true(next.stopped);
        assert_in_range(next.alive_ns, before, tc_wall_ns());
        assert_string_equal(next.holder, "es");
        life = next;
    }
    kill_life(&life);
}

/* An orderly stop of long ago is not told of when the machine lost its power. */
static void life_that_ended_with_the_machine_is_not_known(void **state)
{
    struct tc_last_life life;

    open_life(*state, &life);
    tc_last_life_stop(&life, "es");
    open_life(*state, &life);
    tc_last_life_beat(&life, "es");
    kill_life(&life);
    restart_machine(*state);
    open_life(*state, &life);
    assert_false(life.known);
    kill_life(&life);
}

static void life_of_a_file_that_is_none_is_not_known(void **state)
{
    static const char junk[] = "tclife1\0and no more";
    const struct folders *f = *state;
    struct tc_last_life life;
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/last-life", f->runtime);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
    close(fd);
    open_life(f, &life);
    assert_false(life.known);
    kill_life(&life);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(life_of_nobody_is_not_known),
        TEST(life_that_was_killed_ends_with_its_last_sign),
        TEST(life_that_was_stopped_says_so_and_lasts_over_a_start_of_the_machine),
        TEST(life_that_ended_with_the_machine_is_not_known),
        TEST(life_of_a_file_that_is_none_is_not_known),
    };

    return cmocka_run_group_tests_name("last_life", tests, NULL, NULL);
}
