/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the questions of the kernel that have no answer yet, and that each is answered
 * exactly once: by the loop, or, when the loop is late, by the reader thread. Any thread;
 * its lock is held for one call of the group at most, and never while anything waits.
 * Must not: close a descriptor, log, allocate after init.
 */
#ifndef TC_ES_GATE_H
#define TC_ES_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tc_es_gate_slot;

struct tc_es_gate {
    pthread_mutex_t lock;
    int group; /* where answers are written; borrowed */
    struct tc_es_gate_slot *slots;
    uint32_t capacity, free_head, used, waiting;
    uint64_t next_ns; /* no question is due earlier */
};

/* `group` may be -1 (tests): answers then go nowhere. Errors: -ENOMEM. */
int tc_es_gate_init(struct tc_es_gate *gate, int group, uint32_t capacity);
void tc_es_gate_done(struct tc_es_gate *gate);

/*
 * Keeps a question: descriptor `fd` of the group, to be answered by deadline_ns. The slot
 * is the caller's until tc_es_gate_answer. Errors: -ENOSPC, `capacity` are kept.
 */
int tc_es_gate_open(struct tc_es_gate *gate, int fd, uint64_t deadline_ns,
                    uint32_t *ret_slot);

/* Gives a question more time; never less. */
void tc_es_gate_extend(struct tc_es_gate *gate, uint32_t slot, uint64_t deadline_ns);

/*
 * Answers, unless that has happened, and gives the slot back: once a question. Before the
 * descriptor is closed. True when this was the answer.
 */
bool tc_es_gate_answer(struct tc_es_gate *gate, uint32_t slot, bool allow);

struct tc_es_gate_answer {
    uint32_t slot;
    bool allow, given; /* given: by this call; set by it */
};

/*
 * The same of up to TC_ES_GATE_MANY at once, in one system call: nobody whom the first
 * answer wakes gets to run, and to sleep again, before the last is given.
 */
#define TC_ES_GATE_MANY 256
void tc_es_gate_answer_many(struct tc_es_gate *gate, struct tc_es_gate_answer *answers,
                            size_t n);

/* What is to be answered, should it become due before tc_es_gate_answer. */
void tc_es_gate_decide(struct tc_es_gate *gate, uint32_t slot, bool allow);

/* Answers what is due, `allow` unless it is decided, slots stay open. Returns how many.
 */
uint32_t tc_es_gate_expire(struct tc_es_gate *gate, uint64_t now_ns, bool allow);

/* Answers everything that waits in the same way. Returns how many. */
uint32_t tc_es_gate_answer_all(struct tc_es_gate *gate, bool allow);

/* When tc_es_gate_expire is due, at the earliest; UINT64_MAX: nothing waits. */
uint64_t tc_es_gate_next_ns(struct tc_es_gate *gate);

/* Questions that have no answer. */
uint32_t tc_es_gate_waiting(struct tc_es_gate *gate);

/* Slots in use. */
uint32_t tc_es_gate_used(struct tc_es_gate *gate);

#endif
