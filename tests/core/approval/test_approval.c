/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of the test list of approvals, as far as gates keep
 * them: each names its number there. */
#include "test_approval_util.h"

static void only_the_first_extension_prompts_and_the_second_is_queued(void **state)
{
    struct world *w = *state;

    begin(w, EXTENSIONS);
    assert_gates(w, "prompting queued unrequested unrequested");
    assert_log(w, "flow_started es_extension network_extension\n"
                  "prompt_shown es_extension 1 of 2, 60000 ms\n");
    assert_phase(w, "prompting", "");
    assert_issue(w, "waiting for approval: es_extension (1 of 2), 60 seconds left",
                 "tocsin approval grant es_extension");
}

static void second_prompt_has_what_the_first_left_of_the_minute(void **state)
{
    struct world *w = *state;

    begin(w, EXTENSIONS);
    forget(w);
    wait_ms(w, 20000);
    grant(w, ES);
    assert_log(w, "granted es_extension user root\n"
                  "prompt_shown network_extension 2 of 2, 40000 ms\n");
    assert_gates(w, "granted prompting unrequested unrequested");
    assert_issue(w, "waiting for approval: network_extension (2 of 2), 40 seconds left",
                 "tocsin approval grant network_extension");
}

static void extensions_granted_just_in_time_never_time_out(void **state)
{
    struct world *w = *state;

    begin(w, EXTENSIONS);
    grant(w, ES);
    wait_ms(w, 59900);
    grant(w, NET);
    forget(w);
    wait_ms(w, 1100);
    assert_log(w, "");
    assert_phase(w, "complete", "es net");
    assert_true(tc_approval_next_ns(w->approval) == UINT64_MAX);
}

static void timeout_names_what_is_pending_and_takes_nothing_back(void **state)
{
    struct world *w = *state;

    begin(w, ALL_GATES);
    grant(w, ES);
    wait_ms(w, 59999);
    forget(w);
    wait_ms(w, 1);
    assert_log(w, "timeout network_extension\n"
                  "prompt_withdrawn network_extension timeout\n");
    assert_gates(w, "granted unrequested queued queued");
    assert_phase(w, "timed_out", "");
    assert_issue(w, "approval timed out: network_extension",
                 "tocsin approval grant network_extension");
}

static void timeout_comes_exactly_once(void **state)
{
    struct world *w = *state;

    begin(w, ALL_GATES);
    assert_true(tc_approval_next_ns(w->approval) == w->now_ns + 60 * SECOND);
    forget(w);
    wait_ms(w, 60000);
    assert_log(w, "timeout es_extension network_extension\n"
                  "prompt_withdrawn es_extension timeout\n");
    for (unsigned i = 0; i < 100; i++)
        wait_ms(w, 60000);
    assert_log(w, "");
    assert_true(tc_approval_next_ns(w->approval) == UINT64_MAX);
    assert_issue(w, "approval timed out: es_extension, network_extension",
                 "tocsin approval grant es_extension");
}

static void restart_asks_with_a_full_minute_for_what_lacks_only(void **state)
{
    struct world *w = *state;

    keep(w, BIT(ES) | BIT(FILTER));
    begin(w, ALL_GATES);
    assert_log(w, "flow_started es_extension network_extension network_filter "
                  "full_disk_access\n"
                  "granted es_extension preexisting root\n"
                  "prompt_shown network_extension 1 of 2, 60000 ms\n");
    wait_ms(w, 10000);
    grant(w, NET);
    assert_log(w, "granted network_extension user root\n"
                  "granted network_filter preexisting root\n"
                  "prompt_shown full_disk_access 2 of 2, 0 ms\n");
}

static void late_grant_of_the_last_gate_admits_es(void **state)
{
    struct world *w = *state;

    keep(w, BIT(ES) | BIT(FILTER) | BIT(DISK));
    begin(w, ALL_GATES);
    wait_ms(w, 60000);
    assert_phase(w, "timed_out", "");
    forget(w);
    wait_ms(w, 3600000);
    grant(w, NET);
    assert_log(w, "late_granted network_extension user root\n"
                  "granted network_filter preexisting root\n"
                  "flow_completed\n");
    assert_phase(w, "complete", "es net");
    assert_issue(w, "", "");
}

static void late_grant_waits_for_the_next_start_where_so_configured(void **state)
{
    struct world *w = *state;

    w->config.late_swap = false;
    configure(w);
    keep(w, BIT(ES) | BIT(FILTER) | BIT(DISK));
    begin(w, ALL_GATES);
    wait_ms(w, 60000);
    grant(w, NET);
    assert_gates(w, "granted reboot_required granted granted");
    assert_phase(w, "restart_needed", "");
    assert_issue(w,
                 "approved too late for this run: the sensor changes at the next start",
                 "systemctl restart tocsind");
}

static void filter_may_wait_for_as_long_as_it_takes(void **state)
{
    struct world *w = *state;

    begin(w, ALL_GATES);
    grant(w, ES);
    grant(w, NET);
    forget(w);
    wait_ms(w, 600000);
    assert_log(w, "");
    assert_gates(w, "granted granted prompting queued");
    assert_phase(w, "filter_wait", "");
    assert_issue(w, "network event provider not running",
                 "tocsin approval grant network_filter");
}

static void full_disk_access_comes_last_and_is_probed_when_granted(void **state)
{
    struct world *w = *state;

    begin(w, ALL_GATES);
    grant(w, ES);
    grant(w, NET);
    grant(w, FILTER);
    assert_phase(w, "disk_wait", " net");
    assert_issue(w, "full disk access has not been granted",
                 "tocsin approval grant full_disk_access");
    forget(w);
    w->hold = true;
    wait_ms(w, 600000);
    grant(w, DISK);
    assert_int_not_equal(w->tickets[DISK], 0);
    assert_phase(w, "probing", " net");
    assert_false(look(w).settled);
    world_answer_probe(w, DISK);
    assert_log(w, "granted full_disk_access user root\nflow_completed\n");
    assert_phase(w, "complete", "es net");
}

static void refused_filter_keeps_es_out_when_all_gates_are_needed(void **state)
{
    struct world *w = *state;

    keep(w, BIT(DISK));
    begin(w, ALL_GATES);
    grant(w, ES);
    grant(w, NET);
    deny(w, FILTER);
    assert_gates(w, "granted granted denied granted");
    assert_phase(w, "denied", "");
    assert_issue(w, "network_filter was refused", "tocsin approval grant network_filter");
}

static void refused_filter_leaves_es_alone_when_each_sensor_has_its_gates(void **state)
{
    struct world *w = *state;

    w->config.all_gates = false;
    configure(w);
    begin(w, ALL_GATES);
    grant(w, ES);
    grant(w, NET);
    deny(w, FILTER);
    assert_gates(w, "granted granted denied prompting");
    grant(w, DISK);
    assert_phase(w, "denied", "es");
}

static const struct tc_prerequisite prerequisites[] = {
    {"os_version", "5.9.16", "5.10", false},
    {"product_version", "0.1.0", "0.1.0", true},
    {"release_ring", "beta", "current, preview", false},
};

static void every_prerequisite_that_fails_is_named_and_nobody_is_asked(void **state)
{
    struct world *w = *state;
    char text[256], fix[128];
    struct tc_approval_view view;

    tc_approval_set_prerequisites(w->approval, prerequisites, 3, w->now_ns);
    keep(w, ALL_GATES);
    begin(w, ALL_GATES);
    tc_approval_begin(w->approval, w->now_ns);
    assert_log(w, "prerequisite_failed os_version: 5.9.16, not 5.10\n"
                  "prerequisite_failed release_ring: beta, not current, preview\n");
    assert_int_equal(w->probes, 0);
    assert_phase(w, "prerequisites_failed", "");
    view = look(w);
    assert_true(tc_approval_issue(&view, NULL, 1, text, fix));
    assert_string_equal(text, "release_ring is beta, needed is current, preview");
    assert_string_equal(fix, "tocsin config set release_ring current; systemctl restart "
                             "tocsind");
    assert_false(tc_approval_issue(&view, NULL, 2, text, fix));
    assert_issue(w, "os_version is 5.9.16, needed is 5.10",
                 "upgrade the operating system and restart the machine");
}

static void answers_are_refused_while_a_prerequisite_fails(void **state)
{
    struct world *w = *state;

    tc_approval_set_prerequisites(w->approval, prerequisites, 3, w->now_ns);
    begin(w, ALL_GATES);
    forget(w);
    assert_int_equal(answer(w, ES, TC_ANSWER_GRANT), -EAGAIN);
    assert_string_equal(
        w->why, "the prerequisites are not met: os_version is 5.9.16, needed is 5.10");
}

static void met_prerequisites_say_nothing_and_the_flow_begins(void **state)
{
    struct world *w = *state;

    tc_approval_set_prerequisites(w->approval, &prerequisites[1], 1, w->now_ns);
    begin(w, BIT(ES));
    assert_log(w, "flow_started es_extension\n"
                  "prompt_shown es_extension 1 of 1, 60000 ms\n");
}

static void ring_that_was_read_at_the_start_counts_until_the_next(void **state)
{
    struct world *w = *state;
    struct tc_prerequisite list[] = {{"release_ring", "current", "current", true}};

    tc_approval_set_prerequisites(w->approval, list, 1, w->now_ns);
    begin(w, ALL_GATES);
    forget(w);
    list[0].have = "beta";
    list[0].met = false;
    configure(w);
    wait_ms(w, 1000);
    assert_log(w, "");
    assert_phase(w, "prompting", "");
    assert_string_equal(look(w).prerequisites[0].have, "current");
}

static void profile_that_allows_everything_shows_no_prompt(void **state)
{
    struct world *w = *state;

    for (enum tc_gate g = 0; g < TC_GATES; g++)
        manage(w, g, TC_GATE_PROFILE_ALLOWS, "fleet");
    begin(w, ALL_GATES);
    assert_log(w, "flow_started es_extension network_extension network_filter "
                  "full_disk_access\n"
                  "granted es_extension managed fleet\n"
                  "granted network_extension managed fleet\n"
                  "granted network_filter managed fleet\n"
                  "granted full_disk_access managed fleet\n"
                  "flow_completed\n");
    assert_phase(w, "complete", "es net");
    assert_int_equal(gate_of(w, ES).source, TC_GATE_BY_PROFILE);
    assert_string_equal(gate_of(w, ES).profile, "fleet");
}

static void profile_for_the_extensions_leaves_the_rest_to_people(void **state)
{
    struct world *w = *state;

    manage(w, ES, TC_GATE_PROFILE_ALLOWS, "fleet");
    manage(w, NET, TC_GATE_PROFILE_ALLOWS, "fleet");
    begin(w, ALL_GATES);
    assert_gates(w, "granted granted prompting queued");
    wait_ms(w, 600000);
    grant(w, FILTER);
    assert_gates(w, "granted granted granted prompting");
}

static void profile_that_arrives_withdraws_the_prompt(void **state)
{
    struct world *w = *state;

    begin(w, EXTENSIONS);
    forget(w);
    manage(w, ES, TC_GATE_PROFILE_ALLOWS, "fleet");
    assert_log(w, "prompt_withdrawn es_extension managed\n"
                  "granted es_extension managed fleet\n"
                  "prompt_shown network_extension 2 of 2, 60000 ms\n");
    grant(w, NET);
    forget(w);

    manage(w, ES, TC_GATE_UNMANAGED, NULL);
    assert_log(w, "revoked es_extension fleet\n");
    assert_gates(w, "revoked granted unrequested unrequested");
    assert_phase(w, "denied", " net");
    assert_issue(w, "es_extension was revoked: managed policy fleet is gone",
                 "tocsin approval grant es_extension");
}

static void profile_that_goes_brings_back_an_earlier_consent(void **state)
{
    struct world *w = *state;

    begin(w, BIT(ES));
    grant(w, ES);
    manage(w, ES, TC_GATE_PROFILE_ALLOWS, "fleet");
    forget(w);
    manage(w, ES, TC_GATE_UNMANAGED, NULL);
    assert_log(w, "granted es_extension user root\n");
    assert_phase(w, "complete", "es net");
    assert_int_equal(gate_of(w, ES).source, TC_GATE_BY_USER);
    assert_int_equal(w->probes, 1);
}

static void profile_that_forbids_is_stronger_than_root(void **state)
{
    struct world *w = *state;

    manage(w, ES, TC_GATE_PROFILE_FORBIDS, "lockdown");
    begin(w, EXTENSIONS);
    assert_log(w, "flow_started es_extension network_extension\n"
                  "forbidden es_extension lockdown\n");
    assert_gates(w, "forbidden queued unrequested unrequested");
    assert_int_equal(answer(w, ES, TC_ANSWER_GRANT), -EPERM);
    assert_string_equal(w->why,
                        "es_extension is blocked by the managed profile lockdown");
    assert_log(w, "refused es_extension root: es_extension is blocked by the managed "
                  "profile lockdown\n");
    assert_phase(w, "forbidden", "");
    assert_issue(w, "es_extension is blocked by managed policy lockdown",
                 "tocsin profile check");
}

/* That of two profiles the one that denies wins is the reader's to
 * say: here one state comes in. */
static void profile_that_denies_wins_over_consent(void **state)
{
    struct world *w = *state;

    keep(w, ALL_GATES);
    begin(w, ALL_GATES);
    forget(w);
    manage(w, NET, TC_GATE_PROFILE_DENIES, "strict");
    assert_log(w, "denied network_extension strict\n");
    assert_phase(w, "denied", "");
    assert_issue(w, "network_extension was refused by managed policy strict",
                 "tocsin profile check");
    assert_int_equal(answer(w, NET, TC_ANSWER_GRANT), -EPERM);
    manage(w, NET, TC_GATE_UNMANAGED, NULL);
    assert_phase(w, "complete", "es net");
}

static void only_the_time_that_is_passed_in_counts(void **state)
{
    struct world *w = *state;
    uint64_t deadline;

    begin(w, EXTENSIONS);
    deadline = tc_approval_next_ns(w->approval);
    forget(w);
    /* However often it is asked, and whatever other clocks do meanwhile. */
    for (unsigned i = 0; i < 1000; i++)
        tc_approval_tick(w->approval, w->now_ns);
    assert_log(w, "");
    /* A clock that steps back moves nothing either. */
    tc_approval_tick(w->approval, w->now_ns - 500 * SECOND);
    assert_true(tc_approval_next_ns(w->approval) == deadline);
    tc_approval_tick(w->approval, deadline - 1);
    assert_log(w, "");
    tc_approval_tick(w->approval, deadline);
    assert_log(w, "timeout es_extension network_extension\n"
                  "prompt_withdrawn es_extension timeout\n");
}

static void answer_out_of_turn_is_refused_naming_the_pending_gate(void **state)
{
    struct world *w = *state;

    begin(w, ALL_GATES);
    forget(w);
    assert_int_equal(answer(w, NET, TC_ANSWER_GRANT), -EBUSY);
    assert_string_equal(w->why, "es_extension must be granted first, it is prompting; "
                                "network_extension waits for it");
    assert_gates(w, "prompting queued queued queued");
    assert_log(w, "refused network_extension root: es_extension must be granted first, "
                  "it is prompting; network_extension waits for it\n");
}

static void refusal_of_the_caller_is_reported_and_changes_nothing(void **state)
{
    struct world *w = *state;

    begin(w, ALL_GATES);
    forget(w);
    tc_approval_refuse(w->approval, ES, "uid 1000", "only root may approve");
    assert_log(w, "refused es_extension uid 1000: only root may approve\n");
    assert_gates(w, "prompting queued queued queued");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATE_TEST(only_the_first_extension_prompts_and_the_second_is_queued),
        GATE_TEST(second_prompt_has_what_the_first_left_of_the_minute),
        GATE_TEST(extensions_granted_just_in_time_never_time_out),
        GATE_TEST(timeout_names_what_is_pending_and_takes_nothing_back),
        GATE_TEST(timeout_comes_exactly_once),
        GATE_TEST(restart_asks_with_a_full_minute_for_what_lacks_only),
        GATE_TEST(late_grant_of_the_last_gate_admits_es),
        GATE_TEST(late_grant_waits_for_the_next_start_where_so_configured),
        GATE_TEST(filter_may_wait_for_as_long_as_it_takes),
        GATE_TEST(full_disk_access_comes_last_and_is_probed_when_granted),
        GATE_TEST(refused_filter_keeps_es_out_when_all_gates_are_needed),
        GATE_TEST(refused_filter_leaves_es_alone_when_each_sensor_has_its_gates),
        GATE_TEST(every_prerequisite_that_fails_is_named_and_nobody_is_asked),
        GATE_TEST(answers_are_refused_while_a_prerequisite_fails),
        GATE_TEST(met_prerequisites_say_nothing_and_the_flow_begins),
        GATE_TEST(ring_that_was_read_at_the_start_counts_until_the_next),
        GATE_TEST(profile_that_allows_everything_shows_no_prompt),
        GATE_TEST(profile_for_the_extensions_leaves_the_rest_to_people),
        GATE_TEST(profile_that_arrives_withdraws_the_prompt),
        GATE_TEST(profile_that_goes_brings_back_an_earlier_consent),
        GATE_TEST(profile_that_forbids_is_stronger_than_root),
        GATE_TEST(profile_that_denies_wins_over_consent),
        GATE_TEST(only_the_time_that_is_passed_in_counts),
        GATE_TEST(answer_out_of_turn_is_refused_naming_the_pending_gate),
        GATE_TEST(refusal_of_the_caller_is_reported_and_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
