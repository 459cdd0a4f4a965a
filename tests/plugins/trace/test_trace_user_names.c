/* SPDX-License-Identifier: Apache-2.0 */
/* What trace remembers of users' names, with accounts and a time of the tests' own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trace_user_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW_NS 1000000000ull
#define LATER_NS (NOW_NS + TC_TRACE_USER_NAMES_AGE_S * 1000000000ull)
#define ANN 4000001u /* nobody has these but in the tests' own files */
#define BEA 4000002u

struct scratch {
    struct tc_trace_user_names names;
    char path[64], text[TC_TRACE_USER_NAME_MAX];
};

/* Replaced, as useradd(8) does it: another inode. */
static void write_accounts(struct scratch *s, const char *text)
{
    char fresh[80];
    FILE *file;

    snprintf(fresh, sizeof(fresh), "%s+", s->path);
    file = fopen(fresh, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(fresh, s->path), 0);
}

static int setup(void **state)
{
    static struct scratch scratch;
    struct scratch *s = &scratch;
    int fd;

    strcpy(s->path, "/tmp/tocsin-accounts-XXXXXX");
    fd = mkstemp(s->path);
    if (fd < 0)
        return -1;
    close(fd);
    tc_trace_user_names_init(&s->names, s->path);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scratch *s = *state;

    tc_trace_user_names_done(&s->names);
    return unlink(s->path);
}

static const char *find(struct scratch *s, uint32_t uid, uint64_t now_ns)
{
    return tc_trace_user_names_find(&s->names, uid, now_ns, s->text) ? s->text : "";
}

static bool is_wanted(struct scratch *s)
{
    return tc_trace_user_names_wanted(&s->names);
}

static void names_of_local_accounts_are_known_without_asking(void **state)
{
    struct scratch *s = *state;

    write_accounts(s, "+nis:::::::\nann:x:4000001:1::/:/bin/sh\nnonsense\n"
                      "bea:x:4000002:1::/:/bin/sh\nsecond:x:4000002:1::/:/bin/sh\n");
    tc_trace_user_names_work(&s->names, NOW_NS);
    assert_string_equal(find(s, ANN, NOW_NS), "ann");
    assert_string_equal(find(s, BEA, NOW_NS), "bea");
    assert_false(is_wanted(s));
    assert_int_equal(s->names.count, 2);
}

static void a_name_that_is_not_known_is_looked_up_in_the_system(void **state)
{
    struct scratch *s = *state;

    tc_trace_user_names_work(&s->names, NOW_NS);
    assert_string_equal(find(s, 0, NOW_NS), "");
    assert_true(is_wanted(s));
    tc_trace_user_names_work(&s->names, NOW_NS);
    assert_string_equal(find(s, 0, NOW_NS), "root");
    assert_false(is_wanted(s));
}

static void a_user_without_a_name_is_not_asked_for_again_at_once(void **state)
{
    struct scratch *s = *state;

    assert_string_equal(find(s, ANN, NOW_NS), "");
    tc_trace_user_names_work(&s->names, NOW_NS);
    assert_string_equal(find(s, ANN, LATER_NS - 1), "");
    assert_false(is_wanted(s));
    assert_string_equal(find(s, ANN, LATER_NS), "");
    assert_true(is_wanted(s));
}

static void an_old_name_is_given_until_it_has_been_asked_for_anew(void **state)
{
    struct scratch *s = *state;

    write_accounts(s, "ann:x:4000001:1::/:/bin/sh\n");
    tc_trace_user_names_work(&s->names, NOW_NS);
    write_accounts(s, "anna:x:4000001:1::/:/bin/sh\n");
    assert_string_equal(find(s, ANN, LATER_NS - 1), "ann");
    assert_false(is_wanted(s));
    assert_string_equal(find(s, ANN, LATER_NS), "ann");
    assert_true(is_wanted(s));
    tc_trace_user_names_work(&s->names, LATER_NS);
    assert_string_equal(find(s, ANN, LATER_NS), "anna");
}

static void
accounts_that_have_changed_are_read_with_the_next_that_is_asked_for(void **state)
{
    struct scratch *s = *state;

    write_accounts(s, "ann:x:4000001:1::/:/bin/sh\n");
    tc_trace_user_names_work(&s->names, NOW_NS);
    write_accounts(s, "bea:x:4000002:1::/:/bin/sh\n");
    assert_string_equal(find(s, BEA, NOW_NS + 1), "");
    tc_trace_user_names_work(&s->names, NOW_NS + 1);
    assert_string_equal(find(s, BEA, NOW_NS + 1), "bea");
    assert_false(is_wanted(s));
    /* She is in the file no more, so she is asked for again, and found to have gone. */
    assert_string_equal(find(s, ANN, NOW_NS + 1), "ann");
    assert_true(is_wanted(s));
    tc_trace_user_names_work(&s->names, NOW_NS + 1);
    assert_string_equal(find(s, ANN, NOW_NS + 1), "");
    assert_false(is_wanted(s));
}

static void the_name_that_was_longest_unused_is_forgotten_and_counted(void **state)
{
    enum { LINE = 48, MORE = 10 };
    struct scratch *s = *state;
    size_t size = (size_t)LINE * (TC_TRACE_USER_NAMES_MAX + MORE), at = 0;
    char *text = malloc(size);

    assert_non_null(text);
    for (unsigned i = 0; i < TC_TRACE_USER_NAMES_MAX + MORE; i++)
        at +=
            (size_t)snprintf(text + at, size - at, "u%u:x:%u:1::/:/bin/sh\n", i, ANN + i);
    write_accounts(s, text);
    free(text);
    tc_trace_user_names_work(&s->names, NOW_NS);
    /* Of more accounts than there is room for, the first are kept. */
    assert_int_equal(s->names.count, TC_TRACE_USER_NAMES_MAX);
    assert_int_equal(s->names.evicted, 0);
    assert_string_equal(find(s, ANN, NOW_NS), "u0");
    find(s, 0, NOW_NS);
    tc_trace_user_names_work(&s->names, NOW_NS);
    assert_int_equal(s->names.count, TC_TRACE_USER_NAMES_MAX);
    assert_int_equal(s->names.evicted, 1);
    assert_string_equal(find(s, 0, NOW_NS), "root");
    assert_string_equal(find(s, ANN, NOW_NS), "u0");
    assert_string_equal(find(s, ANN + 1, NOW_NS), "");
}

static void more_than_can_wait_are_put_off_and_counted(void **state)
{
    struct scratch *s = *state;

    for (unsigned i = 0; i < TC_TRACE_USER_NAMES_WANTED_MAX + 3; i++)
        find(s, ANN + i, NOW_NS);
    find(s, ANN, NOW_NS); /* it waits already */
    assert_int_equal(s->names.put_off, 3);
    tc_trace_user_names_work(&s->names, NOW_NS);
    assert_int_equal(s->names.count, TC_TRACE_USER_NAMES_WANTED_MAX);
    assert_false(is_wanted(s));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(names_of_local_accounts_are_known_without_asking),
        WITH(a_name_that_is_not_known_is_looked_up_in_the_system),
        WITH(a_user_without_a_name_is_not_asked_for_again_at_once),
        WITH(an_old_name_is_given_until_it_has_been_asked_for_anew),
        WITH(accounts_that_have_changed_are_read_with_the_next_that_is_asked_for),
        WITH(the_name_that_was_longest_unused_is_forgotten_and_counted),
        WITH(more_than_can_wait_are_put_off_and_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
