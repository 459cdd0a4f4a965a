/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the payloads that concern us: their keys and the values of each. A payload
 * or key that is not in the tables is ignored. Must not: know what they mean.
 */
#include <string.h>

#include "core/profile/profile_priv.h"

enum kind {
    BOOLEAN, /* <true/>, or <integer>1</integer> as some tools write it */
    TEXT,
    TEXTS, /* array of strings */
    TEAMS, /* dict: team -> array of strings */
    SERVICES,
};

struct key {
    const char *name; /* NULL ends a table */
    enum kind kind;
    const char *choices; /* of TEXT and of the strings of TEAMS, "a|b"; NULL: any */
};

static const struct key system_extension_keys[] = {
    {"AllowUserOverrides", BOOLEAN, NULL},
    {"AllowedTeamIdentifiers", TEXTS, NULL},
    {"AllowedSystemExtensions", TEAMS, NULL},
    {"AllowedSystemExtensionTypes", TEAMS,
     TC_PROFILE_ES_TYPE "|" TC_PROFILE_NETWORK_TYPE "|DriverExtension"},
    {"NonRemovableSystemExtensions", TEAMS, NULL},
    {NULL, TEXT, NULL},
};

static const struct key kernel_extension_keys[] = {
    {"AllowUserOverrides", BOOLEAN, NULL},
    {"AllowedTeamIdentifiers", TEXTS, NULL},
    {"AllowedKernelExtensions", TEAMS, NULL},
    {NULL, TEXT, NULL},
};

static const struct key filter_keys[] = {
    {"FilterType", TEXT, "BuiltIn|Plugin"},
    {"PluginBundleID", TEXT, NULL},
    {"FilterSockets", BOOLEAN, NULL},
    {"FilterPackets", BOOLEAN, NULL},
    {"FilterDataProviderBundleIdentifier", TEXT, NULL},
    {"FilterDataProviderDesignatedRequirement", TEXT, NULL},
    {"FilterGrade", TEXT, "firewall|inspector"},
    {NULL, TEXT, NULL},
};

static const struct key privacy_keys[] = {
    {"Services", SERVICES, NULL},
    {NULL, TEXT, NULL},
};

static const struct key access_keys[] = {
    {"Identifier", TEXT, NULL},
    {"IdentifierType", TEXT, "bundleID|path"},
    {"CodeRequirement", TEXT, NULL},
    {"StaticCode", BOOLEAN, NULL},
    {"Allowed", BOOLEAN, NULL},
    {"Authorization", TEXT, "Allow|Deny|AllowStandardUserToSetSystemService"},
    {NULL, TEXT, NULL},
};

static const struct key update_keys[] = {
    {"ChannelName", TEXT, NULL},
    {NULL, TEXT, NULL},
};

static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);

    for (const char *p = choices; p; p = strchr(p, '|')) {
        p += *p == '|';
        if (!strncmp(p, text, n) && (!p[n] || p[n] == '|'))
            return true;
    }
    return false;
}

static int check_text(const struct tc_profile_source *source, const struct key *key,
                      plist_t node, char why[256])
{
    if (!PLIST_IS_STRING(node) || !plist_get_string_ptr(node, NULL))
        return tc_profile_refuse_at(source, node, why, "%s holds strings: write <string>",
                                    key->name);
    if (key->choices && !is_choice(key->choices, plist_get_string_ptr(node, NULL)))
        return tc_profile_refuse_at(source, node, why, "%s is one of %s, not %.40s",
                                    key->name, key->choices,
                                    plist_get_string_ptr(node, NULL));
    return 0;
}

static int check_texts(const struct tc_profile_source *source, const struct key *key,
                       plist_t node, char why[256])
{
    uint32_t n;
    int r = 0;

    if (!PLIST_IS_ARRAY(node))
        return tc_profile_refuse_at(source, node, why,
                                    "%s wants an <array> of strings here", key->name);
    n = plist_array_get_size(node);
    for (uint32_t i = 0; !r && i < n; i++)
        r = check_text(source, key, plist_array_get_item(node, i), why);
    return r;
}

static int check_teams(const struct tc_profile_source *source, const struct key *key,
                       plist_t node, char why[256])
{
    struct tc_profile_walk walk = {.dict = node};
    int r = 0;

    if (!PLIST_IS_DICT(node))
        return tc_profile_refuse_at(source, node, why,
                                    "%s is a <dict> with a key for each team", key->name);
    while (!r && tc_profile_walk_next(&walk)) {
        /* Which of two counts, libplist and others disagree on. */
        if (plist_dict_get_item(node, walk.key) != walk.value)
            r = tc_profile_refuse_at(source, walk.value, why,
                                     "team %.40s is twice in %s: join the two", walk.key,
                                     key->name);
        else
            r = check_texts(source, key, walk.value, why);
    }
    tc_profile_walk_done(&walk);
    return r;
}

static int check_boolean(const struct tc_profile_source *source, const struct key *key,
                         plist_t node, char why[256])
{
    uint64_t number = 2;

    if (PLIST_IS_BOOLEAN(node))
        return 0;
    if (PLIST_IS_UINT(node))
        plist_get_uint_val(node, &number);
    if (number < 2)
        return 0;
    return tc_profile_refuse_at(source, node, why, "%s is <true/> or <false/>",
                                key->name);
}

static int check_keys(const struct tc_profile_source *source, const struct key *keys,
                      plist_t dict, char why[256]);

/* An entry of SystemPolicyAllFiles. */
static int check_access(const struct tc_profile_source *source, plist_t entry,
                        char why[256])
{
    int r;

    if (!PLIST_IS_DICT(entry))
        return tc_profile_refuse_at(source, entry, why,
                                    TC_PROFILE_ALL_FILES " is an array of <dict>");
    r = check_keys(source, access_keys, entry, why);
    if (r)
        return r;
    if (!tc_profile_text(entry, "Identifier"))
        return tc_profile_refuse_at(source, entry, why,
                                    "this entry has no Identifier: say whom it is for");
    if (plist_dict_get_item(entry, "Allowed") &&
        plist_dict_get_item(entry, "Authorization"))
        return tc_profile_refuse_at(source, entry, why,
                                    "this entry has Allowed and Authorization, which "
                                    "devices refuse: keep Authorization");
    if (!plist_dict_get_item(entry, "Allowed") &&
        !plist_dict_get_item(entry, "Authorization"))
        return tc_profile_refuse_at(source, entry, why,
                                    "this entry has neither Allowed nor Authorization: "
                                    "say which it is");
    return 0;
}

static int check_services(const struct tc_profile_source *source, plist_t services,
                          char why[256])
{
    plist_t entries;
    uint32_t n;
    int r = 0;

    if (!PLIST_IS_DICT(services))
        return tc_profile_refuse_at(source, services, why,
                                    "Services is a <dict> with a key for each service");
    entries = plist_dict_get_item(services, TC_PROFILE_ALL_FILES);
    if (!entries)
        return 0;
    if (!PLIST_IS_ARRAY(entries))
        return tc_profile_refuse_at(source, entries, why,
                                    TC_PROFILE_ALL_FILES " is an <array> of entries");
    n = plist_array_get_size(entries);
    for (uint32_t i = 0; !r && i < n; i++)
        r = check_access(source, plist_array_get_item(entries, i), why);
    return r;
}

static int check_value(const struct tc_profile_source *source, const struct key *key,
                       plist_t node, char why[256])
{
    switch (key->kind) {
    case BOOLEAN:
        return check_boolean(source, key, node, why);
    case TEXT:
        return check_text(source, key, node, why);
    case TEXTS:
        return check_texts(source, key, node, why);
    case TEAMS:
        return check_teams(source, key, node, why);
    case SERVICES:
        return check_services(source, node, why);
    }
    return 0;
}

static int check_keys(const struct tc_profile_source *source, const struct key *keys,
                      plist_t dict, char why[256])
{
    struct tc_profile_walk walk = {.dict = dict};
    const struct key *key;
    int r = 0;

    while (!r && tc_profile_walk_next(&walk)) {
        for (key = keys; key->name && strcmp(key->name, walk.key) != 0;)
            key++;
        if (!key->name)
            continue;
        if (plist_dict_get_item(dict, key->name) != walk.value)
            r = tc_profile_refuse_at(source, walk.value, why,
                                     "%s is there twice: remove one", key->name);
        else
            r = check_value(source, key, walk.value, why);
    }
    tc_profile_walk_done(&walk);
    return r;
}

/* "It's an error for the same team identifier to appear in both." */
static int check_system_extension(const struct tc_profile_source *source, plist_t payload,
                                  char why[256])
{
    plist_t teams = plist_dict_get_item(payload, "AllowedTeamIdentifiers"), item;
    uint32_t n = teams ? plist_array_get_size(teams) : 0;

    for (uint32_t i = 0; i < n; i++) {
        item = plist_array_get_item(teams, i);
        if (tc_profile_of_team(payload, "AllowedSystemExtensions",
                               plist_get_string_ptr(item, NULL)))
            return tc_profile_refuse_at(source, item, why,
                                        "team %.40s is in AllowedTeamIdentifiers and in "
                                        "AllowedSystemExtensions: remove it from one",
                                        plist_get_string_ptr(item, NULL));
    }
    return 0;
}

static const struct {
    const char *type;
    const struct key *keys;
    int (*check)(const struct tc_profile_source *source, plist_t payload, char why[256]);
} payloads[] = {
    {TC_PROFILE_TYPE_SYSTEM, system_extension_keys, check_system_extension},
    {TC_PROFILE_TYPE_KERNEL, kernel_extension_keys, NULL},
    {TC_PROFILE_TYPE_FILTER, filter_keys, NULL},
    {TC_PROFILE_TYPE_PRIVACY, privacy_keys, NULL},
};

int tc_profile_payload_check(const struct tc_profile_source *source, plist_t payload,
                             const char *type, char why[256])
{
    size_t i = 0, n = sizeof(payloads) / sizeof(*payloads);
    int r;

    if (tc_profile_is_update(type))
        return check_keys(source, update_keys, payload, why);
    while (i < n && strcmp(payloads[i].type, type) != 0)
        i++;
    if (i == n)
        return 0;
    r = check_keys(source, payloads[i].keys, payload, why);
    return !r && payloads[i].check ? payloads[i].check(source, payload, why) : r;
}
