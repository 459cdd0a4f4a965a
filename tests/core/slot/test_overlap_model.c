/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger against a model of a kernel: threads of a few processes open and execute a
 * few files; FIRST is asked at the start of a call and answers a while later; SECOND's
 * hook comes after that, and its report waits in a ring of its CPU until it is read. The
 * two attach and detach in handovers both ways, some of them turned away half-way. The
 * model knows of each call who saw it, and counts on its own how often it is published.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/slot/overlap.h"
#include "core/slot/slot.h"

#define US UINT64_C(1000)
#define MS (1000 * US)
#define THREADS 8
#define PROCESSES 4 /* two of three threads, two of one */
#define FILES 3
#define OPERATIONS 2 /* open and exec */
#define KEYS (PROCESSES * FILES * OPERATIONS)
#define EXEC 1
#define CPUS 2
#define CALLS_MAX 4096   /* under way at once, the dead included */
#define EVENTS_MAX 16384 /* planned at once */
#define RING_MAX 65536
#define HANDOVERS 100 /* of one seed */

enum planned {
    THREAD_CALLS,
    FIRST_ANSWERS,
    SECOND_HOOK,
    RING_READ,
    DIRECTOR,
};

struct event {
    uint64_t at, serial;
    enum planned what;
    unsigned index; /* of the thread, call or CPU */
};

struct call {
    bool used, dead; /* dead: its thread was killed by an exec */
    unsigned thread, key;
    bool first, second; /* who reported it */
    uint64_t id, asked_ns, allowed_ns;
    int published;
};

struct heard {
    struct tc_overlap_report report;
    unsigned call;
};

struct ring {
    struct heard reports[RING_MAX];
    unsigned head, count;
    uint64_t read_ns; /* when the last of them is read */
};

/* Which ledger is tried: ours, or the one that approval.md says not to build. */
struct rules {
    bool symmetric;
    bool calls_fail; /* after FIRST's answer, or by another thread's exec */
};

enum act {
    BEGIN,
    ATTACH,
    LIVE,
    COMMIT,
    DETACH,
    END,
};

struct model {
    struct rules rules;
    uint64_t random, now, serial;
    struct event heap[EVENTS_MAX];
    unsigned planned;
    struct call calls[CALLS_MAX];
    unsigned spare[CALLS_MAX], spares;
    unsigned of_thread[THREADS]; /* its call; CALLS_MAX: none */
    struct ring rings[CPUS];
    bool attached[2]; /* by role */
    uint64_t next_id;

    enum act act;
    enum tc_overlap_role coming;
    bool turns_away;
    unsigned handover, open_questions;

    struct tc_overlap *ledger;
    int unmatched[2][KEYS]; /* of the symmetric ledger */
    bool symmetric_begun;

    unsigned under_way[KEYS];
    int delta[KEYS];        /* published more often than once, of those under way */
    int hazards[KEYS];      /* of them, calls that the rule does not promise */
    uint64_t left_ns[KEYS]; /* FIRST's last answer to a call that failed */
    unsigned long done, seen, suppressed, lost, twice, promised_lost, unpromised;
};

/* splitmix64 */
static uint64_t chance(struct model *m)
{
    uint64_t z = m->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t below(struct model *m, uint64_t n)
{
    return chance(m) % n;
}

/* Mostly short, now and then long, rarely very long. */
static uint64_t delay(struct model *m, uint64_t usual, uint64_t longer, uint64_t longest)
{
    uint64_t kind = below(m, 1000);

    return 1 + below(m, kind < 950 ? usual : kind < 997 ? longer : longest);
}

/* ---- What is to happen when. ---- */

static bool sooner(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->serial < b->serial;
}

static void plan(struct model *m, uint64_t after, enum planned what, unsigned index)
{
    struct event event = {m->now + after, m->serial++, what, index};
    unsigned i = m->planned++;

    assert_true(m->planned <= EVENTS_MAX);
    for (; i && sooner(&event, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = event;
}

static struct event take_next(struct model *m)
{
    struct event first = m->heap[0], last = m->heap[--m->planned];
    unsigned i = 0, child;

    while ((child = 2 * i + 1) < m->planned) {
        if (child + 1 < m->planned && sooner(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!sooner(&m->heap[child], &last))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return first;
}

/* ---- The ledgers. ---- */

static struct tc_overlap_report report_of(const struct call *call,
                                          enum tc_overlap_role role, uint64_t time_ns)
{
    unsigned process = call->key % PROCESSES, file = call->key / PROCESSES % FILES;

    return (struct tc_overlap_report){
        .role = role,
        .blocks = true,
        .replaces = call->key / (PROCESSES * FILES) == EXEC,
        .time_ns = time_ns,
        .operation = call->key / (PROCESSES * FILES),
        .pid = 100 + (int32_t)process,
        .start_ns = role == TC_OVERLAP_FIRST ? 5000 * MS : 5007 * MS + process,
        .device = 7,
        .inode = file,
    };
}

static bool admitted_symmetric(struct model *m, unsigned key, enum tc_overlap_role role)
{
    int *mine = &m->unmatched[role][key], *others = &m->unmatched[!role][key];

    if (!m->symmetric_begun)
        return true;
    if (*others) {
        --*others;
        return false;
    }
    ++*mine;
    return true;
}

static bool admitted(struct model *m, unsigned key,
                     const struct tc_overlap_report *report)
{
    if (m->rules.symmetric)
        return admitted_symmetric(m, key, report->role);
    return tc_overlap_admit(m->ledger, report, m->now, NULL) == TC_OVERLAP_PUBLISH;
}

static void publish_first_report(struct model *m, struct call *call)
{
    struct tc_overlap_report report = report_of(call, TC_OVERLAP_FIRST, call->asked_ns);

    call->published += admitted(m, call->key, &report);
    tc_overlap_published(m->ledger, call->id);
}

static void publish_answer(struct model *m, const struct call *call, bool allow)
{
    if (allow)
        tc_overlap_allowed(m->ledger, call->id, m->now);
    else
        tc_overlap_denied(m->ledger, call->id);
    if (!allow && m->unmatched[TC_OVERLAP_FIRST][call->key])
        m->unmatched[TC_OVERLAP_FIRST][call->key]--;
}

/* ---- A call. ---- */

/* None of this kind is under way: whatever report stood for another call's has done so.
 */
static void account(struct model *m, unsigned key)
{
    int delta = m->delta[key], hazards = m->hazards[key];

    m->unpromised += (unsigned)hazards;
    m->twice += (unsigned)(delta > 0 ? delta : 0);
    m->lost += (unsigned)(delta < 0 ? -delta : 0);
    m->promised_lost += (unsigned)(-delta > hazards ? -delta - hazards : 0);
    m->delta[key] = m->hazards[key] = 0;
}

static void call_over(struct model *m, unsigned index)
{
    struct call *call = &m->calls[index];

    m->done++;
    m->seen += call->first || call->second;
    if (call->first || call->second)
        m->delta[call->key] += call->published - 1;
    if (!--m->under_way[call->key])
        account(m, call->key);
    if (!call->dead) {
        m->of_thread[call->thread] = CALLS_MAX;
        plan(m, delay(m, 3 * MS, 6 * MS, 40 * MS), THREAD_CALLS, call->thread);
    }
    call->used = false;
    m->spare[m->spares++] = index;
}

/* Exec only where no other thread can be killed by it, unless calls may fail. */
static unsigned choose_key(struct model *m, unsigned thread)
{
    unsigned process = thread < 6 ? thread / 3 : thread - 4;
    bool may_exec = thread >= 6 ? !below(m, 3) : m->rules.calls_fail && !below(m, 20);
    unsigned operation = may_exec ? EXEC : 0;

    return process + PROCESSES * ((unsigned)below(m, FILES) + FILES * operation);
}

static void thread_calls(struct model *m, unsigned thread)
{
    struct call *call;
    unsigned index;

    assert_true(m->spares);
    index = m->spare[--m->spares];
    call = &m->calls[index];
    *call = (struct call){.used = true,
                          .thread = thread,
                          .key = choose_key(m, thread),
                          .id = ++m->next_id,
                          .asked_ns = m->now};
    m->of_thread[thread] = index;
    m->under_way[call->key]++;
    if (!m->attached[TC_OVERLAP_FIRST]) {
        plan(m, delay(m, 50 * US, 5 * MS, 50 * MS), SECOND_HOOK, index);
        return;
    }
    call->first = true;
    m->open_questions++;
    publish_first_report(m, call);
    plan(m, delay(m, 200 * US, 10 * MS, 600 * MS), FIRST_ANSWERS, index);
}

static void first_answers(struct model *m, unsigned index)
{
    struct call *call = &m->calls[index];
    bool allow = below(m, 20) > 0;

    m->open_questions--;
    publish_answer(m, call, allow);
    call->allowed_ns = m->now;
    if (allow && call->dead && m->attached[TC_OVERLAP_SECOND])
        m->left_ns[call->key] = m->now;
    if (!allow || call->dead)
        call_over(m, index);
    else
        plan(m, delay(m, 50 * US, 5 * MS, 50 * MS), SECOND_HOOK, index);
}

/* The call comes to nothing before SECOND is asked. */
static void call_fails(struct model *m, unsigned index)
{
    struct call *call = &m->calls[index];

    if (call->first && m->attached[TC_OVERLAP_SECOND] &&
        call->allowed_ns > m->left_ns[call->key])
        m->left_ns[call->key] = call->allowed_ns;
    call_over(m, index);
}

/* execve(2) ends all other threads of the process; they are begun anew here. */
static void kill_siblings(struct model *m, const struct call *exec)
{
    for (unsigned thread = 0; thread < THREADS; thread++) {
        unsigned index = m->of_thread[thread];

        if (thread == exec->thread || index == CALLS_MAX ||
            m->calls[index].key % PROCESSES != exec->key % PROCESSES)
            continue;
        m->calls[index].dead = true;
        m->of_thread[thread] = CALLS_MAX;
        plan(m, delay(m, 3 * MS, 6 * MS, 40 * MS), THREAD_CALLS, thread);
    }
}

static void second_reports(struct model *m, unsigned index)
{
    struct call *call = &m->calls[index];
    unsigned cpu = (unsigned)below(m, CPUS);
    struct ring *ring = &m->rings[cpu];
    uint64_t read_ns = m->now + delay(m, 20 * MS, 60 * MS, 300 * MS);

    assert_true(ring->count < RING_MAX);
    if (read_ns < ring->read_ns)
        read_ns = ring->read_ns;
    ring->read_ns = read_ns;
    ring->reports[(ring->head + ring->count++) % RING_MAX] = (struct heard){
        .report = report_of(call, TC_OVERLAP_SECOND, m->now), .call = index};
    call->second = true;
    plan(m, read_ns - m->now, RING_READ, cpu);
}

static void second_hook(struct model *m, unsigned index)
{
    struct call *call = &m->calls[index];
    bool exec = call->key / (PROCESSES * FILES) == EXEC;

    if (call->dead || (m->rules.calls_fail && !below(m, 20))) {
        call_fails(m, index);
        return;
    }
    if (exec)
        kill_siblings(m, call);
    if (!m->attached[TC_OVERLAP_SECOND]) {
        call_over(m, index);
        return;
    }
    /* Seen by SECOND alone soon after a call that failed: not promised. */
    if (!call->first && m->left_ns[call->key] &&
        m->now - m->left_ns[call->key] <= 3 * TC_OVERLAP_CROSSING_NS)
        m->hazards[call->key]++;
    second_reports(m, index);
    /* The thread goes on; the call is over once its report has been read. */
    m->of_thread[call->thread] = CALLS_MAX;
    plan(m, delay(m, 3 * MS, 6 * MS, 40 * MS), THREAD_CALLS, call->thread);
    call->dead = true;
}

static void ring_read(struct model *m, unsigned cpu)
{
    struct ring *ring = &m->rings[cpu];
    struct heard heard = ring->reports[ring->head];
    struct call *call = &m->calls[heard.call];

    ring->head = (ring->head + 1) % RING_MAX;
    ring->count--;
    if (admitted(m, call->key, &heard.report))
        call->published++;
    else
        m->suppressed++;
    call_over(m, heard.call);
}

/* ---- Handovers. ---- */

static void begin_overlap(struct model *m)
{
    tc_overlap_begin(m->ledger, m->coming, m->now);
    memset(m->unmatched, 0, sizeof(m->unmatched));
    m->symmetric_begun = true;
    if (m->coming == TC_OVERLAP_FIRST || m->rules.symmetric)
        return;
    /* Questions of FIRST that are open now. */
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        struct call *call = &m->calls[i];
        struct tc_overlap_report report;

        if (!call->used || !call->first || call->allowed_ns)
            continue;
        report = report_of(call, TC_OVERLAP_FIRST, call->asked_ns);
        tc_overlap_open(m->ledger, &report, call->id);
    }
}

/* Whether whoever has detached has reported all it had to. */
static bool drained(const struct model *m, enum tc_overlap_role role)
{
    return role == TC_OVERLAP_FIRST ? !m->open_questions
                                    : !m->rings[0].count && !m->rings[1].count;
}

static void direct(struct model *m)
{
    enum tc_overlap_role leaves =
        m->turns_away ? m->coming : (enum tc_overlap_role) !m->coming;
    uint64_t after = 1 + below(m, 10 * MS);

    switch (m->act) {
    case BEGIN:
        m->handover++;
        begin_overlap(m);
        /* A sensor takes a while to load; see docs/slot.md for what hangs on that. */
        after += m->coming == TC_OVERLAP_SECOND ? 60 * MS : 0;
        break;
    case ATTACH:
        m->attached[m->coming] = true;
        break;
    case LIVE:
        tc_overlap_live(m->ledger);
        after += TC_SLOT_SETTLE_NS;
        break;
    case COMMIT:
        tc_overlap_commit(m->ledger, leaves);
        after = 1 + below(m, 100 * US);
        break;
    case DETACH:
        m->attached[leaves] = false;
        break;
    case END:
        if (!drained(m, leaves)) {
            plan(m, MS, DIRECTOR, 0);
            return;
        }
        tc_overlap_end(m->ledger, NULL);
        m->symmetric_begun = false;
        if (!m->turns_away)
            m->coming = !m->coming;
        m->turns_away = !below(m, 5);
        after += 50 * MS;
        break;
    }
    m->act = m->act == END ? BEGIN : (enum act)(m->act + 1);
    if (m->act != BEGIN || m->handover < HANDOVERS)
        plan(m, after, DIRECTOR, 0);
}

static void run(struct model *m, uint64_t seed, struct rules rules)
{
    memset(m, 0, sizeof(*m));
    m->rules = rules;
    m->random = seed;
    m->now = 100000 * MS;
    m->ledger = tc_overlap_new();
    assert_non_null(m->ledger);
    m->coming = seed & 1 ? TC_OVERLAP_SECOND : TC_OVERLAP_FIRST;
    m->attached[!m->coming] = true;
    while (m->spares < CALLS_MAX) {
        m->spare[m->spares] = m->spares;
        m->spares++;
    }
    for (unsigned thread = 0; thread < THREADS; thread++) {
        m->of_thread[thread] = CALLS_MAX;
        plan(m, below(m, MS), THREAD_CALLS, thread);
    }
    plan(m, 50 * MS, DIRECTOR, 0);
    while (m->planned) {
        struct event event = take_next(m);
        bool over = m->act == BEGIN && m->handover == HANDOVERS;

        m->now = event.at;
        if (event.what == THREAD_CALLS && !over)
            thread_calls(m, event.index);
        else if (event.what == FIRST_ANSWERS)
            first_answers(m, event.index);
        else if (event.what == SECOND_HOOK)
            second_hook(m, event.index);
        else if (event.what == RING_READ)
            ring_read(m, event.index);
        else if (event.what == DIRECTOR)
            direct(m);
    }
    for (unsigned key = 0; key < KEYS; key++)
        assert_int_equal(m->under_way[key], 0);
    tc_overlap_free(m->ledger);
}

/* ---- What is promised. ---- */

struct sums {
    unsigned long calls, suppressed, lost, twice, promised_lost, unpromised;
};

static struct sums run_many(unsigned seeds, struct rules rules)
{
    struct model *m = malloc(sizeof(*m));
    struct sums sums = {0};

    assert_non_null(m);
    for (unsigned seed = 1; seed <= seeds; seed++) {
        run(m, seed * UINT64_C(0x2545f4914f6cdd1d), rules);
        assert_int_equal(m->seen <= m->done, 1);
        sums.calls += m->seen;
        sums.suppressed += m->suppressed;
        sums.lost += m->lost;
        sums.twice += m->twice;
        sums.promised_lost += m->promised_lost;
        sums.unpromised += m->unpromised;
    }
    free(m);
    print_message("%lu calls, %u handovers, %lu reported by both: %lu lost, %lu twice\n",
                  sums.calls, seeds * HANDOVERS, sums.suppressed, sums.lost, sums.twice);
    return sums;
}

static void overlap_publishes_each_call_exactly_once(void **state)
{
    struct sums sums = run_many(20, (struct rules){0});

    (void)state;
    assert_true(sums.calls > 2000000 && sums.suppressed > sums.calls / 8);
    assert_int_equal(sums.lost, 0);
    assert_int_equal(sums.twice, 0);
}

/* A call that fails after FIRST allowed it leaves a record that nobody takes. It may
 * swallow a call that only SECOND sees, of the same kind and within a second; nothing
 * else. Here one call of twenty fails, and FIRST comes or goes about once a second. */
static void overlap_keeps_its_promise_when_calls_fail(void **state)
{
    struct sums sums = run_many(10, (struct rules){.calls_fail = true});

    (void)state;
    print_message("%lu calls were not promised\n", sums.unpromised);
    assert_true(sums.calls > 1000000 && sums.suppressed > sums.calls / 8);
    assert_int_equal(sums.promised_lost, 0);
    assert_int_equal(sums.twice, 0);
}

/* The model can fail. */
static void overlap_symmetric_ledger_loses_calls(void **state)
{
    struct sums sums = run_many(1, (struct rules){.symmetric = true});

    (void)state;
    assert_true(sums.lost > 0);
}

_Static_assert(TC_SLOT_SETTLE_NS >= 2 * TC_OVERLAP_CROSSING_NS,
               "between live and commit two crossings pass");

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlap_publishes_each_call_exactly_once),
        cmocka_unit_test(overlap_keeps_its_promise_when_calls_fail),
        cmocka_unit_test(overlap_symmetric_ledger_loses_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
