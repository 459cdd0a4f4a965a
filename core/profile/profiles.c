/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see profiles.h: the set, and what it says as a whole. */
#include "core/profile/profiles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include "core/base/why.h"
#include "core/profile/profiles_priv.h"

/* A copy that fails into *failed; NULL stays NULL. */
static const char *copy(const char *text, bool *failed)
{
    char *s = text ? strdup(text) : NULL;

    *failed = *failed || (text && !s);
    return s;
}

static void item_done(struct tc_profiles_item *item)
{
    const char *const texts[] = {item->file, item->name, item->identifier, item->error,
                                 item->warning};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        free((void *)(uintptr_t)texts[i]);
    memset(item, 0, sizeof(*item));
}

int tc_profiles_add_refused(struct tc_profiles *profiles, const char *file,
                            const char *error)
{
    struct tc_profiles_item *item = &profiles->items[profiles->count];
    bool failed = false;

    item->file = copy(file, &failed);
    item->name = copy(file, &failed);
    item->error = copy(error, &failed);
    if (failed) {
        item_done(item);
        return -ENOMEM;
    }
    profiles->count++;
    return 0;
}

/* A later file with the identifier of an earlier one is its new version, whatever it says
 * less. */
static int replace_older(struct tc_profiles *profiles,
                         const struct tc_profiles_item *newest)
{
    char why[TC_WHY_MAX];
    bool failed = false;

    for (struct tc_profiles_item *item = profiles->items; item < newest; item++) {
        if (!item->identifier || strcmp(item->identifier, newest->identifier) != 0)
            continue;
        tc_why(why, "%.80s: it counts no longer: %.80s has the same PayloadIdentifier",
               item->file, newest->file);
        free((void *)(uintptr_t)item->warning);
        item->warning = copy(why, &failed);
        memset(item->states, 0, sizeof(item->states));
        item->ring = TC_PROFILE_RING_NONE;
    }
    return failed ? -ENOMEM : 0;
}

int tc_profiles_add(struct tc_profiles *profiles, const char *file, const void *data,
                    size_t len, const struct tc_identity *identity)
{
    struct tc_profiles_item *item = &profiles->items[profiles->count];
    struct tc_profile *profile;
    char why[TC_WHY_MAX];
    bool failed = false;
    int r;

    r = tc_profile_parse(file, data, len, &profile, why);
    if (r)
        return r != -ENOMEM ? tc_profiles_add_refused(profiles, file, why) : r;
    item->file = copy(file, &failed);
    item->name = copy(tc_profile_name(profile), &failed);
    item->identifier = copy(tc_profile_identifier(profile), &failed);
    item->warning = copy(tc_profile_warning(profile), &failed);
    item->ring = tc_profile_ring(profile);
    for (int gate = 0; gate < TC_PROFILE_GATES; gate++)
        item->states[gate] =
            tc_profile_state(profile, identity, (enum tc_profile_gate)gate);
    tc_profile_free(profile);
    if (failed) {
        item_done(item);
        return -ENOMEM;
    }
    profiles->count++;
    return item->identifier ? replace_older(profiles, item) : 0;
}

void tc_profiles_free(struct tc_profiles *profiles)
{
    if (!profiles)
        return;
    for (size_t i = 0; i < profiles->count; i++)
        item_done(&profiles->items[i]);
    free(profiles);
}

const struct tc_profiles_item *tc_profiles_item(const struct tc_profiles *profiles,
                                                size_t index)
{
    return profiles && index < profiles->count ? &profiles->items[index] : NULL;
}

/* The first item that states one of these of the gate, or NULL. */
static const struct tc_profiles_item *first_with(const struct tc_profiles *profiles,
                                                 enum tc_profile_gate gate,
                                                 unsigned statements)
{
    const struct tc_profiles_item *item;

    for (size_t i = 0; (item = tc_profiles_item(profiles, i)); i++)
        if (item->states[gate] & statements)
            return item;
    return NULL;
}

struct tc_profiles_gate tc_profiles_gate(const struct tc_profiles *profiles,
                                         enum tc_profile_gate gate)
{
    struct tc_profiles_gate result = {.state = 0};
    const struct tc_profiles_item *item;

    for (size_t i = 0; (item = tc_profiles_item(profiles, i)); i++)
        result.state |= item->states[gate];
    result.says = tc_profile_conclude(result.state);
    result.by = first_with(profiles, gate, tc_profile_decisive(result.state));
    return result;
}

enum tc_profile_ring tc_profiles_ring(const struct tc_profiles *profiles,
                                      const struct tc_profiles_item **ret_by)
{
    const struct tc_profiles_item *item, *by = NULL;

    for (size_t i = 0; (item = tc_profiles_item(profiles, i)); i++)
        if (item->ring > (by ? by->ring : TC_PROFILE_RING_NONE))
            by = item;
    if (ret_by)
        *ret_by = by;
    return by ? by->ring : TC_PROFILE_RING_NONE;
}

static bool same_item(const struct tc_profiles_item *a, const struct tc_profiles_item *b)
{
    if (!a || !b)
        return a == b;
    return !strcmp(a->file, b->file) && !strcmp(a->name, b->name);
}

bool tc_profiles_same(const struct tc_profiles *a, const struct tc_profiles *b)
{
    const struct tc_profiles_item *ring_a, *ring_b;
    struct tc_profiles_gate x, y;

    for (int gate = 0; gate < TC_PROFILE_GATES; gate++) {
        x = tc_profiles_gate(a, (enum tc_profile_gate)gate);
        y = tc_profiles_gate(b, (enum tc_profile_gate)gate);
        if (x.state != y.state || !same_item(x.by, y.by))
            return false;
    }
    return tc_profiles_ring(a, &ring_a) == tc_profiles_ring(b, &ring_b) &&
           same_item(ring_a, ring_b);
}

#define NEAR_MISSES                                                                      \
    (TC_PROFILE_OTHER_TEAM | TC_PROFILE_OTHER_PLUGIN | TC_PROFILE_FILTER_OFF)

/* What comes near to saying something of the gate, and how to make it say so. */
static const char *near_miss(unsigned state)
{
    if (state & TC_PROFILE_OTHER_TEAM)
        return "lists our extension for another team: compare identity.team of the "
               "configuration";
    if (state & TC_PROFILE_OTHER_PLUGIN)
        return "names our filter with the PluginBundleID of another agent: compare "
               "identity.agent of the configuration";
    if (state & TC_PROFILE_FILTER_OFF)
        return "names our filter, but neither FilterSockets nor FilterPackets is true";
    return NULL;
}

/* The words for a gate that one profile has decided. */
static void explain_by(const struct tc_profiles_gate *gate,
                       const struct tc_profiles_item *by, char text[TC_WHY_MAX])
{
    const char *verb = "allowed", *more = "";

    if (gate->says == TC_PROFILE_DENIES) {
        verb = "denied";
        if (!(gate->state & TC_PROFILE_DENIED))
            more = ": its AllowedSystemExtensionTypes leave this type out";
    } else if (gate->says == TC_PROFILE_FORBIDS) {
        verb = "forbidden";
        more = ": AllowUserOverrides is false and no profile lists it";
    }
    tc_why(text, "%s by \"%.60s\" (%.60s)%s", verb, by->name, by->file, more);
}

void tc_profiles_explain(const struct tc_profiles *profiles, enum tc_profile_gate gate,
                         char text[256])
{
    struct tc_profiles_gate result = tc_profiles_gate(profiles, gate);
    const struct tc_profiles_item *near = first_with(profiles, gate, NEAR_MISSES);
    const char *miss = near_miss(near ? near->states[gate] : 0);

    text[0] = '\0';
    if (result.by)
        explain_by(&result, result.by, text);
    else if (near && miss)
        tc_why(text, "\"%.60s\" %s", near->name, miss);
}
