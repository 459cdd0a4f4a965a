/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a subcommand's way to the agent: connecting, calling, and the sentence when
 * either fails. Ctrl-C ends a wait by closing the connection.
 */
#ifndef TC_CLI_CALL_H
#define TC_CLI_CALL_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "ipc/client.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"

struct tc_cli;

/* Says a failure on stderr: "tocsin: ...", escaped. Returns TC_EXIT_FAILED. */
int tc_call_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Connects, once. TC_EXIT_NO_AGENT or TC_EXIT_FAILED have been said. */
int tc_call_connect(struct tc_cli *cli);

/*
 * Connects if need be, calls, waits. `params` holds one map; NULL: an empty one. Its
 * own error is looked at here. Anything but TC_EXIT_DONE has been said.
 */
int tc_call(struct tc_cli *cli, const char *method, const struct tc_pack *params,
            tc_client_notify_fn notify, void *arg, struct tc_answer *ret_answer);

/* What tc_client_call returned, as tc_exit; `answer` is looked at when that was 0. */
int tc_call_check(int status, const char *method, const struct tc_answer *answer);

/* Ctrl-C while waiting. */
struct tc_interrupt {
    pthread_t thread;
    sigset_t before;
    int fd;      /* the client's */
    int signals; /* signalfd(2) */
    int stop;    /* eventfd(2): the thread is to end */
    int timeout_ms;
    atomic_bool seen;
};

/*
 * From now on SIGINT, SIGTERM and SIGHUP shut the client's connection down, so that
 * whoever waits on it gets -EPIPE, at whatever moment the signal comes. A signal that is
 * ignored (nohup) stays so. 0 or a negative errno.
 */
int tc_interrupt_start(struct tc_interrupt *interrupt, const struct tc_client *client);

/* The same, and after so many milliseconds (-1: never) as if a signal had come. */
int tc_interrupt_start_for(struct tc_interrupt *interrupt, const struct tc_client *client,
                           int timeout_ms);

/* Gives the signals back their usual effect. Returns whether one has come. */
bool tc_interrupt_stop(struct tc_interrupt *interrupt);

#endif
