/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor_scope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char table[] = "20 1 8:1 / / rw - ext4 /dev/a rw\n"
                            "21 20 0:5 / /proc rw - proc proc rw\n"
                            "22 20 8:2 / /home rw shared:2 - ext4 /dev/b rw\n"
                            "23 20 8:1 /srv/data /mnt/again rw - ext4 /dev/a rw\n"
                            "24 22 8:1 /opt/app /home/app rw - ext4 /dev/a rw\n"
                            "25 22 0:30 / /home/with\\040blank rw - tmpfs t rw\n"
                            "26 20 8:3 /@sub /pool rw - btrfs /dev/c rw\n"
                            "27 22 0:6 / /home/ann/proc rw - proc proc rw\n"
                            "28 20 8:1 /etc/hosts /home/hosts rw - ext4 /dev/a rw\n";

static struct tc_sensor_scope *make(const char *watch, const char *ignored)
{
    const char *const watches[] = {watch, NULL}, *const types[] = {ignored, NULL};
    struct tc_sensor_scope *scope = NULL;

    assert_int_equal(tc_sensor_scope_new(table, watches, types, &scope), 0);
    return scope;
}

/* What statx says of a file of that device that was found through that mount. */
static struct statx found(uint64_t mount, unsigned major, unsigned minor)
{
    return (struct statx){.stx_mask = STATX_MNT_ID,
                          .stx_mnt_id = mount,
                          .stx_dev_major = major,
                          .stx_dev_minor = minor};
}

/* The same, of the device that the table has for the mount. */
static struct statx found_through(uint64_t mount)
{
    unsigned major = 0, minor = 0;
    char line[24];
    const char *at;

    snprintf(line, sizeof(line), "%u ", (unsigned)mount);
    at = strstr(table, line);
    if (at)
        assert_int_equal(sscanf(at, "%*u %*u %u:%u", &major, &minor), 2);
    return found(mount, major, minor);
}

static void place_is_judged_by_file_system_and_inner_path(void **state)
{
    static const struct {
        const char *watch;
        uint64_t mount;
        const char *path;
        enum tc_sensor_where place;
    } rows[] = {
        {"/srv", 20, "/srv/data/f", TC_SENSOR_INSIDE},
        {"/srv", 20, "/srv", TC_SENSOR_INSIDE},
        {"/srv", 20, "/srvx/f", TC_SENSOR_OUTSIDE},
        {"/srv", 20, "/etc/f", TC_SENSOR_OUTSIDE},
        {"/srv/", 20, "/srv/f", TC_SENSOR_INSIDE},
        {"/srv", 23, "/mnt/again/f", TC_SENSOR_INSIDE}, /* a bind mount of it */
        {"/srv/data/x", 23, "/mnt/again/f", TC_SENSOR_OUTSIDE},
        {"/srv/data/x", 23, "/mnt/again/x/f", TC_SENSOR_INSIDE},
        {"/mnt/again", 20, "/srv/data/f",
         TC_SENSOR_INSIDE},                            /* watched by its other name */
        {"/home", 20, "/opt/app/f", TC_SENSOR_INSIDE}, /* mounted below as well */
        {"/home", 20, "/opt/other", TC_SENSOR_OUTSIDE},
        {"/home", 20, "/etc/hosts", TC_SENSOR_INSIDE}, /* a file mounted below */
        {"/home", 28, "/home/hosts", TC_SENSOR_INSIDE},
        {"/home", 25, "/home/with blank/f", TC_SENSOR_INSIDE},
        {"/home/ann", 22, "/home/bob/f", TC_SENSOR_OUTSIDE},
        {"/pool/x", 26, "/pool/x/f", TC_SENSOR_INSIDE},
        {"/pool/x", 26, "/pool/y", TC_SENSOR_OUTSIDE},
        {"/srv", 99, "/anything", TC_SENSOR_ELSEWHERE},
        {"/", 20, "/etc/f", TC_SENSOR_INSIDE},
        {"/", 22, "/home/f", TC_SENSOR_INSIDE},
        {"/not/there/yet", 20, "/not/there/yet/f", TC_SENSOR_INSIDE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tc_sensor_scope *scope = make(rows[i].watch, NULL);
        struct statx stx = found_through(rows[i].mount);

        if (tc_sensor_scope_place(scope, &stx, rows[i].path) != rows[i].place)
            fail_msg("%s, %s", rows[i].watch, rows[i].path);
        tc_sensor_scope_unref(scope);
    }
}

static void regress_a_mount_number_that_was_given_again_is_not_believed(void **state)
{
    struct tc_sensor_scope *scope = make("/srv", NULL);
    struct statx disk = found(22, 8, 1), same = found(22, 8, 2);
    struct statx volume = found(26, 0, 44), other = found(26, 8, 1);

    (void)state;
    assert_int_equal(tc_sensor_scope_place(scope, &same, "/home/f"), TC_SENSOR_OUTSIDE);
    assert_int_equal(tc_sensor_scope_place(scope, &disk, "/home/f"), TC_SENSOR_ELSEWHERE);
    assert_int_equal(tc_sensor_scope_place(scope, &same, "/elsewhere/f"),
                     TC_SENSOR_ELSEWHERE);
    /* A subvolume of btrfs has a device of its own. */
    assert_int_equal(tc_sensor_scope_place(scope, &volume, "/pool/f"), TC_SENSOR_OUTSIDE);
    assert_int_equal(tc_sensor_scope_place(scope, &other, "/pool/f"),
                     TC_SENSOR_ELSEWHERE);
    tc_sensor_scope_unref(scope);
}

static void regress_a_unique_number_is_the_only_one_that_counts(void **state)
{
    static const struct tc_sensor_mount_ids ids[] = {{20, 1000}, {22, 4000}, {23, 3000}};
    struct tc_sensor_mounts mounts;
    struct statx stx = found(4000, 8, 2);

    (void)state;
    assert_int_equal(tc_sensor_mounts_parse(table, ids, 3, &mounts), 0);
    stx.stx_mask = STATX_MNT_ID_UNIQUE;
    assert_non_null(tc_sensor_mounts_find(&mounts, &stx, "/home/f"));
    assert_int_equal(tc_sensor_mounts_find(&mounts, &stx, "/home/f")->id, 22);
    stx.stx_mnt_id = 4001; /* 22 has been given again */
    assert_null(tc_sensor_mounts_find(&mounts, &stx, "/home/f"));
    stx.stx_mnt_id = 0; /* of one that was not among those */
    assert_null(tc_sensor_mounts_find(&mounts, &stx, "/home/f"));
    stx = found(22, 8, 2);
    assert_null(tc_sensor_mounts_find(&mounts, &stx, "/home/f"));
    tc_sensor_mounts_done(&mounts);
}

static void a_path_is_ours_when_it_leads_to_that_file(void **state)
{
    struct tc_sensor_scope *scope = make("/srv", NULL);
    struct statx plain = found_through(20), below = found_through(22);
    struct statx foreign = found(99, 8, 1);

    (void)state;
    assert_true(tc_sensor_scope_is_own(scope, &plain, "/srv/f"));
    assert_true(tc_sensor_scope_is_own(scope, &below, "/home/f"));
    assert_false(tc_sensor_scope_is_own(scope, &plain, "/home/f")); /* hidden by 22 */
    assert_false(tc_sensor_scope_is_own(scope, &foreign, "/srv/f"));
    tc_sensor_scope_unref(scope);
}

static size_t marks(const struct tc_sensor_scope *scope, const char *point)
{
    const struct tc_sensor_mount *mount;
    size_t found = 0;

    for (size_t i = 0; (mount = tc_sensor_scope_file_system(scope, i)) != NULL; i++)
        found += !point || !strcmp(mount->point, point);
    return found;
}

static void every_file_system_below_is_marked_once(void **state)
{
    struct tc_sensor_scope *scope = make("/", NULL);

    (void)state;
    assert_int_equal(marks(scope, NULL), 4);
    assert_int_equal(marks(scope, "/"), 1); /* by the mount that shows most of it */
    tc_sensor_scope_unref(scope);
}

static void pseudo_and_ignored_file_systems_are_excluded(void **state)
{
    struct tc_sensor_scope *scope = make("/home", "tmpfs");

    (void)state;
    assert_int_equal(marks(scope, "/home/ann/proc"), 0);
    assert_int_equal(marks(scope, "/home/with blank"), 0);
    assert_int_equal(marks(scope, "/home"), 1);
    tc_sensor_scope_unref(scope);
    assert_true(tc_sensor_mounts_pseudo("cgroup2"));
    assert_false(tc_sensor_mounts_pseudo("tmpfs"));
}

static void a_file_is_placed_and_named_by_its_file_system(void **state)
{
    static const struct {
        const char *watch;
        unsigned major, minor;
        const char *inner;
        enum tc_sensor_where place;
        uint64_t mount;
        const char *seen; /* NULL: not at all */
    } rows[] = {
        {"/srv", 8, 1, "/srv/data/f", TC_SENSOR_INSIDE, 20, "/srv/data/f"},
        {"/srv", 8, 1, "/srv/data/f", TC_SENSOR_INSIDE, 23, "/mnt/again/f"},
        {"/srv", 8, 1, "/srv/data/f", TC_SENSOR_INSIDE, 99, "/srv/data/f"},
        {"/srv", 8, 1, "/etc/f", TC_SENSOR_OUTSIDE, 20, "/etc/f"},
        {"/pool/x", 8, 3, "/@sub/x/f", TC_SENSOR_INSIDE, 26, "/pool/x/f"},
        {"/pool/x", 8, 3, "/other/f", TC_SENSOR_OUTSIDE, 26, NULL},
        {"/home", 8, 2, "/ann/f", TC_SENSOR_INSIDE, 22, "/home/ann/f"},
        {"/srv", 9, 9, "/srv/f", TC_SENSOR_OUTSIDE, 20, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tc_sensor_scope *scope = make(rows[i].watch, NULL);
        dev_t device = makedev(rows[i].major, rows[i].minor);
        char path[TC_SENSOR_PATH_MAX] = "";
        bool seen =
            tc_sensor_scope_seen(scope, rows[i].mount, device, rows[i].inner, path);

        assert_int_equal(tc_sensor_scope_place_inside(scope, device, rows[i].inner),
                         rows[i].place);
        assert_int_equal(seen, rows[i].seen != NULL);
        assert_string_equal(path, rows[i].seen ? rows[i].seen : "");
        tc_sensor_scope_unref(scope);
    }
}

static void each_watched_folder_is_reported_as_it_is_seen(void **state)
{
    struct tc_sensor_scope *scope = make("/home", NULL);
    const struct tc_sensor_area *area;
    bool itself = false, below = false;

    (void)state;
    for (size_t i = 0; (area = tc_sensor_scope_area(scope, i)) != NULL; i++) {
        itself |= area->device == makedev(8, 2) && !strcmp(area->path, "/") &&
                  !strcmp(area->seen, "/home");
        below |= area->device == makedev(8, 1) && !strcmp(area->path, "/opt/app") &&
                 !strcmp(area->seen, "/home/app");
    }
    assert_true(itself && below);
    tc_sensor_scope_unref(scope);
}

static void mount_on_a_served_one_is_served(void **state)
{
    static const char mounts[] = "20 1 0:9 / / rw - virtiofs root rw\n"
                                 "21 20 8:2 / /home rw - ext4 /dev/b rw\n"
                                 "22 21 0:30 / /home/far rw - fuse.sshfs h rw\n"
                                 "23 22 0:31 / /home/far/near rw - tmpfs t rw\n"
                                 "24 23 0:32 / /home/far/near/x rw - ext4 /dev/c rw\n"
                                 "25 20 0:33 / /new rw - somethingfs s rw\n";
    static const struct {
        const char *path;
        bool served;
    } rows[] = {
        {"/etc/hosts", false}, /* the root, which nobody can do without */
        {"/home/f", false},         {"/home/far", true},
        {"/home/far/f", true},      {"/home/farther", false},
        {"/home/far/near/f", true}, {"/home/far/near/x/f", true},
        {"/new/f", true}, /* a type that is not known to be local */
    };
    const char *const watch[] = {"/", NULL}, *const none[] = {NULL};
    struct tc_sensor_scope *scope = NULL;

    (void)state;
    assert_int_equal(tc_sensor_scope_new(mounts, watch, none, &scope), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (tc_sensor_scope_served(scope, rows[i].path) != rows[i].served)
            fail_msg("%s", rows[i].path);
    tc_sensor_scope_unref(scope);
}

static void a_line_that_is_no_mountinfo_is_refused(void **state)
{
    static const char *const wrong[] = {"x\n", "1 2 8:1 / /\n",
                                        "1 2 8 / / rw - ext4 a rw\n",
                                        "1 2 8:1 / / rw ext4 a rw\n"};
    const char *const watch[] = {"/", NULL}, *const none[] = {NULL};
    struct tc_sensor_scope *scope;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(tc_sensor_scope_new(wrong[i], watch, none, &scope), -EINVAL);
}

static void scopes_are_the_same_when_they_protect_the_same(void **state)
{
    struct tc_sensor_scope *a = make("/home", NULL), *b = make("/home", NULL);
    struct tc_sensor_scope *c = make("/srv", NULL);

    (void)state;
    assert_true(tc_sensor_scope_same(a, b));
    assert_false(tc_sensor_scope_same(a, c));
    tc_sensor_scope_unref(a);
    tc_sensor_scope_unref(b);
    tc_sensor_scope_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(place_is_judged_by_file_system_and_inner_path),
        cmocka_unit_test(regress_a_mount_number_that_was_given_again_is_not_believed),
        cmocka_unit_test(regress_a_unique_number_is_the_only_one_that_counts),
        cmocka_unit_test(a_path_is_ours_when_it_leads_to_that_file),
        cmocka_unit_test(every_file_system_below_is_marked_once),
        cmocka_unit_test(pseudo_and_ignored_file_systems_are_excluded),
        cmocka_unit_test(a_file_is_placed_and_named_by_its_file_system),
        cmocka_unit_test(each_watched_folder_is_reported_as_it_is_seen),
        cmocka_unit_test(mount_on_a_served_one_is_served),
        cmocka_unit_test(a_line_that_is_no_mountinfo_is_refused),
        cmocka_unit_test(scopes_are_the_same_when_they_protect_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
