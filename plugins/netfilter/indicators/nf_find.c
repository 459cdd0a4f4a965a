/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: finding in the indicators, and looking at one. Any thread; takes no lock and
 * allocates nothing.
 */
#include <string.h>

#include "indicators/nf_index.h"

static bool counts(const struct tc_nf_record *record, uint64_t now_s)
{
    return !record->expires_s || record->expires_s > now_s;
}

static const struct tc_nf_record *better(const struct tc_nf_record *a,
                                         const struct tc_nf_record *b)
{
    return a && tc_nf_action_rank((enum tc_nf_action)a->action) >=
                       tc_nf_action_rank((enum tc_nf_action)b->action)
               ? a
               : b;
}

const struct tc_nf_record *tc_nf_index_network(const struct tc_nf_indicators *table,
                                               const uint8_t address[16], uint8_t length,
                                               uint64_t now_s)
{
    const struct tc_nf_record *found = NULL, *record;
    uint32_t hash = tc_nf_network_hash(address, length, table->seed), at = hash, id;

    while ((id = tc_nf_next(table, hash, &at)) != UINT32_MAX) {
        record = &table->records[id];
        if (!tc_nf_is_name(record->kind) && record->length == length &&
            !memcmp(record->address, address, 16) && counts(record, now_s))
            found = better(found, record);
    }
    return found;
}

void tc_nf_mask(const uint8_t address[16], uint8_t length, uint8_t ret_address[16])
{
    size_t whole = length / 8;

    memmove(ret_address, address, whole);
    if (whole == 16)
        return;
    ret_address[whole] = (uint8_t)(address[whole] & 0xff00u >> length % 8);
    memset(ret_address + whole + 1, 0, 15 - whole);
}

static void match(const struct tc_nf_indicators *table, const struct tc_nf_record *record,
                  struct tc_nf_match *ret_match)
{
    ret_match->id = (uint32_t)(record - table->records);
    ret_match->action = (enum tc_nf_action)record->action;
}

bool tc_nf_indicators_address(const struct tc_nf_indicators *indicators,
                              const uint8_t address[16], uint64_t now_s,
                              struct tc_nf_match *ret_match)
{
    const struct tc_nf_addresses *addresses = &indicators->addresses;
    bool v4 = tc_nf_is_mapped(address, 128);
    const struct tc_nf_record *record;
    uint8_t network[16];

    for (uint32_t i = v4 ? 0 : addresses->lengths4,
                  end = v4 ? addresses->lengths4 : addresses->lengths_count;
         i < end; i++) {
        tc_nf_mask(address, addresses->lengths[i], network);
        record = tc_nf_index_network(indicators, network, addresses->lengths[i], now_s);
        if (record) {
            match(indicators, record, ret_match);
            return true;
        }
    }
    return false;
}

/* Whether the text in lower case is the end of the name. */
static bool same_name(const char *text, const char *name, size_t len)
{
    size_t i = 0;

    while (i < len && text[i] && text[i] == tc_nf_lower(name[i]))
        i++;
    return i == len && !text[i];
}

/* What counts for this name or end of one; the host itself comes before the domain. */
static const struct tc_nf_record *find_name(const struct tc_nf_indicators *table,
                                            uint32_t hash, const char *name, size_t len,
                                            bool whole, uint64_t now_s)
{
    const struct tc_nf_record *found[TC_NF_KINDS] = {NULL}, *record;
    uint32_t at = hash, id;

    while ((id = tc_nf_next(table, hash, &at)) != UINT32_MAX) {
        record = &table->records[id];
        if (tc_nf_is_name(record->kind) && counts(record, now_s) &&
            same_name(table->texts + record->name, name, len))
            found[record->kind] = better(found[record->kind], record);
    }
    return whole && found[TC_NF_HOST] ? found[TC_NF_HOST] : found[TC_NF_DOMAIN];
}

bool tc_nf_indicators_name(const struct tc_nf_indicators *indicators, const char *name,
                           size_t len, uint64_t now_s, struct tc_nf_match *ret_match)
{
    const struct tc_nf_record *best = NULL, *record;
    uint64_t hash = tc_nf_name_start(indicators->seed);

    if (!indicators->kinds[TC_NF_DOMAIN] && !indicators->kinds[TC_NF_HOST])
        return false;
    if (len && name[len - 1] == '.')
        len--;
    for (size_t i = len; i; i--) {
        hash = tc_nf_name_step(hash, tc_nf_lower(name[i - 1]));
        if (i > 1 && name[i - 2] != '.')
            continue;
        record = find_name(indicators, tc_nf_name_end(hash), name + i - 1, len - (i - 1),
                           i == 1, now_s);
        if (record)
            best = record;
    }
    if (best)
        match(indicators, best, ret_match);
    return best;
}

/* ---- Looking at it ---- */

bool tc_nf_indicators_view(const struct tc_nf_indicators *indicators, uint32_t id,
                           struct tc_nf_view *ret_view)
{
    const struct tc_nf_record *record;
    struct tc_nf_value value;

    if (id >= indicators->count)
        return false;
    record = &indicators->records[id];
    value.kind = (enum tc_nf_kind)record->kind;
    value.length = (uint8_t)record->length;
    if (tc_nf_is_name(value.kind))
        memcpy(value.name, indicators->texts + record->name,
               strlen(indicators->texts + record->name) + 1);
    else
        memcpy(value.address, record->address, sizeof(value.address));
    ret_view->kind = value.kind;
    ret_view->action = (enum tc_nf_action)record->action;
    ret_view->severity = (enum tc_nf_severity)record->severity;
    ret_view->expires_s = record->expires_s;
    ret_view->reason = indicators->texts + record->reason;
    ret_view->source = indicators->texts + indicators->sources[record->source];
    tc_nf_value_text(&value, ret_view->value);
    return true;
}

void tc_nf_indicators_counts(const struct tc_nf_indicators *indicators,
                             struct tc_nf_counts *ret_counts)
{
    const struct tc_nf_indicators *i = indicators;

    memcpy(ret_counts->kinds, i->kinds, sizeof(i->kinds));
    ret_counts->expired = i->expired;
    ret_counts->bytes = sizeof(*i) + (uint64_t)i->cap * sizeof(*i->records) +
                        (i->mask + 1ull) * sizeof(*i->index) + i->texts_cap +
                        (uint64_t)i->sources_count * sizeof(*i->sources) +
                        (uint64_t)i->expiring_count * sizeof(*i->expiring);
}
