/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the promise that the documents know all that the agent can say of approvals and
 * of the slot: its topics, its health fields, its issues, the states of a gate; and that
 * filters know the topics and fields that docs/events.md has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/approval/approval.h"
#include "core/base/health.h"
#include "core/slot/slot.h"
#include "ipc/names.h"
#include "ipc/pack.h"

#define TEXT_MAX (1 << 18)

static char *read_document(const char *name)
{
    char path[512], *text = calloc(1, TEXT_MAX);
    FILE *in;

    snprintf(path, sizeof(path), "%s/docs/%s", TEST_SOURCE_DIR, name);
    in = fopen(path, "r");
    assert_non_null(in);
    assert_non_null(text);
    assert_true(fread(text, 1, TEXT_MAX - 1, in) > 0);
    assert_int_equal(fclose(in), 0);
    return text;
}

static void assert_says(const char *document, const char *name, const char *wanted)
{
    if (!strstr(document, wanted))
        fail_msg("\"%s\" is not in docs/%s", wanted, name);
}

static void events_are_all_listed(void **state)
{
    char *events = read_document("events.md"), wanted[64];

    (void)state;
    for (int i = 0; i <= TC_APPROVAL_FLOW_COMPLETED; i++)
        assert_says(events, "events.md",
                    tc_approval_topic((enum tc_approval_event_type)i));
    for (int i = 0; i <= TC_SLOT_GAP_CLOSED; i++) {
        snprintf(wanted, sizeof(wanted), "`%s`",
                 tc_slot_topic((enum tc_slot_event_type)i));
        assert_says(events, "events.md", wanted);
    }
    free(events);
}

/* Whether each field of an example is one that filters know. */
static void expect_known(json_object *o, const char *path)
{
    char inner[256];

    if (json_object_is_type(o, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(o); i++)
            expect_known(json_object_array_get_idx(o, i), path);
        return;
    }
    if (!json_object_is_type(o, json_type_object)) {
        if (!tc_names_know(&tc_names_fields, path))
            fail_msg("%s of docs/events.md is not in ipc/names.c", path);
        return;
    }
    json_object_object_foreach(o, key, value)
    {
        snprintf(inner, sizeof(inner), "%s%s%s", path, *path ? "." : "", key);
        expect_known(value, key[0] == '$' ? path : inner);
    }
}

static void fields_of_examples_are_known_to_filters(void **state)
{
    char *events = read_document("events.md"), *at;
    json_object *line, *topic, *event;
    unsigned examples = 0;

    (void)state;
    for (at = strtok(events, "\n"); at; at = strtok(NULL, "\n")) {
        if (strncmp(at, "{\"topic\":\"", 10) != 0)
            continue;
        line = json_tokener_parse(at);
        assert_true(json_object_object_get_ex(line, "topic", &topic));
        assert_true(json_object_object_get_ex(line, "event", &event));
        if (!tc_names_topic(json_object_get_string(topic)))
            fail_msg("%s of docs/events.md is not in ipc/names.c",
                     json_object_get_string(topic));
        expect_known(event, "");
        json_object_put(line);
        examples++;
    }
    assert_true(examples > 50);
    free(events);
}

static void topics_that_filters_know_are_all_explained(void **state)
{
    char *events = read_document("events.md"), wanted[128];
    const char *last;

    (void)state;
    for (const char *const *t = tc_names_topics(); *t; t++) {
        last = strrchr(*t, '.');
        snprintf(wanted, sizeof(wanted), "`%s`", *t);
        if (strstr(events, wanted))
            continue;
        snprintf(wanted, sizeof(wanted), "`%s`",
                 last); /* `approval.denied`, `.revoked` */
        assert_says(events, "events.md", wanted);
    }
    free(events);
}

static void health_fields_are_all_explained(void **state)
{
    char *guide = read_document("operating.md"), wanted[80];
    struct tc_health_numbers numbers = {.ring = "current"};
    struct tc_health *health = tc_health_new();
    struct tocsin_value map = {0}, key = {0}, v;
    struct tc_pack p;
    struct tocsin_iter it;
    unsigned fields = 0;

    (void)state;
    assert_non_null(health);
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_begin_map(&p, "health");
    tc_health_put(health, &numbers, &p);
    tc_pack_end(&p);
    tc_pack_end(&p);
    assert_int_equal(p.error, 0);
    assert_true(tocsin_find(p.bytes.data, p.bytes.size, "health", &map));
    tocsin_iter_init(&it, &map);
    while (tocsin_iter_next(&it, &key, &v)) {
        snprintf(wanted, sizeof(wanted), "`%.*s`", (int)key.len, key.ptr);
        assert_says(guide, "operating.md", wanted);
        fields++;
    }
    assert_true(fields > 20);
    tc_pack_done(&p);
    tc_health_free(health);
    free(guide);
}

/* The words of each phase stand in the guide, and are those that the agent says. */
static void issues_of_an_approval_are_all_explained(void **state)
{
    static const struct {
        enum tc_approval_phase phase;
        const char *words;
    } cases[] = {
        {TC_APPROVAL_IDLE, "starting"},
        {TC_APPROVAL_PROMPTING, "waiting for approval: "},
        {TC_APPROVAL_PROBING, " is granted and is being checked"},
        {TC_APPROVAL_FILTER_WAIT, "network event provider not running"},
        {TC_APPROVAL_DISK_WAIT, "full disk access has not been granted"},
        {TC_APPROVAL_TIMED_OUT, "approval timed out: "},
        {TC_APPROVAL_DENIED, " was refused"},
        {TC_APPROVAL_FORBIDDEN, " is blocked by managed policy "},
        {TC_APPROVAL_ERROR, " does not work: "},
        {TC_APPROVAL_RESTART_NEEDED, "approved too late for this run: the sensor changes "
                                     "at the next start"},
    };
    char *guide = read_document("operating.md");
    struct tc_gate_view gates[TC_GATES] = {{.state = TC_GATE_DENIED, .profile = ""}};
    char text[256], fix[128];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tc_approval_view view = {
            .phase = cases[i].phase, .gate = TC_GATE_ES_EXTENSION, .pending = 1};
        const char *words = cases[i].words;

        assert_true(tc_approval_issue(&view, gates, 0, text, fix));
        assert_non_null(strstr(text, words));
        /* Where a policy is named, the guide says "GATE was refused by ...; is ...". */
        assert_says(guide, "operating.md", words + (*words == ' '));
    }
    free(guide);
}

static void states_of_a_gate_are_all_explained(void **state)
{
    char *reference = read_document("approval.md"), wanted[64];

    (void)state;
    for (int i = 0; i <= TC_GATE_ERROR; i++) {
        snprintf(wanted, sizeof(wanted), "| `%s` |",
                 tc_gate_state_name((enum tc_gate_state)i));
        assert_says(reference, "approval.md", wanted);
    }
    for (int i = 0; i <= TC_APPROVAL_COMPLETE; i++) {
        snprintf(wanted, sizeof(wanted), "`%s`",
                 tc_approval_phase_name((enum tc_approval_phase)i));
        assert_says(reference, "approval.md", wanted);
    }
    for (int i = TC_PROBE_NOT_PRIVILEGED; i <= TC_PROBE_INTERNAL; i++) {
        snprintf(wanted, sizeof(wanted), "| `%s` |",
                 tc_probe_result_name((enum tc_probe_result)i));
        assert_says(reference, "approval.md", wanted);
    }
    free(reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_all_listed),
        cmocka_unit_test(fields_of_examples_are_known_to_filters),
        cmocka_unit_test(topics_that_filters_know_are_all_explained),
        cmocka_unit_test(health_fields_are_all_explained),
        cmocka_unit_test(issues_of_an_approval_are_all_explained),
        cmocka_unit_test(states_of_a_gate_are_all_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
