/* SPDX-License-Identifier: Apache-2.0 */
/*
 * That what is judged is what runs, though another file has its name, or its overlay
 * shows another one, by the time that the plugin opens it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/child.h"
#include "tests/support/place.h"
#include "tests/support/sensor_scratch.h"

#include "kext_load.h"
#include "kext_open.h"
#include "sensor_clock.h"
#include "tests/support/skip.h"
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A folder of the test's own with a program in it, and what the kernel tells of its
 * execution. */
struct fixture {
    char root[32], lower[64], program[96], other[64];
    struct stat before;
    struct tc_kext_record *record;
};

static int setup(void **state)
{
    static struct tc_kext_record record;
    static struct fixture fixture;
    struct fixture *f = &fixture;

    memset(f, 0, sizeof(*f));
    memset(&record, 0, sizeof(record));
    f->record = &record;
    strcpy(f->root, "/tmp/tocsin-open-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    assert_int_equal(mount("tocsin-test", f->root, "tmpfs", 0, NULL), 0);
    snprintf(f->lower, sizeof(f->lower), "%.32s/lower", f->root);
    snprintf(f->other, sizeof(f->other), "%.32s/other", f->root);
    snprintf(f->program, sizeof(f->program), "%.64s/sleep", f->lower);
    assert_int_equal(mkdir(f->lower, 0755) || mkdir(f->other, 0755), 0);
    tc_child_put_program(f->program, "/bin/sleep");
    assert_int_equal(stat(f->program, &f->before), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->record->pid) {
        kill((pid_t)f->record->pid, SIGKILL);
        waitpid((pid_t)f->record->pid, NULL, 0);
    }
    assert_int_equal(umount2(f->root, MNT_DETACH), 0);
    assert_int_equal(rmdir(f->root), 0);
    return 0;
}

/* Waits until it runs a program of that name: what it was before is this one. */
static void begin(struct fixture *f, tc_child_fn fn, const char *path, const char *other)
{
    struct tc_kext_record *record = f->record;
    char link[48], runs[256];
    ssize_t n;

    record->pid = (uint32_t)tc_child_begin(fn, path, other);
    record->kind = TC_KEXT_EXEC;
    record->fd = -1;
    record->key = tc_kext_key_of(f->before.st_dev, f->before.st_ino,
                                 tc_sensor_timespec_ns(&f->before.st_ctim));
    snprintf(link, sizeof(link), "/proc/%u/exe", record->pid);
    do {
        n = readlink(link, runs, sizeof(runs) - 1);
        assert_true(n > 0); /* it has ended otherwise */
        runs[n] = '\0';
    } while (!strstr(runs, "/sleep"));
}

/* What is opened for it is the program, byte for byte as long as it was. */
static void assert_opens_what_runs(struct fixture *f)
{
    char head[4] = "";
    struct statx stx;
    int fd = tc_kext_open(f->record, f->program, INT_MAX, &stx);

    assert_true(fd >= 0);
    assert_int_equal(stx.stx_ino, f->before.st_ino);
    assert_int_equal(stx.stx_size, f->before.st_size);
    assert_int_equal(read(fd, head, sizeof(head)), sizeof(head));
    assert_memory_equal(head, "\177ELF", sizeof(head));
    close(fd);
}

static void a_program_whose_name_another_file_has_taken(void **state)
{
    struct fixture *f = *state;
    char good[96];

    snprintf(good, sizeof(good), "%.64s/good", f->other);
    tc_child_put(good, "harmless");
    begin(f, tc_child_become, f->program, "1000");
    assert_int_equal(rename(good, f->program), 0);
    assert_opens_what_runs(f);
}

static int execute_through_overlay(const char *lower, const char *other)
{
    char program[128];

    snprintf(program, sizeof(program), "%s/merged/sleep", other);
    return tc_place_overlay(lower, other) ? 200 : tc_child_become(program, "1000");
}

/* chmod has the overlay make a copy of its own, which then may be written to: the process
 * still has the file below in memory. */
static void regress_a_program_of_which_its_overlay_shows_a_copy_by_now(void **state)
{
    struct fixture *f = *state;
    char shown[256], copy[128], line[9] = "";
    FILE *file;

    begin(f, execute_through_overlay, f->lower, f->other);
    snprintf(shown, sizeof(shown), "/proc/%u/root%s/merged/sleep", f->record->pid,
             f->other);
    snprintf(copy, sizeof(copy), "%s/upper/sleep", f->other);
    assert_int_equal(chmod(shown, 0700), 0);
    tc_child_put(copy, "harmless");
    file = fopen(shown, "re");
    assert_non_null(file);
    assert_int_equal(fread(line, 1, 8, file), 8);
    fclose(file);
    assert_string_equal(line, "harmless");
    assert_opens_what_runs(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(a_program_whose_name_another_file_has_taken),
        TEST(regress_a_program_of_which_its_overlay_shows_a_copy_by_now),
#undef TEST
    };

    if (!tc_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
