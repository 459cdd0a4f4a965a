/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a file that `tocsin tap --record` has written: its events, one after the other.
 * Must not: trust a byte of it, or hold it in memory where it can be mapped.
 */
#ifndef TC_CLI_RECORDING_H
#define TC_CLI_RECORDING_H

#include <stddef.h>
#include <stdint.h>

#include "cli/tapline.h"

struct tc_recording;

/* One event, and its bytes as they were recorded; valid until the next is asked for. */
struct tc_recorded {
    struct tc_tap_event event;
    const uint8_t *bytes;
    size_t len;
};

/* What the file, which stays the caller's, has from where it is on. A negative errno. */
int tc_recording_new(FILE *file, struct tc_recording **ret);

/* Takes NULL. */
void tc_recording_free(struct tc_recording *recording);

/*
 * The next event: 1. 0: there are no more. -EBADMSG: what stands there is none; it is
 * skipped, if it can be told where it ends, else this was the last. -ENOMEM.
 */
int tc_recording_next(struct tc_recording *recording, struct tc_recorded *ret);

/* Whether a file that begins with this byte may be a recording; JSON is not. */
bool tc_recording_begins(int first);

#endif
