/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator has excluded, and who would like to pass for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int copy_with_dd(const char *path, const char *other)
{
    char in[160];

    (void)other;
    snprintf(in, sizeof(in), "if=%s", path);
    if (!freopen("/dev/null", "w", stderr))
        return 200;
    execl("/bin/dd", "dd", in, "of=/dev/null", (char *)NULL);
    return 200;
}

static bool has_a_folder_outside(struct tc_harness *h)
{
    return tc_scratch_stat((struct tc_scratch *)(void *)h, "folders_outside") == 1;
}

static int by_path(struct tc_harness *h, const char *path, const char *executable)
{
    (void)h;
    (void)executable;
    return path && strstr(path, "/spared") ? TOCSIN_EXCLUDED_BY_PATH
                                           : TOCSIN_NOT_EXCLUDED;
}

static int by_process(struct tc_harness *h, const char *path, const char *executable)
{
    (void)h;
    (void)path;
    return executable && strstr(executable, "test_es_exclusions")
               ? TOCSIN_EXCLUDED_BY_PROCESS
               : TOCSIN_NOT_EXCLUDED;
}

static void es_spares_an_excluded_folder_and_informs_the_kernel(void **state)
{
    struct tc_scratch *s = *state;

    s->h.excluded = by_path;
    s->deny = "/in/";
    assert_int_equal(mkdir(tc_scratch_in(s, "spared"), 0755), 0);
    tc_child_put(tc_scratch_in(s, "spared/f"), "x");
    assert_int_equal(
        tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "spared/f"), NULL), 0);
    assert_true(tc_harness_run(&s->h, has_a_folder_outside, TC_HARNESS_WAIT_MS));
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "spared/f"), NULL), 0);
    assert_int_equal(tc_scratch_stat(s, "excluded"), 1);
}

/* Another name of it need not be excluded. */
static void regress_an_excluded_file_is_not_remembered(void **state)
{
    struct tc_scratch *s = *state;

    s->h.excluded = by_path;
    s->deny = "/in/";
    tc_child_put(tc_scratch_in(s, "spared"), "x");
    assert_int_equal(link(tc_scratch_in(s, "spared"), tc_scratch_in(s, "f")), 0);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "spared"), NULL),
                     0);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                     EPERM);
    assert_int_equal(rename(tc_scratch_in(s, "spared"), tc_scratch_in(s, "g")), 0);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "g"), NULL),
                     EPERM);
}

/* Opens the first folder's file by the path of the second, which is so in a mount
 * namespace of its own only. */
static int open_under_other_path(const char *folder, const char *at)
{
    char name[160];

    if (unshare(CLONE_NEWNS) || mount(folder, at, NULL, MS_BIND, NULL))
        return 200;
    snprintf(name, sizeof(name), "%s/f", at);
    return tc_child_open(name, NULL);
}

static void regress_a_path_of_another_namespace_is_not_excluded(void **state)
{
    struct tc_scratch *s = *state;

    s->h.excluded = by_path;
    s->deny = "/in/f";
    assert_int_equal(mkdir(tc_scratch_out(s, "spared"), 0755), 0);
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(
        tc_scratch_child(s, open_under_other_path, s->in, tc_scratch_out(s, "spared")),
        EPERM);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                     EPERM);
}

static void es_spares_an_excluded_process_but_no_other(void **state)
{
    struct tc_scratch *s = *state;

    s->h.excluded = by_process;
    s->deny = "/in/";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    assert_int_equal(tc_scratch_child(s, copy_with_dd, tc_scratch_in(s, "f"), NULL), 1);
}

static char stack[65536];

/* Until the parent ends, which it may have done already. */
static int stay(void *parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == *(pid_t *)parent)
        pause();
    return 0;
}

/* Leaves the memory of the excluded program to a child, and becomes another. */
static int become_dd(const char *path, const char *other)
{
    static pid_t self;

    if (tc_child_open(path, NULL))
        return 201;
    self = getpid();
    if (clone(stay, stack + sizeof(stack), CLONE_VM | SIGCHLD, &self) < 0)
        return 200;
    return copy_with_dd(path, other);
}

static void regress_a_program_is_not_the_one_of_before_its_exec(void **state)
{
    struct tc_scratch *s = *state;

    s->h.excluded = by_process;
    s->deny = "/in/";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_scratch_child(s, become_dd, tc_scratch_in(s, "f"), NULL), 1);
}

/* ---- Programs that pretend to be an excluded one. ---- */

static int by_dd(struct tc_harness *h, const char *path, const char *executable)
{
    (void)path;
    return executable && !strcmp(executable, h->arg) ? TOCSIN_EXCLUDED_BY_PROCESS
                                                     : TOCSIN_NOT_EXCLUDED;
}

/* Has `program` copied to the scratch, and that excluded. */
static void exclude_copy(struct tc_scratch *s, const char *program, char at[160])
{
    snprintf(at, 160, "%s", tc_scratch_out(s, "tool"));
    tc_child_put_program(at, program);
    s->h.arg = at;
    s->h.excluded = by_dd;
    s->deny = "/in/f";
    tc_child_put(tc_scratch_in(s, "f"), "x");
}

static int run_dd(const char *program, const char *path)
{
    char in[200];

    snprintf(in, sizeof(in), "if=%s", path);
    if (!freopen("/dev/null", "w", stderr))
        return 200;
    execl(program, program, in, "of=/dev/null", (char *)NULL);
    return 200;
}

/* Binds dd over the excluded program, in a mount namespace of its own. */
static int run_dd_in_its_place(const char *program, const char *path)
{
    if (unshare(CLONE_NEWNS) || mount("/bin/dd", program, NULL, MS_BIND, NULL))
        return 200;
    return run_dd(program, path);
}

static void es_spares_an_excluded_program(void **state)
{
    struct tc_scratch *s = *state;
    char at[160];

    exclude_copy(s, "/bin/dd", at);
    assert_int_equal(tc_scratch_child(s, run_dd, at, tc_scratch_in(s, "f")), 0);
}

static void regress_a_program_of_another_namespace_is_not_excluded(void **state)
{
    struct tc_scratch *s = *state;
    char at[160];

    exclude_copy(s, "/bin/true", at);
    assert_int_equal(tc_scratch_child(s, run_dd_in_its_place, at, tc_scratch_in(s, "f")),
                     1);
}

static void regress_a_program_named_deleted_is_not_excluded(void **state)
{
    struct tc_scratch *s = *state;
    char at[160], other[180];

    exclude_copy(s, "/bin/true", at);
    snprintf(other, sizeof(other), "%s (deleted)", at);
    tc_child_put_program(other, "/bin/dd");
    assert_int_equal(tc_scratch_child(s, run_dd, other, tc_scratch_in(s, "f")), 1);
}

static void regress_a_program_that_is_not_roots_is_not_excluded(void **state)
{
    struct tc_scratch *s = *state;
    char at[160];

    exclude_copy(s, "/bin/dd", at);
    assert_int_equal(chown(at, 65534, 65534), 0);
    assert_int_equal(tc_scratch_child(s, run_dd, at, tc_scratch_in(s, "f")), 1);
    assert_int_equal(chown(at, 0, 0), 0);
    assert_int_equal(chmod(at, 0757), 0);
    assert_int_equal(tc_scratch_child(s, run_dd, at, tc_scratch_in(s, "f")), 1);
}

/* What an excluded program executes is another program. */
static void regress_what_an_excluded_program_executes_is_asked_about(void **state)
{
    struct tc_scratch *s = *state;
    char at[160];

    exclude_copy(s, "/usr/bin/env", at);
    tc_child_put_program(tc_scratch_in(s, "f"), "/bin/true");
    assert_int_equal(tc_scratch_child(s, tc_child_become, at, tc_scratch_in(s, "f")),
                     126); /* env(1): found, and could not be executed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f)                                                                          \
    cmocka_unit_test_setup_teardown(f, tc_es_scratch_setup, tc_scratch_teardown)
        TEST(es_spares_an_excluded_folder_and_informs_the_kernel),
        TEST(regress_an_excluded_file_is_not_remembered),
        TEST(regress_a_path_of_another_namespace_is_not_excluded),
        TEST(es_spares_an_excluded_process_but_no_other),
        TEST(regress_a_program_is_not_the_one_of_before_its_exec),
        TEST(es_spares_an_excluded_program),
        TEST(regress_a_program_of_another_namespace_is_not_excluded),
        TEST(regress_a_program_named_deleted_is_not_excluded),
        TEST(regress_a_program_that_is_not_roots_is_not_excluded),
        TEST(regress_what_an_excluded_program_executes_is_asked_about),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
