/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see descriptor_view.h. */
#include "core/host/descriptor_view.h"

#include <string.h>

#include "core/conf/options.h"
#include "ipc/pack.h"
#include "ipc/topic.h"

const char *tc_descriptor_kind(uint32_t kind)
{
    switch (kind) {
    case TOCSIN_KIND_SYSTEM_EXTENSION:
        return "system_extension";
    case TOCSIN_KIND_KERNEL_EXTENSION:
        return "kernel_extension";
    case TOCSIN_KIND_NETWORK_EXTENSION:
        return "network_extension";
    case TOCSIN_KIND_SUPPLEMENTARY:
        return "supplementary";
    case TOCSIN_KIND_DETECTOR:
        return "detector";
    default:
        return "?";
    }
}

bool tc_descriptor_publishes(const struct tocsin_plugin *plugin, const char *topic)
{
    const char *const *list = plugin->publishes;

    for (size_t i = 0; list && list[i]; i++)
        if (!strcmp(list[i], topic) || tc_topic_match(list[i], topic))
            return true;
    return false;
}

bool tc_descriptor_votes(const struct tocsin_plugin *plugin)
{
    return plugin->subscribes && *plugin->subscribes &&
           tc_descriptor_publishes(plugin, TOCSIN_TOPIC_VERDICT);
}

static void put_topics(const char *key, const char *const *topics, struct tc_pack *p)
{
    tc_pack_begin_array(p, key);
    for (; topics && *topics; topics++)
        tc_pack_str(p, NULL, *topics);
    tc_pack_end(p);
}

static const char *type_name(uint32_t type)
{
    static const char *const names[] = {"?",      "bool",     "number", "text",
                                        "choice", "duration", "size",   "list"};

    return type < sizeof(names) / sizeof(names[0]) ? names[type] : names[0];
}

static void put_range(const struct tocsin_option *option, struct tc_pack *p)
{
    char number[TC_OPTION_NUMBER_BYTES];

    if (!option->min && !option->max)
        return;
    tc_option_format(option->type, option->min, number);
    tc_pack_str(p, "min", number);
    tc_option_format(option->type, option->max, number);
    tc_pack_str(p, "max", number);
}

void tc_descriptor_put(const struct tocsin_plugin *plugin, struct tc_pack *p)
{
    put_topics("publishes", plugin->publishes, p);
    put_topics("subscribes", plugin->subscribes, p);
    tc_pack_begin_array(p, "options");
    for (const struct tocsin_option *o = plugin->options; o && o->name; o++) {
        tc_pack_begin_map(p, NULL);
        tc_pack_str(p, "name", o->name);
        tc_pack_str(p, "type", type_name(o->type));
        tc_pack_str(p, "choices", o->choices);
        tc_pack_str(p, "default", o->fallback);
        tc_pack_str(p, "help", o->help);
        tc_pack_bool(p, "restart", o->flags & TOCSIN_OPTION_RESTART);
        put_range(o, p);
        tc_pack_end(p);
    }
    tc_pack_end(p);
}
