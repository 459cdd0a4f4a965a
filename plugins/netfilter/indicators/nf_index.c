/* SPDX-License-Identifier: Apache-2.0 */
#include "indicators/nf_index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define INDEX_MIN 16
/* Of the index: more than this share in use, and it grows. */
#define FULL_OF_10 6

static_assert(TC_NF_INDICATORS_MAX <= TC_NF_ID_MASK + 1, "an id fits into the index");
static_assert(sizeof(struct tc_nf_record) == 28, "what a million of them is reckoned by");

/* ---- Hashes ---- */

static uint32_t name_hash(const char *name, uint32_t seed)
{
    uint64_t hash = tc_nf_name_start(seed);

    for (size_t i = strlen(name); i; i--)
        hash = tc_nf_name_step(hash, name[i - 1]);
    return tc_nf_name_end(hash);
}

static uint32_t record_hash(const struct tc_nf_indicators *table,
                            const struct tc_nf_record *record)
{
    if (tc_nf_is_name(record->kind))
        return name_hash(table->texts + record->name, table->seed);
    return tc_nf_network_hash(record->address, (uint8_t)record->length, table->seed);
}

static uint32_t index_entry(uint32_t hash, uint32_t id)
{
    return (hash & ~TC_NF_ID_MASK) | (id + 1);
}

/* ---- Making one ---- */

int tc_nf_index_new(struct tc_nf_indicators **ret_table)
{
    struct tc_nf_indicators *table = calloc(1, sizeof(*table));
    int r = -ENOMEM;

    if (!table)
        return -ENOMEM;
    atomic_init(&table->refs, 1);
    atomic_init(&table->expired, 0);
    table->mask = INDEX_MIN - 1;
    table->index = calloc(INDEX_MIN, sizeof(*table->index));
    table->texts_cap = 4096;
    table->texts = malloc(table->texts_cap);
    if (!table->index || !table->texts)
        goto out;
    table->texts[table->texts_len++] = '\0';
    r = 0;
    if (getrandom(&table->seed, sizeof(table->seed), 0) < 0)
        r = -errno;
out:
    if (r)
        tc_nf_indicators_unref(table);
    else
        *ret_table = table;
    return r;
}

struct tc_nf_indicators *tc_nf_indicators_ref(struct tc_nf_indicators *indicators)
{
    atomic_fetch_add_explicit(&indicators->refs, 1, memory_order_relaxed);
    return indicators;
}

void tc_nf_indicators_unref(struct tc_nf_indicators *indicators)
{
    if (!indicators ||
        atomic_fetch_sub_explicit(&indicators->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(indicators->records);
    free(indicators->index);
    free(indicators->texts);
    free(indicators->sources);
    free(indicators->expiring);
    free(indicators->reasons);
    free(indicators);
}

static int add_text(struct tc_nf_indicators *table, const char *text, uint32_t *ret_at)
{
    size_t len = strlen(text) + 1;
    uint32_t cap = table->texts_cap;
    char *grown;

    if (len > TC_NF_TEXTS_BYTES_MAX - table->texts_len)
        return -E2BIG;
    while (cap - table->texts_len < len)
        cap *= 2;
    if (cap != table->texts_cap) {
        grown = realloc(table->texts, cap);
        if (!grown)
            return -ENOMEM;
        table->texts = grown;
        table->texts_cap = cap;
    }
    memcpy(table->texts + table->texts_len, text, len);
    *ret_at = table->texts_len;
    table->texts_len += (uint32_t)len;
    return 0;
}

int tc_nf_index_source(struct tc_nf_indicators *table, const char *path,
                       uint16_t *ret_source)
{
    uint32_t *grown;
    int r;

    if (table->sources_count == TC_NF_LISTS_MAX)
        return -E2BIG;
    grown = realloc(table->sources, (table->sources_count + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    table->sources = grown;
    r = add_text(table, path, &table->sources[table->sources_count]);
    if (!r)
        *ret_source = (uint16_t)table->sources_count++;
    return r;
}

static int grow_reasons(struct tc_nf_indicators *table)
{
    uint32_t size = table->reasons ? 2 * (table->reasons_mask + 1) : 64, at;
    uint32_t *grown = calloc(size, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    for (uint32_t i = 0; table->reasons && i <= table->reasons_mask; i++) {
        if (!table->reasons[i])
            continue;
        at = name_hash(table->texts + table->reasons[i], table->seed);
        while (grown[at & (size - 1)])
            at++;
        grown[at & (size - 1)] = table->reasons[i];
    }
    free(table->reasons);
    table->reasons = grown;
    table->reasons_mask = size - 1;
    return 0;
}

/* The reason among the texts, where it is once. */
static int intern(struct tc_nf_indicators *table, const char *reason, uint32_t *ret_at)
{
    uint32_t *slot, at;
    int r = 0;

    if (!*reason) {
        *ret_at = 0;
        return 0;
    }
    if (!table->reasons || table->reasons_count > table->reasons_mask / 2)
        r = grow_reasons(table);
    if (r)
        return r;
    at = name_hash(reason, table->seed);
    while (*(slot = &table->reasons[at & table->reasons_mask]) &&
           strcmp(table->texts + *slot, reason) != 0)
        at++;
    if (!*slot) {
        r = add_text(table, reason, slot);
        table->reasons_count += !r;
    }
    if (!r)
        *ret_at = *slot;
    return r;
}

static int grow_records(struct tc_nf_indicators *table)
{
    uint32_t cap = table->cap ? 2 * table->cap : INDEX_MIN;
    struct tc_nf_record *grown;

    if (table->count == TC_NF_INDICATORS_MAX - 1)
        return -E2BIG;
    if (table->count < table->cap)
        return 0;
    grown = realloc(table->records, cap * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    table->records = grown;
    table->cap = cap;
    return 0;
}

static int grow_index(struct tc_nf_indicators *table)
{
    uint32_t size = table->mask + 1, hash, at, *grown;

    if ((table->count + 1) * 10ull <= (uint64_t)size * FULL_OF_10)
        return 0;
    size *= 2;
    grown = calloc(size, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    for (uint32_t id = 0; id < table->count; id++) {
        hash = record_hash(table, &table->records[id]);
        for (at = hash & (size - 1); grown[at]; at = (at + 1) & (size - 1))
            ;
        grown[at] = index_entry(hash, id);
    }
    free(table->index);
    table->index = grown;
    table->mask = size - 1;
    return 0;
}

static bool same_place(const struct tc_nf_indicators *table,
                       const struct tc_nf_record *record, const struct tc_nf_value *value)
{
    if (tc_nf_is_name(value->kind))
        return record->kind == value->kind &&
               !strcmp(table->texts + record->name, value->name);
    return !tc_nf_is_name(record->kind) && record->length == value->length &&
           !memcmp(record->address, value->address, sizeof(value->address));
}

static int append(struct tc_nf_indicators *table, const struct tc_nf_entry *entry,
                  uint16_t source, uint32_t hash, uint32_t at)
{
    struct tc_nf_record *record = &table->records[table->count];
    uint32_t reason, name = 0;
    int r = intern(table, entry->reason, &reason);

    if (!r && tc_nf_is_name(entry->value.kind))
        r = add_text(table, entry->value.name, &name);
    if (r)
        return r;
    *record = (struct tc_nf_record){.expires_s = entry->expires_s,
                                    .reason = reason,
                                    .source = source,
                                    .length = entry->value.length,
                                    .kind = entry->value.kind & 3,
                                    .action = entry->action & 3,
                                    .severity = entry->severity & 7};
    if (tc_nf_is_name(entry->value.kind))
        record->name = name;
    else
        memcpy(record->address, entry->value.address, sizeof(record->address));
    table->index[at & table->mask] = index_entry(hash, table->count);
    table->kinds[entry->value.kind]++;
    table->count++;
    return 0;
}

int tc_nf_index_add(struct tc_nf_indicators *table, const struct tc_nf_entry *entry,
                    uint16_t source)
{
    const struct tc_nf_value *value = &entry->value;
    bool place_known = false;
    uint32_t hash, at, id;
    int r = grow_records(table);

    if (!r)
        r = grow_index(table);
    if (r)
        return r;
    hash = tc_nf_is_name(value->kind)
               ? name_hash(value->name, table->seed)
               : tc_nf_network_hash(value->address, value->length, table->seed);
    for (at = hash; (id = tc_nf_next(table, hash, &at)) != UINT32_MAX;) {
        struct tc_nf_record *record = &table->records[id];

        if (!same_place(table, record, value))
            continue;
        place_known = true;
        if (record->action != (unsigned)entry->action)
            continue;
        if (!entry->expires_s ||
            (record->expires_s && record->expires_s < entry->expires_s))
            record->expires_s = entry->expires_s;
        return 0;
    }
    r = append(table, entry, source, hash, at);
    if (!r && !tc_nf_is_name(value->kind) && !place_known)
        table->networks++;
    return r;
}

/* ---- Putting it in order ---- */

static void *trim(void *memory, size_t size)
{
    void *smaller = size ? realloc(memory, size) : NULL;

    return smaller ? smaller : memory;
}

static int by_expiry(const void *a, const void *b, void *arg)
{
    const struct tc_nf_record *records = arg;
    uint32_t x = records[*(const uint32_t *)a].expires_s,
             y = records[*(const uint32_t *)b].expires_s;

    return (x > y) - (x < y);
}

static int sort_expiring(struct tc_nf_indicators *table)
{
    uint32_t count = 0;

    for (uint32_t id = 0; id < table->count; id++)
        count += table->records[id].expires_s != 0;
    if (!count)
        return 0;
    table->expiring = malloc(count * sizeof(*table->expiring));
    if (!table->expiring)
        return -ENOMEM;
    for (uint32_t id = 0; id < table->count; id++)
        if (table->records[id].expires_s)
            table->expiring[table->expiring_count++] = id;
    qsort_r(table->expiring, count, sizeof(*table->expiring), by_expiry, table->records);
    return 0;
}

bool tc_nf_is_mapped(const uint8_t address[16], uint8_t length)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    return length >= 96 && !memcmp(address, mapped, sizeof(mapped));
}

static void collect_lengths(struct tc_nf_indicators *table)
{
    struct tc_nf_addresses *addresses = &table->addresses;
    bool seen[2][TC_NF_LENGTHS_MAX] = {{false}};

    for (uint32_t id = 0; id < table->count; id++) {
        const struct tc_nf_record *record = &table->records[id];
        uint8_t length = (uint8_t)record->length;

        if (!tc_nf_is_name(record->kind))
            seen[!tc_nf_is_mapped(record->address, length)][length] = true;
    }
    for (int v6 = 0; v6 < 2; v6++) {
        for (int length = TC_NF_LENGTHS_MAX - 1; length >= 0; length--)
            if (seen[v6][length])
                addresses->lengths[addresses->lengths_count++] = (uint8_t)length;
        if (!v6)
            addresses->lengths4 = addresses->lengths_count;
    }
}

int tc_nf_index_finish(struct tc_nf_indicators *table)
{
    free(table->reasons);
    table->reasons = NULL;
    table->records = trim(table->records, table->count * sizeof(*table->records));
    table->cap = table->count;
    table->texts = trim(table->texts, table->texts_len);
    table->texts_cap = table->texts_len;
    collect_lengths(table);
    return sort_expiring(table);
}
