/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see jsonpack.h. */
#include "cli/jsonpack.h"

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* {"$bin": "6869", "$text": "hi"}: bytes that are no UTF-8. False: it is none of these.
 */
static bool put_bytes(struct tocsin_writer *w, const char *key, json_object *object)
{
    json_object *hex;
    const char *text;
    uint8_t *bytes;
    size_t len;

    if (!json_object_object_get_ex(object, "$bin", &hex) ||
        !json_object_is_type(hex, json_type_string))
        return false;
    text = json_object_get_string(hex);
    len = (size_t)json_object_get_string_len(hex) / 2;
    bytes = malloc(len + 1);
    if (!bytes) {
        w->error = w->error ? w->error : -ENOMEM;
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            free(bytes);
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    tocsin_put_bin(w, key, bytes, len);
    free(bytes);
    return true;
}

static void put(struct tocsin_writer *w, const char *key, json_object *value);

static void put_object(struct tocsin_writer *w, const char *key, json_object *object)
{
    struct json_object_iterator at = json_object_iter_begin(object);
    struct json_object_iterator end = json_object_iter_end(object);

    if (w->depth && put_bytes(w, key, object))
        return;
    tocsin_begin_map(w, key);
    for (; !w->error && !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
        put(w, json_object_iter_peek_name(&at), json_object_iter_peek_value(&at));
    tocsin_end(w);
}

/* A writer that is full of errors takes no more: it ends at the depth of an event. */
static void put(struct tocsin_writer *w, const char *key, json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        tocsin_put_nil(w, key);
        break;
    case json_type_boolean:
        tocsin_put_bool(w, key, json_object_get_boolean(value));
        break;
    case json_type_double:
        tocsin_put_double(w, key, json_object_get_double(value));
        break;
    case json_type_int:
        if (json_object_get_int64(value) < 0)
            tocsin_put_int(w, key, json_object_get_int64(value));
        else
            tocsin_put_uint(w, key, json_object_get_uint64(value));
        break;
    case json_type_string:
        tocsin_put_strn(w, key, json_object_get_string(value),
                        (size_t)json_object_get_string_len(value));
        break;
    case json_type_array:
        tocsin_begin_array(w, key);
        for (size_t i = 0; !w->error && i < json_object_array_length(value); i++)
            put(w, NULL, json_object_array_get_idx(value, i));
        tocsin_end(w);
        break;
    case json_type_object:
        put_object(w, key, value);
        break;
    }
}

void tc_json_pack(struct tocsin_writer *w, json_object *object)
{
    if (json_object_is_type(object, json_type_object))
        put(w, NULL, object);
    else
        w->error = w->error ? w->error : -EINVAL;
}
