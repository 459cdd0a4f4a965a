/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of `tocsin profile`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/cli_run.h"
#include "tests/support/scripted_agent.h"

static const struct scripted_answer answers[] = {
    {.method = "profile.list",
     .result =
         "{'items':[{'file':'1.mobileconfig','name':'1.mobileconfig','identifier':null,"
         "'error':'1.mobileconfig: this is no XML or binary property list','says':{}},"
         "{'file':'2.mobileconfig','name':'All\x1b[2J','identifier':'org.a',"
         "'release_ring':'beta','warning':'2.mobileconfig:7:3: odd','says':{"
         "'es_extension':'allows','network_filter':'denies'}}]}"},
    {.method = "profile.check",
     .result = "{'gates':[{'gate':'es_extension','declared':'allows','profile':'All',"
               "'file':'2.mobileconfig','effective':'granted (managed)','why':null},"
               "{'gate':'network_filter','declared':'nothing','profile':null,"
               "'file':null,'effective':'queued','why':null}],"
               "'release_ring':{'declared':'beta','profile':'All',"
               "'effective':'current','why':'restart it'},"
               "'items':[{'file':'2.mobileconfig','name':'All'}]}"},
    {.method = NULL},
};

static void list_says_what_each_grants_and_why_one_is_refused(void **state)
{
    (void)state;
    cli_run_answered(
        answers, "profile list", 0,
        "FILE            NAME            IDENTIFIER  RING  SAYS\n"
        "1.mobileconfig  1.mobileconfig  -           -     none\n"
        "2.mobileconfig  All\\x1b[2J      org.a       beta  es_extension=allows "
        "network_filter=denies\n"
        "\n"
        "refused: 1.mobileconfig: this is no XML or binary property list\n"
        "\n"
        "warning: 2.mobileconfig:7:3: odd\n",
        "");
}

static void list_that_is_empty_says_so(void **state)
{
    static const struct scripted_answer none[] = {
        {.method = "profile.list", .result = "{'items':[]}"}, {.method = NULL}};

    (void)state;
    cli_run_answered(none, "profile list", 0, "no managed profiles\n", "");
    cli_run_answered(none, "profile list --output json", 0, "[]\n", "");
}

static void check_says_what_is_declared_and_what_is_in_effect(void **state)
{
    (void)state;
    cli_run_answered(answers, "profile check", 0,
                     "GATE            DECLARED  PROFILE  EFFECTIVE          WHY\n"
                     "es_extension    allows    All      granted (managed)  -\n"
                     "network_filter  nothing   -        queued             -\n"
                     "\n"
                     "release ring: beta by All, in effect current: restart it\n",
                     "");
}

static void check_fails_when_a_profile_is_refused(void **state)
{
    static const struct scripted_answer refused[] = {
        {.method = "profile.check",
         .result = "{'gates':[],'items':[{'file':'a','error':'a:1:1: no'}]}"},
        {.method = NULL}};

    (void)state;
    cli_run_answered(refused, "profile check", 1,
                     "GATE  DECLARED  PROFILE  EFFECTIVE  WHY\n\nrefused: a:1:1: no\n",
                     "");
    cli_run_answered(refused, "profile check --output json", 1,
                     "{\"gates\":[],\"items\":[{\"file\":\"a\",\"error\":\"a:1:1: "
                     "no\"}]}\n",
                     "");
}

/* A file of that many bytes, its path in a static buffer; unlink(2) is the caller's. */
static void make_file(char path[64], const char *bytes, off_t size)
{
    int fd;

    strcpy(path, "/tmp/tocsin-profile-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
    if (size)
        assert_int_equal(ftruncate(fd, size), 0);
    close(fd);
}

static void files_are_read_here_and_sent(void **state)
{
    struct scripted_agent *agent = scripted_agent_new(answers);
    char path[64], line[256], expected[512], *asked;
    struct cli_run run;

    (void)state;
    make_file(path, "<a\xff>", 0);
    snprintf(line, sizeof(line), "profile check %s", path);
    cli_run_line(&run, scripted_agent_socket(agent), line);
    assert_int_equal(run.status, 0);
    asked = scripted_agent_take(agent, "profile.check");
    snprintf(expected, sizeof(expected),
             "{\"files\":[{\"name\":\"%s\",\"data\":{\"$bin\":\"3c61ff3e\",\"$text\":"
             "\"<a\\ufffd>\"}}]}",
             path);
    assert_string_equal(asked, expected);
    free(asked);
    unlink(path);
    scripted_agent_free(agent);
}

static void folder_is_sent_in_the_order_of_its_names(void **state)
{
    static const char *const names[] = {"b.mobileconfig", "a.mobileconfig", "notes"};
    struct scripted_agent *agent = scripted_agent_new(answers);
    char folder[] = "/tmp/tocsin-profiles-XXXXXX", path[64], line[128], *params;
    struct cli_run run;
    const char *a, *b;
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        file = fopen(path, "we");
        assert_non_null(file);
        assert_int_equal(fclose(file), 0);
    }
    snprintf(line, sizeof(line), "profile check %s", folder);
    cli_run_line(&run, scripted_agent_socket(agent), line);
    params = scripted_agent_take(agent, "profile.check");
    a = strstr(params, "/a.mobileconfig");
    b = strstr(params, "/b.mobileconfig");
    assert_true(a && b && a < b);
    assert_null(strstr(params, "notes"));
    free(params);
    scripted_agent_free(agent);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void file_that_cannot_be_sent_is_said(void **state)
{
    char path[64], line[256], said[256];

    (void)state;
    cli_run_answered(answers, "profile check /nonexistent/p", 1, "",
                     "tocsin: /nonexistent/p: No such file or directory\n");
    cli_run_answered(answers, "profile check /proc/self", 1, "",
                     "tocsin: /proc/self: there is no file *.mobileconfig\n");
    make_file(path, "", 1024 * 1024);
    snprintf(line, sizeof(line), "profile check %s", path);
    snprintf(said, sizeof(said),
             "tocsin: %s: the profiles are larger than 960 KiB together: check fewer at "
             "once\n",
             path);
    cli_run_answered(answers, line, 1, "", said);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_says_what_each_grants_and_why_one_is_refused),
        cmocka_unit_test(list_that_is_empty_says_so),
        cmocka_unit_test(check_says_what_is_declared_and_what_is_in_effect),
        cmocka_unit_test(check_fails_when_a_profile_is_refused),
        cmocka_unit_test(files_are_read_here_and_sent),
        cmocka_unit_test(folder_is_sent_in_the_order_of_its_names),
        cmocka_unit_test(file_that_cannot_be_sent_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
