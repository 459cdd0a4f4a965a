/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the steps from a document's nodes to expressions of a set, which the files
 * item.c (a field and its values), detection.c (selections, the condition) and rule.c
 * (the whole document) share. All return 0, -EINVAL with reading->error filled in, or
 * -ENOMEM.
 */
#ifndef TC_SIGMA_READING_H
#define TC_SIGMA_READING_H

#include "sigma/match/model.h"
#include "yaml/yaml.h"

#define TC_READING_VALUES_MAX 20000  /* atoms of one rule */
#define TC_READING_WEIGHT_MAX 100000 /* the same, as often as the condition has them */
#define TC_READING_TEXT_MAX 65536    /* bytes of one value */
#define TC_READING_VARIANTS_MAX 4096 /* that modifiers make of one value */

struct tc_reading {
    struct tc_sigma_set *set;
    struct tc_arena *arena; /* for what lasts until the file has been read */
    const struct tc_sigma_options *options;
    struct tc_yaml_error *error;
    size_t values;
    char why_not[256]; /* the rule cannot run here; empty: it can */
};

/* A child of a selection's map: `Field|modifiers: value or values`. */
int tc_item_read(struct tc_reading *r, const struct tc_yaml_node *child,
                 const struct tc_expr **ret_expr);

/* A keyword: an entry of a selection that is a list of texts. */
int tc_keyword_read(struct tc_reading *r, const struct tc_yaml_node *text,
                    const struct tc_expr **ret_expr);

/* The selections and condition of a detection or a filter. `except`: a key that is no
 * selection, or NULL. */
int tc_detection_read(struct tc_reading *r, const struct tc_yaml_node *detection,
                      const char *except, const struct tc_expr **ret_expr);

/* A condition over the selections in `names`. */
struct tc_selection {
    const char *name;
    const struct tc_expr *expr;
};

int tc_condition_read(struct tc_reading *r, const struct tc_yaml_node *text,
                      const struct tc_selection *selections, size_t count,
                      const struct tc_expr **ret_expr);

#endif
