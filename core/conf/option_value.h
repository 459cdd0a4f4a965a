/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one value of one option: read from text, compared, written. For options.c,
 * option_table.c and config_apply.c alone. Pure.
 */
#ifndef TC_CORE_OPTION_VALUE_H
#define TC_CORE_OPTION_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/plugin.h>

struct tc_pack;

struct tc_option_value {
    int64_t number; /* BOOL, INT, DURATION (ms), SIZE (bytes) */
    char *text;     /* TEXT, CHOICE */
    char **items;   /* LIST */
    size_t count;
};

/*
 * These fill in an empty value. 0, -ENOMEM, or -EINVAL and why; the value then stays
 * empty. The default of a LIST is split at its commas; an option without one has "".
 */
int tc_option_value_default(const struct tocsin_option *option,
                            struct tc_option_value *value, char why[256]);
int tc_option_value_parse(const struct tocsin_option *option, const char *text,
                          struct tc_option_value *value, char why[256]);
int tc_option_value_parse_list(const struct tocsin_option *option,
                               const char *const *items, size_t count,
                               struct tc_option_value *value, char why[256]);

/* What the option's flags ask of a text, or of one item of a list. -EINVAL and why. */
int tc_option_check_item(const struct tocsin_option *option, const char *text,
                         char why[256]);

/* Frees what the value holds and leaves it empty. */
void tc_option_value_clear(struct tc_option_value *value);

/* Fills in an empty one. -ENOMEM: it stays empty. */
int tc_option_value_copy(const struct tc_option_value *value,
                         struct tc_option_value *ret_copy);

bool tc_option_value_same(const struct tc_option_value *a,
                          const struct tc_option_value *b);
void tc_option_value_put(const struct tocsin_option *option,
                         const struct tc_option_value *value, struct tc_pack *p);

/* Whether `text` is one of `choices`, separated by |. */
bool tc_option_is_choice(const char *choices, const char *text);

#endif
