/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see profile.h: the profile as a whole, and the rule. */
#include "core/profile/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/why.h"
#include "core/profile/profile_priv.h"

struct tc_profile {
    struct tc_profile_source source;
    plist_t payloads; /* of the tree: the array PayloadContent */
    enum tc_profile_ring ring;
    char warning[TC_WHY_MAX]; /* "" : none */
};

/* The payload and its type; false past the end. */
static bool payload_at(const struct tc_profile *profile, uint32_t index,
                       plist_t *ret_payload, const char **ret_type)
{
    if (index >= plist_array_get_size(profile->payloads))
        return false;
    *ret_payload = plist_array_get_item(profile->payloads, index);
    *ret_type = tc_profile_text(*ret_payload, "PayloadType");
    return true;
}

static int find_payloads(struct tc_profile *profile, char why[256])
{
    const struct tc_profile_source *source = &profile->source;
    const char *type;

    if (!PLIST_IS_DICT(source->root))
        return tc_profile_refuse_at(source, source->root, why,
                                    "a profile is a <dict> with a PayloadContent");
    if (plist_dict_get_item(source->root, "EncryptedPayloadContent"))
        return tc_profile_refuse_at(source, source->root, why,
                                    "the profile is encrypted for one machine: export it "
                                    "without encryption");
    type = tc_profile_text(source->root, "PayloadType");
    if (!type || strcmp(type, "Configuration") != 0)
        return tc_profile_refuse_at(source, source->root, why,
                                    "this is no configuration profile: its PayloadType "
                                    "is not Configuration");
    profile->payloads = plist_dict_get_item(source->root, "PayloadContent");
    if (!PLIST_IS_ARRAY(profile->payloads))
        return tc_profile_refuse_at(source, source->root, why,
                                    "the profile has no array PayloadContent");
    return 0;
}

static int check_payload(struct tc_profile *profile, plist_t payload, char why[256])
{
    const struct tc_profile_source *source = &profile->source;
    enum tc_profile_ring ring;
    const char *type, *odd;
    int r;

    if (!PLIST_IS_DICT(payload))
        return tc_profile_refuse_at(source, payload, why, "a payload is a <dict>");
    type = tc_profile_text(payload, "PayloadType");
    if (!type)
        return tc_profile_refuse_at(source, payload, why,
                                    "this payload has no PayloadType");
    r = tc_profile_payload_check(source, payload, type, why);
    if (r)
        return r;
    ring = tc_profile_payload_ring(payload, type, &odd);
    if (ring > profile->ring)
        profile->ring = ring;
    if (odd)
        tc_profile_refuse_at(source, plist_dict_get_item(payload, "ChannelName"),
                             profile->warning,
                             "the channel %.40s is none of Beta, Preview and Current, "
                             "and changes no release ring",
                             odd);
    return 0;
}

int tc_profile_parse(const char *name, const void *data, size_t len,
                     struct tc_profile **ret_profile, char why[256])
{
    struct tc_profile *profile = calloc(1, sizeof(*profile));
    uint32_t n;
    int r = -ENOMEM;

    if (profile)
        profile->source.name = strdup(name);
    if (!profile || !profile->source.name)
        goto out;
    r = tc_profile_source_read(&profile->source, data, len, why);
    if (!r)
        r = find_payloads(profile, why);
    n = r ? 0 : plist_array_get_size(profile->payloads);
    for (uint32_t i = 0; !r && i < n; i++)
        r = check_payload(profile, plist_array_get_item(profile->payloads, i), why);
    if (r)
        goto out;
    *ret_profile = profile;
    profile = NULL;

out:
    if (r == -ENOMEM)
        tc_profile_refuse(why, "%.100s: out of memory", name);
    tc_profile_free(profile);
    return r;
}

void tc_profile_free(struct tc_profile *profile)
{
    if (!profile)
        return;
    tc_profile_source_done(&profile->source);
    free(profile);
}

const char *tc_profile_name(const struct tc_profile *profile)
{
    const char *name = tc_profile_text(profile->source.root, "PayloadDisplayName");

    if (!name || !*name)
        name = tc_profile_identifier(profile);
    return name && *name ? name : profile->source.name;
}

const char *tc_profile_identifier(const struct tc_profile *profile)
{
    return tc_profile_text(profile->source.root, "PayloadIdentifier");
}

const char *tc_profile_warning(const struct tc_profile *profile)
{
    return profile->warning[0] ? profile->warning : NULL;
}

unsigned tc_profile_state(const struct tc_profile *profile,
                          const struct tc_identity *identity, enum tc_profile_gate gate)
{
    unsigned state = 0;
    const char *type;
    plist_t payload;

    for (uint32_t i = 0; payload_at(profile, i, &payload, &type); i++)
        state |= tc_profile_payload_state(payload, type, identity, gate);
    return state;
}

enum tc_profile_says tc_profile_conclude(unsigned statements)
{
    if ((statements & TC_PROFILE_DENIED) ||
        ((statements & TC_PROFILE_TYPE_OUT) && !(statements & TC_PROFILE_TYPE_IN)))
        return TC_PROFILE_DENIES;
    if (statements & TC_PROFILE_LISTED)
        return TC_PROFILE_ALLOWS;
    return statements & TC_PROFILE_CLOSED ? TC_PROFILE_FORBIDS : TC_PROFILE_NOTHING;
}

unsigned tc_profile_decisive(unsigned statements)
{
    switch (tc_profile_conclude(statements)) {
    case TC_PROFILE_DENIES:
        return statements & TC_PROFILE_DENIED ? TC_PROFILE_DENIED : TC_PROFILE_TYPE_OUT;
    case TC_PROFILE_ALLOWS:
        return TC_PROFILE_LISTED;
    case TC_PROFILE_FORBIDS:
        return TC_PROFILE_CLOSED;
    case TC_PROFILE_NOTHING:
        break;
    }
    return 0;
}

enum tc_profile_ring tc_profile_ring(const struct tc_profile *profile)
{
    return profile->ring;
}

const char *tc_profile_gate_name(enum tc_profile_gate gate)
{
    static const char *const names[TC_PROFILE_GATES] = {
        [TC_PROFILE_ES_EXTENSION] = "es_extension",
        [TC_PROFILE_NETWORK_EXTENSION] = "network_extension",
        [TC_PROFILE_NETWORK_FILTER] = "network_filter",
        [TC_PROFILE_FULL_DISK_ACCESS] = "full_disk_access",
        [TC_PROFILE_KERNEL_EXTENSION] = "kernel_extension",
    };

    return names[gate];
}

const char *tc_profile_says_name(enum tc_profile_says says)
{
    static const char *const names[] = {
        [TC_PROFILE_NOTHING] = "nothing",
        [TC_PROFILE_ALLOWS] = "allows",
        [TC_PROFILE_DENIES] = "denies",
        [TC_PROFILE_FORBIDS] = "forbids",
    };

    return names[says];
}

const char *tc_profile_ring_name(enum tc_profile_ring ring)
{
    static const char *const names[] = {
        [TC_PROFILE_RING_NONE] = NULL,
        [TC_PROFILE_RING_BETA] = "beta",
        [TC_PROFILE_RING_PREVIEW] = "preview",
        [TC_PROFILE_RING_CURRENT] = "current",
    };

    return names[ring];
}
