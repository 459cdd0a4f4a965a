/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see print.h: single values and tables; record.c prints whole records. */
#include "cli/print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ipc/json.h"
#include "ipc/text.h"
#include "ipc/unpack.h"

#define NS_PER_S 1000000000u
#define NESTED_MAX 4  /* of a value on one line; what is deeper prints as JSON */
#define HASH_SHOWN 12 /* digits of a hash in a list */

size_t tc_print_time_name(const char *name, size_t n)
{
    static const char *const ends[] = {"time_ns",    "seen_ns",  "since_ns",
                                       "at_ns",      "until_ns", "expires_ns",
                                       "@timestamp", "mtime",    "ctime"};
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

size_t tc_print_beginning(FILE *out, struct tocsin_str s, size_t most)
{
    size_t n = s.len;

    if (n > most)
        for (n = most; n > most - 4 && ((uint8_t)s.ptr[n] & 0xc0) == 0x80;)
            n--;
    tc_text_escape(out, s.ptr, n, 0);
    return s.len - n;
}

static void print_nested(FILE *out, const msgpack_object *o, unsigned depth);

static void print_map(FILE *out, const msgpack_object_map *map, unsigned depth)
{
    if (!map->size)
        fputs("none", out);
    for (uint32_t i = 0; i < map->size; i++) {
        if (i)
            fputc(' ', out);
        print_nested(out, &map->ptr[i].key, NESTED_MAX);
        fputc('=', out);
        print_nested(out, &map->ptr[i].val, depth + 1);
    }
}

static void print_array(FILE *out, const msgpack_object_array *array, unsigned depth)
{
    if (!array->size)
        fputs("none", out);
    for (uint32_t i = 0; i < array->size; i++) {
        if (i)
            fputs(", ", out);
        print_nested(out, &array->ptr[i], depth + 1);
    }
}

static void print_nested(FILE *out, const msgpack_object *o, unsigned depth)
{
    struct tocsin_str text = tc_unpack_text(o);

    if (text.ptr)
        tc_text_escape(out, text.ptr, text.len, 0);
    else if (o->type == MSGPACK_OBJECT_NIL)
        fputc('-', out);
    else if (o->type == MSGPACK_OBJECT_MAP && depth < NESTED_MAX)
        print_map(out, &o->via.map, depth);
    else if (o->type == MSGPACK_OBJECT_ARRAY && depth < NESTED_MAX)
        print_array(out, &o->via.array, depth);
    else
        tc_json_write(out, o);
}

void tc_print_value(FILE *out, const msgpack_object *o)
{
    print_nested(out, o, 0);
}

static bool is_hash(const char *field, const msgpack_object *o)
{
    const char *dot = strrchr(field, '.');

    return o->type == MSGPACK_OBJECT_STR && o->via.str.size > HASH_SHOWN &&
           !strcmp(dot ? dot + 1 : field, "sha256");
}

void tc_print_field(FILE *out, const char *field, const msgpack_object *o)
{
    if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
        tc_print_time_name(field, strlen(field)))
        tc_print_time(out, o->via.u64, TC_TIME_DATE);
    else if (is_hash(field, o))
        tc_print_str(out, (struct tocsin_str){o->via.str.ptr, HASH_SHOWN});
    else
        tc_print_value(out, o);
}

/* The text of one cell, for free(); NULL when out of memory. */
static char *cell_text(const struct tc_column *column, const msgpack_object *item)
{
    const msgpack_object *o = tc_unpack_find(item, column->field);
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    if (o)
        tc_print_field(out, column->field, o);
    else
        fputc('-', out);
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

size_t tc_print_columns(void)
{
    const char *text = getenv("COLUMNS");
    long n = text ? strtol(text, NULL, 10) : 0;
    struct winsize size;

    if (n > 0)
        return (size_t)n;
    if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        return size.ws_col;
    return 0;
}

bool tc_print_ascii(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *text = NULL;

    for (size_t i = 0; i < 3 && (!text || !*text); i++)
        text = getenv(names[i]);
    return !text || (!strcasestr(text, "UTF-8") && !strcasestr(text, "utf8"));
}

void tc_print_cut(FILE *out, const char *text, size_t n, size_t columns, bool ascii)
{
    const char *more = ascii ? "..." : "\xe2\x80\xa6";
    size_t more_columns = ascii ? 3 : 1, end = 0, left;

    if (!columns || tc_print_width(text, n) <= columns || columns < more_columns) {
        fwrite(text, 1, n, out);
        return;
    }
    /* To where the next character begins that has no room. */
    for (left = columns - more_columns + 1; end < n; end++)
        if (((uint8_t)text[end] & 0xc0) != 0x80 && !--left)
            break;
    fwrite(text, 1, end, out);
    fputs(more, out);
}

static size_t width_of(const char *text)
{
    return tc_print_width(text, strlen(text));
}

/* Of a path the end tells more. */
static void print_end(FILE *out, const char *text, size_t columns)
{
    const char *more = tc_print_ascii() ? "..." : "\xe2\x80\xa6";
    size_t left = columns - width_of(more);
    const char *at = text + strlen(text);

    while (left && at > text)
        left -= ((uint8_t) * --at & 0xc0) != 0x80;
    fprintf(out, "%s%s", more, at);
}

/* Prints one cell; the last of a line is not padded. */
static void print_cell(FILE *out, const char *text, size_t width, bool last)
{
    size_t n = width_of(text);

    if (n > width && *text == '/')
        print_end(out, text, width);
    else
        tc_print_cut(out, text, strlen(text), width, tc_print_ascii());
    if (last)
        fputc('\n', out);
    else
        fprintf(out, "%*s", (int)(n < width ? width - n : 0) + 2, "");
}

#define COLUMNS_MAX 24
#define CELL_MIN 8 /* columns that a cell keeps */

/* What is typed again, or makes no sense in part: it is not cut. */
static bool is_key(const char *field)
{
    return !strcmp(field, "id") || !strcmp(field, "name") ||
           tc_print_time_name(field, strlen(field));
}

/* Takes from the widest column until all have room in `room`, none below its title. */
static void narrow(const struct tc_column *columns, size_t *widths, size_t count,
                   size_t room)
{
    size_t sum = 2 * (count ? count - 1 : 0), widest;

    for (size_t i = 0; i < count; i++)
        sum += widths[i];
    while (room && sum > room) {
        widest = count;
        for (size_t i = 0; i < count; i++)
            if (!is_key(columns[i].field) && widths[i] > width_of(columns[i].title) &&
                widths[i] > CELL_MIN && (widest == count || widths[i] > widths[widest]))
                widest = i;
        if (widest == count)
            return;
        widths[widest]--;
        sum--;
    }
}

void tc_print_table(FILE *out, const struct tc_column *columns,
                    const msgpack_object *items)
{
    const msgpack_object_array *array = &items->via.array;
    size_t widths[COLUMNS_MAX], count = 0, n;
    uint32_t rows = items->type == MSGPACK_OBJECT_ARRAY ? array->size : 0;
    char *text;

    for (; columns[count].title && count < COLUMNS_MAX; count++)
        widths[count] = width_of(columns[count].title);
    for (uint32_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < count; i++) {
            text = cell_text(&columns[i], &array->ptr[row]);
            n = text ? width_of(text) : 0;
            widths[i] = n > widths[i] ? n : widths[i];
            free(text);
        }
    }
    narrow(columns, widths, count, out == stdout ? tc_print_columns() : 0);
    for (size_t i = 0; i < count; i++)
        print_cell(out, columns[i].title, widths[i], i + 1 == count);
    for (uint32_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < count; i++) {
            text = cell_text(&columns[i], &array->ptr[row]);
            print_cell(out, text ? text : "", widths[i], i + 1 == count);
            free(text);
        }
    }
}
