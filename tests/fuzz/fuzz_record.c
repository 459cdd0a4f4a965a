/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the event of any topic: its records read nothing beyond it, have the
 * values that tocsin_find has where a name is one of ours, and come to an end of each
 * field.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sigma/match/record.h"

#define VALUES_MAX 70000 /* a byte is at least one value; an array may have that many */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_text(const struct tc_sigma_value *value)
{
    size_t sum = 0;

    require(value->text.ptr || !value->text.len);
    for (size_t i = 0; i < value->text.len; i++)
        sum += (uint8_t)value->text.ptr[i];
    require(sum <= 255 * value->text.len);
}

static void check_field(struct tc_sigma_event *event, uint32_t number, const char *name)
{
    struct tc_sigma_value value;
    size_t n = 0;

    for (; event->numbered(event->arg, number, name, n, &value); n++) {
        require(n < VALUES_MAX);
        check_text(&value);
    }
}

static void check_place(struct tc_sigma_event *event, const uint8_t *data, size_t size,
                        size_t place)
{
    const char *path = tc_places[place].path;
    uint32_t number = TC_NAME_PLACE + (uint32_t)place;
    struct tc_sigma_value value;
    struct tocsin_value found;
    bool has = tocsin_find(data, size, path, &found);

    if (has && found.type == TOCSIN_ARRAY)
        return;
    require(event->numbered(event->arg, number, path, 0, &value) == has);
    require(!event->numbered(event->arg, number, path, 1, &value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tc_sigma_record record;
    struct tc_sigma_value value;
    const char *topic;

    if (!size)
        return 0;
    topic = *data < tc_sigma_record_kind_count ? tc_sigma_record_kinds[*data].topic
                                               : "vendor.thing";
    data++;
    size--;
    for (size_t i = 0; tc_sigma_record(&record, i, topic, data, size, 1); i++) {
        require(i < TC_RECORDS_MAX);
        for (size_t f = 0; f < tc_sigma_record_field_count; f++)
            check_field(&record.sigma, TC_NAME_FIELD + (uint32_t)f,
                        tc_sigma_record_fields[f].name);
        for (size_t p = TC_PLACE_ROOT + 1; p < TC_PLACES; p++)
            check_place(&record.sigma, data, size, p);
        check_field(&record.sigma, TC_NAME_ARGUMENT + 1, "a1");
        for (size_t n = 0; record.sigma.any(record.sigma.arg, n, &value); n++) {
            require(n <= size + 64);
            check_text(&value);
        }
    }
    return 0;
}
