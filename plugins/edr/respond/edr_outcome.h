/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what came of one response to a match, as it is reported. Any thread. */
#ifndef TC_EDR_OUTCOME_H
#define TC_EDR_OUTCOME_H

#include <stddef.h>

#define TC_EDR_REASON 512 /* bytes of a reason for people */

struct tc_edr_outcome {
    const char *status; /* done, failed, refused or passive; NULL: not known yet */
    char reason[TC_EDR_REASON];
    size_t processes; /* that got the signal */
};

/* `status` lives as long as the outcome; the reason, printf-style, is cut to fit. */
void tc_edr_outcome_set(struct tc_edr_outcome *outcome, const char *status,
                        const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
