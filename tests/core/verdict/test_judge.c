/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a question: who is asked, what the sensor hears, and what others do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>
#include <tocsin/plugin.h>

#include "core/verdict/judge.h"
#include "ipc/bus.h"
#include "ipc/event.h"

#define HEARD_MAX 32

/* A bus with a judge, two voters, and one who hears what becomes of it. */
struct court {
    uv_loop_t loop;
    struct tc_bus *bus;
    struct tc_judge *judge;
    struct tc_subscriber *voters[2], *ear;
    size_t asked[2];
    struct tc_event *heard[HEARD_MAX]; /* verdict.final and verdict.timeout */
    size_t count;
    uint64_t answered; /* of a handover */
};

static void wake(void *arg)
{
    (void)arg;
}

static void ask(void *arg, struct tc_event *event)
{
    (void)event;
    (*(size_t *)arg)++;
}

static void hear(void *arg, struct tc_event *event)
{
    struct court *c = arg;

    assert_true(c->count < HEARD_MAX);
    tc_event_ref(event);
    c->heard[c->count++] = event;
}

static uint64_t bit(void *arg, const char *source)
{
    struct court *c = arg;

    if (!strcmp(source, "first"))
        return tc_subscriber_bit(c->voters[0]);
    return strcmp(source, "second") ? 0 : tc_subscriber_bit(c->voters[1]);
}

static void names(void *arg, uint64_t set, char *buf, size_t cap)
{
    struct court *c = arg;
    bool first = set & tc_subscriber_bit(c->voters[0]);
    bool second = set & tc_subscriber_bit(c->voters[1]);

    (void)snprintf(buf, cap, "%s%s%s", first ? "first" : "", first && second ? ", " : "",
                   second ? "second" : "");
}

static int setup(void **state)
{
    static const char *const questions[] = {"file.open", NULL};
    static const char *const answers[] = {"verdict.final", "verdict.timeout", NULL};
    struct court *c = calloc(1, sizeof(*c));
    struct tc_judge_voters voters = {bit, names, c};
    struct tc_subscription what = {
        .patterns = questions, .voter = true, .deliver = ask, .queue_max = 4};

    assert_non_null(c);
    assert_int_equal(uv_loop_init(&c->loop), 0);
    c->bus = tc_bus_new(wake, c);
    for (size_t i = 0; i < 2; i++) {
        what.name = i ? "second" : "first";
        what.arg = &c->asked[i];
        assert_int_equal(tc_bus_subscribe(c->bus, &what, &c->voters[i]), 0);
    }
    what = (struct tc_subscription){
        .name = "ear", .patterns = answers, .reader = true, .deliver = hear, .arg = c};
    assert_int_equal(tc_bus_subscribe(c->bus, &what, &c->ear), 0);
    assert_int_equal(tc_judge_new(&c->loop, c->bus, &voters, &c->judge), 0);
    *state = c;
    return 0;
}

static void turn(struct court *c)
{
    while (tc_bus_turn(c->bus, 64))
        ;
}

static int teardown(void **state)
{
    struct court *c = *state;

    tc_judge_free(c->judge);
    turn(c);
    for (size_t i = 0; i < 2; i++)
        tc_bus_unsubscribe(c->voters[i]);
    tc_bus_unsubscribe(c->ear);
    for (size_t i = 0; i < c->count; i++)
        tc_event_unref(c->heard[i]);
    tc_bus_free(c->bus);
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&c->loop), 0);
    free(c);
    return 0;
}

static const struct tocsin_event draft = {.size = sizeof(draft),
                                          .flags = TOCSIN_EVENT_AUTH,
                                          .fd = -1,
                                          .topic = "file.open",
                                          .data = (const uint8_t[]){0x80},
                                          .len = 1};

/* A sensor's question; its id. */
static uint64_t question(struct court *c)
{
    const struct tocsin_event *event;
    uint64_t id;

    assert_int_equal(tc_judge_publish(c->judge, &draft, "sensor", &event), 0);
    assert_true(event->deadline_ns && event->time_ns);
    id = event->id;
    tc_event_unref(tc_event_of(event));
    turn(c);
    return id;
}

static void vote(struct court *c, const char *voter, uint64_t id, const char *decision,
                 bool cacheable)
{
    struct tocsin_event event = {
        .size = sizeof(event), .fd = -1, .topic = TOCSIN_TOPIC_VERDICT, .reply_to = id};
    struct tocsin_writer w;
    uint8_t buf[128];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, TOCSIN_FIELD_DECISION, decision);
    tocsin_put_bool(&w, TOCSIN_FIELD_CACHEABLE, cacheable);
    tocsin_put_str(&w, TOCSIN_FIELD_REASON, "because");
    tocsin_end(&w);
    event.data = w.buf;
    event.len = w.len;
    assert_int_equal(tc_judge_publish(c->judge, &event, voter, NULL), 0);
    turn(c);
}

/* The n-th that was heard is the answer to `id`. */
static void check_answer(const struct court *c, size_t n, uint64_t id,
                         const char *decision, bool cacheable)
{
    const struct tocsin_event *event;

    assert_true(n < c->count);
    event = &c->heard[n]->pub;
    assert_string_equal(event->topic, TOCSIN_TOPIC_VERDICT_FINAL);
    assert_int_equal(event->reply_to, id);
    assert_true(tocsin_str_is(tocsin_event_str(event, TOCSIN_FIELD_DECISION), decision));
    assert_int_equal(
        tocsin_find_bool(event->data, event->len, TOCSIN_FIELD_CACHEABLE, !cacheable),
        cacheable);
}

static void check_why(const struct court *c, size_t n, const char *why)
{
    assert_true(n < c->count);
    assert_true(
        tocsin_str_is(tocsin_event_str(&c->heard[n]->pub, TOCSIN_FIELD_WHY), why));
}

static void check_voters(const struct court *c, size_t n, int64_t voters)
{
    assert_true(n < c->count);
    assert_int_equal(tocsin_event_int(&c->heard[n]->pub, "voters", -1), voters);
}

static void judge_allows_when_all_whom_it_asked_do(void **state)
{
    struct court *c = *state;
    uint64_t id = question(c);

    assert_int_equal(c->asked[0], 1);
    assert_int_equal(c->asked[1], 1);
    vote(c, "first", id, "allow", true);
    assert_int_equal(c->count, 0);
    vote(c, "second", id, "allow", true);
    assert_int_equal(c->count, 1);
    check_answer(c, 0, id, "allow", true);
    check_why(c, 0, "allowed");
    check_voters(c, 0, 2);
}

/* Asks about a file; the answer is in `heard`. */
static const struct tocsin_event *answer_about(struct court *c, const char *topic,
                                               const struct tocsin_writer *w,
                                               const char *decision)
{
    struct tocsin_event asked = draft;
    const struct tocsin_event *event;
    size_t n = c->count;

    asked.topic = topic;
    asked.data = w->buf;
    asked.len = w->len;
    assert_int_equal(w->error, 0);
    assert_int_equal(tc_judge_publish(c->judge, &asked, "sensor", &event), 0);
    turn(c);
    if (decision)
        vote(c, "second", event->id, decision, true);
    tc_event_unref(tc_event_of(event));
    turn(c);
    assert_int_equal(c->count, n + 1);
    return &c->heard[n]->pub;
}

static void check_text(const struct tocsin_event *event, const char *path,
                       const char *text)
{
    if (!tocsin_str_is(tocsin_event_str(event, path), text))
        fail_msg("%s is not %s", path, text);
}

static void judge_says_what_it_has_answered_about_and_who_denied(void **state)
{
    struct court *c = *state;
    const struct tocsin_event *event;
    char path[5000];
    struct tocsin_value v;
    struct tocsin_writer w;

    memset(path, 'p', sizeof(path));
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "@timestamp", 1);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", "/srv/x");
    tocsin_put_uint(&w, "inode", 2);
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_put_uint(&w, "pid", 4711);
    tocsin_put_bin(&w, "executable", "/bin/\xff", 6);
    tocsin_end(&w);
    tocsin_end(&w);
    event = answer_about(c, "file.open", &w, "deny");
    check_text(event, "question", "file.open");
    check_text(event, "file.path", "/srv/x");
    check_text(event, "denied_by", "second");
    check_text(event, "process.executable", "/bin/\xff");
    assert_int_equal(tocsin_event_int(event, "process.pid", 0), 4711);
    assert_false(tocsin_find(event->data, event->len, "file.inode", &v));

    /* A path that no system call takes is left out, and the rest is said. */
    tocsin_writer_done(&w);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "file");
    tocsin_put_strn(&w, "path", path, sizeof(path));
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_put_uint(&w, "pid", 1);
    tocsin_end(&w);
    tocsin_end(&w);
    event = answer_about(c, "file.open", &w, "deny");
    assert_false(tocsin_find(event->data, event->len, "file.path", &v));
    assert_int_equal(tocsin_event_int(event, "process.pid", 0), 1);
    tocsin_writer_done(&w);
}

/* Which costs more than the rest of the answer. */
static void judge_says_so_only_where_somebody_reads_it(void **state)
{
    static const char *const patterns[] = {"verdict.final", NULL};
    struct court *c = *state;
    struct tc_subscription what = {
        .name = "ear", .patterns = patterns, .deliver = hear, .arg = c};
    const struct tocsin_event *event;
    struct tocsin_writer w;
    struct tocsin_value v;
    uint8_t buf[64];

    tc_bus_unsubscribe(c->ear);
    assert_int_equal(tc_bus_subscribe(c->bus, &what, &c->ear), 0);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", "/srv/x");
    tocsin_end(&w);
    tocsin_end(&w);
    event = answer_about(c, "file.open", &w, "deny");
    check_text(event, "denied_by", "second");
    assert_false(tocsin_find(event->data, event->len, "question", &v));
    assert_false(tocsin_find(event->data, event->len, "file", &v));
}

static void judge_says_which_flow_it_has_answered_about(void **state)
{
    struct court *c = *state;
    const struct tocsin_event *event;
    struct tocsin_writer w;
    struct tocsin_value v;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "destination");
    tocsin_put_str(&w, "ip", "192.0.2.1");
    tocsin_put_uint(&w, "port", 443);
    tocsin_end(&w);
    tocsin_end(&w);
    event = answer_about(c, "network.flow", &w, NULL);
    check_text(event, "question", "network.flow");
    check_text(event, "destination.ip", "192.0.2.1");
    assert_int_equal(tocsin_event_int(event, "destination.port", 0), 443);
    assert_false(tocsin_find(event->data, event->len, "file", &v));
    tocsin_writer_done(&w);
}

/* So that a sensor learns that nobody judges its kind of event. */
static void judge_says_when_nobody_was_asked(void **state)
{
    struct court *c = *state;
    struct tocsin_event other = draft;

    other.topic = "network.flow";
    assert_int_equal(tc_judge_publish(c->judge, &other, "sensor", NULL), 0);
    turn(c);
    assert_int_equal(c->count, 1);
    assert_true(tocsin_str_is(tocsin_event_str(&c->heard[0]->pub, TOCSIN_FIELD_DECISION),
                              "allow"));
    check_voters(c, 0, 0);
}

static void judge_denies_as_soon_as_one_does(void **state)
{
    struct court *c = *state;
    uint64_t id = question(c);

    vote(c, "second", id, "deny", false);
    assert_int_equal(c->count, 1);
    check_answer(c, 0, id, "deny", false);
    check_why(c, 0, "denied");
    check_voters(c, 0, 2); /* one of whom has not answered */
    assert_true(tocsin_str_is(tocsin_event_str(&c->heard[0]->pub, TOCSIN_FIELD_REASON),
                              "because"));
    vote(c, "first", id, "allow", true); /* too late, and nothing comes of it */
    assert_int_equal(c->count, 1);
}

static void judge_hears_voters_only_and_decisions_only(void **state)
{
    struct court *c = *state;
    uint64_t id = question(c);

    vote(c, "stranger", id, "deny", true);
    vote(c, "first", id, "perhaps", true);
    vote(c, "first", id + 1000, "deny", true); /* nobody asked that */
    assert_int_equal(c->count, 0);
    vote(c, "first", id, "allow", true);
    vote(c, "first", id, "allow", true); /* nor does one vote for two */
    assert_int_equal(c->count, 0);
    vote(c, "second", id, "allow", false);
    check_answer(c, 0, id, "allow", false);
}

static void judge_answers_by_default_when_the_budget_is_spent(void **state)
{
    struct court *c = *state;
    const struct tocsin_event *event;
    uint64_t id;

    tc_judge_configure(c->judge, false, 1);
    id = question(c);
    vote(c, "first", id, "allow", true);
    (void)uv_run(&c->loop, UV_RUN_DEFAULT); /* to the last timer */
    turn(c);
    assert_int_equal(c->count, 2);
    check_answer(c, 0, id, "deny", false);
    assert_true(
        tocsin_find_bool(c->heard[0]->pub.data, c->heard[0]->pub.len, "timeout", false));
    event = &c->heard[1]->pub;
    assert_string_equal(event->topic, "verdict.timeout");
    assert_true(tocsin_str_is(tocsin_event_str(event, "missing"), "second"));
    assert_true(tocsin_str_is(tocsin_event_str(event, "answer"), "deny"));
    assert_int_equal(tocsin_event_int(event, "count", 0), 1);
}

static void judge_names_a_voter_that_has_not_answered_three_times(void **state)
{
    struct court *c = *state;
    uint64_t id, second = tc_subscriber_bit(c->voters[1]);

    tc_judge_configure(c->judge, true, 1);
    for (size_t i = 0; i < TC_JUDGE_SILENT_AFTER; i++) {
        assert_int_equal(tc_judge_silent(c->judge), 0);
        id = question(c);
        vote(c, "first", id, "allow", true);
        (void)uv_run(&c->loop, UV_RUN_DEFAULT); /* to the last timer */
        turn(c);
    }
    assert_int_equal(tc_judge_silent(c->judge), second);
    vote(c, "second", id, "allow", true); /* too late: they waited all the same */
    assert_int_equal(tc_judge_silent(c->judge), second);
    tc_judge_configure(c->judge, true, 60000);
    id = question(c);
    vote(c, "second", id, "allow", true);
    assert_int_equal(tc_judge_silent(c->judge), 0);
    vote(c, "first", id, "allow", true);
}

static void judge_takes_an_abstention_for_an_answer(void **state)
{
    struct court *c = *state;
    uint64_t id[TC_JUDGE_SILENT_AFTER];

    tc_judge_configure(c->judge, true, 1);
    for (size_t i = 0; i < TC_JUDGE_SILENT_AFTER; i++) {
        id[i] = question(c);
        vote(c, "second", id[i], "abstain", false);
    }
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    turn(c);
    assert_int_equal(tc_judge_silent(c->judge), tc_subscriber_bit(c->voters[0]));
    tc_judge_voter_gone(c->judge, tc_subscriber_bit(c->voters[0]));
    assert_int_equal(tc_judge_silent(c->judge), 0);
}

/* A detector that comes late is shown what was answered without it, once it is there. */
static void judge_asks_again_what_was_asked_before_all_had_come(void **state)
{
    struct court *c = *state;
    struct tocsin_event other = draft;
    size_t asked;

    (void)question(c); /* all are there, as far as anybody knows */
    tc_judge_incomplete(c->judge);
    (void)question(c);
    (void)question(c);
    other.topic = "network.flow";
    assert_int_equal(tc_judge_publish(c->judge, &other, "sensor", NULL), 0);
    turn(c);
    asked = c->asked[0];
    tc_judge_ask_again(c->judge);
    turn(c);
    assert_int_equal(c->asked[0], asked + 2);
    tc_judge_ask_again(
        c->judge); /* there may come another; but what is asked again ... */
    turn(c);
    assert_int_equal(c->asked[0], asked + 4); /* ... is not kept anew */
    tc_judge_complete(c->judge);
    tc_judge_ask_again(c->judge);
    turn(c);
    assert_int_equal(c->asked[0], asked + 4);
}

/* One event a second; those of the last second are not left to the next timeout. */
static void regress_the_last_timeouts_are_reported_too(void **state)
{
    struct court *c = *state;
    int64_t reported = 0;

    tc_judge_configure(c->judge, true, 1);
    for (size_t i = 0; i < 3; i++)
        (void)question(c);
    (void)uv_run(&c->loop, UV_RUN_DEFAULT); /* to the last timer */
    turn(c);
    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->heard[i]->pub.topic, "verdict.timeout"))
            reported += tocsin_event_int(&c->heard[i]->pub, "count", 0);
    assert_int_equal(reported, 3);
}

/* It is not taken for one that allows, whatever the agent does without a verdict. */
static void judge_answers_by_default_when_a_voter_cannot_be_asked(void **state)
{
    struct court *c = *state;
    uint64_t id = 0;

    tc_judge_configure(c->judge, false, 10000);
    for (size_t i = 0; i < 5; i++) { /* one more than the voters' queues hold */
        const struct tocsin_event *event;

        assert_int_equal(tc_judge_publish(c->judge, &draft, "sensor", &event), 0);
        id = event->id;
        tc_event_unref(tc_event_of(event));
    }
    turn(c);
    assert_int_equal(c->count, 2);
    check_answer(c, 0, id, "deny", false);
    check_why(c, 0, "absent");
    assert_true(
        tocsin_str_is(tocsin_event_str(&c->heard[1]->pub, "missing"), "first, second"));
}

static void judge_answers_by_default_what_a_voter_cannot_judge(void **state)
{
    struct court *c = *state;
    uint64_t id;

    tc_judge_configure(c->judge, false, 10000);
    id = question(c);
    vote(c, "first", id, "abstain", true);
    vote(c, "second", id, "allow", true);
    assert_int_equal(c->count, 1);
    check_answer(c, 0, id, "deny", false);
    check_why(c, 0, "abstained");
}

static void judge_waits_no_longer_for_a_voter_that_has_gone(void **state)
{
    struct court *c = *state;
    uint64_t id = question(c);

    vote(c, "first", id, "allow", true);
    tc_judge_voter_gone(c->judge, tc_subscriber_bit(c->voters[1]));
    turn(c);
    assert_int_equal(c->count, 2);
    assert_int_equal(c->heard[0]->pub.reply_to, id);
    check_answer(c, 0, id, "allow", false);
    check_why(c, 0, "absent");
    check_voters(c, 0, 2);
}

static void answered(void *arg, uint64_t id, bool allow)
{
    struct court *c = arg;

    assert_true(allow);
    c->answered = id;
}

/* What another sensor asks about the same gets the same answer, and nobody is asked. */
static void judge_answers_a_shared_question_with_the_first(void **state)
{
    struct court *c = *state;
    const struct tocsin_event *event;
    uint64_t first, shared;

    tc_judge_handover(c->judge, answered, c);
    first = question(c);
    assert_int_equal(tc_judge_suppress(c->judge, &draft, "other", first, &event), 0);
    shared = event->id;
    tc_event_unref(tc_event_of(event));
    turn(c);
    assert_int_equal(c->asked[0], 1);
    vote(c, "first", first, "allow", true);
    vote(c, "second", first, "allow", true);
    assert_int_equal(c->answered, first);
    assert_int_equal(c->count, 2);
    check_answer(c, 0, first, "allow", false); /* nothing is cacheable in a handover */
    check_answer(c, 1, shared, "allow", false);
    tc_judge_handover(c->judge, NULL, NULL);
}

static void count_open(void *arg, const struct tocsin_event *event)
{
    (void)event;
    (*(size_t *)arg)++;
}

static void judge_answers_all_that_is_open_when_it_ends(void **state)
{
    struct court *c = *state;
    size_t open = 0;

    for (int i = 0; i < 3; i++)
        (void)question(c);
    tc_judge_each_open(c->judge, count_open, &open);
    assert_int_equal(open, 3);
    tc_judge_free(c->judge);
    c->judge = NULL;
    turn(c);
    assert_true(c->count >= 3);
    for (size_t i = 0, finals = 0; i < c->count; i++) {
        finals += !strcmp(c->heard[i]->pub.topic, TOCSIN_TOPIC_VERDICT_FINAL);
        assert_true(i + 1 < c->count || finals == 3);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(judge_allows_when_all_whom_it_asked_do),
        TEST(judge_says_when_nobody_was_asked),
        TEST(judge_says_what_it_has_answered_about_and_who_denied),
        TEST(judge_says_so_only_where_somebody_reads_it),
        TEST(judge_says_which_flow_it_has_answered_about),
        TEST(judge_denies_as_soon_as_one_does),
        TEST(judge_hears_voters_only_and_decisions_only),
        TEST(judge_answers_by_default_when_the_budget_is_spent),
        TEST(judge_names_a_voter_that_has_not_answered_three_times),
        TEST(judge_takes_an_abstention_for_an_answer),
        TEST(judge_asks_again_what_was_asked_before_all_had_come),
        TEST(regress_the_last_timeouts_are_reported_too),
        TEST(judge_answers_by_default_when_a_voter_cannot_be_asked),
        TEST(judge_answers_by_default_what_a_voter_cannot_judge),
        TEST(judge_waits_no_longer_for_a_voter_that_has_gone),
        TEST(judge_answers_a_shared_question_with_the_first),
        TEST(judge_answers_all_that_is_open_when_it_ends),
    };
#undef TEST

    return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
