/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tocsin/event.h>
#include <unistd.h>

#include "core/approval/consent.h"
#include "tests/support/fault.h"

struct folder {
    char path[64];
    char why[256];
};

static int setup(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->path, "/tmp/tocsin-consent-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct folder *f = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", f->path);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static const char *file_in(const struct folder *f, const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", f->path, name);
    return path;
}

/* What a person might have said; another number, another state. */
static struct tc_consent sample(unsigned number)
{
    struct tc_consent consent = {0};

    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        if (g == TC_GATE_NETWORK_FILTER && number % 2)
            continue;
        consent.gates[g].given = true;
        consent.gates[g].time_ns = UINT64_C(1700000000000000000) + number;
        consent.gates[g].uid = number % 3 ? 0 : UINT32_MAX;
        consent.gates[g].pid = (int32_t)number + 1;
        snprintf(consent.gates[g].who, sizeof(consent.gates[g].who), "root %u", number);
        memset(consent.gates[g].sha256, (int)(number & 0xff), TC_CONSENT_HASH_BYTES);
    }
    return consent;
}

static bool same(const struct tc_consent *a, const struct tc_consent *b)
{
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        if (a->gates[g].given != b->gates[g].given ||
            a->gates[g].time_ns != b->gates[g].time_ns ||
            a->gates[g].uid != b->gates[g].uid || a->gates[g].pid != b->gates[g].pid ||
            strcmp(a->gates[g].who, b->gates[g].who) != 0 ||
            memcmp(a->gates[g].sha256, b->gates[g].sha256, TC_CONSENT_HASH_BYTES) != 0)
            return false;
    }
    return true;
}

static void assert_reads(struct folder *f, int status, const struct tc_consent *want)
{
    struct tc_consent read, nothing = {0};

    memset(&read, 0x55, sizeof(read));
    assert_int_equal(tc_consent_read(f->path, &read, f->why), status);
    assert_true(same(&read, want ? want : &nothing));
}

static void write_consent(struct folder *f, const struct tc_consent *consent)
{
    assert_int_equal(tc_consent_write(f->path, consent, f->why), 0);
}

static void consent_reads_back_as_it_was_written(void **state)
{
    struct folder *f = *state;
    struct tc_consent consent;
    struct stat st;

    assert_reads(f, 0, NULL);
    for (unsigned i = 0; i < 4; i++) {
        consent = sample(i);
        write_consent(f, &consent);
        assert_reads(f, 0, &consent);
    }
    memset(&consent, 0, sizeof(consent));
    write_consent(f, &consent);
    assert_reads(f, 0, &consent);
    assert_int_equal(stat(file_in(f, "consent"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(access(file_in(f, "consent.new"), F_OK), -1);
}

static size_t slurp(const char *path, uint8_t *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    assert_true(fd >= 0);
    n = read(fd, buf, size);
    assert_true(n > 0);
    close(fd);
    return (size_t)n;
}

static void spill(const char *path, const void *buf, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, buf, n), n);
    close(fd);
}

static void every_damaged_byte_voids_the_file(void **state)
{
    struct folder *f = *state;
    struct tc_consent consent = sample(1);
    uint8_t good[4096], bad[4096];
    size_t n;

    write_consent(f, &consent);
    n = slurp(file_in(f, "consent"), good, sizeof(good));
    for (size_t i = 0; i < n; i++) {
        memcpy(bad, good, n);
        bad[i] ^= (uint8_t)(1u << i % 8);
        spill(file_in(f, "consent"), bad, n);
        assert_reads(f, -EUCLEAN, NULL);
        assert_int_equal(unlink(file_in(f, "consent.damaged-1")), 0);
    }
    spill(file_in(f, "consent"), good, n);
    assert_reads(f, 0, &consent);
}

static void every_cut_and_every_addition_voids_the_file(void **state)
{
    struct folder *f = *state;
    struct tc_consent consent = sample(2);
    uint8_t good[32768] = {0};
    size_t n;

    write_consent(f, &consent);
    n = slurp(file_in(f, "consent"), good, sizeof(good));
    for (size_t i = 0; i < n; i++) {
        spill(file_in(f, "consent"), good, i);
        assert_reads(f, -EUCLEAN, NULL);
        assert_int_equal(unlink(file_in(f, "consent.damaged-1")), 0);
    }
    spill(file_in(f, "consent"), good, n + 1);
    assert_reads(f, -EUCLEAN, NULL);
    spill(file_in(f, "consent"), good, sizeof(good));
    assert_reads(f, -EUCLEAN, NULL);
    assert_non_null(strstr(f->why, "it is too large"));
}

static void damaged_file_is_set_aside_with_a_sentence(void **state)
{
    struct folder *f = *state;
    char want[256];

    spill(file_in(f, "consent"), "x", 1);
    assert_reads(f, -EUCLEAN, NULL);
    spill(file_in(f, "consent"), "y", 1);
    assert_reads(f, -EUCLEAN, NULL);
    snprintf(want, sizeof(want),
             "%s/consent is not used, since it is damaged; it is kept as "
             "consent.damaged-2, and everything has to be approved again",
             f->path);
    assert_string_equal(f->why, want);
    assert_int_equal(access(file_in(f, "consent.damaged-1"), F_OK), 0);
    assert_int_equal(access(file_in(f, "consent.damaged-2"), F_OK), 0);
    assert_reads(f, 0, NULL);
}

static void file_of_a_later_format_is_not_guessed_at(void **state)
{
    struct folder *f = *state;
    uint8_t buf[64];
    struct tocsin_writer w;

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "format", 2);
    tocsin_end(&w);
    spill(file_in(f, "consent"), buf, w.len);
    assert_reads(f, -EUCLEAN, NULL);
    assert_non_null(strstr(f->why, "another version of tocsin has written it"));
}

static void file_that_others_may_write_is_not_believed(void **state)
{
    struct folder *f = *state;
    struct tc_consent consent = sample(0);

    write_consent(f, &consent);
    assert_int_equal(chmod(file_in(f, "consent"), 0620), 0);
    assert_reads(f, -EPERM, NULL);
    assert_non_null(strstr(f->why, "others than root may write it"));
    assert_int_equal(chmod(file_in(f, "consent"), 0600), 0);
    assert_reads(f, 0, &consent);
    if (!geteuid()) {
        assert_int_equal(chown(file_in(f, "consent"), 65534, 65534), 0);
        assert_reads(f, -EPERM, NULL);
    }
}

static void symbolic_link_and_pipe_are_not_followed(void **state)
{
    struct folder *f = *state;
    struct tc_consent consent = sample(0);
    char other[128];

    write_consent(f, &consent);
    strcpy(other, file_in(f, "other"));
    assert_int_equal(rename(file_in(f, "consent"), other), 0);
    assert_int_equal(symlink(other, file_in(f, "consent")), 0);
    assert_reads(f, -ELOOP, NULL);
    assert_int_equal(unlink(file_in(f, "consent")), 0);
    assert_int_equal(mkfifo(file_in(f, "consent"), 0600), 0);
    assert_reads(f, -EPERM, NULL);
}

static void failed_write_leaves_the_old_state(void **state)
{
    struct folder *f = *state;
    struct tc_consent old = sample(0), fresh = sample(1);

    write_consent(f, &old);
    /* A folder where the new file is to be. */
    assert_int_equal(mkdir(file_in(f, "consent.new"), 0700), 0);
    assert_int_equal(tc_consent_write(f->path, &fresh, f->why), -EISDIR);
    assert_non_null(strstr(f->why, "consent cannot be kept in"));
    assert_reads(f, 0, &old);
    assert_int_equal(rmdir(file_in(f, "consent.new")), 0);
    assert_int_equal(tc_consent_write("/nonexistent", &fresh, f->why), -ENOENT);
}

static bool holds(struct folder *f, const struct tc_consent *want)
{
    struct tc_consent read;

    assert_int_equal(tc_consent_read(f->path, &read, f->why), 0);
    return same(&read, want);
}

/* Before any of its calls, which is every moment the disk can tell. */
static void killed_while_writing_it_holds_the_old_state_or_the_new(void **state)
{
    struct tc_consent old = sample(0), fresh = sample(1);
    unsigned nth, in_the_middle = 0;
    struct folder *f = *state;
    int status = 1;
    pid_t pid;

    write_consent(f, &old);
    for (nth = 1; status; nth++) {
        pid = fork();
        assert_true(pid >= 0);
        if (!pid) {
            tc_fault_arm(TC_FAULT_FILES, nth, TC_FAULT_KILL);
            _exit(tc_consent_write(f->path, &fresh, f->why) != 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status)
            assert_true(WIFSIGNALED(status));
        in_the_middle += !access(file_in(f, "consent.new"), F_OK);
        assert_true(holds(f, &old) || holds(f, &fresh));
    }
    assert_true(nth > 2 && in_the_middle > 0);
    assert_true(holds(f, &fresh));
}

static void whichever_call_fails_it_holds_the_old_state_or_the_new(void **state)
{
    struct tc_consent old = sample(0), fresh = sample(1);
    struct folder *f = *state;
    bool hit = true;
    unsigned nth;
    int r;

    for (nth = 1; hit; nth++) {
        write_consent(f, &old);
        tc_fault_arm(TC_FAULT_FILES, nth, EIO);
        r = tc_consent_write(f->path, &fresh, f->why);
        hit = tc_fault_disarm();
        assert_int_equal(r, hit ? -EIO : 0);
        assert_true(holds(f, &fresh) || (hit && holds(f, &old)));
        assert_int_equal(access(file_in(f, "consent.new"), F_OK), -1);
    }
    assert_true(nth > 2);
}

static void file_that_the_next_agent_would_not_use_is_told(void **state)
{
    const struct tc_consent nothing = {0}, consent = sample(1);
    struct folder *f = *state;

    assert_int_equal(tc_consent_check(f->path, &nothing, f->why), 0);
    assert_int_equal(tc_consent_check(f->path, &consent, f->why), -ENOENT);
    write_consent(f, &consent);
    assert_int_equal(tc_consent_check(f->path, &consent, f->why), 0);
    assert_int_equal(chmod(file_in(f, "consent"), 0666), 0);
    assert_int_equal(tc_consent_check(f->path, &consent, f->why), -EPERM);
    assert_non_null(strstr(f->why, "could be written by others"));
    write_consent(f, &consent);
    assert_int_equal(tc_consent_check(f->path, &consent, f->why), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(consent_reads_back_as_it_was_written, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(file_that_the_next_agent_would_not_use_is_told,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(every_damaged_byte_voids_the_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_cut_and_every_addition_voids_the_file,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_file_is_set_aside_with_a_sentence, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(file_of_a_later_format_is_not_guessed_at, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(file_that_others_may_write_is_not_believed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(symbolic_link_and_pipe_are_not_followed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(failed_write_leaves_the_old_state, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            killed_while_writing_it_holds_the_old_state_or_the_new, setup, teardown),
        cmocka_unit_test_setup_teardown(
            whichever_call_fails_it_holds_the_old_state_or_the_new, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
