/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the values of one option table. The table itself is checked in option_table.c,
 * single values are read in option_value.c. Must not: know YAML, files, or what any
 * option is for.
 */
#include "core/conf/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/option_value.h"
#include "ipc/nearest.h"
#include "ipc/pack.h"

struct entry {
    const struct tocsin_option *option;
    struct tc_option_value value;
};

struct tc_options {
    size_t count;
    struct entry entries[]; /* in the order of the table */
};

const struct tocsin_option *tc_option_table_at(struct tc_option_table table, size_t index)
{
    const struct tocsin_option *option;

    if (!table.first || index >= TC_OPTIONS_MAX)
        return NULL;
    /* Through void: the stride is a multiple of the alignment, option_table.c checks. */
    option = (const void *)((const char *)table.first + index * table.stride);
    return option->name ? option : NULL;
}

static size_t table_count(struct tc_option_table table)
{
    size_t count = 0;

    while (tc_option_table_at(table, count))
        count++;
    return count;
}

struct tocsin_option *tc_option_table_copy(struct tc_option_table table)
{
    size_t count = table_count(table), each = sizeof(struct tocsin_option);
    struct tocsin_option *copy = calloc(count + 1, each);

    if (each > table.stride)
        each = table.stride;
    for (size_t i = 0; copy && i < count; i++)
        memcpy(&copy[i], (const char *)table.first + i * table.stride, each);
    return copy;
}

int tc_options_new(struct tc_option_table table, struct tc_options **ret_options)
{
    size_t count = table_count(table);
    struct tc_options *options;
    char why[256];
    int r = 0;

    options = calloc(1, sizeof(*options) + count * sizeof(options->entries[0]));
    if (!options)
        return -ENOMEM;
    for (; options->count < count && r == 0; options->count++) {
        struct entry *entry = &options->entries[options->count];

        entry->option = tc_option_table_at(table, options->count);
        r = tc_option_value_default(entry->option, &entry->value, why);
    }
    if (r < 0) {
        tc_options_free(options);
        return r;
    }
    *ret_options = options;
    return 0;
}

void tc_options_free(struct tc_options *options)
{
    if (!options)
        return;
    for (size_t i = 0; i < options->count; i++)
        tc_option_value_clear(&options->entries[i].value);
    free(options);
}

static const struct entry *find(const struct tc_options *options, const char *key)
{
    for (size_t i = 0; i < options->count; i++)
        if (!strcmp(options->entries[i].option->name, key))
            return &options->entries[i];
    return NULL;
}

static int find_to_set(struct tc_options *options, const char *key,
                       struct entry **ret_entry, char why[256])
{
    struct tc_nearest nearest;

    tc_nearest_init(&nearest, key);
    for (size_t i = 0; i < options->count; i++) {
        struct entry *entry = &options->entries[i];

        if (!strcmp(entry->option->name, key)) {
            *ret_entry = entry;
            return 0;
        }
        tc_nearest_offer(&nearest, entry->option->name);
    }
    if (nearest.best)
        snprintf(why, 256, "unknown key \"%.64s\"; did you mean \"%s\"?", key,
                 nearest.best);
    else
        snprintf(why, 256, "unknown key \"%.64s\"", key);
    return -ENOENT;
}

int tc_options_set(struct tc_options *options, const char *key, const char *text,
                   char why[256])
{
    struct tc_option_value made = {0};
    struct entry *entry = NULL;
    int r = find_to_set(options, key, &entry, why);

    if (r == 0)
        r = tc_option_value_parse(entry->option, text, &made, why);
    if (r < 0)
        return r;
    tc_option_value_clear(&entry->value);
    entry->value = made;
    return 0;
}

int tc_options_set_list(struct tc_options *options, const char *key,
                        const char *const *items, size_t count, char why[256])
{
    struct tc_option_value made = {0};
    struct entry *entry = NULL;
    int r = find_to_set(options, key, &entry, why);

    if (r == 0)
        r = tc_option_value_parse_list(entry->option, items, count, &made, why);
    if (r < 0)
        return r;
    tc_option_value_clear(&entry->value);
    entry->value = made;
    return 0;
}

const struct tocsin_option *tc_options_find(const struct tc_options *options,
                                            const char *key)
{
    const struct entry *entry = find(options, key);

    return entry ? entry->option : NULL;
}

/* The value of `key` if its type is among `types` (bits 1 << type), or NULL. */
static const struct tc_option_value *find_value(const struct tc_options *options,
                                                const char *key, uint32_t types)
{
    const struct entry *entry = find(options, key);

    return entry && types & 1u << entry->option->type ? &entry->value : NULL;
}

bool tc_options_bool(const struct tc_options *options, const char *key)
{
    const struct tc_option_value *value =
        find_value(options, key, 1u << TOCSIN_OPTION_BOOL);

    return value && value->number;
}

int64_t tc_options_int(const struct tc_options *options, const char *key)
{
    const struct tc_option_value *value =
        find_value(options, key,
                   1u << TOCSIN_OPTION_INT | 1u << TOCSIN_OPTION_DURATION |
                       1u << TOCSIN_OPTION_SIZE);

    return value ? value->number : 0;
}

const char *tc_options_text(const struct tc_options *options, const char *key)
{
    const struct tc_option_value *value =
        find_value(options, key, 1u << TOCSIN_OPTION_TEXT | 1u << TOCSIN_OPTION_CHOICE);

    return value ? value->text : "";
}

const char *tc_options_item(const struct tc_options *options, const char *key,
                            size_t index)
{
    const struct tc_option_value *value =
        find_value(options, key, 1u << TOCSIN_OPTION_LIST);

    return value && index < value->count ? value->items[index] : NULL;
}

int tc_options_copy(struct tc_options *to, const struct tc_options *from, const char *key)
{
    const struct entry *source = find(from, key);
    struct entry *target = (struct entry *)(uintptr_t)find(to, key);
    struct tc_option_value made = {0};
    int r;

    if (!source || !target)
        return -ENOENT;
    r = tc_option_value_copy(&source->value, &made);
    if (r < 0)
        return r;
    tc_option_value_clear(&target->value);
    target->value = made;
    return 0;
}

bool tc_options_same(const struct tc_options *a, const struct tc_options *b,
                     const char *key)
{
    const struct entry *in_a = find(a, key);
    const struct entry *in_b = find(b, key);

    if (!in_a || !in_b)
        return in_a == in_b;
    return tc_option_value_same(&in_a->value, &in_b->value);
}

void tc_options_put(const struct tc_options *options, struct tc_pack *p)
{
    for (size_t i = 0; i < options->count; i++)
        tc_option_value_put(options->entries[i].option, &options->entries[i].value, p);
}
