/* SPDX-License-Identifier: Apache-2.0 */
/* What `tocsin network-filter`, `isolate` and `indicator` ask of the plugin netfilter,
 * and what they say of its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/cli_run.h"
#include "tests/support/scripted_agent.h"

#define NS_PER_S UINT64_C(1000000000)

static void each_command_asks_for_its_method(void **state)
{
    static const struct {
        const char *line, *method, *params;
    } asked[] = {
        {"network-filter status", "netfilter.status", "{}"},
        {"network-filter enable", "netfilter.enable", "{}"},
        {"network-filter disable --reason outage", "netfilter.disable",
         "{\"reason\":\"outage\"}"},
        {"isolate on", "netfilter.isolate", "{\"allow\":[]}"},
        {"isolate on --allow 192.0.2.0/24:22/tcp --for 2h --allow [2001:db8::1]:443 "
         "--reason x",
         "netfilter.isolate",
         "{\"allow\":[\"192.0.2.0/24:22/tcp\",\"[2001:db8::1]:443\"],\"for_s\":7200,"
         "\"reason\":\"x\"}"},
        {"isolate off --reason over", "netfilter.release", "{\"reason\":\"over\"}"},
        {"isolate status", "netfilter.isolation", "{}"},
        {"indicator add 192.0.2.1 --action block", "netfilter.indicator_add",
         "{\"value\":\"192.0.2.1\",\"action\":\"block\"}"},
        {"indicator add example.com --action audit --expires 2100-01-01T12:30Z "
         "--reason why",
         "netfilter.indicator_add",
         "{\"value\":\"example.com\",\"action\":\"audit\","
         "\"expires_ns\":4102489800000000000,\"reason\":\"why\"}"},
        {"indicator remove example.com", "netfilter.indicator_remove",
         "{\"value\":\"example.com\"}"},
        {"indicator test https://example.com/a", "netfilter.indicator_test",
         "{\"value\":\"https://example.com/a\"}"},
        {"indicator reload", "netfilter.indicator_reload", "{}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
        cli_run_asked(asked[i].line, asked[i].method, asked[i].params);
}

static void wrong_usage_exits_2_and_says_what_is_right(void **state)
{
    static const struct {
        const char *line, *says;
    } wrong[] = {
        {"isolate on --for soon", "--for is a duration as 30m, not soon"},
        {"isolate on --for 0s", "--for is a duration"},
        {"isolate on --for 5", "--for is a duration"},
        {"isolate off --state /x", "--state goes with --local"},
        {"indicator add 192.0.2.1", "--action is missing"},
        {"indicator add 192.0.2.1 --action drop", "block, allow or audit, not drop"},
        {"indicator add x --action block --expires then", "as 7d, or a time as"},
        {"indicator add x --action block --expires 2001-01-01", "is in the past"},
        {"indicator add x --action block --expires 2100-13-01", "or a time as"},
        {"indicator add x --action block --expires 99999999999999d", "too far away"},
        {"indicator list --kind name", "address, network, domain or host, not name"},
        {"indicator list --action x", "--action is block, allow or audit"},
        {"network-filter", "network-filter status"},
        {"network-filter stop", "there is no command stop"},
    };
    struct cli_run run;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        cli_run_line(&run, "/nonexistent/socket", wrong[i].line);
        if (run.status != 2 || !strstr(run.err, wrong[i].says))
            print_message("%s: %s", wrong[i].line, run.err);
        assert_int_equal(run.status, 2);
        assert_non_null(strstr(run.err, wrong[i].says));
    }
}

/* ---- The network filter ---- */

#define STATUS                                                                           \
    "{'state':'watching','reason':'network_filter is prompting','enforcement':'block',"  \
    "'mechanism':'cgroup_bpf','queue':{'used':true,'reason':'indicators name domains',"  \
    "'waiting':0,'dropped':3},'indicators':["                                            \
    "{'kind':'address','action':'block','count':2},"                                     \
    "{'kind':'domain','action':'audit','count':1000000}],"                               \
    "'counters':{'flows':7,'denied':1},"                                                 \
    "'selftest':{'ok':true,'time_ns':1700000000000000000},"                              \
    "'isolation':{'isolated':true,'until_ns':1700000000000000000,"                       \
    "'allow':['192.0.2.1','192.0.2.2:22/tcp']}}"

static void status_prints_all_that_the_plugin_says(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "netfilter.status", .result = STATUS}, {.method = NULL}};
    struct scripted_agent *agent;
    struct cli_run run;

    (void)state;
    cli_run_answered(answers, "network-filter status", 0,
                     "state              : watching\n"
                     "reason             : network_filter is prompting\n"
                     "enforcement        : block\n"
                     "mechanism          : cgroup_bpf\n"
                     "queue.used         : true\n"
                     "queue.reason       : indicators name domains\n"
                     "queue.waiting      : 0\n"
                     "queue.dropped      : 3\n"
                     "counters.flows     : 7\n"
                     "counters.denied    : 1\n"
                     "selftest.ok        : true\n"
                     "selftest.time      : 2023-11-14 22:13:20 +0000\n"
                     "isolation.isolated : true\n"
                     "isolation.until    : 2023-11-14 22:13:20 +0000\n"
                     "isolation.allow    : 192.0.2.1, 192.0.2.2:22/tcp\n"
                     "\n"
                     "indicators:\n"
                     "KIND     ACTION  COUNT\n"
                     "address  block   2\n"
                     "domain   audit   1000000\n",
                     "");
    agent = scripted_agent_new(answers);
    cli_run_line(&run, scripted_agent_socket(agent),
                 "network-filter status --output json");
    scripted_agent_free(agent);
    assert_int_equal(run.status, 0);
    assert_memory_equal(run.out, "{\"state\":\"watching\",", 20);
}

static void enable_and_disable_say_what_it_does_now(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "netfilter.enable",
         .result = "{'enabled':true,'state':'watching','reason':'network_filter is "
                   "denied'}"},
        {.method = "netfilter.disable",
         .result = "{'enabled':false,'state':'disabled','reason':''}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "network-filter enable", 0,
                     "network filter: watching, network_filter is denied\n", "");
    cli_run_answered(answers, "network-filter disable", 0, "network filter: disabled\n",
                     "");
    cli_run_answered(answers, "network-filter disable --output json", 0,
                     "{\"enabled\":false,\"state\":\"disabled\",\"reason\":\"\"}\n", "");
}

static void without_the_plugin_one_sentence_says_what_to_do(void **state)
{
    static const struct {
        const char *plugins, *says;
    } table[] = {
        {"{'items':[{'name':'av','state':'running'}]}",
         "tocsin: there is no network filter: put `netfilter: {enabled: true}` below "
         "`plugins:` in the configuration, and run tocsin config reload\n"},
        {"{'items':[{'name':'netfilter','state':'loaded','why':''}]}",
         "tocsin: the network filter does not run, it waits for approval: tocsin "
         "approval list says what is missing, as tocsin approval grant "
         "network_extension\n"},
        {"{'items':[{'name':'netfilter','state':'failed','why':'no BTF\x1b'}]}",
         "tocsin: the network filter does not run (failed: no BTF\\x1b): tocsin plugin "
         "enable netfilter starts it\n"},
        {"{'items':[{'name':'netfilter','state':'disabled','why':''}]}",
         "tocsin: the network filter does not run (disabled): tocsin plugin enable "
         "netfilter starts it\n"},
        {"{'items':[{'name':'netfilter','state':'running'}]}",
         "tocsin: it does not run\n"},
    };
    static const char *const lines[] = {"network-filter status", "isolate off",
                                        "isolate on", "indicator test 192.0.2.1"};
    static const char *const methods[] = {"netfilter.status", "netfilter.release",
                                          "netfilter.isolate",
                                          "netfilter.indicator_test"};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        for (size_t k = 0; k < sizeof(lines) / sizeof(*lines); k++) {
            const struct scripted_answer answers[] = {
                {.method = methods[k], .result = "it does not run", .code = "refused"},
                {.method = "plugin.list", .result = table[i].plugins},
                {.method = NULL},
            };

            cli_run_answered(answers, lines[k], 1, "", table[i].says);
        }
    }
}

/* ---- Isolation ---- */

static void isolation_is_said_with_its_end(void **state)
{
    static const struct scripted_answer timed[] = {
        {.method = "netfilter.isolate",
         .result = "{'isolated':true,'until_ns':1700000000000000000}"},
        {.method = "netfilter.release", .result = "{'isolated':false}"},
        {.method = "netfilter.isolation",
         .result = "{'isolated':true,'since_ns':1700000000000000000,'reason':'x',"
                   "'allow':[]}"},
        {.method = NULL},
    };
    static const struct scripted_answer open_ended[] = {
        {.method = "netfilter.isolate", .result = "{'isolated':true}"},
        {.method = NULL},
    };
    static const struct scripted_answer refuses[] = {
        {.method = "netfilter.isolate",
         .result = "x is no address, as in 192.0.2.0/24:22/tcp",
         .code = "usage"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(timed, "isolate on --for 1h", 0,
                     "isolated until 2023-11-14 22:13:20 +0000\n", "");
    cli_run_answered(open_ended, "isolate on", 0, "isolated until tocsin isolate off\n",
                     "");
    cli_run_answered(timed, "isolate off", 0, "not isolated\n", "");
    cli_run_answered(timed, "isolate status", 0,
                     "isolated : true\n"
                     "since    : 2023-11-14 22:13:20 +0000\n"
                     "reason   : x\n"
                     "allow    : none\n",
                     "");
    cli_run_answered(refuses, "isolate on --allow x", 2, "",
                     "tocsin: x is no address, as in 192.0.2.0/24:22/tcp\n");
}

static void without_an_agent_off_names_the_way_out(void **state)
{
    struct cli_run run;

    (void)state;
    cli_run_line(&run, "/nonexistent/socket", "isolate off");
    assert_int_equal(run.status, 3);
    assert_non_null(strstr(run.err, "tocsin isolate off --local\n"));
}

static void off_local_removes_the_record_and_needs_no_agent(void **state)
{
    char folder[] = "/tmp/tocsin-isolate-XXXXXX", path[128], line[256], out[512];
    struct cli_run run;
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/netfilter", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/netfilter/isolation", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    snprintf(line, sizeof(line), "isolate off --local --state %s", folder);
    cli_run_line(&run, "/nonexistent/socket", line);
    snprintf(out, sizeof(out),
             "%s: removed: the next agent starts without isolation\n"
             "An agent that runs keeps the machine isolated until it ends: systemctl "
             "stop tocsind\n",
             path);
    assert_string_equal(run.err, "");
    assert_string_equal(run.out, out);
    assert_int_equal(run.status, 0);
    assert_int_equal(access(path, F_OK), -1);
    cli_run_line(&run, "/nonexistent/socket", line); /* again: it is as wanted */
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "is not there"));
    snprintf(line, sizeof(line), "isolate off --local --state %s --output json", folder);
    cli_run_line(&run, "/nonexistent/socket", line);
    snprintf(out, sizeof(out), "{\"path\":\"%s\",\"removed\":false}\n", path);
    assert_string_equal(run.out, out);
    /* What cannot be removed is a failure: here a folder. */
    assert_int_equal(mkdir(path, 0700), 0);
    cli_run_line(&run, "/nonexistent/socket", line);
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.err, path));
    assert_int_equal(rmdir(path), 0);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- Indicators ---- */

static void list_asks_for_what_is_wanted_and_says_what_it_left_out(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "netfilter.indicator_list",
         .result =
             "{'indicators':[{'value':'192.0.2.1','kind':'address','action':'block',"
             "'reason':'c2','source':'/etc/a.csv','expires_ns':1700000000000000000},"
             "{'value':'evil.example\x1b','kind':'domain','action':'audit'}],'total':"
             "1000000}"},
        {.method = NULL},
    };
    static const struct scripted_answer none[] = {
        {.method = "netfilter.indicator_list", .result = "{'indicators':[],'total':0}"},
        {.method = NULL},
    };
    struct scripted_agent *agent = scripted_agent_new(answers);
    struct cli_run run;
    char *params;

    (void)state;
    cli_run_line(&run, scripted_agent_socket(agent),
                 "indicator list evil --action block --kind domain --limit 2");
    params = scripted_agent_take(agent, "netfilter.indicator_list");
    scripted_agent_free(agent);
    assert_string_equal(params, "{\"action\":\"block\",\"kind\":\"domain\",\"text\":"
                                "\"evil\",\"limit\":2}");
    free(params);
    assert_int_equal(run.status, 0);
    assert_string_equal(
        run.out,
        "VALUE             KIND     ACTION  EXPIRES              REASON  SOURCE\n"
        "192.0.2.1         address  block   2023-11-14 22:13:20  c2      /etc/a.csv\n"
        "evil.example\\x1b  domain   audit   -                    -       -\n");
    assert_string_equal(run.err,
                        "tocsin: 2 of 1000000 are shown; --limit asks for more\n");
    cli_run_answered(none, "indicator list", 0, "no indicators\n", "");
    cli_run_answered(none, "indicator list --output json", 0, "[]\n", "");
}

/* One answer holds so many only: the rest is asked for from where it ended. */
static void list_reads_on_until_the_limit(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "netfilter.indicator_list",
         .result =
             "{'indicators':[{'value':'a'},{'value':'b'},{'value':'c'}],'total':5}"},
        {.method = NULL},
    };
    struct scripted_agent *agent = scripted_agent_new(answers);
    struct cli_run run;
    char *params;

    (void)state;
    cli_run_line(&run, scripted_agent_socket(agent),
                 "indicator list --limit 2000 --output json");
    assert_int_equal(run.status, 0);
    params = scripted_agent_take(agent, "netfilter.indicator_list");
    assert_string_equal(params, "{\"limit\":1000}");
    free(params);
    params = scripted_agent_take(agent, "netfilter.indicator_list");
    assert_string_equal(params, "{\"limit\":1000,\"from\":3}");
    free(params);
    scripted_agent_free(agent);
    assert_string_equal(run.out, "[{\"value\":\"a\"},{\"value\":\"b\"},{\"value\":\"c\"},"
                                 "{\"value\":\"a\"},{\"value\":\"b\"},{\"value\":\"c\"}]"
                                 "\n");
}

static void a_duration_counts_from_now(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "netfilter.indicator_add", .result = "{}"}, {.method = NULL}};
    uint64_t before = (uint64_t)time(NULL), after, at;
    struct scripted_agent *agent = scripted_agent_new(answers);
    struct cli_run run;
    const char *number;
    char *params;

    (void)state;
    cli_run_line(&run, scripted_agent_socket(agent),
                 "indicator add 192.0.2.1 --action allow --expires 7d");
    after = (uint64_t)time(NULL);
    assert_int_equal(run.status, 0);
    assert_memory_equal(run.out, "192.0.2.1: allow until 2", 24);
    params = scripted_agent_take(agent, "netfilter.indicator_add");
    number = strstr(params, "\"expires_ns\":");
    assert_non_null(number);
    at = strtoull(number + strlen("\"expires_ns\":"), NULL, 10) / NS_PER_S;
    assert_in_range(at, before + 7 * 86400, after + 7 * 86400);
    free(params);
    scripted_agent_free(agent);
}

static void indicators_say_what_was_done(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "netfilter.indicator_add", .result = "{'value':'192.0.2.0/24'}"},
        {.method = "netfilter.indicator_remove", .result = "{'value':'192.0.2.1'}"},
        {.method = "netfilter.indicator_test",
         .result = "{'action':'block','value':'192.0.2.0/24','reason':'c2',"
                   "'source':'/etc/a.csv'}"},
        {.method = "netfilter.indicator_reload",
         .result = "{'counts':[{'kind':'address','action':'block','count':2}],"
                   "'refused':1}"},
        {.method = NULL},
    };
    static const struct scripted_answer others[] = {
        {.method = "netfilter.indicator_remove",
         .result = "192.0.2.1 was not added here",
         .code = "not_found"},
        {.method = "netfilter.indicator_test", .result = "{'action':'none'}"},
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(answers, "indicator add 192.0.2.1/24 --action block", 0,
                     "192.0.2.1/24: block\n", "");
    cli_run_answered(answers, "indicator remove 192.0.2.1", 0, "192.0.2.1: removed\n",
                     "");
    cli_run_answered(answers, "indicator test 192.0.2.1", 0,
                     "192.0.2.1: block by 192.0.2.0/24, c2 (/etc/a.csv)\n", "");
    cli_run_answered(answers, "indicator reload", 0,
                     "refused : 1\n"
                     "\n"
                     "counts:\n"
                     "KIND     ACTION  COUNT\n"
                     "address  block   2\n",
                     "");
    cli_run_answered(others, "indicator remove 192.0.2.1", 1, "",
                     "tocsin: 192.0.2.1 was not added here\n");
    cli_run_answered(others, "indicator test 192.0.2.1", 0,
                     "192.0.2.1: no indicator matches\n", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_asks_for_its_method),
        cmocka_unit_test(wrong_usage_exits_2_and_says_what_is_right),
        cmocka_unit_test(status_prints_all_that_the_plugin_says),
        cmocka_unit_test(enable_and_disable_say_what_it_does_now),
        cmocka_unit_test(without_the_plugin_one_sentence_says_what_to_do),
        cmocka_unit_test(isolation_is_said_with_its_end),
        cmocka_unit_test(without_an_agent_off_names_the_way_out),
        cmocka_unit_test(off_local_removes_the_record_and_needs_no_agent),
        cmocka_unit_test(list_asks_for_what_is_wanted_and_says_what_it_left_out),
        cmocka_unit_test(list_reads_on_until_the_limit),
        cmocka_unit_test(a_duration_counts_from_now),
        cmocka_unit_test(indicators_say_what_was_done),
    };

    setenv("TZ", "UTC", 1);
    alarm(100);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
