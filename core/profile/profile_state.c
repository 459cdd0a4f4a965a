/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a checked payload states of a gate, by the table of profile.h, and of the
 * release ring. Must not: combine payloads.
 */
#include <string.h>

#include "core/profile/profile_priv.h"

static const struct {
    const char *channel;
    enum tc_profile_ring ring;
} channels[] = {
    /* The second three are what the first were called before 2020. */
    {"Beta", TC_PROFILE_RING_BETA},        {"Preview", TC_PROFILE_RING_PREVIEW},
    {"Current", TC_PROFILE_RING_CURRENT},  {"InsiderFast", TC_PROFILE_RING_BETA},
    {"External", TC_PROFILE_RING_PREVIEW}, {"Production", TC_PROFILE_RING_CURRENT},
};

static bool text_is(plist_t dict, const char *key, const char *text)
{
    const char *s = tc_profile_text(dict, key);

    return s && !strcmp(s, text);
}

static bool truth(plist_t dict, const char *key, bool otherwise)
{
    plist_t node = plist_dict_get_item(dict, key);
    uint64_t number = 0;

    if (PLIST_IS_BOOLEAN(node))
        return plist_bool_val_is_true(node) != 0;
    if (!PLIST_IS_UINT(node))
        return otherwise;
    plist_get_uint_val(node, &number);
    return number != 0;
}

/* Whether an array has the string; NULL is an empty one. */
static bool has(plist_t array, const char *text)
{
    uint32_t n = array ? plist_array_get_size(array) : 0;
    plist_t item;

    for (uint32_t i = 0; i < n; i++) {
        item = plist_array_get_item(array, i);
        if (!strcmp(plist_get_string_ptr(item, NULL), text))
            return true;
    }
    return false;
}

/* Whether another team than ours lists the extension. */
static bool other_team_has(plist_t payload, const char *key, const char *team,
                           const char *id)
{
    struct tc_profile_walk walk = {.dict = plist_dict_get_item(payload, key)};
    bool found = false;

    while (walk.dict && !found && tc_profile_walk_next(&walk))
        found = strcmp(walk.key, team) != 0 && has(walk.value, id);
    tc_profile_walk_done(&walk);
    return found;
}

/* What a payload with teams and extensions says of one extension. */
static unsigned state_listed(plist_t payload, const char *key, const char *team,
                             const char *id)
{
    if (has(plist_dict_get_item(payload, "AllowedTeamIdentifiers"), team) ||
        has(tc_profile_of_team(payload, key, team), id))
        return TC_PROFILE_LISTED;
    return other_team_has(payload, key, team, id) ? TC_PROFILE_OTHER_TEAM : 0;
}

static unsigned state_system_extension(plist_t payload,
                                       const struct tc_identity *identity,
                                       enum tc_profile_gate gate)
{
    bool es = gate == TC_PROFILE_ES_EXTENSION;
    const char *id = es ? identity->es : identity->netfilter;
    unsigned state;
    plist_t types;

    if (!es && gate != TC_PROFILE_NETWORK_EXTENSION)
        return 0;
    state = state_listed(payload, "AllowedSystemExtensions", identity->team, id);
    types = tc_profile_of_team(payload, "AllowedSystemExtensionTypes", identity->team);
    if (types)
        state |= has(types, es ? TC_PROFILE_ES_TYPE : TC_PROFILE_NETWORK_TYPE)
                     ? TC_PROFILE_TYPE_IN
                     : TC_PROFILE_TYPE_OUT;
    if (!truth(payload, "AllowUserOverrides", true))
        state |= TC_PROFILE_CLOSED;
    if (has(tc_profile_of_team(payload, "NonRemovableSystemExtensions", identity->team),
            id))
        state |= TC_PROFILE_PINNED;
    return state;
}

static unsigned state_kernel_extension(plist_t payload,
                                       const struct tc_identity *identity,
                                       enum tc_profile_gate gate)
{
    unsigned state;

    if (gate != TC_PROFILE_KERNEL_EXTENSION)
        return 0;
    state =
        state_listed(payload, "AllowedKernelExtensions", identity->team, identity->kext);
    if (!truth(payload, "AllowUserOverrides", false))
        state |= TC_PROFILE_CLOSED;
    return state;
}

static unsigned state_filter(plist_t payload, const struct tc_identity *identity,
                             enum tc_profile_gate gate)
{
    if (gate != TC_PROFILE_NETWORK_FILTER || !text_is(payload, "FilterType", "Plugin") ||
        !text_is(payload, "FilterDataProviderBundleIdentifier", identity->netfilter))
        return 0;
    if (!text_is(payload, "PluginBundleID", identity->agent))
        return TC_PROFILE_OTHER_PLUGIN;
    if (!truth(payload, "FilterSockets", false) &&
        !truth(payload, "FilterPackets", false))
        return TC_PROFILE_FILTER_OFF;
    return TC_PROFILE_LISTED;
}

static bool names_us(plist_t entry, const struct tc_identity *identity)
{
    const char *id = tc_profile_text(entry, "Identifier");

    if (text_is(entry, "IdentifierType", "path"))
        return identity->program && !strcmp(id, identity->program);
    return !strcmp(id, identity->es) || !strcmp(id, identity->agent);
}

static unsigned state_access(plist_t entry)
{
    unsigned state = 0;

    if (plist_dict_get_item(entry, "Allowed"))
        state |= truth(entry, "Allowed", false) ? TC_PROFILE_LISTED : TC_PROFILE_DENIED;
    if (text_is(entry, "Authorization", "Allow"))
        state |= TC_PROFILE_LISTED;
    else if (text_is(entry, "Authorization", "Deny"))
        state |= TC_PROFILE_DENIED;
    return state;
}

static unsigned state_privacy(plist_t payload, const struct tc_identity *identity,
                              enum tc_profile_gate gate)
{
    plist_t services = plist_dict_get_item(payload, "Services"), entries, entry;
    unsigned state = 0;
    uint32_t n;

    if (gate != TC_PROFILE_FULL_DISK_ACCESS || !services)
        return 0;
    entries = plist_dict_get_item(services, TC_PROFILE_ALL_FILES);
    n = entries ? plist_array_get_size(entries) : 0;
    for (uint32_t i = 0; i < n; i++) {
        entry = plist_array_get_item(entries, i);
        if (names_us(entry, identity))
            state |= state_access(entry);
    }
    return state;
}

static const struct {
    const char *type;
    unsigned (*state)(plist_t payload, const struct tc_identity *identity,
                      enum tc_profile_gate gate);
} payloads[] = {
    {TC_PROFILE_TYPE_SYSTEM, state_system_extension},
    {TC_PROFILE_TYPE_KERNEL, state_kernel_extension},
    {TC_PROFILE_TYPE_FILTER, state_filter},
    {TC_PROFILE_TYPE_PRIVACY, state_privacy},
};

unsigned tc_profile_payload_state(plist_t payload, const char *type,
                                  const struct tc_identity *identity,
                                  enum tc_profile_gate gate)
{
    for (size_t i = 0; i < sizeof(payloads) / sizeof(*payloads); i++)
        if (!strcmp(payloads[i].type, type))
            return payloads[i].state(payload, identity, gate);
    return 0;
}

enum tc_profile_ring tc_profile_payload_ring(plist_t payload, const char *type,
                                             const char **ret_odd)
{
    const char *channel =
        tc_profile_is_update(type) ? tc_profile_text(payload, "ChannelName") : NULL;

    *ret_odd = NULL;
    if (!channel)
        return TC_PROFILE_RING_NONE;
    for (size_t i = 0; i < sizeof(channels) / sizeof(*channels); i++)
        if (!strcmp(channels[i].channel, channel))
            return channels[i].ring;
    *ret_odd = channel;
    return TC_PROFILE_RING_NONE;
}
