/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Operations of children. ---- */

static int open_in_new_namespace(const char *path, const char *other)
{
    if (unshare(CLONE_NEWNS))
        return 200;
    return tc_child_open(path, other);
}

static int open_under_bind_mount(const char *path, const char *folder)
{
    char at[] = "/tmp/tocsin-es-bind-XXXXXX", name[128];
    int err;

    if (!mkdtemp(at) || mount(folder, at, NULL, MS_BIND, NULL))
        return 200;
    snprintf(name, sizeof(name), "%s%s", at, strrchr(path, '/'));
    err = tc_child_open(name, NULL);
    umount2(at, MNT_DETACH);
    rmdir(at);
    return err;
}

static int open_in_user_namespace(const char *path, const char *other)
{
    if (setgid(65534) || setuid(65534) || unshare(CLONE_NEWUSER | CLONE_NEWNS))
        return 200;
    return tc_child_open(path, other);
}

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

static int rename_it(const char *path, const char *other)
{
    return rename(path, other) ? errno : 0;
}

#define MOVES 200

/*
 * Opens a file outside, moves or links it in, opens it there at once: nobody has had the
 * time to hear of the new name. 0 when each of those opens was refused.
 */
static int open_after_each(const char *outside, const char *inside,
                           int (*get_in)(const char *, const char *))
{
    for (int i = 0; i < MOVES; i++) {
        int fd = open(outside, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0 || close(fd) || tc_child_open(outside, NULL) ||
            get_in(outside, inside))
            return 200;
        if (tc_child_open(inside, NULL) != EPERM)
            return 201;
        if (unlink(inside) || (unlink(outside) && errno != ENOENT))
            return 200;
    }
    return 0;
}

static int move_and_open(const char *outside, const char *inside)
{
    return open_after_each(outside, inside, rename);
}

static int link_and_open(const char *outside, const char *inside)
{
    return open_after_each(outside, inside, link);
}

static int open_special(const char *path, const char *other)
{
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    (void)other;
    return fd < 0 ? errno : close(fd);
}

static int open_many(const char *folder, const char *other)
{
    char path[160];
    int err = 0;

    (void)other;
    for (int i = 0; i < 1000 && !err; i++) {
        snprintf(path, sizeof(path), "%s/%d", folder, i);
        err = tc_child_open(path, NULL);
    }
    return err;
}

static bool has_a_folder_outside(struct tc_harness *h)
{
    return tc_scratch_stat((struct tc_scratch *)(void *)h, "folders_outside") == 1;
}

/* ---- Other names for a protected file. ---- */

static void es_sees_through_a_hard_link_from_outside(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/in/";
    tc_child_put(tc_scratch_out(s, "f"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_out(s, "f"), NULL), 0);
    assert_int_equal(link(tc_scratch_out(s, "f"), tc_scratch_in(s, "f")), 0);
    assert_int_equal(
        tc_scratch_child(s, rename_it, tc_scratch_in(s, "f"), tc_scratch_in(s, "g")), 0);
    assert_non_null(tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_RENAMED, 0));
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "g"), NULL),
                     EPERM);
}

static void es_sees_through_a_symbolic_link_from_outside(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/in/f";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(symlink(tc_scratch_in(s, "f"), tc_scratch_out(s, "link")), 0);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_out(s, "link"), NULL),
                     EPERM);
}

static void es_asks_about_a_file_that_was_moved_in(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;

    s->deny = "/in/f";
    tc_child_put(tc_scratch_out(s, "f"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_out(s, "f"), NULL), 0);
    assert_int_equal(
        tc_scratch_child(s, rename_it, tc_scratch_out(s, "f"), tc_scratch_in(s, "f")), 0);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_RENAMED, 0);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, TOCSIN_FIELD_FILE_PATH),
                        tc_scratch_in(s, "f"));
    assert_string_equal(tc_harness_text(&s->h, event, TOCSIN_FIELD_FILE_OLD_PATH),
                        tc_scratch_out(s, "f"));
    assert_true(event->fd >= 0);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                     EPERM);
}

static void regress_a_file_moved_in_is_asked_about_at_once(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/in/";
    assert_int_equal(
        tc_scratch_child(s, move_and_open, tc_scratch_out(s, "f"), tc_scratch_in(s, "f")),
        0);
    assert_int_equal(tc_scratch_stat(s, "folders_outside"), 1);
}

static void regress_a_file_linked_in_is_asked_about_at_once(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/in/";
    assert_int_equal(
        tc_scratch_child(s, link_and_open, tc_scratch_out(s, "f"), tc_scratch_in(s, "f")),
        0);
    assert_int_equal(tc_scratch_stat(s, "folders_outside"), 1);
}

static void es_asks_in_a_watched_folder_below_one_that_is_not(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/in/";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    tc_child_put(tc_scratch_out(s, "../f"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_out(s, "../f"), NULL),
                     0);
    assert_true(tc_harness_run(&s->h, has_a_folder_outside, TC_HARNESS_WAIT_MS));
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                     EPERM);
}

static bool has_reset(struct tc_harness *h)
{
    return tc_scratch_stat((struct tc_scratch *)(void *)h, "resets") > 0;
}

static void es_asks_about_a_file_whose_folder_was_moved_in(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/in/";
    assert_int_equal(mkdir(tc_scratch_out(s, "d"), 0755), 0);
    tc_child_put(tc_scratch_out(s, "d/f"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_out(s, "d/f"), NULL),
                     0);
    assert_true(tc_harness_run(&s->h, has_a_folder_outside, TC_HARNESS_WAIT_MS));
    assert_int_equal(
        tc_scratch_child(s, rename_it, tc_scratch_out(s, "d"), tc_scratch_in(s, "d")), 0);
    assert_true(tc_harness_run(&s->h, has_reset, 5000));
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "d/f"), NULL),
                     EPERM);
}

static void es_sees_the_tool_that_copies(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/in/f";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_scratch_child(s, copy_with_dd, tc_scratch_in(s, "f"), NULL), 1);
    assert_int_equal(s->asked, 1);
}

/* ---- Mounts. ---- */

static void es_is_not_dodged_by_a_new_mount_namespace(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/f";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(
        tc_scratch_child(s, open_in_new_namespace, tc_scratch_in(s, "f"), NULL), EPERM);
}

static void es_is_not_dodged_by_a_user_namespace(void **state)
{
    struct tc_scratch *s = *state;
    int result;

    s->deny = "/f";
    assert_int_equal(chmod(s->root, 0755), 0);
    tc_child_put(tc_scratch_in(s, "f"), "x");
    result = tc_scratch_child(s, open_in_user_namespace, tc_scratch_in(s, "f"), NULL);
    if (result == 200) {
        test_skip("no user namespaces here");
    }
    assert_int_equal(result, EPERM);
}

static void es_is_not_dodged_by_a_bind_mount(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/f";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(
        tc_scratch_child(s, open_under_bind_mount, tc_scratch_in(s, "f"), s->in), EPERM);
}

static bool has_two_marks(struct tc_harness *h)
{
    return tc_scratch_stat((struct tc_scratch *)(void *)h, "marks") == 2;
}

static void es_reads_the_mounts_forty_times_a_second_at_most(void **state)
{
    struct tc_scratch *s = *state;
    uint64_t from = uv_hrtime();
    int64_t before = tc_scratch_stat(s, "mount_scans");

    assert_int_equal(mkdir(tc_scratch_in(s, "m"), 0755), 0);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(mount("busy", tc_scratch_in(s, "m"), "tmpfs", 0, NULL), 0);
        tc_harness_settle(&s->h);
        assert_int_equal(umount2(tc_scratch_in(s, "m"), MNT_DETACH), 0);
        tc_harness_settle(&s->h);
    }
    assert_int_equal(mount("last", tc_scratch_in(s, "m"), "tmpfs", 0, NULL), 0);
    assert_true(tc_harness_run(&s->h, has_two_marks, TC_HARNESS_WAIT_MS));
    assert_in_range(tc_scratch_stat(s, "mount_scans") - before, 1,
                    (uv_hrtime() - from) / 25000000u + 2);
    assert_int_equal(umount2(tc_scratch_in(s, "m"), MNT_DETACH), 0);
}

static void es_protects_what_is_mounted_later(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/f";
    assert_int_equal(mkdir(tc_scratch_in(s, "m"), 0755), 0);
    assert_int_equal(mount("later", tc_scratch_in(s, "m"), "tmpfs", 0, NULL), 0);
    assert_true(tc_harness_run(&s->h, has_two_marks, TC_HARNESS_WAIT_MS));
    tc_child_put(tc_scratch_in(s, "m/f"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "m/f"), NULL),
                     EPERM);
    assert_int_equal(umount2(tc_scratch_in(s, "m"), MNT_DETACH), 0);
}

static void es_keeps_no_file_system_from_being_unmounted(void **state)
{
    struct tc_scratch *s = *state;

    assert_int_equal(mkdir(tc_scratch_in(s, "m"), 0755), 0);
    assert_int_equal(mount("later", tc_scratch_in(s, "m"), "tmpfs", 0, NULL), 0);
    assert_true(tc_harness_run(&s->h, has_two_marks, TC_HARNESS_WAIT_MS));
    assert_int_equal(umount(tc_scratch_in(s, "m")), 0);
}

/* ---- What is no file, and what is harmless. ---- */

static void es_never_asks_about_devices_fifos_and_sockets(void **state)
{
    struct tc_scratch *s = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    s->deny = "/in/";
    assert_int_equal(mkfifo(tc_scratch_in(s, "fifo"), 0644), 0);
    assert_int_equal(mknod(tc_scratch_in(s, "null"), S_IFCHR | 0666, makedev(1, 3)), 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s",
             tc_scratch_in(s, "socket"));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(tc_scratch_child(s, open_special, tc_scratch_in(s, "fifo"), NULL),
                     0);
    assert_int_equal(tc_scratch_child(s, open_special, tc_scratch_in(s, "null"), NULL),
                     0);
    assert_int_equal(tc_scratch_child(s, open_special, tc_scratch_in(s, "socket"), NULL),
                     ENXIO);
    assert_int_equal(s->asked, 0);
    close(fd);
}

static void es_lets_a_thousand_harmless_files_pass_and_asks_once_each(void **state)
{
    struct tc_scratch *s = *state;
    char name[16];

    s->cacheable = true;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "%d", i);
        tc_child_put(tc_scratch_in(s, name), name);
    }
    assert_int_equal(tc_scratch_child(s, open_many, s->in, NULL), 0);
    assert_int_equal(s->asked, 1000);
    assert_int_equal(tc_scratch_child(s, open_many, s->in, NULL), 0);
    assert_int_equal(s->asked, 1000);
    assert_int_equal(tc_scratch_stat(s, "cached"), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f)                                                                          \
    cmocka_unit_test_setup_teardown(f, tc_es_scratch_setup, tc_scratch_teardown)
        TEST(es_sees_through_a_hard_link_from_outside),
        TEST(es_sees_through_a_symbolic_link_from_outside),
        TEST(es_asks_about_a_file_that_was_moved_in),
        TEST(regress_a_file_moved_in_is_asked_about_at_once),
        TEST(regress_a_file_linked_in_is_asked_about_at_once),
        TEST(es_asks_in_a_watched_folder_below_one_that_is_not),
        TEST(es_asks_about_a_file_whose_folder_was_moved_in),
        TEST(es_sees_the_tool_that_copies),
        TEST(es_is_not_dodged_by_a_new_mount_namespace),
        TEST(es_is_not_dodged_by_a_user_namespace),
        TEST(es_is_not_dodged_by_a_bind_mount),
        TEST(es_protects_what_is_mounted_later),
        TEST(es_reads_the_mounts_forty_times_a_second_at_most),
        TEST(es_keeps_no_file_system_from_being_unmounted),
        TEST(es_never_asks_about_devices_fifos_and_sockets),
        TEST(es_lets_a_thousand_harmless_files_pass_and_asks_once_each),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
