/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how answers look to people: escaped text, times, aligned fields, tables. What the
 * agent sends may hold names that an attacker chose; nothing here writes them raw. Must
 * not: know which command prints.
 */
#ifndef TC_CLI_PRINT_H
#define TC_CLI_PRINT_H

#include <msgpack.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <tocsin/event.h>

/* A column of a table: its title, and the field of each entry by its dotted path. */
struct tc_column {
    const char *title; /* NULL ends the columns */
    const char *field; /* one that tc_print_time_name knows is printed as a time */
};

/*
 * Whether a field by that (dotted) name holds nanoseconds since the epoch. How many bytes
 * of the name to show beside a time: all but the unit; 0 when it is none.
 */
size_t tc_print_time_name(const char *name, size_t n);

enum tc_time_style {
    TC_TIME_CLOCK, /* 14:03:07 */
    TC_TIME_DATE,  /* 2026-03-01 14:03:07 */
    TC_TIME_ZONE,  /* 2026-03-01 14:03:07 +0100 */
};

/* Nanoseconds since the epoch, in local time. */
void tc_print_time(FILE *out, uint64_t ns, enum tc_time_style style);

/* printf, with the result escaped. */
void tc_print_vsay(FILE *out, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

void tc_print_str(FILE *out, struct tocsin_str s);

/* The same of at most `most` (> 3) bytes of it, cut between characters. Returns how many
 * bytes are left out. */
size_t tc_print_beginning(FILE *out, struct tocsin_str s, size_t most);

/*
 * One value on one line: text escaped, nil as -, entries of an array with commas between,
 * of a map as key=value with blanks between.
 */
void tc_print_value(FILE *out, const msgpack_object *o);

/*
 * The same of a field of one entry among others: times as dates, and of a hash its first
 * digits; `field` is its (dotted) name.
 */
void tc_print_field(FILE *out, const char *field, const msgpack_object *o);

/* Characters of text that is valid UTF-8. */
size_t tc_print_width(const char *text, size_t n);

/* Columns of the terminal that is written to, or as COLUMNS says; 0: there is none. */
size_t tc_print_columns(void);

/* Whether the environment's character set is not UTF-8: then ASCII is drawn with. */
bool tc_print_ascii(void);

/* The text, of n bytes, or as much of it as has room in so many columns (0: all). */
void tc_print_cut(FILE *out, const char *text, size_t n, size_t columns, bool ascii);

/* A table of the maps in an array; to a terminal as wide as that is at most, if that is
 * wide enough for its titles. */
void tc_print_table(FILE *out, const struct tc_column *columns,
                    const msgpack_object *items);

/*
 * A map as `name : value` lines, nested names dotted; issues (maps with a `text`) stand
 * as a list below their name. Other arrays of maps stand below the lines, as a table
 * where that fits a terminal, else each entry as a section of lines of its own. `name` is
 * what an array of maps by itself holds, as "plugins"; NULL: it is not said.
 */
void tc_print_record(FILE *out, const char *name, const msgpack_object *o);

/*
 * The same of a map in which the array `set`, if it is there, names other fields: it is
 * not printed itself; " [set]" stands after the value of each field that it names.
 */
void tc_print_marked_record(FILE *out, const char *set, const msgpack_object *map);

#endif
