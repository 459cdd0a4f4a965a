/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of approvals beyond the test list: lateness, order, what may be
 * answered, and what changes while a flow is under way. */
#include "test_approval_util.h"

static void prepare_probes_what_has_consent_and_prompts_nobody(void **state)
{
    struct world *w = *state;

    assert_gates(w, "unknown unknown unknown unknown");
    keep(w, BIT(ES) | BIT(DISK));
    assert_int_equal(w->probes, 0);
    tc_approval_prepare(w->approval, w->now_ns);
    assert_log(w, "granted es_extension preexisting root\n"
                  "granted full_disk_access preexisting root\n");
    assert_gates(w, "granted unrequested queued granted");
    assert_phase(w, "idle", "");
    assert_issue(w, "starting", "");
    tc_approval_begin(w->approval, w->now_ns);
    tc_approval_begin(w->approval, w->now_ns);
    assert_log(w, "flow_started network_extension network_filter\n"
                  "prompt_shown network_extension 1 of 2, 60000 ms\n");
}

static void everything_kept_admits_es_before_the_flow_begins(void **state)
{
    struct world *w = *state;

    keep(w, ALL_GATES);
    tc_approval_prepare(w->approval, w->now_ns);
    assert_phase(w, "idle", "es net");
    forget(w);
    tc_approval_begin(w->approval, w->now_ns);
    assert_log(w, "flow_completed\n");
    assert_phase(w, "complete", "es net");
}

static void consent_is_no_grant_where_the_system_says_no(void **state)
{
    struct world *w = *state;

    w->results[ES] = TC_PROBE_NOT_PERMITTED;
    w->errors[ES] = EPERM;
    begin(w, EXTENSIONS);
    forget(w);
    grant(w, ES);
    assert_log(w, "probe_failed es_extension NOT_PERMITTED 1\n");
    assert_gates(w, "error queued unrequested unrequested");
    assert_phase(w, "error", "");
    assert_issue(w, "es_extension does not work: NOT_PERMITTED (Operation not permitted)",
                 "tocsin approval retry");
    assert_int_equal(answer(w, ES, TC_ANSWER_GRANT), -EALREADY);
    w->results[ES] = TC_PROBE_OK;
    forget(w);
    tc_approval_retry(w->approval, w->now_ns);
    assert_log(w, "flow_started es_extension network_extension\n"
                  "granted es_extension user root\n"
                  "prompt_shown network_extension 1 of 1, 60000 ms\n");
}

static void gate_being_probed_at_the_deadline_is_pending(void **state)
{
    struct world *w = *state;

    begin(w, BIT(ES));
    w->hold = true;
    wait_ms(w, 59000);
    grant(w, ES);
    forget(w);
    wait_ms(w, 1000);
    assert_log(w, "timeout es_extension\n");
    assert_phase(w, "timed_out", " net");
    world_answer_probe(w, ES);
    assert_log(w, "late_granted es_extension user root\nflow_completed\n");
    assert_phase(w, "complete", "es net");
}

static void late_answer_is_late_though_nobody_ticked(void **state)
{
    struct world *w = *state;

    begin(w, BIT(ES));
    forget(w);
    w->now_ns += 60 * SECOND;
    grant(w, ES);
    assert_log(w, "timeout es_extension\n"
                  "prompt_withdrawn es_extension timeout\n"
                  "late_granted es_extension user root\n"
                  "flow_completed\n");
}

static void late_grants_come_in_order_and_then_the_rest_is_prompted(void **state)
{
    struct world *w = *state;

    begin(w, ALL_GATES);
    wait_ms(w, 60000);
    forget(w);
    assert_int_equal(answer(w, NET, TC_ANSWER_GRANT), -EBUSY);
    forget(w);
    grant(w, ES);
    assert_log(w, "late_granted es_extension user root\n");
    assert_gates(w, "granted unrequested queued queued");
    grant(w, NET);
    assert_log(w, "late_granted network_extension user root\n"
                  "prompt_shown network_filter 2 of 3, 0 ms\n");
    grant(w, FILTER);
    assert_log(w, "granted network_filter user root\n"
                  "prompt_shown full_disk_access 3 of 3, 0 ms\n");
    assert_phase(w, "disk_wait", " net");
}

static void restart_is_needed_only_once_nothing_else_is_missing(void **state)
{
    struct world *w = *state;

    w->config.late_swap = false;
    configure(w);
    begin(w, ALL_GATES);
    wait_ms(w, 60000);
    grant(w, ES);
    assert_phase(w, "timed_out", "");
    grant(w, NET);
    assert_gates(w, "reboot_required reboot_required prompting queued");
    assert_phase(w, "filter_wait", "");
    grant(w, FILTER);
    grant(w, DISK);
    assert_gates(w, "reboot_required reboot_required granted granted");
    assert_phase(w, "restart_needed", "");
    assert_int_equal(answer(w, ES, TC_ANSWER_GRANT), -EALREADY);
    assert_string_equal(w->why,
                        "es_extension is granted, and takes effect at the next start");
    forget(w);
    w->config.late_swap = true;
    configure(w);
    assert_log(w, "flow_completed\n");
    assert_phase(w, "complete", "es net");
}

static void denied_gate_stands_still_until_a_late_grant(void **state)
{
    struct world *w = *state;

    begin(w, EXTENSIONS);
    forget(w);
    deny(w, ES);
    assert_log(w, "denied es_extension root\n");
    assert_gates(w, "denied queued unrequested unrequested");
    assert_issue(w, "es_extension was refused", "tocsin approval grant es_extension");
    assert_int_equal(answer(w, ES, TC_ANSWER_DENY), -EALREADY);
    assert_int_equal(answer(w, NET, TC_ANSWER_GRANT), -EBUSY);
    forget(w);
    wait_ms(w, 20000);
    grant(w, ES);
    assert_log(w, "late_granted es_extension user root\n"
                  "prompt_shown network_extension 2 of 2, 40000 ms\n");
}

static void denied_gate_keeps_the_minute_running(void **state)
{
    struct world *w = *state;

    begin(w, EXTENSIONS);
    deny(w, ES);
    forget(w);
    wait_ms(w, 60000);
    assert_log(w, "timeout es_extension network_extension\n");
    assert_phase(w, "denied", "");
}

static void revoked_gate_reverts_at_once_and_is_not_asked_for_again(void **state)
{
    struct world *w = *state;

    begin(w, BIT(ES) | BIT(DISK));
    grant(w, ES);
    grant(w, DISK);
    assert_phase(w, "complete", "es net");
    forget(w);
    revoke(w, ES);
    assert_log(w, "revoked es_extension root\n");
    assert_gates(w, "revoked unrequested unrequested granted");
    assert_false(gate_of(w, ES).consent);
    assert_phase(w, "denied", " net");
    assert_issue(w, "es_extension was revoked", "tocsin approval grant es_extension");
    wait_ms(w, 3600000);
    assert_log(w, "");
    assert_int_equal(answer(w, ES, TC_ANSWER_REVOKE), -EALREADY);
    forget(w);
    grant(w, ES);
    assert_log(w, "late_granted es_extension user root\nflow_completed\n");
    assert_phase(w, "complete", "es net");
}

static void retry_asks_anew_with_a_full_minute(void **state)
{
    struct world *w = *state;

    begin(w, EXTENSIONS);
    wait_ms(w, 30000);
    forget(w);
    tc_approval_retry(w->approval, w->now_ns);
    assert_log(w, "prompt_withdrawn es_extension retry\n"
                  "flow_started es_extension network_extension\n"
                  "prompt_shown es_extension 1 of 2, 60000 ms\n");
    deny(w, ES);
    wait_ms(w, 60000);
    forget(w);
    tc_approval_retry(w->approval, w->now_ns);
    assert_log(w, "flow_started es_extension network_extension\n"
                  "prompt_shown es_extension 1 of 2, 60000 ms\n");
    grant(w, ES);
    grant(w, NET);
    assert_string_equal(strstr(w->log, "granted es"),
                        "granted es_extension user root\n"
                        "prompt_shown network_extension 2 of 2, 60000 ms\n"
                        "granted network_extension user root\n"
                        "flow_completed\n");
    forget(w);
    tc_approval_retry(w->approval, w->now_ns);
    assert_log(w, "");
}

static void full_disk_access_may_be_granted_before_its_turn(void **state)
{
    struct world *w = *state;

    begin(w, ALL_GATES);
    forget(w);
    grant(w, DISK);
    assert_log(w, "");
    assert_int_equal(w->probes, 0);
    assert_gates(w, "prompting queued queued queued");
    assert_true(gate_of(w, DISK).consent);
    assert_int_equal(look(w).of, 3);
    grant(w, ES);
    assert_log(w, "granted es_extension user root\n"
                  "prompt_shown network_extension 2 of 3, 60000 ms\n"
                  "granted full_disk_access user root\n");
}

static void what_is_not_required_counts_as_granted_unless_a_profile_objects(void **state)
{
    struct world *w = *state;

    w->config.required = false;
    configure(w);
    begin(w, ALL_GATES);
    assert_log(w, "");
    assert_int_equal(w->probes, 0);
    assert_gates(w, "granted granted granted granted");
    assert_phase(w, "complete", "es net");
    assert_issue(w, "", "");
    assert_int_equal(answer(w, ES, TC_ANSWER_GRANT), -EALREADY);
    assert_int_equal(answer(w, ES, TC_ANSWER_DENY), -EINVAL);
    forget(w);
    manage(w, ES, TC_GATE_PROFILE_FORBIDS, "lockdown");
    assert_log(w, "forbidden es_extension lockdown\n");
    assert_phase(w, "forbidden", " net");
    manage(w, ES, TC_GATE_UNMANAGED, NULL);
    forget(w);
    w->config.required = true;
    configure(w);
    assert_log(w, "flow_started es_extension network_extension network_filter "
                  "full_disk_access\n"
                  "prompt_shown es_extension 1 of 4, 60000 ms\n");
}

static void gate_that_is_no_longer_needed_is_no_longer_asked_for(void **state)
{
    struct world *w = *state;

    begin(w, ALL_GATES);
    grant(w, ES);
    forget(w);
    tc_approval_set_gates(w->approval, BIT(ES) | BIT(DISK), w->now_ns);
    assert_log(w, "prompt_withdrawn network_extension not_needed\n"
                  "prompt_shown full_disk_access 3 of 3, 0 ms\n");
    assert_int_equal(answer(w, NET, TC_ANSWER_GRANT), -ENOENT);
    assert_string_equal(w->why, "network_extension is not asked for: its extension is "
                                "not installed or not enabled");
    wait_ms(w, 60000);
    grant(w, DISK);
    assert_phase(w, "complete", "es net");
}

static void extension_that_comes_later_has_a_minute_of_its_own(void **state)
{
    struct world *w = *state;

    begin(w, BIT(ES));
    grant(w, ES);
    wait_ms(w, 600000);
    forget(w);
    tc_approval_set_gates(w->approval, EXTENSIONS, w->now_ns);
    assert_log(w, "flow_started network_extension\n"
                  "prompt_shown network_extension 1 of 1, 60000 ms\n");
    assert_phase(w, "prompting", "");
    wait_ms(w, 60000);
    assert_phase(w, "timed_out", "");
}

static void refused_es_leaves_the_network_alone_when_each_has_its_gates(void **state)
{
    struct world *w = *state;

    w->config.all_gates = false;
    configure(w);
    begin(w, ALL_GATES);
    deny(w, ES);
    assert_gates(w, "denied prompting queued queued");
    grant(w, NET);
    grant(w, FILTER);
    assert_gates(w, "denied granted granted queued");
    assert_phase(w, "denied", " net");
}

static void profile_that_denies_withdraws_the_prompt(void **state)
{
    struct world *w = *state;

    begin(w, EXTENSIONS);
    forget(w);
    manage(w, ES, TC_GATE_PROFILE_DENIES, "strict");
    assert_log(w, "prompt_withdrawn es_extension managed\n"
                  "denied es_extension strict\n");
    manage(w, ES, TC_GATE_UNMANAGED, NULL);
    assert_log(w, "prompt_shown es_extension 1 of 2, 60000 ms\n");
}

static void answers_against_a_profile_name_it(void **state)
{
    struct world *w = *state;

    manage(w, ES, TC_GATE_PROFILE_ALLOWS, "fleet");
    begin(w, EXTENSIONS);
    assert_int_equal(answer(w, ES, TC_ANSWER_GRANT), -EALREADY);
    assert_int_equal(answer(w, ES, TC_ANSWER_REVOKE), -EPERM);
    assert_int_equal(answer(w, ES, TC_ANSWER_DENY), -EPERM);
    assert_string_equal(w->why, "es_extension is allowed by the managed profile fleet");
}

static void profile_that_never_took_effect_leaves_no_revocation(void **state)
{
    struct world *w = *state;

    w->hold = true;
    manage(w, ES, TC_GATE_PROFILE_ALLOWS, "fleet");
    begin(w, BIT(ES));
    forget(w);
    manage(w, ES, TC_GATE_UNMANAGED, NULL);
    assert_log(w, "prompt_shown es_extension 1 of 1, 60000 ms\n");
    /* The answer to the profile's probe is no answer to ours. */
    world_answer_probe(w, ES);
    assert_gates(w, "prompting unrequested unrequested unrequested");
}

static void answer_to_an_old_probe_is_not_taken(void **state)
{
    struct world *w = *state;
    unsigned old;

    w->hold = true;
    begin(w, BIT(ES));
    grant(w, ES);
    old = w->tickets[ES];
    revoke(w, ES);
    grant(w, ES);
    assert_int_not_equal(w->tickets[ES], old);
    tc_approval_probed(w->approval, ES, old, TC_PROBE_OK, 0, w->now_ns);
    assert_gates(w, "unknown unrequested unrequested unrequested");
    assert_phase(w, "probing", " net");
    assert_issue(w, "es_extension is granted and is being checked", "");
    world_answer_probe(w, ES);
    assert_phase(w, "complete", "es net");
}

static void sensor_that_does_not_work_turns_its_gate_to_error(void **state)
{
    struct world *w = *state;

    begin(w, BIT(ES));
    tc_approval_failed(w->approval, ES, EIO, w->now_ns);
    assert_phase(w, "prompting", " net");
    grant(w, ES);
    forget(w);
    tc_approval_failed(w->approval, ES, EIO, w->now_ns);
    assert_log(w, "probe_failed es_extension INTERNAL 5\n");
    assert_phase(w, "error", " net");
    tc_approval_retry(w->approval, w->now_ns);
    assert_phase(w, "complete", "es net");
}

/* And what is no error, or has no consent, is left alone. */
static void probe_that_would_succeed_now_is_made_again(void **state)
{
    struct world *w = *state;

    w->results[ES] = TC_PROBE_INTERNAL;
    begin(w, BIT(ES));
    tc_approval_probe_again(w->approval, ES, w->now_ns);
    assert_phase(w, "prompting", " net");
    grant(w, ES);
    assert_phase(w, "error", " net");
    w->results[ES] = TC_PROBE_OK;
    tc_approval_probe_again(w->approval, ES, w->now_ns);
    assert_phase(w, "complete", "es net");
    tc_approval_probe_again(w->approval, ES, w->now_ns);
    assert_int_equal(w->probes, 2);
    assert_phase(w, "complete", "es net");
}

static void consent_for_another_binary_is_asked_for_again(void **state)
{
    struct world *w = *state;

    keep(w, BIT(ES));
    begin(w, BIT(ES));
    forget(w);
    tc_approval_set_consent(w->approval, ES, NULL, w->now_ns);
    assert_log(w, "prompt_shown es_extension 1 of 1, 60000 ms\n");
    assert_phase(w, "prompting", " net");
}

static void prerequisite_that_fails_on_the_way_ends_the_asking(void **state)
{
    struct world *w = *state;
    struct tc_prerequisite list[] = {{"os_version", "6.1", "6.2", false}};

    begin(w, EXTENSIONS);
    grant(w, ES);
    forget(w);
    tc_approval_set_prerequisites(w->approval, list, 1, w->now_ns);
    tc_approval_set_prerequisites(w->approval, list, 1, w->now_ns);
    assert_log(w, "prerequisite_failed os_version: 6.1, not 6.2\n"
                  "prompt_withdrawn network_extension prerequisites\n");
    assert_gates(w, "granted unrequested unrequested unrequested");
    assert_phase(w, "prerequisites_failed", "");
    wait_ms(w, 3600000);
    assert_log(w, "");
    list[0].met = true;
    tc_approval_set_prerequisites(w->approval, list, 1, w->now_ns);
    assert_log(w, "flow_started network_extension\n"
                  "prompt_shown network_extension 1 of 1, 60000 ms\n");
}

static void prerequisite_that_fails_later_admits_nothing(void **state)
{
    struct world *w = *state;
    struct tc_prerequisite list[] = {{"os_version", "6.1", "6.2", false}};

    keep(w, ALL_GATES);
    begin(w, ALL_GATES);
    assert_phase(w, "complete", "es net");
    tc_approval_set_prerequisites(w->approval, list, 1, w->now_ns);
    assert_gates(w, "granted granted granted granted");
    assert_phase(w, "prerequisites_failed", "");
}

static void timeout_may_be_changed_while_it_runs(void **state)
{
    struct world *w = *state;

    begin(w, BIT(ES));
    wait_ms(w, 20000);
    forget(w);
    w->config.timeout_ns = 30 * SECOND;
    configure(w);
    assert_true(look(w).left_ns == 10 * SECOND);
    w->config.timeout_ns = 20 * SECOND;
    configure(w);
    assert_log(w, "timeout es_extension\n"
                  "prompt_withdrawn es_extension timeout\n");
}

static void timeout_beyond_the_end_of_time_never_comes(void **state)
{
    struct world *w = *state;

    w->config.timeout_ns = UINT64_MAX;
    configure(w);
    begin(w, BIT(ES));
    assert_true(tc_approval_next_ns(w->approval) == UINT64_MAX);
    tc_approval_tick(w->approval, UINT64_MAX - 1);
    assert_phase(w, "prompting", " net");
}

/* Somebody who answers within the very event that asks. */
static void approve_at_once(struct world *w, const struct tc_approval_event *event)
{
    if (event->what == TC_APPROVAL_PROMPT_SHOWN)
        grant(w, event->gate);
}

static void answers_from_within_an_event_are_taken(void **state)
{
    struct world *w = *state;

    w->on_event = approve_at_once;
    begin(w, ALL_GATES);
    assert_gates(w, "granted granted granted granted");
    assert_phase(w, "complete", "es net");
    assert_int_equal(w->probes, 4);
}

static void long_names_are_cut_and_never_overrun(void **state)
{
    struct world *w = *state;
    char name[1000];

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    begin(w, EXTENSIONS);
    assert_int_equal(
        tc_approval_answer(w->approval, ES, TC_ANSWER_GRANT, name, w->now_ns, w->why), 0);
    assert_int_equal(strlen(gate_of(w, ES).who), TC_APPROVAL_WHO_MAX - 1);
    manage(w, NET, TC_GATE_PROFILE_FORBIDS, name);
    assert_int_equal(strlen(gate_of(w, NET).profile), TC_APPROVAL_PROFILE_MAX - 1);
    assert_int_equal(answer(w, NET, TC_ANSWER_GRANT), -EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATE_TEST(prepare_probes_what_has_consent_and_prompts_nobody),
        GATE_TEST(everything_kept_admits_es_before_the_flow_begins),
        GATE_TEST(consent_is_no_grant_where_the_system_says_no),
        GATE_TEST(gate_being_probed_at_the_deadline_is_pending),
        GATE_TEST(late_answer_is_late_though_nobody_ticked),
        GATE_TEST(late_grants_come_in_order_and_then_the_rest_is_prompted),
        GATE_TEST(restart_is_needed_only_once_nothing_else_is_missing),
        GATE_TEST(denied_gate_stands_still_until_a_late_grant),
        GATE_TEST(denied_gate_keeps_the_minute_running),
        GATE_TEST(revoked_gate_reverts_at_once_and_is_not_asked_for_again),
        GATE_TEST(retry_asks_anew_with_a_full_minute),
        GATE_TEST(full_disk_access_may_be_granted_before_its_turn),
        GATE_TEST(what_is_not_required_counts_as_granted_unless_a_profile_objects),
        GATE_TEST(gate_that_is_no_longer_needed_is_no_longer_asked_for),
        GATE_TEST(extension_that_comes_later_has_a_minute_of_its_own),
        GATE_TEST(refused_es_leaves_the_network_alone_when_each_has_its_gates),
        GATE_TEST(profile_that_denies_withdraws_the_prompt),
        GATE_TEST(answers_against_a_profile_name_it),
        GATE_TEST(profile_that_never_took_effect_leaves_no_revocation),
        GATE_TEST(answer_to_an_old_probe_is_not_taken),
        GATE_TEST(sensor_that_does_not_work_turns_its_gate_to_error),
        GATE_TEST(probe_that_would_succeed_now_is_made_again),
        GATE_TEST(consent_for_another_binary_is_asked_for_again),
        GATE_TEST(prerequisite_that_fails_on_the_way_ends_the_asking),
        GATE_TEST(prerequisite_that_fails_later_admits_nothing),
        GATE_TEST(timeout_may_be_changed_while_it_runs),
        GATE_TEST(timeout_beyond_the_end_of_time_never_comes),
        GATE_TEST(answers_from_within_an_event_are_taken),
        GATE_TEST(long_names_are_cut_and_never_overrun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
