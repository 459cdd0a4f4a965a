/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fw_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
#define ROOM_FIRST 1024

static bool room(struct tc_fw_text *text, size_t n)
{
    size_t cap = text->cap ? text->cap : ROOM_FIRST;
    char *p;

    if (text->failed)
        return false;
    if (text->cap - text->len > n)
        return true;
    while (cap - text->len <= n && cap < SIZE_MAX / 2)
        cap *= 2;
    p = realloc(text->p, cap);
    if (!p) {
        text->failed = true;
        return false;
    }
    text->p = p;
    text->cap = cap;
    return true;
}

void tc_fw_text_done(struct tc_fw_text *text)
{
    free(text->p);
    *text = (struct tc_fw_text){.p = NULL};
}

void tc_fw_text_cut(struct tc_fw_text *text, size_t len)
{
    if (len >= text->len)
        return;
    text->len = len;
    text->p[len] = '\0';
}

void tc_fw_put(struct tc_fw_text *text, const char *s, size_t n)
{
    if (!room(text, n))
        return;
    if (n)
        memcpy(text->p + text->len, s, n);
    text->len += n;
    text->p[text->len] = '\0';
}

void tc_fw_puts(struct tc_fw_text *text, const char *s)
{
    tc_fw_put(text, s, strlen(s));
}

void tc_fw_putf(struct tc_fw_text *text, const char *format, ...)
{
    char small[512];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n < sizeof(small)) {
        tc_fw_put(text, small, (size_t)n);
        return;
    }
    if (!room(text, (size_t)n + 1))
        return;
    va_start(args, format);
    (void)vsnprintf(text->p + text->len, (size_t)n + 1, format, args);
    va_end(args);
    text->len += (size_t)n;
}

/* ---- JSON ---- */

/* Bytes of the character at s, by its first byte and what follows; 0: none begins here.
 */
static size_t character(const char *s, size_t n)
{
    static const uint8_t more[16] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 3, 4};
    size_t len = more[(uint8_t)*s >> 4];

    return len && len <= n && tocsin_utf8_valid(s, len) ? len : 0;
}

void tc_fw_put_string(struct tc_fw_text *text, const char *s, size_t n)
{
    size_t plain = 0, len;

    tc_fw_put(text, "\"", 1);
    for (size_t i = 0; i < n; i += len) {
        uint8_t c = (uint8_t)s[i];

        len = character(s + i, n - i);
        if (len && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            plain += len;
            continue;
        }
        tc_fw_put(text, s + i - plain, plain);
        plain = 0;
        if (!len)
            tc_fw_puts(text, "\xef\xbf\xbd");
        else if (c == '"' || c == '\\')
            tc_fw_putf(text, "\\%c", c);
        else
            tc_fw_putf(text, "\\u%04x", c);
        len = 1;
    }
    tc_fw_put(text, s + n - plain, plain);
    tc_fw_put(text, "\"", 1);
}

void tc_fw_put_key(struct tc_fw_text *text, const char *key)
{
    if (text->len && text->p[text->len - 1] != '{')
        tc_fw_put(text, ",", 1);
    tc_fw_put_string(text, key, strlen(key));
    tc_fw_put(text, ":", 1);
}

void tc_fw_put_pair(struct tc_fw_text *text, const char *key, const char *value)
{
    tc_fw_put_key(text, key);
    tc_fw_put_string(text, value, strlen(value));
}

void tc_fw_put_time(struct tc_fw_text *text, uint64_t ns)
{
    time_t s = (time_t)(ns / NS_PER_S);
    struct tm tm;

    gmtime_r(&s, &tm);
    tc_fw_putf(text, "%04d-%02d-%02dT%02d:%02d:%02d.%09" PRIu64 "Z", tm.tm_year + 1900,
               tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
               ns % NS_PER_S);
}

static void put_scalar(struct tc_fw_text *text, const struct tocsin_value *v)
{
    switch (v->type) {
    case TOCSIN_BOOL:
        tc_fw_puts(text, v->b ? "true" : "false");
        return;
    case TOCSIN_UINT:
        tc_fw_putf(text, "%" PRIu64, v->u);
        return;
    case TOCSIN_INT:
        tc_fw_putf(text, "%" PRId64, v->i);
        return;
    case TOCSIN_DOUBLE:
        if (isfinite(v->d))
            tc_fw_putf(text, "%.17g", v->d);
        else
            tc_fw_puts(text, "null");
        return;
    case TOCSIN_STR:
    case TOCSIN_BIN:
        tc_fw_put_string(text, v->ptr, v->len);
        return;
    default:
        tc_fw_puts(text, "null");
    }
}

struct level {
    struct tocsin_iter it;
    bool some;
};

static void open_level(struct tc_fw_text *text, struct level *level,
                       const struct tocsin_value *v)
{
    tocsin_iter_init(&level->it, v);
    level->some = false;
    tc_fw_put(text, level->it.map ? "{" : "[", 1);
}

void tc_fw_put_value(struct tc_fw_text *text, const struct tocsin_value *value,
                     bool (*is_time)(const char *key, size_t len))
{
    struct level levels[TOCSIN_EVENT_MAX_DEPTH + 1];
    struct tocsin_value key = {.type = TOCSIN_NIL}, v;
    size_t depth = 0;

    if (value->type != TOCSIN_MAP && value->type != TOCSIN_ARRAY) {
        put_scalar(text, value);
        return;
    }
    open_level(text, &levels[depth++], value);
    while (depth) {
        struct level *level = &levels[depth - 1];

        if (!tocsin_iter_next(&level->it, &key, &v)) {
            tc_fw_put(text, level->it.map ? "}" : "]", 1);
            depth--;
            continue;
        }
        if (level->some)
            tc_fw_put(text, ",", 1);
        level->some = true;
        if (level->it.map) {
            bool text_key = key.type == TOCSIN_STR || key.type == TOCSIN_BIN;

            tc_fw_put_string(text, text_key ? key.ptr : "", text_key ? key.len : 0);
            tc_fw_put(text, ":", 1);
            if (v.type == TOCSIN_UINT && text_key && is_time &&
                is_time(key.ptr, key.len)) {
                tc_fw_put(text, "\"", 1);
                tc_fw_put_time(text, v.u);
                tc_fw_put(text, "\"", 1);
                continue;
            }
        }
        if ((v.type == TOCSIN_MAP || v.type == TOCSIN_ARRAY) &&
            depth < sizeof(levels) / sizeof(levels[0]))
            open_level(text, &levels[depth++], &v);
        else
            put_scalar(text, &v);
    }
}
