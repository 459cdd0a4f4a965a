/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of `tocsin approval`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/cli_run.h"
#include "tests/support/scripted_agent.h"

static const struct scripted_answer answers[] = {
    {.method = "approval.list",
     .result =
         "{'phase':'prompting','gate':'network_extension','left_seconds':40,"
         "'required':true,'policy':'all_gates','timeout_seconds':60,'gates':["
         "{'gate':'es_extension','state':'granted','source':'user','who':'root\x1b[2J',"
         "'age_seconds':119,'asked':true,'extension_state':'activated enabled'},"
         "{'gate':'network_extension','state':'prompting','source':'','age_seconds':20,"
         "'asked':true,'extension_state':'activated waiting for user'},"
         "{'gate':'network_filter','state':'error','source':'managed','profile':'fleet',"
         "'age_seconds':7200,'asked':true,'result':'NOT_PERMITTED','error':1,"
         "'extension_state':'activated disabled'},"
         "{'gate':'full_disk_access','state':'unrequested','source':'','age_seconds':0,"
         "'asked':false,'extension_state':'not installed'}],"
         "'prerequisites':[{'name':'os_version','have':'6.1','need':'5.10','met':true}],"
         "'issues':[{'text':'waiting for approval: network_extension (2 of 2), 40 "
         "seconds left','fix':'tocsin approval grant network_extension'}]}"},
    {.method = "approval.grant", .result = "{}"},
    {.method = "approval.deny", .result = "only root may answer", .code = "refused"},
    {.method = "approval.retry", .result = "{}"},
    {.method = NULL},
};

static void list_counts_down_and_ends_with_what_helps(void **state)
{
    (void)state;
    cli_run_answered(
        answers, "approval list", 0,
        "GATE               STATE                 BY                  AGE   EXTENSION\n"
        "es_extension       granted               root\\x1b[2J (user)  119s  activated "
        "enabled\n"
        "network_extension  prompting, 40 s left  -                   20s   activated "
        "waiting for user\n"
        "network_filter     error: NOT_PERMITTED  fleet (managed)     2h    activated "
        "disabled\n"
        "full_disk_access   not needed            -                   0s    not "
        "installed\n"
        "\n"
        "waiting for approval: network_extension (2 of 2), 40 seconds left\n"
        "  fix: tocsin approval grant network_extension\n",
        "");
}

static void list_names_each_prerequisite_that_fails(void **state)
{
    static const struct scripted_answer failed[] = {
        {.method = "approval.list",
         .result = "{'phase':'prerequisites_failed','gates':[{'gate':'es_extension',"
                   "'state':'unrequested'}],'prerequisites':[{'name':'os_version',"
                   "'have':'5.4','need':'5.10','met':false},{'name':'release_ring',"
                   "'have':'beta','need':'beta','met':true}],'issues':[{'text':"
                   "'os_version is 5.4, needed is 5.10'}]}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(failed, "approval list", 0,
                     "GATE          STATE        BY  AGE  EXTENSION\n"
                     "es_extension  unrequested  -   -    -\n"
                     "\n"
                     "PREREQUISITE  HAVE  NEED  MET\n"
                     "os_version    5.4   5.10  false\n"
                     "release_ring  beta  beta  true\n"
                     "\n"
                     "os_version is 5.4, needed is 5.10\n",
                     "");
}

static void list_says_when_nothing_is_required(void **state)
{
    static const struct scripted_answer open[] = {
        {.method = "approval.list",
         .result = "{'required':false,'gates':[{'gate':'es_extension','state':"
                   "'granted','age_seconds':172800}],'issues':[]}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(open, "approval list", 0,
                     "GATE          STATE    BY  AGE  EXTENSION\n"
                     "es_extension  granted  -   2d   -\n"
                     "\n"
                     "no approval is required (approval.required: false)\n",
                     "");
}

static void list_is_json_as_the_agent_said_it(void **state)
{
    static const struct scripted_answer plain[] = {
        {.method = "approval.list", .result = "{'phase':'complete','gates':[]}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(plain, "approval list --output json", 0,
                     "{\"phase\":\"complete\",\"gates\":[]}\n", "");
    cli_run_answered(plain, "approval list", 1, "",
                     "tocsin: the agent's answer has no gates\n");
}

static void answers_say_what_is_so_now_or_why_not(void **state)
{
    (void)state;
    cli_run_answered(answers, "approval grant es_extension", 0, "es_extension: granted\n",
                     "");
    cli_run_answered(answers, "approval retry", 0, "asking again\n", "");
    cli_run_answered(answers, "approval deny es_extension", 1, "",
                     "tocsin: only root may answer\n");
    cli_run_answered(answers, "approval grant", 2, "", NULL);
    cli_run_answered(answers, "approval retry es_extension", 2, "", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_counts_down_and_ends_with_what_helps),
        cmocka_unit_test(list_names_each_prerequisite_that_fails),
        cmocka_unit_test(list_says_when_nothing_is_required),
        cmocka_unit_test(list_is_json_as_the_agent_said_it),
        cmocka_unit_test(answers_say_what_is_so_now_or_why_not),
    };

    setenv("TZ", "UTC", 1);
    alarm(100);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
