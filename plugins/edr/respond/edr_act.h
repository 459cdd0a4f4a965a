/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is done to the processes of a match, and which file its process runs, for
 * certain. Pool thread: it reads /proc and opens files. Must not: publish, or decide
 * whether anything is to be done.
 */
#ifndef TC_EDR_ACT_H
#define TC_EDR_ACT_H

#include <limits.h>
#include <tocsin/plugin.h>

#include "process/edr_process.h"
#include "respond/edr_outcome.h"
#include "respond/edr_responses.h"

#define TC_EDR_BELOW_MAX 256 /* descendants that are known beside those in /proc */

struct tc_edr_act {
    const struct tocsin_host *host; /* lends is_agent */
    unsigned actions;               /* bits: SUSPEND, KILL, QUARANTINE */
    struct tc_edr_id who;
    struct tc_edr_id below[TC_EDR_BELOW_MAX]; /* whoever is their parent by now */
    size_t below_n;
    uint64_t boot_ns;                /* when the machine was started, as once read */
    const struct tocsin_event *exec; /* that reported its last exec, or else anything */

    /* QUARANTINE is done by others: here, the file is found, or the outcome is known.
     * ISOLATE's outcome is the loop's. */
    struct tc_edr_outcome outcomes[TC_EDR_ACTIONS];
    int fd; /* readable, the caller's to close; -1 */
    char path[PATH_MAX];
    bool hash_counts; /* only the hash in `exec` proves that it is that file */
};

void tc_edr_act_run(struct tc_edr_act *act);

/* SIGCONT to whoever has the pid now and all below; the outcome is that of SUSPEND. */
void tc_edr_act_resume(struct tc_edr_act *act);

/* ---- edr_program.c ---- */

/* Finds the file for QUARANTINE. `pidfd` holds the process; -1: it has ended. */
void tc_edr_program_find(struct tc_edr_act *act, int pidfd);

#endif
