/* SPDX-License-Identifier: Apache-2.0 */
/* Plugin edr as the agent runs it: events in, alerts out; rules that change. */
#include "test_edr_util.h"

#define CURL "{CommandLine|contains: '/curl '}"

static void edr_raises_an_alert_for_an_event_that_a_rule_matches(void **state)
{
    struct edr *edr = *state;
    const struct tocsin_event *alert;
    struct tc_harness *h;

    put_rule(edr, "curl.yml", "Download", CURL);
    h = run_edr(edr, NULL);
    publish_started(h, 100, "/usr/bin/true", "/usr/bin/true");
    publish_started(h, 101, "/usr/bin/curl", "/usr/bin/curl http://x.example/");
    alert = await_alert(h);
    assert_string_equal(tc_harness_text(h, alert, "alert.title"), "Download");
    assert_string_equal(tc_harness_text(h, alert, "alert.severity"), "high");
    assert_int_equal(strlen(tc_harness_text(h, alert, "alert.id")), 36);
    assert_string_equal(tc_harness_text(h, alert, "rule.name"), "Download");
    assert_int_equal(tocsin_event_int(alert, "process.pid", 0), 101);
    tc_harness_settle(h);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 1);
    assert_int_equal(stat_of(h, "matches"), 1);
    assert_int_equal(stat_of(h, "told"), 1);
}

static int exclude_curl(struct tc_harness *h, const char *path, const char *executable)
{
    (void)h;
    (void)path;
    return executable && !strcmp(executable, "/usr/bin/curl") ? TOCSIN_EXCLUDED_BY_PROCESS
                                                              : TOCSIN_NOT_EXCLUDED;
}

static void edr_counts_a_match_that_the_operator_has_excluded(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h;

    edr->h.excluded = exclude_curl;
    put_rule(edr, "curl.yml", "Download", "{CommandLine|contains: http}");
    h = run_edr(edr, NULL);
    publish_started(h, 100, "/usr/bin/curl", "curl http://x.example/");
    publish_started(h, 101, "/usr/bin/wget", "wget http://x.example/");
    assert_int_equal(tocsin_event_int(await_alert(h), "process.pid", 0), 101);
    assert_int_equal(stat_of(h, "excluded"), 1);
    assert_int_equal(stat_of(h, "matches"), 2);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 1);
}

static void edr_takes_a_rule_that_appears_and_drops_one_that_goes(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h;

    put_rule(edr, "curl.yml", "Download", CURL);
    h = run_edr(edr, NULL);
    put_rule(edr, "nc.yml", "Netcat", "{Image|endswith: /nc}");
    await_rules(h, 2);
    remove_file(edr, "curl.yml");
    await_rules(h, 1);
    publish_started(h, 100, "/usr/bin/curl", "/usr/bin/curl http://x.example/");
    publish_started(h, 101, "/usr/bin/nc", "nc -l 1");
    assert_string_equal(tc_harness_text(h, await_alert(h), "alert.title"), "Netcat");
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 1);
}

static void edr_reports_a_broken_rule_with_its_place_and_runs_the_others(void **state)
{
    struct edr *edr = *state;
    const struct tc_harness_report *report;
    struct tc_harness *h;

    put_file(edr, "broken.yml", "title: x\ndetection: [\n");
    put_rule(edr, "curl.yml", "Download", CURL);
    h = run_edr(edr, NULL);
    report = tc_harness_reported(h, "rules_0");
    assert_non_null(report);
    assert_non_null(strstr(report->text, "/broken.yml:"));
    publish_started(h, 100, "/usr/bin/curl", "/usr/bin/curl http://x.example/");
    await_alert(h);
    remove_file(edr, "broken.yml");
    await_stat(h, "reloads", 2);
    assert_null(tc_harness_reported(h, "rules_0"));
}

static void edr_keeps_its_rules_when_not_one_can_be_loaded(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h;

    put_rule(edr, "curl.yml", "Download", CURL);
    h = run_edr(edr, NULL);
    put_file(edr, "curl.yml", "title: [\n");
    await_stat(h, "reloads_kept", 1);
    assert_non_null(tc_harness_reported(h, "rules_kept"));
    publish_started(h, 100, "/usr/bin/curl", "/usr/bin/curl http://x.example/");
    await_alert(h);
    put_rule(edr, "curl.yml", "Better", CURL);
    await_stat(h, "reloads", 2);
    assert_null(tc_harness_reported(h, "rules_kept"));
}

static void edr_keeps_its_rules_while_their_folder_is_away(void **state)
{
    struct edr *edr = *state;
    char away[128];
    struct tc_harness *h;

    put_rule(edr, "curl.yml", "Download", CURL);
    h = run_edr(edr, NULL);
    snprintf(away, sizeof(away), "%s.away", edr->dir);
    assert_int_equal(rename(edr->dir, away), 0);
    await_stat(h, "reloads_kept", 1);
    publish_started(h, 100, "/usr/bin/curl", "/usr/bin/curl http://x.example/");
    await_alert(h);
    assert_int_equal(rename(away, edr->dir), 0);
    await_stat(h, "reloads", 2);
    assert_null(tc_harness_reported(h, "rules_kept"));
    put_rule(edr, "nc.yml", "Netcat", "{Image|endswith: /nc}");
    await_rules(h, 2);
}

static void edr_says_so_when_there_is_no_rule(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h = run_edr(edr, NULL);

    assert_non_null(tc_harness_reported(h, "no_rules"));
    assert_null(tc_harness_reported(h, "selftest"));
    put_rule(edr, "curl.yml", "Download", CURL);
    await_stat(h, "reloads", 2);
    assert_null(tc_harness_reported(h, "no_rules"));
    assert_null(tc_harness_reported(h, "selftest"));
}

static void edr_sees_a_rule_in_a_new_folder_below(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h;
    char folder[128];

    put_rule(edr, "curl.yml", "Download", CURL);
    h = run_edr(edr, NULL);
    snprintf(folder, sizeof(folder), "%s/more", edr->dir);
    assert_int_equal(mkdir(folder, 0755), 0);
    await_stat(h, "reloads", 2);
    put_rule(edr, "more/nc.yml", "Netcat", "{Image|endswith: /nc}");
    await_rules(h, 2);
}

static void edr_fills_in_placeholders(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h;

    put_rule(edr, "tool.yml", "Tool", "{Image|endswith|expand: '/%tools%'}");
    h = run_edr(edr, "placeholders=tools=nc,other=curl,tools=socat");
    publish_started(h, 100, "/usr/bin/curl", "curl");
    publish_started(h, 101, "/usr/bin/socat", "socat");
    assert_int_equal(tocsin_event_int(await_alert(h), "process.pid", 0), 101);
    assert_int_equal(stat_of(h, "matches"), 1);
}

static void edr_reload_answers_with_what_is_in_force(void **state)
{
    struct edr *edr = *state;
    const struct tocsin_event *reply;
    struct tc_harness *h;

    put_rule(edr, "curl.yml", "Download", CURL);
    put_rule(edr, "expand.yml", "Expand", "{CommandLine|expand: '%nobody%'}");
    h = run_edr(edr, NULL);
    reply = ask_edr(h, "rpc.edr.reload", NULL, 0);
    assert_int_equal(tocsin_event_int(reply, "rules", -1), 2);
    assert_int_equal(tocsin_event_int(reply, "runs", -1), 1);
    assert_int_equal(tocsin_event_int(reply, "cannot_run", -1), 1);
    assert_int_equal(tocsin_event_int(reply, "refused", -1), 0);
    assert_int_equal(stat_of(h, "reloads"), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, edr_setup, edr_teardown)
    const struct CMUnitTest tests[] = {
        TEST(edr_raises_an_alert_for_an_event_that_a_rule_matches),
        TEST(edr_counts_a_match_that_the_operator_has_excluded),
        TEST(edr_takes_a_rule_that_appears_and_drops_one_that_goes),
        TEST(edr_reports_a_broken_rule_with_its_place_and_runs_the_others),
        TEST(edr_keeps_its_rules_when_not_one_can_be_loaded),
        TEST(edr_keeps_its_rules_while_their_folder_is_away),
        TEST(edr_says_so_when_there_is_no_rule),
        TEST(edr_sees_a_rule_in_a_new_folder_below),
        TEST(edr_fills_in_placeholders),
        TEST(edr_reload_answers_with_what_is_in_force),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
