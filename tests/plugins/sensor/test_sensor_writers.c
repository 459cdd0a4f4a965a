/* SPDX-License-Identifier: Apache-2.0 */
/* Whether anybody can change a file: by a descriptor, by a mapping, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sensor_writers.h"
#include "tests/support/skip.h"

struct fixture {
    struct tc_sensor_writers writers;
    char path[64];
    int fd; /* to read */
};

static int setup(void **state)
{
    static struct fixture f;
    int fd;

    strcpy(f.path, "/tmp/tocsin-writers-XXXXXX");
    fd = mkstemp(f.path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 1), 0);
    close(fd);
    f.fd = open(f.path, O_RDONLY | O_CLOEXEC);
    assert_true(f.fd >= 0);
    tc_sensor_writers_init(&f.writers);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tc_sensor_writers_done(&f->writers);
    close(f->fd);
    unlink(f->path);
    return 0;
}

static void writers_are_none_of_a_file_that_is_only_read(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++)
        assert_false(tc_sensor_writers_any(&f->writers, f->fd));
}

static void writers_are_those_who_have_it_open_for_writing(void **state)
{
    struct fixture *f = *state;
    int fd = open(f->path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_true(tc_sensor_writers_any(&f->writers, f->fd));
    assert_true(tc_sensor_writers_any(&f->writers, f->fd));
    close(fd);
    assert_false(tc_sensor_writers_any(&f->writers, f->fd));
}

static void writers_are_those_who_only_have_a_mapping_left(void **state)
{
    struct fixture *f = *state;
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    void *map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    assert_true(fd >= 0 && map != MAP_FAILED);
    close(fd);
    assert_true(tc_sensor_writers_any(&f->writers, f->fd));
    munmap(map, 1);
    assert_false(tc_sensor_writers_any(&f->writers, f->fd));
}

static void writers_may_be_where_nothing_can_be_told(void **state)
{
    struct fixture *f = *state;
    struct tc_sensor_writers none = {.group = -1};

    assert_true(tc_sensor_writers_any(&none, f->fd));
    assert_true(tc_sensor_writers_any(&f->writers, -1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(writers_are_none_of_a_file_that_is_only_read),
        TEST(writers_are_those_who_have_it_open_for_writing),
        TEST(writers_are_those_who_only_have_a_mapping_left),
        TEST(writers_may_be_where_nothing_can_be_told),
#undef TEST
    };

    struct tc_sensor_writers probe;

    tc_sensor_writers_init(&probe);
    if (probe.group < 0) {
        print_message("skipped: needs CAP_SYS_ADMIN\n");
        return test_skipped();
    }
    tc_sensor_writers_done(&probe);
    return cmocka_run_group_tests_name("sensor_writers", tests, NULL, NULL);
}
