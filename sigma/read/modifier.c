/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see modifier.h. */
#include "sigma/read/modifier.h"

#include <errno.h>
#include <string.h>

/* What a modifier does to the plan. */
enum effect {
    EFFECT_ALL,
    EFFECT_NEQ,
    EFFECT_CASED,
    EFFECT_STEP,  /* value: enum tc_step */
    EFFECT_KIND,  /* value: enum tc_atom_kind */
    EFFECT_ORDER, /* value: enum tc_compare */
    EFFECT_PART,  /* value: enum tc_time_part */
    EFFECT_REGEX, /* value: an option of PCRE2 */
};

static const struct modifier {
    const char *name;
    enum effect effect;
    uint32_t value;
} modifiers[] = {
    {"all", EFFECT_ALL, 0},
    {"neq", EFFECT_NEQ, 0},
    {"cased", EFFECT_CASED, 0},
    {"contains", EFFECT_STEP, TC_STEP_AROUND},
    {"startswith", EFFECT_STEP, TC_STEP_AFTER},
    {"endswith", EFFECT_STEP, TC_STEP_BEFORE},
    {"windash", EFFECT_STEP, TC_STEP_WINDASH},
    {"base64", EFFECT_STEP, TC_STEP_BASE64},
    {"base64offset", EFFECT_STEP, TC_STEP_BASE64_OFFSET},
    {"utf16", EFFECT_STEP, TC_STEP_UTF16},
    {"utf16le", EFFECT_STEP, TC_STEP_UTF16LE},
    {"wide", EFFECT_STEP, TC_STEP_UTF16LE},
    {"utf16be", EFFECT_STEP, TC_STEP_UTF16BE},
    {"expand", EFFECT_STEP, TC_STEP_EXPAND},
    {"re", EFFECT_KIND, TC_ATOM_REGEX},
    {"cidr", EFFECT_KIND, TC_ATOM_CIDR},
    {"exists", EFFECT_KIND, TC_ATOM_EXISTS},
    {"fieldref", EFFECT_KIND, TC_ATOM_FIELD},
    {"lt", EFFECT_ORDER, TC_COMPARE_LT},
    {"lte", EFFECT_ORDER, TC_COMPARE_LTE},
    {"gt", EFFECT_ORDER, TC_COMPARE_GT},
    {"gte", EFFECT_ORDER, TC_COMPARE_GTE},
    {"minute", EFFECT_PART, TC_PART_MINUTE},
    {"hour", EFFECT_PART, TC_PART_HOUR},
    {"day", EFFECT_PART, TC_PART_DAY},
    {"week", EFFECT_PART, TC_PART_WEEK},
    {"month", EFFECT_PART, TC_PART_MONTH},
    {"year", EFFECT_PART, TC_PART_YEAR},
    {"i", EFFECT_REGEX, PCRE2_CASELESS},
    {"m", EFFECT_REGEX, PCRE2_MULTILINE},
    {"s", EFFECT_REGEX, PCRE2_DOTALL},
};

/* One run over a key. */
struct planner {
    struct tc_plan plan;
    struct tc_yaml_place place;
    struct tc_yaml_error *error;
    bool kind_given;
};

static const struct modifier *find(const char *name)
{
    for (size_t i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++)
        if (!strcmp(modifiers[i].name, name))
            return &modifiers[i];
    return NULL;
}

/* A comparison says how, a part of a date of what; else a field is asked one thing. */
static int set_kind(struct planner *p, const char *name, enum tc_atom_kind kind)
{
    bool numbers = p->plan.kind == TC_ATOM_NUMBER || p->plan.kind == TC_ATOM_TIME;

    if (p->kind_given && !(numbers && (kind == TC_ATOM_NUMBER || kind == TC_ATOM_TIME)))
        return tc_yaml_refuse(
            p->error, p->place,
            "the modifier %s cannot be used with another that says how the "
            "value is compared: use one of them",
            name);
    if (!p->kind_given || kind == TC_ATOM_TIME)
        p->plan.kind = kind;
    p->kind_given = true;
    return 0;
}

static int apply(struct planner *p, const struct modifier *m)
{
    struct tc_plan *plan = &p->plan;

    switch (m->effect) {
    case EFFECT_ALL:
        plan->all = true;
        return 0;
    case EFFECT_NEQ:
        plan->neq = true;
        return 0;
    case EFFECT_CASED:
        plan->cased = true;
        return 0;
    case EFFECT_STEP:
        plan->before |= m->value == TC_STEP_BEFORE || m->value == TC_STEP_AROUND;
        plan->after |= m->value == TC_STEP_AFTER || m->value == TC_STEP_AROUND;
        plan->steps[plan->step_count++] = (enum tc_step)m->value;
        return 0;
    case EFFECT_KIND:
        return set_kind(p, m->name, (enum tc_atom_kind)m->value);
    case EFFECT_ORDER:
        if (plan->compare != TC_COMPARE_EQ)
            return tc_yaml_refuse(p->error, p->place,
                                  "one field has two comparisons: give each a "
                                  "selection of its own");
        plan->compare = (enum tc_compare)m->value;
        return set_kind(p, m->name, TC_ATOM_NUMBER);
    case EFFECT_PART:
        plan->part = (enum tc_time_part)m->value;
        if (plan->kind == TC_ATOM_TIME)
            return tc_yaml_refuse(p->error, p->place, "a date is asked for two parts");
        return set_kind(p, m->name, TC_ATOM_TIME);
    case EFFECT_REGEX:
        if (plan->kind != TC_ATOM_REGEX)
            return tc_yaml_refuse(p->error, p->place, "the modifier %s goes with re only",
                                  m->name);
        plan->regex_options |= m->value;
        return 0;
    }
    return 0;
}

/* What goes with what, now that all are known. */
static int check(const struct planner *p)
{
    const struct tc_plan *plan = &p->plan;
    bool steps = plan->step_count > 0;

    if (plan->kind == TC_ATOM_FIELD)
        for (size_t i = 0; i < plan->step_count; i++)
            if (plan->steps[i] > TC_STEP_AROUND)
                return tc_yaml_refuse(
                    p->error, p->place,
                    "fieldref goes with startswith, endswith, contains, "
                    "cased, neq and all only");
    if (plan->kind != TC_ATOM_TEXT && plan->kind != TC_ATOM_FIELD && steps)
        return tc_yaml_refuse(
            p->error, p->place,
            "re, cidr, exists, numbers and dates take no modifiers that "
            "change a text: leave those out");
    if (plan->kind == TC_ATOM_EXISTS && (plan->all || plan->neq || plan->cased))
        return tc_yaml_refuse(p->error, p->place,
                              "exists goes with no other modifier: remove those");
    if (!*plan->field && (plan->kind == TC_ATOM_EXISTS || plan->kind == TC_ATOM_FIELD))
        return tc_yaml_refuse(
            p->error, p->place,
            "this modifier needs a field before it: keywords have none");
    return 0;
}

int tc_plan_read(struct tc_arena *arena, const char *key, struct tc_yaml_place place,
                 struct tc_plan *ret_plan, struct tc_yaml_error *refusal)
{
    struct planner p = {.place = place, .error = refusal};
    char *text = tc_arena_text(arena, key, strlen(key)), *name;
    const struct modifier *m;
    int error = 0;

    if (!text)
        return -ENOMEM;
    p.plan.field = strsep(&text, "|");
    while (error == 0 && (name = strsep(&text, "|")) != NULL) {
        m = find(name);
        if (!m)
            error =
                tc_yaml_refuse(refusal, place, "there is no modifier \"%.64s\"", name);
        else if (p.plan.modifiers++ == TC_MODIFIERS_MAX)
            error = tc_yaml_refuse(refusal, place, "a field has more than %d modifiers",
                                   TC_MODIFIERS_MAX);
        else
            error = apply(&p, m);
    }
    if (error == 0)
        error = check(&p);
    if (error == 0)
        *ret_plan = p.plan;
    return error;
}
