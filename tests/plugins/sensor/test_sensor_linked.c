/* SPDX-License-Identifier: Apache-2.0 */
/* Files that were made without a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor_linked.h"
#include "tests/support/skip.h"

struct fixture {
    char dir[64], named[96], number[96];
    int fd; /* of a file without a name in dir */
};

static int setup(void **state)
{
    static struct fixture f;
    struct stat st;

    snprintf(f.dir, sizeof(f.dir), "/tmp/tocsin-linked-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    snprintf(f.named, sizeof(f.named), "%s/named", f.dir);
    f.fd = open(f.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
    if (f.fd >= 0 && !fstat(f.fd, &st))
        snprintf(f.number, sizeof(f.number), "%s/#%llu", f.dir,
                 (unsigned long long)st.st_ino);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->fd >= 0)
        close(f->fd);
    unlink(f->named);
    unlink(f->number);
    rmdir(f->dir);
    return 0;
}

static void give_it_a_name(const struct fixture *f)
{
    char link[48];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
    assert_int_equal(linkat(AT_FDCWD, link, AT_FDCWD, f->named, AT_SYMLINK_FOLLOW), 0);
}

static void linked_is_found_in_the_folder_where_it_was_made(void **state)
{
    const struct fixture *f = *state;
    char path[TC_SENSOR_PATH_MAX];

    if (f->fd < 0)
        test_skip("no O_TMPFILE in /tmp");
    assert_false(tc_sensor_linked_name(f->number, path));
    give_it_a_name(f);
    assert_true(tc_sensor_linked_name(f->number, path));
    assert_string_equal(path, f->named);
}

static void linked_is_nothing_that_has_a_name(void **state)
{
    const struct fixture *f = *state;
    char path[TC_SENSOR_PATH_MAX];

    if (f->fd < 0)
        test_skip("no O_TMPFILE in /tmp");
    give_it_a_name(f);
    assert_false(tc_sensor_linked_name(f->named, path));
    close(open(f->number, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)); /* one called so */
    assert_false(tc_sensor_linked_name(f->number, path));
}

static void linked_is_only_what_the_kernel_would_write(void **state)
{
    static const char *const paths[] = {"#5",       "/nowhere/#",   "/nowhere/#5x",
                                        "/nowhere", "/nowhere/#05", "/nowhere/#5"};
    char path[TC_SENSOR_PATH_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_false(tc_sensor_linked_name(paths[i], path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(linked_is_found_in_the_folder_where_it_was_made),
        TEST(linked_is_nothing_that_has_a_name),
        TEST(linked_is_only_what_the_kernel_would_write),
#undef TEST
    };

    return cmocka_run_group_tests_name("sensor_linked", tests, NULL, NULL);
}
