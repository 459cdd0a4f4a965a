/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: whether one value of an event is as an atom asks. Pure, but for what `work`
 * holds. Must not: know rules.
 */
#ifndef TC_SIGMA_PREDICATE_H
#define TC_SIGMA_PREDICATE_H

#include "sigma/model.h"

#define TC_STEPS_MAX 4000000       /* of a pattern on one value */
#define TC_REGEX_MATCH_LIMIT 50000 /* of PCRE2, at one place of a value */
#define TC_REGEX_HEAP_KIB 4096
#define TC_REGEX_TEXT_MAX (1u << 20) /* bytes of a value that a regex looks at */

/* A value of the event at hand. */
struct tc_value {
    struct tc_sigma_value is;
    struct tocsin_str lower; /* its text, in lower case; ptr NULL: not made yet */
};

/* What a thread needs to look at values. */
struct tc_work {
    pcre2_match_data *match;
    pcre2_match_context *context;
    uint64_t limits; /* values that took too long */
};

int tc_work_init(struct tc_work *work);
void tc_work_done(struct tc_work *work);

/* TEXT (lower set unless the atom is cased), REGEX, CIDR, NUMBER, TIME. */
bool tc_value_matches(const struct tc_atom *atom, const struct tc_value *value,
                      struct tc_work *work);

/* FIELD: both in lower case, unless the atom is cased. */
bool tc_values_agree(const struct tc_atom *atom, const struct tc_value *a,
                     const struct tc_value *b);

#endif
