/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how the control socket shows profiles, and the words for a gate that does
 * not stand as declared.
 */
#include <string.h>
#include <tocsin/event.h>

#include "core/base/why.h"
#include "core/profile/profiles.h"

static void put_says(const struct tc_profiles_item *item, struct tocsin_writer *w)
{
    enum tc_profile_says says;

    tocsin_begin_map(w, "says");
    for (int gate = 0; gate < TC_PROFILE_GATES; gate++) {
        says = tc_profile_conclude(item->states[gate]);
        if (says != TC_PROFILE_NOTHING)
            tocsin_put_str(w, tc_profile_gate_name((enum tc_profile_gate)gate),
                           tc_profile_says_name(says));
    }
    tocsin_end(w);
}

void tc_profiles_put(const struct tc_profiles *profiles, struct tocsin_writer *w)
{
    const struct tc_profiles_item *item;

    tocsin_begin_array(w, "items");
    for (size_t i = 0; (item = tc_profiles_item(profiles, i)); i++) {
        tocsin_begin_map(w, NULL);
        tocsin_put_str(w, "file", item->file);
        tocsin_put_str(w, "name", item->name);
        tocsin_put_str(w, "identifier", item->identifier);
        if (item->error)
            tocsin_put_str(w, "error", item->error);
        if (item->warning)
            tocsin_put_str(w, "warning", item->warning);
        if (item->ring)
            tocsin_put_str(w, "release_ring", tc_profile_ring_name(item->ring));
        put_says(item, w);
        tocsin_end(w);
    }
    tocsin_end(w);
}

/* Whether the gate stands as declared. */
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

/* One sentence why the gate does not stand as declared, or what declares it so. */
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

static void put_text(struct tocsin_writer *w, const char *key, const char *text)
{
    if (text && *text)
        tocsin_put_str(w, key, text);
    else
        tocsin_put_nil(w, key);
}

static void put_gate(const struct tc_profiles *profiles, enum tc_profile_gate gate,
                     const struct tc_profiles_effect *effect, struct tocsin_writer *w)
{
    struct tc_profiles_gate result = tc_profiles_gate(profiles, gate);
    char text[TC_WHY_MAX], effective[64] = "";

    if (effect && effect->state)
        snprintf(effective, sizeof(effective), "%.40s%s", effect->state,
                 effect->managed ? " (managed)" : "");
    explain(profiles, gate, effect, text);
    tocsin_begin_map(w, NULL);
    tocsin_put_str(w, "gate", tc_profile_gate_name(gate));
    tocsin_put_str(w, "declared", tc_profile_says_name(result.says));
    tocsin_put_str(w, "profile", result.by ? result.by->name : NULL);
    tocsin_put_str(w, "file", result.by ? result.by->file : NULL);
    put_text(w, "effective", effective);
    put_text(w, "why", text);
    tocsin_end(w);
}

static void put_ring(const struct tc_profiles *profiles, const char *effective,
                     struct tocsin_writer *w)
{
    const struct tc_profiles_item *by;
    const char *declared = tc_profile_ring_name(tc_profiles_ring(profiles, &by));
    bool differs = declared && effective && strcmp(declared, effective) != 0;

    tocsin_begin_map(w, "release_ring");
    tocsin_put_str(w, "declared", declared);
    tocsin_put_str(w, "profile", by ? by->name : NULL);
    tocsin_put_str(w, "effective", effective);
    tocsin_put_str(w, "why",
                   differs ? "the ring is read when the agent starts: restart it" : NULL);
    tocsin_end(w);
}

void tc_profiles_put_check(const struct tc_profiles *profiles,
                           const struct tc_profiles_effect effects[TC_PROFILE_GATES],
                           const char *effective_ring, struct tocsin_writer *w)
{
    tocsin_begin_array(w, "gates");
    for (int gate = 0; gate < TC_PROFILE_GATES; gate++)
        put_gate(profiles, (enum tc_profile_gate)gate, effects ? &effects[gate] : NULL,
                 w);
    tocsin_end(w);
    put_ring(profiles, effective_ring, w);
    tc_profiles_put(profiles, w);
}
