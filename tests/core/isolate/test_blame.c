/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tocsin/plugin.h>

#include "core/isolate/blame.h"

struct file {
    uint8_t buf[256];
    struct tocsin_event event;
};

static const struct tocsin_event *about(struct file *file, uint64_t inode, uint64_t ctime)
{
    struct tocsin_writer w;

    tocsin_writer_init(&w, file->buf, sizeof(file->buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "file");
    tocsin_put_uint(&w, "device", 1);
    if (inode)
        tocsin_put_uint(&w, "inode", inode);
    tocsin_put_uint(&w, "ctime", ctime);
    tocsin_end(&w);
    tocsin_end(&w);
    file->event = (struct tocsin_event){.data = w.buf, .len = w.len, .fd = -1};
    return &file->event;
}

static void blame_holds_a_file_back_that_was_alone_until_it_changes(void **state)
{
    struct tc_blame blame = {.count = 0};
    struct file f;

    (void)state;
    tc_blame_add(&blame, 7, about(&f, 2, 1), true);
    assert_true(tc_blame_has(&blame, 7, about(&f, 2, 1)));
    assert_false(tc_blame_has(&blame, 7, about(&f, 2, 2))); /* changed */
    assert_false(tc_blame_has(&blame, 7, about(&f, 3, 1)));
    assert_false(tc_blame_has(&blame, 8, about(&f, 2, 1))); /* another plugin */
}

static void blame_holds_one_of_several_back_when_it_is_there_twice(void **state)
{
    struct tc_blame blame = {.count = 0};
    struct file f;

    (void)state;
    tc_blame_add(&blame, 7, about(&f, 2, 1), false);
    tc_blame_add(&blame, 7, about(&f, 3, 1), false);
    assert_false(tc_blame_has(&blame, 7, about(&f, 2, 1)));
    tc_blame_add(&blame, 7, about(&f, 2, 1), false);
    assert_true(tc_blame_has(&blame, 7, about(&f, 2, 1)));
    assert_false(tc_blame_has(&blame, 7, about(&f, 3, 1)));
}

static void blame_does_not_remember_what_names_no_file(void **state)
{
    struct tc_blame blame = {.count = 0};
    struct file f;

    (void)state;
    tc_blame_add(&blame, 7, about(&f, 0, 1), true);
    assert_int_equal(blame.count, 0);
    assert_false(tc_blame_has(&blame, 7, about(&f, 0, 1)));
}

static void blame_forgets_the_oldest(void **state)
{
    struct tc_blame blame = {.count = 0};
    struct file f;

    (void)state;
    for (uint64_t inode = 1; inode <= TC_BLAME_MAX + 1; inode++)
        tc_blame_add(&blame, 7, about(&f, inode, 1), true);
    assert_false(tc_blame_has(&blame, 7, about(&f, 1, 1)));
    assert_true(tc_blame_has(&blame, 7, about(&f, 2, 1)));
    assert_true(tc_blame_has(&blame, 7, about(&f, TC_BLAME_MAX + 1, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blame_holds_a_file_back_that_was_alone_until_it_changes),
        cmocka_unit_test(blame_holds_one_of_several_back_when_it_is_there_twice),
        cmocka_unit_test(blame_does_not_remember_what_names_no_file),
        cmocka_unit_test(blame_forgets_the_oldest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
