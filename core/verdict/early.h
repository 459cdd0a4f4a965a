/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the questions of the time in which not all who judge had come: a bounded number
 * is kept, with what they hold, so that they can be asked again. Loop thread. Must not:
 * ask anybody.
 */
#ifndef TC_CORE_EARLY_H
#define TC_CORE_EARLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tc_event;

/* Each may hold a descriptor: fewer, where there are few. */
#define TC_EARLY_MAX 256

struct tc_early {
    struct tc_event *kept[TC_EARLY_MAX];
    size_t count, max; /* max 0: none is kept */
    uint64_t left_out; /* there was no room for them */
};

/* From here on questions are kept; or all are let go, and none is kept any more. */
void tc_early_begin(struct tc_early *early);
void tc_early_end(struct tc_early *early);

/* Takes a reference, if there is room. */
void tc_early_keep(struct tc_early *early, struct tc_event *question);

#endif
