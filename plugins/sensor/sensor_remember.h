/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what may be remembered of a file, by whom: the one table that es, kext and av
 * ask. Facts about the verdict and about the file go in; whether this may be kept comes
 * out. Pure. Must not: find the facts out, but for those that a verdict.final states.
 *
 * What was allowed is an answer to what was asked only: an open never answers for an
 * exec, since others may vote on that.
 */
#ifndef TC_SENSOR_REMEMBER_H
#define TC_SENSOR_REMEMBER_H

#include <stdbool.h>
#include <stdint.h>

struct tocsin_event;

/* Why something may not be known for longer than the question. */
enum tc_remember_fact {
    /* Of the verdict. */
    TC_REMEMBER_DEFAULT = 1 << 0,  /* no detector gave it: late, too many, one missing */
    TC_REMEMBER_NO_VOTER = 1 << 1, /* nobody votes on it, yet */
    TC_REMEMBER_ONCE = 1 << 2,     /* the detector did not say that it lasts */
    TC_REMEMBER_OUTDATED = 1 << 3, /* rules, detectors or configuration have changed */
    /* Of the file. */
    TC_REMEMBER_CHANGED = 1 << 4,   /* since it was asked about */
    TC_REMEMBER_UNSETTLED = 1 << 5, /* may change without its change time changing */
    TC_REMEMBER_WRITABLE = 1 << 6,  /* somebody has it open for writing, or mapped so */
    TC_REMEMBER_SERVED = 1 << 7,    /* its file system changes unseen: sensor_served.h */
    TC_REMEMBER_UPPER =
        1 << 8, /* an overlay writes to it, and the kernel does not tell */
    TC_REMEMBER_FACTS = 9,
};

/* Who remembers, and what. */
enum tc_remember_by {
    TC_REMEMBER_ES_ALLOW,    /* the kernel's ignore mark: a write through it clears it */
    TC_REMEMBER_KEXT_GOOD,   /* by inode and change time; asked while nobody writes */
    TC_REMEMBER_KEXT_BAD,    /* the same */
    TC_REMEMBER_AV_CLEAN,    /* by inode, size, change time, and the last close */
    TC_REMEMBER_AV_INFECTED, /* the same */
    TC_REMEMBER_BYS,
};

/* Whether it may be remembered, given all facts (a set of tc_remember_fact). */
bool tc_remember_may(enum tc_remember_by by, unsigned facts);

/* What a verdict.final says of itself. */
unsigned tc_remember_of_verdict(const struct tocsin_event *final);

/* What an answer is about. */
enum tc_remember_use {
    TC_REMEMBER_OPEN = 1,
    TC_REMEMBER_EXEC = 2,
};

/*
 * For what the answer to a question of that topic holds. An allowed file.open: for opens;
 * a denied one for executions too, since executing a file opens it. A file.written, or
 * what a detector has found: denied, for both; allowed, for none.
 */
unsigned tc_remember_uses(const char *topic, bool allowed);

/* TC_REMEMBER_UNSETTLED or 0: a file changed this recently may change again within the
 * same tick of the clock that its change time is taken from. Both since the epoch. */
unsigned tc_remember_settled(uint64_t ctime_ns, uint64_t now_ns);

#endif
