/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: see option_value.h. Every refusal names the option, the value, and what would
 * fit.
 */
#include "core/conf/option_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/why.h"
#include "core/conf/options.h"
#include "ipc/nearest.h"
#include "ipc/pack.h"

#define SHOWN_BYTES 48 /* of a wrong value in a sentence */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit size_units[] = {
    {"G", 1 << 30}, {"M", 1 << 20}, {"k", 1 << 10}, {"", 1}, {NULL, 0}};
static const struct unit int_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(uint32_t type)
{
    if (type == TOCSIN_OPTION_DURATION)
        return duration_units;
    return type == TOCSIN_OPTION_SIZE ? size_units : int_units;
}

void tc_option_format(uint32_t type, int64_t number, char buf[TC_OPTION_NUMBER_BYTES])
{
    const struct unit *unit = units_of(type);

    while (unit[1].name && (number == 0 || number % unit->factor != 0))
        unit++;
    snprintf(buf, TC_OPTION_NUMBER_BYTES, "%" PRId64 "%s", number / unit->factor,
             unit->name);
}

/* The number at the start of `text`; *ret_end is what follows. */
static int read_digits(const char *text, int64_t *ret_number, const char **ret_end)
{
    bool negative = *text == '-';
    int64_t number = 0;

    text += negative;
    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    for (; isdigit((unsigned char)*text); text++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *text - '0', &number))
            return -ERANGE;
    *ret_number = negative ? -number : number;
    *ret_end = text;
    return 0;
}

static int read_number(uint32_t type, const char *text, int64_t *ret_number)
{
    const struct unit *unit = units_of(type);
    const char *end = NULL;
    int64_t number = 0;
    int r = read_digits(text, &number, &end);

    if (r < 0)
        return r;
    while (unit->name && strcmp(unit->name, end))
        unit++;
    if (!unit->name)
        return -EINVAL;
    return __builtin_mul_overflow(number, unit->factor, ret_number) ? -ERANGE : 0;
}

static int refuse_number(const struct tocsin_option *option, const char *text,
                         char why[256])
{
    switch (option->type) {
    case TOCSIN_OPTION_DURATION:
        return tc_why_refuse(
            why,
            "%s: \"%.*s\" is not a duration: write a whole number and ms, s, m, "
            "h or d, as in 10s",
            option->name, SHOWN_BYTES, text);
    case TOCSIN_OPTION_SIZE:
        return tc_why_refuse(
            why,
            "%s: \"%.*s\" is not a size: write a whole number of bytes, or one "
            "with k, M or G, as in 10M",
            option->name, SHOWN_BYTES, text);
    default:
        return tc_why_refuse(why, "%s: \"%.*s\" is not a whole number", option->name,
                             SHOWN_BYTES, text);
    }
}

static int refuse_range(const struct tocsin_option *option, const char *text,
                        char why[256])
{
    char min[TC_OPTION_NUMBER_BYTES], max[TC_OPTION_NUMBER_BYTES];

    if (!option->min && !option->max)
        return tc_why_refuse(why, "%s: %.*s is out of range: 0 or more", option->name,
                             SHOWN_BYTES, text);
    tc_option_format(option->type, option->min, min);
    tc_option_format(option->type, option->max, max);
    return tc_why_refuse(why, "%s: %.*s is out of range: %s to %s", option->name,
                         SHOWN_BYTES, text, min, max);
}

static int parse_number(const struct tocsin_option *option, const char *text,
                        struct tc_option_value *value, char why[256])
{
    int64_t number = 0;
    bool bounded = option->min || option->max;
    int r = read_number(option->type, text, &number);

    if (r == -EINVAL)
        return refuse_number(option, text, why);
    if (r < 0 || number < (bounded ? option->min : 0) ||
        number > (bounded ? option->max : INT64_MAX))
        return refuse_range(option, text, why);
    value->number = number;
    return 0;
}

static int parse_bool(const struct tocsin_option *option, const char *text,
                      struct tc_option_value *value, char why[256])
{
    bool yes = !strcmp(text, "true");

    if (!yes && strcmp(text, "false"))
        return tc_why_refuse(why, "%s: \"%.*s\" is neither true nor false", option->name,
                             SHOWN_BYTES, text);
    value->number = yes;
    return 0;
}

bool tc_option_is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);

    for (const char *at = choices; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strcspn(at, "|") == len && !strncmp(at, text, len))
            return len > 0;
    }
    return false;
}

/* Whether `text` ends in = or : and one of the choices, after a name. */
static bool is_pair(const struct tocsin_option *option, const char *text)
{
    const char *equals = strrchr(text, '='), *colon = strrchr(text, ':');
    const char *at = equals > colon ? equals : colon;
    char choice[64];
    int len = 0;

    if (!at || at == text || sscanf(at + 1, " %63[^ \t]%n", choice, &len) != 1)
        return false;
    at += 1 + len;
    return !at[strspn(at, " \t")] && tc_option_is_choice(option->choices, choice);
}

/* The choices as people write them. */
static void list_choices(const struct tocsin_option *option, char *list, size_t cap)
{
    size_t len = 0;

    for (const char *at = option->choices ? option->choices : ""; *at; at++)
        if (len < cap - 3) {
            list[len++] = *at == '|' ? ',' : *at;
            if (*at == '|')
                list[len++] = ' ';
        }
    list[len] = '\0';
}

int tc_option_check_item(const struct tocsin_option *option, const char *text,
                         char why[256])
{
    char list[128];

    if ((option->flags & TOCSIN_OPTION_PATH) && *text && *text != '/')
        return tc_why_refuse(why, "%s: \"%.*s\" is no absolute path", option->name,
                             SHOWN_BYTES, text);
    if (!(option->flags & TOCSIN_OPTION_PAIRS) || is_pair(option, text))
        return 0;
    list_choices(option, list, sizeof(list));
    return tc_why_refuse(why, "%s: \"%.*s\" must be NAME=ACTION, with one of %s",
                         option->name, SHOWN_BYTES, text, list);
}

static int parse_text(const struct tocsin_option *option, const char *text,
                      struct tc_option_value *value, char why[256])
{
    if (strlen(text) > TC_OPTION_TEXT_BYTES_MAX)
        return tc_why_refuse(why, "%s: the text is longer than %d bytes", option->name,
                             TC_OPTION_TEXT_BYTES_MAX);
    if (!*text && (option->flags & TOCSIN_OPTION_NEEDED))
        return tc_why_refuse(why, "%s: must not be empty", option->name);
    if (tc_option_check_item(option, text, why))
        return -EINVAL;
    value->text = strdup(text);
    return value->text ? 0 : -ENOMEM;
}

static int parse_choice(const struct tocsin_option *option, const char *text,
                        struct tc_option_value *value, char why[256])
{
    char list[128];

    if (option->choices && tc_option_is_choice(option->choices, text))
        return parse_text(option, text, value, why);
    list_choices(option, list, sizeof(list));
    return tc_why_refuse(why, "%s: \"%.*s\" is not one of %s", option->name, SHOWN_BYTES,
                         text, list);
}

int tc_option_value_parse(const struct tocsin_option *option, const char *text,
                          struct tc_option_value *value, char why[256])
{
    switch (option->type) {
    case TOCSIN_OPTION_BOOL:
        return parse_bool(option, text, value, why);
    case TOCSIN_OPTION_INT:
    case TOCSIN_OPTION_DURATION:
    case TOCSIN_OPTION_SIZE:
        return parse_number(option, text, value, why);
    case TOCSIN_OPTION_TEXT:
        return parse_text(option, text, value, why);
    case TOCSIN_OPTION_CHOICE:
        return parse_choice(option, text, value, why);
    case TOCSIN_OPTION_LIST:
        return tc_why_refuse(why, "%s: must be a list, as in [%.*s]", option->name,
                             SHOWN_BYTES, text);
    default:
        return tc_why_refuse(why, "%s: the type %" PRIu32 " is not known to this agent",
                             option->name, option->type);
    }
}

static int add_item(struct tc_option_value *value, const char *item, size_t len)
{
    char *copy = strndup(item, len);

    if (!copy)
        return -ENOMEM;
    value->items[value->count++] = copy;
    return 0;
}

static size_t items_max(const struct tocsin_option *option)
{
    return option->max > 0 && option->max < TC_OPTION_ITEMS_MAX ? (size_t)option->max
                                                                : TC_OPTION_ITEMS_MAX;
}

int tc_option_value_parse_list(const struct tocsin_option *option,
                               const char *const *items, size_t count,
                               struct tc_option_value *value, char why[256])
{
    int r = 0;

    if (option->type != TOCSIN_OPTION_LIST)
        return tc_why_refuse(why, "%s: must be one value, not a list", option->name);
    if (count > items_max(option))
        return tc_why_refuse(why, "%s: the list is longer than %zu", option->name,
                             items_max(option));
    if (!count && (option->flags & TOCSIN_OPTION_NEEDED))
        return tc_why_refuse(why, "%s: the list must have at least one item",
                             option->name);
    value->items = calloc(count + 1, sizeof(*value->items));
    if (!value->items)
        return -ENOMEM;
    for (size_t i = 0; i < count && r == 0; i++) {
        size_t len = strlen(items[i]);

        if (len == 0)
            r = tc_why_refuse(why, "%s: item %zu of the list is empty", option->name,
                              i + 1);
        else if (len > TC_OPTION_TEXT_BYTES_MAX)
            r = tc_why_refuse(why, "%s: item %zu of the list is longer than %d bytes",
                              option->name, i + 1, TC_OPTION_TEXT_BYTES_MAX);
        else if (tc_option_check_item(option, items[i], why))
            r = -EINVAL;
        else
            r = add_item(value, items[i], len);
    }
    if (r < 0)
        tc_option_value_clear(value);
    return r;
}

static int default_list(const struct tocsin_option *option, struct tc_option_value *value,
                        char why[256])
{
    const char *at = option->fallback ? option->fallback : "";
    size_t count = 1;
    int r = 0;

    for (const char *c = at; *c; c++)
        count += *c == ',';
    if (count > TC_OPTION_ITEMS_MAX)
        return tc_why_refuse(why, "%s: the list is longer than %d", option->name,
                             TC_OPTION_ITEMS_MAX);
    value->items = calloc(count + 1, sizeof(*value->items));
    if (!value->items)
        return -ENOMEM;
    while (*at && r == 0) {
        at += strspn(at, " ,");
        if (*at)
            r = add_item(value, at, strcspn(at, ","));
        at += strcspn(at, ",");
    }
    if (r < 0)
        tc_option_value_clear(value);
    return r;
}

int tc_option_value_default(const struct tocsin_option *option,
                            struct tc_option_value *value, char why[256])
{
    if (option->type == TOCSIN_OPTION_LIST)
        return default_list(option, value, why);
    return tc_option_value_parse(option, option->fallback ? option->fallback : "", value,
                                 why);
}

void tc_option_value_clear(struct tc_option_value *value)
{
    for (size_t i = 0; i < value->count; i++)
        free(value->items[i]);
    free(value->items);
    free(value->text);
    *value = (struct tc_option_value){0};
}

int tc_option_value_copy(const struct tc_option_value *value,
                         struct tc_option_value *ret_copy)
{
    struct tc_option_value copy = {.number = value->number};
    int r = 0;

    if (value->text && !(copy.text = strdup(value->text)))
        return -ENOMEM;
    if (value->items && !(copy.items = calloc(value->count + 1, sizeof(*copy.items))))
        r = -ENOMEM;
    for (size_t i = 0; copy.items && i < value->count && r == 0; i++)
        r = add_item(&copy, value->items[i], strlen(value->items[i]));
    if (r < 0)
        tc_option_value_clear(&copy);
    else
        *ret_copy = copy;
    return r;
}

bool tc_option_value_same(const struct tc_option_value *a,
                          const struct tc_option_value *b)
{
    if (a->number != b->number || a->count != b->count || !a->text != !b->text)
        return false;
    if (a->text && strcmp(a->text, b->text))
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]))
            return false;
    return true;
}

void tc_option_value_put(const struct tocsin_option *option,
                         const struct tc_option_value *value, struct tc_pack *p)
{
    switch (option->type) {
    case TOCSIN_OPTION_BOOL:
        tc_pack_bool(p, option->name, value->number);
        break;
    case TOCSIN_OPTION_TEXT:
    case TOCSIN_OPTION_CHOICE:
        tc_pack_str(p, option->name, value->text);
        break;
    case TOCSIN_OPTION_LIST:
        tc_pack_begin_array(p, option->name);
        for (size_t i = 0; i < value->count; i++)
            tc_pack_str(p, NULL, value->items[i]);
        tc_pack_end(p);
        break;
    default:
        tc_pack_int(p, option->name, value->number);
        break;
    }
}
