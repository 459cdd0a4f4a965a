/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see sources.h. */
#include "cli/sources.h"

#include <stdio.h>

#include "cli/print.h"

#define PART_MAX 60 /* bytes of a part that are shown */

int tc_sources_init(struct tc_sources *sources)
{
    *sources = (struct tc_sources){
        .items = calloc(TC_SOURCES_MAX, sizeof(*sources->items)),
    };
    return sources->items ? 0 : -ENOMEM;
}

void tc_sources_done(struct tc_sources *sources)
{
    free(sources->items);
    *sources = (struct tc_sources){.items = NULL};
}

void tc_source_name(const struct tocsin_str parts[3], bool correlation,
                    char ret[TC_SOURCE_NAME_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < 3; i++)
        if (parts[i].ptr)
            n += (size_t)snprintf(
                ret + n, TC_SOURCE_NAME_BYTES - n, "%s%.*s", n ? "/" : "",
                (int)(parts[i].len < PART_MAX ? parts[i].len : PART_MAX), parts[i].ptr);
    if (!n)
        snprintf(ret, TC_SOURCE_NAME_BYTES, "%s", correlation ? "correlation" : "any");
}

void tc_sources_count(struct tc_sources *sources, const char *name, bool fires)
{
    struct tc_source *source = sources->items, *end = source + sources->count;

    while (source < end && strcmp(source->name, name) != 0)
        source++;
    if (source == sources->items + TC_SOURCES_MAX)
        return;
    if (source == end) {
        snprintf(source->name, sizeof(source->name), "%s", name);
        sources->count++;
    }
    source->rules++;
    source->fire += fires;
}

static int by_rules(const void *a, const void *b)
{
    const struct tc_source *x = a, *y = b;

    if (x->rules != y->rules)
        return x->rules < y->rules ? 1 : -1;
    return strcmp(x->name, y->name);
}

void tc_sources_put(struct tc_sources *sources, struct tc_pack *p, const char *key)
{
    const struct tc_source *source = sources->items;

    if (sources->count)
        qsort(sources->items, sources->count, sizeof(*sources->items), by_rules);
    tc_pack_begin_array(p, key);
    for (; source < sources->items + sources->count; source++) {
        tc_pack_begin_map(p, NULL);
        tc_pack_str(p, "source", source->name);
        tc_pack_uint(p, "rules", source->rules);
        tc_pack_uint(p, "can_fire", source->fire);
        tc_pack_uint(p, "percent", 100 * source->fire / source->rules);
        tc_pack_end(p);
    }
    tc_pack_end(p);
}

void tc_sources_print(const msgpack_object *array)
{
    static const struct tc_column columns[] = {
        {"LOG SOURCE", "source"}, {"RULES", "rules"}, {"CAN FIRE", "can_fire"},
        {"PERCENT", "percent"},   {NULL, NULL},
    };

    tc_print_table(stdout, columns, array);
}
