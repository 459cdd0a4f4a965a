/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of ipc/tap.h. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tocsin/event.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/tap.h"
#include "tests/support/rpc_server.h"

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct rpc_server));
    rpc_server_start(*state);
    return 0;
}

static int teardown(void **state)
{
    rpc_server_stop(*state);
    free(*state);
    return 0;
}

/* ---- Opening, publishing, reading ---- */

/* What a tap.open asks for; NULL leaves a key out. */
struct wish {
    const char *topic;
    const char *filter;
};

static int64_t open_tap(struct tc_client *client, const struct wish *wish,
                        struct tc_answer *ret_answer)
{
    struct tocsin_writer w;
    uint8_t buf[2048];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    if (wish->topic) {
        tocsin_begin_array(&w, "topics");
        tocsin_put_str(&w, NULL, wish->topic);
        tocsin_end(&w);
    }
    if (wish->filter)
        tocsin_put_str(&w, "filter", wish->filter);
    tocsin_end(&w);
    assert_int_equal(w.error, 0);
    rpc_server_call(client, "tap.open", w.buf, w.len, ret_answer);
    if (!ret_answer->result)
        return -1;
    return tocsin_find_int(ret_answer->data, ret_answer->len, "tap", -1);
}

static int64_t must_open_tap(struct tc_client *client, const char *topic)
{
    struct wish wish = {.topic = topic};
    struct tc_answer answer;
    int64_t tap = open_tap(client, &wish, &answer);

    assert_true(tap > 0);
    return tap;
}

static void close_tap(struct tc_client *client, int64_t tap, tc_client_notify_fn notify,
                      void *arg, struct tc_answer *ret_answer)
{
    struct tocsin_writer w;
    uint8_t buf[32];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_int(&w, "tap", tap);
    tocsin_end(&w);
    assert_int_equal(
        tc_client_call(client, "tap.close", w.buf, w.len, notify, arg, ret_answer), 0);
}

/* How `publish` is to go about it. */
struct burst {
    const char *topic;
    uint32_t count, every;
    bool descriptor;
};

/* The ids of the events that were published. */
struct ids {
    int64_t first, last;
};

static const uint8_t small_data[] = {0x81, 0xa1, 'k', 0x2a};

static struct ids publish_data(struct tc_client *client, const struct burst *burst,
                               const void *data, size_t len)
{
    struct tc_answer answer;
    struct tocsin_writer w;
    struct ids ids;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "topic", burst->topic);
    tocsin_put_uint(&w, "count", burst->count);
    tocsin_put_uint(&w, "every", burst->every);
    tocsin_put_bool(&w, "descriptor", burst->descriptor);
    tocsin_put_encoded(&w, "data", data, len);
    tocsin_end(&w);
    rpc_server_call(client, "publish", w.buf, w.len, &answer);
    assert_non_null(answer.result);
    tocsin_writer_done(&w);
    ids.first = tocsin_find_int(answer.data, answer.len, "first", -1);
    ids.last = tocsin_find_int(answer.data, answer.len, "last", -1);
    return ids;
}

static struct ids publish_one(struct tc_client *client, const char *topic)
{
    struct burst burst = {.topic = topic, .count = 1, .every = 1};

    return publish_data(client, &burst, small_data, sizeof(small_data));
}

/* A notification of a tap, taken apart. */
struct news {
    bool missed; /* tap.missed, else tap.event */
    struct tocsin_value fields[6];
};

static void read_news(const struct tc_message *message, struct news *ret)
{
    struct tocsin_value array;
    struct tocsin_iter it;
    uint32_t n = 0;

    ret->missed = !strcmp(message->method, "tap.missed");
    if (!ret->missed)
        assert_string_equal(message->method, "tap.event");
    assert_non_null(tocsin_read(message->data, message->data + message->len, &array));
    assert_int_equal(array.count, ret->missed ? 3 : 6);
    tocsin_iter_init(&it, &array);
    while (tocsin_iter_next(&it, NULL, &ret->fields[n]))
        n++;
    assert_int_equal(n, array.count);
}

static void next_news(struct tc_client *client, struct news *ret)
{
    struct tc_message message;

    assert_int_equal(tc_client_next(client, &message), 0);
    read_news(&message, ret);
}

static void expect_event(struct tc_client *client, const char *topic, int64_t id)
{
    struct tocsin_str name;
    struct news news;

    next_news(client, &news);
    assert_false(news.missed);
    name.ptr = news.fields[0].ptr;
    name.len = news.fields[0].len;
    assert_true(tocsin_str_is(name, topic));
    assert_int_equal(news.fields[2].u, id);
}

static void fail_on_news(void *arg, const struct tc_message *message)
{
    (void)arg;
    fail_msg("unexpected %s", message->method);
}

/* What the agent has written by now, and what it writes until it answers, is nothing. */
static void expect_silence(struct tc_client *client)
{
    struct tc_answer answer;

    assert_int_equal(tc_client_call(client, "echo", NULL, 0, fail_on_news, NULL, &answer),
                     0);
}

/*
 * Reads until received and missed events are as many as were published. `exact`: each
 * tap.missed stands where the missing ids are.
 */
static int64_t read_all(struct tc_client *client, int64_t tap, const struct ids *ids,
                        bool exact)
{
    int64_t received = 0, missed = 0, last = ids->first - 1;
    struct news news;

    while (received + missed < ids->last - ids->first + 1) {
        next_news(client, &news);
        if (news.missed) {
            assert_int_equal(news.fields[0].u, tap);
            missed += (int64_t)news.fields[1].u;
            assert_int_equal(news.fields[2].u, missed);
            continue;
        }
        received++;
        if (exact)
            assert_int_equal(news.fields[2].u, ids->first - 1 + received + missed);
        assert_true((int64_t)news.fields[2].u > last);
        last = (int64_t)news.fields[2].u;
    }
    assert_int_equal(received + missed, ids->last - ids->first + 1);
    expect_silence(client);
    return missed;
}

/* ---- Taps ---- */

static void tap_delivers_the_bytes_as_they_were_published(void **state)
{
    /* numbers and lengths written longer than need be, which an encoder would shorten */
    static const uint8_t data[] = {0xdf, 0, 0, 0, 2, 0xd9, 1, 'a',  0xcf, 0,    0,    0,
                                   0,    0, 0, 0, 1, 0xda, 0, 1,    'b',  0x92, 0xd3, 0,
                                   0,    0, 0, 0, 0, 0,    1, 0xc4, 1,    0xff};
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    struct burst burst = {.topic = "file.open", .count = 3, .every = 1};
    struct ids ids;
    struct news news;

    must_open_tap(reader, NULL);
    ids = publish_data(other, &burst, data, sizeof(data));
    for (int64_t id = ids.first; id <= ids.last; id++) {
        next_news(reader, &news);
        assert_memory_equal(news.fields[0].ptr, "file.open", 9);
        assert_memory_equal(news.fields[1].ptr, "test", 4);
        assert_int_equal(news.fields[2].u, id);
        assert_int_equal(tocsin_value_size(&news.fields[3]), sizeof(data));
        assert_memory_equal(news.fields[3].start, data, sizeof(data));
        assert_int_equal(news.fields[4].u, 0); /* this server has no clock */
        assert_int_equal(news.fields[5].u, 0);
    }
    tc_client_close(reader);
    tc_client_close(other);
}

static void tap_delivers_an_event_as_large_as_one_may_be(void **state)
{
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    size_t size = TOCSIN_EVENT_MAX_BYTES - 128; /* room for the call around it */
    struct burst burst = {.topic = "x.y", .count = 20, .every = 1};
    void *zeros = calloc(1, size);
    struct tocsin_writer w;
    struct ids ids;

    must_open_tap(reader, NULL);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_bin(&w, "zeros", zeros, size);
    tocsin_end(&w);
    ids = publish_data(other, &burst, w.buf, w.len);
    assert_true(read_all(reader, 1, &ids, true) > 0);
    tocsin_writer_done(&w);
    free(zeros);
    tc_client_close(reader);
    tc_client_close(other);
}

static void tap_shows_only_the_topics_it_was_opened_for(void **state)
{
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    struct ids ids;

    must_open_tap(reader, "file.*");
    publish_one(other, "process.started");
    ids = publish_one(other, "file.open");
    expect_event(reader, "file.open", ids.first);
    publish_one(other, "filer.open");
    expect_silence(reader);
    tc_client_close(reader);
    tc_client_close(other);
}

static void tap_shows_only_events_that_match_its_filter(void **state)
{
    static const uint8_t curl[] = {0x81, 0xa1, 'k', 0xa4, 'c', 'u', 'r', 'l'};
    static const uint8_t wget[] = {0x81, 0xa1, 'k', 0xa4, 'w', 'g', 'e', 't'};
    struct wish wish = {.filter = "\"k\"=c*l"};
    struct burst burst = {.topic = "file.open", .count = 1, .every = 1};
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    struct tc_answer answer;
    struct ids ids;

    assert_true(open_tap(reader, &wish, &answer) > 0);
    publish_data(other, &burst, wget, sizeof(wget));
    ids = publish_data(other, &burst, curl, sizeof(curl));
    expect_event(reader, "file.open", ids.first);
    expect_silence(reader);
    tc_client_close(reader);
    tc_client_close(other);
}

static void two_taps_each_see_every_event(void **state)
{
    struct tc_client *a = rpc_server_client(*state), *b = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    struct ids ids;

    must_open_tap(a, NULL);
    must_open_tap(b, "x.*");
    for (int i = 0; i < 3; i++) {
        ids = publish_one(other, "x.y");
        expect_event(a, "x.y", ids.first);
        expect_event(b, "x.y", ids.first);
    }
    tc_client_close(a);
    tc_client_close(b);
    tc_client_close(other);
}

static void tap_close_ends_the_events_and_only_its_own_connection_may(void **state)
{
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    int64_t tap = must_open_tap(reader, NULL);
    struct tc_answer answer;

    close_tap(other, tap, NULL, NULL, &answer);
    assert_string_equal(answer.code, "not_found");
    close_tap(reader, tap, fail_on_news, NULL, &answer);
    assert_non_null(answer.result);
    publish_one(other, "x.y");
    expect_silence(reader);
    close_tap(reader, tap, NULL, NULL, &answer);
    assert_string_equal(answer.code, "not_found");
    tc_client_close(reader);
    tc_client_close(other);
}

static void tap_open_refuses_what_it_does_not_understand(void **state)
{
    static const struct {
        const char *params;
        size_t len;
        const char *says;
    } cases[] = {
#define CASE(bytes, says) {bytes, sizeof(bytes) - 1, says}
        CASE("\x81\xa5topic\xa1*", "not topic"),
        CASE("\x81\xa6topics\xa1*", "list"),
        CASE("\x81\xa6topics\x90", "list"),
        CASE("\x81\xa6topics\x91\x01", "is no topic"),
        CASE("\x81\xa6topics\x91\xa2.*", "is no topic"),
        CASE("\x81\xa6topics\x91\xa3x\0y", "is no topic"),
        CASE("\x81\xa6topics\x91\xa3x.?", "\"x.?\" is no topic"),
        CASE("\x81\xa6topics\x91\xa8verdict*", "\"verdict*\" is no topic: give"),
        CASE("\x81\xa6"
             "filter\x01",
             "list of texts"),
        CASE("\x81\xa6"
             "filter\x91\x01",
             "list of texts"),
        CASE("\x81\xa6"
             "filter\xa1*",
             "FIELD=VALUE"),
        CASE("\x81\xa6"
             "filter\xaa"
             "file.pth=x",
             "no field file.pth; did you mean file.path?"),
        CASE("\x81\xa6"
             "follow\x90",
             "list of 1 to"),
        CASE("\x81\xa6"
             "follow\x91\xa1x",
             "list of 1 to"),
#undef CASE
    };
    struct tc_client *client = rpc_server_client(*state);
    struct tc_answer answer;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rpc_server_call(client, "tap.open", cases[i].params, cases[i].len, &answer);
        assert_null(answer.result);
        assert_string_equal(answer.code, "usage");
        if (!strstr(answer.message, cases[i].says))
            fail_msg("case %zu says: %s", i, answer.message);
    }
    tc_client_close(client);
}

static void the_tap_beyond_the_limit_is_refused_until_one_closes(void **state)
{
    struct tc_client *client = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    struct wish wish = {.topic = "x.y"};
    struct tc_answer answer;

    for (int i = 0; i < TC_RPC_TAPS_MAX; i++)
        must_open_tap(i % 2 ? client : other, "x.y");
    assert_int_equal(open_tap(client, &wish, &answer), -1);
    assert_string_equal(answer.code, "refused");
    assert_int_equal(rpc_server_ask(client, "stats", "refused_taps"), 1);
    tc_client_close(other);
    while (open_tap(client, &wish, &answer) < 0)
        assert_string_equal(answer.code, "refused");
    tc_client_close(client);
}

/* ---- Slow readers ---- */

static void tap_slow_reader_never_blocks_the_bus(void **state)
{
    struct burst burst = {.topic = "file.open", .count = 100000, .every = 100};
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    int64_t tap = must_open_tap(reader, NULL);
    struct ids ids;

    /* The answer comes when all are delivered, and nobody has read a byte. */
    ids = publish_data(other, &burst, small_data, sizeof(small_data));
    assert_int_equal(ids.last - ids.first + 1, 100000);
    assert_true(read_all(reader, tap, &ids, true) > 0);
    /* and from here on nothing is missed any more */
    ids = publish_one(other, "file.open");
    expect_event(reader, "file.open", ids.first);
    tc_client_close(reader);
    tc_client_close(other);
}

/* Reads until the event `last`; how many of the topic came. */
static unsigned count_topic(struct tc_client *client, const char *topic, int64_t last)
{
    unsigned count = 0;
    struct news news;

    do {
        struct tocsin_str name;

        next_news(client, &news);
        name = (struct tocsin_str){news.fields[0].ptr, news.fields[0].len};
        count += !news.missed && tocsin_str_is(name, topic);
    } while (news.missed || (int64_t)news.fields[2].u != last);
    return count;
}

static void tap_keeps_an_alert_when_its_reader_is_flooded(void **state)
{
    struct burst flood = {.topic = "file.open", .count = 50000, .every = 100};
    struct burst alerts = {
        .topic = "alert.raised", .count = TC_TAP_KEPT_EVENTS_MAX, .every = 100};
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    struct ids ids;

    must_open_tap(reader, NULL);
    publish_data(other, &flood, small_data, sizeof(small_data));
    ids = publish_data(other, &alerts, small_data, sizeof(small_data));
    publish_data(other, &flood, small_data, sizeof(small_data));
    assert_int_equal(count_topic(reader, "alert.raised", ids.last),
                     TC_TAP_KEPT_EVENTS_MAX);
    tc_client_close(reader);
    tc_client_close(other);
}

/* Beyond that room it is told how many it has missed, of alerts, too. */
static void tap_says_how_many_alerts_its_reader_has_missed(void **state)
{
    struct burst burst = {.topic = "alert.raised", .count = 50000, .every = 100};
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    int64_t tap = must_open_tap(reader, NULL);
    struct ids ids;

    ids = publish_data(other, &burst, small_data, sizeof(small_data));
    assert_true(read_all(reader, tap, &ids, true) > 0);
    tc_client_close(reader);
    tc_client_close(other);
}

static void tap_reader_that_keeps_up_misses_nothing(void **state)
{
    struct burst burst = {.topic = "x.y", .count = 100, .every = 10};
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    int64_t tap = must_open_tap(reader, NULL);
    struct ids ids;

    for (int i = 0; i < 100; i++) {
        ids = publish_data(other, &burst, small_data, sizeof(small_data));
        assert_int_equal(read_all(reader, tap, &ids, true), 0);
    }
    tc_client_close(reader);
    tc_client_close(other);
}

static void tap_counts_what_the_bus_had_no_room_for(void **state)
{
    /* no turn of the bus until long after its queue is full */
    struct burst burst = {
        .topic = "x.y", .count = 3 * TC_BUS_QUEUE_DEFAULT, .every = UINT32_MAX};
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    int64_t tap = must_open_tap(reader, NULL);
    struct ids ids;

    ids = publish_data(other, &burst, small_data, sizeof(small_data));
    assert_true(read_all(reader, tap, &ids, false) >= 2 * TC_BUS_QUEUE_DEFAULT);
    tc_client_close(reader);
    tc_client_close(other);
}

static unsigned open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

/* With the agent's end of this client's connection counted, too. */
static unsigned descriptors_at_rest(struct tc_client *client)
{
    rpc_server_ask(client, "echo", "n");
    return open_descriptors();
}

static void tap_of_a_stopped_reader_holds_few_descriptors(void **state)
{
    struct burst burst = {
        .topic = "file.open", .count = 20000, .every = 50, .descriptor = true};
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    int64_t tap = must_open_tap(reader, NULL);
    unsigned before = descriptors_at_rest(other);
    struct ids ids;

    ids = publish_data(other, &burst, small_data, sizeof(small_data));
    assert_true(open_descriptors() <= before + TC_TAP_DESCRIPTORS_MAX);
    assert_true(read_all(reader, tap, &ids, true) > 0);
    assert_int_equal(open_descriptors(), before);
    tc_client_close(reader);
    tc_client_close(other);
}

static int64_t stat_of_first_tap(struct tc_client *client, const char *key)
{
    struct tocsin_value list, connection, taps, tap;
    struct tc_answer answer;
    struct tocsin_iter it, inner;

    rpc_server_call(client, "stats", NULL, 0, &answer);
    assert_true(tocsin_find(answer.data, answer.len, "connections", &list));
    tocsin_iter_init(&it, &list);
    while (tocsin_iter_next(&it, NULL, &connection)) {
        size_t len = tocsin_value_size(&connection);

        assert_int_equal(tocsin_find_int(connection.start, len, "pid", -1), getpid());
        assert_true(tocsin_find(connection.start, len, "taps", &taps));
        tocsin_iter_init(&inner, &taps);
        if (tocsin_iter_next(&inner, NULL, &tap))
            return tocsin_find_int(tap.start, tocsin_value_size(&tap), key, -1);
    }
    fail_msg("no tap is open");
    return -1;
}

static void tap_stats_account_for_every_event(void **state)
{
    struct burst burst = {.topic = "x.y", .count = 50000, .every = 100};
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);

    must_open_tap(reader, NULL);
    publish_data(other, &burst, small_data, sizeof(small_data));
    assert_int_equal(stat_of_first_tap(other, "queued"), TC_TAP_EVENTS_MAX);
    assert_int_equal(stat_of_first_tap(other, "queued_bytes"),
                     TC_TAP_EVENTS_MAX * sizeof(small_data));
    assert_int_equal(stat_of_first_tap(other, "sent") +
                         stat_of_first_tap(other, "missed") +
                         stat_of_first_tap(other, "queued"),
                     50000);
    tc_client_close(reader);
    tc_client_close(other);
}

static void tap_can_be_closed_while_its_reader_is_behind(void **state)
{
    struct burst burst = {.topic = "x.y", .count = 50000, .every = 100};
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    int64_t tap = must_open_tap(reader, NULL);
    struct tc_answer answer;

    publish_data(other, &burst, small_data, sizeof(small_data));
    close_tap(reader, tap, NULL, NULL, &answer);
    assert_non_null(answer.result);
    publish_one(other, "x.y");
    expect_silence(reader);
    tc_client_close(reader);
    tc_client_close(other);
}

static void a_reader_may_leave_while_it_is_behind(void **state)
{
    struct burst burst = {
        .topic = "x.y", .count = 50000, .every = 100, .descriptor = true};
    struct tc_client *other = rpc_server_client(*state);
    unsigned before = descriptors_at_rest(other);

    for (int i = 0; i < 3; i++) {
        struct tc_client *reader = rpc_server_client(*state);

        must_open_tap(reader, NULL);
        publish_data(other, &burst, small_data, sizeof(small_data));
        tc_client_close(reader);
        publish_data(other, &burst, small_data, sizeof(small_data));
    }
    /* every event's reference is given back: its descriptor is closed */
    for (time_t until = time(NULL) + 60; descriptors_at_rest(other) != before;)
        assert_true(time(NULL) < until);
    tc_client_close(other);
}

static void the_agent_may_end_while_a_reader_is_behind(void **state)
{
    struct burst burst = {.topic = "x.y", .count = 50000, .every = 100};
    struct tc_client *reader, *other;
    struct rpc_server server;

    (void)state;
    rpc_server_start(&server);
    reader = rpc_server_client(&server);
    other = rpc_server_client(&server);
    must_open_tap(reader, NULL);
    publish_data(other, &burst, small_data, sizeof(small_data));
    rpc_server_stop(&server);
    tc_client_close(reader);
    tc_client_close(other);
}

/* ---- Following, sampling ---- */

/* {process: {pid, parent: {pid}}} */
static void publish_process(struct tc_client *client, const char *topic, uint64_t pid,
                            uint64_t parent)
{
    struct burst burst = {.topic = topic, .count = 1, .every = 1};
    struct tocsin_writer w;
    uint8_t buf[128];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "process");
    tocsin_put_uint(&w, "pid", pid);
    tocsin_begin_map(&w, "parent");
    tocsin_put_uint(&w, "pid", parent);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_end(&w);
    publish_data(client, &burst, w.buf, w.len);
}

static void tap_follows_a_process_and_its_children(void **state)
{
    static const uint8_t params[] = "\x82\xa6topics\x91\xa6"
                                    "file.*\xa6"
                                    "follow\x91\x64";
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    struct tc_answer answer;
    struct ids ids;

    rpc_server_call(reader, "tap.open", params, sizeof(params) - 1, &answer);
    assert_non_null(answer.result);
    publish_process(other, "process.forked", 101, 100); /* learnt, but not asked for */
    publish_process(other, "process.forked", 102, 101);
    publish_process(other, "process.forked", 201, 200);
    publish_process(other, "file.open", 201, 200);
    expect_silence(reader);
    /* 102 says nothing of who started it: that was in process.forked. */
    publish_process(other, "file.open", 102, 1);
    ids = publish_one(other, "file.open"); /* of nobody */
    expect_event(reader, "file.open", ids.first - 1);
    expect_silence(reader);
    tc_client_close(reader);
    tc_client_close(other);
}

static void tap_takes_one_in_n(void **state)
{
    static const uint8_t params[] = "\x81\xa6sample\x03";
    struct burst burst = {.topic = "x.y", .count = 7, .every = 1};
    struct tc_client *reader = rpc_server_client(*state);
    struct tc_client *other = rpc_server_client(*state);
    struct tc_answer answer;
    struct ids ids;

    rpc_server_call(reader, "tap.open", params, sizeof(params) - 1, &answer);
    assert_non_null(answer.result);
    ids = publish_data(other, &burst, small_data, sizeof(small_data));
    for (int64_t id = ids.first; id <= ids.last; id += 3)
        expect_event(reader, "x.y", id);
    expect_silence(reader);
    tc_client_close(reader);
    tc_client_close(other);
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(tap_delivers_the_bytes_as_they_were_published),
        SERVER_TEST(tap_delivers_an_event_as_large_as_one_may_be),
        SERVER_TEST(tap_shows_only_the_topics_it_was_opened_for),
        SERVER_TEST(tap_shows_only_events_that_match_its_filter),
        SERVER_TEST(tap_follows_a_process_and_its_children),
        SERVER_TEST(tap_takes_one_in_n),
        SERVER_TEST(two_taps_each_see_every_event),
        SERVER_TEST(tap_close_ends_the_events_and_only_its_own_connection_may),
        SERVER_TEST(tap_open_refuses_what_it_does_not_understand),
        SERVER_TEST(the_tap_beyond_the_limit_is_refused_until_one_closes),
        SERVER_TEST(tap_slow_reader_never_blocks_the_bus),
        SERVER_TEST(tap_keeps_an_alert_when_its_reader_is_flooded),
        SERVER_TEST(tap_says_how_many_alerts_its_reader_has_missed),
        SERVER_TEST(tap_reader_that_keeps_up_misses_nothing),
        SERVER_TEST(tap_counts_what_the_bus_had_no_room_for),
        SERVER_TEST(tap_of_a_stopped_reader_holds_few_descriptors),
        SERVER_TEST(tap_stats_account_for_every_event),
        SERVER_TEST(tap_can_be_closed_while_its_reader_is_behind),
        SERVER_TEST(a_reader_may_leave_while_it_is_behind),
        cmocka_unit_test(the_agent_may_end_while_a_reader_is_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
