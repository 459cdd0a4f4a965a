/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "tests/support/catch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void log_writes_area_and_text_as_one_line(void **state)
{
    struct tc_catch c;

    (void)state;
    tc_catch_begin(&c);
    tc_log(TOCSIN_LOG_INFO, "es", "watches %d mounts", 3);
    tc_log(TOCSIN_LOG_DEBUG, "es", "below the level");
    tc_catch_end(&c);
    assert_string_equal(c.text, "es: watches 3 mounts\n");
}

static void log_cannot_be_made_to_begin_a_line_by_a_file_name(void **state)
{
    struct tc_catch c;

    (void)state;
    tc_catch_begin(&c);
    tc_log(TOCSIN_LOG_WARNING, "av", "found %s", "/tmp/x\nagent: all is well\x1b[2J");
    tc_catch_end(&c);
    assert_string_equal(c.text, "av: found /tmp/x?agent: all is well?[2J\n");
}

static void log_cuts_a_line_that_is_too_long(void **state)
{
    char longer[5000];
    struct tc_catch c;

    (void)state;
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    tc_catch_begin(&c);
    tc_log(TOCSIN_LOG_INFO, "av", "%s", longer);
    tc_catch_end(&c);
    assert_int_equal(strlen(c.text), 2048);
    assert_int_equal(c.text[2047], '\n');
}

static void log_gives_the_journal_a_priority(void **state)
{
    struct tc_catch c;
    char stream[64];
    struct stat st;
    int rc;

    (void)state;
    tc_catch_begin(&c);
    rc = fstat(STDERR_FILENO, &st);
    (void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
                   (uintmax_t)st.st_ino);
    (void)setenv("JOURNAL_STREAM", stream, 1);
    tc_log(TOCSIN_LOG_WARNING, "es", "lost events");
    (void)setenv("JOURNAL_STREAM", "1:1", 1); /* somebody else's */
    tc_log(TOCSIN_LOG_WARNING, "es", "lost events");
    (void)unsetenv("JOURNAL_STREAM");
    tc_catch_end(&c);
    assert_int_equal(rc, 0);
    assert_string_equal(c.text, "<4>es: lost events\nes: lost events\n");
}

/* Logs into `fd`, which nobody reads, and returns how many of 4,000 lines were lost. */
static uint64_t lost_into(int fd)
{
    int saved = dup(STDERR_FILENO);
    uint64_t before = tc_log_lost();

    (void)dup2(fd, STDERR_FILENO);
    for (int i = 0; i < 4000; i++)
        tc_log(TOCSIN_LOG_INFO, "es", "a line of some fifty bytes, number %d, unread", i);
    (void)dup2(saved, STDERR_FILENO);
    close(saved);
    return tc_log_lost() - before;
}

static void log_loses_and_counts_what_nobody_reads(void **state)
{
    int fds[2];

    (void)state;
    (void)alarm(20); /* a log that blocks ends the test */
    assert_int_equal(pipe(fds), 0);
    assert_in_range(lost_into(fds[1]), 1, 3999);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_in_range(lost_into(fds[1]), 1, 3999);
    close(fds[0]);
    assert_int_equal(lost_into(fds[1]), 4000); /* and no SIGPIPE */
    close(fds[1]);
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    assert_int_equal(lost_into(fds[1]), 4000);
    close(fds[1]);
    (void)alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_writes_area_and_text_as_one_line),
        cmocka_unit_test(log_cannot_be_made_to_begin_a_line_by_a_file_name),
        cmocka_unit_test(log_cuts_a_line_that_is_too_long),
        cmocka_unit_test(log_gives_the_journal_a_priority),
        cmocka_unit_test(log_loses_and_counts_what_nobody_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
