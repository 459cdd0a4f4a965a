/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: processes that tests start and watch, and the files that they are given. */
#ifndef TC_TESTS_SUPPORT_CHILD_H
#define TC_TESTS_SUPPORT_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TC_CHILD_ALARM_S 100
#define TC_CHILD_WAIT_S 60 /* for what is awaited here */

/* What a child does; returns 0 or an errno, at most 255. */
typedef int (*tc_child_fn)(const char *path, const char *other);

/* Runs it in a child with an alarm and no descriptor but the first three: what else is
 * open must be closed with the parent, whatever ends it. */
pid_t tc_child_begin(tc_child_fn fn, const char *path, const char *other);

/* Such functions. */
int tc_child_open(const char *path, const char *other); /* for reading */
int tc_child_write(const char *path, const char *text); /* makes the file, if need be */
int tc_child_copy(const char *path, const char *to);    /* made executable */
int tc_child_execute(const char *path, const char *other); /* and waits for exit code 0 */
int tc_child_become(const char *path, const char *other); /* execs: argv is path, other */

/* Writes an executable file, or a copy of a program, from this process. */
void tc_child_put(const char *path, const char *text);
void tc_child_put_program(const char *path, const char *program);
/* Waits until its last change is older than a tick of the clock: it may be remembered. */
void tc_child_settle(const char *path);

/* Runs a program with up to two arguments, and waits for so many bytes of its output. */
pid_t tc_child_spawn(const char *program, const char *first, const char *second,
                     size_t bytes);

/* As proc_pid_stat(5) has it, with its start since boot; 0: it is not there. */
char tc_child_state(pid_t pid, uint64_t *ret_start_ns);
void tc_child_await_state(pid_t pid, char wanted);

/* Waits for the end of all that descend from here, of whom we are the subreaper: how many
 * there were. */
size_t tc_child_reap_all(void);

#endif
