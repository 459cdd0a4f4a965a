/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see unpack.h. */
#include "ipc/unpack.h"

#include <errno.h>
#include <string.h>

int tc_unpack(msgpack_unpacked *to, const void *data, size_t len)
{
    size_t at = 0;

    switch (msgpack_unpack_next(to, data, len, &at)) {
    case MSGPACK_UNPACK_SUCCESS:
        return at == len ? 0 : -EINVAL;
    case MSGPACK_UNPACK_NOMEM_ERROR:
        return -ENOMEM;
    default:
        return -EINVAL;
    }
}

const uint8_t *tc_unpack_last(const void *data, size_t len)
{
    struct tocsin_value array = {.type = TOCSIN_NIL}, before;
    const uint8_t *start = data;
    struct tocsin_iter it;

    tocsin_read(start, start + len, &array);
    tocsin_iter_init(&it, &array);
    while (it.left > 1)
        tocsin_iter_next(&it, NULL, &before);
    return it.next;
}

/* The value under the n bytes of a key. */
static const msgpack_object *find_key(const msgpack_object *map, const char *key,
                                      size_t n)
{
    const msgpack_object_kv *kv, *end;

    if (!map || map->type != MSGPACK_OBJECT_MAP)
        return NULL;
    end = map->via.map.ptr + map->via.map.size;
    for (kv = map->via.map.ptr; kv < end; kv++)
        if (kv->key.type == MSGPACK_OBJECT_STR && kv->key.via.str.size == n &&
            (!n || !memcmp(kv->key.via.str.ptr, key, n)))
            return &kv->val;
    return NULL;
}

const msgpack_object *tc_unpack_find(const msgpack_object *map, const char *path)
{
    size_t n = strcspn(path, ".");

    for (; path[n]; n = strcspn(path, ".")) {
        map = find_key(map, path, n);
        path += n + 1;
    }
    return find_key(map, path, n);
}

/* msgpack-c leaves an empty str without a pointer; here it is text, of no bytes. */
struct tocsin_str tc_unpack_text(const msgpack_object *o)
{
    if (o && o->type == MSGPACK_OBJECT_STR)
        return (struct tocsin_str){o->via.str.size ? o->via.str.ptr : "",
                                   o->via.str.size};
    if (o && o->type == MSGPACK_OBJECT_BIN)
        return (struct tocsin_str){o->via.bin.ptr, o->via.bin.size};
    return (struct tocsin_str){NULL, 0};
}

bool tc_unpack_is(const msgpack_object *o, const char *text)
{
    return o && o->type == MSGPACK_OBJECT_STR && tocsin_str_is(tc_unpack_text(o), text);
}

struct tocsin_str tc_unpack_str(const msgpack_object *map, const char *path)
{
    return tc_unpack_text(tc_unpack_find(map, path));
}

int64_t tc_unpack_int(const msgpack_object *map, const char *path, int64_t fallback)
{
    const msgpack_object *o = tc_unpack_find(map, path);

    if (o && o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return o->via.i64;
    if (o && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
        return (int64_t)o->via.u64;
    return fallback;
}

bool tc_unpack_bool(const msgpack_object *map, const char *path, bool fallback)
{
    const msgpack_object *o = tc_unpack_find(map, path);

    return o && o->type == MSGPACK_OBJECT_BOOLEAN ? o->via.boolean : fallback;
}

const msgpack_object *tc_unpack_array(const msgpack_object *map, const char *path)
{
    const msgpack_object *o = tc_unpack_find(map, path);

    return o && o->type == MSGPACK_OBJECT_ARRAY ? o : NULL;
}
