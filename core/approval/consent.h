/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the file in which consent is kept, <state>/consent: who has said yes to which
 * gate, when, and for which binary. Written whole under another name, flushed, and
 * renamed into place, so that it holds the old state or the new, never half. Must not:
 * decide what consent is worth (core/approval does). Blocks: a pool thread's, or before
 * the loop runs.
 */
#ifndef TC_CORE_CONSENT_H
#define TC_CORE_CONSENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/approval/approval.h"

#define TC_CONSENT_HASH_BYTES 32 /* SHA-256 */

struct tc_consent_gate {
    bool given;
    uint64_t time_ns; /* since the epoch */
    uint32_t uid;
    int32_t pid;
    char who[TC_APPROVAL_WHO_MAX];
    uint8_t sha256[TC_CONSENT_HASH_BYTES]; /* of the plugin it was given for */
};

struct tc_consent {
    struct tc_consent_gate gates[TC_GATES];
};

/*
 * No file: nothing is given, 0. Errors: -EUCLEAN, the file is not ours or damaged
 * (nothing is given; the sentence in `why` says what to do); -EPERM, others may write it;
 * what open(2) and read(2) say.
 */
int tc_consent_read(const char *state_dir, struct tc_consent *ret, char why[256]);

/*
 * Whether the next agent would use the file: it is there, if any is given in `consent`,
 * and others than root may not write it. -ENOENT, -EPERM, or what lstat(2) says; `why`
 * says so.
 */
int tc_consent_check(const char *state_dir, const struct tc_consent *consent,
                     char why[256]);

/* Errors: what the file system says; the old state then stays. */
int tc_consent_write(const char *state_dir, const struct tc_consent *consent,
                     char why[256]);

#endif
