/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the count of calls that were refused for want of rights, by caller, so that who
 * makes many does not fill the record. The first of a caller is recorded whole; those
 * that follow are counted, and told in sum once a minute. Pure: time is an argument.
 */
#ifndef TC_CORE_CONTROL_REFUSALS_H
#define TC_CORE_CONTROL_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TC_REFUSALS_CALLERS_MAX 32 /* users at once; the rest are counted together */
#define TC_REFUSALS_METHODS_MAX 8  /* by name of each; the rest are in the sum alone */
#define TC_REFUSALS_METHOD_BYTES 65
#define TC_REFUSALS_PERIOD_NS (60 * UINT64_C(1000000000))

/* What one caller has been refused since it was last told. */
struct tc_refused {
    bool others; /* several users, for whom there was no place of their own */
    uid_t uid;
    pid_t pid; /* the last */
    uint64_t count;
    uint64_t first_ns, last_ns;
    struct {
        char name[TC_REFUSALS_METHOD_BYTES];
        uint64_t count;
    } methods[TC_REFUSALS_METHODS_MAX];
    size_t methods_len;
};

struct tc_refusals_caller {
    struct tc_refused refused;
    uint64_t told_at_ns; /* when its period ends */
};

struct tc_refusals {
    struct tc_refusals_caller callers[TC_REFUSALS_CALLERS_MAX], others;
    size_t callers_len;
    uint64_t total;
};

/* True when this one is to be recorded whole; else it has been counted. */
bool tc_refusals_note(struct tc_refusals *refusals, uid_t uid, pid_t pid,
                      const char *method, uint64_t now_ns);

/* When tc_refusals_take has something to do; UINT64_MAX: not before another one. */
uint64_t tc_refusals_due(const struct tc_refusals *refusals);

/* Takes what is to be told of one caller whose period has ended. False: of none. A quiet
 * caller is forgotten. UINT64_MAX: all periods have ended. */
bool tc_refusals_take(struct tc_refusals *refusals, uint64_t now_ns,
                      struct tc_refused *ret);

#endif
