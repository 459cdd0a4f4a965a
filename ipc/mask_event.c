/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: which texts of an event are command lines, and the twin of an event without the
 * secrets in them. */
#include <stdlib.h>
#include <string.h>

#include "ipc/event.h"
#include "ipc/mask.h"

#define KEY_BYTES 256

/* How the value of a key is read. */
enum kind {
    OTHER,
    LINE, /* a command line, or a list of them */
    ARGS, /* a list of arguments, of which one may be the value of the one before */
};

static enum kind kind_of(const struct tocsin_value *key)
{
    static const struct {
        size_t len;
        char name[16];
        enum kind kind;
    } keys[] = {
        {12, "command_line", LINE}, {4, "args", ARGS},    {13, "command_lines", LINE},
        {5, "value", LINE}, /* of what a rule has matched */
        {3, "url", LINE},           {8, "original", LINE}};

    for (size_t i = 0; key->type == TOCSIN_STR && i < sizeof(keys) / sizeof(*keys); i++)
        if (key->len == keys[i].len && !memcmp(key->ptr, keys[i].name, key->len))
            return keys[i].kind;
    return OTHER;
}

static bool is_text(const struct tocsin_value *v)
{
    return v->type == TOCSIN_STR || v->type == TOCSIN_BIN;
}

/* ---- A text ---- */

/* Bytes from `from` to `to` of the text, with those of the spans masked. The length; the
 * writing is done where `out` is not NULL. */
static size_t write_masked(const char *text, size_t from, size_t to,
                           const struct tc_mask_span *spans, size_t count, char *out)
{
    size_t n = 0, at = from;

    for (size_t i = 0; i <= count && at < to; i++) {
        size_t next = i < count && spans[i].at < to ? spans[i].at : to;
        size_t end = i < count ? spans[i].at + spans[i].n : to;

        if (end <= at)
            continue;
        if (next > at) {
            if (out)
                memcpy(out + n, text + at, next - at);
            n += next - at;
        }
        if (next < to) {
            if (out)
                memcpy(out + n, TC_MASK_SHOWN, sizeof(TC_MASK_SHOWN) - 1);
            n += sizeof(TC_MASK_SHOWN) - 1;
        }
        at = end < to ? end : to;
    }
    return n;
}

static int put_masked(struct tocsin_writer *w, const char *key, const char *text,
                      size_t from, size_t to, const struct tc_mask_span *spans,
                      size_t count)
{
    size_t n = write_masked(text, from, to, spans, count, NULL);
    char *out = malloc(n + 1);

    if (!out)
        return -ENOMEM;
    (void)write_masked(text, from, to, spans, count, out);
    tocsin_put_strn(w, key, out, n);
    free(out);
    return 0;
}

/* ---- Arguments ---- */

/* The texts of a list in one, with a NUL behind each. NULL: no memory, or nothing. */
static char *join(const struct tocsin_value *list, size_t *ret_n)
{
    struct tocsin_value item;
    struct tocsin_iter it;
    size_t n = 0;
    char *text;

    tocsin_iter_init(&it, list);
    while (tocsin_iter_next(&it, NULL, &item))
        n += is_text(&item) ? item.len + 1 : 1;
    text = malloc(n + 1);
    if (!text)
        return NULL;
    *ret_n = n;
    n = 0;
    tocsin_iter_init(&it, list);
    while (tocsin_iter_next(&it, NULL, &item)) {
        if (is_text(&item)) {
            memcpy(text + n, item.ptr, item.len);
            n += item.len;
        }
        text[n++] = '\0';
    }
    return text;
}

static int put_args(struct tocsin_writer *w, const char *key,
                    const struct tocsin_value *list)
{
    struct tc_mask_span spans[TC_MASK_SPANS_MAX];
    struct tocsin_value item;
    struct tocsin_iter it;
    size_t n = 0, at = 0, count;
    char *text = join(list, &n);
    int err = 0;

    if (!text)
        return -ENOMEM;
    count = tc_mask_find(text, n, spans);
    tocsin_begin_array(w, key);
    tocsin_iter_init(&it, list);
    while (!err && tocsin_iter_next(&it, NULL, &item)) {
        size_t len = is_text(&item) ? item.len : 0;

        if (is_text(&item))
            err = put_masked(w, NULL, text, at, at + len, spans, count);
        else
            tocsin_put_encoded(w, NULL, item.start, tocsin_value_size(&item));
        at += len + 1;
    }
    tocsin_end(w);
    free(text);
    return err;
}

/* ---- The event ---- */

static bool line_has(const struct tocsin_value *v)
{
    struct tc_mask_span spans[TC_MASK_SPANS_MAX];

    return is_text(v) && tc_mask_find(v->ptr, v->len, spans) > 0;
}

static int args_have(const struct tocsin_value *v)
{
    struct tc_mask_span spans[TC_MASK_SPANS_MAX];
    size_t n = 0;
    char *text = join(v, &n);
    bool has;

    if (!text)
        return -ENOMEM;
    has = tc_mask_find(text, n, spans) > 0;
    free(text);
    return has;
}

/* Whether a value has a secret: 1, 0, or -ENOMEM. Events are not deep. */
static int has_secret(const struct tocsin_value *v, enum kind kind)
{
    struct tocsin_value key, item;
    struct tocsin_iter it;
    int r = 0;

    if (is_text(v))
        return kind == LINE && line_has(v);
    if (v->type != TOCSIN_MAP && v->type != TOCSIN_ARRAY)
        return 0;
    if (kind == ARGS && v->type == TOCSIN_ARRAY)
        return args_have(v);
    tocsin_iter_init(&it, v);
    while (!r && tocsin_iter_next(&it, &key, &item))
        if (v->type == TOCSIN_MAP)
            r = has_secret(&item, kind_of(&key));
        else
            r = has_secret(&item, kind);
    return r;
}

static int put_value(struct tocsin_writer *w, const char *key,
                     const struct tocsin_value *v, enum kind kind);

static int put_entries(struct tocsin_writer *w, const struct tocsin_value *v,
                       enum kind kind)
{
    struct tocsin_value key, item;
    char name[KEY_BYTES] = "";
    struct tocsin_iter it;
    int err = 0;

    tocsin_iter_init(&it, v);
    while (!err && !w->error && tocsin_iter_next(&it, &key, &item)) {
        if (v->type == TOCSIN_ARRAY) {
            err = put_value(w, NULL, &item, kind);
            continue;
        }
        /* A key that is no short text has no place in what is shown. */
        if (key.type != TOCSIN_STR || key.len >= sizeof(name) ||
            memchr(key.ptr, '\0', key.len))
            continue;
        memcpy(name, key.ptr, key.len);
        name[key.len] = '\0';
        err = put_value(w, name, &item, kind_of(&key));
    }
    return err;
}

static int put_value(struct tocsin_writer *w, const char *key,
                     const struct tocsin_value *v, enum kind kind)
{
    struct tc_mask_span spans[TC_MASK_SPANS_MAX];
    size_t count;
    int err;

    if (is_text(v) && kind == LINE) {
        count = tc_mask_find(v->ptr, v->len, spans);
        if (count)
            return put_masked(w, key, v->ptr, 0, v->len, spans, count);
    }
    if (v->type == TOCSIN_ARRAY && kind == ARGS)
        return put_args(w, key, v);
    if (v->type == TOCSIN_MAP || v->type == TOCSIN_ARRAY) {
        if (v->type == TOCSIN_MAP)
            tocsin_begin_map(w, key);
        else
            tocsin_begin_array(w, key);
        err = put_entries(w, v, kind);
        tocsin_end(w);
        return err;
    }
    tocsin_put_encoded(w, key, v->start, tocsin_value_size(v));
    return 0;
}

static struct tc_event *make_twin(struct tc_event *event, const struct tocsin_value *root)
{
    struct tocsin_event draft = event->pub;
    struct tc_event *twin = NULL;
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    if (!put_value(&w, NULL, root, OTHER) && !w.error) {
        draft.fd = -1;
        draft.data = w.buf;
        draft.len = w.len;
        if (tc_event_new(&draft, event->topic, event->pub.source, event->pub.id, &twin))
            twin = NULL;
    }
    tocsin_writer_done(&w);
    return twin;
}

struct tc_event *tc_event_mask(struct tc_event *event)
{
    struct tocsin_value root;
    int has;

    if (event->masked)
        return event->masked;
    has = tocsin_read(event->pub.data, (const uint8_t *)event->pub.data + event->pub.len,
                      &root)
              ? has_secret(&root, OTHER)
              : 0;
    if (has < 0)
        return NULL;
    event->masked = has ? make_twin(event, &root) : event;
    return event->masked;
}

struct tc_event *tc_event_shown(struct tc_event *event)
{
    return event->masked ? event->masked : event;
}
