/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the files that were denied last, by what they are, so that a sensor that comes
 * can be told of them: what it would have to let run until it is judged was refused a
 * moment ago. Bounded, the oldest goes first. Pure.
 */
#ifndef TC_CORE_DENIALS_H
#define TC_CORE_DENIALS_H

#include <stddef.h>
#include <stdint.h>

#define TC_DENIALS_MAX 256

struct tc_denial {
    uint64_t device, inode, ctime_ns; /* as in the fields of file.* */
};

struct tc_denials {
    struct tc_denial all[TC_DENIALS_MAX];
    size_t next, count;
};

/* Takes it up, unless it is there. */
void tc_denials_add(struct tc_denials *denials, const struct tc_denial *denial);

/* Verdicts may differ from here on. */
void tc_denials_forget(struct tc_denials *denials);

#endif
