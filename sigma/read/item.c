/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a field (or none: keywords) and its values, as an expression over atoms. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sigma/read/modifier.h"
#include "sigma/read/reading.h"

#define NUMBER_TEXT_MAX 64
#define REGEX_NEST_MAX 100 /* parentheses within each other */

/* Patterns that one value has become: any of them will do. */
struct variants {
    struct tc_pattern *items;
    size_t count;
};

/* One item: what its key says, and where its value stands. */
struct item {
    struct tc_reading *r;
    const struct tc_plan *plan;
    const struct tc_yaml_node *node; /* the value */
    uint32_t field;
};

static int refuse(const struct item *item, const char *text)
{
    return tc_yaml_refuse(item->r->error, item->node->place, "%s", text);
}

/* ---- Values as YAML has them (1.2, the core schema) ---- */

static bool read_whole(const char *text, long long *ret)
{
    const char *digits = text + (*text == '-' || *text == '+');
    int base = !strncmp(text, "0x", 2) ? 16 : !strncmp(text, "0o", 2) ? 8 : 10;
    char *end;

    digits = base == 10 ? digits : text + 2;
    if (!*digits || digits[strspn(digits, base == 16  ? "0123456789abcdefABCDEF"
                                          : base == 8 ? "01234567"
                                                      : "0123456789")])
        return false;
    errno = 0;
    *ret = strtoll(base == 10 ? text : digits, &end, base);
    return !errno;
}

static bool read_number(const char *text, struct tc_number *ret)
{
    long long whole;

    if (!read_whole(text, &whole))
        return tc_number_read(text, strlen(text), ret);
    *ret = tc_number_whole(whole < 0, whole < 0 ? -(uint64_t)whole : (uint64_t)whole);
    return true;
}

static bool read_truth(const char *text, bool *ret)
{
    *ret = !strcmp(text, "true") || !strcmp(text, "True") || !strcmp(text, "TRUE");
    return *ret || !strcmp(text, "false") || !strcmp(text, "False") ||
           !strcmp(text, "FALSE");
}

/* The value's text; a number without quotes as it is usually written. */
static int value_text(const struct item *item, const char **ret_text)
{
    const struct tc_yaml_node *node = item->node;
    char number[NUMBER_TEXT_MAX];
    long long whole;

    *ret_text = node->text;
    if (strlen(node->text) > TC_READING_TEXT_MAX)
        return refuse(item, "a value has more than 64 KiB: shorten it");
    if (node->quoted || !read_whole(node->text, &whole))
        return 0;
    snprintf(number, sizeof(number), "%lld", whole);
    *ret_text = tc_arena_text(item->r->arena, number, strlen(number));
    return *ret_text ? 0 : -ENOMEM;
}

/* ---- Atoms ---- */

static int add_atom(const struct item *item, struct tc_atom *atom, struct tc_exprs *list)
{
    const struct tc_expr *expr;
    int error;

    atom->kind = atom->kind ? atom->kind : item->plan->kind;
    atom->field = item->field;
    if (item->r->values++ == TC_READING_VALUES_MAX) {
        pcre2_code_free(atom->code);
        return refuse(item, "the rule has more than 20000 values: split it");
    }
    error = tc_set_atom(item->r->set, atom, &expr);
    if (error == -E2BIG)
        return refuse(item, "the rules have more than a million different values");
    return error == 0 ? tc_exprs_add(item->r->set, list, expr) : error;
}

/* ---- Texts: each step makes one or more patterns of each ---- */

static int no_room(const struct item *item)
{
    return refuse(item, "the modifiers make more than 4096 values of this one");
}

static int new_variants(const struct item *item, size_t count, struct variants *ret)
{
    if (count > TC_READING_VARIANTS_MAX)
        return no_room(item);
    ret->items = tc_arena_take(item->r->arena, (count + 1) * sizeof(*ret->items));
    ret->count = 0;
    return ret->items ? 0 : -ENOMEM;
}

static const char dashes[5][4] = {"-", "/", "\xe2\x80\x93", "\xe2\x80\x94",
                                  "\xe2\x80\x95"};

/* Writes out what windash means, for steps that go by bytes: 5 for each dash. */
static int expand_dashes(const struct item *item, struct variants *v)
{
    struct tc_arena *arena = item->r->arena;
    struct variants out = {0};
    int error;

    for (size_t i = 0, at; i < v->count;) {
        struct tc_pattern p = v->items[i];

        for (at = 0; at < p.len && p.units[at] != TC_UNIT_DASH; at++)
            continue;
        if (at == p.len) {
            i++;
            continue;
        }
        error = new_variants(item, v->count + 4, &out);
        if (error < 0)
            return error;
        memcpy(out.items, v->items, v->count * sizeof(*out.items));
        out.count = v->count;
        for (size_t d = 0; d < 5; d++) {
            struct tc_pattern head = {p.units, at};
            struct tc_pattern tail = {p.units + at + 1, p.len - at - 1};
            struct tc_pattern dash =
                tc_pattern_plain(arena, dashes[d], strlen(dashes[d]));
            struct tc_pattern whole =
                tc_pattern_join(arena, tc_pattern_join(arena, head, dash), tail);

            if (!whole.units)
                return -ENOMEM;
            out.items[d ? out.count++ : i] = whole;
        }
        *v = out;
    }
    return 0;
}

static int encode(const struct item *item, enum tc_step step, struct variants *v)
{
    struct tc_arena *arena = item->r->arena;
    size_t each = step == TC_STEP_BASE64_OFFSET ? 3 : 1;
    struct variants out = {0};
    int error = expand_dashes(item, v);

    if (error == 0)
        error = new_variants(item, v->count * each, &out);
    for (size_t i = 0; error == 0 && out.items && i < v->count; i++) {
        struct tc_pattern p = v->items[i];

        if ((step == TC_STEP_BASE64 || step == TC_STEP_BASE64_OFFSET) &&
            tc_pattern_has_wildcards(p))
            return refuse(item, "what is encoded in base64 can have no wildcards: put a "
                                "backslash before them, and contains behind base64");
        for (size_t shift = 0; shift < each; shift++)
            out.items[out.count++] =
                step == TC_STEP_BASE64 ? tc_pattern_base64(arena, p, -1)
                : step == TC_STEP_BASE64_OFFSET
                    ? tc_pattern_base64(arena, p, (int)shift)
                    : tc_pattern_utf16(arena, p, step == TC_STEP_UTF16BE,
                                       step == TC_STEP_UTF16);
    }
    if (error == 0)
        *v = out;
    return error;
}

/* The i-th value of a placeholder, or NULL. */
static const char *placeholder(const struct item *item, const char *name, size_t i)
{
    const struct tc_sigma_options *options = item->r->options;

    return options->placeholder ? options->placeholder(options->arg, name, i) : NULL;
}

/* `v` with each of the placeholder's values behind each of its own. */
static int put_placeholder(const struct item *item, const char *name, struct variants *v)
{
    struct tc_arena *arena = item->r->arena;
    struct variants out = {0};
    const char *text;
    size_t n = 0;
    int error;

    while (placeholder(item, name, n) && n < TC_READING_VARIANTS_MAX)
        n++;
    if (n == 0) {
        snprintf(item->r->why_not, sizeof(item->r->why_not),
                 "the placeholder %%%.64s%% has no values here", name);
        return 0;
    }
    error = new_variants(item, v->count * n, &out);
    for (size_t i = 0; error == 0 && out.items && i < v->count; i++)
        for (size_t k = 0; k < n; k++) {
            text = placeholder(item, name, k);
            out.items[out.count++] =
                tc_pattern_join(arena, v->items[i],
                                tc_pattern_parse(arena, text, text ? strlen(text) : 0));
        }
    if (error == 0)
        *v = out;
    return error;
}

static int put_text(const struct item *item, const char *text, size_t len,
                    struct variants *v)
{
    struct tc_arena *arena = item->r->arena;

    for (size_t i = 0; i < v->count; i++) {
        v->items[i] =
            tc_pattern_join(arena, v->items[i], tc_pattern_parse(arena, text, len));
        if (!v->items[i].units)
            return -ENOMEM;
    }
    return 0;
}

/* `a%name%b`: the placeholder's values between the texts; `\%` is a percent sign. */
static int expand(const struct item *item, const char *text, struct variants *v)
{
    struct tc_arena *arena = item->r->arena;
    char *plain = tc_arena_take(arena, strlen(text) + 1), *name;
    size_t n = 0, len;
    int error = 0;

    if (!plain || new_variants(item, 1, v) < 0)
        return -ENOMEM;
    v->items[0] = tc_pattern_plain(arena, "", 0);
    v->count = 1;
    while (*text && error == 0) {
        len = *text == '%' ? strcspn(text + 1, "%\\ ") : 0;
        if (text[0] == '\\' && text[1] == '%') {
            plain[n++] = '%';
            text += 2;
        } else if (len && text[len + 1] == '%') {
            name = tc_arena_text(arena, text + 1, len);
            error = name ? put_text(item, plain, n, v) : -ENOMEM;
            if (error == 0)
                error = put_placeholder(item, name, v);
            n = 0;
            text += len + 2;
        } else {
            plain[n++] = *text++;
        }
    }
    return error == 0 ? put_text(item, plain, n, v) : error;
}

static int apply_step(const struct item *item, enum tc_step step, struct variants *v)
{
    struct tc_arena *arena = item->r->arena;

    switch (step) {
    case TC_STEP_BEFORE:
    case TC_STEP_AFTER:
    case TC_STEP_AROUND:
        for (size_t i = 0; i < v->count; i++)
            v->items[i] = tc_pattern_wrap(arena, v->items[i], step != TC_STEP_AFTER,
                                          step != TC_STEP_BEFORE);
        return 0;
    case TC_STEP_WINDASH:
        for (size_t i = 0; i < v->count; i++)
            v->items[i] = tc_pattern_windash(arena, v->items[i]);
        return 0;
    case TC_STEP_BASE64:
    case TC_STEP_BASE64_OFFSET:
    case TC_STEP_UTF16:
    case TC_STEP_UTF16LE:
    case TC_STEP_UTF16BE:
        return encode(item, step, v);
    case TC_STEP_EXPAND:
        return 0; /* the first of all: placeholders are of the rule's own text */
    }
    return 0;
}

static int make_variants(const struct item *item, const char *text, struct variants *v)
{
    const struct tc_plan *plan = item->plan;
    bool expands = false;
    int error;

    for (size_t i = 0; i < plan->step_count; i++)
        expands |= plan->steps[i] == TC_STEP_EXPAND;
    if (expands) {
        error = expand(item, text, v);
    } else {
        error = new_variants(item, 1, v);
        if (error == 0)
            v->items[v->count++] = tc_pattern_parse(item->r->arena, text, strlen(text));
    }
    for (size_t i = 0; error == 0 && i < plan->step_count; i++)
        error = apply_step(item, plan->steps[i], v);
    /* Keywords may stand anywhere in what they are looked for in. */
    if (error == 0 && item->field == TC_FIELD_ANY && !plan->before && !plan->after)
        error = apply_step(item, TC_STEP_AROUND, v);
    return error;
}

static int text_atoms(const struct item *item, struct tc_exprs *list)
{
    struct tc_sigma_set *set = item->r->set;
    struct variants v = {0};
    const char *text;
    int error = value_text(item, &text);

    if (error == 0)
        error = make_variants(item, text, &v);
    for (size_t i = 0; error == 0 && i < v.count; i++) {
        struct tc_atom atom = {.cased = item->plan->cased};

        if (!v.items[i].units)
            return -ENOMEM;
        atom.pattern = atom.cased ? tc_pattern_wrap(&set->arena, v.items[i], false, false)
                                  : tc_pattern_fold(&set->arena, v.items[i], set->locale);
        error = atom.pattern.units ? add_atom(item, &atom, list) : -ENOMEM;
    }
    return error;
}

/* ---- The other kinds ---- */

/* PCRE2 10.42 compiles these wrongly: findings/pcre2_jit_not_word.sh */
static bool jit_is_right(const char *text)
{
    return !strstr(text, "\\D") && !strstr(text, "\\S") && !strstr(text, "\\W");
}

static int regex_atom(const struct item *item, struct tc_exprs *list)
{
    struct tc_atom atom = {
        .regex_options = item->plan->regex_options | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
                         PCRE2_USE_OFFSET_LIMIT | PCRE2_NEVER_BACKSLASH_C};
    pcre2_compile_context *context;
    unsigned char message[128];
    const char *text = item->node->text;
    PCRE2_SIZE offset;
    int code;

    if (strlen(text) > TC_READING_TEXT_MAX)
        return refuse(item, "a value has more than 64 KiB: shorten it");
    context = pcre2_compile_context_create(NULL);
    if (!context)
        return -ENOMEM;
    pcre2_set_parens_nest_limit(context, REGEX_NEST_MAX);
    atom.code = pcre2_compile((PCRE2_SPTR)text, strlen(text), atom.regex_options, &code,
                              &offset, context);
    pcre2_compile_context_free(context);
    if (!atom.code) {
        pcre2_get_error_message(code, message, sizeof(message));
        return tc_yaml_refuse(item->r->error, item->node->place,
                              "the regular expression is wrong at its character %zu: %s",
                              (size_t)offset + 1, (char *)message);
    }
    /* Where no code may be made at run time it is interpreted, and slower. */
    if (jit_is_right(text))
        pcre2_jit_compile(atom.code, PCRE2_JIT_COMPLETE);
    atom.pattern = tc_pattern_plain(&item->r->set->arena, text, strlen(text));
    if (!atom.pattern.units) {
        pcre2_code_free(atom.code);
        return -ENOMEM;
    }
    return add_atom(item, &atom, list);
}

static int cidr_atom(const struct item *item, struct tc_exprs *list)
{
    static const uint8_t mapped[TC_MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};
    struct tc_atom atom = {.family = AF_INET};
    char text[INET6_ADDRSTRLEN + 8], *slash, *end;
    unsigned long bits, most;

    snprintf(text, sizeof(text), "%s", item->node->text);
    slash = strchr(text, '/');
    if (slash)
        *slash = '\0';
    if (inet_pton(AF_INET, text, atom.address) != 1) {
        atom.family = AF_INET6;
        if (inet_pton(AF_INET6, text, atom.address) != 1)
            return refuse(item, "this is no network: write it as 10.0.0.0/8 or fc00::/7");
    }
    most = atom.family == AF_INET ? 32 : 128;
    bits = most;
    if (slash) {
        bits = strtoul(slash + 1, &end, 10);
        if (!slash[1] || slash[1 + strspn(slash + 1, "0123456789")] || bits > most)
            return refuse(item, "a network's length is 0 to 32, of IPv6 0 to 128");
    }
    if (atom.family == AF_INET6 && bits >= 8 * TC_MAPPED_BYTES &&
        !memcmp(atom.address, mapped, sizeof(mapped))) {
        atom.family = AF_INET;
        bits -= 8 * TC_MAPPED_BYTES;
        memcpy(atom.address, atom.address + TC_MAPPED_BYTES, 4);
        memset(atom.address + 4, 0, TC_MAPPED_BYTES);
    }
    atom.bits = (uint8_t)bits;
    for (size_t i = 0; i < sizeof(atom.address); i++)
        if (8 * i + 8 > bits)
            atom.address[i] &= 8 * i >= bits ? 0 : (uint8_t)(0xff00u >> (bits - 8 * i));
    return add_atom(item, &atom, list);
}

static int number_atom(const struct item *item, struct tc_exprs *list)
{
    struct tc_atom atom = {.compare = item->plan->compare, .part = item->plan->part};

    if (item->node->quoted || !read_number(item->node->text, &atom.number))
        return refuse(item, "this modifier needs a number, without quotes");
    return add_atom(item, &atom, list);
}

static int exists_atom(const struct item *item, struct tc_exprs *list)
{
    struct tc_atom atom = {0};
    struct tc_exprs one = {0};
    const struct tc_expr *expr;
    bool wanted;
    int error;

    if (item->node->quoted || !read_truth(item->node->text, &wanted))
        return refuse(item, "exists needs true or false, without quotes");
    error = add_atom(item, &atom, wanted ? list : &one);
    if (error < 0 || wanted || !one.items)
        return error;
    error = tc_expr_not(item->r->set, one.items[0], &expr);
    return error == 0 ? tc_exprs_add(item->r->set, list, expr) : error;
}

static int field_atom(const struct item *item, struct tc_exprs *list)
{
    struct tc_atom atom = {.before = item->plan->before,
                           .after = item->plan->after,
                           .cased = item->plan->cased};
    int error;

    if (!*item->node->text)
        return refuse(item, "fieldref needs the name of a field");
    error = tc_set_field(item->r->set, item->node->text, &atom.other);
    return error == 0 ? add_atom(item, &atom, list) : error;
}

static int null_atom(const struct item *item, struct tc_exprs *list)
{
    struct tc_atom atom = {.kind = TC_ATOM_NULL};

    if (item->field == TC_FIELD_ANY)
        return refuse(item, "a keyword cannot be null");
    if (item->plan->modifiers > item->plan->neq)
        return refuse(item, "null goes with no modifier but neq");
    return add_atom(item, &atom, list);
}

/* The atoms of one value; any of them will do. */
static int value_read(const struct item *item, const struct tc_expr **ret_expr)
{
    struct tc_exprs list = {0};
    int error = -EINVAL;

    if (item->node->kind == TC_YAML_NULL)
        error = null_atom(item, &list);
    else if (item->node->kind != TC_YAML_TEXT)
        error = refuse(item, "a value is a text, a number, true, false or null");
    else if (item->plan->kind == TC_ATOM_TEXT)
        error = text_atoms(item, &list);
    else if (item->plan->kind == TC_ATOM_REGEX)
        error = regex_atom(item, &list);
    else if (item->plan->kind == TC_ATOM_CIDR)
        error = cidr_atom(item, &list);
    else if (item->plan->kind == TC_ATOM_EXISTS)
        error = exists_atom(item, &list);
    else if (item->plan->kind == TC_ATOM_FIELD)
        error = field_atom(item, &list);
    else
        error = number_atom(item, &list);
    if (error == 0)
        error = tc_exprs_join(item->r->set, TC_OP_OR, &list, ret_expr);
    return error;
}

static int list_read(struct item *item, const struct tc_yaml_node *values,
                     struct tc_exprs *list)
{
    const struct tc_expr *expr;
    int error = 0;

    item->node = values;
    if (!values->count)
        return refuse(item, "this list of values is empty: give one, or take it out");
    if (item->plan->kind == TC_ATOM_EXISTS)
        return refuse(item, "exists needs true or false, not a list");
    for (const struct tc_yaml_node *at = values->first; error == 0 && at; at = at->next) {
        item->node = at;
        if (at->kind == TC_YAML_NULL)
            return refuse(item, "null cannot be in a list: give it a selection of "
                                "its own");
        error = value_read(item, &expr);
        if (error == 0)
            error = tc_exprs_add(item->r->set, list, expr);
    }
    return error;
}

int tc_item_read(struct tc_reading *r, const struct tc_yaml_node *child,
                 const struct tc_expr **ret_expr)
{
    struct tc_plan plan;
    struct item item = {.r = r, .plan = &plan, .node = child};
    struct tc_exprs list = {0};
    const struct tc_expr *expr = NULL;
    int error;

    error = tc_plan_read(r->arena, child->key, child->key_place, &plan, r->error);
    if (error == 0)
        error = tc_set_field(r->set, plan.field, &item.field);
    if (error < 0)
        return error;
    if (child->kind == TC_YAML_LIST) {
        error = list_read(&item, child, &list);
        if (error == 0)
            error = tc_exprs_join(r->set, plan.all ? TC_OP_AND : TC_OP_OR, &list, &expr);
    } else {
        error = value_read(&item, &expr);
    }
    if (error == 0 && plan.neq)
        error = tc_expr_not(r->set, expr, &expr);
    if (error == 0)
        *ret_expr = expr;
    return error;
}

int tc_keyword_read(struct tc_reading *r, const struct tc_yaml_node *text,
                    const struct tc_expr **ret_expr)
{
    const struct tc_plan plan = {.field = ""};
    const struct item item = {r, &plan, text, TC_FIELD_ANY};

    return value_read(&item, ret_expr);
}
