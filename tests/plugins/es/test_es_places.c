/* SPDX-License-Identifier: Apache-2.0 */
/* Where a file is, whoever opens it in whatever way: inside, outside, and by which name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"
#include "tests/support/place.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 4

static const char *path_of(struct tc_scratch *s, const char *topic)
{
    const struct tocsin_event *event = tc_harness_await(&s->h, topic, 0);

    return event ? tc_harness_text(&s->h, event, TOCSIN_FIELD_FILE_PATH) : "";
}

/* ---- Numbers of mounts. ---- */

/* Unmounts `gone`, and binds the folder beside it to the place beside it: the new mount
 * has its number. */
static int open_by_its_number(const char *gone, const char *folder)
{
    char at[200], name[220];

    snprintf(at, sizeof(at), "%s.bind", gone);
    snprintf(name, sizeof(name), "%s/f", at);
    if (umount(gone) || mount(folder, at, NULL, MS_BIND, NULL))
        return 200;
    return tc_child_open(name, NULL);
}

static int64_t scans; /* of the mounts, before the one that is awaited */

static bool has_scanned(struct tc_harness *h)
{
    return tc_scratch_stat((struct tc_scratch *)(void *)h, "mount_scans") > scans;
}

static void regress_a_mount_that_has_the_number_of_one_that_has_gone(void **state)
{
    struct tc_scratch *s = *state;
    char gone[160], at[200];

    s->deny = "/f";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    snprintf(gone, sizeof(gone), "%s", tc_scratch_out(s, "m"));
    snprintf(at, sizeof(at), "%s.bind", gone);
    assert_int_equal(mkdir(gone, 0755) || mkdir(at, 0755), 0);
    for (int i = 0; i < TRIES; i++) {
        scans = tc_scratch_stat(s, "mount_scans");
        assert_int_equal(mount("gone", gone, "tmpfs", 0, NULL), 0);
        assert_true(tc_harness_run(&s->h, has_scanned, TC_HARNESS_WAIT_MS));
        assert_int_equal(tc_scratch_child(s, open_by_its_number, gone, s->in), EPERM);
        assert_int_equal(umount2(at, MNT_DETACH), 0);
        assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                         EPERM);
    }
}

/* ---- Other namespaces. ---- */

static int open_in_own_namespace(const char *folder, const char *at)
{
    char name[200];

    if (unshare(CLONE_NEWNS) || mount(folder, at, NULL, MS_BIND, NULL))
        return 200;
    snprintf(name, sizeof(name), "%s/f", at);
    return tc_child_open(name, NULL);
}

static bool has_foreign(struct tc_harness *h)
{
    return tc_scratch_stat((struct tc_scratch *)(void *)h, "marks_foreign") == 1;
}

/* Once it is told that the agent has found it. */
static int open_on_own_mount(const char *at, const char *other)
{
    char name[200];

    snprintf(name, sizeof(name), "%s/f", at);
    if (tc_place_own_mount(at) || tc_child_write(name, "x"))
        return 200;
    tc_place_await(other);
    return tc_child_open(name, NULL);
}

static const char *signal_path;

static bool is_there(struct tc_harness *h)
{
    (void)h;
    return access(signal_path, F_OK) != 0;
}

static void regress_what_another_namespace_mounts_below_is_found(void **state)
{
    struct tc_scratch *s = *state;
    char found[160];
    pid_t pid;

    s->deny = "/f";
    snprintf(found, sizeof(found), "%s", tc_scratch_out(s, "found"));
    signal_path = found;
    assert_int_equal(mkdir(tc_scratch_in(s, "m"), 0755) || mkdir(found, 0755), 0);
    pid = tc_child_begin(open_on_own_mount, tc_scratch_in(s, "m"), found);
    assert_true(tc_harness_run(&s->h, is_there, TC_HARNESS_WAIT_MS));
    /* A mount of its own has the agent look at once, and not only within 5 s. */
    assert_int_equal(mount("look", s->out, "tmpfs", 0, NULL), 0);
    assert_true(tc_harness_run(&s->h, has_foreign, TC_HARNESS_WAIT_MS));
    assert_int_equal(umount(s->out), 0);
    assert_int_equal(mkdir(found, 0755), 0);
    assert_int_equal(tc_scratch_child_end(s, pid), EPERM);
}

static void es_tells_of_a_file_by_the_agents_own_name_for_it(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/f";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(mkdir(tc_scratch_out(s, "m"), 0755), 0);
    assert_int_equal(
        tc_scratch_child(s, open_in_own_namespace, s->in, tc_scratch_out(s, "m")), EPERM);
    assert_string_equal(path_of(s, TOCSIN_TOPIC_FILE_OPEN), tc_scratch_in(s, "f"));
}

static void regress_a_file_outside_is_not_asked_about_in_another_namespace(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/f";
    tc_child_put(tc_scratch_out(s, "f"), "x");
    assert_int_equal(mkdir(tc_scratch_in(s, "m"), 0755), 0);
    assert_int_equal(
        tc_scratch_child(s, open_in_own_namespace, s->out, tc_scratch_in(s, "m")), 0);
    assert_int_equal(s->asked, 0);
}

/* ---- Overlays. ---- */

/* Mounts one of two folders at `at`, to be read only. */
static bool mount_overlay(const char *lower, const char *lowest, const char *at)
{
    char options[400];

    snprintf(options, sizeof(options), "lowerdir=%s:%s", lower, lowest);
    return !mount("overlay", at, "overlay", 0, options);
}

static void make_layers(struct tc_scratch *s, const char *folder)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/usr", folder);
    assert_int_equal(mkdir(folder, 0755) || mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/usr/f", folder);
    tc_child_put(path, "x");
    assert_int_equal(mkdir(tc_scratch_out(s, "lowest"), 0755), 0);
    assert_int_equal(mkdir(tc_scratch_out(s, "merged"), 0755), 0);
}

static void regress_a_layer_outside_is_outside(void **state)
{
    struct tc_scratch *s = *state;
    char lower[160];

    s->deny = "/f";
    snprintf(lower, sizeof(lower), "%s", tc_scratch_out(s, "lower"));
    make_layers(s, lower);
    if (!mount_overlay(lower, tc_scratch_out(s, "lowest"), tc_scratch_out(s, "merged"))) {
        test_skip("no overlays here");
    }
    assert_int_equal(
        tc_scratch_child(s, tc_child_open, tc_scratch_out(s, "merged/usr/f"), NULL), 0);
    assert_int_equal(s->asked, 0);
    assert_int_equal(umount2(tc_scratch_out(s, "merged"), MNT_DETACH), 0);
}

/* Since some kernel after 6.1 overlays open their layers' files as others do. */
static void regress_a_file_in_a_layer_has_its_own_name(void **state)
{
    struct tc_scratch *s = *state;
    char lower[160], file[200];

    s->deny = "/in/";
    snprintf(lower, sizeof(lower), "%s", tc_scratch_in(s, "lower"));
    snprintf(file, sizeof(file), "%s/usr/f", lower);
    make_layers(s, lower);
    if (!mount_overlay(lower, tc_scratch_out(s, "lowest"), tc_scratch_out(s, "merged"))) {
        test_skip("no overlays here");
    }
    tc_scratch_child(s, tc_child_open, tc_scratch_out(s, "merged/usr/f"), NULL);
    if (s->asked)
        assert_string_equal(path_of(s, TOCSIN_TOPIC_FILE_OPEN), file);
    assert_int_equal(umount2(tc_scratch_out(s, "merged"), MNT_DETACH), 0);
}

/* ---- Paths that are too long. ---- */

/* Writes, or (text NULL) opens, a file there. */
static int open_deep(const char *folder, const char *text)
{
    if (tc_place_deep(folder))
        return 200;
    return text ? tc_child_write("f", text) : tc_child_open("f", NULL);
}

static void regress_a_file_too_deep_for_a_path_is_judged(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;

    assert_int_equal(tc_scratch_child(s, open_deep, s->in, "x"), 0);
    s->deny = "/.../#";
    assert_int_equal(tc_scratch_child(s, open_deep, s->in, NULL), EPERM);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_WRITTEN, 0);
    assert_non_null(event);
    assert_true(event->fd >= 0);
    assert_true(tocsin_find_bool(event->data, event->len,
                                 TOCSIN_FIELD_FILE_PATH_TRUNCATED, false));
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_OPEN, 0);
    assert_non_null(event);
    assert_int_equal(strncmp(tc_harness_text(&s->h, event, TOCSIN_FIELD_FILE_PATH),
                             s->root, strlen(s->root)),
                     0);
    assert_true(tc_scratch_stat(s, "path_cut") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f)                                                                          \
    cmocka_unit_test_setup_teardown(f, tc_es_scratch_setup, tc_scratch_teardown)
        TEST(regress_a_mount_that_has_the_number_of_one_that_has_gone),
        TEST(regress_what_another_namespace_mounts_below_is_found),
        TEST(es_tells_of_a_file_by_the_agents_own_name_for_it),
        TEST(regress_a_file_outside_is_not_asked_about_in_another_namespace),
        TEST(regress_a_layer_outside_is_outside),
        TEST(regress_a_file_in_a_layer_has_its_own_name),
        TEST(regress_a_file_too_deep_for_a_path_is_judged),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
