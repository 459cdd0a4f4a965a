/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see json.h. */
#include "ipc/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <tocsin/event.h>

#include "ipc/text.h"

/* One character outside what may stand as it is: RFC 8259, 7. */
static void escape(FILE *out, uint32_t c)
{
    if (c == '"' || c == '\\')
        fprintf(out, "\\%c", (int)c);
    else if (c == '\n')
        fputs("\\n", out);
    else if (c == '\r')
        fputs("\\r", out);
    else if (c == '\t')
        fputs("\\t", out);
    else if (c < 0x10000)
        fprintf(out, "\\u%04x", c);
    else
        fprintf(out, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
}

void tc_json_string(FILE *out, const char *s, size_t n)
{
    size_t take;
    uint32_t c;

    fputc('"', out);
    for (; n; s += take, n -= take) {
        take = tc_text_next(s, n, &c);
        if (!take) {
            fputs("\\ufffd", out);
            take = 1;
        } else if (tc_text_shows(c) && c != '"' && c != '\\') {
            fwrite(s, 1, take, out);
        } else {
            escape(out, c);
        }
    }
    fputc('"', out);
}

static void put_hex(FILE *out, const char *s, size_t n)
{
    fputc('"', out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%02x", (unsigned)(uint8_t)s[i]);
    fputc('"', out);
}

static void put_bytes(FILE *out, const struct tocsin_value *v)
{
    fputs("{\"$bin\":", out);
    put_hex(out, v->ptr, v->len);
    fputs(",\"$text\":", out);
    tc_json_string(out, v->ptr, v->len);
    fputc('}', out);
}

/* The type stands in the byte before the data (msgpack spec, "ext format family"). */
static void put_ext(FILE *out, const struct tocsin_value *v)
{
    fprintf(out, "{\"$ext\":%d,\"$bin\":", (int)(int8_t)v->ptr[-1]);
    put_hex(out, v->ptr, v->len);
    fputc('}', out);
}

/* The shortest of the usual precisions that reads back as the same number. */
static void put_double(FILE *out, double d)
{
    char text[40];

    if (!isfinite(d)) {
        fputs("null", out);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, d);
        if (!(strtod(text, NULL) < d) && !(strtod(text, NULL) > d))
            break;
    }
    fputs(text, out);
}

static int put_value(FILE *out, const struct tocsin_value *v, unsigned depth);

/* A key that is no string: its JSON text becomes one. Maps and arrays as keys have no
 * use, and would nest beyond what `depth` counts. */
static int put_odd_key(FILE *out, const struct tocsin_value *key)
{
    char *text = NULL;
    int r;

    if (key->type == TOCSIN_MAP || key->type == TOCSIN_ARRAY)
        return -EINVAL;
    r = tc_json_text(key->start, tocsin_value_size(key), &text);
    if (!r)
        tc_json_string(out, text, strlen(text));
    free(text);
    return r;
}

static int put_entries(FILE *out, const struct tocsin_value *v, unsigned depth)
{
    struct tocsin_value key = {.type = TOCSIN_NIL}, item;
    struct tocsin_iter it;
    bool first = true;
    int r = 0;

    if (depth >= TC_JSON_MAX_DEPTH)
        return -ELOOP;
    fputc(v->type == TOCSIN_MAP ? '{' : '[', out);
    tocsin_iter_init(&it, v);
    while (!r && tocsin_iter_next(&it, &key, &item)) {
        if (!first)
            fputc(',', out);
        first = false;
        if (v->type == TOCSIN_MAP) {
            if (key.type == TOCSIN_STR)
                tc_json_string(out, key.ptr, key.len);
            else
                r = put_odd_key(out, &key);
            fputc(':', out);
        }
        if (!r)
            r = put_value(out, &item, depth + 1);
    }
    fputc(v->type == TOCSIN_MAP ? '}' : ']', out);
    return r;
}

static int put_value(FILE *out, const struct tocsin_value *v, unsigned depth)
{
    switch (v->type) {
    case TOCSIN_NIL:
        fputs("null", out);
        return 0;
    case TOCSIN_BOOL:
        fputs(v->b ? "true" : "false", out);
        return 0;
    case TOCSIN_UINT:
        fprintf(out, "%" PRIu64, v->u);
        return 0;
    case TOCSIN_INT:
        fprintf(out, "%" PRId64, v->i);
        return 0;
    case TOCSIN_DOUBLE:
        put_double(out, v->d);
        return 0;
    case TOCSIN_STR:
        if (tocsin_utf8_valid(v->ptr, v->len))
            tc_json_string(out, v->ptr, v->len);
        else
            put_bytes(out, v);
        return 0;
    case TOCSIN_BIN:
        put_bytes(out, v);
        return 0;
    case TOCSIN_EXT:
        put_ext(out, v);
        return 0;
    case TOCSIN_ARRAY:
    case TOCSIN_MAP:
        return put_entries(out, v, depth);
    }
    return -EINVAL;
}

int tc_json_write(FILE *out, const void *data, size_t len)
{
    const uint8_t *start = data, *end = start + len;
    struct tocsin_value v;
    int r;

    if (tocsin_skip(start, end) != end || !tocsin_read(start, end, &v))
        return -EINVAL;
    r = put_value(out, &v, 0);
    if (!r && ferror(out))
        r = -EIO;
    return r;
}

int tc_json_text(const void *data, size_t len, char **ret_text)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out;
    int r;

    out = open_memstream(&text, &n);
    if (!out)
        return -ENOMEM;
    r = tc_json_write(out, data, len);
    if (fclose(out) || r == -EIO)
        r = -ENOMEM;
    if (r)
        free(text);
    else
        *ret_text = text;
    return r;
}
