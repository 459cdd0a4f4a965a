/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: `Field|modifier|modifier` as a plan: what becomes of each value, which modifiers
 * go together, and the sentence where they do not. Pure.
 */
#ifndef TC_SIGMA_MODIFIER_H
#define TC_SIGMA_MODIFIER_H

#include "sigma/match/model.h"
#include "yaml/yaml.h"

#define TC_MODIFIERS_MAX 16 /* behind one field */

/* What is done to a text, in the order given. */
enum tc_step {
    TC_STEP_BEFORE, /* endswith */
    TC_STEP_AFTER,  /* startswith */
    TC_STEP_AROUND, /* contains */
    TC_STEP_WINDASH,
    TC_STEP_BASE64,
    TC_STEP_BASE64_OFFSET,
    TC_STEP_UTF16, /* with a mark */
    TC_STEP_UTF16LE,
    TC_STEP_UTF16BE,
    TC_STEP_EXPAND,
};

struct tc_plan {
    const char *field; /* in the arena; "": a keyword */
    enum tc_atom_kind kind;
    bool all, neq, cased;
    bool before, after; /* other text may stand there */
    enum tc_compare compare;
    enum tc_time_part part;
    uint32_t regex_options;
    enum tc_step steps[TC_MODIFIERS_MAX];
    size_t step_count;
    size_t modifiers; /* how many were given */
};

int tc_plan_read(struct tc_arena *arena, const char *key, struct tc_yaml_place place,
                 struct tc_plan *ret_plan, struct tc_yaml_error *refusal);

#endif
