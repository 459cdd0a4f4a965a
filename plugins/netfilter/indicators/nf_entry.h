/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a list says of one indicator, from its texts: the action, until when, why,
 * how severe. The same for every format and for the command line. Pure; any thread.
 */
#ifndef TC_NF_ENTRY_H
#define TC_NF_ENTRY_H

#include <stdint.h>

#include "bpf/nf_addresses.h" /* enum tc_nf_action */
#include "indicators/nf_value.h"

#define TC_NF_REASON_MAX 256 /* bytes, with the NUL; a longer one is cut */

enum tc_nf_severity {
    TC_NF_SEVERITY_NONE, /* nobody has said */
    TC_NF_INFORMATIONAL,
    TC_NF_LOW,
    TC_NF_MEDIUM,
    TC_NF_HIGH,
    TC_NF_CRITICAL,
};

/* As it is written; a text of length 0 is not there. */
struct tc_nf_row {
    struct tc_nf_text value, type, action, expires, severity, reason;
};

struct tc_nf_entry {
    struct tc_nf_value value;
    enum tc_nf_action action;
    enum tc_nf_severity severity;
    uint32_t expires_s; /* since 1970; 0: never */
    char reason[TC_NF_REASON_MAX];
};

/*
 * `action` is for a row that names none. A type is one of those in docs/indicators.md and
 * has to be the value's: `domain` makes it a DOMAIN, `host` and `url` a HOST. -EINVAL
 * with why, or -ENOTSUP with why for a type that a network filter has no use for; what
 * the entry then holds means nothing.
 */
int tc_nf_entry_read(const struct tc_nf_row *row, enum tc_nf_action action,
                     struct tc_nf_entry *ret_entry, char why[TC_NF_WHY_MAX]);

/* RFC 3339 with a zone, or seconds since 1970. What lies after 2106 is then. */
int tc_nf_time_read(struct tc_nf_text text, uint32_t *ret_s, char why[TC_NF_WHY_MAX]);

/* "allow", "audit", "block"; -EINVAL with why */
int tc_nf_action_read(struct tc_nf_text text, enum tc_nf_action *ret_action,
                      char why[TC_NF_WHY_MAX]);
const char *tc_nf_action_name(enum tc_nf_action action);
const char *tc_nf_severity_name(enum tc_nf_severity severity);

/* One line of valid UTF-8, no longer than a reason may be. */
void tc_nf_reason_copy(struct tc_nf_text text, char ret_reason[TC_NF_REASON_MAX]);

/* Which of two actions counts where they stand at the same place: the greater. */
static inline unsigned tc_nf_action_rank(enum tc_nf_action action)
{
    return action == TC_NF_ALLOW   ? 3
           : action == TC_NF_BLOCK ? 2
           : action == TC_NF_AUDIT ? 1
                                   : 0;
}

#endif
