/* SPDX-License-Identifier: Apache-2.0 */
/* What the journal stores, and what it answers, across restarts. */
#include <sys/stat.h>

#include "tests/support/journal_fixture.h"

static void journal_answers_events_newest_first(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    for (uint64_t n = 1; n <= 5; n++)
        store_number(f, n % 2 ? "sensor.gap" : "approval.granted", n, 10);
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 5);
    assert_int_equal(item_int(f, 0, "time_ns"), 5);
    assert_int_equal(item_int(f, 4, "event.n"), 1);
    assert_item(f, 0, "source", "test");

    assert_int_equal(ask(f, "events", NULL, NULL, 2), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_int_equal(ask(f, "events", "topic", "approval.granted", 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 1, "topic", "approval.granted");
    assert_int_equal(ask(f, "events", "topic", "sensor.*", 0), 0);
    assert_int_equal(count_entries(f, "items"), 3);
    assert_item(f, 0, "topic", "sensor.gap");
    assert_int_equal(ask(f, "events", "topic", "sens.*", 0), 0);
    assert_int_equal(count_entries(f, "items"), 0);
    assert_int_equal(ask(f, "events", "topic", "*", 0), 0);
    assert_int_equal(count_entries(f, "items"), 5);
}

static void journal_ends_a_list_early_that_grows_too_large(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    for (uint64_t n = 1; n <= 12; n++)
        store_number(f, "sensor.gap", n, 200000);
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_true(tocsin_find_bool(f->result, f->len, "truncated", false));
    assert_int_equal(count_entries(f, "items"), 6);
}

static void journal_makes_one_row_of_a_threat_seen_twice(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    detect(f, 100, "t1", "/tmp/a");
    detect(f, 200, "t1", "/tmp/b");
    detect(f, 150, "t2", "/tmp/c");
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 0, "id", "t1");
    assert_item(f, 0, "name", "Test.Virus");
    assert_item(f, 0, "severity", "high");
    assert_item(f, 0, "status", "detected");
    assert_item(f, 0, "path", "/tmp/a");
    assert_item(f, 0, "sha256", "00ff");
    assert_item(f, 0, "rule", "rule-1");
    assert_item(f, 0, "process", "/usr/bin/curl");
    assert_int_equal(item_int(f, 0, "pid"), 4711);
    assert_int_equal(item_int(f, 0, "first_seen_ns"), 100);
    assert_int_equal(item_int(f, 0, "last_seen_ns"), 200);
    assert_int_equal(item_int(f, 0, "count"), 2);

    assert_int_equal(ask(f, "threat", "id", "t1", 0), 0);
    assert_int_equal(count_entries(f, "paths"), 2);
    assert_str(f->result, f->len, "command_line", "curl -O x");
    assert_int_equal(tocsin_find_int(f->result, f->len, "user", -1), 1000);
    assert_str(f->result, f->len, "detected.file.path", "/tmp/a");
}

static void journal_updates_a_threat_when_it_is_remediated(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    detect(f, 100, "t1", "/tmp/a");
    remediate(f, 100, "t1");
    assert_int_equal(ask(f, "threat", "id", "t1", 0), 0);
    assert_str(f->result, f->len, "status", "quarantined");
    assert_str(f->result, f->len, "action", "quarantine");
    assert_str(f->result, f->len, "reason", "rule matched");
    assert_str(f->result, f->len, "remediated.detection.status", "quarantined");
    assert_int_equal(tocsin_find_int(f->result, f->len, "count", -1), 1);
}

static void journal_remediates_a_threat_after_a_restart(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    detect(f, 100, "t1", "/tmp/a");
    restart(f);
    remediate(f, 300, "t1");
    restart(f);
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    assert_item(f, 0, "status", "quarantined");
    assert_item(f, 0, "path", "/tmp/a");
}

static void journal_reopens_a_threat_seen_again_after_its_remedy(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    detect(f, 100, "t1", "/tmp/a");
    remediate(f, 200, "t1");
    detect(f, 150, "t1", "/tmp/a"); /* late, from before the remedy */
    assert_int_equal(ask(f, "threat", "id", "t1", 0), 0);
    assert_str(f->result, f->len, "status", "quarantined");
    detect(f, 300, "t1", "/tmp/a");
    assert_int_equal(ask(f, "threat", "id", "t1", 0), 0);
    assert_str(f->result, f->len, "status", "detected");
}

static void journal_keeps_a_remedy_whose_detection_it_never_saw(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    remediate(f, 200, "t1");
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_item(f, 0, "status", "quarantined");
    assert_int_equal(item_int(f, 0, "count"), 0);
}

static void journal_lists_a_threat_that_has_no_id(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    detect(f, 100, NULL, "/tmp/a");
    detect(f, 100, NULL, "/tmp/b");
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 0, "id", "event-2");
}

static void journal_gives_back_a_path_that_is_not_utf8(void **state)
{
    struct fixture *f = *state;
    struct tocsin_value v;

    open_journal(f);
    detect(f, 100, "t1", "/tmp/\xff\xfe");
    assert_int_equal(ask(f, "threat", "id", "t1", 0), 0);
    assert_true(tocsin_find(f->result, f->len, "path", &v));
    assert_int_equal(v.type, TOCSIN_BIN);
    assert_str(f->result, f->len, "path", "/tmp/\xff\xfe");
    v = entry(f, "paths", 0);
    assert_int_equal(v.type, TOCSIN_BIN);
}

static void journal_makes_one_row_of_an_alert_raised_twice(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    raise_alert(f, 100, "a1");
    raise_alert(f, 300, "a1");
    raise_alert(f, 200, "a2");
    assert_int_equal(ask(f, "alerts", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 0, "id", "a1");
    assert_item(f, 0, "title", "Reverse shell");
    assert_item(f, 0, "severity", "critical");
    assert_item(f, 0, "category", "execution");
    assert_item(f, 0, "detected_from", "edr");
    assert_item(f, 0, "rule", "shell over a socket");
    assert_item(f, 0, "process", "/bin/bash");
    assert_int_equal(item_int(f, 0, "time_ns"), 100);
    assert_int_equal(item_int(f, 0, "last_seen_ns"), 300);
    assert_int_equal(item_int(f, 0, "count"), 2);
    assert_int_equal(ask(f, "alert", "id", "a1", 0), 0);
    assert_str(f->result, f->len, "event.alert.title", "Reverse shell");
}

static void journal_lists_alerts_by_filter_and_time_and_says_how_many(void **state)
{
    struct fixture *f = *state;
    const msgpack_object none = {.type = MSGPACK_OBJECT_NIL};
    char why[256];

    open_journal(f);
    for (uint64_t i = 1; i <= 5; i++) {
        char id[8];

        (void)snprintf(id, sizeof(id), "a%d", (int)i);
        raise_alert(f, i * 100, id);
    }
    assert_int_equal(ask(f, "alerts", NULL, NULL, 2), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_int_equal(tocsin_find_int(f->result, f->len, "total", -1), 5);
    assert_int_equal(
        ask(f, "alerts", "filter", "last_seen_ns>=300 and severity>=high", 2), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 0, "id", "a5");
    assert_int_equal(tocsin_find_int(f->result, f->len, "total", -1), 3);
    assert_int_equal(ask(f, "alerts", "filter", "id=a1,a4", 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 1, "id", "a1");
    assert_int_equal(ask(f, "alerts", "filter", "severity<low", 0), 0);
    assert_int_equal(count_entries(f, "items"), 0);
    assert_int_equal(ask(f, "alerts", "filter", "nonsense", 0), -EINVAL);
    assert_int_equal(tc_journal_may_ask("alerts", &none, why), 0);
}

static void journal_finds_one_by_the_beginning_of_its_id(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    raise_alert(f, 100, "6f1c-AB");
    raise_alert(f, 200, "6f1d");
    raise_alert(f, 150, "6f1d2");
    assert_int_equal(ask(f, "alert", "id", "6F1C", 0), 0);
    assert_str(f->result, f->len, "id", "6f1c-AB");
    assert_int_equal(ask(f, "alert", "id", "6f1d", 0), 0); /* that one itself */
    assert_str(f->result, f->len, "id", "6f1d");
    assert_int_equal(ask(f, "alert", "id", "6f1", 0), -ENOTUNIQ);
    assert_int_equal(ask(f, "alert", "id", "7", 0), -ENOENT);
    assert_int_equal(ask(f, "alert", "id", "", 0), -ENOENT);
    assert_int_equal(ask(f, "alert", "id", "latest", 0), 0);
    assert_str(f->result, f->len, "id", "6f1d");
}

static void journal_takes_the_count_and_times_that_an_alert_says(void **state)
{
    struct fixture *f = *state;
    struct tocsin_value item;

    open_journal(f);
    raise_counted(f, 1000, &(struct counted_alert){"a1", 1, 900, 900});
    raise_counted(f, 9000, &(struct counted_alert){"a1", 800, 900, 5000});
    raise_counted(f, 9100, &(struct counted_alert){"a1", 1000, 900, 8000});
    assert_int_equal(ask(f, "alerts", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    assert_int_equal(item_int(f, 0, "count"), 1000);
    assert_int_equal(item_int(f, 0, "time_ns"), 900);
    assert_int_equal(item_int(f, 0, "last_seen_ns"), 8000);
    assert_item(f, 0, "severity", "informational");
    assert_item(f, 0, "rule", "shell over a socket");
    assert_item(f, 0, "rule_id", "r1");
    assert_item(f, 0, "rule_author", "Somebody");
    assert_item(f, 0, "technique", "T1059.004, T1071");
    assert_int_equal(item_int(f, 0, "pid"), 4711);
    assert_int_equal(item_int(f, 0, "user"), 1000);
    item = entry(f, "items", 0);
    assert_int_equal(
        tocsin_find_str(item.start, tocsin_value_size(&item), "command_line").len, 1000);

    assert_int_equal(ask(f, "alert", "id", "a1", 0), 0);
    assert_int_equal(tocsin_find_str(f->result, f->len, "event.process.command_line").len,
                     4000);
    assert_int_equal(tocsin_find_int(f->result, f->len, "event.alert.count", 0), 1);
    assert_int_equal(count_entries(f, "responses"), 0);
}

static void journal_keeps_what_was_done_about_an_alert(void **state)
{
    struct fixture *f = *state;
    struct tocsin_value v;

    open_journal(f);
    raise_alert(f, 100, "a1");
    raise_alert(f, 100, "a2");
    respond(f, 200, "a1", "kill");
    respond(f, 300, "a1", "quarantine");
    respond(f, 250, "a2", "suspend");
    restart(f);
    assert_int_equal(ask(f, "alert", "id", "a1", 0), 0);
    assert_int_equal(count_entries(f, "responses"), 2);
    v = entry(f, "responses", 0);
    assert_int_equal(tocsin_find_int(v.start, tocsin_value_size(&v), "time_ns", 0), 200);
    assert_str(v.start, tocsin_value_size(&v), "action", "kill");
    assert_str(v.start, tocsin_value_size(&v), "status", "failed");
    assert_str(v.start, tocsin_value_size(&v), "reason", "it has ended");
    assert_int_equal(tocsin_find_int(v.start, tocsin_value_size(&v), "processes", 0), 2);
    assert_int_equal(tocsin_find_int(v.start, tocsin_value_size(&v), "pid", 0), 4711);
    assert_str(v.start, tocsin_value_size(&v), "process", "/bin/bash");
    v = entry(f, "responses", 1);
    assert_str(v.start, tocsin_value_size(&v), "action", "quarantine");
    assert_int_equal(ask(f, "alerts", NULL, NULL, 0), 0);
    assert_int_equal(item_int(f, 0, "count"), 1); /* a response is no alert */
}

static void journal_proves_that_it_can_be_written_and_read(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    for (uint64_t now = 5; now < 7; now++) {
        f->answered = false;
        assert_int_equal(tc_journal_check(f->journal, now, on_stored, f), 0);
        wait_until(f, &f->answered);
        assert_int_equal(f->status, 0);
    }
}

static void journal_reports_what_it_cannot_answer(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    assert_int_equal(ask(f, "threat", "id", "nobody", 0), -ENOENT);
    assert_int_equal(ask(f, "alert", "id", "nobody", 0), -ENOENT);
    assert_int_equal(ask(f, "threat", NULL, NULL, 0), -EINVAL);
    assert_int_equal(ask(f, "weather", NULL, NULL, 0), -EOPNOTSUPP);
}

static void journal_counts_crashes_of_each_plugin_across_restarts(void **state)
{
    struct fixture *f = *state;
    unsigned count = 99;

    open_journal(f);
    assert_int_equal(tc_journal_add_crash(f->journal, "acme", 100), 0);
    assert_int_equal(tc_journal_add_crash(f->journal, "acme", 200), 0);
    assert_int_equal(tc_journal_add_crash(f->journal, "av", 200), 0);
    restart(f);
    assert_int_equal(tc_journal_count_crashes(f->journal, "acme", 0, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(tc_journal_count_crashes(f->journal, "acme", 150, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(tc_journal_forget_crashes(f->journal, "acme"), 0);
    assert_int_equal(tc_journal_count_crashes(f->journal, "acme", 0, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(tc_journal_count_crashes(f->journal, "av", 0, &count), 0);
    assert_int_equal(count, 1);
}

static void journal_is_for_the_agent_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    open_journal(f);
    store_number(f, "sensor.gap", 1, 0);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(stat(f->db, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void journal_stores_what_is_pending_when_it_closes(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    for (uint64_t n = 1; n <= 3000; n++)
        store_number(f, "sensor.gap", n, 10);
    close_journal(f);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(journal_answers_events_newest_first),
        TEST(journal_ends_a_list_early_that_grows_too_large),
        TEST(journal_makes_one_row_of_a_threat_seen_twice),
        TEST(journal_updates_a_threat_when_it_is_remediated),
        TEST(journal_remediates_a_threat_after_a_restart),
        TEST(journal_reopens_a_threat_seen_again_after_its_remedy),
        TEST(journal_keeps_a_remedy_whose_detection_it_never_saw),
        TEST(journal_lists_a_threat_that_has_no_id),
        TEST(journal_gives_back_a_path_that_is_not_utf8),
        TEST(journal_makes_one_row_of_an_alert_raised_twice),
        TEST(journal_lists_alerts_by_filter_and_time_and_says_how_many),
        TEST(journal_finds_one_by_the_beginning_of_its_id),
        TEST(journal_takes_the_count_and_times_that_an_alert_says),
        TEST(journal_keeps_what_was_done_about_an_alert),
        TEST(journal_proves_that_it_can_be_written_and_read),
        TEST(journal_reports_what_it_cannot_answer),
        TEST(journal_counts_crashes_of_each_plugin_across_restarts),
        TEST(journal_is_for_the_agent_alone),
        TEST(journal_stores_what_is_pending_when_it_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
