/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: running the built `tocsin`, which lies beside the test, and checking what it
 * says. Fails the running test where something does not hold.
 */
#ifndef TC_TEST_CLI_RUN_H
#define TC_TEST_CLI_RUN_H

#include <sys/types.h>

struct scripted_answer;

#define CLI_RUN_TEXT_MAX 65536
#define CLI_RUN_PATH_MAX 4096

/* A run of the program, and what it has written. */
struct cli_run {
    pid_t pid;
    int out_fd, err_fd;
    int status; /* the exit status, or minus the signal */
    char out[CLI_RUN_TEXT_MAX], err[CLI_RUN_TEXT_MAX];
};

/* The path of the program. */
void cli_run_program(char path[CLI_RUN_PATH_MAX]);

/*
 * Starts `tocsin` with the words of a line, parted by blanks; `socket` is what
 * TOCSIN_SOCKET says. cli_run_finish waits for its end.
 */
void cli_run_start(struct cli_run *run, const char *socket, const char *line);
void cli_run_finish(struct cli_run *run);

/* Runs a line as in a terminal of so many columns. */
void cli_run_columns(struct cli_run *run, const char *socket, const char *line,
                     const char *columns);

/* Both. */
void cli_run_line(struct cli_run *run, const char *socket, const char *line);

/*
 * Runs a line against an agent with these answers, and checks what comes of it. NULL:
 * anything goes.
 */
void cli_run_answered(const struct scripted_answer *answers, const char *line, int status,
                      const char *out, const char *err);

/* Checks what a line asks of the agent, which answers {items: [], ok: true}. */
void cli_run_asked(const char *line, const char *method, const char *params);

/* Reads all that was written to a memory file, and closes it. */
void cli_run_take_text(int fd, char text[CLI_RUN_TEXT_MAX]);

#endif
