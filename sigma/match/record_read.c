/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see record_read.h. */
#include "sigma/match/record_read.h"

#include <string.h>

#define AT_NOTHING UINT32_MAX /* there is no such place */

void tc_sigma_record_open(const struct tc_sigma_record *record, uint32_t at,
                          struct tc_sigma_record_reach *reach)
{
    const uint8_t *end = record->data + record->len;
    struct tocsin_value value;

    *reach = (struct tc_sigma_record_reach){.open = true};
    if (tocsin_read(record->data + at, end, &value) && value.type == TOCSIN_MAP) {
        reach->next = (uint32_t)((const uint8_t *)value.ptr - record->data);
        reach->left = value.count;
        reach->map = true;
    }
}

/*
 * As tocsin_skip, but that it looks at nothing but lengths: of an event most is passed
 * over. How many bytes of number or length follow each tag from 0xc0 on, and of those
 * with a length, which kind of things it counts.
 */
static const uint8_t *pass(const uint8_t *p, const uint8_t *end)
{
    static const struct {
        uint8_t follow, bytes, things; /* of the body: bytes or things for each counted */
    } tags[32] = {
        [0x04] = {1, 1, 0}, {2, 1, 0}, {4, 1, 0},            /* bin */
        [0x07] = {1, 1, 0}, {2, 1, 0}, {4, 1, 0},            /* ext, and its type */
        [0x0a] = {4, 0, 0}, {8, 0, 0},                       /* float */
        [0x0c] = {1, 0, 0}, {2, 0, 0}, {4, 0, 0}, {8, 0, 0}, /* uint */
        [0x10] = {1, 0, 0}, {2, 0, 0}, {4, 0, 0}, {8, 0, 0}, /* int */
        [0x14] = {2, 0, 0}, {3, 0, 0}, {5, 0, 0}, {9, 0, 0}, {17, 0, 0}, /* fixext */
        [0x19] = {1, 1, 0}, {2, 1, 0}, {4, 1, 0},                        /* str */
        [0x1c] = {2, 0, 1}, {4, 0, 1},                                   /* array */
        [0x1e] = {2, 0, 2}, {4, 0, 2},                                   /* map */
    };
    uint64_t left = 1, n;

    while (left--) {
        uint8_t tag;

        if (p >= end)
            return NULL;
        tag = *p++;
        if (tag < 0x80 || tag >= 0xe0)
            continue;
        if (tag < 0xa0) {
            left += (tag & 0x0fu) << (tag < 0x90);
            continue;
        }
        n = tag & 0x1f;
        if (tag >= 0xc0) {
            uint8_t follow = tags[n].follow, bytes = tags[n].bytes,
                    things = tags[n].things;

            if (tag == 0xc1 || (size_t)(end - p) < follow)
                return NULL;
            n = 0;
            for (size_t i = 0; (bytes || things) && i < follow; i++)
                n = n << 8 | p[i];
            p += follow;
            left += n * things;
            n = n * bytes + (tag >= 0xc7 && tag <= 0xc9);
        }
        if ((uint64_t)(end - p) < n)
            return NULL;
        p += n;
    }
    return p;
}

/* The place in the map `in` that has this key; 0: none. Sensors write most of them in the
 * order of the table: it is likely to be the one behind the last. */
static size_t place_of(size_t in, struct tc_sigma_record_reach *reach,
                       const struct tocsin_value *key)
{
    const struct tc_place_info *info = &tc_places[in];
    size_t count = (size_t)info->last - info->first + 1;

    if (!info->first || key->type != TOCSIN_STR)
        return 0;
    for (size_t i = 0; i < count; i++) {
        size_t offset = (reach->likely + i) % count;
        const struct tc_place_info *place = &tc_places[info->first + offset];

        if (place->key_len == key->len && !memcmp(place->key, key->ptr, key->len)) {
            reach->likely = (uint8_t)(offset + 1);
            return info->first + offset;
        }
    }
    return 0;
}

/* Takes the next entry of a map; false at its end, or where it is cut short. */
static bool read_entry(struct tc_sigma_record *record, size_t in)
{
    struct tc_sigma_record_reach *reach = &record->reach[in];
    const uint8_t *end = record->data + record->len, *next;
    struct tocsin_value key;
    size_t place;

    if (!reach->left)
        return false;
    next = tocsin_read(record->data + reach->next, end, &key);
    if (next && (key.type == TOCSIN_MAP || key.type == TOCSIN_ARRAY))
        next = NULL;
    place = next ? place_of(in, reach, &key) : 0;
    /* Of a key that stands twice the first counts. */
    if (place && !record->at[place])
        record->at[place] = (uint32_t)(next - record->data);
    next = next ? pass(next, end) : NULL;
    reach->left = next ? reach->left - 1 : 0;
    reach->next = next ? (uint32_t)(next - record->data) : 0;
    return next != NULL;
}

static void find_place(struct tc_sigma_record *record, size_t place)
{
    size_t in = tc_places[place].parent;

    if (in != TC_PLACE_ROOT && !record->at[in])
        find_place(record, in);
    if (record->at[in] == AT_NOTHING) {
        record->at[place] = AT_NOTHING;
        return;
    }
    if (!record->reach[in].open)
        tc_sigma_record_open(record, record->at[in], &record->reach[in]);
    while (!record->at[place])
        if (!read_entry(record, in) && !record->at[place])
            record->at[place] = AT_NOTHING;
}

bool tc_sigma_record_place(struct tc_sigma_record *record, size_t place,
                           struct tocsin_value *ret)
{
    if (!record->at[place])
        find_place(record, place);
    return record->at[place] != AT_NOTHING &&
           tocsin_read(record->data + record->at[place], record->data + record->len,
                       ret) != NULL;
}
