/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an entry of `watch` means: the place that it leads to now. Each test has a tmpfs
 * of its own, beside the scratch, in which its entries lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    struct tc_scratch s; /* first: hooks get it back */
    char dir[64];
};

static const char *entry(struct fixture *f, const char *name)
{
    static char texts[4][160];
    static unsigned next;
    char *text = texts[next++ % 4];

    snprintf(text, sizeof(texts[0]), "%s/%s", f->dir, name);
    return text;
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    snprintf(f.dir, sizeof(f.dir), "/tmp/tocsin-watch-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    assert_int_equal(mount("tocsin-watch", f.dir, "tmpfs", 0, NULL), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tc_scratch_done(&f->s);
    assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
    assert_int_equal(rmdir(f->dir), 0);
    return 0;
}

/* Loads es with that one entry, not yet started; `deny` is refused. */
static void load(struct fixture *f, const char *name)
{
    char watch[200];
    const char *const options[] = {watch, NULL};

    snprintf(watch, sizeof(watch), "watch=%s", entry(f, name));
    tc_scratch_load(&f->s, "es", NULL, options);
    f->s.deny = "/f";
}

static void start(struct fixture *f)
{
    if (tc_harness_start(&f->s.h))
        fail_msg("es did not start: %s", f->s.h.why);
}

static int opened(struct fixture *f, const char *path)
{
    return tc_scratch_child(&f->s, tc_child_open, path, NULL);
}

static const struct tc_harness_report *issue(struct fixture *f)
{
    return tc_harness_reported(&f->s.h, "es_watch_0");
}

static bool is_told(struct tc_harness *h)
{
    return tc_harness_reported(h, "es_watch_0") != NULL;
}

static bool is_over(struct tc_harness *h)
{
    return !is_told(h);
}

static void regress_what_a_link_leads_to_is_protected(void **state)
{
    struct fixture *f = *state;

    load(f, "link");
    assert_int_equal(symlink(f->s.in, entry(f, "link")), 0);
    tc_child_put(tc_scratch_in(&f->s, "f"), "x");
    start(f);
    assert_null(issue(f));
    assert_int_equal(opened(f, tc_scratch_in(&f->s, "f")), EPERM);
    assert_int_equal(opened(f, entry(f, "link/f")), EPERM);
}

static void regress_a_path_through_a_link_and_up_again_is_protected(void **state)
{
    struct fixture *f = *state;

    load(f, "link/../in/.//");
    assert_int_equal(symlink(f->s.out, entry(f, "link")), 0);
    tc_child_put(tc_scratch_in(&f->s, "f"), "x");
    tc_child_put(tc_scratch_out(&f->s, "f"), "x");
    start(f);
    assert_null(issue(f));
    assert_int_equal(opened(f, tc_scratch_in(&f->s, "f")), EPERM);
    assert_int_equal(opened(f, tc_scratch_out(&f->s, "f")), 0);
}

static int replace_with_link(const char *path, const char *to)
{
    char aside[200];

    snprintf(aside, sizeof(aside), "%s.aside", path);
    return rename(path, aside) || symlink(to, path) ? errno : 0;
}

static bool has_two_scans(struct tc_harness *h)
{
    return tc_scratch_stat((struct tc_scratch *)(void *)h, "mount_scans") > 2;
}

static void regress_a_folder_that_becomes_a_link_is_followed(void **state)
{
    struct fixture *f = *state;

    load(f, "place");
    assert_int_equal(mkdir(entry(f, "place"), 0755), 0);
    tc_child_put(tc_scratch_in(&f->s, "f"), "x");
    start(f);
    assert_int_equal(opened(f, tc_scratch_in(&f->s, "f")), 0);
    assert_int_equal(
        tc_scratch_child(&f->s, replace_with_link, entry(f, "place"), f->s.in), 0);
    assert_true(tc_harness_run(&f->s.h, has_two_scans, TC_HARNESS_WAIT_MS));
    assert_int_equal(opened(f, tc_scratch_in(&f->s, "f")), EPERM);
}

static int make_folder(const char *path, const char *other)
{
    (void)other;
    return mkdir(path, 0755) ? errno : 0;
}

static void regress_a_missing_folder_is_told_and_protected_once_it_is_there(void **state)
{
    struct fixture *f = *state;

    load(f, "later");
    start(f);
    assert_non_null(issue(f));
    assert_int_equal(issue(f)->what, TOCSIN_REPORT_ISSUE);
    assert_non_null(strstr(issue(f)->text, entry(f, "later: there is no such folder")));
    assert_non_null(strstr(issue(f)->fix, "mkdir -p"));
    assert_int_equal(tc_scratch_child(&f->s, make_folder, entry(f, "later"), NULL), 0);
    assert_true(tc_harness_run(&f->s.h, is_over, TC_HARNESS_WAIT_MS));
    tc_child_put(entry(f, "later/f"), "x");
    assert_int_equal(opened(f, entry(f, "later/f")), EPERM);
}

static void es_tells_of_a_folder_that_has_gone(void **state)
{
    struct fixture *f = *state;

    load(f, "place");
    assert_int_equal(mkdir(entry(f, "place"), 0755), 0);
    start(f);
    assert_null(issue(f));
    assert_int_equal(tc_scratch_child(&f->s, replace_with_link, entry(f, "place"),
                                      entry(f, "nowhere")),
                     0);
    assert_true(tc_harness_run(&f->s.h, is_told, TC_HARNESS_WAIT_MS));
}

static void es_protects_an_empty_folder_and_says_nothing(void **state)
{
    struct fixture *f = *state;

    load(f, "empty");
    assert_int_equal(mkdir(entry(f, "empty"), 0755), 0);
    start(f);
    assert_null(issue(f));
    tc_child_put(entry(f, "empty/f"), "x");
    assert_int_equal(opened(f, entry(f, "empty/f")), EPERM);
}

static void regress_a_pattern_is_told(void **state)
{
    struct fixture *f = *state;

    load(f, "*/Downloads");
    start(f);
    assert_non_null(issue(f));
    assert_non_null(strstr(issue(f)->text, "patterns are not taken"));
}

static void regress_a_file_system_that_is_not_watched_is_told(void **state)
{
    struct fixture *f = *state;
    char watch[200];
    const char *const options[] = {watch, NULL};

    snprintf(watch, sizeof(watch), "watch=%s,/proc/sys", f->dir);
    tc_scratch_load(&f->s, "es", NULL, options);
    start(f);
    assert_null(issue(f));
    assert_non_null(tc_harness_reported(&f->s.h, "es_watch_1"));
    assert_non_null(
        strstr(tc_harness_reported(&f->s.h, "es_watch_1")->text, "of type proc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(regress_what_a_link_leads_to_is_protected),
        TEST(regress_a_path_through_a_link_and_up_again_is_protected),
        TEST(regress_a_folder_that_becomes_a_link_is_followed),
        TEST(regress_a_missing_folder_is_told_and_protected_once_it_is_there),
        TEST(es_tells_of_a_folder_that_has_gone),
        TEST(es_protects_an_empty_folder_and_says_nothing),
        TEST(regress_a_pattern_is_told),
        TEST(regress_a_file_system_that_is_not_watched_is_told),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
