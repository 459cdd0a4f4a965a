/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see print.h: single values and tables; record.c prints whole records. */
#include "cli/print.h"

#include <inttypes.h>
#include <time.h>

#include "ipc/json.h"
#include "ipc/text.h"

#define NS_PER_S 1000000000u
#define NESTED_MAX 4  /* of a value on one line; what is deeper prints as JSON */
#define HASH_SHOWN 12 /* digits of a hash in a list */

size_t tc_print_time_name(const char *name, size_t n)
{
    static const char *const ends[] = {"time_ns",    "seen_ns", "since_ns", "at_ns",
                                       "@timestamp", "mtime",   "ctime"};
    size_t len;

    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        len = strlen(ends[i]);
        if (n < len || memcmp(name + n - len, ends[i], len) != 0)
            continue;
        if (n == len || name[n - len - 1] == '_' || name[n - len - 1] == '.')
            return memcmp(name + n - 3, "_ns", 3) != 0 ? n : n - 3;
    }
    return 0;
}

void tc_print_time(FILE *out, uint64_t ns, enum tc_time_style style)
{
    time_t seconds = (time_t)(ns / NS_PER_S);
    size_t n = 0;
    char text[64];
    struct tm tm;

    if (localtime_r(&seconds, &tm) && style == TC_TIME_CLOCK)
        n = strftime(text, sizeof(text), "%T", &tm);
    else if (localtime_r(&seconds, &tm) && style == TC_TIME_DATE)
        n = strftime(text, sizeof(text), "%F %T", &tm);
    else if (localtime_r(&seconds, &tm))
        n = strftime(text, sizeof(text), "%F %T %z", &tm);
    if (n)
        fputs(text, out);
    else
        fprintf(out, "%" PRIu64, ns);
}

void tc_print_vsay(FILE *out, const char *format, va_list ap)
{
    char *text = NULL;
    int n;

    n = vasprintf(&text, format, ap);
    if (n < 0)
        return;
    tc_text_escape(out, text, (size_t)n, 0);
    free(text);
}

void tc_print_str(FILE *out, struct tocsin_str s)
{
    if (s.ptr)
        tc_text_escape(out, s.ptr, s.len, 0);
    else
        fputc('-', out);
}

static void print_nested(FILE *out, const struct tocsin_value *v, unsigned depth)
{
    struct tocsin_value key, item;
    struct tocsin_iter it;
    bool first = true;

    if (v->type < TOCSIN_STR && v->type != TOCSIN_NIL) {
        tc_json_write(out, v->start, tocsin_value_size(v));
    } else if (v->type == TOCSIN_NIL) {
        fputc('-', out);
    } else if (v->type == TOCSIN_STR || v->type == TOCSIN_BIN) {
        tc_text_escape(out, v->ptr, v->len, 0);
    } else if (v->type == TOCSIN_EXT || depth == NESTED_MAX) {
        tc_json_write(out, v->start, tocsin_value_size(v));
    } else {
        tocsin_iter_init(&it, v);
        if (!it.left)
            fputs("none", out);
        for (; tocsin_iter_next(&it, &key, &item); first = false) {
            if (!first)
                fputs(v->type == TOCSIN_MAP ? " " : ", ", out);
            if (v->type == TOCSIN_MAP) {
                print_nested(out, &key, NESTED_MAX);
                fputc('=', out);
            }
            print_nested(out, &item, depth + 1);
        }
    }
}

void tc_print_value(FILE *out, const struct tocsin_value *v)
{
    print_nested(out, v, 0);
}

static bool is_hash(const char *field, const struct tocsin_value *v)
{
    const char *dot = strrchr(field, '.');

    return v->type == TOCSIN_STR && v->len > HASH_SHOWN &&
           !strcmp(dot ? dot + 1 : field, "sha256");
}

void tc_print_field(FILE *out, const char *field, const struct tocsin_value *v)
{
    if (v->type == TOCSIN_UINT && tc_print_time_name(field, strlen(field)))
        tc_print_time(out, v->u, TC_TIME_DATE);
    else if (is_hash(field, v))
        tc_print_str(out, (struct tocsin_str){v->ptr, HASH_SHOWN});
    else
        tc_print_value(out, v);
}

/* The text of one cell, for free(); NULL when out of memory. */
static char *cell_text(const struct tc_column *column, const struct tocsin_value *item)
{
    struct tocsin_value v;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    if (!tocsin_find(item->start, (size_t)(item->end - item->start), column->field, &v))
        fputc('-', out);
    else
        tc_print_field(out, column->field, &v);
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}

size_t tc_print_width(const char *text, size_t n)
{
    size_t width = 0;

    /* Bytes of a character behind its first begin with 10. */
    for (size_t i = 0; i < n; i++)
        width += ((uint8_t)text[i] & 0xc0) != 0x80;
    return width;
}

static size_t width_of(const char *text)
{
    return tc_print_width(text, strlen(text));
}

/* Prints one line of the table; the last cell is not padded. */
static void print_cell(FILE *out, const char *text, size_t width, bool last)
{
    fputs(text, out);
    if (last)
        fputc('\n', out);
    else
        fprintf(out, "%*s", (int)(width - width_of(text)) + 2, "");
}

#define COLUMNS_MAX 24

void tc_print_table(FILE *out, const struct tc_column *columns,
                    const struct tocsin_value *items)
{
    size_t widths[COLUMNS_MAX], count = 0, n;
    struct tocsin_value item;
    struct tocsin_iter it;
    char *text;

    for (; columns[count].title && count < COLUMNS_MAX; count++)
        widths[count] = width_of(columns[count].title);
    tocsin_iter_init(&it, items);
    while (tocsin_iter_next(&it, NULL, &item)) {
        for (size_t i = 0; i < count; i++) {
            text = cell_text(&columns[i], &item);
            n = text ? width_of(text) : 0;
            widths[i] = n > widths[i] ? n : widths[i];
            free(text);
        }
    }
    for (size_t i = 0; i < count; i++)
        print_cell(out, columns[i].title, widths[i], i + 1 == count);
    tocsin_iter_init(&it, items);
    while (tocsin_iter_next(&it, NULL, &item)) {
        for (size_t i = 0; i < count; i++) {
            text = cell_text(&columns[i], &item);
            print_cell(out, text ? text : "", widths[i], i + 1 == count);
            free(text);
        }
    }
}
