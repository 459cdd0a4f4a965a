/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the look at a binary property list before libplist gets it. Objects refer to each
 * other by number, and libplist writes every reference out: a few hundred bytes can be a
 * tree of gigabytes, or one deeper than a stack. The format: Apple's CFBinaryPList.c,
 * "binary property list V0".
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/profile/profile_priv.h"

#define HEADER_BYTES 8
#define TRAILER_BYTES 32
#define TREE_BYTES_MAX (4 << 20) /* of strings and data, written out */
#define INTEGER_BYTES_MAX 8

enum kind {
    KIND_SIMPLE = 0x0, /* true, false */
    KIND_INTEGER = 0x1,
    KIND_REAL = 0x2,
    KIND_DATE = 0x3,
    KIND_DATA = 0x4,
    KIND_ASCII = 0x5,
    KIND_UTF16 = 0x6,
    KIND_UID = 0x8,
    KIND_ARRAY = 0xa,
    KIND_DICT = 0xd,
};

struct look {
    const char *name;
    const uint8_t *data;
    uint64_t table; /* where the offsets of the objects begin, and the objects end */
    uint64_t objects;
    unsigned offset_bytes, reference_bytes;
    uint64_t nodes, bytes; /* of the tree so far, written out */
    char *why;
};

/* One object: what it is, how many, and where its contents begin. */
struct object {
    enum kind kind;
    uint64_t count, contents;
};

static int refuse(const struct look *look, const char *what)
{
    return tc_profile_refuse(look->why, "%.120s: the binary property list is %s",
                             look->name, what);
}

static int broken(const struct look *look)
{
    return refuse(look, "damaged: export the profile again");
}

static uint64_t number(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    while (n--)
        v = v << 8 | *p++;
    return v;
}

static bool fits(const struct look *look, uint64_t at, uint64_t n)
{
    return at <= look->table && n <= look->table - at;
}

/* A count of 15 or more stands behind the marker, as an integer object. */
static bool read_count(const struct look *look, struct object *object)
{
    unsigned n;

    if (!fits(look, object->contents, 1) || look->data[object->contents] >> 4 != 1)
        return false;
    n = 1u << (look->data[object->contents] & 0xf);
    if (n > INTEGER_BYTES_MAX || !fits(look, object->contents + 1, n))
        return false;
    object->count = number(look->data + object->contents + 1, n);
    object->contents += 1 + n;
    return true;
}

/* Bytes of the contents of a scalar; of a list, of each entry. 0: no kind that we know.
 */
static unsigned unit(const struct look *look, enum kind kind)
{
    switch (kind) {
    case KIND_DATA:
    case KIND_ASCII:
        return 1;
    case KIND_UTF16:
        return 2;
    case KIND_ARRAY:
        return look->reference_bytes;
    case KIND_DICT:
        return 2 * look->reference_bytes;
    default:
        return 0;
    }
}

static bool read_object(const struct look *look, uint64_t index, struct object *ret)
{
    uint64_t at =
        number(look->data + look->table + index * look->offset_bytes, look->offset_bytes);
    unsigned low, n;

    if (at < HEADER_BYTES || !fits(look, at, 1))
        return false;
    low = look->data[at] & 0xf;
    ret->kind = look->data[at] >> 4;
    ret->count = low;
    ret->contents = at + 1;
    n = unit(look, ret->kind);
    if (n) {
        if (low == 0xf && !read_count(look, ret))
            return false;
        return ret->count <= look->table && fits(look, ret->contents, ret->count * n);
    }
    if (ret->kind == KIND_SIMPLE)
        return low == 8 || low == 9; /* false, true; null and fill bytes are no values */
    if (ret->kind == KIND_UID)
        return low < INTEGER_BYTES_MAX && fits(look, ret->contents, low + 1);
    /* Integers may take 16 bytes, when they are larger than an int64_t. */
    return (ret->kind == KIND_INTEGER || ret->kind == KIND_REAL ||
            ret->kind == KIND_DATE) &&
           low <= 4 && fits(look, ret->contents, 1u << low);
}

/* libplist aborts on a key with a NUL in it, and everybody else takes it for the end. */
static bool has_nul(const struct look *look, const struct object *object)
{
    unsigned n = object->kind == KIND_UTF16 ? 2 : 1;

    for (uint64_t i = 0; i < object->count; i++)
        if (!number(look->data + object->contents + i * n, n))
            return true;
    return false;
}

static bool is_text(const struct object *object)
{
    return object->kind == KIND_ASCII || object->kind == KIND_UTF16;
}

static int walk(struct look *look, uint64_t index, unsigned depth, bool is_key);

static int walk_entries(struct look *look, const struct object *object, unsigned depth)
{
    bool dict = object->kind == KIND_DICT;
    uint64_t entries = dict ? 2 * object->count : object->count, index;
    int r = 0;

    if (depth == TC_PROFILE_DEPTH_MAX)
        return refuse(look, "nested too deep");
    for (uint64_t i = 0; !r && i < entries; i++) {
        index = number(look->data + object->contents + i * look->reference_bytes,
                       look->reference_bytes);
        r = walk(look, index, depth + 1, dict && i < object->count);
    }
    return r;
}

static int walk(struct look *look, uint64_t index, unsigned depth, bool is_key)
{
    struct object object;

    if (index >= look->objects || !read_object(look, index, &object))
        return broken(look);
    if (is_key && !is_text(&object))
        return broken(look);
    if (++look->nodes > TC_PROFILE_NODES_MAX)
        return refuse(look, "too large: it has more than 16384 values");
    if (object.kind == KIND_ARRAY || object.kind == KIND_DICT)
        return walk_entries(look, &object, depth);
    if (is_text(&object) || object.kind == KIND_DATA)
        look->bytes += object.count;
    if (look->bytes > TREE_BYTES_MAX)
        return refuse(look, "too large");
    if (is_text(&object) && has_nul(look, &object))
        return refuse(look, "odd: there is a NUL in a string");
    return 0;
}

int tc_profile_binary_check(const char *name, const uint8_t *data, size_t len,
                            char why[256])
{
    struct look look = {.name = name, .data = data, .why = why};
    const uint8_t *trailer;
    uint64_t room;

    if (len < HEADER_BYTES + TRAILER_BYTES)
        return broken(&look);
    trailer = data + len - TRAILER_BYTES;
    look.offset_bytes = trailer[6];
    look.reference_bytes = trailer[7];
    look.objects = number(trailer + 8, 8);
    look.table = number(trailer + 24, 8);
    if (look.table < HEADER_BYTES || look.table > len - TRAILER_BYTES)
        return broken(&look);
    room = len - TRAILER_BYTES - look.table;
    if (!look.offset_bytes || look.offset_bytes > INTEGER_BYTES_MAX ||
        !look.reference_bytes || look.reference_bytes > INTEGER_BYTES_MAX ||
        look.objects > room / look.offset_bytes)
        return broken(&look);
    return walk(&look, number(trailer + 16, 8), 0, false);
}
