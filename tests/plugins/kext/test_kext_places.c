/* SPDX-License-Identifier: Apache-2.0 */
/* What kext watches, and by which path and program something may be excluded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/kext_scratch.h"
#include "tests/support/place.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void regress_kext_follows_links_and_tells_what_is_not_there(void **state)
{
    static struct tc_scratch scratch;
    struct tc_scratch *s = &scratch;
    char dir[] = "/tmp/tocsin-watch-XXXXXX", watch[200], link[80];
    const char *const options[] = {watch, NULL};
    const struct tocsin_event *event;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(mount("tocsin-watch", dir, "tmpfs", 0, NULL), 0);
    snprintf(link, sizeof(link), "%s/link", dir);
    snprintf(watch, sizeof(watch), "watch=%s,%s/missing", link, dir);
    tc_scratch_load(s, "kext", NULL, options);
    assert_int_equal(symlink(s->in, link), 0);
    assert_int_equal(tc_harness_start(&s->h), 0);
    assert_null(tc_harness_reported(&s->h, "kext_watch_0"));
    assert_non_null(tc_harness_reported(&s->h, "kext_watch_1"));
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_EXEC, 0);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, TOCSIN_FIELD_FILE_PATH),
                        tc_scratch_in(s, "true"));
    tc_scratch_done(s);
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
    assert_int_equal(rmdir(dir), 0);
}

static int execute_deep(const char *folder, const char *program)
{
    if (tc_place_deep(folder) || tc_child_copy(program, "true"))
        return 200;
    execl("./true", "true", (char *)NULL);
    return errno;
}

static void regress_kext_judges_what_is_too_deep_for_a_path(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;

    assert_int_equal(tc_scratch_child(s, execute_deep, s->in, "/usr/bin/true"), 0);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_EXEC, 0);
    assert_non_null(event);
    assert_true(tocsin_find_bool(event->data, event->len,
                                 TOCSIN_FIELD_FILE_PATH_TRUNCATED, false));
    assert_non_null(
        strstr(tc_harness_text(&s->h, event, TOCSIN_FIELD_FILE_PATH), "/.../#"));
}

/* Once it is told that the agent has found it. */
static int execute_on_own_mount(const char *at, const char *other)
{
    char name[200];

    snprintf(name, sizeof(name), "%s/true", at);
    if (tc_place_own_mount(at) || tc_child_copy("/usr/bin/true", name))
        return 200;
    tc_place_await(other);
    return tc_child_become(name, NULL);
}

static void regress_kext_finds_what_another_namespace_mounts_below(void **state)
{
    struct tc_scratch *s = *state;
    pid_t pid;

    assert_int_equal(mkdir(tc_scratch_in(s, "m"), 0755), 0);
    pid = tc_child_begin(execute_on_own_mount, tc_scratch_in(s, "m"),
                         tc_scratch_out(s, "found"));
    assert_true(tc_kext_await_stat(s, "folders_foreign", 1));
    tc_child_put(tc_scratch_out(s, "found"), "");
    assert_int_equal(tc_scratch_child_end(s, pid), 0);
    assert_non_null(tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_EXEC, 0));
}

static int excluded(struct tc_harness *h, const char *path, const char *executable)
{
    (void)h;
    (void)path;
    return executable && strstr(executable, "/in/true") ? TOCSIN_EXCLUDED_BY_PROCESS
                                                        : TOCSIN_NOT_EXCLUDED;
}

/* It becomes that program: what it is has to be judged. */
static void regress_kext_judges_the_execution_of_an_excluded_program(void **state)
{
    struct tc_scratch *s = *state;

    s->h.excluded = excluded;
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_non_null(tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_EXEC, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f)                                                                          \
    cmocka_unit_test_setup_teardown(f, tc_kext_scratch_setup, tc_scratch_teardown)
        cmocka_unit_test(regress_kext_follows_links_and_tells_what_is_not_there),
        TEST(regress_kext_judges_what_is_too_deep_for_a_path),
        TEST(regress_kext_finds_what_another_namespace_mounts_below),
        TEST(regress_kext_judges_the_execution_of_an_excluded_program),
#undef TEST
    };

    if (!tc_kext_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
