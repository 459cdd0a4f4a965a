/* SPDX-License-Identifier: Apache-2.0 */
/* What `tocsin definitions` says of rules: those in force, and those in files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>
#include <unistd.h>

#include "tests/support/cli_run.h"
#include "tests/support/scripted_agent.h"

#define RULE(name, source, condition)                                                    \
    "title: " name "\n"                                                                  \
    "logsource: {" source "}\n"                                                          \
    "detection:\n"                                                                       \
    "  s: {Image|endswith: /nc}\n"                                                       \
    "  condition: " condition "\n"

#define LINUX "category: process_creation, product: linux"

/* Runs `definitions check` with `options` on a file of that text. */
static void check_text(struct cli_run *run, const char *options, const char *name,
                       const char *text)
{
    char folder[] = "/tmp/tocsin-check-XXXXXX", path[128], line[256];
    FILE *file;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    snprintf(line, sizeof(line), "definitions check %s%s", options, path);
    cli_run_line(run, "", line);
    unlink(path);
    rmdir(folder);
}

static void check_of_right_rules_ends_with_0(void **state)
{
    struct cli_run run;

    (void)state;
    check_text(&run, "", "a.yml", RULE("A", LINUX, "s") "---\n" RULE("B", LINUX, "s"));
    assert_int_equal(run.status, 0);
    assert_string_equal(
        run.out, "what can fire, by log source:\n"
                 "LOG SOURCE              RULES  CAN FIRE  PERCENT\n"
                 "linux/process_creation  2      2         100\n"
                 "\n"
                 "2 rules: 2 run, 0 cannot run, 0 have no source here; 0 refused\n");
    assert_string_equal(run.err, "");
}

static void check_says_the_place_of_an_error_and_ends_with_1(void **state)
{
    struct cli_run run;

    (void)state;
    check_text(&run, "", "a.yml",
               RULE("A", LINUX, "s") "---\n" RULE("B", LINUX, "s and missing"));
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.out, "/a.yml:11:20: "));
    assert_non_null(strstr(run.out, "missing"));
    assert_non_null(strstr(run.out, "\n1 rules: 1 run"));
    assert_non_null(strstr(run.out, "; 1 refused\n"));
}

static void check_says_what_nothing_here_would_feed(void **state)
{
    struct cli_run run;

    (void)state;
    check_text(&run, "", "a.yml", RULE("A", "product: linux, service: vsftpd", "s"));
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "/a.yml: no_source: "));
    assert_non_null(strstr(run.out, "\n1 rules: 0 run, 0 cannot run, 1 have no source"));
}

static void check_is_for_another_product_where_asked_for(void **state)
{
    static const char rule[] =
        RULE("A", "category: process_creation, product: macos", "s");
    struct cli_run run;

    (void)state;
    check_text(&run, "", "a.yml", rule);
    assert_non_null(strstr(run.out, "\n1 rules: 0 run"));
    check_text(&run, "--product macos ", "a.yml", rule);
    assert_non_null(strstr(run.out, "\n1 rules: 1 run"));
    assert_non_null(strstr(run.out, "macos/process_creation  1      1         100\n"));
}

static void check_takes_rules_of_yara(void **state)
{
    struct cli_run run;

    (void)state;
    check_text(&run, "", "a.yar", "rule a { condition: true }\n");
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "\n1 rules of YARA\n"));
    check_text(&run, "", "a.yar", "rule a { condition: true }\nrule b { nonsense }\n");
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.out, "a.yar:2:1: syntax error"));
    check_text(&run, "", "a.yarc", "YARA");
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.out, "compiled rules are for one version of YARA"));
}

static void check_of_what_is_not_there_ends_with_1(void **state)
{
    struct cli_run run;

    (void)state;
    cli_run_line(&run, "", "definitions check /nonexistent/rules");
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.out, "/nonexistent/rules: No such file or directory\n"));
}

static void check_is_json_where_asked_for(void **state)
{
    json_object *root, *problems, *problem, *value;
    struct cli_run run;

    (void)state;
    check_text(&run, "--output json ", "a.yml", RULE("A", LINUX, "missing"));
    assert_int_equal(run.status, 1);
    root = json_tokener_parse(run.out);
    assert_non_null(root);
    assert_true(json_object_object_get_ex(root, "problems", &problems));
    assert_int_equal(json_object_array_length(problems), 1);
    problem = json_object_array_get_idx(problems, 0);
    assert_true(json_object_object_get_ex(problem, "state", &value));
    assert_string_equal(json_object_get_string(value), "refused");
    assert_true(json_object_object_get_ex(problem, "line", &value));
    assert_int_equal(json_object_get_int(value), 5);
    assert_true(json_object_object_get_ex(root, "sources", &value));
    assert_int_equal(json_object_array_length(value), 0);
    assert_true(json_object_object_get_ex(root, "refused", &value));
    assert_int_equal(json_object_get_int(value), 1);
    json_object_put(root);
}

/* ---- With an agent ---- */

#define AV                                                                               \
    {                                                                                    \
        .method = "av.definitions",                                                      \
        .result = "{'version':'f10e','files':2,'rules':6,'refused':0,'items':[]}"        \
    }

#define BOTH_RUN                                                                         \
    {                                                                                    \
        .method = "plugin.list", .result = "{'items':[{'name':'av','state':'running'},"  \
                                           "{'name':'edr','state':'running'}]}"          \
    }

#define PUBLISHES(topics)                                                                \
    {                                                                                    \
        .method = "plugin.info", .result = "{'publishes':[" topics "]}"                  \
    }

static const struct scripted_answer answers[] = {
    BOTH_RUN,
    PUBLISHES("'alert.raised','process.*'"),
    {.method = "edr.definitions",
     .result = "{'generation':1,'version':'145e','files':4,'rules':3,'runs':1,"
               "'cannot_run':1,'no_source':1,'refused':1,'items':["
               "{'id':'1','title':'A\x1b','level':'high','product':'linux',"
               "'category':'process_creation','state':'runs','file':'/r/a.yml'},"
               "{'id':'2','title':'B','level':'low','product':'linux',"
               "'category':'process_creation','state':'cannot_run','why':'no values',"
               "'file':'/r/b.yml'},"
               "{'title':'C','level':'low','product':'linux','service':'sshd',"
               "'state':'no_source','why':'no sensor','file':'/r/c.yml'},"
               "{'state':'refused','why':'no title','file':'/r/d.yml','line':3,"
               "'column':7}]}"},
    AV,
    {.method = "edr.reload", .result = "{'version':'145e','rules':3,'files':4}"},
    {.method = "av.reload", .result = "the rules could not be loaded", .code = "failed"},
    {.method = NULL},
};

static void list_says_what_runs_why_not_and_what_can_fire(void **state)
{
    (void)state;
    cli_run_answered(answers, "definitions list", 0,
                     "edr: 3 rules of 4 files, version 145e, 1 refused\n"
                     "\n"
                     "ID  LEVEL  STATE       LOG SOURCE              TITLE\n"
                     "1   high   runs        linux/process_creation  A\\x1b\n"
                     "2   low    cannot_run  linux/process_creation  B\n"
                     "-   low    no_source   linux/sshd              C\n"
                     "\n"
                     "not running:\n"
                     "  /r/b.yml: no values\n"
                     "  /r/c.yml: no sensor\n"
                     "  /r/d.yml:3:7: no title\n"
                     "\n"
                     "what can fire here, by log source:\n"
                     "LOG SOURCE              RULES  CAN FIRE  PERCENT\n"
                     "linux/process_creation  2      1         50\n"
                     "linux/sshd              1      0         0\n"
                     "\n"
                     "av: 6 rules of 2 files, version f10e\n",
                     "");
}

#define TWO_RULES                                                                        \
    {                                                                                    \
        .method = "edr.definitions",                                                     \
        .result = "{'generation':1,'version':'145e','files':2,'rules':2,'runs':2,"       \
                  "'no_source':0,'items':["                                              \
                  "{'title':'A','level':'high','category':'dns_query','state':'runs',"   \
                  "'file':'/r/a.yml'},"                                                  \
                  "{'title':'B','level':'low','category':'network_connection',"          \
                  "'state':'runs','file':'/r/b.yml'}]}"                                  \
    }

static void list_says_what_no_plugin_that_runs_would_feed(void **state)
{
    static const struct scripted_answer without[] = {
        BOTH_RUN, PUBLISHES("'network.*'"), TWO_RULES, AV, {.method = NULL}};

    (void)state;
    cli_run_answered(without, "definitions list", 0,
                     "edr: 2 rules of 2 files, version 145e\n"
                     "\n"
                     "ID  LEVEL  STATE      LOG SOURCE          TITLE\n"
                     "-   high   no_source  dns_query           A\n"
                     "-   low    runs       network_connection  B\n"
                     "\n"
                     "not running:\n"
                     "  /r/a.yml: no plugin that runs here publishes dns.answered\n"
                     "\n"
                     "what can fire here, by log source:\n"
                     "LOG SOURCE          RULES  CAN FIRE  PERCENT\n"
                     "dns_query           1      0         0\n"
                     "network_connection  1      1         100\n"
                     "\n"
                     "av: 6 rules of 2 files, version f10e\n",
                     "");
}

static void list_counts_what_no_plugin_that_runs_would_feed(void **state)
{
    static const struct scripted_answer without[] = {
        BOTH_RUN, PUBLISHES("'network.*'"), TWO_RULES, AV, {.method = NULL}};
    struct scripted_agent *agent = scripted_agent_new(without);
    json_object *root, *edr, *value;
    struct cli_run run;

    (void)state;
    cli_run_line(&run, scripted_agent_socket(agent), "--output json definitions list");
    scripted_agent_free(agent);
    assert_int_equal(run.status, 0);
    root = json_tokener_parse(run.out);
    assert_true(json_object_object_get_ex(root, "edr", &edr));
    assert_true(json_object_object_get_ex(edr, "runs", &value));
    assert_int_equal(json_object_get_int(value), 1);
    assert_true(json_object_object_get_ex(edr, "no_source", &value));
    assert_int_equal(json_object_get_int(value), 1);
    json_object_put(root);
}

/* As an agent of another version may. */
static void list_takes_all_for_published_when_it_is_not_said(void **state)
{
    static const struct scripted_answer without[] = {
        BOTH_RUN,
        {.method = "plugin.info", .result = "{}"},
        TWO_RULES,
        AV,
        {.method = NULL}};
    struct scripted_agent *agent = scripted_agent_new(without);
    struct cli_run run;

    (void)state;
    cli_run_line(&run, scripted_agent_socket(agent), "definitions list");
    scripted_agent_free(agent);
    assert_int_equal(run.status, 0);
    assert_null(strstr(run.out, "no_source"));
}

static void list_does_not_follow_pages_that_lead_nowhere(void **state)
{
    static const struct scripted_answer circle[] = {
        BOTH_RUN,
        PUBLISHES(""),
        {.method = "edr.definitions",
         .result = "{'generation':1,'version':'145e','rules':1,'next':1,'items':[]}"},
        AV,
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(circle, "definitions list", 1, NULL,
                     "tocsin: the list of edr: Protocol error\n");
}

static void list_names_a_detector_that_does_not_run(void **state)
{
    static const struct scripted_answer without[] = {
        {.method = "plugin.list",
         .result = "{'items':[{'name':'av','state':'running'},"
                   "{'name':'edr','state':'failed'}]}"},
        PUBLISHES(""),
        AV,
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(without, "definitions list", 0,
                     "edr: not running\n"
                     "\n"
                     "av: 6 rules of 2 files, version f10e\n",
                     "");
}

static void list_goes_on_without_a_detector_that_does_not_answer(void **state)
{
    static const struct scripted_answer without[] = {
        BOTH_RUN,
        PUBLISHES(""),
        {.method = "edr.definitions",
         .result = "plugin edr does not run",
         .code = "refused"},
        AV,
        {.method = NULL},
    };

    (void)state;
    cli_run_answered(without, "definitions list", 1,
                     "av: 6 rules of 2 files, version f10e\n",
                     "tocsin: plugin edr does not run\n");
}

static void reload_says_what_each_detector_has_now(void **state)
{
    (void)state;
    cli_run_answered(answers, "definitions reload", 1,
                     "edr: 3 rules of 4 files, version 145e\n",
                     "tocsin: the rules could not be loaded\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_of_right_rules_ends_with_0),
        cmocka_unit_test(check_says_the_place_of_an_error_and_ends_with_1),
        cmocka_unit_test(check_says_what_nothing_here_would_feed),
        cmocka_unit_test(check_is_for_another_product_where_asked_for),
        cmocka_unit_test(check_takes_rules_of_yara),
        cmocka_unit_test(check_of_what_is_not_there_ends_with_1),
        cmocka_unit_test(check_is_json_where_asked_for),
        cmocka_unit_test(list_says_what_runs_why_not_and_what_can_fire),
        cmocka_unit_test(list_says_what_no_plugin_that_runs_would_feed),
        cmocka_unit_test(list_counts_what_no_plugin_that_runs_would_feed),
        cmocka_unit_test(list_takes_all_for_published_when_it_is_not_said),
        cmocka_unit_test(list_does_not_follow_pages_that_lead_nowhere),
        cmocka_unit_test(list_names_a_detector_that_does_not_run),
        cmocka_unit_test(list_goes_on_without_a_detector_that_does_not_answer),
        cmocka_unit_test(reload_says_what_each_detector_has_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
