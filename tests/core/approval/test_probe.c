/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of the probes, asked of the real kernel as root and as an ordinary
 * user. Nothing is opened under the mark, so that nobody can come to wait for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/approval/probe.h"
#include "tests/support/skip.h"

#define NOBODY 65534
#define ALARM_SECONDS 30 /* should an answer be awaited all the same */

/* How a child stands when it probes. */
enum standing {
    AS_ROOT,
    AS_NOBODY,
    WITHOUT_CAPABILITIES, /* root in name only */
    WITHOUT_DESCRIPTORS,  /* none is left to open */
};

struct answer {
    enum tc_probe_result result;
    int error;
};

static int setup(void **state)
{
    char *path = strdup("/tmp/tocsin-probe-XXXXXX");

    alarm(ALARM_SECONDS);
    assert_non_null(path);
    assert_non_null(mkdtemp(path));
    *state = path;
    return 0;
}

static int teardown(void **state)
{
    char *path = *state;

    assert_int_equal(rmdir(path), 0); /* which also shows that nothing is left */
    free(path);
    return 0;
}

static void stand(enum standing standing)
{
    struct rlimit files = {0, 0};
    cap_t none;

    switch (standing) {
    case AS_NOBODY:
        if (setgid(NOBODY) || setuid(NOBODY))
            _exit(99);
        break;
    case WITHOUT_CAPABILITIES:
        none = cap_init();
        if (!none || cap_set_proc(none))
            _exit(99);
        cap_free(none);
        break;
    case WITHOUT_DESCRIPTORS:
        if (setrlimit(RLIMIT_NOFILE, &files))
            _exit(99);
        break;
    default:
        break;
    }
}

/* What a child that stands so is answered. */
static struct answer ask(const char *dir, enum tc_gate gate, enum standing standing)
{
    struct answer answer = {TC_PROBE_INTERNAL, -1};
    int fds[2], status;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        alarm(ALARM_SECONDS);
        stand(standing);
        tc_probe_run(gate, dir, &answer.result, &answer.error);
        _exit(write(fds[1], &answer, sizeof(answer)) != sizeof(answer));
    }
    close(fds[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(read(fds[0], &answer, sizeof(answer)), sizeof(answer));
    close(fds[0]);
    return answer;
}

static void assert_answer(struct answer answer, enum tc_probe_result result, int error)
{
    assert_string_equal(tc_probe_result_name(answer.result),
                        tc_probe_result_name(result));
    assert_int_equal(answer.error, error);
}

static void need_root(void)
{
    if (geteuid())
        test_skip("only root can ask as root and as others");
}

static void es_extension_works_for_root(void **state)
{
    need_root();
    assert_answer(ask(*state, TC_GATE_ES_EXTENSION, AS_ROOT), TC_PROBE_OK, 0);
}

static void es_extension_is_not_for_an_ordinary_user(void **state)
{
    need_root();
    assert_answer(ask(*state, TC_GATE_ES_EXTENSION, AS_NOBODY), TC_PROBE_NOT_PRIVILEGED,
                  EPERM);
}

static void es_extension_is_not_for_root_in_name_only(void **state)
{
    need_root();
    assert_answer(ask(*state, TC_GATE_ES_EXTENSION, WITHOUT_CAPABILITIES),
                  TC_PROBE_NOT_PERMITTED, EPERM);
}

static void es_extension_says_that_there_are_too_many(void **state)
{
    need_root();
    assert_answer(ask(*state, TC_GATE_ES_EXTENSION, WITHOUT_DESCRIPTORS),
                  TC_PROBE_TOO_MANY_CLIENTS, EMFILE);
}

static void es_extension_without_its_folder_is_an_internal_failure(void **state)
{
    (void)state;
    need_root();
    assert_answer(ask("/nonexistent", TC_GATE_ES_EXTENSION, AS_ROOT), TC_PROBE_INTERNAL,
                  ENOENT);
}

static void full_disk_access_works_for_root(void **state)
{
    need_root();
    assert_answer(ask(*state, TC_GATE_FULL_DISK_ACCESS, AS_ROOT), TC_PROBE_OK, 0);
}

static void full_disk_access_is_not_for_an_ordinary_user(void **state)
{
    need_root();
    assert_answer(ask(*state, TC_GATE_FULL_DISK_ACCESS, AS_NOBODY),
                  TC_PROBE_NOT_PRIVILEGED, EPERM);
}

static void full_disk_access_is_not_for_root_in_name_only(void **state)
{
    need_root();
    assert_answer(ask(*state, TC_GATE_FULL_DISK_ACCESS, WITHOUT_CAPABILITIES),
                  TC_PROBE_NOT_PERMITTED, EPERM);
}

static void network_gates_are_not_asked_for_here(void **state)
{
    assert_answer(ask(*state, TC_GATE_NETWORK_EXTENSION, AS_ROOT), TC_PROBE_NOT_ENTITLED,
                  0);
    assert_answer(ask(*state, TC_GATE_NETWORK_FILTER, AS_ROOT), TC_PROBE_NOT_ENTITLED, 0);
}

static void errors_have_the_meaning_of_the_table(void **state)
{
    const enum tc_probe_result no =
        geteuid() ? TC_PROBE_NOT_PRIVILEGED : TC_PROBE_NOT_PERMITTED;
    const struct {
        int error;
        bool marking;
        enum tc_probe_result result;
    } table[] = {
        {0, true, TC_PROBE_OK},
        {EPERM, false, no},
        {EACCES, false, no},
        {ENOSYS, false, TC_PROBE_NOT_ENTITLED},
        {EINVAL, true, TC_PROBE_NOT_ENTITLED},
        {EINVAL, false, TC_PROBE_INTERNAL},
        {EMFILE, false, TC_PROBE_TOO_MANY_CLIENTS},
        {ENOSPC, true, TC_PROBE_INTERNAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        assert_int_equal(tc_probe_result_of(table[i].error, table[i].marking),
                         table[i].result);
}

#define PROBE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROBE_TEST(es_extension_works_for_root),
        PROBE_TEST(es_extension_is_not_for_an_ordinary_user),
        PROBE_TEST(es_extension_is_not_for_root_in_name_only),
        PROBE_TEST(es_extension_says_that_there_are_too_many),
        PROBE_TEST(es_extension_without_its_folder_is_an_internal_failure),
        PROBE_TEST(full_disk_access_works_for_root),
        PROBE_TEST(full_disk_access_is_not_for_an_ordinary_user),
        PROBE_TEST(full_disk_access_is_not_for_root_in_name_only),
        PROBE_TEST(network_gates_are_not_asked_for_here),
        PROBE_TEST(errors_have_the_meaning_of_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
