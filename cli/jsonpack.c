/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see jsonpack.h. */
#include "cli/jsonpack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* {"$bin": "6869", "$text": "hi"}: bytes that are no UTF-8. False: it is none of these.
 */
static bool put_bytes(struct tc_pack *p, const char *key, json_object *object)
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
        p->error = p->error ? p->error : -ENOMEM;
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
    tc_pack_bin(p, key, bytes, len);
    free(bytes);
    return true;
}

static void put(struct tc_pack *p, const char *key, json_object *value);

static void put_object(struct tc_pack *p, const char *key, json_object *object)
{
    struct json_object_iterator at = json_object_iter_begin(object);
    struct json_object_iterator end = json_object_iter_end(object);

    if (p->depth && put_bytes(p, key, object))
        return;
    tc_pack_begin_map(p, key);
    for (; !p->error && !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
        put(p, json_object_iter_peek_name(&at), json_object_iter_peek_value(&at));
    tc_pack_end(p);
}

/* What has failed takes no more: it ends at the depth of an event. */
static void put(struct tc_pack *p, const char *key, json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        tc_pack_nil(p, key);
        break;
    case json_type_boolean:
        tc_pack_bool(p, key, json_object_get_boolean(value));
        break;
    case json_type_double:
        tc_pack_double(p, key, json_object_get_double(value));
        break;
    case json_type_int:
        if (json_object_get_int64(value) < 0)
            tc_pack_int(p, key, json_object_get_int64(value));
        else
            tc_pack_uint(p, key, json_object_get_uint64(value));
        break;
    case json_type_string:
        tc_pack_strn(p, key, json_object_get_string(value),
                     (size_t)json_object_get_string_len(value));
        break;
    case json_type_array:
        tc_pack_begin_array(p, key);
        for (size_t i = 0; !p->error && i < json_object_array_length(value); i++)
            put(p, NULL, json_object_array_get_idx(value, i));
        tc_pack_end(p);
        break;
    case json_type_object:
        put_object(p, key, value);
        break;
    }
}

void tc_json_pack(struct tc_pack *p, json_object *object)
{
    if (json_object_is_type(object, json_type_object))
        put(p, NULL, object);
    else
        p->error = p->error ? p->error : -EINVAL;
}

int tc_json_parse(const char *text, size_t len, json_object **ret, char why[128])
{
    struct json_tokener *tokener = json_tokener_new_ex(TC_JSON_DEPTH_MAX);
    enum json_tokener_error error;
    int r = -EINVAL;

    if (!tokener)
        return -ENOMEM;
    /* A NUL behind it ends a number that nothing else does. */
    *ret = len < INT32_MAX ? json_tokener_parse_ex(tokener, text, (int)len + 1) : NULL;
    error = json_tokener_get_error(tokener);
    if (error != json_tokener_success || json_tokener_get_parse_end(tokener) < len)
        snprintf(why, 128, "this is not JSON: %s at byte %zu",
                 error == json_tokener_success    ? "something follows it"
                 : error == json_tokener_continue ? "it does not end"
                                                  : json_tokener_error_desc(error),
                 json_tokener_get_parse_end(tokener) + 1);
    else if (!json_object_is_type(*ret, json_type_object))
        snprintf(why, 128, "this is not a JSON object");
    else
        r = 0;
    if (r < 0) {
        json_object_put(*ret);
        *ret = NULL;
    }
    json_tokener_free(tokener);
    return r;
}

int tc_json_pack_text(struct tc_pack *p, const char *text, size_t len, char why[128])
{
    json_object *object = NULL;
    int error = tc_json_parse(text, len, &object, why);

    if (error)
        return error;
    tc_json_pack(p, object);
    json_object_put(object);
    if (p->error)
        snprintf(why, 128, "%s",
                 p->error == -ENOMEM ? "out of memory" : "nested too deep");
    return p->error;
}
