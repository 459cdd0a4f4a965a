/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of the subcommands that go on for a while: scan and tap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <tocsin/event.h>
#include <unistd.h>

#include "ipc/json.h"
#include "ipc/unpack.h"
#include "tests/support/cli_run.h"
#include "tests/support/scripted_agent.h"

static const struct scripted_answer scan_answers[] = {
    {.method = "av.scan",
     .before = "[[2,'progress',[{'call':1,'files':3,'bytes':9,'threats':0}]]]",
     .result = "{'files':4,'bytes':20,'threats':1,'skipped':0,'errors':2,'seconds':0.25,"
               "'cancelled':false,'items':[{'path':'/a b','rule':'Eicar','status':"
               "'quarantined'}]}"},
    {.method = NULL},
};

static void scan_reports_threats_and_exits_0(void **state)
{
    (void)state;
    cli_run_answered(
        scan_answers, "scan custom --path /", 0,
        "STATUS       RULE   PATH\n"
        "quarantined  Eicar  /a b\n"
        "\n"
        "scanned 4 files, 20 bytes in 0.2 s: 1 threat, 0 skipped, 2 could not "
        "be read\n",
        "");
}

/* Runs a scan with standard error on a terminal; `text` is what that showed. */
static void scan_on_a_terminal(const char *socket, char *text)
{
    char program[CLI_RUN_PATH_MAX];
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    assert_true(terminal >= 0 && !grantpt(terminal) && !unlockpt(terminal));
    cli_run_program(program);
    pid = fork();
    if (!pid) {
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
        dup2(open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC), STDERR_FILENO);
        execl(program, program, "--socket", socket, "scan", "custom", "--path", "/",
              (char *)NULL);
        _exit(127);
    }
    while ((got = read(terminal, text + n, CLI_RUN_TEXT_MAX - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    close(terminal);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void scan_shows_its_progress_on_a_terminal_only(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "av.scan",
         .before = "[[2,'progress',[{'call':1,'files':3,'threats':0,'current':'/a\x1b"
                   "'}]],[2,'progress',[{'call':1,'files':4,'threats':1}]]]",
         .result = "{'files':4}"},
        {.method = NULL},
    };
    struct scripted_agent *agent = scripted_agent_new(answers);
    char *text = malloc(CLI_RUN_TEXT_MAX);

    (void)state;
    assert_non_null(text);
    scan_on_a_terminal(scripted_agent_socket(agent), text);
    scripted_agent_free(agent);
    assert_string_equal(text, "\r3 files, 0 threats  /a\\x1b\033[K"
                              "\r4 files, 1 threat\033[K\r\033[K");
    free(text);
}

/* Starts a line, waits until the agent has the request, sends a signal. */
static void interrupt(struct cli_run *run, const struct scripted_answer *answers,
                      const char *line, const char *method)
{
    struct scripted_agent *agent = scripted_agent_new(answers);
    char *params;

    cli_run_start(run, scripted_agent_socket(agent), line);
    params = scripted_agent_take(agent, method);
    assert_non_null(params);
    free(params);
    kill(run->pid, SIGINT);
    cli_run_finish(run);
    assert_true(scripted_agent_was_left(agent));
    scripted_agent_free(agent);
}

static void scan_that_is_interrupted_is_cancelled_and_says_how_far_it_was(void **state)
{
    static const struct scripted_answer answers[] = {
        {.method = "av.scan",
         .before = "[[2,'progress',[{'call':1,'files':3,'bytes':9,'threats':1}]]]"},
        {.method = NULL},
    };
    struct cli_run run;

    (void)state;
    interrupt(&run, answers, "scan custom --path /", "av.scan");
    assert_int_equal(run.status, 1);
    assert_string_equal(run.out,
                        "cancelled; so far scanned 3 files, 9 bytes: 1 threat\n");
    interrupt(&run, answers, "scan custom --output json --path /", "av.scan");
    assert_int_equal(run.status, 1);
    assert_string_equal(run.out,
                        "{\"files\":3,\"bytes\":9,\"threats\":1,\"cancelled\":true}\n");
}

#define TAP_EVENTS                                                                       \
    "[[2,'tap.event',['file.exec','es',7,{'@timestamp':1700000000123000000,'file':{"     \
    "'path':'/bin/\x1b','uid':0},'process':{'pid':42,'executable':'/bin/sh','args':["    \
    "'a b']}}]],"                                                                        \
    "[2,'tap.missed',[1,5,6]],"                                                          \
    "[2,'tap.event',['verdict','av',8,{'decision':'allow'},1700000000123000000,7]]]"

static const struct scripted_answer tap_answers[] = {
    {.method = "tap.open", .result = "{'tap':1}", .after = TAP_EVENTS},
    {.method = NULL},
};

static const struct scripted_answer tap_ends_answers[] = {
    {.method = "tap.open", .result = "{}", .after = TAP_EVENTS, .hang_up = true},
    {.method = NULL},
};

static void tap_prints_an_event_a_line(void **state)
{
    (void)state;
    cli_run_answered(tap_answers, "tap --count 1", 0,
                     "2023-11-14 22:13:20.123 file.exec         sh[42] /bin/\\x1b "
                     "file.uid=0 process.executable=/bin/sh process.args=\"a b\" id=7 "
                     "source=es\n",
                     "");
    cli_run_answered(tap_answers, "tap --count 2", 0,
                     "2023-11-14 22:13:20.123 file.exec         sh[42] /bin/\\x1b "
                     "file.uid=0 process.executable=/bin/sh process.args=\"a b\" id=7 "
                     "source=es\n"
                     "2023-11-14 22:13:20.123 verdict           decision=allow id=8 "
                     "reply_to=7 source=av\n",
                     "tocsin: missed 5 events, 6 in all\n");
}

static void tap_prints_json_lines(void **state)
{
    (void)state;
    cli_run_answered(
        tap_answers, "tap --count 2 --output json", 0,
        "{\"topic\":\"file.exec\",\"source\":\"es\",\"id\":7,\"event\":{\"@timestamp\":"
        "1700000000123000000,\"file\":{\"path\":\"/bin/\\u001b\",\"uid\":0},\"process\":{"
        "\"pid\":42,\"executable\":\"/bin/sh\",\"args\":[\"a b\"]}}}\n"
        "{\"missed\":5,\"total\":6}\n"
        "{\"topic\":\"verdict\",\"source\":\"av\",\"id\":8,\"time_ns\":"
        "1700000000123000000,"
        "\"reply_to\":7,\"event\":{\"decision\":\"allow\"}}\n",
        "");
}

static void tap_asks_for_topics_and_filters(void **state)
{
    struct scripted_agent *agent = scripted_agent_new(tap_answers);
    struct cli_run run;
    char *params;

    (void)state;
    cli_run_line(&run, scripted_agent_socket(agent),
                 "tap file.* verdict --filter file.path=c=d --filter reason= --count 1");
    assert_int_equal(run.status, 0);
    params = scripted_agent_take(agent, "tap.open");
    assert_string_equal(params, "{\"topics\":[\"file.*\",\"verdict\"],\"filter\":["
                                "\"file.path=c=d\",\"reason=\"]}");
    free(params);
    scripted_agent_free(agent);
}

static void tap_records_the_frames_as_they_came(void **state)
{
    struct scripted_agent *agent = scripted_agent_new(tap_answers);
    char line[256], path[128], *text = NULL;
    uint8_t bytes[1024];
    msgpack_unpacked unpacked;
    const uint8_t *second;
    struct cli_run run;
    ssize_t n;
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/events", scripted_agent_folder(agent));
    snprintf(line, sizeof(line), "tap --count 2 --record %s", path);
    cli_run_line(&run, scripted_agent_socket(agent), line);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.out, "");
    assert_string_equal(run.err, "tocsin: recorded 2 events, missed 5\n");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = read(fd, bytes, sizeof(bytes));
    close(fd);
    scripted_agent_free(agent);
    assert_true(n > 0);
    second = tocsin_skip(bytes, bytes + n);
    assert_non_null(second);
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(tc_unpack(&unpacked, second, (size_t)(bytes + n - second)), 0);
    assert_int_equal(tc_json_text(&unpacked.data, &text), 0);
    msgpack_unpacked_destroy(&unpacked);
    assert_string_equal(text, "[\"verdict\",\"av\",8,{\"decision\":\"allow\"},"
                              "1700000000123000000,7]");
    free(text);
}

static void tap_ends_well_by_interrupt_and_badly_without_an_agent(void **state)
{
    struct cli_run run;

    (void)state;
    interrupt(&run, tap_answers, "tap --output json", "tap.open");
    assert_int_equal(run.status, 0);
    cli_run_answered(tap_ends_answers, "tap", 1, NULL,
                     "tocsin: missed 5 events, 6 in all\n"
                     "tocsin: the agent closed the connection\n");
}

/* Runs a line with its output given to one that does not read it. */
static void tap_ends_quietly_when_nobody_reads(void **state)
{
    char program[CLI_RUN_PATH_MAX];
    struct scripted_agent *agent = scripted_agent_new(tap_answers);
    struct cli_run run;
    int ends[2], out;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    out = dup(STDOUT_FILENO);
    run.err_fd = memfd_create("err", MFD_CLOEXEC);
    cli_run_program(program);
    run.pid = fork();
    if (!run.pid) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(run.err_fd, STDERR_FILENO);
        execl(program, program, "--socket", scripted_agent_socket(agent), "tap",
              (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    run.out_fd = out;
    assert_int_equal(waitpid(run.pid, &run.status, 0), run.pid);
    cli_run_take_text(run.err_fd, run.err);
    close(out);
    scripted_agent_free(agent);
    assert_true(WIFEXITED(run.status));
    assert_int_equal(WEXITSTATUS(run.status), 0);
    assert_string_equal(run.err, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_reports_threats_and_exits_0),
        cmocka_unit_test(scan_shows_its_progress_on_a_terminal_only),
        cmocka_unit_test(scan_that_is_interrupted_is_cancelled_and_says_how_far_it_was),
        cmocka_unit_test(tap_prints_an_event_a_line),
        cmocka_unit_test(tap_prints_json_lines),
        cmocka_unit_test(tap_asks_for_topics_and_filters),
        cmocka_unit_test(tap_records_the_frames_as_they_came),
        cmocka_unit_test(tap_ends_well_by_interrupt_and_badly_without_an_agent),
        cmocka_unit_test(tap_ends_quietly_when_nobody_reads),
    };

    setenv("TZ", "UTC", 1);
    alarm(100);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
