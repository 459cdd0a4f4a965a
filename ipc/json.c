/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see json.h. */
#include "ipc/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include "ipc/text.h"
#include "ipc/unpack.h"

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

static void put_bytes(FILE *out, struct tocsin_str bytes)
{
    fputs("{\"$bin\":", out);
    put_hex(out, bytes.ptr, bytes.len);
    fputs(",\"$text\":", out);
    tc_json_string(out, bytes.ptr, bytes.len);
    fputc('}', out);
}

static void put_ext(FILE *out, const msgpack_object_ext *ext)
{
    fprintf(out, "{\"$ext\":%d,\"$bin\":", ext->type);
    put_hex(out, ext->ptr, ext->size);
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

/* A key that is no string: its JSON text becomes one. Maps and arrays as keys have no
 * use. */
static int put_odd_key(FILE *out, const msgpack_object *key)
{
    char *text = NULL;
    int r;

    if (key->type == MSGPACK_OBJECT_MAP || key->type == MSGPACK_OBJECT_ARRAY)
        return -EINVAL;
    r = tc_json_text(key, &text);
    if (!r)
        tc_json_string(out, text, strlen(text));
    free(text);
    return r;
}

static int put_value(FILE *out, const msgpack_object *o);

static int put_array(FILE *out, const msgpack_object_array *array)
{
    int r = 0;

    fputc('[', out);
    for (uint32_t i = 0; !r && i < array->size; i++) {
        if (i)
            fputc(',', out);
        r = put_value(out, &array->ptr[i]);
    }
    fputc(']', out);
    return r;
}

static int put_map(FILE *out, const msgpack_object_map *map)
{
    const msgpack_object *key;
    int r = 0;

    fputc('{', out);
    for (uint32_t i = 0; !r && i < map->size; i++) {
        key = &map->ptr[i].key;
        if (i)
            fputc(',', out);
        if (key->type == MSGPACK_OBJECT_STR)
            tc_json_string(out, key->via.str.ptr, key->via.str.size);
        else
            r = put_odd_key(out, key);
        fputc(':', out);
        if (!r)
            r = put_value(out, &map->ptr[i].val);
    }
    fputc('}', out);
    return r;
}

/* Recursion is bounded by msgpack-c, which reads nothing deeper than 32. */
static int put_value(FILE *out, const msgpack_object *o)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL:
        fputs("null", out);
        return 0;
    case MSGPACK_OBJECT_BOOLEAN:
        fputs(o->via.boolean ? "true" : "false", out);
        return 0;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        fprintf(out, "%" PRIu64, o->via.u64);
        return 0;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        fprintf(out, "%" PRId64, o->via.i64);
        return 0;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        put_double(out, o->via.f64);
        return 0;
    case MSGPACK_OBJECT_STR:
        if (tocsin_utf8_valid(o->via.str.ptr, o->via.str.size))
            tc_json_string(out, o->via.str.ptr, o->via.str.size);
        else
            put_bytes(out, tc_unpack_text(o));
        return 0;
    case MSGPACK_OBJECT_BIN:
        put_bytes(out, tc_unpack_text(o));
        return 0;
    case MSGPACK_OBJECT_EXT:
        put_ext(out, &o->via.ext);
        return 0;
    case MSGPACK_OBJECT_ARRAY:
        return put_array(out, &o->via.array);
    case MSGPACK_OBJECT_MAP:
        return put_map(out, &o->via.map);
    }
    return -EINVAL;
}

int tc_json_write(FILE *out, const msgpack_object *o)
{
    int r = put_value(out, o);

    if (!r && ferror(out))
        r = -EIO;
    return r;
}

int tc_json_text(const msgpack_object *o, char **ret_text)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out;
    int r;

    out = open_memstream(&text, &n);
    if (!out)
        return -ENOMEM;
    r = tc_json_write(out, o);
    if (fclose(out) || r == -EIO)
        r = -ENOMEM;
    if (r)
        free(text);
    else
        *ret_text = text;
    return r;
}
