/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what an agent leaves for the one after it: when it last showed life, who
 * protected then, and whether it was asked to stop. While it runs that is a file in the
 * runtime folder, which no disk is written for; an orderly stop leaves a copy in the
 * state folder, which outlives the machine's. Loop thread.
 */
#ifndef TC_CORE_LAST_LIFE_H
#define TC_CORE_LAST_LIFE_H

#include <stdbool.h>
#include <stdint.h>

struct tc_last_life {
    int fd; /* of the runtime folder's; -1: none */
    char copy[4096 + 16];
    /* Of the agent before this one: */
    bool known, stopped;
    uint64_t alive_ns; /* CLOCK_REALTIME, never in the future */
    char holder[64];   /* which sensor protected; "" none */
};

/*
 * Reads what was left, and takes its place: there must be no other agent. What cannot be
 * read or written is not known, and not left.
 */
void tc_last_life_open(struct tc_last_life *life, const char *runtime_dir,
                       const char *state_dir);

/* A sign of life. Nothing after the stop. */
void tc_last_life_beat(struct tc_last_life *life, const char *holder);

/* The agent is asked to stop, now. Writes to the state folder's disk, once. */
void tc_last_life_stop(struct tc_last_life *life, const char *holder);

#endif
