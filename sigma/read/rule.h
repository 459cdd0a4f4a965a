/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: from a document to a rule, a correlation or a filter. Must not: open files or
 * know other rules. All return 0, -EINVAL with reading->error filled in, or -ENOMEM.
 */
#ifndef TC_SIGMA_RULE_H
#define TC_SIGMA_RULE_H

#include "sigma/match/correlate.h"
#include "sigma/read/reading.h"

#define TC_FILTER_RULES_MAX 1024

/* What keeps rules from matching. */
struct tc_filter {
    const char *file;
    struct tc_yaml_place place;
    const char *category, *product, *service;
    const char **names; /* of rules, by id or name */
    size_t name_count;
    bool any; /* of all rules whose log source agrees; no rule is called so */
    const struct tc_expr *expr;
    char why_not[256]; /* or empty */
};

/* A document with a detection. `file` is the set's. */
int tc_rule_read(struct tc_reading *r, const struct tc_yaml_node *document,
                 const char *file, struct tc_rule *ret_rule);

/* A document with a correlation (correlation_read.c). */
int tc_correlation_read(struct tc_reading *r, const struct tc_yaml_node *document,
                        const char *file, struct tc_rule *ret_rule);

/* A document with a filter. */
int tc_filter_read(struct tc_reading *r, const struct tc_yaml_node *document,
                   const char *file, struct tc_filter *ret_filter);

/* What detections and correlations have alike: title, id, level and the rest. */
int tc_rule_read_head(struct tc_reading *r, const struct tc_yaml_node *document,
                      const char *file, struct tc_rule *rule);

/* Refuses a key of the map that is none of `keys`, which ends with NULL. */
int tc_keys_check(struct tc_reading *r, const struct tc_yaml_node *map,
                  const char *const *keys, const char *what);

/* A name or a list of names, without repetition: 1 to `max`. */
int tc_names_read(struct tc_reading *r, const struct tc_yaml_node *parent,
                  const char *key, size_t max, const char ***ret_names,
                  size_t *ret_count);

#endif
