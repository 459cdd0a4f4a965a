/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: typed values by name, parsed and checked against a table of struct tocsin_option:
 * one mechanism for the agent's own keys and every plugin's. Immutable once made. Pure.
 */
#ifndef TC_CORE_OPTIONS_H
#define TC_CORE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/plugin.h>

struct tc_options;
struct tc_pack;

#define TC_OPTIONS_MAX 256            /* in one table */
#define TC_OPTION_NAME_BYTES_MAX 64   /* with the section before the dot */
#define TC_OPTION_TEXT_BYTES_MAX 4095 /* as long as a path may be */
#define TC_OPTION_ITEMS_MAX 4096      /* in one list */
#define TC_OPTION_NUMBER_BYTES 32     /* tc_option_format fits */

/* A table and the distance between its entries, which is at least that of the agent's own
 * (tc_option_table_copy). */
struct tc_option_table {
    const struct tocsin_option *first; /* ended by an entry without a name; NULL: empty */
    size_t stride;
};

/* Checks a table itself, as a vendor may get it wrong: types, names, defaults. -EINVAL
 * and why. */
int tc_option_table_check(struct tc_option_table table, char why[256]);

/*
 * The same entries, as wide as the agent knows them: where the table's are shorter, which
 * are of an older minor, the rest is 0. At most TC_OPTIONS_MAX and the end; the caller
 * frees it. NULL: out of memory.
 */
struct tocsin_option *tc_option_table_copy(struct tc_option_table table);

/*
 * Every option at its default. The table is borrowed for the life of the result. -EINVAL
 * when a default does not parse, -ENOMEM.
 */
int tc_options_new(struct tc_option_table table, struct tc_options **ret_options);
void tc_options_free(struct tc_options *options);

/*
 * Sets one option from text, or from the items of a list. `key` is as in the file.
 * -ENOENT: the table has no such key; -EINVAL: the value does not fit. `why` says so and
 * what would fit, without the place in the file, which the caller puts before it.
 */
int tc_options_set(struct tc_options *options, const char *key, const char *text,
                   char why[256]);
int tc_options_set_list(struct tc_options *options, const char *key,
                        const char *const *items, size_t count, char why[256]);

/* The entry of the table by its place, or NULL past the end; by name, or NULL. */
const struct tocsin_option *tc_option_table_at(struct tc_option_table table,
                                               size_t index);
const struct tocsin_option *tc_options_find(const struct tc_options *options,
                                            const char *key);

/* Values. An unknown name or another type gives false, 0, "" or NULL. Durations in ms. */
bool tc_options_bool(const struct tc_options *options, const char *key);
int64_t tc_options_int(const struct tc_options *options, const char *key);
const char *tc_options_text(const struct tc_options *options, const char *key);
const char *tc_options_item(const struct tc_options *options, const char *key,
                            size_t index);

/* The value of an INT, DURATION or SIZE as one writes it in the file: 90000 ms is "90s".
 */
void tc_option_format(uint32_t type, int64_t number, char buf[TC_OPTION_NUMBER_BYTES]);

/* Whether the value of `key` is the same in both, made from the same table. */
bool tc_options_same(const struct tc_options *a, const struct tc_options *b,
                     const char *key);

/* Gives `to` the value that `from`, made from the same table, has. -ENOMEM. */
int tc_options_copy(struct tc_options *to, const struct tc_options *from,
                    const char *key);

/* Puts every value, by name, into the open map of `w`. */
void tc_options_put(const struct tc_options *options, struct tc_pack *p);

#endif
