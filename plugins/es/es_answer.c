/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how the kernel is given the answers. All threads that wait for one, whichever
 * file they open, sleep in one queue of the group (fanotify_get_response, fanotify.c),
 * and each answer wakes them all: with 3,500 threads that takes the loop some 10 ms, and
 * the machine as much again, while they look and go back to sleep. Those who were woken
 * and did not run yet are not woken again, so that answers which are given together cost
 * little more than one. So when many wait, the answers of a user who has many questions
 * open are held for a while, and all others are given at once, and with them all that
 * are held. Loop.
 */
#include <unistd.h>

#include "es.h"

#define CROWD 128 /* who wait: so many are woken in half a millisecond */
#define MANY 32   /* questions of one user: for him it is the sum that counts */
#define REST 9    /* times as long as giving took, until they are given again: a tenth */
#define REST_MAX_NS 100000000ull
#define NS_PER_MS 1000000ull

/* What comes after an answer, which names the descriptor. */
static void end(struct tc_es *es, uint32_t slot, bool given)
{
    struct tc_es_question *question = &es->questions[slot], was = *question;

    *question = (struct tc_es_question){.fd = -1};
    if (given && was.judged) {
        es->counters.allowed += was.allow;
        es->counters.denied += !was.allow;
    }
    es->host->event_unref(es->host, was.event);
    if (was.fd >= 0)
        close(was.fd);
}

static void give_some(struct tc_es *es)
{
    struct tc_es_gate_answer answers[TC_ES_GATE_MANY];
    struct tc_es_held *held = &es->held;
    size_t n = 0;

    for (; held->n && n < TC_ES_GATE_MANY; held->n--) {
        answers[n].slot = held->first;
        answers[n++].allow = es->questions[held->first].allow;
        held->first = es->questions[held->first].next_held;
    }
    tc_es_gate_answer_many(&es->source.gate, answers, n);
    for (size_t i = 0; i < n; i++)
        end(es, answers[i].slot, answers[i].given);
}

void tc_es_answer_held(struct tc_es *es)
{
    struct tc_es_held *held = &es->held;
    uint64_t from_ns = es->host->now_ns(es->host);

    es->host->timer_stop(es->host, held->timer);
    held->timer = NULL;
    if (!held->n)
        return;
    while (held->n)
        give_some(es);
    held->given_ns = es->host->now_ns(es->host);
    held->cost_ns = held->given_ns - from_ns;
}

static void time_is_up(void *arg)
{
    tc_es_answer_held(arg);
}

/* Until they are given, in ms. */
static uint64_t rest_ms(const struct tc_es *es)
{
    uint64_t rest_ns = REST * es->held.cost_ns;
    uint64_t since_ns = es->host->now_ns(es->host) - es->held.given_ns;

    if (rest_ns > REST_MAX_NS)
        rest_ns = REST_MAX_NS;
    return rest_ns > since_ns ? (rest_ns - since_ns) / NS_PER_MS + 1 : 0;
}

static void remember(struct tc_es *es, uint32_t slot)
{
    if (es->questions[slot].remember)
        tc_es_cache_remember(es, &es->questions[slot], es->questions[slot].facts);
}

/* It is remembered now: whether it changes while it is held, nobody looks. */
static void put(struct tc_es *es, uint32_t slot)
{
    remember(es, slot);
    es->questions[slot].next_held = es->held.first;
    es->held.first = slot;
    es->held.n++;
    es->counters.held++;
}

static void hold(struct tc_es *es, uint32_t slot)
{
    put(es, slot);
    tc_es_gate_decide(&es->source.gate, slot, es->questions[slot].allow);
    if (!es->held.timer && es->host->timer_start(es->host, rest_ms(es), 0, time_is_up, es,
                                                 &es->held.timer)) {
        es->held.timer = NULL;
        tc_es_answer_held(es);
    }
}

void tc_es_answer(struct tc_es *es, uint32_t slot, bool allow)
{
    bool may_wait = !es->draining && !es->jobs.closing &&
                    tc_es_turns_count(&es->turns, slot) >= MANY &&
                    tc_es_gate_waiting(&es->source.gate) >= CROWD;
    bool given;

    es->questions[slot].allow = allow;
    if (tc_es_turns_end(&es->turns, slot))
        tc_es_intake_go_on(es);
    if (may_wait) {
        hold(es, slot);
    } else if (es->held.n) { /* now that they are woken */
        put(es, slot);
        tc_es_answer_held(es);
    } else {
        given = tc_es_gate_answer(&es->source.gate, slot, allow);
        remember(es, slot); /* whoever waits does not wait for that */
        end(es, slot, given);
    }
}
