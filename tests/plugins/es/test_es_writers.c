/* SPDX-License-Identifier: Apache-2.0 */
/* Who has written: also when the kernel closes the file because the writer ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ES TEST_PLUGIN_DIR "/tocsin_es.so"
#define WRITERS 200

static int setup(void **state)
{
    static struct tc_scratch scratch;

    tc_scratch_start(&scratch, "es", ES, NULL);
    scratch.cacheable = true;
    *state = &scratch;
    return 0;
}

static int teardown(void **state)
{
    tc_scratch_done(*state);
    return 0;
}

/* ---- Operations of children: each leaves the closing to its end, but for cp. ---- */

static int shell(const char *path, const char *from)
{
    int fd = open(from, O_RDONLY);

    if (fd < 0 || dup2(fd, 0))
        return 200;
    execl("/bin/sh", "sh", "-c", "cat > \"$0\"", path, (char *)NULL);
    return 200;
}

static int copy(const char *path, const char *from)
{
    execl("/bin/cp", "cp", from, path, (char *)NULL);
    return 200;
}

/* The shortest life that a writer can have. */
static int write_and_end(const char *path, const char *from)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    (void)from;
    return fd < 0 || write(fd, "x", 1) != 1;
}

/* Runs an operation for many files, one process each; the agent waits for none. */
static int many(tc_child_fn operation, const char *folder, const char *from)
{
    int status, failed = 0;
    char path[160];

    for (int i = 0; i < WRITERS && !failed; i++) {
        pid_t pid = fork();

        snprintf(path, sizeof(path), "%s/%d", folder, i);
        if (!pid) {
            alarm(100); /* fork has cleared it */
            _exit(operation(path, from));
        }
        failed = waitpid(pid, &status, 0) != pid || status != 0;
    }
    return failed;
}

static int many_shells(const char *folder, const char *from)
{
    return many(shell, folder, from);
}

static int many_copies(const char *folder, const char *from)
{
    return many(copy, folder, from);
}

static int many_short_lives(const char *folder, const char *from)
{
    return many(write_and_end, folder, from);
}

static bool all_written(struct tc_harness *h)
{
    return tc_harness_count(h, TOCSIN_TOPIC_FILE_WRITTEN) >= WRITERS;
}

/* Each of the events must name one of the executables. */
static void expect_writers(struct tc_scratch *s, tc_child_fn operation, const char *one,
                           const char *other)
{
    const struct tocsin_event *event;
    const char *text;

    tc_child_put(tc_scratch_out(s, "from"), "text");
    assert_int_equal(tc_scratch_child(s, operation, s->in, tc_scratch_out(s, "from")), 0);
    assert_true(tc_harness_run(&s->h, all_written, TC_HARNESS_WAIT_MS));
    for (size_t i = 0; i < WRITERS; i++) {
        event = tc_harness_event(&s->h, TOCSIN_TOPIC_FILE_WRITTEN, i);
        assert_non_null(event);
        assert_true(tocsin_event_int(event, "process.pid", 0) > 0);
        assert_true(*tc_harness_text(&s->h, event, "process.name"));
        text = tc_harness_text(&s->h, event, TOCSIN_FIELD_PROCESS_EXECUTABLE);
        if (!strstr(text, one) && !strstr(text, other))
            fail_msg("writer %zu: \"%s\"", i, text);
    }
}

static void regress_a_shell_that_ends_is_still_known(void **state)
{
    expect_writers(*state, many_shells, "sh", "/cat"); /* it becomes cat */
}

static void regress_a_copier_is_known(void **state)
{
    expect_writers(*state, many_copies, "/cp", "/coreutils");
}

static void regress_a_writer_that_ends_at_once_is_known(void **state)
{
    expect_writers(*state, many_short_lives, "/test_es_writers", "/test_es_writers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(regress_a_shell_that_ends_is_still_known),
        TEST(regress_a_copier_is_known),
        TEST(regress_a_writer_that_ends_at_once_is_known),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
