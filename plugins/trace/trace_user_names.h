/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the names of users, by their id. Whoever asks gets what is known and never
 * waits: the local accounts are read at the start, any other is looked up on a pool
 * thread (getpwuid_r(3), so by LDAP or what the system is set up for, which may take
 * long). Find: the reader's thread; work: a pool thread; the rest: any.
 */
#ifndef TC_TRACE_USER_NAMES_H
#define TC_TRACE_USER_NAMES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

#define TC_TRACE_USER_NAMES_MAX 1024      /* users; the longest unused is forgotten */
#define TC_TRACE_USER_NAMES_WANTED_MAX 64 /* waiting for their turn; more are put off */
#define TC_TRACE_USER_NAMES_AGE_S 300 /* then it is asked for anew, once it is needed */
#define TC_TRACE_USER_NAME_MAX 256    /* LOGIN_NAME_MAX of Linux: with the NUL */
#define TC_TRACE_ACCOUNTS "/etc/passwd"

struct tc_trace_user_name;
TAILQ_HEAD(tc_trace_user_name_list, tc_trace_user_name);

struct tc_trace_user_names {
    pthread_mutex_t lock;
    const char *accounts; /* as passwd(5); the caller's; NULL: not set up */
    uint64_t inode;       /* of that file when it was read, and its change time */
    struct timespec changed;
    struct tc_trace_user_name *buckets[TC_TRACE_USER_NAMES_MAX];
    struct tc_trace_user_name_list by_use; /* the longest unused first */
    uint32_t wanted[TC_TRACE_USER_NAMES_WANTED_MAX];
    size_t wanted_count;
    atomic_size_t count;
    atomic_ullong evicted, failed, put_off;
};

void tc_trace_user_names_init(struct tc_trace_user_names *names, const char *accounts);
/* Takes one that is all zeroes. */
void tc_trace_user_names_done(struct tc_trace_user_names *names);

/*
 * True, and the name, when it is known; else, or when it has become old, it is asked
 * for. now_ns: CLOCK_MONOTONIC.
 */
bool tc_trace_user_names_find(struct tc_trace_user_names *names, uint32_t uid,
                              uint64_t now_ns, char ret_name[TC_TRACE_USER_NAME_MAX]);

/* There is work to do. */
bool tc_trace_user_names_wanted(struct tc_trace_user_names *names);

/* Reads the local accounts, if they have changed, and looks up who is asked for. */
void tc_trace_user_names_work(struct tc_trace_user_names *names, uint64_t now_ns);

#endif
