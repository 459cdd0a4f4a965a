/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/health.h"
#include "core/base/promise.h"
#include "ipc/pack.h"

#define SECOND 1000000000ull

static const struct tc_health_numbers now = {
    .real_time_enabled = true, .ring = "current", .now_ns = 100 * SECOND};

/* The same with es in the slot. */
static struct tc_health_numbers held(uint64_t canary_ns)
{
    struct tc_health_numbers numbers = now;

    numbers.holder = "es";
    numbers.subsystem = "endpoint_security_extension";
    numbers.canary_ns = canary_ns;
    return numbers;
}

struct answer {
    uint8_t buf[65536];
    size_t len;
};

static void put(struct answer *a, const struct tc_health *health,
                const struct tc_health_numbers *numbers)
{
    struct tc_pack p;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_health_put(health, numbers, &p);
    tc_pack_end(&p);
    assert_int_equal(p.error, 0);
    assert_true(p.bytes.size <= sizeof(a->buf));
    a->len = p.bytes.size;
    memcpy(a->buf, p.bytes.data, a->len);
    tc_pack_done(&p);
}

static void assert_text(const struct answer *a, const char *field, const char *want)
{
    struct tocsin_str s = tocsin_find_str(a->buf, a->len, field);

    if (!tocsin_str_is(s, want))
        fail_msg("%s is %.*s, not %s", field, (int)s.len, s.ptr ? s.ptr : "", want);
}

static unsigned issues(const struct answer *a)
{
    struct tocsin_value v;

    assert_true(tocsin_find(a->buf, a->len, "health_issues", &v));
    return v.count;
}

static void sensor_reports(struct tc_health *health)
{
    tc_health_report(health, "kext", TOCSIN_REPORT_FACT, "sensor_mechanism", "bpf_lsm",
                     NULL);
    tc_health_report(health, "es", TOCSIN_REPORT_FACT, "sensor_mechanism", "fanotify",
                     NULL);
}

static void health_names_a_sensor_only_while_its_canary_is_fresh(void **state)
{
    const struct tc_health_numbers fresh = held(40 * SECOND + 1),
                                   stale = held(40 * SECOND - 1);
    struct tc_health *health = tc_health_new();
    struct answer a;

    (void)state;
    sensor_reports(health);
    put(&a, health, &fresh);
    assert_true(tocsin_find_bool(a.buf, a.len, "healthy", false));
    assert_text(&a, "real_time_protection_subsystem", "endpoint_security_extension");
    assert_text(&a, "sensor_mechanism", "fanotify");

    put(&a, health, &stale);
    assert_text(&a, "real_time_protection_subsystem", "unavailable");
    assert_text(&a, "sensor_mechanism", "none");
    tc_health_free(health);
}

static void health_is_good_with_a_note_and_bad_with_a_derived_issue(void **state)
{
    struct tc_health_numbers numbers = held(99 * SECOND);
    struct tc_health *health = tc_health_new();
    struct answer a;

    (void)state;
    numbers.issue_count = 1;
    numbers.issues[0] =
        (struct tc_health_issue){"core.switching", "switching sensor", "wait", true, 0};
    put(&a, health, &numbers);
    assert_int_equal(issues(&a), 1);
    assert_true(tocsin_find_bool(a.buf, a.len, "healthy", false));
    numbers.issues[0].note = false;
    put(&a, health, &numbers);
    assert_false(tocsin_find_bool(a.buf, a.len, "healthy", true));
    tc_health_free(health);
}

static void health_names_the_fields_that_a_profile_has_set(void **state)
{
    struct tc_health_numbers numbers = held(99 * SECOND);
    struct tc_health *health = tc_health_new();
    struct tocsin_value v;
    struct answer a;

    (void)state;
    put(&a, health, &numbers);
    assert_false(tocsin_find(a.buf, a.len, "managed", &v));
    numbers.managed[0] = "release_ring";
    put(&a, health, &numbers);
    assert_true(tocsin_find(a.buf, a.len, "managed", &v));
    assert_int_equal(v.count, 1);
    tc_health_free(health);
}

static void health_forgets_what_a_stopped_plugin_reported(void **state)
{
    const struct tc_health_numbers numbers = held(99 * SECOND);
    struct tc_health *health = tc_health_new();
    struct answer a;

    (void)state;
    tc_health_report(health, "es", TOCSIN_REPORT_ISSUE, "conflict",
                     "clamonacc watches too", "x");
    tc_health_report(health, "av", TOCSIN_REPORT_FACT, "engine_version", "4.2.3", NULL);
    put(&a, health, &numbers);
    assert_int_equal(issues(&a), 1);
    tc_health_forget(health, "es");
    put(&a, health, &numbers);
    assert_int_equal(issues(&a), 0);
    assert_text(&a, "engine_version", "4.2.3");
    tc_health_free(health);
}

static void health_reports_change_only_when_something_did(void **state)
{
    struct tc_health *health = tc_health_new();

    (void)state;
    assert_true(tc_health_report(health, "av", TOCSIN_REPORT_ISSUE, "rules", "a", "b"));
    assert_false(tc_health_report(health, "av", TOCSIN_REPORT_ISSUE, "rules", "a", "b"));
    assert_true(tc_health_report(health, "av", TOCSIN_REPORT_ISSUE, "rules", "a", NULL));
    assert_false(
        tc_health_report(health, "es", TOCSIN_REPORT_CLEAR, "rules", NULL, NULL));
    assert_true(tc_health_report(health, "av", TOCSIN_REPORT_CLEAR, "rules", NULL, NULL));
    assert_false(
        tc_health_report(health, "av", TOCSIN_REPORT_CLEAR, "rules", NULL, NULL));
    assert_false(tc_health_report(health, "av", 99, "rules", "a", NULL));
    assert_false(tc_health_report(health, "av", TOCSIN_REPORT_FACT, NULL, "a", NULL));
    tc_health_free(health);
}

static void health_bounds_its_issues_and_counts_the_rest(void **state)
{
    const struct tc_health_numbers numbers = held(99 * SECOND);
    struct tc_health *health = tc_health_new();
    char key[32];
    struct answer a;

    (void)state;
    for (int i = 0; i < TC_HEALTH_ISSUES_MAX + 5; i++) {
        snprintf(key, sizeof(key), "i%d", i);
        tc_health_report(health, "acme", TOCSIN_REPORT_ISSUE, key, "x", NULL);
    }
    put(&a, health, &numbers);
    assert_int_equal(issues(&a), TC_HEALTH_ISSUES_MAX + 1);
    tc_health_forget(health, "acme");
    assert_true(tc_health_report(health, "acme", TOCSIN_REPORT_ISSUE, "new", "x", NULL));
    tc_health_free(health);
}

static void health_prints_every_field_in_the_order_of_the_specification(void **state)
{
    static const char *const order[] = {"healthy",
                                        "health_issues",
                                        "app_version",
                                        "machine_id",
                                        "release_ring",
                                        "engine_version",
                                        "engine_load_status",
                                        "real_time_protection_enabled",
                                        "real_time_protection_available",
                                        "real_time_protection_subsystem",
                                        "sensor_mechanism",
                                        "network_events_subsystem",
                                        "supplementary_events_subsystem",
                                        "full_disk_access_enabled",
                                        "passive_mode_enabled",
                                        "definitions_version",
                                        "definitions_updated",
                                        "definitions_status",
                                        "tamper_protection",
                                        "conflicting_applications",
                                        "plugins_loaded",
                                        "plugins_failed",
                                        "events_dropped",
                                        "last_swap",
                                        "promises"};
    struct tc_health *health = tc_health_new();
    struct tocsin_value map, key = {0}, value;
    struct tocsin_iter it;
    struct answer a;
    size_t i = 0;

    (void)state;
    put(&a, health, &now);
    assert_non_null(tocsin_read(a.buf, a.buf + a.len, &map));
    tocsin_iter_init(&it, &map);
    while (tocsin_iter_next(&it, &key, &value)) {
        struct tocsin_str name = {key.ptr, key.len};

        assert_in_range(i, 0, sizeof(order) / sizeof(order[0]) - 1);
        assert_true(tocsin_str_is(name, order[i]));
        i++;
    }
    assert_int_equal(i, sizeof(order) / sizeof(order[0]));
    tc_health_free(health);
}

static void health_shows_sigma_rules_where_a_plugin_has_them(void **state)
{
    struct tc_health *health = tc_health_new();
    struct tocsin_value value;
    struct answer a;

    (void)state;
    put(&a, health, &now);
    assert_false(tocsin_find(a.buf, a.len, "sigma_rules_status", &value));
    tc_health_report(health, "edr", TOCSIN_REPORT_FACT, "sigma_rules_status", "3 rules",
                     NULL);
    put(&a, health, &now);
    assert_true(
        tocsin_str_is(tocsin_find_str(a.buf, a.len, "sigma_rules_status"), "3 rules"));
    tc_health_free(health);
}

static bool kept(const struct answer *a, const char *promise)
{
    char path[64];

    snprintf(path, sizeof(path), "promises.%s.kept", promise);
    return tocsin_find_bool(a->buf, a->len, path, false);
}

static void promise_is_kept_while_no_issue_is_about_it(void **state)
{
    static const struct {
        const char *owner, *key, *promise;
    } cases[] = {
        {"es", "es_mark", "real_time"},
        {"av", "no_rules", "scanning"},
        {"av", "quarantine", "quarantine"},
        {"av", "not_quarantined", "quarantine"},
        {"edr", "no_rules", "behaviour"},
        {"trace", "trace_acts", "behaviour"},
        {"core", "journal", "record"},
        {"core", "plugin_edr", "behaviour"},
        {"acme", "any", NULL},
    };
    static const char *const all[] = {"real_time", "scanning", "behaviour", "record",
                                      "quarantine"};
    struct tc_health_numbers numbers = held(99 * SECOND);
    struct tc_health *health = tc_health_new();
    struct tocsin_value v;
    struct answer a;

    (void)state;
    numbers.sensors[0] = "es";
    numbers.promised = TC_PROMISE_BIT(TC_PROMISE_NETWORK) - 1;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tc_health_report(health, cases[i].owner, TOCSIN_REPORT_ISSUE, cases[i].key,
                         "broken", "mend it");
        put(&a, health, &numbers);
        assert_false(tocsin_find_bool(a.buf, a.len, "healthy", true));
        for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
            assert_int_equal(kept(&a, all[k]),
                             !cases[i].promise || strcmp(all[k], cases[i].promise) != 0);
        tc_health_report(health, cases[i].owner, TOCSIN_REPORT_CLEAR, cases[i].key, NULL,
                         NULL);
    }
    assert_false(tocsin_find(a.buf, a.len, "promises.network", &v));
    tc_health_free(health);
}

static void promise_that_is_not_kept_says_why_and_what_helps(void **state)
{
    struct tc_health_numbers numbers = held(99 * SECOND);
    struct tc_health *health = tc_health_new();
    struct answer a;

    (void)state;
    numbers.promised = TC_PROMISE_BIT(TC_PROMISE_SCANNING);
    numbers.issue_count = 2;
    numbers.issues[0] = (struct tc_health_issue){
        .text = "a note", .note = true, .promises = numbers.promised};
    numbers.issues[1] = (struct tc_health_issue){
        .text = "it is off", .fix = "switch it on", .promises = numbers.promised};
    put(&a, health, &numbers);
    assert_false(kept(&a, "scanning"));
    assert_text(&a, "promises.scanning.cause", "it is off");
    assert_text(&a, "promises.scanning.fix", "switch it on");
    numbers.issue_count = 1;
    put(&a, health, &numbers);
    assert_true(kept(&a, "scanning"));
    tc_health_free(health);
}

static void filter_that_is_not_granted_is_not_shown(void **state)
{
    struct tc_health *health = tc_health_new();
    struct tc_health_numbers numbers = held(99 * SECOND);
    struct answer a;

    (void)state;
    tc_health_report(health, "netfilter", TOCSIN_REPORT_FACT, "network_events_subsystem",
                     "network_filter_extension", NULL);
    put(&a, health, &numbers);
    assert_text(&a, "network_events_subsystem", "unavailable");
    numbers.network_allowed = true;
    put(&a, health, &numbers);
    assert_text(&a, "network_events_subsystem", "network_filter_extension");
    tc_health_free(health);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_names_a_sensor_only_while_its_canary_is_fresh),
        cmocka_unit_test(health_is_good_with_a_note_and_bad_with_a_derived_issue),
        cmocka_unit_test(health_names_the_fields_that_a_profile_has_set),
        cmocka_unit_test(health_forgets_what_a_stopped_plugin_reported),
        cmocka_unit_test(health_reports_change_only_when_something_did),
        cmocka_unit_test(health_bounds_its_issues_and_counts_the_rest),
        cmocka_unit_test(health_prints_every_field_in_the_order_of_the_specification),
        cmocka_unit_test(health_shows_sigma_rules_where_a_plugin_has_them),
        cmocka_unit_test(promise_is_kept_while_no_issue_is_about_it),
        cmocka_unit_test(promise_that_is_not_kept_says_why_and_what_helps),
        cmocka_unit_test(filter_that_is_not_granted_is_not_shown),
    };

    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
