/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: which plugin is which sensor of the slot, by the configuration and by what is
 * installed. */
#include <stdio.h>
#include <string.h>

#include "core/conf/config.h"
#include "core/conf/options.h"
#include "core/host/loader.h"
#include "core/host/registry.h"
#include "core/protect/protection_priv.h"

static bool installed(const struct tc_protection *p, const char *name)
{
    const struct tc_registry *registry = p->services->registry;

    return tc_registry_wants(registry, name) && tc_registry_plugin(registry, name);
}

/* One that is up keeps its name, whatever else is installed by now. */
void tc_protection_name_sensors(struct tc_protection *p)
{
    const struct tc_options *core = tc_config_core(p->services->config);
    const char *name = tc_options_text(core, "sensor.primary");

    if (!p->sensors[TC_SLOT_PRIMARY].up)
        snprintf(p->sensors[TC_SLOT_PRIMARY].name, sizeof(p->sensors[0].name), "%s",
                 name);
    if (p->sensors[TC_SLOT_FALLBACK].up)
        return;
    p->sensors[TC_SLOT_FALLBACK].name[0] = '\0';
    for (size_t i = 0; (name = tc_options_item(core, "sensor.fallback", i)); i++) {
        if (!installed(p, name))
            continue;
        snprintf(p->sensors[TC_SLOT_FALLBACK].name, sizeof(p->sensors[0].name), "%s",
                 name);
        return;
    }
}

unsigned tc_protection_installed(const struct tc_protection *p)
{
    unsigned set = 0;

    for (int s = 0; s < TC_SLOT_SENSORS; s++)
        if (p->sensors[s].name[0] && installed(p, p->sensors[s].name))
            set |= 1u << s;
    return set;
}

enum tc_slot_sensor tc_protection_sensor_of(const struct tc_protection *p,
                                            const char *name)
{
    for (int s = 0; s < TC_SLOT_SENSORS; s++)
        if (p->sensors[s].name[0] && !strcmp(p->sensors[s].name, name))
            return (enum tc_slot_sensor)s;
    return TC_SLOT_NOBODY;
}

uint32_t tc_protection_kind_of(const struct tc_protection *p, enum tc_slot_sensor sensor)
{
    const struct tc_plugin *plugin =
        tc_registry_plugin(p->services->registry, p->sensors[sensor].name);

    return plugin ? tc_plugin_module(plugin)->plugin->kind : 0;
}

const char *tc_protection_name_of(const struct tc_protection *p,
                                  enum tc_slot_sensor sensor)
{
    return sensor == TC_SLOT_NOBODY ? "none" : p->sensors[sensor].name;
}
