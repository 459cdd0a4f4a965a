/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the permission group of fanotify(7), its marks, and the thread that sees to it.
 * The thread answers the agent's own processes itself, and whatever the loop has left
 * unanswered past its deadline, so that no open anywhere can hang on a busy agent; all
 * else goes to the loop through a ring. Must not: open a file, log, or take a lock that
 * anybody holds while waiting.
 *
 * Waking two threads for each open would cost more than all the rest. So while opens keep
 * coming the loop reads the group itself, and the thread only checks every few
 * milliseconds that it does. Who reads:
 *
 *            the thread has read an event: loop_reads = true
 *     THREAD ----------------------------------------------> LOOP
 *     waits  <---------------------------------------------- thread checks every 5 ms
 *            nothing came in 20 checks (or the source is stopped): loop_reads = false
 *
 * A check that finds events waiting and loop_turns unchanged (the loop is stuck) reads
 * them for the loop, and what comes until it turns again; `announce` makes the loop start
 * or stop watching the group.
 */
#ifndef TC_ES_SOURCE_H
#define TC_ES_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/fanotify.h>

#include "es_gate.h"
#include "es_ring.h"

struct tc_es_canary;
struct tocsin_host;

#define TC_ES_SOURCE_BATCH 64 /* events of one read */

struct tc_es_source_counters {
    uint64_t own;          /* asked by the agent itself: allowed at once */
    uint64_t late;         /* answered by default because the plugin was stopping */
    uint64_t timeouts;     /* answered by the thread for a late loop */
    uint64_t pending_full; /* answered by default: too many waited */
    uint64_t writes_lost;  /* CLOSE_WRITE for which there was no room */
    uint64_t overflow;     /* the kernel's queue */
    uint64_t read_errors;  /* events that could not be read: no descriptor, mostly */
};

struct tc_es_source_config {
    const struct tocsin_host *host;
    struct tc_es_canary *canary; /* borrowed; outlives the source */
    uint32_t max_pending;
    uint64_t deadline_ns; /* from question to default answer */
    bool on_timeout_allow;
    void (*ready)(void *arg); /* loop: items wait in the ring, or loop_reads changed */
    void *arg;
};

struct tc_es_source {
    struct tc_es_source_config config;
    int group, wake;
    pthread_t thread;
    bool running;
    unsigned int evictable; /* FAN_MARK_EVICTABLE where the kernel has it */
    struct tc_es_gate gate;
    struct tc_es_ring ring;
    atomic_bool announced;       /* `ready` has been posted and not run yet */
    bool unposted;               /* the thread's: it could not be */
    atomic_ullong full_since_ns; /* no slot was free; 0: one was */
    atomic_bool draining, quit;
    atomic_bool loop_reads; /* the loop is to call tc_es_source_read */
    atomic_uint loop_turns; /* how often it has, or has emptied the ring */
    atomic_uint writes_queued;
    atomic_ullong own, late, timeouts, pending_full, writes_lost, overflow, read_errors;
    atomic_int read_error; /* the last one's errno */
};

/*
 * Opens the group: nothing is marked, nothing runs. Errors: -EPERM without CAP_SYS_ADMIN;
 * -EMFILE; -ENOSYS; -ENOMEM. On failure nothing is left behind.
 */
int tc_es_source_open(struct tc_es_source *source,
                      const struct tc_es_source_config *config);

/* Starts the thread. */
int tc_es_source_run(struct tc_es_source *source);

/* Takes all marks away: nothing more is asked, but for what is on its way. */
void tc_es_source_unmark(struct tc_es_source *source);

/* Answers all that waits, and from now on whatever is asked, by default. Does not wait.
 */
void tc_es_source_stop(struct tc_es_source *source);

/*
 * Takes the marks away, ends the thread, answers what nobody has, by default, and closes
 * the group and what is left in the ring. Any thread; waits.
 */
void tc_es_source_close(struct tc_es_source *source);

/* Asks about all opens of the file system that `path` is on. Any thread; may block. */
int tc_es_source_mark(struct tc_es_source *source, const char *path);

/* The same, of the one that an open folder (O_PATH, too) is on. */
int tc_es_source_mark_at(struct tc_es_source *source, int folder);

/* Asks about the canary, once it is made. */
int tc_es_source_mark_canary(struct tc_es_source *source);

/* Events that ask. */
#define TC_ES_ASKED (FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM)

/*
 * The kernel asks no more of `asked` about this file until it is written to. Does nothing
 * while somebody has it open for writing: the kernel sees to that (fanotify_mark(2),
 * FAN_MARK_IGNORED_MASK; inode_is_open_for_write in fanotify_user.c).
 */
int tc_es_source_remember(struct tc_es_source *source, int fd, uint64_t asked);

/* Takes that back. */
void tc_es_source_forget(struct tc_es_source *source, int fd);
void tc_es_source_forget_path(struct tc_es_source *source, const char *path);

/*
 * The kernel lets every open of a file in this folder pass; whatever is moved out of it
 * is asked about. Errors: -EINVAL before Linux 6.0, which lacks FAN_MARK_IGNORE. Any
 * thread.
 */
int tc_es_source_ignore_folder(struct tc_es_source *source, int fd);

/* Takes that back. Any thread. */
void tc_es_source_ask_folder(struct tc_es_source *source, int fd);

/* Takes all of them back. The canary's mark goes with them, and is made anew: negative
 * errno when that fails. One thread at a time. */
int tc_es_source_forget_all(struct tc_es_source *source);

/* Loop: the next item of the ring; false when there is none and `ready` will come again.
 */
bool tc_es_source_next(struct tc_es_source *source, struct tc_es_item *ret_item);

/* Loop, when the group is readable: up to TC_ES_SOURCE_BATCH items. Returns how many. */
size_t tc_es_source_read(struct tc_es_source *source,
                         struct tc_es_item items[TC_ES_SOURCE_BATCH]);

/* Counts a CLOSE_WRITE that the loop has no room for. */
void tc_es_source_write_lost(struct tc_es_source *source);

void tc_es_source_counters(struct tc_es_source *source,
                           struct tc_es_source_counters *ret);

#endif
