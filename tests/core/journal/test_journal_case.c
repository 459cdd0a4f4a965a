/* SPDX-License-Identifier: Apache-2.0 */
/* Which alerts are one case, how they are closed, and how lists of them are asked for. */
#include "tests/support/journal_fixture.h"

#include "core/journal/journal_everybody.h"
#include "core/journal/journal_store.h"
#include "ipc/mask.h"

#define SECOND UINT64_C(1000000000)
#define HOUR (3600 * SECOND)
#define NOON (1000000 * HOUR)

/* A process of a chain; the first is the one that did it, the next its parent. */
struct link {
    uint64_t pid, start;
    const char *executable;
};

static void put_link(struct tocsin_writer *w, const char *key, const struct link *link)
{
    tocsin_begin_map(w, key);
    tocsin_put_uint(w, "pid", link->pid);
    tocsin_put_uint(w, "start", link->start);
    tocsin_put_str(w, "executable", link->executable);
    tocsin_end(w);
}

struct alert {
    const char *id, *severity, *rule;
    struct link chain[5]; /* up to pid 0 */
};

static void raise_of(struct fixture *f, uint64_t time_ns, const struct alert *alert)
{
    const struct link *link = alert->chain;
    struct tocsin_writer w;
    uint8_t buf[2048];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "alert");
    tocsin_put_str(&w, "id", alert->id);
    tocsin_put_str(&w, "title", alert->id);
    tocsin_put_str(&w, "severity", alert->severity ? alert->severity : "medium");
    tocsin_end(&w);
    tocsin_begin_map(&w, "rule");
    tocsin_put_str(&w, "name", alert->rule ? alert->rule : "some rule");
    tocsin_end(&w);
    if (link->pid) {
        tocsin_begin_map(&w, "process");
        tocsin_put_uint(&w, "pid", link->pid);
        tocsin_put_uint(&w, "start", link->start);
        tocsin_put_str(&w, "executable", link->executable);
        if (link[1].pid)
            put_link(&w, "parent", &link[1]);
        tocsin_begin_array(&w, "ancestors");
        for (size_t i = 1; i < 5 && link[i].pid; i++)
            put_link(&w, NULL, &link[i]);
        tocsin_end(&w);
        tocsin_end(&w);
    }
    tocsin_end(&w);
    store(f, TOCSIN_TOPIC_ALERT_RAISED, time_ns, &w);
}

static void assert_case(struct fixture *f, const char *alert, const char *expected)
{
    assert_int_equal(ask(f, "alert", "id", alert, 0), 0);
    assert_str(f->result, f->len, "case", expected);
}

static const struct link shell = {50, 5, "/usr/bin/bash"};
static const struct link manager = {1, 1, "/usr/lib/systemd/systemd"};
static const struct link sshd = {40, 4, "/usr/sbin/sshd"};

static void alerts_of_one_chain_are_one_case(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    raise_of(f, NOON,
             &(struct alert){"a1", "low", NULL, {{60, 6, "/usr/bin/curl"}, shell, sshd}});
    raise_of(f, NOON + 1,
             &(struct alert){"a2", "high", NULL, {{61, 7, "/tmp/x"}, shell, sshd}});
    raise_of(f, NOON + 2, &(struct alert){"a3", "medium", NULL, {shell, sshd, manager}});
    assert_case(f, "a1", "a1");
    assert_case(f, "a2", "a1");
    assert_case(f, "a3", "a1");
    assert_int_equal(ask(f, "cases", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    assert_item(f, 0, "severity", "high");
    assert_item(f, 0, "title", "a1");
    assert_item(f, 0, "state", "open");
    assert_int_equal(item_int(f, 0, "alerts"), 3);
    assert_int_equal(item_int(f, 0, "first_seen_ns"), NOON);
    assert_int_equal(item_int(f, 0, "last_seen_ns"), NOON + 2);
}

static void alerts_of_what_everybody_comes_from_are_apart(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    raise_of(f, NOON,
             &(struct alert){"a1", NULL, NULL, {{60, 6, "/tmp/a"}, sshd, manager}});
    raise_of(f, NOON + 1,
             &(struct alert){"a2", NULL, NULL, {{61, 7, "/tmp/b"}, sshd, manager}});
    raise_of(f, NOON + 2, &(struct alert){.id = "a3"});
    raise_of(f, NOON + 3, &(struct alert){.id = "a4"});
    /* The same number, and another process. */
    raise_of(f, NOON + 4, &(struct alert){"a5", NULL, NULL, {{60, 9, "/tmp/a"}}});
    assert_case(f, "a1", "a1");
    assert_case(f, "a2", "a2");
    assert_case(f, "a3", "a3");
    assert_case(f, "a4", "a4");
    assert_case(f, "a5", "a5");
}

static void a_case_is_over_an_hour_after_its_last_alert(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    raise_of(f, NOON, &(struct alert){"a1", NULL, NULL, {shell}});
    raise_of(f, NOON + HOUR - 1, &(struct alert){"a2", NULL, NULL, {shell}});
    raise_of(f, NOON + 2 * HOUR - 2, &(struct alert){"a3", NULL, NULL, {shell}});
    raise_of(f, NOON + 3 * HOUR - 2, &(struct alert){"a4", NULL, NULL, {shell}});
    raise_of(f, NOON + 3 * HOUR, &(struct alert){"a5", NULL, NULL, {shell}});
    assert_case(f, "a3", "a1");
    assert_case(f, "a4", "a4");
    assert_case(f, "a5", "a4");
}

/* Two that went on apart, until one process had a part in both. */
static void an_alert_joins_the_newest_of_two_cases(void **state)
{
    struct fixture *f = *state;
    struct link other = {70, 7, "/usr/bin/zsh"};

    open_journal(f);
    raise_of(f, NOON, &(struct alert){"a1", NULL, NULL, {shell}});
    raise_of(f, NOON + 1, &(struct alert){"a2", NULL, NULL, {other}});
    raise_of(f, NOON + 2, &(struct alert){"a3", NULL, NULL, {shell, other}});
    assert_case(f, "a3", "a2");
}

static void a_case_tells_its_alerts_threats_and_responses(void **state)
{
    struct fixture *f = *state;
    struct tocsin_value v;

    open_journal(f);
    raise_of(f, NOON, &(struct alert){"A1", NULL, NULL, {shell}});
    detect(f, NOON + 1, "t1", "/tmp/bad");
    raise_of(f, NOON + 1, &(struct alert){"t1", NULL, NULL, {{60, 6, "/x"}, shell}});
    respond(f, NOON + 2, "A1", "kill");
    raise_of(f, NOON + 3, &(struct alert){.id = "apart"});
    assert_int_equal(ask(f, "case", "id", "a", 0), -ENOTUNIQ);
    assert_int_equal(ask(f, "case", "id", "a1", 0), 0);
    assert_str(f->result, f->len, "id", "A1");
    assert_int_equal(count_entries(f, "timeline"), 2);
    assert_int_equal(count_entries(f, "threats"), 1);
    assert_int_equal(count_entries(f, "responses"), 1);
    v = entry(f, "timeline", 1);
    assert_str(v.start, tocsin_value_size(&v), "event.process.parent.executable",
               "/usr/bin/bash");
    assert_int_equal(ask(f, "case", "id", "latest", 0), 0);
    assert_str(f->result, f->len, "id", "apart");
    assert_int_equal(ask(f, "case", "id", "nothing", 0), -ENOENT);
}

static void a_case_goes_with_its_last_alert(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store;
    char why[256];

    open_journal(f);
    raise_of(f, NOON, &(struct alert){"a1", NULL, NULL, {shell}});
    raise_of(f, NOON + HOUR / 2, &(struct alert){"a2", NULL, NULL, {shell}});
    close_journal(f);
    assert_int_equal(tc_store_open(f->db,
                                   (struct tc_store_limits){.events = 100,
                                                            .bytes = INT64_MAX,
                                                            .age_ns = (int64_t)HOUR},
                                   &store, why),
                     0);
    assert_int_equal(tc_store_prune(store, 10, NOON + HOUR + 1), 0);
    assert_int_equal(sql_int(f, "SELECT alerts FROM cases WHERE id = 'a1'"), 1);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM case_processes"), 1);
    assert_int_equal(tc_store_prune(store, 10, NOON + 2 * HOUR), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM cases"), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM case_processes"), 0);
    tc_store_close(store);
}

static void a_case_has_so_many_processes_and_no_more(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    for (uint64_t i = 0; i < TC_STORE_CASE_PROCESSES_MAX + 20; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "a%d", (int)i);
        raise_of(f, NOON + i,
                 &(struct alert){id, NULL, NULL, {{1000 + i, 9, "/tmp/x"}, shell}});
    }
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM cases"), 1);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM case_processes"),
                     TC_STORE_CASE_PROCESSES_MAX);
}

static void what_everybody_comes_from_is_known_by_its_place(void **state)
{
    static const struct {
        int64_t pid;
        const char *executable;
        bool everybody;
    } cases[] = {{1, NULL, true},
                 {2, "/bin/anything", true},
                 {3, NULL, false},
                 {3, "/usr/lib/systemd/systemd", true},
                 {3, "/usr/lib/openssh/sshd-session", true},
                 {3, "/usr/sbin/cron", true},
                 {3, "/usr/bin/containerd-shim-runc-v2", true},
                 {3, "/usr/bin/bash", false},
                 {3, "/tmp/usr/sbin/sshd", false},
                 {3, "/home/x/sshd", false},
                 {3, "/usr/local/sbin/sshd", false},
                 {3, "/usr/sbin/sshd2", false},
                 {3, "/usr/sbin/", false},
                 {3, "sshd", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *name = cases[i].executable;
        struct tocsin_str s = {name, name ? strlen(name) : 0};

        if (tc_journal_everybody(cases[i].pid, s) != cases[i].everybody)
            fail_msg("%s is wrong", name ? name : "no name");
    }
}

/* ---- Closing ---- */

static int change(struct fixture *f, const char *kind, const char *id, const char *note,
                  uint64_t now_ns)
{
    struct tocsin_writer w;
    uint8_t buf[512];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "id", id);
    if (note)
        tocsin_put_str(&w, "note", note);
    tocsin_put_uint(&w, "user_id", 1000);
    tocsin_put_uint(&w, "time_ns", now_ns);
    tocsin_end(&w);
    f->answered = false;
    assert_int_equal(tc_journal_change(f->journal, kind, w.buf, w.len, on_answer, f), 0);
    wait_until(f, &f->answered);
    return f->status;
}

static int64_t answer_int(const struct fixture *f, const char *path)
{
    return tocsin_find_int(f->result, f->len, path, -1);
}

static void a_closed_alert_has_its_note_and_who_closed_it(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    raise_of(f, NOON, &(struct alert){"alert-1", NULL, NULL, {shell}});
    assert_int_equal(change(f, "alert.close", "ALERT", "a backup", NOON + 9), 0);
    assert_int_equal(answer_int(f, "alerts"), 1);
    assert_int_equal(ask(f, "alert", "id", "latest", 0), 0);
    assert_str(f->result, f->len, "state", "closed");
    assert_str(f->result, f->len, "note", "a backup");
    assert_int_equal(answer_int(f, "closed_by"), 1000);
    assert_int_equal(answer_int(f, "closed_ns"), NOON + 9);
    assert_int_equal(change(f, "alert.reopen", "alert-1", NULL, NOON + 10), 0);
    assert_int_equal(ask(f, "alert", "id", "latest", 0), 0);
    assert_str(f->result, f->len, "state", "open");
    assert_str(f->result, f->len, "note", "a backup");
    assert_int_equal(change(f, "alert.close", "nothing", NULL, NOON), -ENOENT);
}

static void a_closed_alert_that_matches_again_is_open(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    raise_counted(f, NOON, &(struct counted_alert){"a1", 1, NOON, NOON});
    assert_int_equal(change(f, "alert.close", "a1", "no harm", NOON + 5), 0);
    /* What had matched before, and is told late, is not news. */
    raise_counted(f, NOON + 6, &(struct counted_alert){"a1", 2, NOON, NOON + 4});
    assert_int_equal(ask(f, "alerts", "state", "closed", 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    raise_counted(f, NOON + 8, &(struct counted_alert){"a1", 3, NOON, NOON + 7});
    assert_int_equal(ask(f, "alerts", "state", "open", 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    assert_item(f, 0, "note", "no harm");
    assert_int_equal(ask(f, "cases", "state", "open", 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
}

static void a_case_is_closed_with_all_its_alerts(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    raise_of(f, NOON, &(struct alert){"a1", NULL, NULL, {shell}});
    raise_of(f, NOON + 1, &(struct alert){"a2", NULL, NULL, {shell}});
    raise_of(f, NOON + 2, &(struct alert){.id = "b"});
    assert_int_equal(change(f, "alert.close", "a1", "first", NOON + 5), 0);
    assert_int_equal(change(f, "case.close", "a1", "second", NOON + 6), 0);
    assert_int_equal(answer_int(f, "alerts"), 1);
    assert_int_equal(ask(f, "cases", "state", "open", 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    assert_item(f, 0, "id", "b");
    assert_int_equal(ask(f, "alerts", "state", "closed", 0), 0);
    assert_item(f, 0, "note", "second");
    assert_item(f, 1, "note", "first");
    assert_int_equal(change(f, "case.reopen", "a1", NULL, NOON + 7), 0);
    assert_int_equal(answer_int(f, "alerts"), 2);
    assert_int_equal(sql_int(f, "SELECT open FROM cases WHERE id = 'a1'"), 2);
}

/* ---- Lists ---- */

static void a_list_of_alerts_is_what_was_asked_for(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    raise_of(f, NOON, &(struct alert){"a1", "high", "one", {shell}});
    raise_of(f, NOON + 1, &(struct alert){"a2", "low", "two", {shell}});
    raise_of(f, NOON + 2, &(struct alert){"b", "critical", "two", {{60, 1, "/x"}}});
    assert_int_equal(ask(f, "alerts", "severity", "high", 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_int_equal(answer_int(f, "total"), 2);
    assert_int_equal(ask(f, "alerts", "rule", "two", 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_int_equal(ask(f, "alerts", "case", "a", 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_int_equal(ask(f, "alerts", "case", "nothing", 0), -ENOENT);
    assert_int_equal(ask(f, "alerts", "severity", "loud", 0), -EINVAL);
    assert_int_equal(ask(f, "alerts", "state", "ajar", 0), -EINVAL);
    assert_int_equal(ask(f, "alerts", "before", "x", 0), -EINVAL);
    assert_int_equal(ask(f, "cases", "severity", "critical", 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
}

/* All of one time: it is the order of arrival that tells them apart. */
static void pages_of_alerts_have_each_of_them_once(void **state)
{
    struct fixture *f = *state;
    char id[16], next[80] = "";
    unsigned seen = 0;
    struct tocsin_str s;

    open_journal(f);
    for (unsigned i = 0; i < 25; i++) {
        (void)snprintf(id, sizeof(id), "a%u", i);
        raise_of(f, NOON, &(struct alert){.id = id});
    }
    do {
        assert_int_equal(ask(f, "alerts", *next ? "before" : NULL, next, 10), 0);
        for (unsigned i = 0; i < count_entries(f, "items"); i++) {
            (void)snprintf(id, sizeof(id), "a%u", 24 - seen++);
            assert_item(f, i, "id", id);
        }
        assert_int_equal(answer_int(f, "total"), 25);
        s = tocsin_find_str(f->result, f->len, "next");
        (void)snprintf(next, sizeof(next), "%.*s", (int)s.len, s.ptr ? s.ptr : "");
        /* One that comes meanwhile moves nothing. */
        raise_of(f, NOON, &(struct alert){.id = "a24"});
    } while (*next);
    assert_int_equal(seen, 25);
}

static void schema_makes_a_case_of_each_alert_of_a_version_3_file(void **state)
{
    struct fixture *f = *state;
    char why[256];
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_int_equal(tc_schema_apply(db, tc_schema_steps, 3, why), 0);
    assert_int_equal(sqlite3_exec(db,
                                  "INSERT INTO alerts (id, time_ns, last_seen_ns, count,"
                                  " title, severity, rule, data, source)"
                                  " VALUES ('old', 5, 7, 3, 'Old one', 'low', 'r',"
                                  " x'80', 'edr'), ('older', 4, 5, 1, 'x', NULL, 'r',"
                                  " x'80', 'edr')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    (void)sqlite3_close(db);

    open_journal(f);
    assert_int_equal(ask(f, "cases", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 0, "title", "Old one");
    assert_int_equal(item_int(f, 0, "first_seen_ns"), 5);
    assert_int_equal(ask(f, "alerts", "state", "open", 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_int_equal(change(f, "case.close", "old", "seen", 9), 0);
    assert_int_equal(ask(f, "alerts", "state", "open", 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
}

/* ---- Secrets ---- */

static void store_masked(struct fixture *f, const char *topic, const char *id)
{
    struct tocsin_writer w;
    struct tc_event *event;
    uint8_t buf[512];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "alert");
    tocsin_put_str(&w, "id", id);
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_put_str(&w, "command_line", "mysql -phunter2");
    tocsin_end(&w);
    tocsin_end(&w);
    event = make_event(f, topic, NOON, &w, -1);
    assert_non_null(tc_event_mask(event)); /* as the bus does */
    tc_journal_store(f->journal, event);
    tc_event_unref(event);
}

static void secrets_are_in_a_table_of_their_own_alone(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    store_masked(f, TOCSIN_TOPIC_ALERT_RAISED, "a1");
    store_masked(f, "alert.response", "a1");
    assert_int_equal(ask(f, "alert", "id", "a1", 0), 0);
    assert_str(f->result, f->len, "command_line", "mysql -p***");
    assert_str(f->result, f->len, "event.process.command_line", "mysql -p***");
    assert_int_equal(ask(f, "alert.unmasked", "id", "a1", 0), 0);
    assert_str(f->result, f->len, "event.process.command_line", "mysql -phunter2");
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_item(f, 0, "event.process.command_line", "mysql -p***");
    assert_item(f, 1, "event.process.command_line", "mysql -p***");
    assert_int_equal(sql_int(f, "SELECT count(*) FROM alert_unmasked"), 1);
    assert_int_equal(sql_int(f, "DELETE FROM alerts"), -1);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM alert_unmasked"), 0);
}

/* One that has none is told all the same. */
static void an_alert_without_secrets_may_be_asked_for_unmasked(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    raise_of(f, NOON, &(struct alert){"a1", NULL, NULL, {shell}});
    assert_int_equal(ask(f, "alert.unmasked", "id", "a1", 0), 0);
    assert_str(f->result, f->len, "event.process.executable", "/usr/bin/bash");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(alerts_of_one_chain_are_one_case),
        TEST(alerts_of_what_everybody_comes_from_are_apart),
        TEST(a_case_is_over_an_hour_after_its_last_alert),
        TEST(an_alert_joins_the_newest_of_two_cases),
        TEST(a_case_tells_its_alerts_threats_and_responses),
        TEST(a_case_goes_with_its_last_alert),
        TEST(a_case_has_so_many_processes_and_no_more),
        TEST(what_everybody_comes_from_is_known_by_its_place),
        TEST(a_closed_alert_has_its_note_and_who_closed_it),
        TEST(a_closed_alert_that_matches_again_is_open),
        TEST(a_case_is_closed_with_all_its_alerts),
        TEST(a_list_of_alerts_is_what_was_asked_for),
        TEST(pages_of_alerts_have_each_of_them_once),
        TEST(secrets_are_in_a_table_of_their_own_alone),
        TEST(an_alert_without_secrets_may_be_asked_for_unmasked),
        TEST(schema_makes_a_case_of_each_alert_of_a_version_3_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
