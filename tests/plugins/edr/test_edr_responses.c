/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator wants done about which rule: the option `responses`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "respond/edr_responses.h"

#define BIT(action) (1u << (action))

static bool is_known(void *arg, const char *rule_id)
{
    (void)arg;
    return !strcmp(rule_id, "known") || !strcmp(rule_id, "a=b:c");
}

static struct tc_edr_responses *of(const char *entry)
{
    struct tc_edr_responses *responses;

    assert_int_equal(tc_edr_responses_new(&entry, 1, &responses), 0);
    return responses;
}

static void responses_are_read_with_either_separator(void **state)
{
    static const struct {
        const char *entry, *rule_id;
        unsigned actions;
    } cases[] = {
        {"known=kill", "known", BIT(TC_EDR_KILL)},
        {"known: suspend", "known", BIT(TC_EDR_SUSPEND)},
        {" known \t= quarantine ", "known", BIT(TC_EDR_QUARANTINE)},
        {"a=b:c: kill", "a=b:c", BIT(TC_EDR_KILL)},
        {"known=isolate", "known", BIT(TC_EDR_ISOLATE)},
    };
    struct tc_edr_responses *responses;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        responses = of(cases[i].entry);
        assert_int_equal(tc_edr_responses_find(responses, cases[i].rule_id),
                         cases[i].actions);
        assert_int_equal(tc_edr_responses_find(responses, "other"), 0);
        assert_int_equal(tc_edr_responses_find(responses, NULL), 0);
        assert_null(tc_edr_responses_problem(responses, 0, is_known, NULL));
        tc_edr_responses_free(responses);
    }
}

static void responses_of_one_rule_add_up(void **state)
{
    const char *const entries[] = {"known=kill", "other=suspend", "known=quarantine"};
    struct tc_edr_responses *responses;

    (void)state;
    assert_int_equal(tc_edr_responses_new(entries, 3, &responses), 0);
    assert_int_equal(tc_edr_responses_count(responses), 3);
    assert_int_equal(tc_edr_responses_find(responses, "known"),
                     BIT(TC_EDR_KILL) | BIT(TC_EDR_QUARANTINE));
    assert_int_equal(tc_edr_responses_find(responses, "other"), BIT(TC_EDR_SUSPEND));
    tc_edr_responses_free(responses);
}

static void responses_say_what_is_wrong_with_an_entry(void **state)
{
    static const struct {
        const char *entry, *problem;
    } cases[] = {
        {"known", "responses: \"known\" is not written as RULE-ID=ACTION"},
        {"", "responses: \"\" is not written as RULE-ID=ACTION"},
        {"=kill", "responses: \"=kill\" is not written as RULE-ID=ACTION"},
        {"known=Kill", "responses: \"known=Kill\" names no action that there is: kill, "
                       "suspend, quarantine or isolate"},
        {"known=", "responses: \"known=\" names no action that there is: kill, suspend, "
                   "quarantine or isolate"},
        {"other=kill", "responses: \"other=kill\" is for a rule that is not loaded"},
        {"other=isolate",
         "responses: \"other=isolate\" is for a rule that is not loaded"},
    };
    struct tc_edr_responses *responses;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        responses = of(cases[i].entry);
        assert_string_equal(tc_edr_responses_problem(responses, 0, is_known, NULL),
                            cases[i].problem);
        tc_edr_responses_free(responses);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_are_read_with_either_separator),
        cmocka_unit_test(responses_of_one_rule_add_up),
        cmocka_unit_test(responses_say_what_is_wrong_with_an_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
