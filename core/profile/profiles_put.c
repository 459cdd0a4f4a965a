/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how the control socket shows profiles, and the words for a gate that does
 * not match the declaration.
 */
#include <string.h>

#include "core/base/why.h"
#include "core/profile/profiles.h"
#include "ipc/pack.h"

static void put_says(const struct tc_profiles_item *item, struct tc_pack *p)
{
    enum tc_profile_says says;

    tc_pack_begin_map(p, "says");
    for (int gate = 0; gate < TC_PROFILE_GATES; gate++) {
        says = tc_profile_conclude(item->states[gate]);
        if (says != TC_PROFILE_NOTHING)
            tc_pack_str(p, tc_profile_gate_name((enum tc_profile_gate)gate),
                        tc_profile_says_name(says));
    }
    tc_pack_end(p);
}

void tc_profiles_put(const struct tc_profiles *profiles, struct tc_pack *p)
{
    const struct tc_profiles_item *item;

    tc_pack_begin_array(p, "items");
    for (size_t i = 0; (item = tc_profiles_item(profiles, i)); i++) {
        tc_pack_begin_map(p, NULL);
        tc_pack_str(p, "file", item->file);
        tc_pack_str(p, "name", item->name);
        tc_pack_str(p, "identifier", item->identifier);
        if (item->error)
            tc_pack_str(p, "error", item->error);
        if (item->warning)
            tc_pack_str(p, "warning", item->warning);
        if (item->ring)
            tc_pack_str(p, "release_ring", tc_profile_ring_name(item->ring));
        put_says(item, p);
        tc_pack_end(p);
    }
    tc_pack_end(p);
}

/* Whether the gate is as declared. */
static bool agrees(enum tc_profile_says says, const struct tc_profiles_effect *effect)
{
    switch (says) {
    case TC_PROFILE_ALLOWS:
        return effect->granted;
    case TC_PROFILE_DENIES:
    case TC_PROFILE_FORBIDS:
        return !effect->granted;
    case TC_PROFILE_NOTHING:
        return true;
    }
    return true;
}

/* One sentence why the gate does not match the declaration, or what declares it so. */
static void explain(const struct tc_profiles *profiles, enum tc_profile_gate gate,
                    const struct tc_profiles_effect *effect, char text[TC_WHY_MAX])
{
    enum tc_profile_says says = tc_profiles_gate(profiles, gate).says;

    if (!effect) {
        tc_profiles_explain(profiles, gate, text);
    } else if (says == TC_PROFILE_NOTHING) {
        tc_profiles_explain(profiles, gate, text);
    } else if (gate == TC_PROFILE_KERNEL_EXTENSION) {
        text[0] = '\0'; /* nobody is asked about it, so nothing can differ */
    } else if (!effect->state && !effect->reason) {
        tc_why(text, "the agent does not ask for it: its plugin is not installed or not "
                     "enabled");
    } else if (agrees(says, effect)) {
        text[0] = '\0';
    } else if (effect->reason) {
        tc_why(text, "%s", effect->reason);
    } else if (says == TC_PROFILE_ALLOWS) {
        tc_why(text, "the profiles consent, the system has not granted it yet");
    } else {
        tc_why(text, "the profiles refuse it: it is about to be withdrawn");
    }
}

static void put_text(struct tc_pack *p, const char *key, const char *text)
{
    if (text && *text)
        tc_pack_str(p, key, text);
    else
        tc_pack_nil(p, key);
}

static void put_gate(const struct tc_profiles *profiles, enum tc_profile_gate gate,
                     const struct tc_profiles_effect *effect, struct tc_pack *p)
{
    struct tc_profiles_gate result = tc_profiles_gate(profiles, gate);
    char text[TC_WHY_MAX], effective[64] = "";

    if (effect && effect->state)
        snprintf(effective, sizeof(effective), "%.40s%s", effect->state,
                 effect->managed ? " (managed)" : "");
    explain(profiles, gate, effect, text);
    tc_pack_begin_map(p, NULL);
    tc_pack_str(p, "gate", tc_profile_gate_name(gate));
    tc_pack_str(p, "declared", tc_profile_says_name(result.says));
    tc_pack_str(p, "profile", result.by ? result.by->name : NULL);
    tc_pack_str(p, "file", result.by ? result.by->file : NULL);
    put_text(p, "effective", effective);
    put_text(p, "why", text);
    tc_pack_end(p);
}

static void put_ring(const struct tc_profiles *profiles, const char *effective,
                     struct tc_pack *p)
{
    const struct tc_profiles_item *by;
    const char *declared = tc_profile_ring_name(tc_profiles_ring(profiles, &by));
    bool differs = declared && effective && strcmp(declared, effective) != 0;

    tc_pack_begin_map(p, "release_ring");
    tc_pack_str(p, "declared", declared);
    tc_pack_str(p, "profile", by ? by->name : NULL);
    tc_pack_str(p, "effective", effective);
    tc_pack_str(p, "why",
                differs ? "the ring is read when the agent starts: restart it" : NULL);
    tc_pack_end(p);
}

void tc_profiles_put_check(const struct tc_profiles *profiles,
                           const struct tc_profiles_effect effects[TC_PROFILE_GATES],
                           const char *effective_ring, struct tc_pack *p)
{
    tc_pack_begin_array(p, "gates");
    for (int gate = 0; gate < TC_PROFILE_GATES; gate++)
        put_gate(profiles, (enum tc_profile_gate)gate, effects ? &effects[gate] : NULL,
                 p);
    tc_pack_end(p);
    put_ring(profiles, effective_ring, p);
    tc_profiles_put(profiles, p);
}
