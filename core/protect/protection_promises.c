/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the facts that promises are derived from (promises.h), as the registry, the
 * configuration, the judge and the bus have them. Changes nothing but what was lost. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include "core/base/health.h"
#include "core/base/promise.h"
#include "core/conf/config.h"
#include "core/conf/options.h"
#include "core/host/registry.h"
#include "core/protect/approver.h"
#include "core/protect/promises.h"
#include "core/protect/protection_priv.h"
#include "core/verdict/judge.h"
#include "ipc/bus.h"

/* ---- Parts ---- */

static bool is_reported(const struct tc_protection *p, const char *plugin)
{
    char key[96];

    snprintf(key, sizeof(key), "plugin_%s", plugin);
    return tc_health_has_issue(p->services->notice.health, "core", key);
}

/* One that is not to run. */
static enum tc_part_state why_off(const struct tc_protection *p, const char *plugin)
{
    struct tc_plugin_settings settings;

    if (tc_config_plugin_settings(p->services->config, plugin, &settings))
        return TC_PART_NOT_NAMED;
    return settings.enabled ? TC_PART_OFF : TC_PART_OFF_BY_CONFIGURATION;
}

static enum tc_part_state state_of(const struct tc_protection *p, const char *plugin)
{
    const struct tc_registry *registry = p->services->registry;
    const struct tc_plugin *running = tc_registry_plugin(registry, plugin);

    if (running && tc_plugin_state(running) == TC_PLUGIN_RUNNING)
        return TC_PART_RUNS;
    if (!tc_registry_wants(registry, plugin))
        return why_off(p, plugin);
    return is_reported(p, plugin) ? TC_PART_REPORTED : TC_PART_COMING;
}

/* It runs on demand: until it is granted, an issue about approval says so. */
static enum tc_part_state state_of_network(const struct tc_protection *p,
                                           const struct tc_health_numbers *numbers)
{
    enum tc_part_state state = state_of(p, tc_part_plugin(TC_PART_NETWORK));

    for (size_t i = 0; state == TC_PART_COMING && i < numbers->issue_count; i++)
        if (numbers->issues[i].promises & TC_PROMISE_BIT(TC_PROMISE_NETWORK))
            return TC_PART_REPORTED;
    return state;
}

/* ---- Sensors ---- */

static bool is_awaited(const struct tc_health_numbers *numbers)
{
    for (size_t i = 0; i < numbers->issue_count; i++)
        if (numbers->issues[i].fix[0])
            return true;
    return false;
}

static enum tc_sensor_trouble why_switched_off(const struct tc_protection *p)
{
    switch (why_off(p, p->sensors[TC_SLOT_PRIMARY].name)) {
    case TC_PART_OFF:
        return TC_SENSOR_OFF;
    case TC_PART_OFF_BY_CONFIGURATION:
        return TC_SENSOR_OFF_BY_CONFIGURATION;
    default:
        return TC_SENSOR_NOT_NAMED;
    }
}

/* `numbers`: what it says of the holder, and the issues about approval. */
static enum tc_sensor_trouble trouble_of(const struct tc_protection *p,
                                         const struct tc_slot_view *slot,
                                         const struct tc_health_numbers *numbers)
{
    const struct tc_registry *registry = p->services->registry;
    const char *primary = p->sensors[TC_SLOT_PRIMARY].name;

    if (tc_health_sensor_works(numbers))
        return TC_SENSOR_WORKS;
    if (slot->holder != TC_SLOT_NOBODY)
        return p->sensors[slot->holder].canary_ns ? TC_SENSOR_SILENT : TC_SENSOR_COMING;
    if (!tc_registry_wants(registry, primary) && !p->sensors[TC_SLOT_FALLBACK].name[0])
        return why_switched_off(p);
    if (slot->coming != TC_SLOT_NOBODY)
        return TC_SENSOR_COMING;
    if (is_awaited(numbers))
        return TC_SENSOR_WAITS;
    if (slot->failure[TC_SLOT_PRIMARY][0] || slot->failure[TC_SLOT_FALLBACK][0])
        return TC_SENSOR_FAILED;
    if (tc_registry_wants(registry, primary) && !tc_registry_plugin(registry, primary))
        return TC_SENSOR_MISSING;
    return TC_SENSOR_COMING;
}

/* ---- Watched folders ---- */

static const char *watched(const struct tc_protection *p, enum tc_slot_sensor sensor,
                           size_t index)
{
    const char *name = p->sensors[sensor].name;
    const struct tc_plugin *plugin =
        *name ? tc_registry_plugin(p->services->registry, name) : NULL;

    return plugin ? tc_options_item(tc_plugin_next_options(plugin), "watch", index)
                  : NULL;
}

static void add_excluded(const struct tc_protection *p, const char *folder,
                         unsigned promises, const char *scope,
                         struct tc_promise_facts *ret)
{
    struct tc_excluded_folder *excluded = &ret->excluded[ret->excluded_n++];
    char *entry = tc_config_excluding(p->services->config, scope, folder);

    excluded->folder = folder;
    excluded->promises = promises;
    if (entry && strlen(entry) < sizeof(excluded->entry))
        snprintf(excluded->entry, sizeof(excluded->entry), "%s", entry);
    free(entry);
}

static void find_excluded(const struct tc_protection *p, enum tc_slot_sensor sensor,
                          struct tc_promise_facts *ret)
{
    const struct {
        const char *scope;
        enum tc_promise promise;
    } scopes[] = {
        {p->sensors[sensor].name, TC_PROMISE_REAL_TIME},
        {tc_part_plugin(TC_PART_SCANNER), TC_PROMISE_SCANNING},
        {tc_part_plugin(TC_PART_BEHAVIOUR), TC_PROMISE_BEHAVIOUR},
    };
    const char *folder, *scope;
    unsigned promises;

    for (size_t i = 0; (folder = watched(p, sensor, i)); i++) {
        promises = 0;
        scope = NULL;
        for (size_t k = 0; k < sizeof(scopes) / sizeof(scopes[0]); k++)
            if (tc_config_excludes_all(p->services->config, scopes[k].scope, folder)) {
                promises |= TC_PROMISE_BIT(scopes[k].promise);
                scope = scope ? scope : scopes[k].scope;
            }
        if (promises && ret->excluded_n < TC_PROMISES_FOLDERS_MAX)
            add_excluded(p, folder, promises, scope, ret);
    }
}

/* "/srv" and "/srv/" are one folder. */
static bool same_folder(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);

    while (n > 1 && a[n - 1] == '/')
        n--;
    while (m > 1 && b[m - 1] == '/')
        m--;
    return n == m && !memcmp(a, b, n);
}

static bool watches(const struct tc_protection *p, enum tc_slot_sensor sensor,
                    const char *folder)
{
    const char *item;

    for (size_t i = 0; (item = watched(p, sensor, i)); i++)
        if (same_folder(item, folder))
            return true;
    return false;
}

/* The first folder that one sensor watches and the other, if it is there, does not. */
static void find_uneven(const struct tc_protection *p, struct tc_promise_facts *ret)
{
    const char *folder;

    if (!watched(p, TC_SLOT_PRIMARY, 0) || !watched(p, TC_SLOT_FALLBACK, 0))
        return;
    for (int s = 0; s < TC_SLOT_SENSORS; s++)
        for (size_t i = 0; (folder = watched(p, (enum tc_slot_sensor)s, i)); i++)
            if (!watches(p, (enum tc_slot_sensor)(TC_SLOT_SENSORS - 1 - s), folder)) {
                ret->uneven = (struct tc_uneven_folder){
                    folder, p->sensors[s].name, p->sensors[TC_SLOT_FALLBACK].name};
                return;
            }
}

/* ---- Detectors ---- */

static void find_silent(const struct tc_protection *p, struct tc_promise_facts *ret)
{
    uint64_t silent = tc_judge_silent(p->services->judge), voter;

    for (; silent && ret->silent_n < TC_PROMISES_PLUGINS_MAX; silent &= silent - 1) {
        voter = silent & -silent;
        tc_registry_voter_names(p->services->registry, voter, ret->silent[ret->silent_n],
                                sizeof(ret->silent[0]));
        ret->silent_n += ret->silent[ret->silent_n][0] != '\0';
    }
}

void tc_protection_lost(struct tc_protection *p)
{
    struct tc_subscriber_stats all[TC_BUS_SUBSCRIBERS_MAX];
    size_t n = tc_bus_stats(p->services->notice.bus, all, TC_BUS_SUBSCRIBERS_MAX);

    for (size_t i = 0; i < n && i < TC_BUS_SUBSCRIBERS_MAX; i++)
        tc_losses_note(&p->losses, all[i].name, all[i].dropped, uv_hrtime());
}

void tc_protection_gap(struct tc_protection *p, const struct tocsin_event *gap,
                       const char *source)
{
    int64_t lost = tocsin_event_int(gap, "count", 0);

    if (lost > 0)
        tc_losses_add(&p->gaps, source, (uint64_t)lost, uv_hrtime());
}

/* Twice what it is; nothing, when that is more than there may be. */
static void next_ring(const struct tc_options *options, char ret[TC_OPTION_NUMBER_BYTES])
{
    const struct tocsin_option *option = tc_options_find(options, "ring_size");
    int64_t next = 2 * tc_options_int(options, "ring_size");

    if (option && (!option->max || next <= option->max))
        tc_option_format(option->type, next, ret);
}

static void find_lossy(const struct tc_protection *p, const struct tc_losses *losses,
                       bool reports, struct tc_promise_facts *ret)
{
    struct tc_lossy_plugin *lossy;
    const struct tc_plugin *plugin;
    const char *name;
    uint64_t lost;

    for (size_t i = 0; i < TC_LOSSES_MAX && ret->lossy_n < TC_PROMISES_PLUGINS_MAX; i++) {
        name = losses->list[i].name;
        lost = tc_losses_recent(losses, name, uv_hrtime());
        plugin = *name ? tc_registry_plugin(p->services->registry, name) : NULL;
        if (!plugin || !lost)
            continue;
        lossy = &ret->lossy[ret->lossy_n++];
        lossy->lost = lost;
        if (reports)
            next_ring(tc_plugin_options(plugin), lossy->ring);
        snprintf(lossy->name, sizeof(lossy->name), "%s", name);
    }
}

void tc_protection_add_promises(const struct tc_protection *p,
                                const struct tc_slot_view *slot,
                                struct tc_health_numbers *ret)
{
    enum tc_slot_sensor sensor =
        slot->holder == TC_SLOT_NOBODY ? TC_SLOT_PRIMARY : slot->holder;
    struct tc_promise_facts facts = {
        .sensor = trouble_of(p, slot, ret),
        .sensor_name = p->sensors[sensor].name,
        .passive = ret->passive,
        .record_ms = (uint64_t)tc_options_int(tc_config_core(p->services->config),
                                              "journal.max_age"),
    };

    for (enum tc_part part = 0; part < TC_PARTS; part++)
        facts.parts[part] = state_of(p, tc_part_plugin(part));
    facts.parts[TC_PART_NETWORK] = state_of_network(p, ret);
    find_excluded(p, sensor, &facts);
    find_uneven(p, &facts);
    find_silent(p, &facts);
    find_lossy(p, &p->losses, false, &facts);
    find_lossy(p, &p->gaps, true, &facts);
    tc_promises_derive(&facts, ret);
}
