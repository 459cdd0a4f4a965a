/* SPDX-License-Identifier: Apache-2.0 */
/* The proof against a real group, with nothing of the plugin above it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include "tests/support/skip.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "es_canary.h"
#include "es_source.h"

/* Often, and the mark is there for most of the time all the same: a check looks again
 * only while it was away. */
#define FORGET_EVERY_NS 2000000

struct fixture {
    atomic_bool stop; /* a thread of the test's own */
    char dir[64];
    struct tocsin_host host;
    struct tc_es_canary canary;
    struct tc_es_source source;
    char why[256];
};

/* ---- All that the reader thread wants of an agent. ---- */

static uint64_t host_now_ns(const struct tocsin_host *host)
{
    (void)host;
    return uv_hrtime();
}

static bool host_is_agent(const struct tocsin_host *host, int32_t pid)
{
    (void)host;
    return pid == getpid();
}

static int host_post(const struct tocsin_host *host, tocsin_call_fn fn, void *arg)
{
    (void)host;
    (void)fn;
    (void)arg;
    return -ESHUTDOWN;
}

/* The state folder is a tmpfs mounted so. */
static void begin_with(struct fixture *f, unsigned long mount_flags, const char *options)
{
    struct tc_es_source_config config = {.host = &f->host,
                                         .canary = &f->canary,
                                         .max_pending = 8,
                                         .deadline_ns = 1000000000u};

    memset(f, 0, sizeof(*f));
    f->host.now_ns = host_now_ns;
    f->host.is_agent = host_is_agent;
    f->host.post = host_post;
    strcpy(f->dir, "/tmp/tocsin-canary-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(mount("tocsin-es", f->dir, "tmpfs", mount_flags, options), 0);
    tc_es_canary_init(&f->canary);
    assert_int_equal(tc_es_source_open(&f->source, &config), 0);
    assert_int_equal(tc_es_source_run(&f->source), 0);
    assert_int_equal(tc_es_canary_make(&f->canary, f->dir), 0);
}

static void begin(struct fixture *f, unsigned long mount_flags)
{
    begin_with(f, mount_flags, NULL);
}

static void end(struct fixture *f)
{
    tc_es_source_close(&f->source);
    tc_es_canary_done(&f->canary);
    assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
    assert_int_equal(rmdir(f->dir), 0);
}

static size_t files_in(const char *dir)
{
    char path[80];
    struct dirent *entry;
    size_t n = 0;
    DIR *d;

    snprintf(path, sizeof(path), "%s/es", dir);
    d = opendir(path);
    assert_non_null(d);
    while ((entry = readdir(d)) != NULL)
        n += *entry->d_name != '.';
    closedir(d);
    return n;
}

static void canary_is_refused_once_and_then_allowed(void **state)
{
    struct tc_es_source_counters counters;
    struct fixture f;

    (void)state;
    begin(&f, 0);
    assert_int_equal(tc_es_source_mark_canary(&f.source), 0);
    if (tc_es_canary_prove(&f.canary, f.why))
        fail_msg("%s", f.why);
    assert_in_range(atomic_load(&f.canary.seen_ns), 1, uv_hrtime());
    assert_false(tc_es_canary_overdue(&f.canary, UINT64_MAX)); /* it has ended */
    assert_true(tc_es_canary_check(&f.canary, false));
    assert_int_equal(tc_child_open(f.canary.path, NULL),
                     0); /* refused once, not for good */
    tc_es_source_counters(&f.source, &counters);
#if defined(__x86_64__)
    assert_true(f.canary.runs);
    /* Two opens; an exec refused; one asked about twice, as exec and as open; and two. */
    assert_int_equal(counters.own, 7);
#endif
    assert_int_equal(counters.late, 0);
    end(&f);
}

static void *forget_again_and_again(void *arg)
{
    const struct timespec pause = {.tv_nsec = FORGET_EVERY_NS};
    struct fixture *f = arg;

    while (!atomic_load(&f->stop)) {
        assert_int_equal(tc_es_source_forget_all(&f->source), 0);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* All marks are taken back at each verdict.reset, the canary's with them for a moment. */
static void canary_is_found_while_marks_are_taken_back(void **state)
{
    struct fixture f;
    pthread_t forgetting;
    int found = 0, err;

    (void)state;
    begin(&f, 0);
    assert_int_equal(tc_es_source_mark_canary(&f.source), 0);
    assert_int_equal(pthread_create(&forgetting, NULL, forget_again_and_again, &f), 0);
    for (int i = 0; i < 200; i++)
        found += tc_es_canary_check(&f.canary, false);
    err = tc_es_canary_prove(&f.canary, f.why);
    atomic_store(&f.stop, true);
    assert_int_equal(pthread_join(forgetting, NULL), 0);
    end(&f);
    assert_int_equal(found, 200);
    if (err)
        fail_msg("%s", f.why);
}

static void canary_that_is_not_asked_about_proves_nothing(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 0);
    assert_int_equal(tc_es_canary_prove(&f.canary, f.why), -EIO);
    assert_string_equal(f.why, "the canary was not asked about when it was opened");
    assert_false(tc_es_canary_check(&f.canary, false));
    assert_int_equal(atomic_load(&f.canary.seen_ns), 0);
    end(&f);
}

static void canary_that_may_be_executed_unasked_proves_nothing(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 0);
    if (!f.canary.runs) {
        end(&f);
        skip();
    }
    assert_int_equal(
        fanotify_mark(f.source.group, FAN_MARK_ADD, FAN_OPEN_PERM, f.canary.fd, NULL), 0);
    assert_int_equal(tc_es_canary_prove(&f.canary, f.why), -EIO);
    assert_string_equal(f.why, "the canary was not asked about when it was executed");
    end(&f);
}

static void canary_is_not_executed_where_nothing_may_be(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, MS_NOEXEC);
    assert_false(f.canary.runs);
    assert_int_equal(tc_es_source_mark_canary(&f.source), 0);
    if (tc_es_canary_prove(&f.canary, f.why))
        fail_msg("%s", f.why);
    end(&f);
}

static void canary_that_somebody_holds_up_is_overdue(void **state)
{
    const uint64_t limit_ns = TC_ES_CANARY_WAIT_MS * 1000000ull;
    struct fixture f;

    (void)state;
    begin(&f, 0);
    atomic_store(&f.canary.begun_ns, 5);
    assert_false(tc_es_canary_overdue(&f.canary, 5 + limit_ns));
    assert_true(tc_es_canary_overdue(&f.canary, 6 + limit_ns));
    end(&f);
}

/* As an agent beside this one, which looks at what was executed. */
static void canary_that_others_open_is_refused_to_its_agent_all_the_same(void **state)
{
    struct fixture f;
    bool allow = false;

    (void)state;
    begin(&f, 0);
    atomic_store(&f.canary.refuse, TC_ES_CANARY_OPEN);
    assert_true(
        tc_es_canary_asked(&f.canary, f.canary.fd, FAN_OPEN_PERM, false, 1, &allow));
    assert_true(allow);
    assert_int_equal(atomic_load(&f.canary.asked), 0);
    assert_true(
        tc_es_canary_asked(&f.canary, f.canary.fd, FAN_OPEN_PERM, true, 2, &allow));
    assert_false(allow);
    assert_int_equal(atomic_load(&f.canary.seen_ns), 2);
    end(&f);
}

static void canary_of_a_killed_run_is_removed(void **state)
{
    struct tc_es_canary next;
    struct fixture f;

    (void)state;
    begin(&f, 0);
    tc_es_canary_init(&next);
    assert_int_equal(files_in(f.dir), 1);
    assert_int_equal(tc_es_canary_make(&next, f.dir), 0);
    assert_string_not_equal(next.path, f.canary.path);
    assert_int_equal(files_in(f.dir), 1);
    tc_es_canary_done(&next);
    assert_int_equal(files_in(f.dir), 0);
    end(&f);
}

/* Read-only, out of inodes, out of blocks: no such thing costs a sensor its start. */
static void regress_canary_needs_no_state_folder(void **state)
{
    static const struct {
        unsigned long flags;
        const char *options;
    } disks[] = {{MS_RDONLY, NULL}, {0, "nr_inodes=2"}, {0, "nr_inodes=1"}};
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
        begin_with(&f, disks[i].flags, disks[i].options);
        assert_true(f.canary.in_memory);
#if defined(__x86_64__)
        assert_true(f.canary.runs);
#endif
        assert_int_equal(tc_es_source_mark_canary(&f.source), 0);
        if (tc_es_canary_prove(&f.canary, f.why))
            fail_msg("%s", f.why);
        assert_true(tc_es_canary_check(&f.canary, false));
        end(&f);
    }
}

/* Ignored with its folder it would not be asked about. */
static void regress_canary_is_known_by_its_folder(void **state)
{
    struct fixture f;
    char path[80];
    int folder, other;

    (void)state;
    begin(&f, 0);
    snprintf(path, sizeof(path), "%s/es", f.dir);
    folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    other = open(f.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(folder >= 0 && other >= 0);
    assert_true(tc_es_canary_lies_in(&f.canary, folder));
    assert_false(tc_es_canary_lies_in(&f.canary, other));
    close(folder);
    close(other);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canary_is_refused_once_and_then_allowed),
        cmocka_unit_test(canary_is_found_while_marks_are_taken_back),
        cmocka_unit_test(canary_that_is_not_asked_about_proves_nothing),
        cmocka_unit_test(canary_that_may_be_executed_unasked_proves_nothing),
        cmocka_unit_test(canary_is_not_executed_where_nothing_may_be),
        cmocka_unit_test(canary_that_somebody_holds_up_is_overdue),
        cmocka_unit_test(canary_that_others_open_is_refused_to_its_agent_all_the_same),
        cmocka_unit_test(canary_of_a_killed_run_is_removed),
        cmocka_unit_test(regress_canary_needs_no_state_folder),
        cmocka_unit_test(regress_canary_is_known_by_its_folder),
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
