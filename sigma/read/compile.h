/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is worked out once all rules are known: which rules feed which correlations
 * and are filtered (link.c); the one pass over each field; which atoms a rule cannot
 * match without (compile.c). Must not: see an event.
 */
#ifndef TC_SIGMA_COMPILE_H
#define TC_SIGMA_COMPILE_H

#include "sigma/read/rule.h"

typedef void (*tc_rule_problem_fn)(void *arg, const char *file,
                                   struct tc_yaml_place place, const char *rule_id,
                                   bool refused, const char *text);

/* Gives correlations and filters their rules; `filters_are_joined` as in struct
 * tc_sigma_options. One that names no rule is passed to `problem`. -ENOMEM. */
int tc_set_link(struct tc_sigma_set *set, const struct tc_filter *filters, size_t count,
                bool filters_are_joined, tc_rule_problem_fn problem, void *arg);

/* The rest; the set is ready afterwards. -ENOMEM. */
int tc_set_compile(struct tc_sigma_set *set);

#endif
