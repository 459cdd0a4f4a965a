/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: whether one value of an event is as an atom asks. Pure, but for what `work`
 * holds. Must not: know rules.
 */
#ifndef TC_SIGMA_PREDICATE_H
#define TC_SIGMA_PREDICATE_H

#include "sigma/match/model.h"

#define TC_STEPS_MAX 4000000       /* of a pattern on one value */
#define TC_REGEX_MATCH_LIMIT 50000 /* of PCRE2, at one place of a value */
#define TC_REGEX_HEAP_KIB 4096
#define TC_REGEX_TEXT_MAX (1u << 20) /* bytes of a value that a regex looks at */
/* Of an event, bytes that regexes look at before their time is taken, and then how long
 * they may take: a limit at one place does not bound many places. */
#define TC_REGEX_FREE_BYTES 4096
#define TC_REGEX_EVENT_NS 50000000

/* A value of the event at hand. */
struct tc_value {
    struct tc_sigma_value is;
    struct tocsin_str lower; /* its text, in lower case; ptr NULL: not made yet */
};

/* What a thread needs to look at values. */
struct tc_work {
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    uint64_t limits; /* values that took too long */

    /* Of the event at hand. */
    size_t regex_bytes;
    uint64_t regex_ns; /* of this thread on a processor, beyond the first bytes */
};

int tc_work_init(struct tc_work *work);
void tc_work_begin(struct tc_work *work); /* another event */
void tc_work_done(struct tc_work *work);

/* TEXT (lower set unless the atom is cased), REGEX, CIDR, NUMBER, TIME. */
bool tc_value_matches(const struct tc_atom *atom, const struct tc_value *value,
                      struct tc_work *work);

/* FIELD: both in lower case, unless the atom is cased. */
bool tc_values_agree(const struct tc_atom *atom, const struct tc_value *a,
                     const struct tc_value *b);

#endif
