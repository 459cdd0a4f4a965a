/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the proof that the kernel asks, and that a refusal holds: a private file, new
 * with each start, that this process opens and executes, and that the reader thread
 * refuses and then allows: that without the loop, so that nothing can wait for it. Later
 * checks are answered by the loop, so that they prove the way of every other question.
 * Must not: be asked about through any other mark than its own.
 */
#ifndef TC_ES_CANARY_H
#define TC_ES_CANARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TC_ES_CANARY_WAIT_MS 2000 /* for the whole proof */

/* What can be done to the canary; bits. */
enum tc_es_canary_operation {
    TC_ES_CANARY_OPEN = 1u << 0,
    TC_ES_CANARY_EXEC = 1u << 1,
};

struct tc_es_canary {
    char *path;
    bool in_memory; /* `path` is a link of /proc, and nothing has to be removed */
    int fd;         /* keeps the inode, so that its number is nobody else's */
    bool runs;      /* it can be executed: on this machine, from that file system */
    uint64_t device, inode;
    atomic_bool made; /* from here on the fields above stay as they are */
    atomic_bool
        proving; /* whoever asks, it may be about the canary: our child executes */
    atomic_bool by_loop;    /* a check is under way that the loop is to answer */
    atomic_uint refuse;     /* operations to be refused, once */
    atomic_uint asked;      /* operations that the kernel has asked about */
    atomic_uint unmarked;   /* odd: its mark is away with all the others, for a moment */
    atomic_ullong begun_ns; /* of a proof that has not ended; 0: none */
    atomic_ullong seen_ns;  /* when an operation was last refused; 0: never */
};

/* Nothing yet; done takes it. */
void tc_es_canary_init(struct tc_es_canary *canary);
void tc_es_canary_done(struct tc_es_canary *canary);

/* Makes the file below <state_dir>/es, and removes those of runs that were killed; where
 * that folder takes no file, in memory. */
int tc_es_canary_make(struct tc_es_canary *canary, const char *state_dir);

/* Whether an open file is the canary. */
bool tc_es_canary_is(const struct tc_es_canary *canary, int fd);

/* The same, of what has been looked at; and whether an open folder has it. */
bool tc_es_canary_has(const struct tc_es_canary *canary, uint64_t device, uint64_t inode);
bool tc_es_canary_lies_in(const struct tc_es_canary *canary, int folder);

/*
 * Who answers: whether `fd`, which the kernel asks about with `mask` of fanotify(7), is
 * the canary, and the answer. `own`: a process of this agent's asks. Whoever else opens
 * it, as the agent beside this one does that looks at what was executed, is let in, and
 * shows nothing.
 */
bool tc_es_canary_asked(struct tc_es_canary *canary, int fd, uint64_t mask, bool own,
                        uint64_t now_ns, bool *ret_allow);

/* Before all marks are taken back, and when the canary's is there again: what finds it
 * unmarked meanwhile looks once more. One thread at a time. */
void tc_es_canary_unmarking(struct tc_es_canary *canary);
void tc_es_canary_marked(struct tc_es_canary *canary);

/*
 * Opens and executes the canary, refused once, then allowed. Pool thread, once it is
 * marked. On failure the reason is in `why`. Errors: -EIO, the kernel did not ask,
 * or let it through; -ETIMEDOUT, TC_ES_CANARY_WAIT_MS; what open or execve said.
 */
int tc_es_canary_prove(struct tc_es_canary *canary, char why[256]);

/* Opens it once, refused, by the loop or by the reader. Pool thread; waits for them. True
 * when that came through. */
bool tc_es_canary_check(struct tc_es_canary *canary, bool by_loop);

/* Loop: whether a proof takes longer than it may. */
bool tc_es_canary_overdue(struct tc_es_canary *canary, uint64_t now_ns);

#endif
