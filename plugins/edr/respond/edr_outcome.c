/* SPDX-License-Identifier: Apache-2.0 */
#include "respond/edr_outcome.h"

#include <stdarg.h>
#include <stdio.h>

void tc_edr_outcome_set(struct tc_edr_outcome *outcome, const char *status,
                        const char *format, ...)
{
    va_list ap;

    outcome->status = status;
    va_start(ap, format);
    vsnprintf(outcome->reason, sizeof(outcome->reason), format, ap);
    va_end(ap);
}
