/* SPDX-License-Identifier: Apache-2.0 */
/* What the journal keeps when there is too much: nobody pushes out what others said, and
 * nobody changes what is another's. */
#include "tests/support/journal_fixture.h"

#include "core/journal/journal_store.h"
#include "core/journal/journal_writer.h"

#define DAY_NS (UINT64_C(86400) * 1000000000)

static struct tc_store *open_store(const struct fixture *f, struct tc_store_limits keep)
{
    struct tc_store *store;
    char why[256];

    assert_int_equal(tc_store_open(f->db, keep, &store, why), 0);
    /* Thousands of transactions, of which none has to outlive a loss of power. */
    assert_int_equal(
        sqlite3_exec(store->db, "PRAGMA synchronous = OFF", NULL, NULL, NULL), SQLITE_OK);
    return store;
}

/* Writes one event as the journal's thread does, with a limit on what is kept. */
static void put(struct fixture *f, struct tc_store *store, const char *topic,
                uint64_t time_ns, const struct tocsin_writer *w)
{
    struct tc_event *event = make_event(f, topic, time_ns, w, -1);

    assert_int_equal(tc_store_begin(store), 0);
    assert_int_equal(tc_store_put(store, &event->pub, NULL), 0);
    assert_int_equal(tc_store_prune(store, 1 + 256, time_ns), 0);
    assert_int_equal(tc_store_commit(store), 0);
    tc_event_unref(event);
}

static void put_noise(struct fixture *f, struct tc_store *store, const char *topic,
                      uint64_t time_ns, size_t ballast)
{
    struct tocsin_writer w;
    char *bytes = calloc(1, ballast + 1);

    assert_non_null(bytes);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_bin(&w, "ballast", bytes, ballast);
    tocsin_end(&w);
    put(f, store, topic, time_ns, &w);
    tocsin_writer_done(&w);
    free(bytes);
}

/* An alert of a rule about what a user did. */
static void put_alert(struct fixture *f, struct tc_store *store, uint64_t n,
                      const char *rule, unsigned user, size_t ballast)
{
    struct tocsin_writer w;
    char *bytes = calloc(1, ballast + 1), id[32];

    assert_non_null(bytes);
    (void)snprintf(id, sizeof(id), "%s-%u-%llu", rule, user, (unsigned long long)n);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "alert");
    tocsin_put_str(&w, "id", id);
    tocsin_put_str(&w, "title", rule);
    tocsin_end(&w);
    tocsin_begin_map(&w, "rule");
    tocsin_put_str(&w, "id", rule);
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_begin_map(&w, "user");
    tocsin_put_uint(&w, "id", user);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_put_bin(&w, "ballast", bytes, ballast);
    tocsin_end(&w);
    put(f, store, TOCSIN_TOPIC_ALERT_RAISED, n, &w);
    tocsin_writer_done(&w);
    free(bytes);
}

/* Last week: something of everything. */
static void last_week(struct fixture *f, struct tc_store *store)
{
    for (uint64_t n = 1; n <= 20; n++) {
        f->source = "core";
        put_noise(f, store, "agent.command", n, 100);
        put_noise(f, store, "approval.granted", n, 100);
        f->source = "es";
        put_noise(f, store, "sensor.gap", n, 100);
        f->source = "edr";
        put_alert(f, store, n, "rule", 1000, 100);
    }
}

static void assert_last_week(const struct fixture *f)
{
    assert_int_equal(
        sql_int(f, "SELECT count(*) FROM events WHERE time_ns <= 20 AND source <> 'edr'"),
        60);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM alerts WHERE time_ns <= 20"), 20);
}

static void regress_a_flood_pushes_out_nothing_but_itself(void **state)
{
    static const struct {
        const char *source, *topic;
        size_t ballast;
    } floods[] = {{"core", "agent.command_refused", 100},
                  {"kext", "sensor.gap", 100},
                  {"acme", "alert.noise", 100},
                  {"acme", "alert.noise", 20000}};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(floods) / sizeof(*floods); i++) {
        struct tc_store *store =
            open_store(f, (struct tc_store_limits){.events = 400, .bytes = 2000000});

        last_week(f, store);
        f->source = floods[i].source;
        for (uint64_t n = 100; n < 3000; n++)
            put_noise(f, store, floods[i].topic, n, floods[i].ballast);
        assert_last_week(f);
        assert_in_range(sql_int(f, "SELECT count(*) FROM events"), 100, 400);
        assert_int_equal(sql_int(f, "SELECT max(time_ns) FROM events"), 2999);
        /* What went was counted, by topic and source. */
        assert_int_equal(sql_int(f, "SELECT sum(pruned) FROM kinds"),
                         80 + 20 + 2900 - sql_int(f, "SELECT count(*) FROM events") - 20);
        tc_store_close(store);
        remove_files(f);
    }
}

static void regress_a_user_pushes_out_no_alerts_but_his_own_of_that_rule(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store =
        open_store(f, (struct tc_store_limits){.events = 100000, .bytes = 3000000});

    last_week(f, store);
    f->source = "edr";
    for (uint64_t n = 100; n < 3000; n++)
        put_alert(f, store, n, "noisy", 4000, 3000);
    assert_last_week(f);
    assert_true(sql_int(f, "SELECT count(*) FROM alerts WHERE rule_id = 'noisy'") > 100);
    assert_true(sql_int(f, "SELECT pruned FROM kinds WHERE topic = 'alerts'") > 1000);
    assert_int_equal(sql_int(f, "SELECT max(time_ns) FROM alerts"), 2999);
    tc_store_close(store);
}

static void store_keeps_the_file_within_its_bound(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store =
        open_store(f, (struct tc_store_limits){.events = 100000, .bytes = 4000000});
    uint64_t n = 1;

    /* Small ones first, so that as many large ones do not fit into their place. */
    for (; n < 4000; n++)
        put_noise(f, store, "sensor.gap", n, 200);
    for (; n < 6000; n++) {
        put_noise(f, store, "alert.noise", n, 30000);
        assert_in_range(sql_int(f, "PRAGMA page_count"), 1, 4000000 / 4096);
    }
    tc_store_close(store);
}

static void store_makes_the_file_smaller_when_its_bound_is_lowered(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store =
        open_store(f, (struct tc_store_limits){.events = 100000, .bytes = 4000000});
    uint64_t n = 1;

    for (; n < 2000; n++)
        put_noise(f, store, "alert.noise", n, 3000);
    assert_in_range(sql_int(f, "PRAGMA page_count"), 2000000 / 4096, 4000000 / 4096);
    store->keep.bytes = 1000000;
    for (; n < 2100; n++) {
        put_noise(f, store, "sensor.gap", n, 200);
        assert_int_equal(tc_store_shrink(store, n), 0);
    }
    assert_in_range(sql_int(f, "PRAGMA page_count"), 1, 1000000 / 4096);
    assert_true(store->usage.used_bytes + store->usage.free_bytes <= 1000000);
    tc_store_close(store);
}

static void store_counts_each_kind_as_the_tables_do(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store =
        open_store(f, (struct tc_store_limits){.events = 60, .bytes = 1 << 30});

    last_week(f, store);
    last_week(f, store);
    assert_int_equal(sql_int(f,
                             "SELECT count(*) FROM"
                             " (SELECT topic, source, count(*) AS n,"
                             "  sum(length(data) + 128) AS b FROM events GROUP BY 1, 2)"
                             " LEFT JOIN kinds USING (topic, source)"
                             " WHERE rows IS NOT n OR bytes IS NOT b"),
                     0);
    assert_int_equal(
        sql_int(f, "SELECT sum(rows) FROM kinds WHERE topic IN ('alerts', 'threats')"),
        20);
    assert_int_equal(store->usage.events, sql_int(f, "SELECT count(*) FROM events"));
    assert_int_equal(store->usage.pruned_events, 160 - store->usage.events);
    tc_store_close(store);
}

static void store_forgets_what_a_rolled_back_transaction_has_counted(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store =
        open_store(f, (struct tc_store_limits){.events = 60, .bytes = 1 << 30});
    struct tocsin_writer w;
    struct tc_event *event;
    uint8_t buf[16];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_end(&w);
    event = make_event(f, "sensor.gap", 1, &w, -1);
    assert_int_equal(tc_store_begin(store), 0);
    assert_int_equal(tc_store_put(store, &event->pub, NULL), 0);
    tc_store_rollback(store);
    put(f, store, "sensor.gap", 2, &w);
    assert_int_equal(sql_int(f, "SELECT rows FROM kinds WHERE topic = 'sensor.gap'"), 1);
    tc_event_unref(event);
    tc_store_close(store);
}

static void store_removes_what_is_too_old(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store =
        open_store(f, (struct tc_store_limits){
                          .events = 1000, .bytes = 1 << 30, .age_ns = 10 * DAY_NS});

    f->source = "edr";
    put_alert(f, store, DAY_NS, "old", 0, 10);
    put_alert(f, store, 6 * DAY_NS, "later", 0, 10);
    put_noise(f, store, "sensor.gap", 6 * DAY_NS, 10);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM alerts"), 2);
    put_noise(f, store, "sensor.gap", 12 * DAY_NS, 10);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM alerts"), 1);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 3);
    assert_int_equal(store->usage.pruned_alerts, 1);
    tc_store_close(store);
}

/* What was there when the limit came goes without a further event. */
static void a_quiet_journal_removes_what_has_become_too_old(void **state)
{
    struct tc_journal_limits limits = {.bytes = 1 << 30};
    struct fixture *f = *state;
    struct tc_journal_writer writer;
    struct tc_event *event;
    struct tocsin_writer w;
    size_t refused;

    assert_int_equal(tc_journal_writer_init(&writer, f->dir), 0);
    tc_journal_writer_configure(&writer, &limits);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_end(&w);
    event = make_event(f, "sensor.gap", DAY_NS, &w, -1);
    assert_int_equal(tc_journal_writer_write(&writer, &event, 1, 0, &refused), 0);
    assert_int_equal(tc_journal_writer_tend(&writer), 0); /* it may stay for ever */
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 1);
    limits.age_ms = 86400000;
    tc_journal_writer_configure(&writer, &limits);
    assert_int_equal(tc_journal_writer_tend(&writer), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 0);
    tc_event_unref(event);
    tocsin_writer_done(&w);
    tc_journal_writer_done(&writer);
}

static void store_removes_the_responses_and_paths_of_what_it_removes(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store;

    open_journal(f);
    raise_alert(f, 100, "a1");
    respond(f, 200, "a1", "kill");
    respond(f, 200, "unknown", "kill");
    detect(f, 100, "t1", "/tmp/a");
    close_journal(f);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM alert_responses"), 1);
    store = open_store(
        f, (struct tc_store_limits){.events = 1000, .bytes = 1 << 30, .age_ns = DAY_NS});
    put_noise(f, store, "sensor.gap", 2 * DAY_NS, 10);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM alerts"), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM threats"), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM alert_responses"), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM threat_paths"), 0);
    tc_store_close(store);
}

static void regress_a_plugin_cannot_change_what_another_has_found(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    f->source = "av";
    detect(f, 100, "t1", "/tmp/a");
    raise_counted(f, 100, &(struct counted_alert){"a1", 1, 100, 100});
    f->source = "acme";
    store_threat(f, TOCSIN_TOPIC_THREAT_REMEDIATED, 200,
                 &(struct threat){.id = "t1", .action = "delete", .status = "removed"});
    raise_alert(f, 200, "a1");
    respond(f, 200, "a1", "kill");
    f->source = "av";
    remediate(f, 300, "t1");

    assert_int_equal(ask(f, "threat", "id", "t1", 0), 0);
    assert_str(f->result, f->len, "status", "quarantined");
    assert_str(f->result, f->len, "source", "av");
    assert_int_equal(ask(f, "threat", "id", "t1@acme", 0), 0);
    assert_str(f->result, f->len, "status", "removed");
    assert_str(f->result, f->len, "source", "acme");
    assert_int_equal(ask(f, "alert", "id", "a1", 0), 0);
    assert_str(f->result, f->len, "severity", "informational");
    assert_int_equal(tocsin_find_int(f->result, f->len, "count", -1), 1);
    assert_int_equal(count_entries(f, "responses"), 0);
    assert_int_equal(ask(f, "alert", "id", "a1@acme", 0), 0);
    assert_str(f->result, f->len, "severity", "critical");
    assert_int_equal(count_entries(f, "responses"), 1);
}

static void regress_a_plugin_cannot_take_an_id_that_is_anothers_later(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    f->source = "acme";
    raise_alert(f, 100, "a1");
    raise_alert(f, 100, "a1@edr");
    f->source = "edr";
    raise_counted(f, 200, &(struct counted_alert){"a1", 7, 200, 200});
    raise_counted(f, 300, &(struct counted_alert){"a1", 8, 200, 300});
    assert_int_equal(ask(f, "alerts", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 3);
    assert_int_equal(ask(f, "alert", "id", "a1@edr", 0), 0);
    assert_str(f->result, f->len, "source", "edr");
    assert_int_equal(tocsin_find_int(f->result, f->len, "count", -1), 8);
    assert_int_equal(ask(f, "alert", "id", "a1@edr@acme", 0), 0);
}

/* The limits of the configuration reach the thread. */
static void journal_keeps_as_much_as_is_configured(void **state)
{
    struct fixture *f = *state;
    struct tc_journal_counters counters;

    open_journal(f);
    tc_journal_configure(f->journal, &(struct tc_journal_limits){.bytes = 1000000});
    for (uint64_t n = 1; n <= 300; n++) {
        store_number(f, "sensor.gap", n, 20000);
        if (n % 10 == 0)
            assert_int_equal(sync_journal(f), 0);
    }
    tc_journal_counters(f->journal, &counters);
    assert_in_range(counters.bytes, 500000, 1000000);
    assert_int_equal(counters.events + counters.pruned_events, 300);
    assert_true(counters.pruned_events > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(regress_a_flood_pushes_out_nothing_but_itself),
        TEST(regress_a_user_pushes_out_no_alerts_but_his_own_of_that_rule),
        TEST(store_keeps_the_file_within_its_bound),
        TEST(store_makes_the_file_smaller_when_its_bound_is_lowered),
        TEST(store_counts_each_kind_as_the_tables_do),
        TEST(store_forgets_what_a_rolled_back_transaction_has_counted),
        TEST(store_removes_what_is_too_old),
        TEST(a_quiet_journal_removes_what_has_become_too_old),
        TEST(store_removes_the_responses_and_paths_of_what_it_removes),
        TEST(regress_a_plugin_cannot_change_what_another_has_found),
        TEST(regress_a_plugin_cannot_take_an_id_that_is_anothers_later),
        TEST(journal_keeps_as_much_as_is_configured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
