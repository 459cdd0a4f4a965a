/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the two processes that stand between the agent and one served file system
 * (sensor_served.h), so that a server that does not answer holds up no thread of the
 * agent. The kernel opens the file for whoever reads the permission group, and that wait
 * for the server ends by nothing but its answer, not even by SIGKILL.
 *
 *   reader  has a permission group of its own, marks the file system, takes one question
 *           after the other, copies what is asked about, sends it, and answers
 *   guard   touches no file. When the reader has been in one call for too long, or the
 *           agent is gone and the reader does not end, it takes the marks away and
 *           refuses what waits: reading the group without a descriptor to spare does that
 *           (findings/fanotify_no_descriptor_left). What is opened from then on is not
 *           asked about.
 *
 * A reader that is stuck is left behind: it ends when its server answers. Both are
 * processes that a fork has made of the agent, which has threads, and use system calls
 * only (signal-safety(7)).
 */
#ifndef TC_ES_PROXY_H
#define TC_ES_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "sensor_scope.h"

#define TC_ES_PROXY_STUCK_MS 5000 /* one call to the file system: then it is given up */
#define TC_ES_PROXY_COPY_MS 5000  /* all of one copy: then it goes without */
#define TC_ES_PROXY_COPY_MAX (64u << 20) /* bytes; a larger file goes without */
#define TC_ES_PROXY_PENDING_MAX 8        /* questions at once: each may hold a copy */

struct tc_es_proxy_config {
    const char *point; /* where the file system is mounted */
    bool on_timeout_allow;
    uint64_t deadline_ns; /* from question to default answer */
};

enum tc_es_proxy_kind {
    TC_ES_PROXY_MARKED = 1, /* it asks from now on, or `err` says why not */
    TC_ES_PROXY_QUESTION,
    TC_ES_PROXY_WRITTEN,
};

/* What the reader sends; the descriptor of a copy goes with a question about a file. */
struct tc_es_proxy_message {
    uint32_t kind; /* enum tc_es_proxy_kind */
    int32_t err;   /* of a question: why there is no copy, negative errno; else 0 */
    uint64_t id;   /* of a question, for tc_es_proxy_answer */
    uint64_t mask; /* as fanotify gives it */
    uint64_t time_ns;
    int32_t pid;
    struct statx stx;
    char path[TC_SENSOR_PATH_MAX]; /* "" where it could not be had */
    bool cut;                      /* path: is too long, and made up */
};

struct tc_es_proxy_shared;

struct tc_es_proxy {
    pid_t reader, guard; /* 0: there is none, or it has been reaped */
    int socket;          /* the reader's; readable: tc_es_proxy_receive */
    int gate;            /* the guard's; readable: it has given the reader up */
    struct tc_es_proxy_shared *shared;
};

/* Starts both. Nothing of the file system is touched here. Errors: those of
 * fanotify_init(2), socketpair(2), mmap(2), fork(2). Loop. */
int tc_es_proxy_start(struct tc_es_proxy *proxy, const struct tc_es_proxy_config *config);

/* The next message; *ret_fd is -1 or the caller's, a sealed copy of the file. Errors:
 * -EAGAIN; -EPIPE: the reader has ended. */
int tc_es_proxy_receive(struct tc_es_proxy *proxy, struct tc_es_proxy_message *ret,
                        int *ret_fd);

/* Answers a question; one that has been answered by default is left as it is. */
void tc_es_proxy_answer(struct tc_es_proxy *proxy, uint64_t id, bool allow);

/* Takes the marks away; what has been asked is still to be answered. */
void tc_es_proxy_unmark(struct tc_es_proxy *proxy);

/* The guard has given the reader up: nothing is asked any more. */
bool tc_es_proxy_given_up(const struct tc_es_proxy *proxy);

/* Lets both end: whoever still waits is answered by default. Does not wait. */
void tc_es_proxy_end(struct tc_es_proxy *proxy);

/* Whether both have ended; reaps them. Does not wait. */
bool tc_es_proxy_ended(struct tc_es_proxy *proxy);

/* Frees what is left. A process that is still there goes on by itself until it ends. */
void tc_es_proxy_done(struct tc_es_proxy *proxy);

#endif
