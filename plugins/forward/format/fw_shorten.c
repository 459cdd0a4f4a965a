/* SPDX-License-Identifier: Apache-2.0 */
#include "format/fw_shorten.h"

/* What goes at which level, wherever it stands; names no field that says which alert it
 * is, or of whom. */
static const struct {
    const char *name;
    unsigned from;
} goes[] = {
    {"ancestors", 0}, {"args", 0},    {"matched", 0},     {"cgroup", 0},
    {"tags", 0},      {"parent", 1},  {"description", 1}, {"reference", 1},
    {"host", 2},      {"threat", 2},  {"container", 2},   {"license", 1},
    {"author", 3},    {"process", 3}, {"group", 1},       {"truncated", 0},
};

static const size_t text_max[TC_FW_SHORTEN_LEVELS] = {512, 200, 100, 60};
static const uint32_t items_max[TC_FW_SHORTEN_LEVELS] = {16, 8, 4, 2};

static bool is_gone(const struct tocsin_value *key, unsigned level)
{
    for (size_t i = 0; i < sizeof(goes) / sizeof(goes[0]); i++)
        if (level >= goes[i].from && key->len == strlen(goes[i].name) &&
            !memcmp(goes[i].name, key->ptr, key->len))
            return true;
    return false;
}

static void put(struct tocsin_writer *w, const char *key, const struct tocsin_value *v,
                unsigned level);

static void put_entries(struct tocsin_writer *w, const struct tocsin_value *v,
                        unsigned level)
{
    struct tocsin_value key = {.type = TOCSIN_NIL}, value;
    struct tocsin_iter it;
    char name[64];
    uint32_t n = 0;

    tocsin_iter_init(&it, v);
    while (tocsin_iter_next(&it, &key, &value)) {
        if (!it.map && n++ < items_max[level])
            put(w, NULL, &value, level);
        if (!it.map || key.type != TOCSIN_STR || key.len >= sizeof(name) ||
            is_gone(&key, level))
            continue;
        memcpy(name, key.ptr, key.len);
        name[key.len] = '\0';
        put(w, name, &value, level);
    }
}

static void put(struct tocsin_writer *w, const char *key, const struct tocsin_value *v,
                unsigned level)
{
    size_t n = v->len;

    if (v->type == TOCSIN_MAP || v->type == TOCSIN_ARRAY) {
        if (v->type == TOCSIN_MAP)
            tocsin_begin_map(w, key);
        else
            tocsin_begin_array(w, key);
        put_entries(w, v, level);
        tocsin_end(w);
    } else if (v->type == TOCSIN_STR || v->type == TOCSIN_BIN) {
        if (n > text_max[level])
            for (n = text_max[level]; n && ((uint8_t)v->ptr[n] & 0xc0) == 0x80;)
                n--;
        tocsin_put_strn(w, key, v->ptr, n);
    } else {
        tocsin_put_encoded(w, key, v->start, tocsin_value_size(v));
    }
}

void tc_fw_shorten(const void *data, size_t len, unsigned level, struct tocsin_writer *w)
{
    struct tocsin_value top;

    tocsin_begin_map(w, NULL);
    if (tocsin_read(data, (const uint8_t *)data + len, &top))
        put_entries(w, &top, level);
    tocsin_put_bool(w, "truncated", true);
    tocsin_end(w);
}
