/* SPDX-License-Identifier: Apache-2.0 */
/* The slot under a script: what sensors do and the time are given by the test, and what
 * it orders and emits is written down in one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/slot/slot.h"

#define SECOND UINT64_C(1000000000)
#define P TC_SLOT_PRIMARY
#define F TC_SLOT_FALLBACK
#define NOBODY TC_SLOT_NOBODY
#define BOTH (1u << P | 1u << F)
#define ONLY_F (1u << F)

struct bench {
    struct tc_slot *slot;
    char log[8192];                                    /* since the last look */
    struct tc_slot_event last[TC_SLOT_GAP_CLOSED + 1]; /* of each kind */
    char reason[TC_SLOT_GAP_CLOSED + 1][256];
    bool fails_at_once[TC_SLOT_SENSORS];
    uint64_t now;
};

static void say(struct bench *b, const char *format, ...)
{
    size_t n = strlen(b->log);
    va_list args;

    va_start(args, format);
    vsnprintf(b->log + n, sizeof(b->log) - n, format, args);
    va_end(args);
}

static char letter(enum tc_slot_sensor sensor)
{
    return "PF-"[sensor];
}

static void on_start(void *arg, enum tc_slot_sensor sensor)
{
    struct bench *b = arg;

    say(b, "+%c ", letter(sensor));
    if (b->fails_at_once[sensor])
        tc_slot_failed(b->slot, sensor, "no such thing", b->now);
}

static void on_stop(void *arg, enum tc_slot_sensor sensor)
{
    say(arg, "-%c ", letter(sensor));
}

static void on_event(void *arg, const struct tc_slot_event *event)
{
    static const char *const names[] = {
        [TC_SLOT_STARTING] = "starting",   [TC_SLOT_CANARY_OK] = "canary",
        [TC_SLOT_OVERLAP_BEGIN] = "begin", [TC_SLOT_OVERLAP_END] = "end",
        [TC_SLOT_SWAPPED] = "swapped",     [TC_SLOT_ABORTED] = "aborted",
        [TC_SLOT_CRASHED] = "crashed",     [TC_SLOT_DISABLED] = "disabled",
        [TC_SLOT_GAP_OPENED] = "gap",      [TC_SLOT_GAP_CLOSED] = "closed",
    };
    struct bench *b = arg;

    b->last[event->what] = *event;
    snprintf(b->reason[event->what], 256, "%s", event->reason);
    switch (event->what) {
    case TC_SLOT_SWAPPED:
    case TC_SLOT_ABORTED:
        say(b, "%s:%c>%c ", names[event->what], letter(event->from), letter(event->to));
        break;
    case TC_SLOT_STARTING:
    case TC_SLOT_CANARY_OK:
        break;
    case TC_SLOT_CRASHED:
        say(b, "crashed:%c%u ", letter(event->sensor), event->n);
        break;
    default:
        say(b, "%s ", names[event->what]);
    }
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    const struct tc_slot_callbacks callbacks = {
        .arg = b, .start = on_start, .stop = on_stop, .event = on_event};

    if (!b)
        return -1;
    b->now = 1000 * SECOND;
    b->slot = tc_slot_new(&callbacks);
    tc_slot_set_installed(b->slot, BOTH, b->now);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    tc_slot_free(b->slot);
    free(b);
    return 0;
}

/* What was ordered and emitted since the last look. */
static void expect_log(struct bench *b, const char *log)
{
    size_t n = strlen(b->log);

    if (n)
        b->log[n - 1] = '\0';
    assert_string_equal(b->log, log);
    b->log[0] = '\0';
}

static struct tc_slot_view look(struct bench *b)
{
    struct tc_slot_view view;

    tc_slot_snapshot(b->slot, b->now, &view);
    return view;
}

static void expect(struct bench *b, enum tc_slot_state state, enum tc_slot_sensor holder,
                   bool gap)
{
    struct tc_slot_view view = look(b);

    assert_string_equal(tc_slot_state_name(view.state), tc_slot_state_name(state));
    assert_int_equal(view.holder, holder);
    assert_int_equal(view.gap_open, gap);
}

static void want(struct bench *b, enum tc_slot_sensor sensor, unsigned allowed,
                 const char *why)
{
    tc_slot_want(b->slot, sensor, allowed, why, b->now);
}

/* Its canary comes, all its marks are live, and in a handover it commits. */
static void passes(struct bench *b, enum tc_slot_sensor sensor)
{
    tc_slot_canary(b->slot, sensor, b->now);
    tc_slot_started(b->slot, sensor, b->now);
    if (look(b).state != TC_SLOT_OVERLAP)
        return;
    b->now += TC_SLOT_SETTLE_NS;
    tc_slot_tick(b->slot, b->now);
}

static void tick(struct bench *b, uint64_t seconds)
{
    b->now += seconds * SECOND;
    tc_slot_tick(b->slot, b->now);
}

/* The sensor holds the slot alone. */
static void hold(struct bench *b, enum tc_slot_sensor sensor)
{
    want(b, sensor, BOTH, "as the test wants it");
    passes(b, sensor);
    expect(b, TC_SLOT_STEADY, sensor, false);
    b->log[0] = '\0';
}

/* ---- Coming to hold. ---- */

/* The slot's part. */
static void slot_fallback_holds_only_once_its_canary_has_passed(void **state)
{
    struct bench *b = *state;

    want(b, F, ONLY_F, "waiting for approval");
    expect_log(b, "gap +F");
    expect(b, TC_SLOT_TRIAL, NOBODY, true);
    tc_slot_started(b->slot, F, b->now);
    expect(b, TC_SLOT_TRIAL, NOBODY, true);
    b->now += 3;
    tc_slot_canary(b->slot, F, b->now);
    expect_log(b, "closed");
    expect(b, TC_SLOT_STEADY, F, false);
    assert_int_equal(b->last[TC_SLOT_GAP_CLOSED].sensor, F);
    assert_int_equal(
        b->last[TC_SLOT_GAP_CLOSED].to_ns - b->last[TC_SLOT_GAP_CLOSED].from_ns, 3);
    assert_int_equal(look(b).swaps, 0);
}

static void slot_boot_straight_to_primary_is_no_swap(void **state)
{
    struct bench *b = *state;

    want(b, P, BOTH, "all granted");
    passes(b, P);
    expect_log(b, "gap +P closed");
    expect(b, TC_SLOT_STEADY, P, false);
    assert_int_equal(tc_slot_next_ns(b->slot), UINT64_MAX);
}

/* Without a bridge. */
static void slot_timeout_without_bridge_is_one_swap_that_closes_the_gap(void **state)
{
    struct bench *b = *state;

    want(b, NOBODY, ONLY_F, "waiting for approval");
    expect_log(b, "gap");
    expect(b, TC_SLOT_EMPTY, NOBODY, true);
    tick(b, 60);
    expect_log(b, "");
    want(b, F, ONLY_F, "approval timed out");
    passes(b, F);
    expect_log(b, "+F closed swapped:->F");
    assert_string_equal(b->reason[TC_SLOT_SWAPPED], "approval timed out");
    assert_int_equal(b->last[TC_SLOT_GAP_CLOSED].to_ns -
                         b->last[TC_SLOT_GAP_CLOSED].from_ns,
                     60 * SECOND);
    assert_int_equal(look(b).swaps, 1);
}

/* With the bridge the fallback holds already. */
static void slot_timeout_with_bridge_changes_nothing(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, F, ONLY_F, "approval timed out");
    expect_log(b, "");
    expect(b, TC_SLOT_STEADY, F, false);
}

static void slot_opens_no_gap_where_protection_is_not_asked_for(void **state)
{
    struct bench *b = *state;

    want(b, NOBODY, 0, "switched off");
    expect_log(b, "");
    hold(b, P);
    want(b, NOBODY, 0, "switched off");
    expect_log(b, "-P");
    expect(b, TC_SLOT_EMPTY, NOBODY, false);
}

static void slot_first_holder_closes_the_gap_of_the_run_before(void **state)
{
    struct bench *b = *state;

    tc_slot_remember_gap(b->slot, 990 * SECOND);
    want(b, P, BOTH, "all granted");
    assert_int_equal(b->last[TC_SLOT_GAP_OPENED].from_ns, 990 * SECOND);
    passes(b, P);
    expect_log(b, "gap +P closed");
    assert_int_equal(b->last[TC_SLOT_GAP_CLOSED].from_ns, 990 * SECOND);
}

static void slot_nobody_can_is_an_open_gap(void **state)
{
    struct bench *b = *state;

    tc_slot_set_installed(b->slot, 0, b->now);
    want(b, P, BOTH, "all granted");
    expect_log(b, "gap");
    expect(b, TC_SLOT_EMPTY, NOBODY, true);
    assert_int_equal(tc_slot_next_ns(b->slot), UINT64_MAX);
    tc_slot_set_installed(b->slot, ONLY_F, b->now);
    passes(b, F);
    expect_log(b, "+F closed");
    expect(b, TC_SLOT_STEADY, F, false);
}

/* ---- Handover. ---- */

static void handover(struct bench *b, enum tc_slot_sensor from, enum tc_slot_sensor to)
{
    uint64_t began;
    char line[64];

    hold(b, from);
    want(b, to, BOTH, "a reason");
    snprintf(line, sizeof(line), "+%c", letter(to));
    expect_log(b, line);
    expect(b, TC_SLOT_TRIAL, from, false);
    tc_slot_canary(b->slot, to, b->now);
    expect_log(b, "begin");
    expect(b, TC_SLOT_OVERLAP, from, false);
    began = b->now;
    tc_slot_started(b->slot, to, b->now);
    expect_log(b, "");
    assert_int_equal(tc_slot_next_ns(b->slot), b->now + TC_SLOT_SETTLE_NS);
    b->now += TC_SLOT_SETTLE_NS;
    tc_slot_tick(b->slot, b->now);
    snprintf(line, sizeof(line), "-%c", letter(from));
    expect_log(b, line);
    expect(b, TC_SLOT_LEAVING, to, false);
    b->now += 1234;
    tc_slot_stopped(b->slot, from, b->now);
    snprintf(line, sizeof(line), "end swapped:%c>%c", letter(from), letter(to));
    expect_log(b, line);
    expect(b, TC_SLOT_STEADY, to, false);
    assert_string_equal(b->reason[TC_SLOT_SWAPPED], "a reason");
    assert_int_equal(b->last[TC_SLOT_SWAPPED].from_ns, began);
    assert_int_equal(b->last[TC_SLOT_SWAPPED].to_ns, b->now);
}

static void slot_hands_over_to_the_primary_make_before_break(void **state)
{
    handover(*state, F, P);
}

static void slot_hands_over_to_the_fallback_make_before_break(void **state)
{
    handover(*state, P, F);
}

/* The slot's part. */
static void slot_ends_the_handover_only_when_the_old_one_has_stopped(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    passes(b, P);
    expect_log(b, "+P begin -F");
    tick(b, 3600);
    expect_log(b, "");
    expect(b, TC_SLOT_LEAVING, P, false);
    tc_slot_stopped(b->slot, F, b->now);
    expect_log(b, "end swapped:F>P");
}

static void slot_commits_also_when_started_came_before_the_canary(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    tc_slot_started(b->slot, P, b->now);
    expect(b, TC_SLOT_TRIAL, F, false);
    tc_slot_canary(b->slot, P, b->now);
    tick(b, 1);
    expect_log(b, "+P begin -F");
    expect(b, TC_SLOT_LEAVING, P, false);
}

static void slot_never_names_a_sensor_whose_canary_does_not_come(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    tc_slot_started(b->slot, P, b->now);
    assert_int_equal(tc_slot_next_ns(b->slot), b->now + TC_SLOT_TRIAL_NS);
    tick(b, 9);
    expect(b, TC_SLOT_TRIAL, F, false);
    expect_log(b, "+P");
    tick(b, 1);
    expect_log(b, "aborted:F>P -P");
    expect(b, TC_SLOT_STEADY, F, false);
    assert_non_null(strstr(b->reason[TC_SLOT_ABORTED], "canary"));
    assert_non_null(strstr(look(b).failure[P], "canary"));
    /* It counts as a crash does: one second, after it has stopped. */
    assert_int_equal(look(b).crashes[P], 1);
    tc_slot_stopped(b->slot, P, b->now);
    expect_log(b, "");
    assert_int_equal(tc_slot_next_ns(b->slot), b->now + SECOND);
    tick(b, 1);
    expect_log(b, "+P");
}

static void regress_slot_gives_a_slow_sensor_time_where_nobody_else_may(void **state)
{
    struct bench *b = *state;

    want(b, F, ONLY_F, "approval is awaited");
    expect_log(b, "gap +F");
    assert_int_equal(tc_slot_next_ns(b->slot), b->now + TC_SLOT_TRIAL_ALONE_NS);
    tick(b, 39);
    expect(b, TC_SLOT_TRIAL, NOBODY, true);
    tick(b, 1);
    expect_log(b, "aborted:->F -F");
}

static void slot_want_that_changes_in_the_trial_turns_the_coming_one_away(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    want(b, F, BOTH, "revoked");
    expect_log(b, "+P aborted:F>P -P");
    expect(b, TC_SLOT_STEADY, F, false);
    assert_string_equal(b->reason[TC_SLOT_ABORTED], "revoked");
    assert_int_equal(look(b).crashes[P], 0);
    tc_slot_stopped(b->slot, P, b->now);
    expect_log(b, "");
}

static void slot_want_that_changes_in_the_overlap_turns_the_coming_one_away(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    tc_slot_canary(b->slot, P, b->now);
    want(b, F, BOTH, "revoked");
    expect_log(b, "+P begin aborted:F>P -P");
    expect(b, TC_SLOT_STEADY, F, false);
    /* Reports of both may still come. */
    tc_slot_started(b->slot, P, b->now);
    expect_log(b, "");
    tc_slot_stopped(b->slot, P, b->now);
    expect_log(b, "end");
}

static void slot_want_that_changes_while_leaving_finishes_then_goes_back(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    passes(b, P);
    want(b, F, BOTH, "revoked");
    expect_log(b, "+P begin -F");
    expect(b, TC_SLOT_LEAVING, P, false);
    tc_slot_stopped(b->slot, F, b->now);
    expect_log(b, "end swapped:F>P +F");
    passes(b, F);
    tc_slot_stopped(b->slot, P, b->now);
    expect_log(b, "begin -P end swapped:P>F");
    assert_string_equal(b->reason[TC_SLOT_SWAPPED], "revoked");
}

static void slot_wanting_it_again_waits_until_it_has_stopped(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    want(b, F, BOTH, "revoked");
    want(b, P, BOTH, "granted again");
    expect_log(b, "+P aborted:F>P -P");
    tc_slot_stopped(b->slot, P, b->now);
    expect_log(b, "+P");
}

static void slot_first_trial_goes_on_when_another_is_wanted_meanwhile(void **state)
{
    struct bench *b = *state;

    want(b, F, ONLY_F, "waiting for approval");
    want(b, P, BOTH, "granted");
    expect_log(b, "gap +F");
    tc_slot_canary(b->slot, F, b->now);
    tc_slot_started(b->slot, F, b->now);
    expect_log(b, "closed +P");
    expect(b, TC_SLOT_TRIAL, F, false);
}

static void slot_start_that_fails_inside_the_callback_leaves_the_holder(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    b->fails_at_once[P] = true;
    want(b, P, BOTH, "granted");
    expect_log(b, "+P crashed:P1 aborted:F>P");
    expect(b, TC_SLOT_STEADY, F, false);
    assert_string_equal(look(b).failure[P], "no such thing");
    assert_int_equal(look(b).retry_ns[P], b->now + SECOND);
}

static void slot_stall_in_the_overlap_aborts_the_handover_with_its_reason(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    tc_slot_canary(b->slot, P, b->now);
    tc_slot_stalled(b->slot, P, "its questions stay unanswered", b->now);
    expect_log(b, "+P begin aborted:F>P -P");
    expect(b, TC_SLOT_STEADY, F, false);
    assert_string_equal(b->reason[TC_SLOT_ABORTED], "its questions stay unanswered");
    assert_string_equal(look(b).failure[P], "its questions stay unanswered");
    assert_int_equal(look(b).crashes[P], 1);
}

static void slot_overlap_that_lasts_too_long_aborts_the_handover(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    tick(b, 9);
    tc_slot_canary(b->slot, P, b->now);
    assert_int_equal(tc_slot_next_ns(b->slot), b->now + TC_SLOT_OVERLAP_NS);
    tick(b, 10);
    expect_log(b, "+P begin aborted:F>P -P");
    expect(b, TC_SLOT_STEADY, F, false);
}

/* ---- Failures of who holds. ---- */

static void slot_crash_of_the_primary_brings_the_fallback_at_once(void **state)
{
    struct bench *b = *state;

    hold(b, P);
    tc_slot_failed(b->slot, P, "killed by signal 9", b->now);
    expect_log(b, "crashed:P1 gap +F");
    expect(b, TC_SLOT_TRIAL, NOBODY, true);
    b->now += 70;
    passes(b, F);
    expect_log(b, "closed swapped:P>F");
    assert_string_equal(b->reason[TC_SLOT_SWAPPED], "killed by signal 9");
    assert_int_equal(
        b->last[TC_SLOT_GAP_CLOSED].to_ns - b->last[TC_SLOT_GAP_CLOSED].from_ns, 70);
    tick(b, 1);
    expect_log(b, "+P");
    passes(b, P);
    tc_slot_stopped(b->slot, F, b->now);
    expect_log(b, "begin -F end swapped:F>P");
}

static void slot_three_crashes_in_ten_minutes_bar_until_retry(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    for (unsigned i = 0; i < 2; i++) {
        expect_log(b, "+P");
        tc_slot_failed(b->slot, P, "boom", b->now);
        expect_log(b, i ? "crashed:P2 aborted:F>P" : "crashed:P1 aborted:F>P");
        assert_int_equal(tc_slot_next_ns(b->slot), b->now + (SECOND << i));
        tick(b, 1u << i);
    }
    expect_log(b, "+P");
    tc_slot_failed(b->slot, P, "boom", b->now);
    expect_log(b, "crashed:P3 aborted:F>P disabled");
    assert_true(look(b).disabled[P]);
    assert_int_equal(tc_slot_next_ns(b->slot), UINT64_MAX);
    tick(b, 24 * 3600);
    want(b, P, BOTH, "granted");
    expect_log(b, "");
    expect(b, TC_SLOT_STEADY, F, false);
    tc_slot_retry(b->slot, b->now);
    expect_log(b, "+P");
    assert_false(look(b).disabled[P]);
    assert_int_equal(look(b).crashes[P], 0);
}

static void slot_backs_off_up_to_a_minute_when_crashes_are_rare(void **state)
{
    static const unsigned backoffs[] = {1, 2, 4, 8, 16, 32, 60, 60};
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    for (size_t i = 0; i < sizeof(backoffs) / sizeof(backoffs[0]); i++) {
        assert_int_equal(look(b).coming, P);
        tick(b, 9);
        passes(b, P);
        tc_slot_stopped(b->slot, F, b->now);
        tick(b, 400);
        tc_slot_failed(b->slot, P, "boom", b->now);
        passes(b, F);
        assert_int_equal(look(b).retry_ns[P], b->now + backoffs[i] * SECOND);
        tick(b, backoffs[i]);
    }
    tick(b, 0);
    passes(b, P);
    tc_slot_stopped(b->slot, F, b->now);
    tick(b, 601);
    tc_slot_failed(b->slot, P, "boom", b->now);
    assert_int_equal(look(b).retry_ns[P], b->now + SECOND);
}

static void slot_crashes_of_the_run_before_count(void **state)
{
    struct bench *b = *state;

    for (unsigned i = 0; i < 3; i++)
        tc_slot_remember_crash(b->slot, P, b->now);
    want(b, P, BOTH, "granted");
    expect_log(b, "gap +F disabled");
    assert_true(look(b).disabled[P]);
    passes(b, F);
    expect(b, TC_SLOT_STEADY, F, false);
}

static void slot_backoff_of_the_run_before_holds(void **state)
{
    struct bench *b = *state;

    tc_slot_remember_crash(b->slot, P, b->now - 10 * SECOND);
    tc_slot_remember_crash(b->slot, P, b->now - SECOND);
    want(b, P, BOTH, "granted");
    passes(b, F);
    expect_log(b, "gap +F closed");
    tick(b, 1);
    expect_log(b, "+P");
}

static void slot_crashes_long_ago_do_not_bar(void **state)
{
    struct bench *b = *state;

    for (unsigned i = 0; i < 3; i++)
        tc_slot_remember_crash(b->slot, P, b->now - 700 * SECOND);
    want(b, P, BOTH, "granted");
    expect_log(b, "gap +P");
}

static void slot_holder_that_fails_in_the_overlap_is_followed_without_a_gap(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    tc_slot_canary(b->slot, P, b->now);
    tc_slot_failed(b->slot, F, "boom", b->now);
    expect_log(b, "+P begin crashed:F1 end swapped:F>P");
    expect(b, TC_SLOT_STEADY, P, false);
}

static void
slot_holder_that_fails_in_the_trial_opens_a_gap_until_the_other_is_live(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    tc_slot_failed(b->slot, F, "boom", b->now);
    expect_log(b, "+P crashed:F1 gap");
    expect(b, TC_SLOT_TRIAL, NOBODY, true);
    tc_slot_canary(b->slot, P, b->now);
    expect(b, TC_SLOT_TRIAL, NOBODY, true);
    tc_slot_started(b->slot, P, b->now);
    expect_log(b, "closed swapped:F>P");
    expect(b, TC_SLOT_STEADY, P, false);
}

static void slot_new_holder_that_fails_while_leaving_opens_a_gap(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    passes(b, P);
    tc_slot_failed(b->slot, P, "boom", b->now);
    expect_log(b, "+P begin -F crashed:P1 end aborted:F>P gap");
    expect(b, TC_SLOT_EMPTY, NOBODY, true);
    tc_slot_stopped(b->slot, F, b->now);
    passes(b, F);
    expect_log(b, "+F closed");
    expect(b, TC_SLOT_STEADY, F, false);
}

static void slot_holder_that_stalls_is_stopped_and_replaced(void **state)
{
    struct bench *b = *state;

    hold(b, P);
    tc_slot_stalled(b->slot, P, "hangs", b->now);
    expect_log(b, "crashed:P1 -P gap +F");
    passes(b, F);
    expect_log(b, "closed swapped:P>F");
    /* It is tried again after it has stopped, and after its backoff. */
    tick(b, 1);
    expect_log(b, "");
    tc_slot_stopped(b->slot, P, b->now);
    expect_log(b, "+P");
}

static void slot_holder_that_stalls_in_the_overlap_goes_at_once(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    tc_slot_canary(b->slot, P, b->now);
    tc_slot_stalled(b->slot, F, "hangs", b->now);
    expect_log(b, "+P begin crashed:F1 -F");
    expect(b, TC_SLOT_LEAVING, P, false);
    tc_slot_stopped(b->slot, F, b->now);
    expect_log(b, "end swapped:F>P");
}

static void slot_stop_by_itself_is_a_crash(void **state)
{
    struct bench *b = *state;

    hold(b, P);
    tc_slot_stopped(b->slot, P, b->now);
    expect_log(b, "crashed:P1 gap +F");
}

/* ---- Sensors that go away. ---- */

static void slot_uninstalled_holder_hands_over(void **state)
{
    struct bench *b = *state;

    hold(b, P);
    tc_slot_set_installed(b->slot, ONLY_F, b->now);
    expect_log(b, "+F");
    passes(b, F);
    tc_slot_stopped(b->slot, P, b->now);
    expect_log(b, "begin -P end swapped:P>F");
    tc_slot_set_installed(b->slot, BOTH, b->now);
    expect_log(b, "+P");
}

static void slot_holder_no_more_allowed_leaves_when_nobody_can_follow(void **state)
{
    struct bench *b = *state;

    hold(b, P);
    tc_slot_set_installed(b->slot, 1u << P, b->now);
    want(b, F, ONLY_F, "revoked");
    expect_log(b, "-P gap");
    expect(b, TC_SLOT_EMPTY, NOBODY, true);
    tc_slot_stopped(b->slot, P, b->now);
    expect_log(b, "");
}

static void slot_nobody_wanted_in_a_handover_empties_it(void **state)
{
    struct bench *b = *state;

    hold(b, F);
    want(b, P, BOTH, "granted");
    tc_slot_canary(b->slot, P, b->now);
    want(b, NOBODY, 0, "switched off");
    expect_log(b, "+P begin aborted:F>P -P -F");
    expect(b, TC_SLOT_EMPTY, NOBODY, false);
    tc_slot_stopped(b->slot, F, b->now);
    tc_slot_stopped(b->slot, P, b->now);
    expect_log(b, "end");
}

static void slot_names_every_state_and_topic(void **state)
{
    (void)state;
    for (int s = TC_SLOT_EMPTY; s <= TC_SLOT_STEADY; s++)
        assert_non_null(tc_slot_state_name((enum tc_slot_state)s));
    for (int e = TC_SLOT_STARTING; e <= TC_SLOT_GAP_CLOSED; e++)
        assert_non_null(strstr(tc_slot_topic((enum tc_slot_event_type)e), "sensor."));
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(slot_fallback_holds_only_once_its_canary_has_passed),
        test(slot_boot_straight_to_primary_is_no_swap),
        test(slot_timeout_without_bridge_is_one_swap_that_closes_the_gap),
        test(slot_timeout_with_bridge_changes_nothing),
        test(slot_opens_no_gap_where_protection_is_not_asked_for),
        test(slot_first_holder_closes_the_gap_of_the_run_before),
        test(slot_nobody_can_is_an_open_gap),
        test(slot_hands_over_to_the_primary_make_before_break),
        test(slot_hands_over_to_the_fallback_make_before_break),
        test(slot_ends_the_handover_only_when_the_old_one_has_stopped),
        test(slot_commits_also_when_started_came_before_the_canary),
        test(slot_never_names_a_sensor_whose_canary_does_not_come),
        test(regress_slot_gives_a_slow_sensor_time_where_nobody_else_may),
        test(slot_want_that_changes_in_the_trial_turns_the_coming_one_away),
        test(slot_want_that_changes_in_the_overlap_turns_the_coming_one_away),
        test(slot_want_that_changes_while_leaving_finishes_then_goes_back),
        test(slot_wanting_it_again_waits_until_it_has_stopped),
        test(slot_first_trial_goes_on_when_another_is_wanted_meanwhile),
        test(slot_start_that_fails_inside_the_callback_leaves_the_holder),
        test(slot_stall_in_the_overlap_aborts_the_handover_with_its_reason),
        test(slot_overlap_that_lasts_too_long_aborts_the_handover),
        test(slot_crash_of_the_primary_brings_the_fallback_at_once),
        test(slot_three_crashes_in_ten_minutes_bar_until_retry),
        test(slot_backs_off_up_to_a_minute_when_crashes_are_rare),
        test(slot_crashes_of_the_run_before_count),
        test(slot_backoff_of_the_run_before_holds),
        test(slot_crashes_long_ago_do_not_bar),
        test(slot_holder_that_fails_in_the_overlap_is_followed_without_a_gap),
        test(slot_holder_that_fails_in_the_trial_opens_a_gap_until_the_other_is_live),
        test(slot_new_holder_that_fails_while_leaving_opens_a_gap),
        test(slot_holder_that_stalls_is_stopped_and_replaced),
        test(slot_holder_that_stalls_in_the_overlap_goes_at_once),
        test(slot_stop_by_itself_is_a_crash),
        test(slot_uninstalled_holder_hands_over),
        test(slot_holder_no_more_allowed_leaves_when_nobody_can_follow),
        test(slot_nobody_wanted_in_a_handover_empties_it),
        test(slot_names_every_state_and_topic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
