/* SPDX-License-Identifier: Apache-2.0 */
/* What `tocsin alert list` and `alert get` say of an alert, to people and to programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cli_run.h"
#include "tests/support/scripted_agent.h"

#define ALERT                                                                            \
    "'id':'6f1c0b52-4f8e-4b1e-9d58-0c8e5b3a7d11','title':'Shell over a socket',"         \
    "'severity':'high','category':'behaviour','detected_from':'edr',"                    \
    "'time_ns':1700000000000000000,'last_seen_ns':1700000005000000000,'count':3,"        \
    "'rule':'Shell over a socket','rule_author':'Ada, Bob',"                             \
    "'process':'/usr/bin/bash'"

static const struct scripted_answer answers[] = {
    {.method = "alert.list", .result = "{'items':[{" ALERT "}]}"},
    {.method = "alert.get",
     .result =
         "{" ALERT ",'event':{"
         "'alert':{'id':'6f','description':'A shell whose input is a socket.'},"
         "'rule':{'id':'d1','name':'Shell over a socket','author':'Ada, Bob',"
         "'license':'DRL 1.1','level':'high','file':'/etc/tocsin/rules/a.yml',"
         "'description':'A shell whose input is a socket.',"
         "'reference':['https://example.com/1','https://example.com/2'],"
         "'tags':['attack.execution']},"
         "'threat':{'framework':'MITRE ATT&CK','technique':{'id':['T1059.004','T1071']},"
         "'tactic':{'id':['TA0002','TA0011'],'name':['Execution',"
         "'Command and Control']}},"
         "'matched':{'topic':'process.started','fields':["
         "{'name':'CommandLine','value':'bash -i\x1b[2J'},"
         "{'name':'Image','value':'/usr/bin/bash'},{'name':'','value':'word'}]},"
         "'process':{'pid':4711,'name':'bash','executable':'/usr/bin/bash',"
         "'command_line':'bash -i\n└─ 1 /sbin/init','user':{'id':1000},"
         "'start':1700000000000000000,'working_directory':'/tmp','parent':{'pid':812},"
         "'hash':{'sha256':'ab12'},'ancestors':["
         "{'pid':812,'executable':'/usr/sbin/sshd','command_line':'sshd: eve',"
         "'user':{'id':0}},"
         "{'pid':500,'name':'sshd'},"
         "{'pid':1,'executable':'/sbin/init'}]},"
         "'container':{'id':'c0ffee'},"
         "'host':{'name':'web1','os':{'kernel':'6.1.0'}}},"
         "'responses':[{'time_ns':1700000001000000000,'action':'kill','status':'done',"
         "'reason':null,'processes':3,'pid':4711},{'time_ns':1700000002000000000,"
         "'action':'quarantine','status':'failed','reason':'it is read-only',"
         "'pid':null}]}"},
    {.method = NULL},
};

static void alert_list_says_who_is_to_be_credited_and_what_happened(void **state)
{
    (void)state;
    cli_run_answered(
        answers, "alert list", 0,
        "LAST SEEN            SEVERITY  COUNT  TITLE                PROCESS        ID\n"
        "2023-11-14 22:13:25  high      3      Shell over a socket  /usr/bin/bash  "
        "6f1c0b52-4f8e-4b1e-9d58-0c8e5b3a7d11\n",
        "");
    cli_run_answered(answers, "alert list --output json", 0, NULL, "");
}

static void alert_get_draws_the_processes_as_a_tree(void **state)
{
    (void)state;
    cli_run_answered(
        answers, "alert get 6f1c0b52-4f8e-4b1e-9d58-0c8e5b3a7d11", 0,
        "Shell over a socket\n"
        "  severity           : high\n"
        "  id                 : 6f1c0b52-4f8e-4b1e-9d58-0c8e5b3a7d11\n"
        "  count              : 3\n"
        "  first seen         : 2023-11-14 22:13:20 +0000\n"
        "  last seen          : 2023-11-14 22:13:25 +0000\n"
        "  raised by          : edr\n"
        "  category           : behaviour\n"
        "  description        : A shell whose input is a socket.\n"
        "\n"
        "Rule\n"
        "  name               : Shell over a socket\n"
        "  id                 : d1\n"
        "  author             : Ada, Bob\n"
        "  license            : DRL 1.1\n"
        "  level              : high\n"
        "  reference          : https://example.com/1\n"
        "                     : https://example.com/2\n"
        "  file               : /etc/tocsin/rules/a.yml\n"
        "\n"
        "MITRE ATT&CK\n"
        "  technique          : T1059.004, T1071\n"
        "  tactic             : TA0002 Execution, TA0011 Command and Control\n"
        "\n"
        "What matched, in process.started\n"
        "  CommandLine = bash -i\\x1b[2J\n"
        "  Image = /usr/bin/bash\n"
        "  (keyword) = word\n"
        "\n"
        "Processes\n"
        "  1 /sbin/init\n"
        "  └─ 500 sshd\n"
        "     └─ 812 /usr/sbin/sshd (user 0): sshd: eve\n"
        "        └─ 4711 /usr/bin/bash (user 1000): bash -i\\n└─ 1 /sbin/init\n"
        "\n"
        "process\n"
        "  user.id            : 1000\n"
        "  start              : 2023-11-14 22:13:20 +0000\n"
        "  working_directory  : /tmp\n"
        "  hash.sha256        : ab12\n"
        "\n"
        "container\n"
        "  id                 : c0ffee\n"
        "\n"
        "Machine\n"
        "  name               : web1\n"
        "  os.kernel          : 6.1.0\n"
        "\n"
        "Responses\n"
        "  2023-11-14 22:13:21 +0000  kill of process 4711 and 2 below it: done\n"
        "  2023-11-14 22:13:22 +0000  quarantine: failed, it is read-only\n",
        "");
}

static void alert_get_prints_all_of_it_as_json(void **state)
{
    struct scripted_agent *agent = scripted_agent_new(answers);
    struct cli_run run;

    (void)state;
    cli_run_line(&run, scripted_agent_socket(agent), "alert get 6f --output json");
    scripted_agent_free(agent);
    assert_int_equal(run.status, 0);
    assert_memory_equal(run.out, "{\"id\":\"6f1c0b52-", 16);
    assert_non_null(strstr(run.out, "\"author\":\"Ada, Bob\",\"license\":\"DRL 1.1\""));
    assert_non_null(strstr(run.out, "\"ancestors\":[{\"pid\":812,"));
    assert_non_null(strstr(run.out, "\"responses\":[{"));
}

/* As of av, whose sensors report the parent alone; of a plugin that says little; and of
 * a text without end. */
static void alert_get_makes_do_with_what_there_is(void **state)
{
    static const struct scripted_answer little[] = {
        {.method = "alert.get", .result = "{'id':'a','title':null,'event':null}"},
        {.method = NULL},
    };
    static const struct scripted_answer of_av[] = {
        {.method = "alert.get",
         .result = "{'id':'a','title':'Malware found: X','event':{"
                   "'rule':{'id':'r','reference':'https://example.com/'},"
                   "'file':{'path':'/tmp/\xff','hash':{'sha256':'ab'}},"
                   "'process':{'pid':2,'executable':'/bin/cat','parent':"
                   "{'pid':1,'executable':'/bin/sh'}}}}"},
        {.method = NULL},
    };
    char line[2000], result[2200];
    const struct scripted_answer long_text[] = {
        {.method = "alert.get", .result = result},
        {.method = NULL},
    };
    char shown[1100];

    (void)state;
    cli_run_answered(little, "alert get a", 0,
                     "An alert without a title\n"
                     "  id                 : a\n",
                     "");
    cli_run_answered(of_av, "alert get a", 0,
                     "Malware found: X\n"
                     "  id                 : a\n"
                     "\n"
                     "Rule\n"
                     "  id                 : r\n"
                     "  reference          : https://example.com/\n"
                     "\n"
                     "Processes\n"
                     "  1 /bin/sh\n"
                     "  └─ 2 /bin/cat\n"
                     "\n"
                     "file\n"
                     "  path               : /tmp/\\xff\n"
                     "  hash.sha256        : ab\n",
                     "");
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    snprintf(result, sizeof(result), "{'title':'%s'}", line);
    snprintf(shown, sizeof(shown), "%.1000s... (999 bytes more)\n", line);
    cli_run_answered(long_text, "alert get a", 0, shown, "");
}

static void alert_get_says_what_its_matches_differ_in(void **state)
{
    static const struct scripted_answer many[] = {
        {.method = "alert.get",
         .result = "{'id':'a','title':'x','matches':{'command_lines':['one','two'],"
                   "'command_lines_more':7,'addresses':['10.0.0.1:80','[::1]:99']}}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(many, "alert get a", 0,
                     "x\n"
                     "  id                 : a\n"
                     "\n"
                     "All its matches\n"
                     "  command line       : one\n"
                     "                     : two\n"
                     "                     : and 7 matches with others\n"
                     "  address            : 10.0.0.1:80\n"
                     "                     : [::1]:99\n",
                     "");
}

static const struct scripted_answer case_answers[] = {
    {.method = "case.get",
     .result =
         "{'id':'c1','title':'Shell over a socket','severity':'high','state':'open',"
         "'alerts':2,'first_seen_ns':1700000000000000000,"
         "'last_seen_ns':1700000005000000000,"
         "'responses':[{'alert':'a2','time_ns':1700000006000000000,'action':'kill',"
         "'status':'done'}],"
         "'threats':[{'id':'a2','first_seen_ns':1700000005000000000,'name':'Bad',"
         "'path':'/tmp/\x1b[2J','status':'quarantined',"
         "'remediated_ns':1700000005500000000}],"
         "'timeline':[{'id':'a1','title':'Shell over a socket','severity':'high',"
         "'time_ns':1700000000000000000,'count':3,'state':'closed','note':'mine',"
         "'event':{'process':{'pid':60,'start':6,'executable':'/bin/sh','ancestors':["
         "{'pid':50,'start':5,'name':'sshd'},{'pid':1,'start':1,'name':'init'}]}}},"
         "{'id':'a2','title':'Malware','severity':'low','time_ns':1700000005000000000,"
         "'event':{'process':{'pid':61,'start':7,'executable':'/bin/dd',"
         "'command_line':'dd of=x','parent':{'pid':50,'start':5}}}}]}"},
    {.method = NULL},
};

static void case_get_is_one_timeline_and_one_tree(void **state)
{
    (void)state;
    cli_run_answered(case_answers, "case get c1", 0,
                     "Shell over a socket\n"
                     "  severity   : high\n"
                     "  id         : c1\n"
                     "  state      : open\n"
                     "  alerts     : 2\n"
                     "  first seen : 2023-11-14 22:13:20 +0000\n"
                     "  last seen  : 2023-11-14 22:13:25 +0000\n"
                     "\n"
                     "Timeline\n"
                     "  2023-11-14 22:13:20  alert    [1] high: Shell over a socket"
                     " (3 times), closed: mine\n"
                     "  2023-11-14 22:13:25  alert    [2] low: Malware\n"
                     "  2023-11-14 22:13:25  threat   [2] Bad in /tmp/\\x1b[2J\n"
                     "  2023-11-14 22:13:25  threat   [2] quarantined: /tmp/\\x1b[2J\n"
                     "  2023-11-14 22:13:26  response [2] kill: done\n"
                     "\n"
                     "Processes\n"
                     "  1 init\n"
                     "  └─ 50 sshd\n"
                     "     └─ 60 /bin/sh [1]\n"
                     "     └─ 61 /bin/dd: dd of=x [2]\n",
                     "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alert_list_says_who_is_to_be_credited_and_what_happened),
        cmocka_unit_test(alert_get_draws_the_processes_as_a_tree),
        cmocka_unit_test(alert_get_prints_all_of_it_as_json),
        cmocka_unit_test(alert_get_makes_do_with_what_there_is),
        cmocka_unit_test(alert_get_says_what_its_matches_differ_in),
        cmocka_unit_test(case_get_is_one_timeline_and_one_tree),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
