/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: how the indicators in force are loaded, changed and expire. Loop thread, but for
 * what says otherwise. */
#ifndef TC_NF_LISTS_H
#define TC_NF_LISTS_H

#include <stdbool.h>

#include "indicators/nf_entry.h"
#include "indicators/nf_value.h"
#include "sensor_jobs.h"

struct tc_nf;
struct tc_nf_indicators;
struct tocsin_event;

/* How many there are, by enum tc_nf_kind and enum tc_nf_action. */
struct tc_nf_tally {
    uint32_t counts[TC_NF_KINDS][TC_NF_EXPIRED + 1];
};

/* A change of the command line's own indicators, until the disk has it. Texts may be "".
 */
struct tc_nf_change {
    struct tc_nf_change *next;
    const struct tocsin_event *request; /* a reference; `done` gives it back */
    bool reload, remove;                /* reload: changes nothing */
    char value[TC_NF_NAME_MAX + 64], action[16], expires[40], reason[TC_NF_REASON_MAX];
    char who[64];
    int err;
    char why[256];
    void (*done)(struct tc_nf *nf, struct tc_nf_change *change);
};

/* A pool thread; tc_nf_lists_done is to follow, on the loop. The job is both. */
void tc_nf_lists_job(void *arg);
void tc_nf_lists_run(void *arg);
/* Into the kernel's table; where that cannot be, what is in force there stays. */
void tc_nf_lists_fill(struct tc_nf *nf, struct tc_nf_indicators *indicators);
void tc_nf_lists_done(void *arg, int status);
void tc_nf_lists_job_done(void *arg, int status); /* the loop: of the job */

int tc_nf_lists_start(struct tc_nf *nf); /* loads them anew */
/* Takes over `change`, also after an error. */
int tc_nf_lists_change(struct tc_nf *nf, struct tc_nf_change *change);
void tc_nf_lists_expire(struct tc_nf *nf); /* what is due; now and then */
void tc_nf_lists_release(struct tc_nf *nf);

#endif
