/* SPDX-License-Identifier: Apache-2.0 */
/* What health says of facts that nobody reports, and which promise it takes for broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/health.h"
#include "core/base/promise.h"
#include "core/protect/losses.h"
#include "core/protect/promises.h"

#define BIT(promise) TC_PROMISE_BIT(TC_PROMISE_##promise)
#define MINUTE (60 * UINT64_C(1000000000))

static const struct tc_promise_facts well = {.sensor_name = "es"};

/* The only issue that the facts lead to. */
static struct tc_health_issue derive(const struct tc_promise_facts *facts)
{
    static struct tc_health_numbers numbers;

    numbers = (struct tc_health_numbers){.sensors = {"es", "kext"}};
    tc_promises_derive(facts, &numbers);
    assert_int_equal(numbers.issue_count, 1);
    assert_false(numbers.issues[0].note);
    assert_true(numbers.issues[0].text[0] && numbers.issues[0].fix[0]);
    return numbers.issues[0];
}

static void promises_are_kept_when_everything_runs(void **state)
{
    struct tc_health_numbers numbers = {.sensors = {"es", "kext"}};

    (void)state;
    tc_promises_derive(&well, &numbers);
    assert_int_equal(numbers.issue_count, 0);
    assert_int_equal(numbers.promised, TC_PROMISE_BIT(TC_PROMISES) - 1);
}

static void network_is_promised_only_where_the_filter_is_configured(void **state)
{
    struct tc_health_numbers numbers = {.sensors = {"es", "kext"}};
    struct tc_promise_facts facts = well;

    (void)state;
    facts.parts[TC_PART_NETWORK] = TC_PART_NOT_NAMED;
    tc_promises_derive(&facts, &numbers);
    assert_int_equal(numbers.issue_count, 0);
    assert_false(numbers.promised & BIT(NETWORK));
    facts.parts[TC_PART_NETWORK] = TC_PART_OFF_BY_CONFIGURATION;
    assert_int_equal(derive(&facts).promises, BIT(NETWORK));
}

static void part_that_does_not_run_is_named_with_what_starts_it(void **state)
{
    static const struct {
        enum tc_part part;
        unsigned promises;
        enum tc_part_state state;
        const char *id, *fix;
    } cases[] = {
        {TC_PART_SCANNER, BIT(SCANNING) | BIT(QUARANTINE), TC_PART_OFF, "core.av",
         "tocsin plugin enable av"},
        {TC_PART_SCANNER, BIT(SCANNING) | BIT(QUARANTINE), TC_PART_OFF_BY_CONFIGURATION,
         "core.av", "tocsin config set plugins.av.enabled true"},
        {TC_PART_BEHAVIOUR, BIT(BEHAVIOUR), TC_PART_COMING, "core.edr", "wait a moment"},
        {TC_PART_PROCESSES, BIT(BEHAVIOUR), TC_PART_NOT_NAMED, "core.trace",
         "tocsin config set plugins.trace '{}'"},
        {TC_PART_NETWORK, BIT(NETWORK), TC_PART_OFF, "core.netfilter",
         "tocsin plugin enable netfilter"},
    };
    struct tc_health_issue issue;
    struct tc_promise_facts facts;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        facts = well;
        facts.parts[cases[i].part] = cases[i].state;
        issue = derive(&facts);
        assert_string_equal(issue.id, cases[i].id);
        assert_string_equal(issue.fix, cases[i].fix);
        assert_int_equal(issue.promises, cases[i].promises);
    }
}

static void part_that_has_failed_has_an_issue_already(void **state)
{
    static const char *const sensors[] = {"es", "kext"};
    struct tc_health_numbers numbers = {.sensors = {"es", "kext"}};
    struct tc_promise_facts facts = well;

    (void)state;
    facts.parts[TC_PART_SCANNER] = TC_PART_REPORTED;
    tc_promises_derive(&facts, &numbers);
    assert_int_equal(numbers.issue_count, 0);
    assert_int_equal(tc_promise_of("core", "plugin_av", sensors), BIT(SCANNING));
}

static void sensor_that_does_not_protect_is_told_with_what_helps(void **state)
{
    static const struct {
        enum tc_sensor_trouble trouble;
        const char *id, *fix;
    } cases[] = {
        {TC_SENSOR_SILENT, "core.sensor", "tocsin plugin reload es"},
        {TC_SENSOR_COMING, "core.sensor", "wait a moment"},
        {TC_SENSOR_WAITS, "core.sensor", "tocsin approval list"},
        {TC_SENSOR_FAILED, "core.sensor", "tocsin approval retry"},
        {TC_SENSOR_MISSING, "core.sensor", "tocsin plugin enable es"},
        {TC_SENSOR_OFF, "core.disabled", "tocsin plugin enable es"},
        {TC_SENSOR_OFF_BY_CONFIGURATION, "core.disabled",
         "tocsin config set plugins.es.enabled true"},
        {TC_SENSOR_NOT_NAMED, "core.disabled", "tocsin config set plugins.es '{}'"},
    };
    struct tc_promise_facts facts = well;
    struct tc_health_issue issue;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        facts.sensor = cases[i].trouble;
        issue = derive(&facts);
        assert_string_equal(issue.id, cases[i].id);
        assert_string_equal(issue.fix, cases[i].fix);
        assert_int_equal(issue.promises, BIT(REAL_TIME));
    }
}

static void sensor_that_waits_for_approval_has_its_fix(void **state)
{
    struct tc_health_numbers numbers = {.sensors = {"es", "kext"}};
    struct tc_promise_facts facts = well;

    (void)state;
    facts.sensor = TC_SENSOR_WAITS;
    *tc_health_add(&numbers) = (struct tc_health_issue){
        .id = "approval.denied", .text = "es_extension was refused", .fix = "grant it"};
    tc_promises_derive(&facts, &numbers);
    assert_int_equal(numbers.issue_count, 2);
    assert_string_equal(numbers.issues[1].fix, "grant it");
}

static void what_lets_everything_pass_breaks_promises_by_choice(void **state)
{
    struct tc_promise_facts passive = well, excluded = well, uneven = well;
    struct tc_health_issue issue;

    (void)state;
    passive.passive = true;
    assert_int_equal(derive(&passive).promises,
                     BIT(REAL_TIME) | BIT(QUARANTINE) | BIT(NETWORK));
    excluded.excluded[0] =
        (struct tc_excluded_folder){"/srv", BIT(SCANNING), "{path: \"/**\"}"};
    excluded.excluded_n = 1;
    issue = derive(&excluded);
    assert_int_equal(issue.promises, BIT(SCANNING));
    assert_non_null(strstr(issue.text, "nothing below /srv is scanned"));
    assert_string_equal(issue.fix, "tocsin config remove exclusions '{path: \"/**\"}'");
    snprintf(excluded.excluded[0].entry, sizeof(excluded.excluded[0].entry), "{path: '");
    issue = derive(&excluded); /* no quote ends the shell's */
    assert_non_null(strstr(issue.fix, "tocsin config show"));
    uneven.uneven = (struct tc_uneven_folder){"/srv", "kext", "kext"};
    issue = derive(&uneven);
    assert_int_equal(issue.promises, BIT(REAL_TIME));
    assert_non_null(strstr(issue.text, "/srv is protected by kext only"));
    assert_string_equal(issue.fix, "tocsin config unset plugins.kext.watch");
}

static void detector_that_does_not_answer_is_named(void **state)
{
    struct tc_promise_facts facts = well;
    struct tc_health_issue issue;

    (void)state;
    facts.silent_n = 1;
    snprintf(facts.silent[0], sizeof(facts.silent[0]), "av");
    issue = derive(&facts);
    assert_string_equal(issue.fix, "tocsin plugin reload av");
    assert_true(issue.promises & BIT(SCANNING));
    snprintf(facts.silent[0], sizeof(facts.silent[0]), "acme");
    issue = derive(&facts);
    assert_string_equal(issue.fix, "tocsin plugin disable acme");
    assert_int_equal(issue.promises, BIT(REAL_TIME));
}

static void detector_that_has_lost_events_is_named(void **state)
{
    struct tc_promise_facts facts = well;
    struct tc_health_issue issue;

    (void)state;
    facts.lossy_n = 1;
    facts.lossy[0] = (struct tc_lossy_plugin){"edr", 6593, ""};
    issue = derive(&facts);
    assert_int_equal(issue.promises, BIT(BEHAVIOUR));
    assert_non_null(strstr(issue.text, "edr has lost 6593 events"));
    assert_non_null(strstr(issue.fix, "tocsin diagnostic stats"));
    facts.lossy[0] = (struct tc_lossy_plugin){"trace", 74, "16M"};
    issue = derive(&facts);
    assert_int_equal(issue.promises, BIT(BEHAVIOUR));
    assert_string_equal(issue.fix, "tocsin config set plugins.trace.ring_size 16M");
}

static void issues_without_room_are_left_out(void **state)
{
    struct tc_health_numbers numbers = {.sensors = {"es", "kext"}};
    struct tc_promise_facts facts = well;

    (void)state;
    for (size_t i = 0; i < TC_HEALTH_DERIVED_MAX; i++)
        assert_non_null(tc_health_add(&numbers));
    facts.passive = true;
    tc_promises_derive(&facts, &numbers);
    assert_int_equal(numbers.issue_count, TC_HEALTH_DERIVED_MAX);
}

static void losses_are_recent_for_ten_minutes(void **state)
{
    struct tc_losses losses = {.list = {{.total = 0}}};
    uint64_t now = 100 * MINUTE;

    (void)state;
    tc_losses_note(&losses, "av", 0, now);
    tc_losses_note(&losses, "edr", 5, now);
    assert_int_equal(tc_losses_recent(&losses, "av", now), 0);
    assert_int_equal(tc_losses_recent(&losses, "edr", now), 5);
    tc_losses_note(&losses, "edr", 7, now + 9 * MINUTE);
    tc_losses_note(&losses, "edr", 7, now + 18 * MINUTE); /* no more of them */
    assert_int_equal(tc_losses_recent(&losses, "edr", now + 18 * MINUTE), 7);
    assert_int_equal(tc_losses_recent(&losses, "edr", now + 19 * MINUTE), 0);
    tc_losses_note(&losses, "edr", 8, now + 30 * MINUTE);
    assert_int_equal(tc_losses_recent(&losses, "edr", now + 30 * MINUTE), 1);
    tc_losses_note(&losses, "edr", 2, now + 31 * MINUTE); /* a new start */
    assert_int_equal(tc_losses_recent(&losses, "edr", now + 31 * MINUTE), 2);
}

static void losses_are_added_up(void **state)
{
    struct tc_losses losses = {.list = {{.total = 0}}};

    (void)state;
    tc_losses_add(&losses, "trace", 5, MINUTE);
    tc_losses_add(&losses, "trace", 2, 2 * MINUTE);
    assert_int_equal(tc_losses_recent(&losses, "trace", 3 * MINUTE), 7);
    tc_losses_add(&losses, "trace", 1, 20 * MINUTE);
    assert_int_equal(tc_losses_recent(&losses, "trace", 20 * MINUTE), 1);
}

static void losses_keep_the_latest_when_too_many_lose(void **state)
{
    struct tc_losses losses = {.list = {{.total = 0}}};
    char name[64];

    (void)state;
    for (unsigned i = 0; i <= TC_LOSSES_MAX; i++) {
        snprintf(name, sizeof(name), "p%u", i);
        tc_losses_note(&losses, name, 1, (100 * MINUTE) + i);
    }
    assert_int_equal(tc_losses_recent(&losses, "p0", 101 * MINUTE), 0);
    assert_int_equal(tc_losses_recent(&losses, "p1", 101 * MINUTE), 1);
    assert_int_equal(tc_losses_recent(&losses, name, 101 * MINUTE), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promises_are_kept_when_everything_runs),
        cmocka_unit_test(network_is_promised_only_where_the_filter_is_configured),
        cmocka_unit_test(part_that_does_not_run_is_named_with_what_starts_it),
        cmocka_unit_test(part_that_has_failed_has_an_issue_already),
        cmocka_unit_test(sensor_that_does_not_protect_is_told_with_what_helps),
        cmocka_unit_test(sensor_that_waits_for_approval_has_its_fix),
        cmocka_unit_test(what_lets_everything_pass_breaks_promises_by_choice),
        cmocka_unit_test(detector_that_does_not_answer_is_named),
        cmocka_unit_test(detector_that_has_lost_events_is_named),
        cmocka_unit_test(issues_without_room_are_left_out),
        cmocka_unit_test(losses_are_recent_for_ten_minutes),
        cmocka_unit_test(losses_are_added_up),
        cmocka_unit_test(losses_keep_the_latest_when_too_many_lose),
    };

    return cmocka_run_group_tests_name("promises", tests, NULL, NULL);
}
