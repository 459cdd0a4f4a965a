/* SPDX-License-Identifier: Apache-2.0 */
#include "process/edr_copy.h"

#include <stdio.h>

#define MARK_BYTES 48 /* of what follows a text that was cut */

void tc_edr_copy_str(struct tocsin_writer *w, const char *key, struct tocsin_str s,
                     struct tc_edr_copy *copy)
{
    char text[TC_EDR_COPY_TEXT_MAX + MARK_BYTES];
    size_t n = copy->text < TC_EDR_COPY_TEXT_MAX ? copy->text : TC_EDR_COPY_TEXT_MAX;
    int mark;

    if (copy->text == TC_EDR_COPY_ALL || s.len <= n) {
        tocsin_put_strn(w, key, s.ptr, s.len);
        return;
    }
    copy->cut = true;
    /* Never within a character; bytes that are none may go as they come. */
    for (size_t back = 0; back < 3 && n && ((uint8_t)s.ptr[n] & 0xc0) == 0x80; back++)
        n--;
    memcpy(text, s.ptr, n);
    mark = snprintf(text + n, MARK_BYTES, "... (%zu bytes more)", s.len - n);
    tocsin_put_strn(w, key, text, n + (size_t)mark);
}

bool tc_edr_copy_key(const struct tocsin_value *key, char ret[TC_EDR_COPY_KEY_BYTES])
{
    if (key->type != TOCSIN_STR || key->len >= TC_EDR_COPY_KEY_BYTES ||
        memchr(key->ptr, 0, key->len))
        return false;
    memcpy(ret, key->ptr, key->len);
    ret[key->len] = '\0';
    return true;
}

/* Events are no deeper than TOCSIN_EVENT_MAX_DEPTH, and the writer goes no deeper. */
static void copy_entries(struct tocsin_writer *w, const struct tocsin_value *v,
                         struct tc_edr_copy *copy)
{
    char name[TC_EDR_COPY_KEY_BYTES];
    struct tocsin_value key, item;
    struct tocsin_iter it;
    size_t n = 0;

    tocsin_iter_init(&it, v);
    while (!w->error && tocsin_iter_next(&it, &key, &item)) {
        if (n++ == copy->items || (it.map && !tc_edr_copy_key(&key, name))) {
            copy->cut = true;
            if (n > copy->items)
                return;
            continue;
        }
        tc_edr_copy_value(w, it.map ? name : NULL, &item, copy);
    }
}

void tc_edr_copy_value(struct tocsin_writer *w, const char *key,
                       const struct tocsin_value *v, struct tc_edr_copy *copy)
{
    if (v->type == TOCSIN_STR || v->type == TOCSIN_BIN) {
        tc_edr_copy_str(w, key, (struct tocsin_str){v->ptr, v->len}, copy);
    } else if (v->type == TOCSIN_MAP || v->type == TOCSIN_ARRAY) {
        if (v->type == TOCSIN_MAP)
            tocsin_begin_map(w, key);
        else
            tocsin_begin_array(w, key);
        copy_entries(w, v, copy);
        tocsin_end(w);
    } else {
        tocsin_put_encoded(w, key, v->start, tocsin_value_size(v));
    }
}
