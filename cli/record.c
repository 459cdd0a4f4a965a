/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see print.h: a map as `name : value` lines, and what does not fit a line below.
 */
#include <ctype.h>

#include "cli/print.h"
#include "ipc/text.h"

#define NAME_MAX_BYTES 256
#define NESTED_MAX 12    /* maps within maps; deeper ones print on one line */
#define COLUMNS_MAX 16   /* of a table whose columns its entries name */
#define LINE_WIDTH 120   /* of what is laid out here; a single value may be longer */
#define GROUP_WIDTH 80   /* of a map that stands on one line of a section */
#define SECTION_INDENT 2 /* of its lines, from the heading */
#define TITLE_MAX 48

/* One walk over a record: the first measures the names, the second prints. */
struct walk {
    FILE *out; /* NULL: measure */
    size_t width;
    int indent;        /* of its lines; 0: it is no section */
    const char *label; /* the field that gets no line of its own, or NULL */
    const struct tocsin_value *marked; /* names, dotted, of fields that are marked with
                                          the label; NULL: none */
    char name[NAME_MAX_BYTES];         /* dotted, of the map that is walked; escaped */
};

static void print_list(FILE *out, const char *name, const struct tocsin_value *items,
                       int indent);

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

/* Whether a map or array has one in it. */
static bool is_nested(const struct tocsin_value *v)
{
    struct tocsin_value item;
    struct tocsin_iter it;

    tocsin_iter_init(&it, v);
    while (tocsin_iter_next(&it, NULL, &item))
        if ((item.type == TOCSIN_MAP || item.type == TOCSIN_ARRAY) && item.count)
            return true;
    return false;
}

/* The value on one line, for free(); NULL when out of memory. */
static char *text_of(const struct tocsin_value *v)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    tc_print_value(out, v);
    if (!fclose(out))
        return text;
    free(text);
    return NULL;
}

static size_t width_of(const struct tocsin_value *v)
{
    char *text = text_of(v);
    size_t width = text ? tc_print_width(text, strlen(text)) : 0;

    free(text);
    return width;
}

/* ---- lines ---- */

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

/* The entries of an array with commas between, from column `from` on as many lines as it
 * takes. */
static void print_entries(FILE *out, const struct tocsin_value *v, size_t from)
{
    struct tocsin_value item;
    struct tocsin_iter it;
    size_t column = from, n;

    tocsin_iter_init(&it, v);
    while (tocsin_iter_next(&it, NULL, &item)) {
        n = width_of(&item) + strlen(", ");
        if (column > from && column + n > LINE_WIDTH) {
            fprintf(out, "\n%*s", (int)from, "");
            column = from;
        } else if (column > from) {
            fputc(' ', out);
        }
        tc_print_value(out, &item);
        fputs(it.left ? "," : "", out);
        column += n;
    }
}

static bool is_marked(const struct walk *w)
{
    struct tocsin_value name;
    struct tocsin_iter it;

    if (!w->marked)
        return false;
    tocsin_iter_init(&it, w->marked);
    while (tocsin_iter_next(&it, NULL, &name))
        if (name.type == TOCSIN_STR && name.len == strlen(w->name) &&
            !memcmp(name.ptr, w->name, name.len))
            return true;
    return false;
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
    fprintf(w->out, "%*s%-*.*s : ", w->indent, "", (int)w->width, (int)n, w->name);
    if (is_list_of_issues(v)) {
        print_issues(w->out, v);
        return;
    }
    if (time)
        tc_print_time(w->out, v->u, TC_TIME_ZONE);
    else if (v->type == TOCSIN_ARRAY && v->count)
        print_entries(w->out, v, (size_t)w->indent + w->width + 3);
    else if (w->indent)
        tc_print_field(w->out, w->name, v);
    else
        tc_print_value(w->out, v);
    if (is_marked(w))
        fprintf(w->out, " [%s]", w->label);
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

/* Whether a map's fields get lines of their own; in a section, a small one has one line
 * for all, so that an entry of a list does not fill the screen. */
static bool is_opened(const struct walk *w, const struct tocsin_value *v, unsigned depth)
{
    if (v->type != TOCSIN_MAP || !v->count || depth >= NESTED_MAX)
        return false;
    return !w->indent || is_nested(v) || width_of(v) > GROUP_WIDTH;
}

static void walk_map(struct walk *w, const struct tocsin_value *map, unsigned depth)
{
    struct tocsin_value key, item;
    struct tocsin_iter it;
    size_t n = strlen(w->name);

    tocsin_iter_init(&it, map);
    while (tocsin_iter_next(&it, &key, &item)) {
        add_name(w, &key);
        if (is_opened(w, &item, depth))
            walk_map(w, &item, depth + 1);
        else if ((!is_list_of_maps(&item) || is_list_of_issues(&item)) &&
                 (!w->label || strcmp(w->name, w->label) != 0))
            leaf(w, &item);
        w->name[n] = 0;
    }
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
        if (item.type == TOCSIN_MAP && depth < NESTED_MAX)
            print_lists(w, &item, depth + 1);
        else if (is_list_of_maps(&item) && !is_list_of_issues(&item))
            print_list(w->out, w->name, &item, w->indent);
        w->name[n] = 0;
    }
}

static void print_walk(FILE *out, struct walk *w, const struct tocsin_value *map)
{
    walk_map(w, map, 0);
    w->out = out;
    walk_map(w, map, 0);
    print_lists(w, map, 0);
}

static void print_map(FILE *out, const struct tocsin_value *map, int indent,
                      const char *label)
{
    struct walk w = {.indent = indent, .label = label};

    print_walk(out, &w, map);
}

/* ---- tables ---- */

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
static void print_table(FILE *out, const struct tocsin_value *items)
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

/* The table's text, for free(); NULL when it is too wide, or its cells are no single
 * values. */
static char *table_of(const struct tocsin_value *items)
{
    struct tocsin_value item;
    struct tocsin_iter it;
    char *text = NULL;
    size_t n = 0, line;
    FILE *out;

    tocsin_iter_init(&it, items);
    while (tocsin_iter_next(&it, NULL, &item))
        if (item.type == TOCSIN_MAP && is_nested(&item))
            return NULL;
    out = open_memstream(&text, &n);
    if (!out)
        return NULL;
    print_table(out, items);
    if (fclose(out))
        goto useless;
    for (const char *at = text; *at; at += line + 1) {
        line = strcspn(at, "\n");
        if (tc_print_width(at, line) > LINE_WIDTH)
            goto useless;
    }
    return text;

useless:
    free(text);
    return NULL;
}

/* ---- sections ---- */

/* "plugin es:", of the list's name and the field that names the entry, which is returned;
 * NULL: none does, and the entry's number stands there. */
static const char *print_heading(FILE *out, const char *list,
                                 const struct tocsin_value *item, unsigned number)
{
    static const char *const labels[] = {"name", "id"};
    size_t n = strlen(list);
    struct tocsin_value v;

    fprintf(out, "%.*s%s", (int)(n && list[n - 1] == 's' ? n - 1 : n), list,
            n ? " " : "");
    for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
        if (!tocsin_find(item->start, (size_t)(item->end - item->start), labels[i], &v))
            continue;
        tc_print_value(out, &v);
        fputs(":\n", out);
        return labels[i];
    }
    fprintf(out, "%u:\n", number);
    return NULL;
}

static void print_sections(FILE *out, const char *name, const struct tocsin_value *items,
                           int indent)
{
    struct tocsin_value item;
    struct tocsin_iter it;
    const char *label;
    unsigned number = 0;

    tocsin_iter_init(&it, items);
    while (tocsin_iter_next(&it, NULL, &item)) {
        fputs(number && !indent ? "\n" : "", out);
        fprintf(out, "%*s", indent, "");
        label = print_heading(out, name, &item, ++number);
        if (item.type == TOCSIN_MAP)
            print_map(out, &item, indent + SECTION_INDENT, label);
    }
}

/* What stands in a section has no blank lines and no tables. */
static void print_list(FILE *out, const char *name, const struct tocsin_value *items,
                       int indent)
{
    char *table = indent ? NULL : table_of(items);

    if (!indent)
        fputc('\n', out);
    if (table)
        fprintf(out, "%s:\n%s", name, table);
    else
        print_sections(out, name, items, indent);
    free(table);
}

void tc_print_record(FILE *out, const char *name, const struct tocsin_value *v)
{
    char *table;

    if (v->type == TOCSIN_MAP) {
        print_map(out, v, 0, NULL);
    } else if (is_list_of_maps(v)) {
        table = table_of(v);
        if (table)
            fputs(table, out);
        else
            print_sections(out, name ? name : "", v, 0);
        free(table);
    } else {
        tc_print_value(out, v);
        fputc('\n', out);
    }
}

void tc_print_marked_record(FILE *out, const char *set, const struct tocsin_value *map)
{
    struct walk w = {.label = set};
    struct tocsin_value names;

    if (tocsin_find(map->start, tocsin_value_size(map), set, &names) &&
        names.type == TOCSIN_ARRAY)
        w.marked = &names;
    print_walk(out, &w, map);
}
