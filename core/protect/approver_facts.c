/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the gates depend on and nobody answers: the release ring, read once at
 * start, and the prerequisites, have and need.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/version.h"
#include "core/conf/config.h"
#include "core/conf/options.h"
#include "core/protect/approver_priv.h"

void tc_approver_facts_read(struct tc_approver *a)
{
    const struct tc_options *core = tc_config_core(a->services->config);
    enum tc_profile_ring ring = tc_profiles_ring(a->profiles, NULL);

    a->ring_managed = ring != TC_PROFILE_RING_NONE;
    snprintf(a->ring, sizeof(a->ring), "%s",
             a->ring_managed ? tc_profile_ring_name(ring)
                             : tc_options_text(core, "release_ring"));
    uname(&a->machine);
}

/* The rings that may run, and whether ours is one of them. */
static bool ring_allowed(struct tc_approver *a)
{
    const struct tc_options *core = tc_config_core(a->services->config);
    const char *ring;
    bool found = false;
    size_t used = 0;

    a->rings[0] = '\0';
    for (size_t i = 0; (ring = tc_options_item(core, "prerequisites.release_rings", i));
         i++) {
        found = found || !strcmp(ring, a->ring);
        if (used < sizeof(a->rings))
            used += (size_t)snprintf(a->rings + used, sizeof(a->rings) - used, "%s%s",
                                     used ? "|" : "", ring);
    }
    return found;
}

void tc_approver_facts_apply(struct tc_approver *a)
{
    const struct tc_options *core = tc_config_core(a->services->config);
    struct tc_prerequisite *p = a->prerequisites;

    snprintf(a->os_need, sizeof(a->os_need), "%s",
             tc_options_text(core, "prerequisites.os_version"));
    snprintf(a->product_need, sizeof(a->product_need), "%s",
             tc_options_text(core, "prerequisites.product_version"));
    *p++ =
        (struct tc_prerequisite){"os_version", a->machine.release, a->os_need,
                                 tc_version_compare(a->machine.release, a->os_need) >= 0};
    *p++ = (struct tc_prerequisite){"product_version", TOCSIN_VERSION, a->product_need,
                                    tc_version_compare(TOCSIN_VERSION, a->product_need) >=
                                        0};
    *p++ = (struct tc_prerequisite){"release_ring", a->ring, a->rings, ring_allowed(a)};
    tc_approval_set_prerequisites(a->approval, a->prerequisites,
                                  (size_t)(p - a->prerequisites), uv_hrtime());
}
