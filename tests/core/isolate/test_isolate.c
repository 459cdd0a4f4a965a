/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugins in processes of their own: the same host, bus and plugin state machine as
 * inline, a real tocsin-host, and plugins that wreck it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/host/loader.h"
#include "core/isolate/isolate.h"
#include "core/isolate/proxy.h"
#include "ipc/bus.h"
#include "tests/support/harness.h"

/* The sanitizers know no limit. */
#define MEMORY (UINT64_C(256) << 20)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOG "event"
#else
#define HOG "hog"
#endif

struct rig {
    struct tc_harness h;
    struct tc_isolate isolate;
    char files[64]; /* a folder that everybody may read */
};

static const struct tc_proxy *proxy_of(const struct tc_harness *h)
{
    return ((const struct tc_cell *)(const void *)tc_plugin_module(h->plugin))->proxy;
}

static pid_t pid_of(const struct rig *rig)
{
    return proxy_of(&rig->h)->child.pid;
}

/* A file whose content is its name. */
static void make_file(const struct rig *rig, const char *name, char ret_path[128])
{
    int fd;

    (void)snprintf(ret_path, 128, "%s/%s", rig->files, name);
    if (!access(ret_path, F_OK))
        return; /* and unchanged */
    fd = open(ret_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, name, strlen(name)), strlen(name));
    assert_int_equal(fchmod(fd, 0644), 0);
    close(fd);
}

static int load(struct rig *rig, const char *plugin, const char *how)
{
    char path[512], option[64], folder[96];
    const char *const wrecks[] = {option, folder, NULL};

    memset(&rig->isolate, 0, sizeof(rig->isolate));
    tc_harness_init(&rig->h);
    tc_isolate_init(&rig->isolate, TEST_BUILD_DIR "/lib/tocsin/tocsin-host", rig->h.dir,
                    0);
    rig->isolate.retry_ms = 1;
    rig->isolate.memory_bytes = MEMORY;
    rig->h.isolate = &rig->isolate;
    (void)snprintf(rig->files, sizeof(rig->files), "/tmp/tocsin-isolate-XXXXXX");
    assert_non_null(mkdtemp(rig->files));
    assert_int_equal(chmod(rig->files, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/tocsin_%s.so", TEST_FIXTURES, plugin);
    (void)snprintf(option, sizeof(option), "how=%s", how ? how : "");
    (void)snprintf(folder, sizeof(folder), "folder=%s", rig->files);
    return tc_harness_load(&rig->h, path, how ? wrecks : NULL);
}

static void run(struct rig *rig, const char *plugin, const char *how)
{
    if (load(rig, plugin, how) || tc_harness_start(&rig->h))
        fail_msg("%s", rig->h.why);
}

static void done(struct rig *rig)
{
    tc_harness_done(&rig->h);
    tc_harness_remove_folder(rig->files);
    for (size_t i = 0; i < TC_ISOLATE_MAX; i++)
        assert_int_equal(atomic_load(&rig->isolate.pids[i]), 0);
}

/* Asks about a file of that name; what was answered, and why. */
static const char *ask(struct rig *rig, const char *name, const char **ret_reason)
{
    const struct tocsin_event *answer;
    char path[128];
    uint64_t id;

    make_file(rig, name, path);
    id =
        tc_harness_publish_file(&rig->h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH, path);
    answer = tc_harness_await(&rig->h, TOCSIN_TOPIC_VERDICT, id);
    assert_non_null(answer);
    if (ret_reason)
        *ret_reason = tc_harness_text(&rig->h, answer, "reason");
    return tc_harness_text(&rig->h, answer, "decision");
}

static bool is_up(struct tc_harness *h)
{
    return proxy_of(h)->state == TC_PROXY_UP;
}

static bool is_down(struct tc_harness *h)
{
    return !is_up(h);
}

static bool has_failed(struct tc_harness *h)
{
    return tc_plugin_state(h->plugin) == TC_PLUGIN_FAILED && !tc_plugin_busy(h->plugin);
}

static void await_up(struct rig *rig)
{
    assert_true(tc_harness_run(&rig->h, is_up, TC_HARNESS_WAIT_MS));
}

/* ---- What an isolated plugin does as it should ---- */

static void isolated_voter_allows_and_denies_by_what_it_reads(void **state)
{
    const char *reason;
    struct rig rig;

    (void)state;
    run(&rig, "wrecks", "");
    assert_string_equal(ask(&rig, "good", NULL), "allow");
    assert_string_equal(ask(&rig, "deny", &reason), "deny");
    assert_string_equal(reason, "deny"); /* read from the descriptor */
    assert_true(tc_isolate_has(&rig.isolate, pid_of(&rig)));
    assert_int_not_equal(pid_of(&rig), getpid());
    done(&rig);
}

static void
isolated_plugin_has_its_options_and_a_change_starts_its_process_anew(void **state)
{
    const char *const words[] = {"word=later", "items=a,b", "depth=5", NULL};
    bool restart = false;
    struct rig rig;

    (void)state;
    run(&rig, "good", NULL);
    assert_string_equal(tc_harness_reported(&rig.h, "word")->text, "hello");
    (void)tc_harness_publish(&rig.h, "test.in", 0, -1, NULL);
    assert_string_equal(
        tc_harness_text(&rig.h, tc_harness_await(&rig.h, "test.out", 0), "word"),
        "hello");
    assert_int_equal(tc_harness_reconfigure(&rig.h, words, &restart), 0);
    assert_true(restart);
    assert_int_equal(tc_harness_stop(&rig.h), 0);
    assert_int_equal(tc_harness_start(&rig.h), 0);
    assert_string_equal(tc_harness_reported(&rig.h, "word")->text, "later");
    done(&rig);
}

static void isolated_refuses_what_the_loader_refuses_and_what_is_no_detector(void **state)
{
    static const struct {
        const char *plugin, *why;
    } cases[] = {
        {"bad_magic", "is no Tocsin plugin"},
        {"claims_core_topic", "which is not for a plugin of its kind"},
        {"no_symbol", "exports no symbol"},
        {"netstub", "only a detector"},
        {"supplement", "only a detector"},
    };
    struct rig rig;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_true(load(&rig, cases[i].plugin, NULL) < 0);
        if (!strstr(rig.h.why, cases[i].why))
            fail_msg("%s: %s", cases[i].plugin, rig.h.why);
        done(&rig);
    }
}

static void
isolated_plugin_that_refuses_to_start_says_so_and_is_not_tried_again(void **state)
{
    struct rig rig;

    (void)state;
    assert_int_equal(load(&rig, "init_fails", NULL), 0);
    assert_int_equal(tc_harness_start(&rig.h), -ECANCELED);
    assert_non_null(strstr(rig.h.why, "init failed"));
    assert_int_equal(proxy_of(&rig.h)->restarts, 0);
    done(&rig);
}

static const char *fact(struct rig *rig, const char *key)
{
    const struct tc_harness_report *report = tc_harness_reported(&rig->h, key);

    return report ? report->text : "none";
}

static void isolated_process_may_read_what_its_options_name_and_nothing_else(void **state)
{
    static const char *const refused[] = {"socket", "execve", "ptrace", "kill"};
    struct rig rig;
    char path[128], eacces[8], eperm[8];

    (void)state;
    (void)snprintf(eacces, sizeof(eacces), "-%d", EACCES);
    (void)snprintf(eperm, sizeof(eperm), "-%d", EPERM);
    assert_int_equal(load(&rig, "wrecks", "look"), 0);
    make_file(&rig, "rule", path);
    assert_int_equal(tc_harness_start(&rig.h), 0);
    assert_string_equal(fact(&rig, "option"), "0");
    assert_string_equal(fact(&rig, "option_write"), eacces);
    assert_string_equal(fact(&rig, "state"), "0");
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        if (strcmp(fact(&rig, refused[i]), eperm) != 0)
            fail_msg("%s: %s", refused[i], fact(&rig, refused[i]));
    assert_string_equal(fact(&rig, "passwd"), eacces);
    assert_string_equal(fact(&rig, "tmp"), eacces);
    if (geteuid() == 0)
        assert_int_equal(atoi(fact(&rig, "uid")), rig.isolate.uid);
    done(&rig);
}

/* ---- Bad plugins ---- */

static void a_crash_in_init_or_start_leaves_the_plugin_out_after_three(void **state)
{
    static const char *const hows[] = {"init", "start"};
    struct rig rig;

    (void)state;
    for (size_t i = 0; i < sizeof(hows) / sizeof(*hows); i++) {
        assert_int_equal(load(&rig, "wrecks", hows[i]), 0);
        assert_int_equal(tc_harness_start(&rig.h), -ECANCELED);
        assert_non_null(strstr(rig.h.why, "left out after 3"));
        assert_non_null(strstr(rig.h.why, "crashed in init or start (signal 6"));
        done(&rig);
    }
}

/* The question at which the process ends is answered at once, its successor answers the
 * next, and nobody asks it about that file again. */
static void a_process_that_ends_costs_one_answer_and_is_replaced(void **state)
{
    static const char *const hows[] = {"event",   "timer", "work", HOG,
                                       "garbage", "close", "hang"};
    const char *reason;
    struct rig rig;
    pid_t before;

    (void)state;
    for (size_t i = 0; i < sizeof(hows) / sizeof(*hows); i++) {
        print_message("%s\n", hows[i]);
        run(&rig, "wrecks", hows[i]);
        before = pid_of(&rig);
        assert_string_equal(ask(&rig, "trigger", &reason), "abstain");
        assert_string_equal(reason, "its process has ended");
        await_up(&rig);
        assert_int_not_equal(pid_of(&rig), before);
        before = pid_of(&rig);
        assert_string_equal(ask(&rig, "good", NULL), "allow");
        assert_string_equal(ask(&rig, "deny", NULL), "deny");
        assert_string_equal(ask(&rig, "trigger", &reason), "abstain");
        assert_string_equal(reason, "its process crashed on this file before");
        assert_int_equal(pid_of(&rig), before);
        assert_int_equal(proxy_of(&rig.h)->restarts, 1);
        assert_true(proxy_of(&rig.h)->last_error[0]);
        assert_int_equal(tc_plugin_state(rig.h.plugin), TC_PLUGIN_RUNNING);
        done(&rig);
    }
}

static void
a_crash_in_reload_does_not_come_since_its_process_is_started_anew(void **state)
{
    const char *const later[] = {"how=reload", "word=later", NULL};
    bool restart = false;
    struct rig rig;

    (void)state;
    run(&rig, "wrecks", "reload");
    assert_int_equal(tc_harness_reconfigure(&rig.h, later, &restart), 0);
    assert_true(restart);
    assert_string_equal(ask(&rig, "good", NULL), "allow");
    done(&rig);
}

static void a_process_cannot_fork(void **state)
{
    struct rig rig;

    (void)state;
    run(&rig, "wrecks", "fork");
    assert_string_equal(ask(&rig, "trigger", NULL), "allow");
    done(&rig);
}

static void
a_process_that_was_taken_over_says_nothing_that_its_plugin_may_not(void **state)
{
    struct rig rig;

    (void)state;
    run(&rig, "wrecks", "lie");
    assert_string_equal(ask(&rig, "trigger", NULL), "allow");
    assert_int_equal(tc_harness_count(&rig.h, TOCSIN_TOPIC_VERDICT_FINAL), 0);
    assert_int_equal(proxy_of(&rig.h)->restarts, 0);
    done(&rig);
}

static void a_plugin_is_left_out_after_three_crashes(void **state)
{
    static const char *const names[] = {"trigger1", "trigger2", "trigger3"};
    struct rig rig;

    (void)state;
    run(&rig, "wrecks", "event");
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(ask(&rig, names[i], NULL), "abstain");
        if (i < 2)
            await_up(&rig);
    }
    assert_true(tc_harness_run(&rig.h, has_failed, TC_HARNESS_WAIT_MS));
    assert_non_null(strstr(tc_plugin_why(rig.h.plugin), "left out after 3"));
    assert_non_null(strstr(tc_plugin_why(rig.h.plugin), "trigger3"));
    assert_int_equal(tc_plugin_voter(rig.h.plugin), 0);
    tc_plugin_free(rig.h.plugin);
    rig.h.plugin = NULL;
    done(&rig);
}

static bool has_queued_all(struct tc_harness *h)
{
    return proxy_of(h)->count == TC_ISOLATE_EVENTS_MAX;
}

static void
a_process_that_is_behind_loses_events_by_count_and_questions_to_nobody(void **state)
{
    struct tc_subscriber_stats stats[4];
    struct tocsin_writer w;
    const char *reason;
    uint8_t buf[128];
    struct rig rig;
    size_t n, at;

    (void)state;
    run(&rig, "wrecks", "hang");
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", "/trigger");
    tocsin_end(&w);
    tocsin_end(&w);
    for (size_t i = 0; i < TC_ISOLATE_EVENTS_MAX + 7; i++)
        (void)tc_harness_publish(&rig.h, "test.in", 0, -1, &w);
    assert_true(tc_harness_run(&rig.h, has_queued_all, TC_HARNESS_WAIT_MS));
    assert_string_equal(ask(&rig, "good", &reason), "abstain");
    assert_string_equal(reason, "its process is too far behind");
    n = tc_bus_stats(rig.h.bus, stats, 4);
    for (at = 0; at < n && strcmp(stats[at].name, "wrecks") != 0; at++)
        ;
    assert_true(at < n);
    assert_int_equal(stats[at].dropped, 7);
    /* It hangs in the first, and is killed for it. */
    assert_true(tc_harness_run(&rig.h, is_down, TC_HARNESS_WAIT_MS));
    assert_non_null(strstr(proxy_of(&rig.h)->last_error, "hung"));
    done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(isolated_voter_allows_and_denies_by_what_it_reads),
        cmocka_unit_test(
            isolated_plugin_has_its_options_and_a_change_starts_its_process_anew),
        cmocka_unit_test(
            isolated_refuses_what_the_loader_refuses_and_what_is_no_detector),
        cmocka_unit_test(
            isolated_plugin_that_refuses_to_start_says_so_and_is_not_tried_again),
        cmocka_unit_test(
            isolated_process_may_read_what_its_options_name_and_nothing_else),
        cmocka_unit_test(a_crash_in_init_or_start_leaves_the_plugin_out_after_three),
        cmocka_unit_test(a_process_that_ends_costs_one_answer_and_is_replaced),
        cmocka_unit_test(
            a_crash_in_reload_does_not_come_since_its_process_is_started_anew),
        cmocka_unit_test(a_process_cannot_fork),
        cmocka_unit_test(
            a_process_that_was_taken_over_says_nothing_that_its_plugin_may_not),
        cmocka_unit_test(a_plugin_is_left_out_after_three_crashes),
        cmocka_unit_test(
            a_process_that_is_behind_loses_events_by_count_and_questions_to_nobody),
    };

    alarm(280);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
