/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/catch.h"
#include "tests/support/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/conf/options.h"
#include "core/host/host.h"
#include "core/host/last_error.h"
#include "core/host/loader.h"
#include "ipc/bus.h"
#include "ipc/pack.h"

#define FIXTURE(name) TEST_FIXTURES "/tocsin_" name ".so"
#define SHORT_MS 50 /* a limit that is meant to be reached */

static void load(struct tc_harness *h, const char *so, const char *const *options)
{
    tc_harness_init(h);
    if (tc_harness_load(h, so, options))
        fail_msg("%s", h->why);
}

static void run(struct tc_harness *h, const char *so, const char *const *options)
{
    load(h, so, options);
    if (tc_harness_start(h))
        fail_msg("%s", h->why);
}

/* Whether `good` answers an event now. */
static bool answers(struct tc_harness *h)
{
    size_t before = tc_harness_count(h, "test.out");

    (void)tc_harness_publish(h, "test.in", 0, -1, NULL);
    tc_harness_settle(h);
    return tc_harness_count(h, "test.out") == before + 1;
}

static const char *fact(struct tc_harness *h, const char *key)
{
    const struct tc_harness_report *report = tc_harness_reported(h, key);

    return report ? report->text : "(nothing)";
}

/* ---- Life ---- */

static void plugin_answers_events_and_unloads_clean(void **state)
{
    const struct tocsin_event *event;
    struct tc_harness h;
    uint64_t id;

    (void)state;
    run(&h, FIXTURE("good"), NULL);
    id = tc_harness_publish(&h, "test.in", 0, -1, NULL);
    event = tc_harness_await(&h, "test.out", id);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&h, event, "word"), "hello");
    assert_string_equal(event->source, "good");
    tc_harness_done(&h);
}

static void plugin_that_was_only_loaded_unloads_clean(void **state)
{
    struct tc_harness h;

    (void)state;
    load(&h, FIXTURE("good"), NULL);
    assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_LOADED);
    assert_int_equal(tc_plugin_stop(h.plugin), -EALREADY);
    assert_false(answers(&h));
    tc_harness_done(&h);
}

static void plugin_stops_and_starts_while_events_flow(void **state)
{
    struct tc_harness h;

    (void)state;
    run(&h, FIXTURE("good"), NULL);
    for (int i = 0; i < 5; i++) {
        assert_true(answers(&h));
        (void)tc_harness_publish(&h, "test.in", 0, -1, NULL); /* still queued at stop */
        assert_int_equal(tc_harness_stop(&h), 0);
        assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_STOPPED);
        assert_false(answers(&h));
        assert_int_equal(tc_harness_start(&h), 0);
    }
    assert_true(answers(&h));
    assert_int_equal(tc_plugin_start(h.plugin), -EALREADY);
    tc_harness_done(&h);
}

static void plugin_unloads_and_loads_anew_while_events_flow(void **state)
{
    const struct tocsin_event *event;
    struct tc_harness h;

    (void)state;
    run(&h, FIXTURE("good"), NULL);
    for (int i = 0; i < 3; i++) {
        assert_true(answers(&h));
        (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
        tc_harness_unload(&h);
        (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
        assert_int_equal(tc_harness_load(&h, FIXTURE("good"), NULL), 0);
        assert_int_equal(tc_harness_start(&h), 0);
    }
    event = tc_harness_event(&h, "test.out", 0);
    tc_harness_unload(&h);
    /* The event outlives the plugin's code, and so must the name of its source. */
    assert_string_equal(event->source, "good");
    tc_harness_done(&h);
}

static void copy_file(const char *from, const char *to)
{
    char buf[65536];
    int in, out;
    ssize_t n;

    in = open(from, O_RDONLY | O_CLOEXEC);
    out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, buf, sizeof(buf))) > 0)
        assert_int_equal(write(out, buf, (size_t)n), n);
    close(in);
    close(out);
}

static void plugin_runs_on_when_its_file_is_overwritten(void **state)
{
    struct tc_harness h;
    char so[128];
    int fd;

    (void)state;
    tc_harness_init(&h);
    (void)snprintf(so, sizeof(so), "%s/tocsin_good.so", h.dir);
    copy_file(FIXTURE("good"), so);
    assert_int_equal(tc_harness_load(&h, so, NULL), 0);
    assert_int_equal(tc_harness_start(&h), 0);
    fd = open(so, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, "half a plugin", 13), 13);
    close(fd);
    assert_true(answers(&h));
    tc_harness_unload(&h);
    assert_int_equal(tc_harness_load(&h, so, NULL), -ENOEXEC);
    copy_file(FIXTURE("good"), so);
    assert_int_equal(tc_harness_load(&h, so, NULL), 0);
    assert_int_equal(tc_harness_start(&h), 0);
    assert_true(answers(&h));
    tc_harness_done(&h);
}

static void plugin_new_says_why_init_failed(void **state)
{
    struct tc_harness h;

    (void)state;
    tc_harness_init(&h);
    assert_int_equal(tc_harness_load(&h, FIXTURE("init_fails"), NULL), -ENOENT);
    assert_string_equal(h.why,
                        "plugin init_fails: init failed: No such file or directory");
    tc_harness_done(&h);
}

static void plugin_whose_start_fails_gives_its_timer_back(void **state)
{
    struct tc_harness h;
    struct tc_catch log;
    int rc;

    (void)state;
    load(&h, FIXTURE("start_fails"), NULL);
    tc_catch_begin(&log);
    rc = tc_harness_start(&h);
    tc_catch_end(&log);
    assert_int_equal(rc, -ECANCELED);
    assert_string_equal(h.why, "plugin start_fails: start failed: Input/output error");
    assert_string_equal(log.text, "start_fails: left 1 timer behind\n");
    assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_FAILED);
    assert_int_equal(tc_plugin_start(h.plugin), -EALREADY);
    tc_harness_done(&h);
}

static void plugin_never_ready_fails_at_the_limit_and_is_stopped(void **state)
{
    struct tc_harness h;

    (void)state;
    tc_harness_init(&h);
    h.env.start_ms = SHORT_MS;
    assert_int_equal(tc_harness_load(&h, FIXTURE("never_ready"), NULL), 0);
    assert_int_equal(tc_harness_start(&h), -ECANCELED);
    assert_string_equal(h.why, "plugin never_ready: was not ready after 50 ms");
    assert_string_equal(fact(&h, "stopped"), "yes");
    tc_harness_done(&h);
}

static void plugin_can_be_stopped_while_it_starts(void **state)
{
    struct tc_harness h;

    (void)state;
    load(&h, FIXTURE("never_ready"), NULL);
    assert_int_equal(tc_plugin_start(h.plugin), 0);
    assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_STARTING);
    assert_int_equal(tc_harness_stop(&h), 0);
    assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_STOPPED);
    tc_harness_done(&h);
}

static void plugin_completes_start_and_stop_later(void **state)
{
    struct tc_harness h;

    (void)state;
    load(&h, FIXTURE("late_ready"), NULL);
    assert_int_equal(tc_plugin_start(h.plugin), 0);
    assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_STARTING);
    assert_int_equal(tc_plugin_start(h.plugin), -EALREADY);
    assert_int_equal(tc_harness_stop(&h), 0);
    assert_int_equal(tc_harness_start(&h), 0);
    assert_int_equal(tc_plugin_stop(h.plugin), 0);
    assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_STOPPING);
    assert_int_equal(tc_plugin_stop(h.plugin), -EALREADY);
    assert_int_equal(tc_harness_stop(&h), 0);
    assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_STOPPED);
    tc_harness_done(&h);
}

static void plugin_completes_start_with_an_error(void **state)
{
    const char *const options[] = {"error=2", NULL};
    struct tc_harness h;

    (void)state;
    load(&h, FIXTURE("late_ready"), options);
    assert_int_equal(tc_harness_start(&h), -ECANCELED);
    assert_string_equal(h.why,
                        "plugin late_ready: start failed: No such file or directory");
    tc_harness_done(&h);
}

static void plugin_complete_out_of_turn_is_logged_and_ignored(void **state)
{
    struct tc_harness h;
    struct tc_catch log;

    (void)state;
    run(&h, FIXTURE("late_ready"), NULL);
    (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
    tc_catch_begin(&log);
    tc_harness_settle(&h);
    tc_catch_end(&log);
    assert_non_null(
        strstr(log.text, "late_ready: calls complete when nothing is pending"));
    assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_RUNNING);
    tc_harness_done(&h);
}

static void plugin_slow_to_stop_is_stopped_at_the_limit(void **state)
{
    struct tc_harness h;
    struct tc_catch log;
    int rc;

    (void)state;
    tc_harness_init(&h);
    h.env.stop_ms = SHORT_MS;
    assert_int_equal(tc_harness_load(&h, FIXTURE("slow_stop"), NULL), 0);
    assert_int_equal(tc_harness_start(&h), 0);
    tc_catch_begin(&log);
    rc = tc_harness_stop(&h);
    tc_catch_end(&log);
    assert_int_equal(rc, 0);
    assert_string_equal(log.text, "slow_stop: had not stopped after 50 ms\n");
    assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_STOPPED);
    tc_harness_done(&h);
}

/* Stops it and publishes one more event; what was logged. */
static void stop_and_publish(const char *fixture, struct tc_catch *ret_log)
{
    struct tc_harness h;
    int rc;

    tc_harness_init(&h);
    h.env.stop_ms = SHORT_MS;
    assert_int_equal(tc_harness_load(&h, fixture, NULL), 0);
    assert_int_equal(tc_harness_start(&h), 0);
    assert_int_equal(tc_plugin_stop(h.plugin), 0);
    assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_STOPPING);
    (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
    tc_catch_begin(ret_log);
    rc = tc_harness_stop(&h);
    tc_catch_end(ret_log);
    assert_int_equal(rc, 0);
    assert_int_equal(tc_plugin_state(h.plugin), TC_PLUGIN_STOPPED);
    tc_harness_done(&h);
}

static void plugin_that_does_not_vote_gets_events_until_it_has_stopped(void **state)
{
    struct tc_catch log;

    (void)state;
    stop_and_publish(FIXTURE("waits"), &log);
    assert_string_equal(log.text, "");
}

static void plugin_that_votes_gets_no_event_once_it_stops(void **state)
{
    struct tc_catch log;

    (void)state;
    stop_and_publish(FIXTURE("waits_voting"), &log);
    assert_string_equal(log.text, "waits_voting: had not stopped after 50 ms\n");
}

/* ---- The ledger ---- */

static bool work_has_begun(struct tc_harness *h)
{
    return tc_harness_reported(h, "work") != NULL;
}

static void plugin_leaks_are_named_and_taken_back(void **state)
{
    struct tc_harness h;
    struct tc_catch log;
    int rc;

    (void)state;
    run(&h, FIXTURE("leaks"), NULL);
    assert_true(tc_harness_run(&h, work_has_begun, TC_HARNESS_WAIT_MS));
    (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
    (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
    tc_harness_settle(&h);
    tc_catch_begin(&log);
    rc = tc_harness_stop(&h);
    tc_catch_end(&log);
    assert_int_equal(rc, 0);
    assert_string_equal(fact(&h, "done"), "ran");
    assert_string_equal(log.text, "leaks: left 2 timers, 1 watch, 1 piece of "
                                  "work, 4 event references behind\n");
    tc_harness_done(&h);
}

static void plugin_stop_cancels_work_that_has_not_begun(void **state)
{
    struct tc_harness h;
    char gate[96], option[128];
    const char *const options[] = {option, NULL};
    unsigned canceled, of;
    int fd, rc;

    (void)state;
    tc_harness_init(&h);
    (void)snprintf(gate, sizeof(gate), "%s/gate", h.dir);
    (void)snprintf(option, sizeof(option), "gate=%s", gate);
    assert_int_equal(mkfifo(gate, 0600), 0);
    fd = open(gate, O_RDWR | O_CLOEXEC);
    assert_int_equal(tc_harness_load(&h, FIXTURE("works"), options), 0);
    assert_int_equal(tc_harness_start(&h), 0);
    assert_int_equal(tc_plugin_stop(h.plugin), 0);
    rc = (int)write(fd, "0123456789abcdef", 16);
    assert_int_equal(rc, 16);
    assert_int_equal(tc_harness_stop(&h), 0);
    assert_int_equal(sscanf(fact(&h, "canceled"), "%u of %u", &canceled, &of), 2);
    assert_int_equal(of, 16);
    assert_true(canceled >= 12); /* libuv's pool has four threads */
    close(fd);
    tc_harness_done(&h);
}

static bool is_stopped(struct tc_harness *h)
{
    return tc_plugin_state(h->plugin) == TC_PLUGIN_STOPPED;
}

static void plugin_is_busy_while_its_work_outlives_the_stop_limit(void **state)
{
    struct tc_harness h;
    char gate[96], option[128];
    const char *const options[] = {option, NULL};
    struct tc_catch log;
    int fd;

    (void)state;
    tc_harness_init(&h);
    h.env.stop_ms = SHORT_MS;
    (void)snprintf(gate, sizeof(gate), "%s/gate", h.dir);
    (void)snprintf(option, sizeof(option), "gate=%s", gate);
    assert_int_equal(mkfifo(gate, 0600), 0);
    assert_int_equal(tc_harness_load(&h, FIXTURE("works"), options), 0);
    assert_int_equal(tc_harness_start(&h), 0);
    fd = open(gate, O_WRONLY | O_CLOEXEC); /* returns once a reader is there */
    tc_catch_begin(&log);
    (void)tc_plugin_stop(h.plugin);
    (void)tc_harness_run(&h, is_stopped, TC_HARNESS_WAIT_MS);
    tc_catch_end(&log);
    assert_true(is_stopped(&h));
    assert_true(tc_plugin_busy(h.plugin));
    assert_int_equal(tc_plugin_start(h.plugin), -EBUSY);
    assert_non_null(strstr(log.text, "had not stopped after 50 ms: it still has work"));
    close(fd);
    /* What came too late to find the gate open finds it closed again: open it for all. */
    fd = open(gate, O_RDWR | O_CLOEXEC);
    assert_int_equal(write(fd, "0123456789abcdef", 16), 16);
    assert_int_equal(tc_harness_stop(&h), 0);
    assert_false(tc_plugin_busy(h.plugin));
    close(fd);
    tc_harness_done(&h);
}

static bool posts_came(struct tc_harness *h)
{
    return tc_harness_reported(h, "published") != NULL;
}

static void plugin_thread_may_ref_and_post_and_nothing_else(void **state)
{
    struct tc_harness h;
    struct tc_catch log;

    (void)state;
    run(&h, FIXTURE("threads"), NULL);
    tc_catch_begin(&log);
    (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
    (void)tc_harness_run(&h, posts_came, TC_HARNESS_WAIT_MS);
    tc_harness_settle(&h);
    tc_catch_end(&log);
    assert_string_equal(fact(&h, "in_order"), "1000");
    assert_int_equal(tc_harness_count(&h, "test.out"), 0);
    assert_non_null(strstr(log.text, "threads: calls publish from a thread of its own"));
    assert_non_null(
        strstr(log.text, "threads: gives back an event that it does not hold"));
    tc_harness_done(&h);
}

static void expect_number(struct tc_harness *h, const char *key, int number)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%d", number);
    assert_string_equal(fact(h, key), text);
}

static void plugin_is_refused_what_is_too_much_too_early_or_too_late(void **state)
{
    struct tc_last_error last;
    struct tc_harness h;
    struct tc_catch log;
    int rc;

    (void)state;
    tc_harness_init(&h);
    tc_catch_begin(&log);
    rc = tc_harness_load(&h, FIXTURE("greedy"), NULL);
    if (!rc)
        rc = tc_harness_start(&h);
    if (!rc)
        rc = tc_harness_stop(&h);
    tc_catch_end(&log);
    assert_int_equal(rc, 0);
    expect_number(&h, "early", -ESHUTDOWN);
    expect_number(&h, "timers", TC_PLUGIN_TIMERS_MAX);
    expect_number(&h, "one_more", -ENOSPC);
    expect_number(&h, "wrong_type", 0);
    expect_number(&h, "posted", 1); /* what was accepted runs before stop */
    expect_number(&h, "late", -ESHUTDOWN);
    assert_string_equal(
        log.text,
        "greedy: holds 256 timers, the most a plugin may\n"
        "greedy: asks option_text for \"no_such_option\", which its table does not have\n"
        "greedy: asks option_int for \"word\", which its table has with another type\n");
    tc_plugin_last_error(h.plugin, &last);
    assert_string_equal(
        last.text, "asks option_int for \"word\", which its table has with another type");
    tc_harness_done(&h);
}

/* ---- Events ---- */

static void plugin_may_publish_only_what_it_lists(void **state)
{
    struct tc_harness h;
    struct tc_catch log;
    char refused[16];

    (void)state;
    run(&h, FIXTURE("undeclared_publish"), NULL);
    tc_catch_begin(&log);
    for (int i = 0; i < 3; i++)
        (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
    tc_harness_settle(&h);
    tc_catch_end(&log);
    (void)snprintf(refused, sizeof(refused), "%d", -EACCES);
    assert_string_equal(fact(&h, "other"), refused);
    assert_string_equal(fact(&h, "family"), "0");
    assert_int_equal(tc_harness_count(&h, "test.other"), 0);
    assert_int_equal(tc_harness_count(&h, "test.family.one"), 3);
    assert_string_equal(log.text,
                        "undeclared_publish: publishes \"test.other\", which is "
                        "not in its list: refused\n"); /* once, not thrice */
    tc_harness_done(&h);
}

static void
plugin_that_publishes_no_event_hears_why_and_so_does_the_operator(void **state)
{
    struct tc_last_error last;
    struct tc_harness h;
    struct tc_catch log;

    (void)state;
    run(&h, FIXTURE("malformed_publish"), NULL);
    tc_plugin_last_error(h.plugin, &last);
    assert_int_equal(last.time_ns, 0);
    tc_catch_begin(&log);
    (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
    (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
    tc_harness_settle(&h);
    tc_catch_end(&log);
    assert_string_equal(log.text,
                        "malformed_publish: publishes \"test.family.one\", which is "
                        "refused: its topic is none, or its data is not one well-formed "
                        "map with text for keys\n");
    tc_plugin_last_error(h.plugin, &last);
    assert_int_not_equal(last.time_ns, 0);
    assert_non_null(strstr(last.text, "publishes \"test.family.one\", which is refused"));
    tc_harness_done(&h);
}

static void plugin_that_votes_is_a_voter_while_it_runs(void **state)
{
    const struct tocsin_event *verdict;
    struct tc_harness h;
    uint64_t id;

    (void)state;
    load(&h, FIXTURE("good"), NULL);
    assert_int_equal(tc_plugin_voter(h.plugin), 0);
    assert_int_equal(tc_harness_start(&h), 0);
    assert_int_not_equal(tc_plugin_voter(h.plugin), 0);
    id = tc_harness_publish_file(&h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH,
                                 "/proc/self/exe");
    verdict = tc_harness_await(&h, TOCSIN_TOPIC_VERDICT, id);
    assert_non_null(verdict);
    assert_string_equal(tc_harness_text(&h, verdict, "decision"), "allow");
    assert_int_equal(tc_harness_stop(&h), 0);
    assert_int_equal(tc_plugin_voter(h.plugin), 0);
    tc_harness_done(&h);
}

/* Every state in turn, marked where the plugin is a voter in it. */
static void note_state(void *arg, struct tc_plugin *plugin)
{
    struct tc_harness *h = arg;
    char *states = h->arg;

    (void)strcat(states, tc_plugin_state_name(tc_plugin_state(plugin)));
    (void)strcat(states, tc_plugin_voter(plugin) ? "! " : " ");
}

static void plugin_announces_each_state_and_is_still_a_voter_when_it_stops(void **state)
{
    struct tc_harness h;
    char states[256] = "";

    (void)state;
    tc_harness_init(&h);
    h.arg = states;
    h.env.changed = note_state;
    assert_int_equal(tc_harness_load(&h, FIXTURE("good"), NULL), 0);
    assert_int_equal(tc_harness_start(&h), 0);
    assert_int_equal(tc_harness_stop(&h), 0);
    assert_string_equal(states, "starting running! stopping! stopped ");
    tc_harness_done(&h);
}

static void plugin_that_does_not_vote_is_no_voter(void **state)
{
    struct tc_harness h;

    (void)state;
    run(&h, FIXTURE("floods"), NULL);
    assert_int_equal(tc_plugin_voter(h.plugin), 0);
    tc_harness_done(&h);
}

static void plugin_that_floods_loses_its_own_events_and_they_are_counted(void **state)
{
    struct tc_pack p;
    struct tc_harness h;
    int64_t delivered, dropped;

    (void)state;
    run(&h, FIXTURE("floods"), NULL);
    (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
    tc_harness_settle(&h);
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_plugin_put(h.plugin, &p);
    tc_pack_end(&p);
    assert_int_equal(p.error, 0);
    delivered = tocsin_find_int(p.bytes.data, p.bytes.size, "delivered", -1);
    dropped = tocsin_find_int(p.bytes.data, p.bytes.size, "dropped", -1);
    assert_int_equal(delivered + dropped, 20001);
    assert_true(dropped > 0);
    assert_int_equal(tc_harness_count(&h, "test.flood"), 20000);
    assert_true(
        tocsin_str_is(tocsin_find_str(p.bytes.data, p.bytes.size, "state"), "running"));
    tc_pack_done(&p);
    tc_harness_done(&h);
}

static void
regress_plugin_that_floods_with_alerts_is_told_no_and_fills_no_memory(void **state)
{
    const struct tocsin_event *told;
    struct tc_harness h;
    int64_t refused;

    (void)state;
    run(&h, FIXTURE("floods"), NULL);
    (void)tc_harness_publish(&h, "test.large", 0, -1, NULL);
    told = tc_harness_await(&h, "test.refused", 0);
    tc_harness_settle(&h);
    refused = tocsin_find_int(told->data, told->len, "n", -1);
    /* What was taken is delivered, all of it; and it was as much as one callback may. */
    assert_int_equal(tc_harness_count(&h, TOCSIN_TOPIC_ALERT_RAISED) + refused, 20000);
    assert_in_range(tc_harness_count(&h, TOCSIN_TOPIC_ALERT_RAISED),
                    TC_HOST_PUBLISH_BYTES / 60100, TC_HOST_PUBLISH_BYTES / 60000);
    /* The next callback may again. */
    (void)tc_harness_publish(&h, "test.large", 0, -1, NULL);
    tc_harness_settle(&h);
    assert_int_equal(tc_harness_count(&h, TOCSIN_TOPIC_ALERT_RAISED),
                     2 * (20000 - refused));
    tc_harness_done(&h);
}

/* Remembers on a page that outlives the process whose callback was entered. */
static void remember(void *arg, const char *plugin)
{
    struct tc_harness *h = arg;

    (void)snprintf(h->arg, 64, "%s", plugin ? plugin : "");
}

/* Runs the plugin in a child until that ends, and gives back the name it ended in. */
static void end_in(const char *so, char ret_name[64])
{
    char *page;
    int status;
    pid_t child;

    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct tc_harness h;

        tc_harness_init(&h);
        memcpy(page + 64, h.dir, sizeof(h.dir));
        h.arg = page;
        h.env.entering = remember;
        (void)tc_harness_load(&h, so, NULL);
        (void)tc_harness_start(&h);
        (void)tc_harness_publish(&h, "test.in", 0, -1, NULL);
        (void)alarm(1);
        (void)tc_harness_await(&h, "test.never", 0);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    tc_harness_remove_folder(page + 64);
    assert_true(WIFSIGNALED(status));
    memcpy(ret_name, page, 64);
    munmap(page, 4096);
}

static void plugin_that_crashes_or_spins_is_known_by_name(void **state)
{
    char name[64];

    (void)state;
    end_in(FIXTURE("crashes"), name);
    assert_string_equal(name, "crashes");
    end_in(FIXTURE("spins"), name);
    assert_string_equal(name, "spins");
    end_in(FIXTURE("good"), name); /* ended by its alarm, outside any callback */
    assert_string_equal(name, "");
}

/* ---- Options ---- */

static void plugin_takes_new_options_by_reload(void **state)
{
    const char *const options[] = {"word=news", NULL};
    const struct tocsin_event *event;
    struct tc_harness h;
    bool restart = true;
    uint64_t id;

    (void)state;
    run(&h, FIXTURE("good"), NULL);
    assert_string_equal(fact(&h, "word"), "hello");
    assert_int_equal(tc_harness_reconfigure(&h, options, &restart), 0);
    assert_false(restart);
    assert_string_equal(fact(&h, "word"), "news");
    id = tc_harness_publish(&h, "test.in", 0, -1, NULL);
    event = tc_harness_await(&h, "test.out", id);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&h, event, "word"), "news");
    assert_int_equal(tc_harness_reconfigure(&h, options, &restart), 0);
    assert_false(restart);
    tc_harness_done(&h);
}

static void plugin_keeps_its_options_when_it_refuses_new_ones(void **state)
{
    const char *const options[] = {"word=bad", NULL};
    struct tc_harness h;
    bool restart = false;

    (void)state;
    run(&h, FIXTURE("good"), NULL);
    assert_int_equal(tc_harness_reconfigure(&h, options, &restart), -EINVAL);
    assert_string_equal(h.why, "plugin good: refuses the new options: Invalid argument");
    assert_string_equal(tc_options_text(tc_plugin_options(h.plugin), "word"), "hello");
    assert_true(answers(&h));
    tc_harness_done(&h);
}

static void plugin_restarts_for_an_option_that_needs_it(void **state)
{
    const char *const options[] = {"depth=5", "word=deep", NULL};
    struct tc_harness h;
    bool restart = false;

    (void)state;
    run(&h, FIXTURE("good"), NULL);
    assert_int_equal(tc_harness_reconfigure(&h, options, &restart), 0);
    assert_true(restart);
    assert_string_equal(fact(&h, "word"), "hello"); /* until it has been restarted */
    assert_int_equal(tc_harness_stop(&h), 0);
    assert_int_equal(tc_harness_start(&h), 0);
    assert_int_equal(tc_options_int(tc_plugin_options(h.plugin), "depth"), 5);
    assert_string_equal(fact(&h, "word"), "deep");
    tc_harness_done(&h);
}

static void plugin_without_reload_restarts_for_any_option(void **state)
{
    const char *const options[] = {"error=0", NULL}, *const other[] = {"error=5", NULL};
    struct tc_harness h;
    bool restart = true;

    (void)state;
    run(&h, FIXTURE("late_ready"), NULL);
    assert_int_equal(tc_harness_reconfigure(&h, options, &restart), 0);
    assert_false(restart); /* nothing changed */
    assert_int_equal(tc_harness_reconfigure(&h, other, &restart), 0);
    assert_true(restart);
    tc_harness_done(&h);
}

static void plugin_that_does_not_run_has_new_options_at_its_start(void **state)
{
    const char *const options[] = {"word=later", NULL};
    struct tc_harness h;
    bool restart = true;

    (void)state;
    load(&h, FIXTURE("good"), NULL);
    assert_int_equal(tc_harness_reconfigure(&h, options, &restart), 0);
    assert_false(restart);
    assert_int_equal(tc_harness_start(&h), 0);
    assert_string_equal(fact(&h, "word"), "later");
    tc_harness_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plugin_answers_events_and_unloads_clean),
        cmocka_unit_test(plugin_that_was_only_loaded_unloads_clean),
        cmocka_unit_test(plugin_stops_and_starts_while_events_flow),
        cmocka_unit_test(plugin_unloads_and_loads_anew_while_events_flow),
        cmocka_unit_test(plugin_runs_on_when_its_file_is_overwritten),
        cmocka_unit_test(plugin_new_says_why_init_failed),
        cmocka_unit_test(plugin_whose_start_fails_gives_its_timer_back),
        cmocka_unit_test(plugin_never_ready_fails_at_the_limit_and_is_stopped),
        cmocka_unit_test(plugin_can_be_stopped_while_it_starts),
        cmocka_unit_test(plugin_completes_start_and_stop_later),
        cmocka_unit_test(plugin_completes_start_with_an_error),
        cmocka_unit_test(plugin_complete_out_of_turn_is_logged_and_ignored),
        cmocka_unit_test(plugin_slow_to_stop_is_stopped_at_the_limit),
        cmocka_unit_test(plugin_that_does_not_vote_gets_events_until_it_has_stopped),
        cmocka_unit_test(plugin_that_votes_gets_no_event_once_it_stops),
        cmocka_unit_test(plugin_leaks_are_named_and_taken_back),
        cmocka_unit_test(plugin_stop_cancels_work_that_has_not_begun),
        cmocka_unit_test(plugin_is_busy_while_its_work_outlives_the_stop_limit),
        cmocka_unit_test(plugin_thread_may_ref_and_post_and_nothing_else),
        cmocka_unit_test(plugin_is_refused_what_is_too_much_too_early_or_too_late),
        cmocka_unit_test(plugin_may_publish_only_what_it_lists),
        cmocka_unit_test(
            plugin_that_publishes_no_event_hears_why_and_so_does_the_operator),
        cmocka_unit_test(plugin_that_votes_is_a_voter_while_it_runs),
        cmocka_unit_test(plugin_announces_each_state_and_is_still_a_voter_when_it_stops),
        cmocka_unit_test(plugin_that_does_not_vote_is_no_voter),
        cmocka_unit_test(plugin_that_floods_loses_its_own_events_and_they_are_counted),
        cmocka_unit_test(
            regress_plugin_that_floods_with_alerts_is_told_no_and_fills_no_memory),
        cmocka_unit_test(plugin_that_crashes_or_spins_is_known_by_name),
        cmocka_unit_test(plugin_takes_new_options_by_reload),
        cmocka_unit_test(plugin_keeps_its_options_when_it_refuses_new_ones),
        cmocka_unit_test(plugin_restarts_for_an_option_that_needs_it),
        cmocka_unit_test(plugin_without_reload_restarts_for_any_option),
        cmocka_unit_test(plugin_that_does_not_run_has_new_options_at_its_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
