/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see print.h: a map as `name : value` lines, and what does not fit a line below.
 */
#include <ctype.h>

#include "cli/print.h"
#include "ipc/text.h"
#include "ipc/unpack.h"

#define NAME_MAX_BYTES 256
#define NESTED_MAX 12    /* maps within maps; deeper ones print on one line */
#define COLUMNS_MAX 16   /* of a table whose columns its entries name */
#define LINE_WIDTH 120   /* where no terminal says; a single value may be longer */
#define GROUP_WIDTH 80   /* of a map that stands on one line of a section */
#define SECTION_INDENT 2 /* of its lines, from the heading */
#define TITLE_MAX 48

/* One walk over a record: the first measures the names, the second prints. */
struct walk {
    FILE *out; /* NULL: measure */
    size_t width;
    int indent;                   /* of its lines; 0: it is no section */
    const char *label;            /* the field that gets no line of its own, or NULL */
    const msgpack_object *marked; /* names, dotted, of fields that are marked with the
                                     label; NULL: none */
    char name[NAME_MAX_BYTES];    /* dotted, of the map that is walked; escaped */
};

static void print_list(FILE *out, const char *name, const msgpack_object *items,
                       int indent);

static size_t line_width(void)
{
    size_t n = tc_print_columns();

    return n ? n : LINE_WIDTH;
}

static bool is_list_of_maps(const msgpack_object *o)
{
    return o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size &&
           o->via.array.ptr->type == MSGPACK_OBJECT_MAP;
}

static bool is_list_of_issues(const msgpack_object *o)
{
    return is_list_of_maps(o) && tc_unpack_find(o->via.array.ptr, "text");
}

static bool is_filled(const msgpack_object *o)
{
    return (o->type == MSGPACK_OBJECT_MAP && o->via.map.size) ||
           (o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size);
}

/* Whether a map has a map or array in it. */
static bool is_nested(const msgpack_object_map *map)
{
    for (uint32_t i = 0; i < map->size; i++)
        if (is_filled(&map->ptr[i].val))
            return true;
    return false;
}

/* The value on one line, for free(); NULL when out of memory. */
static char *text_of(const msgpack_object *o)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    tc_print_value(out, o);
    if (!fclose(out))
        return text;
    free(text);
    return NULL;
}

static size_t width_of(const msgpack_object *o)
{
    char *text = text_of(o);
    size_t width = text ? tc_print_width(text, strlen(text)) : 0;

    free(text);
    return width;
}

/* ---- lines ---- */

static void print_issues(FILE *out, const msgpack_object_array *issues)
{
    struct tocsin_str fix;

    fprintf(out, "%u\n", issues->size);
    for (uint32_t i = 0; i < issues->size; i++) {
        fputs("  - ", out);
        tc_print_str(out, tc_unpack_str(&issues->ptr[i], "text"));
        fputc('\n', out);
        fix = tc_unpack_str(&issues->ptr[i], "fix");
        if (!fix.len)
            continue;
        fputs("    fix: ", out);
        tc_print_str(out, fix);
        fputc('\n', out);
    }
}

/* The entries of an array with commas between, from column `from` on as many lines as it
 * takes. */
static void print_entries(FILE *out, const msgpack_object_array *array, size_t from)
{
    size_t column = from, n;

    for (uint32_t i = 0; i < array->size; i++) {
        n = width_of(&array->ptr[i]) + strlen(", ");
        if (column > from && column + n > line_width()) {
            fprintf(out, "\n%*s", (int)from, "");
            column = from;
        } else if (column > from) {
            fputc(' ', out);
        }
        tc_print_value(out, &array->ptr[i]);
        fputs(i + 1 < array->size ? "," : "", out);
        column += n;
    }
}

static bool is_marked(const struct walk *w)
{
    const msgpack_object_array *names;

    if (!w->marked)
        return false;
    names = &w->marked->via.array;
    for (uint32_t i = 0; i < names->size; i++)
        if (tc_unpack_is(&names->ptr[i], w->name))
            return true;
    return false;
}

/* A field of its own line; times lose the unit in their name. */
static void leaf(struct walk *w, const msgpack_object *o)
{
    size_t n = strlen(w->name);
    size_t time =
        o->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? tc_print_time_name(w->name, n) : 0;

    n = time ? time : n;
    if (!w->out) {
        w->width = n > w->width ? n : w->width;
        return;
    }
    fprintf(w->out, "%*s%-*.*s : ", w->indent, "", (int)w->width, (int)n, w->name);
    if (is_list_of_issues(o)) {
        print_issues(w->out, &o->via.array);
        return;
    }
    if (time)
        tc_print_time(w->out, o->via.u64, TC_TIME_ZONE);
    else if (o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size)
        print_entries(w->out, &o->via.array, (size_t)w->indent + w->width + 3);
    else if (w->indent)
        tc_print_field(w->out, w->name, o);
    else
        tc_print_value(w->out, o);
    if (is_marked(w))
        fprintf(w->out, " [%s]", w->label);
    fputc('\n', w->out);
}

/* Puts ".key" (or "key") behind the name so far; what does not fit is cut. */
static void add_name(struct walk *w, const msgpack_object *key)
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
static bool is_opened(const struct walk *w, const msgpack_object *o, unsigned depth)
{
    if (o->type != MSGPACK_OBJECT_MAP || !o->via.map.size || depth >= NESTED_MAX)
        return false;
    return !w->indent || is_nested(&o->via.map) || width_of(o) > GROUP_WIDTH;
}

static void walk_map(struct walk *w, const msgpack_object_map *map, unsigned depth)
{
    const msgpack_object *item;
    size_t n = strlen(w->name);

    for (uint32_t i = 0; i < map->size; i++) {
        item = &map->ptr[i].val;
        add_name(w, &map->ptr[i].key);
        if (is_opened(w, item, depth))
            walk_map(w, &item->via.map, depth + 1);
        else if ((!is_list_of_maps(item) || is_list_of_issues(item)) &&
                 (!w->label || strcmp(w->name, w->label) != 0))
            leaf(w, item);
        w->name[n] = 0;
    }
}

/* The arrays of maps, each under its name. */
static void print_lists(struct walk *w, const msgpack_object_map *map, unsigned depth)
{
    const msgpack_object *item;
    size_t n = strlen(w->name);

    for (uint32_t i = 0; i < map->size; i++) {
        item = &map->ptr[i].val;
        add_name(w, &map->ptr[i].key);
        if (item->type == MSGPACK_OBJECT_MAP && depth < NESTED_MAX)
            print_lists(w, &item->via.map, depth + 1);
        else if (is_list_of_maps(item) && !is_list_of_issues(item))
            print_list(w->out, w->name, item, w->indent);
        w->name[n] = 0;
    }
}

static void print_walk(FILE *out, struct walk *w, const msgpack_object_map *map)
{
    walk_map(w, map, 0);
    w->out = out;
    walk_map(w, map, 0);
    print_lists(w, map, 0);
}

static void print_map(FILE *out, const msgpack_object_map *map, int indent,
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
static void add_column(struct columns *to, const msgpack_object *key)
{
    char *field, *title;
    size_t n = key->via.str.size;

    if (key->type != MSGPACK_OBJECT_STR || !n || n >= TITLE_MAX ||
        to->count == COLUMNS_MAX)
        return;
    for (size_t i = 0; i < to->count; i++)
        if (tc_unpack_is(key, to->fields[i]))
            return;
    field = to->fields[to->count];
    title = to->titles[to->count];
    memcpy(field, key->via.str.ptr, n);
    for (size_t i = 0; i < n; i++)
        title[i] = isgraph((uint8_t)field[i]) ? (char)toupper((uint8_t)field[i]) : '?';
    if (tc_print_time_name(field, n))
        title[tc_print_time_name(field, n)] = 0;
    to->columns[to->count].title = title;
    to->columns[to->count++].field = field;
}

/* A table; its columns stand in the order of their first appearance. */
static void print_table(FILE *out, const msgpack_object *items)
{
    const msgpack_object *item = items->via.array.ptr;
    struct columns columns;

    memset(&columns, 0, sizeof(columns));
    for (uint32_t row = 0; row < items->via.array.size; row++, item++)
        for (uint32_t i = 0; item->type == MSGPACK_OBJECT_MAP && i < item->via.map.size;
             i++)
            add_column(&columns, &item->via.map.ptr[i].key);
    tc_print_table(out, columns.columns, items);
}

/* The table's text, for free(); NULL when it is too wide, or its cells are no single
 * values. */
static char *table_of(const msgpack_object *items)
{
    const msgpack_object *item = items->via.array.ptr;
    char *text = NULL;
    size_t n = 0, line;
    FILE *out;

    for (uint32_t i = 0; i < items->via.array.size; i++, item++)
        if (item->type == MSGPACK_OBJECT_MAP && is_nested(&item->via.map))
            return NULL;
    out = open_memstream(&text, &n);
    if (!out)
        return NULL;
    print_table(out, items);
    if (fclose(out))
        goto useless;
    for (const char *at = text; *at; at += line + 1) {
        line = strcspn(at, "\n");
        if (tc_print_width(at, line) > line_width())
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
static const char *print_heading(FILE *out, const char *list, const msgpack_object *item,
                                 unsigned number)
{
    static const char *const labels[] = {"name", "id"};
    const msgpack_object *label;
    size_t n = strlen(list);

    fprintf(out, "%.*s%s", (int)(n && list[n - 1] == 's' ? n - 1 : n), list,
            n ? " " : "");
    for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
        label = tc_unpack_find(item, labels[i]);
        if (!label)
            continue;
        tc_print_value(out, label);
        fputs(":\n", out);
        return labels[i];
    }
    fprintf(out, "%u:\n", number);
    return NULL;
}

static void print_sections(FILE *out, const char *name, const msgpack_object *items,
                           int indent)
{
    const msgpack_object *item = items->via.array.ptr;
    const char *label;

    for (uint32_t i = 0; i < items->via.array.size; i++, item++) {
        fputs(i && !indent ? "\n" : "", out);
        fprintf(out, "%*s", indent, "");
        label = print_heading(out, name, item, i + 1);
        if (item->type == MSGPACK_OBJECT_MAP)
            print_map(out, &item->via.map, indent + SECTION_INDENT, label);
    }
}

/* What stands in a section has no blank lines and no tables. */
static void print_list(FILE *out, const char *name, const msgpack_object *items,
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

void tc_print_record(FILE *out, const char *name, const msgpack_object *o)
{
    char *table;

    if (o->type == MSGPACK_OBJECT_MAP) {
        print_map(out, &o->via.map, 0, NULL);
    } else if (is_list_of_maps(o)) {
        table = table_of(o);
        if (table)
            fputs(table, out);
        else
            print_sections(out, name ? name : "", o, 0);
        free(table);
    } else {
        tc_print_value(out, o);
        fputc('\n', out);
    }
}

void tc_print_marked_record(FILE *out, const char *set, const msgpack_object *map)
{
    struct walk w = {.label = set, .marked = tc_unpack_array(map, set)};

    if (map->type == MSGPACK_OBJECT_MAP)
        print_walk(out, &w, &map->via.map);
}
