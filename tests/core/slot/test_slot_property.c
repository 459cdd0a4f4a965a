/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of the slot after every call, in 100,000 random lives of it. The sensors
 * are two little state machines that execute what they are ordered, at once or later, or
 * fail.
 */
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
#define LIVES 100000
#define CALLS 50 /* of one life */
#define BOTH (1u << TC_SLOT_PRIMARY | 1u << TC_SLOT_FALLBACK)
#define SETTLES_WITHIN 20 /* steps, when every order is executed */

enum run {
    DOWN,
    STARTED, /* ordered to start; not yet canary */
    CANARY,  /* its canary has passed */
    STOPPING,
};

struct life {
    struct tc_slot *slot;
    uint64_t random, now;
    enum run runs[TC_SLOT_SENSORS];
    enum tc_slot_sensor wanted;
    unsigned allowed, installed;
    bool obedient; /* nothing fails, everything at once */
    bool gap, overlap;
    bool disabled[TC_SLOT_SENSORS];
    unsigned gaps_opened, gaps_closed, swaps, handovers, aborts, bars;
};

/* splitmix64 */
static uint64_t next(struct life *l)
{
    uint64_t z = l->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(struct life *l, unsigned n)
{
    return (unsigned)(next(l) % n);
}

static void on_start(void *arg, enum tc_slot_sensor sensor)
{
    struct life *l = arg;

    /* One start at a time, and none of a sensor that still stops, is disabled or gone. */
    assert_int_equal(l->runs[sensor], DOWN);
    assert_false(l->disabled[sensor]);
    assert_true(l->installed & 1u << sensor);
    assert_true(sensor == l->wanted || (l->allowed & 1u << sensor));
    l->runs[sensor] = STARTED;
    if (l->obedient || below(l, 8))
        return;
    l->runs[sensor] = DOWN;
    tc_slot_failed(l->slot, sensor, "cannot start", l->now);
}

static void on_stop(void *arg, enum tc_slot_sensor sensor)
{
    struct life *l = arg;

    assert_true(l->runs[sensor] == STARTED || l->runs[sensor] == CANARY);
    l->runs[sensor] = STOPPING;
    if (below(l, 8))
        return;
    l->runs[sensor] = DOWN;
    tc_slot_stopped(l->slot, sensor, l->now);
}

static void on_event(void *arg, const struct tc_slot_event *event)
{
    struct life *l = arg;

    switch (event->what) {
    case TC_SLOT_GAP_OPENED:
        assert_false(l->gap);
        l->gap = true;
        l->gaps_opened++;
        break;
    case TC_SLOT_GAP_CLOSED:
        assert_true(l->gap);
        assert_true(event->from_ns <= event->to_ns);
        l->gap = false;
        l->gaps_closed++;
        break;
    case TC_SLOT_OVERLAP_BEGIN:
        assert_false(l->overlap);
        l->overlap = true;
        break;
    case TC_SLOT_OVERLAP_END:
        assert_true(l->overlap);
        l->overlap = false;
        break;
    case TC_SLOT_SWAPPED:
        assert_int_not_equal(event->from, event->to);
        assert_int_not_equal(event->to, TC_SLOT_NOBODY);
        assert_true(event->from_ns <= event->to_ns);
        l->swaps++;
        break;
    case TC_SLOT_ABORTED:
        assert_int_not_equal(event->from, event->to);
        l->aborts++;
        break;
    case TC_SLOT_DISABLED:
        assert_false(l->disabled[event->sensor]);
        l->disabled[event->sensor] = true;
        l->bars++;
        break;
    case TC_SLOT_CRASHED:
        assert_in_range(event->n, 1, TC_SLOT_CRASHES_MAX);
        break;
    case TC_SLOT_STARTING:
    case TC_SLOT_CANARY_OK:
        break;
    }
}

static void expect_whole(struct life *l, const struct tc_slot_view *v)
{
    assert_int_equal(v->unreported, 0);
    assert_int_equal(v->gap_open, l->gap);
    /* Somebody protects, or a gap is open. */
    if (v->holder == TC_SLOT_NOBODY)
        assert_true(v->gap_open || (l->wanted == TC_SLOT_NOBODY && !l->allowed));
    else
        assert_false(v->gap_open);
    /* Who protects has passed its canary, and has not been ordered to stop. */
    if (v->holder != TC_SLOT_NOBODY)
        assert_int_equal(l->runs[v->holder], CANARY);
    assert_int_equal(v->swaps, l->swaps);
    assert_true(tc_slot_next_ns(l->slot) > l->now);
    for (int s = 0; s < TC_SLOT_SENSORS; s++)
        assert_int_equal(v->disabled[s], l->disabled[s]);
}

static void expect_state(struct life *l, const struct tc_slot_view *v)
{
    bool up = v->coming != TC_SLOT_NOBODY &&
              (l->runs[v->coming] == STARTED || l->runs[v->coming] == CANARY);

    switch (v->state) {
    case TC_SLOT_EMPTY:
        assert_int_equal(v->holder, TC_SLOT_NOBODY);
        assert_int_equal(v->coming, TC_SLOT_NOBODY);
        break;
    case TC_SLOT_TRIAL:
        assert_true(up && v->coming != v->holder);
        /* Past its canary it goes on trying only for the rest of its marks, alone. */
        assert_true(l->runs[v->coming] == STARTED || v->holder == TC_SLOT_NOBODY);
        break;
    case TC_SLOT_OVERLAP:
        assert_true(up && v->coming != v->holder);
        assert_int_not_equal(v->holder, TC_SLOT_NOBODY);
        assert_true(l->overlap);
        l->handovers++;
        break;
    case TC_SLOT_LEAVING:
        /* Make before break: who comes protects before who goes has stopped. */
        assert_true(up && v->coming == v->holder);
        assert_int_equal(l->runs[v->going], STOPPING);
        assert_true(l->overlap);
        break;
    case TC_SLOT_STEADY:
        assert_int_not_equal(v->holder, TC_SLOT_NOBODY);
        assert_int_equal(v->coming, TC_SLOT_NOBODY);
        break;
    }
    if (v->state != TC_SLOT_LEAVING)
        assert_int_equal(v->going, TC_SLOT_NOBODY);
}

static void expect_invariants(struct life *l)
{
    struct tc_slot_view view;

    tc_slot_snapshot(l->slot, l->now, &view);
    expect_whole(l, &view);
    expect_state(l, &view);
}

static void sensor_does_something(struct life *l, enum tc_slot_sensor sensor)
{
    enum run run = l->runs[sensor];
    unsigned what = below(l, 10);

    if (run == STOPPING && what < 6) {
        l->runs[sensor] = DOWN;
        tc_slot_stopped(l->slot, sensor, l->now);
    } else if (run == STARTED && what < 5) {
        l->runs[sensor] = CANARY;
        tc_slot_canary(l->slot, sensor, l->now);
    } else if (run != DOWN && what < 8) {
        tc_slot_started(l->slot, sensor, l->now);
    } else if (run != DOWN && what == 8) {
        l->runs[sensor] = DOWN;
        tc_slot_failed(l->slot, sensor, "boom", l->now);
    } else if (what == 9) {
        tc_slot_stalled(l->slot, sensor, "hangs", l->now);
    } else {
        tc_slot_canary(l->slot, sensor, l->now); /* once more, or of one that is down */
        if (run == STARTED)
            l->runs[sensor] = CANARY;
    }
}

static void want_something(struct life *l)
{
    static const unsigned sets[] = {0, 1, 2, BOTH, BOTH, BOTH};

    l->wanted = (enum tc_slot_sensor)below(l, TC_SLOT_NOBODY + 1);
    l->allowed = sets[below(l, 6)];
    tc_slot_want(l->slot, l->wanted, l->allowed, "chance", l->now);
}

static void retry(struct life *l)
{
    memset(l->disabled, 0, sizeof(l->disabled));
    tc_slot_retry(l->slot, l->now);
}

static void anything(struct life *l)
{
    static const uint64_t steps[] = {0, 1, 1000, SECOND / 2, SECOND, 5 * SECOND};
    uint64_t due = tc_slot_next_ns(l->slot);

    l->now += steps[below(l, 6)];
    switch (below(l, 12)) {
    case 0:
        want_something(l);
        break;
    case 1:
        l->installed = below(l, 4) ? BOTH : below(l, BOTH + 1);
        tc_slot_set_installed(l->slot, l->installed, l->now);
        break;
    case 2:
        if (due != UINT64_MAX && due > l->now)
            l->now = due;
        tc_slot_tick(l->slot, l->now);
        break;
    case 3:
        if (!below(l, 4))
            retry(l);
        break;
    default:
        sensor_does_something(l, (enum tc_slot_sensor)below(l, TC_SLOT_SENSORS));
    }
    tc_slot_tick(l->slot, l->now);
}

/* When every order is executed, who is wanted comes to hold. */
static void expect_it_settles(struct life *l)
{
    enum tc_slot_sensor wanted = (enum tc_slot_sensor)below(l, TC_SLOT_SENSORS);
    struct tc_slot_view view;

    l->obedient = true;
    l->installed = l->allowed = BOTH;
    l->wanted = wanted;
    tc_slot_set_installed(l->slot, BOTH, l->now);
    tc_slot_want(l->slot, wanted, BOTH, "at last", l->now);
    retry(l);
    for (unsigned step = 0; step < SETTLES_WITHIN; step++) {
        l->now += TC_SLOT_SETTLE_NS;
        tc_slot_tick(l->slot, l->now);
        for (int s = 0; s < TC_SLOT_SENSORS; s++) {
            enum tc_slot_sensor sensor = (enum tc_slot_sensor)s;

            if (l->runs[s] == STOPPING) {
                l->runs[s] = DOWN;
                tc_slot_stopped(l->slot, sensor, l->now);
            } else if (l->runs[s] == STARTED) {
                l->runs[s] = CANARY;
                tc_slot_canary(l->slot, sensor, l->now);
            } else if (l->runs[s] == CANARY) {
                tc_slot_started(l->slot, sensor, l->now);
            }
            expect_invariants(l);
        }
    }
    tc_slot_snapshot(l->slot, l->now, &view);
    assert_int_equal(view.state, TC_SLOT_STEADY);
    assert_int_equal(view.holder, wanted);
    assert_false(l->overlap);
    assert_int_equal(l->gaps_opened, l->gaps_closed);
}

static void live(struct life *l, uint64_t seed)
{
    const struct tc_slot_callbacks callbacks = {
        .arg = l, .start = on_start, .stop = on_stop, .event = on_event};

    memset(l, 0, sizeof(*l));
    l->random = seed;
    l->now = 1000 * SECOND;
    l->wanted = TC_SLOT_NOBODY;
    l->installed = BOTH;
    l->slot = tc_slot_new(&callbacks);
    assert_non_null(l->slot);
    tc_slot_set_installed(l->slot, BOTH, l->now);
    for (unsigned crash = below(l, 3); crash; crash--)
        tc_slot_remember_crash(l->slot, (enum tc_slot_sensor)below(l, TC_SLOT_SENSORS),
                               l->now - SECOND * below(l, 900));
    if (!below(l, 4))
        tc_slot_remember_gap(l->slot, l->now - SECOND);
    want_something(l);
    expect_invariants(l);
    for (unsigned call = 0; call < CALLS; call++) {
        anything(l);
        expect_invariants(l);
    }
    expect_it_settles(l);
    tc_slot_free(l->slot);
}

static void slot_keeps_its_promises_in_any_order_of_events(void **state)
{
    unsigned long swaps = 0, gaps = 0, handovers = 0, aborts = 0, bars = 0;
    struct life l;

    (void)state;
    for (uint64_t seed = 0; seed < LIVES; seed++) {
        live(&l, seed * UINT64_C(0x2545f4914f6cdd1d));
        swaps += l.swaps;
        gaps += l.gaps_opened;
        handovers += l.handovers;
        aborts += l.aborts;
        bars += l.bars;
    }
    /* The lives were lively. */
    print_message("%u lives: %lu swaps, %lu gaps, %lu aborts, %lu bars\n", LIVES, swaps,
                  gaps, aborts, bars);
    assert_true(swaps > LIVES && gaps > LIVES && aborts > LIVES && handovers > LIVES &&
                bars > LIVES / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slot_keeps_its_promises_in_any_order_of_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
