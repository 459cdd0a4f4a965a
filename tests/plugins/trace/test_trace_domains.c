/* SPDX-License-Identifier: Apache-2.0 */
/* What trace remembers of looked-up domains, with answers and a time of the tests' own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trace_domains.h"

#include <stdio.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)
#define NOW_NS (5 * SECOND_NS)

/* A process: pid and start. */
struct who {
    int64_t pid, start;
};

static const struct who curl = {4711, 17}, other = {4712, 18}, nobody = {0, 0};

struct scratch {
    uint8_t bytes[4096];
    struct tocsin_writer w;
    struct tc_trace_domains domains;
    char text[512];
};

static int setup(void **state)
{
    static struct scratch scratch;

    memset(&scratch, 0, sizeof(scratch));
    *state = &scratch;
    return 0;
}

static int teardown(void **state)
{
    struct scratch *s = *state;

    tc_trace_domains_done(&s->domains);
    assert_int_equal(tc_trace_domains_count(&s->domains), 0);
    return 0;
}

static void begin(struct scratch *s, struct who who)
{
    tocsin_writer_init(&s->w, s->bytes, sizeof(s->bytes));
    tocsin_begin_map(&s->w, NULL);
    tocsin_put_uint(&s->w, "@timestamp", 1);
    if (!who.pid)
        return;
    tocsin_begin_map(&s->w, "process");
    tocsin_put_int(&s->w, "pid", who.pid);
    tocsin_put_int(&s->w, "start", who.start);
    tocsin_end(&s->w);
}

/* An alias comes first, as resolvers send it. */
static void take(struct scratch *s, struct who who, const char *name, const char *type,
                 const char *address, int64_t ttl, uint64_t now_ns)
{
    struct tocsin_event event = {.size = sizeof(event), .topic = "dns.answered"};

    begin(s, who);
    tocsin_begin_map(&s->w, "dns");
    tocsin_begin_map(&s->w, "question");
    tocsin_put_str(&s->w, "name", name);
    tocsin_end(&s->w);
    tocsin_begin_array(&s->w, "answers");
    tocsin_begin_map(&s->w, NULL);
    tocsin_put_str(&s->w, "name", name);
    tocsin_put_str(&s->w, "type", "CNAME");
    tocsin_put_str(&s->w, "data", "edge.cdn.test");
    tocsin_end(&s->w);
    tocsin_begin_map(&s->w, NULL);
    tocsin_put_str(&s->w, "name", "edge.cdn.test");
    tocsin_put_str(&s->w, "type", type);
    tocsin_put_int(&s->w, "ttl", ttl);
    tocsin_put_str(&s->w, "data", address);
    tocsin_end(&s->w);
    tocsin_end(&s->w);
    tocsin_end(&s->w);
    tocsin_end(&s->w);
    assert_int_equal(s->w.error, 0);
    event.data = s->w.buf;
    event.len = s->w.len;
    tc_trace_domains_take(&s->domains, &event, now_ns);
}

static void put_end(struct scratch *s, const char *key, const char *ip)
{
    tocsin_begin_map(&s->w, key);
    tocsin_put_str(&s->w, "ip", ip);
    tocsin_put_uint(&s->w, "port", 443);
    tocsin_end(&s->w);
}

/* "SOURCE>DESTINATION": what the event of a connection between them is filled in with. */
static const char *fill(struct scratch *s, const char *topic, struct who who,
                        const char *source, const char *destination, uint64_t now_ns)
{
    struct tocsin_str from, to;
    struct tocsin_writer w;

    begin(s, who);
    put_end(s, "source", source);
    put_end(s, "destination", destination);
    tocsin_put_str(&s->w, "behind", "it");
    tocsin_end(&s->w);
    if (!tc_trace_domains_fill(&s->domains, topic, s->w.buf, s->w.len, now_ns, &w))
        return "";
    from = tocsin_find_str(w.buf, w.len, TOCSIN_FIELD_SOURCE_DOMAIN);
    to = tocsin_find_str(w.buf, w.len, TOCSIN_FIELD_DESTINATION_DOMAIN);
    snprintf(s->text, sizeof(s->text), "%.*s>%.*s", (int)from.len,
             from.ptr ? from.ptr : "", (int)to.len, to.ptr ? to.ptr : "");
    /* All else is as it was. */
    assert_int_equal(w.len, s->w.len + from.len + to.len + strlen("?domain??"));
    assert_true(tocsin_str_is(tocsin_find_str(w.buf, w.len, "source.ip"), source));
    assert_true(tocsin_str_is(tocsin_find_str(w.buf, w.len, "behind"), "it"));
    assert_int_equal(tocsin_find_int(w.buf, w.len, "process.pid", 0), who.pid);
    assert_int_equal(tocsin_find_int(w.buf, w.len, "destination.port", 0), 443);
    tocsin_writer_done(&w);
    return s->text;
}

static const char *connected(struct scratch *s, struct who who, const char *ip,
                             uint64_t now_ns)
{
    return fill(s, "network.connected", who, "10.0.0.1", ip, now_ns);
}

/* ---- Promises ---- */

#define LONG_NAME "a-name-that-is-longer-than-thirty-one-bytes.example.test"

static void domains_are_those_that_were_asked_for_and_not_their_aliases(void **state)
{
    struct scratch *s = *state;

    take(s, curl, LONG_NAME, "A", "192.0.2.7", 60, NOW_NS);
    take(s, curl, LONG_NAME ".", "AAAA", "2001:db8::7", 60, NOW_NS);
    assert_string_equal(connected(s, curl, "192.0.2.7", NOW_NS), ">" LONG_NAME);
    assert_string_equal(connected(s, curl, "2001:db8::7", NOW_NS), ">" LONG_NAME);
    assert_string_equal(connected(s, curl, "192.0.2.8", NOW_NS), "");
    assert_int_equal(s->domains.filled, 2);
}

static void domains_of_ipv4_are_found_by_its_mapped_address(void **state)
{
    struct scratch *s = *state;

    take(s, curl, LONG_NAME, "A", "192.0.2.7", 60, NOW_NS);
    assert_string_equal(connected(s, curl, "::ffff:192.0.2.7", NOW_NS), ">" LONG_NAME);
}

static void domains_are_of_who_has_asked_else_of_anybody(void **state)
{
    struct scratch *s = *state;

    take(s, curl, LONG_NAME ".curl", "A", "192.0.2.7", 60, NOW_NS);
    take(s, other, LONG_NAME ".other", "A", "192.0.2.7", 60, NOW_NS);
    assert_string_equal(connected(s, curl, "192.0.2.7", NOW_NS), ">" LONG_NAME ".curl");
    assert_string_equal(connected(s, other, "192.0.2.7", NOW_NS), ">" LONG_NAME ".other");
    assert_string_equal(connected(s, (struct who){curl.pid, 99}, "192.0.2.7", NOW_NS),
                        ">" LONG_NAME ".other");
    assert_string_equal(connected(s, nobody, "192.0.2.7", NOW_NS),
                        ">" LONG_NAME ".other");
}

static void domains_of_the_latest_answer_win(void **state)
{
    struct scratch *s = *state;

    take(s, nobody, LONG_NAME ".one", "A", "192.0.2.7", 3600, NOW_NS);
    take(s, nobody, LONG_NAME ".two", "A", "192.0.2.7", 60, NOW_NS);
    assert_string_equal(connected(s, curl, "192.0.2.7", NOW_NS), ">" LONG_NAME ".two");
    assert_int_equal(tc_trace_domains_count(&s->domains), 1);
}

static void domains_hold_as_long_as_the_answer_within_bounds(void **state)
{
    static const struct {
        int64_t ttl;
        uint64_t holds_s;
    } rows[] = {{0, 10}, {-1, 10}, {60, 60}, {1000000, 3600}};
    struct scratch *s = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t end_ns = NOW_NS + rows[i].holds_s * SECOND_NS;

        take(s, curl, LONG_NAME, "A", "192.0.2.7", rows[i].ttl, NOW_NS);
        assert_string_equal(connected(s, curl, "192.0.2.7", end_ns - 1), ">" LONG_NAME);
        assert_string_equal(connected(s, curl, "192.0.2.7", end_ns), "");
        assert_int_equal(tc_trace_domains_count(&s->domains), 0);
    }
}

static void domains_of_who_was_accepted_are_the_sources(void **state)
{
    struct scratch *s = *state;

    take(s, other, LONG_NAME, "A", "192.0.2.7", 60, NOW_NS);
    assert_string_equal(
        fill(s, "network.accepted", curl, "192.0.2.7", "10.0.0.1", NOW_NS),
        LONG_NAME ">");
    assert_string_equal(
        fill(s, "network.connect_failed", curl, "10.0.0.1", "192.0.2.7", NOW_NS),
        ">" LONG_NAME);
    assert_string_equal(
        fill(s, "process.started", curl, "192.0.2.7", "192.0.2.7", NOW_NS), "");
}

static void domains_are_of_addresses_alone(void **state)
{
    struct scratch *s = *state;
    char endless[TC_TRACE_DOMAIN_MAX + 2];

    memset(endless, 'a', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    take(s, curl, LONG_NAME, "TXT", "192.0.2.7", 60, NOW_NS);
    take(s, curl, LONG_NAME, "A", "192.0.2", 60, NOW_NS);
    take(s, curl, ".", "A", "192.0.2.7", 60, NOW_NS);
    take(s, curl, endless, "A", "192.0.2.7", 60, NOW_NS);
    assert_int_equal(tc_trace_domains_count(&s->domains), 0);
}

static void domains_unused_for_longest_make_room(void **state)
{
    struct scratch *s = *state;
    char address[64];

    for (unsigned i = 0; i < TC_TRACE_DOMAINS_MAX; i++) {
        snprintf(address, sizeof(address), "2001:db8::%x", i);
        take(s, nobody, LONG_NAME, "AAAA", address, 60, NOW_NS);
    }
    assert_string_equal(connected(s, curl, "2001:db8::0", NOW_NS), ">" LONG_NAME);
    take(s, nobody, LONG_NAME, "AAAA", "2001:db8::1:0:0", 60, NOW_NS);
    assert_int_equal(tc_trace_domains_count(&s->domains), TC_TRACE_DOMAINS_MAX);
    assert_int_equal(s->domains.evicted, 1);
    assert_string_equal(connected(s, curl, "2001:db8::0", NOW_NS), ">" LONG_NAME);
    assert_string_equal(connected(s, curl, "2001:db8::1", NOW_NS), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(domains_are_those_that_were_asked_for_and_not_their_aliases),
        TEST(domains_of_ipv4_are_found_by_its_mapped_address),
        TEST(domains_are_of_who_has_asked_else_of_anybody),
        TEST(domains_of_the_latest_answer_win),
        TEST(domains_hold_as_long_as_the_answer_within_bounds),
        TEST(domains_of_who_was_accepted_are_the_sources),
        TEST(domains_are_of_addresses_alone),
        TEST(domains_unused_for_longest_make_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
