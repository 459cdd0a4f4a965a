/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the buffer in which a function leaves one sentence for people, beside its errno.
 */
#ifndef TC_CORE_WHY_H
#define TC_CORE_WHY_H

#include <stdio.h>

#define TC_WHY_MAX 256

/* Fills a caller's `char why[TC_WHY_MAX]`; cut, never overrun. */
#define tc_why(why, ...) ((void)snprintf((why), TC_WHY_MAX, __VA_ARGS__))

#endif
