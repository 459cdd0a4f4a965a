/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of an approval's words: names, health issues, and the answer of the
 * method approval.list. */
#include "test_approval_util.h"

#include <tocsin/event.h>

#include "ipc/json.h"
#include "ipc/pack.h"

static void gates_are_found_by_the_names_they_print(void **state)
{
    enum tc_gate found;

    (void)state;
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        assert_int_equal(tc_gate_find(tc_gate_name(g), &found), 0);
        assert_int_equal(found, g);
    }
    assert_int_equal(tc_gate_find("", &found), -EINVAL);
    assert_int_equal(tc_gate_find("es", &found), -EINVAL);
    assert_int_equal(tc_gate_find("es_extension ", &found), -EINVAL);
    assert_string_equal(tc_gate_name((enum tc_gate)77), "?");
}

static void extension_states_are_in_the_words_of_systemextensionsctl(void **state)
{
    static const struct {
        enum tc_gate_state state;
        const char *words;
    } table[] = {
        {TC_GATE_PROMPTING, "activated waiting for user"},
        {TC_GATE_QUEUED, "activated waiting for user"},
        {TC_GATE_UNREQUESTED, "activated waiting for user"},
        {TC_GATE_GRANTED, "activated enabled"},
        {TC_GATE_DENIED, "activated disabled"},
        {TC_GATE_FORBIDDEN, "activated disabled"},
        {TC_GATE_ERROR, "activated disabled"},
        {TC_GATE_REVOKED, "terminated waiting to uninstall on reboot"},
        {TC_GATE_REBOOT_REQUIRED, "activated waiting for reboot"},
    };
    struct tc_gate_view view = {.asked = true};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        view.state = table[i].state;
        assert_string_equal(tc_gate_extension_state(&view), table[i].words);
    }
    view.asked = false;
    assert_string_equal(tc_gate_extension_state(&view), "not installed");
}

static void seconds_left_are_rounded_up(void **state)
{
    struct world *w = *state;

    begin(w, EXTENSIONS);
    wait_ms(w, 58999);
    assert_issue(w, "waiting for approval: es_extension (1 of 2), 2 seconds left",
                 "tocsin approval grant es_extension");
    wait_ms(w, 1);
    assert_issue(w, "waiting for approval: es_extension (1 of 2), 1 second left",
                 "tocsin approval grant es_extension");
}

static void issue_of_the_longest_names_is_cut_and_never_overrun(void **state)
{
    struct world *w = *state;
    char profile[TC_APPROVAL_PROFILE_MAX + 50], guarded[300];
    struct tc_gate_view gates[TC_GATES];
    struct tc_approval_view view;
    char fix[128];

    memset(profile, 'p', sizeof(profile) - 1);
    profile[sizeof(profile) - 1] = '\0';
    manage(w, ES, TC_GATE_PROFILE_FORBIDS, profile);
    begin(w, ALL_GATES);
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        gates[g] = gate_of(w, g);
    memset(guarded, '!', sizeof(guarded));
    view = look(w);
    assert_true(tc_approval_issue(&view, gates, 0, guarded, fix));
    assert_true(strlen(guarded) < 256);
    assert_int_equal(guarded[256], '!');
}

/* The answer of approval.list, as JSON. */
static void assert_put(struct world *w, const char *want)
{
    struct tc_pack p;
    char *text;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_approval_put(w->approval, w->now_ns, &p);
    tc_pack_end(&p);
    assert_int_equal(p.error, 0);
    assert_int_equal(tc_json_text(tc_pack_read(&p), &text), 0);
    assert_string_equal(text, want);
    free(text);
    tc_pack_done(&p);
}

static void list_shows_every_gate_and_what_helps(void **state)
{
    struct world *w = *state;
    static const struct tc_prerequisite met[] = {{"os_version", "6.1", "5.10", true}};

    tc_approval_set_prerequisites(w->approval, met, 1, w->now_ns);
    w->results[DISK] = TC_PROBE_NOT_PERMITTED;
    w->errors[DISK] = EPERM;
    manage(w, DISK, TC_GATE_PROFILE_ALLOWS, "fleet");
    begin(w, EXTENSIONS | BIT(DISK));
    grant(w, ES);
    wait_ms(w, 20000);
    assert_put(
        w, "{\"phase\":\"prompting\",\"gate\":\"network_extension\",\"left_seconds\":40,"
           "\"required\":true,\"policy\":\"all_gates\",\"timeout_seconds\":60,\"gates\":["
           "{\"gate\":\"es_extension\",\"state\":\"granted\",\"source\":\"user\","
           "\"who\":\"root\",\"age_seconds\":20,\"asked\":true,"
           "\"extension_state\":\"activated enabled\"},"
           "{\"gate\":\"network_extension\",\"state\":\"prompting\",\"source\":\"\","
           "\"age_seconds\":20,\"asked\":true,"
           "\"extension_state\":\"activated waiting for user\"},"
           "{\"gate\":\"network_filter\",\"state\":\"unrequested\",\"source\":\"\","
           "\"age_seconds\":20,\"asked\":false,\"extension_state\":\"not installed\"},"
           "{\"gate\":\"full_disk_access\",\"state\":\"error\",\"source\":\"managed\","
           "\"profile\":\"fleet\",\"age_seconds\":20,\"asked\":true,"
           "\"result\":\"NOT_PERMITTED\",\"error\":1,"
           "\"extension_state\":\"activated disabled\"}],"
           "\"prerequisites\":[{\"name\":\"os_version\",\"have\":\"6.1\","
           "\"need\":\"5.10\",\"met\":true}],"
           "\"issues\":[{\"text\":\"waiting for approval: network_extension (2 of 2), "
           "40 seconds left\",\"fix\":\"tocsin approval grant network_extension\"}]}");
}

static void list_of_what_is_complete_has_no_issue(void **state)
{
    struct world *w = *state;

    w->config.required = false;
    w->config.all_gates = false;
    configure(w);
    begin(w, 0);
    assert_phase(w, "complete", "es net");
    assert_put(
        w, "{\"phase\":\"complete\",\"required\":false,\"policy\":\"per_sensor\","
           "\"timeout_seconds\":60,\"gates\":["
           "{\"gate\":\"es_extension\",\"state\":\"unrequested\",\"source\":\"\","
           "\"age_seconds\":0,\"asked\":false,\"extension_state\":\"not installed\"},"
           "{\"gate\":\"network_extension\",\"state\":\"unrequested\",\"source\":\"\","
           "\"age_seconds\":0,\"asked\":false,\"extension_state\":\"not installed\"},"
           "{\"gate\":\"network_filter\",\"state\":\"unrequested\",\"source\":\"\","
           "\"age_seconds\":0,\"asked\":false,\"extension_state\":\"not installed\"},"
           "{\"gate\":\"full_disk_access\",\"state\":\"unrequested\",\"source\":\"\","
           "\"age_seconds\":0,\"asked\":false,\"extension_state\":\"not installed\"}],"
           "\"prerequisites\":[],\"issues\":[]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATE_TEST(gates_are_found_by_the_names_they_print),
        GATE_TEST(extension_states_are_in_the_words_of_systemextensionsctl),
        GATE_TEST(seconds_left_are_rounded_up),
        GATE_TEST(issue_of_the_longest_names_is_cut_and_never_overrun),
        GATE_TEST(list_shows_every_gate_and_what_helps),
        GATE_TEST(list_of_what_is_complete_has_no_issue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
