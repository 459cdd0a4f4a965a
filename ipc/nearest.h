/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which of some known words somebody may have meant by a mistyped one. Pure.
 */
#ifndef TC_IPC_NEAREST_H
#define TC_IPC_NEAREST_H

#include <stddef.h>

#define TC_NEAREST_BYTES_MAX 64 /* longer words are nobody's typing error */

struct tc_nearest {
    const char *wanted;
    const char *best; /* NULL: nothing offered so far is near */
    size_t distance;
};

/* `wanted` is borrowed until the last offer. */
void tc_nearest_init(struct tc_nearest *nearest, const char *wanted);

/* `candidate` is borrowed for as long as `best` is read. The first of equals stays. */
void tc_nearest_offer(struct tc_nearest *nearest, const char *candidate);

#endif
