/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the last thing that was wrong with a plugin, and when. */
#ifndef TC_CORE_LAST_ERROR_H
#define TC_CORE_LAST_ERROR_H

#include <stdint.h>

#include "core/base/why.h"

struct tc_last_error {
    char text[TC_WHY_MAX];
    uint64_t time_ns; /* CLOCK_REALTIME; 0: nothing was */
};

void tc_last_error_set(struct tc_last_error *error, const char *text);

#endif
