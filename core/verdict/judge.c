/* SPDX-License-Identifier: Apache-2.0 */
#include "core/verdict/judge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "core/base/machine.h"
#include "core/verdict/answer.h"
#include "core/verdict/early.h"
#include "ipc/bus.h"
#include "ipc/event.h"

#define MS UINT64_C(1000000)

/* A question that gets the answer of another. */
struct shared {
    struct shared *next;
    uint64_t id, same;
};

struct tc_judge {
    struct tc_bus *bus;
    struct tc_subscriber *subscriber;
    struct tc_verdict *verdict;
    struct tc_judge_voters voters;
    /* Default answers not reported yet, and the voters that had not answered. */
    uint64_t unreported, unreported_missing, reported_ns;
    bool unreported_allow;
    unsigned unanswered[TC_BUS_SUBSCRIBERS_MAX]; /* in a row, by each voter */
    uint64_t budget_ns;
    uint64_t armed_ns; /* when the timer fires; UINT64_MAX: it does not run */
    uv_timer_t timer;
    struct shared *shared;         /* those that wait; empty but in a handover */
    tc_judge_answered_fn answered; /* NULL but in a handover */
    void *answered_arg;
    tc_judge_denied_fn denied; /* NULL: nobody */
    void *denied_arg;
    struct tc_early early;
};

static void on_timer(uv_timer_t *timer);

/* When default answers may be reported again; UINT64_MAX: there are none. */
static uint64_t report_due_ns(const struct tc_judge *judge)
{
    if (!judge->unreported)
        return UINT64_MAX;
    return judge->reported_ns ? judge->reported_ns + 1000 * MS : 0;
}

/* Later cases mostly end later: the timer is kept unless it would fire too late. */
static void arm(struct tc_judge *judge)
{
    uint64_t next = tc_verdict_next_ns(judge->verdict), now;

    if (report_due_ns(judge) < next)
        next = report_due_ns(judge);
    if (next >= judge->armed_ns)
        return;
    now = uv_hrtime();
    judge->armed_ns = next;
    /* uv_update_time: the loop's own clock may lag behind a long callback. */
    uv_update_time(judge->timer.loop);
    uv_timer_start(&judge->timer, on_timer, next > now ? (next - now + MS - 1) / MS : 0,
                   0);
}

/* One event a second at most; those between are counted in the next, which the timer sees
 * to if nothing else does. */
static void report_timeouts(struct tc_judge *judge, uint64_t now)
{
    struct tocsin_event event = {.size = sizeof(event), .fd = -1};
    struct tocsin_writer w;
    char names[256] = "";
    uint8_t buf[512];

    if (now < report_due_ns(judge))
        return;
    judge->voters.names(judge->voters.arg, judge->unreported_missing, names,
                        sizeof(names));
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "count", judge->unreported);
    tocsin_put_str(&w, "missing", names);
    tocsin_put_str(&w, "answer", judge->unreported_allow ? "allow" : "deny");
    tocsin_end(&w);
    event.topic = "verdict.timeout";
    event.data = w.buf;
    event.len = w.len;
    if (tc_judge_publish(judge, &event, "core", NULL))
        return;
    judge->reported_ns = now;
    judge->unreported = judge->unreported_missing = 0;
}

/* ---- who does not answer ---- */

/* Counts one more question that each of the set has not answered. */
static void count_unanswered(struct tc_judge *judge, uint64_t voters)
{
    for (unsigned i = 0; i < TC_BUS_SUBSCRIBERS_MAX; i++)
        judge->unanswered[i] += voters >> i & 1;
}

static void forget_unanswered(struct tc_judge *judge, uint64_t voters)
{
    for (unsigned i = 0; i < TC_BUS_SUBSCRIBERS_MAX; i++)
        if (voters >> i & 1)
            judge->unanswered[i] = 0;
}

uint64_t tc_judge_silent(const struct tc_judge *judge)
{
    uint64_t silent = 0;

    for (unsigned i = 0; i < TC_BUS_SUBSCRIBERS_MAX; i++)
        if (judge->unanswered[i] >= TC_JUDGE_SILENT_AFTER)
            silent |= UINT64_C(1) << i;
    return silent;
}

static void count_timeout(struct tc_judge *judge, const struct tc_verdict_final *final)
{
    judge->unreported++;
    judge->unreported_missing |= final->missing;
    judge->unreported_allow = final->allow;
    report_timeouts(judge, final->closed_ns);
    arm(judge);
}

static void on_timer(uv_timer_t *timer)
{
    struct tc_judge *judge = timer->data;

    judge->armed_ns = UINT64_MAX;
    tc_verdict_expire(judge->verdict, uv_hrtime());
    report_timeouts(judge, uv_hrtime());
    arm(judge);
}

/* Whether it was answered by default. That a detector abstained is told by its verdict.
 */
static bool is_default(const struct tc_verdict_final *final)
{
    return final->why == TC_VERDICT_TIMEOUT || final->why == TC_VERDICT_OVERFLOW ||
           final->why == TC_VERDICT_ABSENT;
}

static const struct tocsin_event *question_of(const struct tc_verdict_final *final)
{
    const struct tc_event *event = final->subject;

    return &event->pub;
}

/* Publishes the answer to the sensor that asked `id`, which is `question` or one that
 * shares its answer. A failure here is out of memory; the sensor's own deadline then
 * answers. */
static void answer(struct tc_judge *judge, uint64_t id,
                   const struct tocsin_event *question,
                   const struct tc_verdict_final *final)
{
    uint64_t who = final->why == TC_VERDICT_DENIED ? final->denied_by : final->missing;
    struct tocsin_event event = {.size = sizeof(event), .fd = -1, .reply_to = id};
    struct tocsin_writer w;
    uint8_t buf[TC_ANSWER_BYTES];
    char names[256];

    /* Sensors know what they have asked: an answer that only they hear has no more. */
    if (!tc_bus_has_reader(judge->bus, TOCSIN_TOPIC_VERDICT_FINAL))
        question = NULL;
    *names = '\0';
    if (who)
        judge->voters.names(judge->voters.arg, who, names, sizeof(names));
    tocsin_writer_init(&w, buf, sizeof(buf));
    tc_answer_put(&w, final, final->cacheable && !(final->allow && judge->answered),
                  names, question);
    event.topic = TOCSIN_TOPIC_VERDICT_FINAL;
    event.data = w.buf;
    event.len = w.len;
    (void)tc_judge_publish(judge, &event, "core", NULL);
}

/* The same answer for whoever shares the question. */
static void answer_shared(struct tc_judge *judge, const struct tc_verdict_final *final)
{
    struct shared **slot = &judge->shared, *s;

    while ((s = *slot)) {
        if (s->same != final->id) {
            slot = &s->next;
            continue;
        }
        *slot = s->next;
        answer(judge, s->id, question_of(final), final);
        free(s);
    }
}

static void on_closed(void *arg, const struct tc_verdict_final *final)
{
    struct tc_judge *judge = arg;

    if (judge->answered)
        judge->answered(judge->answered_arg, final->id, final->allow);
    answer(judge, final->id, question_of(final), final);
    if (judge->denied && final->why == TC_VERDICT_DENIED && final->cacheable)
        judge->denied(judge->denied_arg, question_of(final));
    if (judge->shared)
        answer_shared(judge, final);
    tc_event_unref(final->subject);
    if (final->why == TC_VERDICT_TIMEOUT)
        count_unanswered(judge, final->unanswered);
    if (is_default(final))
        count_timeout(judge, final);
}

static void on_vote(void *arg, struct tc_event *event)
{
    struct tc_judge *judge = arg;
    uint64_t voter = judge->voters.bit(judge->voters.arg, event->pub.source);
    struct tocsin_str decision = tocsin_event_str(&event->pub, TOCSIN_FIELD_DECISION);
    struct tocsin_str reason = tocsin_event_str(&event->pub, TOCSIN_FIELD_REASON);
    bool cacheable =
        tocsin_find_bool(event->pub.data, event->pub.len, TOCSIN_FIELD_CACHEABLE, false);

    if (!voter)
        return;
    if (tocsin_str_is(decision, TOCSIN_DECISION_ABSTAIN)) {
        if (tc_verdict_abstain(judge->verdict, event->pub.reply_to, voter, uv_hrtime()))
            forget_unanswered(judge, voter);
        return;
    }
    /* What is none of the three is no answer: the budget decides, and the timeout is
     * counted. */
    if (!tocsin_str_is(decision, "allow") && !tocsin_str_is(decision, "deny"))
        return;
    if (tc_verdict_vote(judge->verdict, event->pub.reply_to, voter,
                        tocsin_str_is(decision, "allow"), cacheable, reason.ptr,
                        reason.len, uv_hrtime()))
        forget_unanswered(judge, voter);
}

int tc_judge_new(uv_loop_t *loop, struct tc_bus *bus,
                 const struct tc_judge_voters *voters, struct tc_judge **ret_judge)
{
    static const char *const patterns[] = {TOCSIN_TOPIC_VERDICT, NULL};
    struct tc_subscription what = {
        .name = "judge", .patterns = patterns, .deliver = on_vote};
    struct tc_judge *judge = calloc(1, sizeof(*judge));
    int err = -ENOMEM;

    if (!judge)
        return err;
    judge->verdict = tc_verdict_new(true, on_closed, judge);
    if (!judge->verdict)
        goto out;
    judge->bus = bus;
    judge->voters = *voters;
    judge->budget_ns = 10000 * MS;
    judge->armed_ns = UINT64_MAX;
    what.arg = judge;
    /* One verdict for each voter of each case may be queued at once. */
    what.queue_max = TC_VERDICT_CASES_MAX * 2;
    err = tc_bus_subscribe(bus, &what, &judge->subscriber);
    if (err)
        goto out;
    uv_timer_init(loop, &judge->timer);
    judge->timer.data = judge;
    *ret_judge = judge;
    judge = NULL;
out:
    if (judge) {
        tc_verdict_free(judge->verdict);
        free(judge);
    }
    return err;
}

static void on_timer_gone(uv_handle_t *handle)
{
    free(handle->data);
}

void tc_judge_free(struct tc_judge *judge)
{
    if (!judge)
        return;
    tc_bus_unsubscribe(judge->subscriber);
    tc_verdict_free(judge->verdict); /* answers all, those that share too */
    tc_early_end(&judge->early);
    uv_close((uv_handle_t *)&judge->timer, on_timer_gone);
}

void tc_judge_configure(struct tc_judge *judge, bool on_timeout_allow, uint64_t budget_ms)
{
    tc_verdict_set_default(judge->verdict, on_timeout_allow);
    judge->budget_ns = budget_ms * MS;
}

static int publish_question(struct tc_judge *judge, struct tocsin_event *question,
                            const char *source, const struct tocsin_event **ret_event)
{
    struct tc_bus_voters voters;
    uint64_t now = uv_hrtime();
    struct tc_event *event;
    int err;

    if (!question->deadline_ns)
        question->deadline_ns = now + judge->budget_ns;
    err = tc_bus_publish(judge->bus, question, source, &voters, &event);
    if (err)
        return err;
    if (ret_event) {
        tc_event_ref(event); /* one for the sensor, one for the case */
        *ret_event = &event->pub;
    }
    if (strcmp(source, "core") != 0 && !strncmp(event->pub.topic, "file.", 5))
        tc_early_keep(&judge->early, event);
    tc_verdict_open(judge->verdict, event->pub.id, voters.asked, voters.left_out, now,
                    question->deadline_ns, event);
    arm(judge);
    return 0;
}

void tc_judge_incomplete(struct tc_judge *judge)
{
    tc_early_begin(&judge->early);
}

void tc_judge_complete(struct tc_judge *judge)
{
    tc_early_end(&judge->early);
}

void tc_judge_ask_again(struct tc_judge *judge)
{
    struct tocsin_event again;

    for (size_t i = 0; i < judge->early.count; i++) {
        again = judge->early.kept[i]->pub;
        again.id = again.deadline_ns = 0;
        if (again.fd >= 0)
            again.fd = fcntl(again.fd, F_DUPFD_CLOEXEC, 3);
        if (publish_question(judge, &again, "core", NULL) && again.fd >= 0)
            close(again.fd);
    }
}

int tc_judge_publish(struct tc_judge *judge, const struct tocsin_event *draft,
                     const char *source, const struct tocsin_event **ret_event)
{
    struct tocsin_event complete = *draft;
    struct tc_event *event;
    int err;

    if (!complete.time_ns)
        complete.time_ns = tc_wall_ns();
    if (complete.flags & TOCSIN_EVENT_AUTH)
        return publish_question(judge, &complete, source, ret_event);
    err = tc_bus_publish(judge->bus, &complete, source, NULL, ret_event ? &event : NULL);
    if (!err && ret_event)
        *ret_event = &event->pub;
    return err;
}

void tc_judge_handover(struct tc_judge *judge, tc_judge_answered_fn answered, void *arg)
{
    judge->answered = answered;
    judge->answered_arg = arg;
}

void tc_judge_on_denied(struct tc_judge *judge, tc_judge_denied_fn denied, void *arg)
{
    judge->denied = denied;
    judge->denied_arg = arg;
}

struct each {
    void (*fn)(void *arg, const struct tocsin_event *question);
    void *arg;
};

static void on_each(void *arg, void *subject)
{
    const struct each *each = arg;
    const struct tc_event *event = subject;

    each->fn(each->arg, &event->pub);
}

void tc_judge_each_open(const struct tc_judge *judge,
                        void (*fn)(void *arg, const struct tocsin_event *question),
                        void *arg)
{
    struct each each = {fn, arg};

    tc_verdict_each(judge->verdict, on_each, &each);
}

int tc_judge_suppress(struct tc_judge *judge, const struct tocsin_event *draft,
                      const char *source, uint64_t same,
                      const struct tocsin_event **ret_event)
{
    const struct tc_verdict_final allowed = {.allow = true, .reason = ""};
    bool asks = (draft->flags & TOCSIN_EVENT_AUTH) != 0;
    struct tocsin_event complete = *draft;
    struct shared *s = NULL;
    struct tc_event *event;
    int err;

    if (!complete.time_ns)
        complete.time_ns = tc_wall_ns();
    if (asks && !complete.deadline_ns)
        complete.deadline_ns = uv_hrtime() + judge->budget_ns;
    if (asks && tc_verdict_is_open(judge->verdict, same)) {
        s = malloc(sizeof(*s));
        if (!s)
            return -ENOMEM;
    }
    err = tc_bus_suppress(judge->bus, &complete, source, &event);
    if (err) {
        free(s);
        return err;
    }
    if (s) {
        *s = (struct shared){judge->shared, event->pub.id, same};
        judge->shared = s;
    } else if (asks) {
        answer(judge, event->pub.id, &event->pub, &allowed);
    }
    if (ret_event)
        *ret_event = &event->pub;
    else
        tc_event_unref(event);
    return 0;
}

void tc_judge_voter_gone(struct tc_judge *judge, uint64_t voter)
{
    forget_unanswered(judge, voter);
    tc_verdict_voter_gone(judge->verdict, voter, uv_hrtime());
}

void tc_judge_counters(const struct tc_judge *judge, struct tc_verdict_counters *ret)
{
    tc_verdict_counters(judge->verdict, ret);
}
