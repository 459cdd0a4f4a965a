/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see print.h: a map as `name : value` lines, and what does not fit a line below.
 */
#include <ctype.h>

#include "cli/print.h"
#include "ipc/text.h"

#define NAME_MAX_BYTES 256
#define NESTED_MAX 12  /* maps within maps; deeper ones print on one line */
#define COLUMNS_MAX 16 /* of a table whose columns its entries name */
#define TITLE_MAX 48

/* One walk over a record: the first measures the names, the second prints. */
struct walk {
    FILE *out; /* NULL: measure */
    size_t width;
    char name[NAME_MAX_BYTES]; /* dotted, of the map that is walked; escaped */
};

static bool is_list_of_maps(const struct tocsin_value *v)
{
    struct tocsin_value first;
    struct tocsin_iter it;

    if (v->type != TOCSIN_ARRAY)
        return false;
    tocsin_iter_init(&it, v);
    return tocsin_iter_next(&it, NULL, &first) && first.type == TOCSIN_MAP;
}

static bool is_list_of_issues(const struct tocsin_value *v)
{
    struct tocsin_value first, text;
    struct tocsin_iter it;

    if (!is_list_of_maps(v))
        return false;
    tocsin_iter_init(&it, v);
    return tocsin_iter_next(&it, NULL, &first) &&
           tocsin_find(first.start, (size_t)(first.end - first.start), "text", &text);
}

static void print_issues(FILE *out, const struct tocsin_value *v)
{
    struct tocsin_value item;
    struct tocsin_iter it;
    struct tocsin_str fix;
    size_t len;

    fprintf(out, "%u\n", v->count);
    tocsin_iter_init(&it, v);
    while (tocsin_iter_next(&it, NULL, &item)) {
        len = (size_t)(item.end - item.start);
        fputs("  - ", out);
        tc_print_str(out, tocsin_find_str(item.start, len, "text"));
        fputc('\n', out);
        fix = tocsin_find_str(item.start, len, "fix");
        if (!fix.ptr || !fix.len)
            continue;
        fputs("    fix: ", out);
        tc_print_str(out, fix);
        fputc('\n', out);
    }
}

/* A field of its own line; times lose the unit in their name. */
static void leaf(struct walk *w, const struct tocsin_value *v)
{
    size_t n = strlen(w->name);
    size_t time = v->type == TOCSIN_UINT ? tc_print_time_name(w->name, n) : 0;

    n = time ? time : n;
    if (!w->out) {
        w->width = n > w->width ? n : w->width;
        return;
    }
    fprintf(w->out, "%-*.*s : ", (int)w->width, (int)n, w->name);
    if (is_list_of_issues(v)) {
        print_issues(w->out, v);
        return;
    }
    if (time)
        tc_print_time(w->out, v->u, TC_TIME_ZONE);
    else
        tc_print_value(w->out, v);
    fputc('\n', w->out);
}

/* Puts ".key" (or "key") behind the name so far; what does not fit is cut. */
static void add_name(struct walk *w, const struct tocsin_value *key)
{
    size_t n = strlen(w->name);
    FILE *out = fmemopen(w->name + n, sizeof(w->name) - n, "w");

    if (!out)
        return;
    if (n)
        fputc('.', out);
    tc_print_value(out, key);
    fclose(out);
    w->name[sizeof(w->name) - 1] = 0;
}

static void walk_map(struct walk *w, const struct tocsin_value *map, unsigned depth)
{
    struct tocsin_value key, item;
    struct tocsin_iter it;
    size_t n = strlen(w->name);

    tocsin_iter_init(&it, map);
    while (tocsin_iter_next(&it, &key, &item)) {
        add_name(w, &key);
        if (item.type == TOCSIN_MAP && item.count && depth < NESTED_MAX)
            walk_map(w, &item, depth + 1);
        else if (!is_list_of_maps(&item) || is_list_of_issues(&item))
            leaf(w, &item);
        w->name[n] = 0;
    }
}

/* Columns as the entries of a list name them. */
struct columns {
    struct tc_column columns[COLUMNS_MAX + 1];
    char fields[COLUMNS_MAX][TITLE_MAX], titles[COLUMNS_MAX][TITLE_MAX];
    size_t count;
};

/* Adds the column of that name, if it is not there yet, and fits. */
static void add_column(struct columns *to, const struct tocsin_value *key)
{
    char *field, *title;
    size_t n = key->len;

    if (key->type != TOCSIN_STR || !n || n >= TITLE_MAX || to->count == COLUMNS_MAX)
        return;
    for (size_t i = 0; i < to->count; i++)
        if (strlen(to->fields[i]) == n && !memcmp(to->fields[i], key->ptr, n))
            return;
    field = to->fields[to->count];
    title = to->titles[to->count];
    memcpy(field, key->ptr, n);
    for (size_t i = 0; i < n; i++)
        title[i] = isgraph((uint8_t)field[i]) ? (char)toupper((uint8_t)field[i]) : '?';
    if (tc_print_time_name(field, n))
        title[tc_print_time_name(field, n)] = 0;
    to->columns[to->count].title = title;
    to->columns[to->count++].field = field;
}

/* A table; its columns stand in the order of their first appearance. */
static void print_list(FILE *out, const struct tocsin_value *items)
{
    struct tocsin_value item, value, key = {.type = TOCSIN_NIL};
    struct tocsin_iter rows, cells;
    struct columns columns;

    memset(&columns, 0, sizeof(columns));
    tocsin_iter_init(&rows, items);
    while (tocsin_iter_next(&rows, NULL, &item)) {
        tocsin_iter_init(&cells, &item);
        while (tocsin_iter_next(&cells, &key, &value))
            add_column(&columns, &key);
    }
    tc_print_table(out, columns.columns, items);
}

/* The arrays of maps, each under its name. */
static void print_lists(struct walk *w, const struct tocsin_value *map, unsigned depth)
{
    struct tocsin_value key, item;
    struct tocsin_iter it;
    size_t n = strlen(w->name);

    tocsin_iter_init(&it, map);
    while (tocsin_iter_next(&it, &key, &item)) {
        add_name(w, &key);
        if (item.type == TOCSIN_MAP && depth < NESTED_MAX) {
            print_lists(w, &item, depth + 1);
        } else if (is_list_of_maps(&item) && !is_list_of_issues(&item)) {
            fprintf(w->out, "\n%s:\n", w->name);
            print_list(w->out, &item);
        }
        w->name[n] = 0;
    }
}

void tc_print_record(FILE *out, const struct tocsin_value *v)
{
    struct walk w = {NULL, 0, ""};

    if (is_list_of_maps(v)) {
        print_list(out, v);
        return;
    }
    if (v->type != TOCSIN_MAP) {
        tc_print_value(out, v);
        fputc('\n', out);
        return;
    }
    walk_map(&w, v, 0);
    w.out = out;
    walk_map(&w, v, 0);
    print_lists(&w, v, 0);
}
