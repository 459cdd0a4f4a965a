/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see cli_run.h. */
#include "tests/support/cli_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/scripted_agent.h"

#define ARGS_MAX 16
#define CLI_RUN_TEXT_MAX 65536

void cli_run_program(char path[CLI_RUN_PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, CLI_RUN_PATH_MAX - sizeof("tocsin"));
    char *slash;

    assert_true(n > 0);
    path[n] = 0;
    slash = strrchr(path, '/');
    memcpy(slash + 1, "tocsin", sizeof("tocsin"));
}

#define TEST_COLUMNS "TOCSIN_TEST_COLUMNS" /* for the child alone */

void cli_run_take_text(int fd, char text[CLI_RUN_TEXT_MAX])
{
    ssize_t n = pread(fd, text, CLI_RUN_TEXT_MAX - 1, 0);

    assert_true(n >= 0);
    text[n] = 0;
    close(fd);
}

void cli_run_start(struct cli_run *run, const char *socket, const char *line)
{
    char copy[1024], program[CLI_RUN_PATH_MAX], *argv[ARGS_MAX + 2] = {NULL},
                                                                 *next = copy, *word;
    size_t n = 0;

    cli_run_program(program);
    argv[n++] = program;
    snprintf(copy, sizeof(copy), "%s", line);
    while ((word = strsep(&next, " ")) != NULL && n <= ARGS_MAX)
        if (*word)
            argv[n++] = word;
    run->out_fd = memfd_create("out", MFD_CLOEXEC);
    run->err_fd = memfd_create("err", MFD_CLOEXEC);
    assert_true(run->out_fd >= 0 && run->err_fd >= 0);
    run->pid = fork();
    assert_true(run->pid >= 0);
    if (!run->pid) {
        setenv("TOCSIN_SOCKET", socket, 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        unsetenv("COLUMNS");
        if (getenv(TEST_COLUMNS))
            setenv("COLUMNS", getenv(TEST_COLUMNS), 1);
        dup2(run->out_fd, STDOUT_FILENO);
        dup2(run->err_fd, STDERR_FILENO);
        execv(program, argv);
        _exit(127);
    }
}

void cli_run_finish(struct cli_run *run)
{
    int status;

    assert_int_equal(waitpid(run->pid, &status, 0), run->pid);
    run->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    cli_run_take_text(run->out_fd, run->out);
    cli_run_take_text(run->err_fd, run->err);
}

void cli_run_line(struct cli_run *run, const char *socket, const char *line)
{
    cli_run_start(run, socket, line);
    cli_run_finish(run);
}

void cli_run_columns(struct cli_run *run, const char *socket, const char *line,
                     const char *columns)
{
    setenv(TEST_COLUMNS, columns, 1);
    cli_run_line(run, socket, line);
    unsetenv(TEST_COLUMNS);
}

void cli_run_answered(const struct scripted_answer *answers, const char *line, int status,
                      const char *out, const char *err)
{
    struct scripted_agent *agent = scripted_agent_new(answers);
    struct cli_run run;

    cli_run_line(&run, scripted_agent_socket(agent), line);
    scripted_agent_free(agent);
    if (run.status != status)
        print_message("%s: %s%s", line, run.out, run.err);
    assert_int_equal(run.status, status);
    if (out)
        assert_string_equal(run.out, out);
    if (err)
        assert_string_equal(run.err, err);
}

void cli_run_asked(const char *line, const char *method, const char *params)
{
    const struct scripted_answer answers[] = {
        {.method = method, .result = "{'items':[],'ok':true}"}, {.method = NULL}};
    struct scripted_agent *agent = scripted_agent_new(answers);
    struct cli_run run;
    char *got;

    cli_run_line(&run, scripted_agent_socket(agent), line);
    if (run.status)
        print_message("%s: %s%s", line, run.out, run.err);
    assert_int_equal(run.status, 0);
    got = scripted_agent_take(agent, method);
    assert_non_null(got);
    assert_string_equal(got, params);
    free(got);
    scripted_agent_free(agent);
}
