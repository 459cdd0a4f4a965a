/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the reader of tocsin/event.h on bytes that nobody has checked, and the writer on
 * what the reader made of them: a value that is read, written and read again is the same.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <tocsin/event.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void insist(bool condition)
{
    if (!condition)
        abort();
}

static void copy(struct tocsin_writer *w, const char *key, const struct tocsin_value *v);

/* Copies the entries that can be written: of a map those with a short string for a key.
 */
static void copy_entries(struct tocsin_writer *w, const struct tocsin_value *v)
{
    struct tocsin_value key, value;
    struct tocsin_iter it;
    char name[64];

    tocsin_iter_init(&it, v);
    while (w->depth < TOCSIN_EVENT_MAX_DEPTH && tocsin_iter_next(&it, &key, &value)) {
        if (!it.map) {
            copy(w, NULL, &value);
            continue;
        }
        if (key.type != TOCSIN_STR || key.len >= sizeof(name))
            continue;
        memcpy(name, key.ptr, key.len);
        name[key.len] = '\0';
        copy(w, name, &value);
    }
}

static void copy(struct tocsin_writer *w, const char *key, const struct tocsin_value *v)
{
    switch (v->type) {
    case TOCSIN_NIL:
        tocsin_put_nil(w, key);
        break;
    case TOCSIN_BOOL:
        tocsin_put_bool(w, key, v->b);
        break;
    case TOCSIN_UINT:
        tocsin_put_uint(w, key, v->u);
        break;
    case TOCSIN_INT:
        tocsin_put_int(w, key, v->i);
        break;
    case TOCSIN_DOUBLE:
        tocsin_put_double(w, key, v->d);
        break;
    case TOCSIN_STR:
        tocsin_put_strn(w, key, v->ptr, v->len);
        break;
    case TOCSIN_BIN:
        tocsin_put_bin(w, key, v->ptr, v->len);
        break;
    case TOCSIN_EXT:
        if (tocsin_value_size(v))
            tocsin_put_encoded(w, key, v->start, tocsin_value_size(v));
        break;
    case TOCSIN_ARRAY:
        tocsin_begin_array(w, key);
        copy_entries(w, v);
        tocsin_end(w);
        break;
    case TOCSIN_MAP:
        tocsin_begin_map(w, key);
        copy_entries(w, v);
        tocsin_end(w);
        break;
    }
}

static void find(const void *data, size_t len)
{
    static const char *const paths[] = {"",      "a", "a.b", "file.path", "process.pid",
                                        "a.b.c", "."};
    struct tocsin_str s;

    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        s = tocsin_find_str(data, len, paths[i]);
        insist(!s.ptr || s.len <= len);
        if (s.ptr)
            tocsin_utf8_valid(s.ptr, s.len);
        tocsin_find_int(data, len, paths[i], 0);
        tocsin_find_bool(data, len, paths[i], false);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tocsin_writer first, second;
    struct tocsin_value v;

    find(data, len);
    if (!len || !tocsin_read(data, data + len, &v) || v.type != TOCSIN_MAP)
        return 0;
    tocsin_writer_init_growing(&first);
    tocsin_writer_init_growing(&second);
    copy(&first, NULL, &v);
    if (!first.error) {
        insist(tocsin_skip(first.buf, first.buf + first.len) == first.buf + first.len);
        insist(tocsin_read(first.buf, first.buf + first.len, &v) != NULL);
        copy(&second, NULL, &v);
        insist(!second.error && first.len == second.len);
        insist(!memcmp(first.buf, second.buf, first.len));
    }
    tocsin_writer_done(&first);
    tocsin_writer_done(&second);
    return 0;
}
