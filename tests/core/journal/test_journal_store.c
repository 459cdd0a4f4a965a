/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's database alone: its limits and its schema. */
#include "tests/support/journal_fixture.h"

#include "core/journal/journal_store.h"

static struct tc_store *open_store(const struct fixture *f, int64_t events, int64_t bytes)
{
    struct tc_store *store;
    char why[256];

    assert_int_equal(
        tc_store_open(f->db, (struct tc_store_limits){.events = events, .bytes = bytes},
                      &store, why),
        0);
    return store;
}

static void store_keeps_the_newest_events_and_all_threats_when_pruned(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store;

    open_journal(f); /* makes the rows */
    detect(f, 1, "t1", "/tmp/a");
    for (uint64_t n = 2; n <= 100; n++)
        store_number(f, "sensor.gap", n, 10);
    close_journal(f);

    store = open_store(f, 30, INT64_MAX);
    assert_int_equal(tc_store_prune(store, 50, 1), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 50);
    assert_int_equal(tc_store_prune(store, 50, 1), 0);
    assert_int_equal(tc_store_prune(store, 50, 1), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 30);
    /* The one of the other kind is the oldest, and not too many. */
    assert_int_equal(sql_int(f, "SELECT min(time_ns) FROM events"), 1);
    assert_int_equal(sql_int(f, "SELECT min(time_ns) FROM events WHERE id > 1"), 72);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM threats"), 1);
    tc_store_close(store);
}

static void store_removes_events_when_the_database_grows_too_large(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store;

    open_journal(f);
    for (uint64_t n = 1; n <= 100; n++)
        store_number(f, "sensor.gap", n, 10000);
    close_journal(f);

    store = open_store(f, 1000, 500000);
    for (int i = 0; i < 20; i++)
        assert_int_equal(tc_store_prune(store, 10, 1), 0);
    assert_in_range(sql_int(f, "SELECT count(*) FROM events"), 20, 49);
    assert_int_equal(sql_int(f, "SELECT max(time_ns) FROM events"), 100);
    tc_store_close(store);
}

static void schema_is_reached_from_each_older_version(void **state)
{
    struct fixture *f = *state;
    char why[256];
    sqlite3 *db;

    for (size_t version = 0; version < tc_schema_version; version++) {
        assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
        assert_int_equal(tc_schema_apply(db, tc_schema_steps, version, why), 0);
        (void)sqlite3_close(db);
        assert_int_equal(sql_int(f, "PRAGMA user_version"), version);

        open_journal(f);
        detect(f, 1, "t1", "/tmp/a");
        raise_alert(f, 1, "a1");
        assert_int_equal(sync_journal(f), 0);
        assert_string_equal(f->why, "");
        close_journal(f);
        assert_int_equal(sql_int(f, "PRAGMA user_version"), tc_schema_version);
        remove_files(f);
    }
}

static void schema_keeps_the_alerts_of_a_version_1_file(void **state)
{
    struct fixture *f = *state;
    char why[256];
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_int_equal(tc_schema_apply(db, tc_schema_steps, 1, why), 0);
    assert_int_equal(sqlite3_exec(db,
                                  "INSERT INTO alerts (id, time_ns, last_seen_ns, count,"
                                  " title, severity, rule, process_executable, data,"
                                  " detected_from)"
                                  " VALUES ('old', 5, 7, 3, 'Old one', 'low', 'r',"
                                  " '/bin/x', x'80', 'test')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    (void)sqlite3_close(db);

    open_journal(f);
    respond(f, 8, "old", "kill");
    raise_alert(f, 9, "old");
    raise_counted(f, 10, &(struct counted_alert){"new", 2, 10, 10});
    assert_int_equal(ask(f, "alerts", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 0, "rule_author", "Somebody");
    assert_item(f, 1, "id", "old");
    assert_item(f, 1, "title", "Old one");
    assert_item(f, 1, "process", "/bin/x");
    assert_int_equal(item_int(f, 1, "count"), 4);
    assert_int_equal(ask(f, "alert", "id", "old", 0), 0);
    assert_int_equal(count_entries(f, "responses"), 1);
}

static void schema_counts_what_a_version_2_file_holds(void **state)
{
    struct fixture *f = *state;
    char why[256];
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_int_equal(tc_schema_apply(db, tc_schema_steps, 2, why), 0);
    assert_int_equal(
        sqlite3_exec(db,
                     "INSERT INTO events (time_ns, topic, source, data) VALUES"
                     " (1, 'sensor.gap', 'es', x'80'), (2, 'sensor.gap', 'core', x'80'),"
                     " (3, 'sensor.gap', 'es', x'8180'), (4, 'agent.started', 'core',"
                     " x'80');"
                     "INSERT INTO threats (id, first_seen_ns, last_seen_ns, count,"
                     " detected) VALUES ('t1', 1, 1, 1, x'80');"
                     "INSERT INTO alert_responses (alert_id, time_ns) VALUES ('gone', 1)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    (void)sqlite3_close(db);

    open_journal(f);
    assert_int_equal(ask(f, "events", "topic", "sensor.gap", 0), 0);
    assert_int_equal(count_entries(f, "items"), 3);
    assert_int_equal(item_int(f, 0, "time_ns"), 3);
    assert_int_equal(ask(f, "events", "topic", "sensor.*", 2), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    f->source = "av";
    remediate(f, 9, "t1"); /* of the plugin that had found it */
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(sql_int(f, "SELECT rows * 1000 + bytes FROM kinds"
                                " WHERE topic = 'sensor.gap' AND source = 'es'"),
                     2000 + 3 + 2 * 128);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM threats"), 1);
    assert_int_equal(sql_int(f, "SELECT rows FROM kinds WHERE topic = 'threats'"), 1);
    assert_int_equal(sql_int(f, "SELECT bytes = (SELECT sum(bytes) FROM threats)"
                                " FROM kinds WHERE topic = 'threats'"),
                     1);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM alert_responses"), 0);
}

static void schema_stays_at_the_version_before_a_step_that_fails(void **state)
{
    static const char *const broken[] = {
        "CREATE TABLE a (x);",
        "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1);",
    };
    static const char *const fixed[] = {
        "CREATE TABLE a (x);",
        "CREATE TABLE b (x);",
        "INSERT INTO b VALUES (7);",
    };
    struct fixture *f = *state;
    char why[256] = "";
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_true(tc_schema_apply(db, broken, 2, why) < 0);
    assert_non_null(strstr(why, "nowhere"));
    assert_int_equal(sql_int(f, "PRAGMA user_version"), 1);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM sqlite_schema"), 1);
    assert_int_equal(tc_schema_apply(db, fixed, 3, why), 0);
    assert_int_equal(sql_int(f, "SELECT x FROM b"), 7);
    assert_int_equal(tc_schema_apply(db, fixed, 2, why), -EPROTONOSUPPORT);
    (void)sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(store_keeps_the_newest_events_and_all_threats_when_pruned),
        TEST(store_removes_events_when_the_database_grows_too_large),
        TEST(schema_is_reached_from_each_older_version),
        TEST(schema_keeps_the_alerts_of_a_version_1_file),
        TEST(schema_counts_what_a_version_2_file_holds),
        TEST(schema_stays_at_the_version_before_a_step_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
