/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/health.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/promise.h"
#include "ipc/pack.h"

/* A fact (no fix) or an issue, in the order in which they came. */
struct entry {
    struct entry *next;
    char *owner, *key, *text, *fix;
};

struct tc_health {
    struct entry *facts, *issues;
    unsigned issue_count;
    uint64_t issues_left_out;
};

struct tc_health *tc_health_new(void)
{
    return calloc(1, sizeof(struct tc_health));
}

static void entry_free(struct entry *e)
{
    free(e->owner);
    free(e->key);
    free(e->text);
    free(e->fix);
    free(e);
}

static struct entry *entry_new(const char *owner, const char *key, const char *text,
                               const char *fix)
{
    struct entry *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->owner = strdup(owner);
    e->key = strdup(key);
    e->text = strdup(text);
    e->fix = fix ? strdup(fix) : NULL;
    if (e->owner && e->key && e->text && (!fix || e->fix))
        return e;
    entry_free(e);
    return NULL;
}

static struct entry **find(struct entry **list, const char *owner, const char *key)
{
    while (*list && (strcmp((*list)->owner, owner) || strcmp((*list)->key, key)))
        list = &(*list)->next;
    return list;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* Takes the entry at *slot out of its list. False when there is none. */
static bool take_out(struct entry **slot)
{
    struct entry *e = *slot;

    if (!e)
        return false;
    *slot = e->next;
    entry_free(e);
    return true;
}

/* Puts an entry where one of that key stood, or at the end. True when that changed
 * anything. */
static bool put_in(struct entry **slot, struct entry *fresh)
{
    struct entry *old = *slot;

    if (!fresh)
        return false;
    if (old && same_text(old->text, fresh->text) && same_text(old->fix, fresh->fix)) {
        entry_free(fresh);
        return false;
    }
    fresh->next = old ? old->next : NULL;
    *slot = fresh;
    if (old)
        entry_free(old);
    return true;
}

static bool report_issue(struct tc_health *health, const char *owner, const char *key,
                         const char *text, const char *fix)
{
    struct entry **slot = find(&health->issues, owner, key);
    bool is_new = !*slot;

    if (is_new && health->issue_count >= TC_HEALTH_ISSUES_MAX) {
        health->issues_left_out++;
        return false;
    }
    if (!put_in(slot, entry_new(owner, key, text, fix)))
        return false;
    health->issue_count += is_new;
    return true;
}

bool tc_health_report(struct tc_health *health, const char *owner, uint32_t what,
                      const char *key, const char *text, const char *fix)
{
    struct entry **slot;

    if (!key)
        return false;
    switch (what) {
    case TOCSIN_REPORT_FACT:
        slot = find(&health->facts, owner, key);
        return text ? put_in(slot, entry_new(owner, key, text, NULL)) : take_out(slot);
    case TOCSIN_REPORT_ISSUE:
        return text && report_issue(health, owner, key, text, fix);
    case TOCSIN_REPORT_CLEAR:
        if (!take_out(find(&health->issues, owner, key)))
            return false;
        health->issue_count--;
        return true;
    default:
        return false;
    }
}

void tc_health_forget(struct tc_health *health, const char *owner)
{
    struct entry **slot;

    for (slot = &health->facts; *slot;) {
        if (!strcmp((*slot)->owner, owner))
            take_out(slot);
        else
            slot = &(*slot)->next;
    }
    for (slot = &health->issues; *slot;) {
        if (strcmp((*slot)->owner, owner)) {
            slot = &(*slot)->next;
            continue;
        }
        take_out(slot);
        health->issue_count--;
    }
}

void tc_health_free(struct tc_health *health)
{
    if (!health)
        return;
    while (take_out(&health->facts))
        ;
    while (take_out(&health->issues))
        ;
    free(health);
}

const char *tc_health_fact(const struct tc_health *health, const char *key)
{
    for (const struct entry *e = health->facts; e; e = e->next)
        if (!strcmp(e->key, key))
            return e->text;
    return NULL;
}

const char *tc_health_fact_of(const struct tc_health *health, const char *owner,
                              const char *key)
{
    for (const struct entry *e = health->facts; e; e = e->next)
        if (!strcmp(e->owner, owner) && !strcmp(e->key, key))
            return e->text;
    return NULL;
}

void tc_health_put_facts(const struct tc_health *health, const char *owner,
                         struct tc_pack *p)
{
    for (const struct entry *e = health->facts; e; e = e->next)
        if (!strcmp(e->owner, owner))
            tc_pack_str(p, e->key, e->text);
}

bool tc_health_has_issue(const struct tc_health *health, const char *owner,
                         const char *key)
{
    for (const struct entry *e = health->issues; e; e = e->next)
        if (!strcmp(e->owner, owner) && !strcmp(e->key, key))
            return true;
    return false;
}

struct tc_health_issue *tc_health_add(struct tc_health_numbers *numbers)
{
    struct tc_health_issue *issue;

    if (numbers->issue_count == TC_HEALTH_DERIVED_MAX)
        return NULL;
    issue = &numbers->issues[numbers->issue_count++];
    memset(issue, 0, sizeof(*issue));
    return issue;
}

bool tc_health_sensor_works(const struct tc_health_numbers *numbers)
{
    return numbers->holder && numbers->canary_ns &&
           numbers->now_ns <= numbers->canary_ns + TC_HEALTH_CANARY_NS;
}

bool tc_health_good(const struct tc_health *health,
                    const struct tc_health_numbers *numbers)
{
    for (size_t i = 0; i < numbers->issue_count; i++)
        if (!numbers->issues[i].note)
            return false;
    return !health->issues;
}

static void put_issue(struct tc_pack *p, const char *id, const char *text,
                      const char *fix)
{
    tc_pack_begin_map(p, NULL);
    tc_pack_str(p, "id", id);
    tc_pack_str(p, "text", text);
    tc_pack_str(p, "fix", fix);
    tc_pack_end(p);
}

static void put_issues(const struct tc_health *health,
                       const struct tc_health_numbers *numbers, struct tc_pack *p)
{
    char id[256];

    tc_pack_begin_array(p, "health_issues");
    for (size_t i = 0; i < numbers->issue_count; i++)
        put_issue(p, numbers->issues[i].id, numbers->issues[i].text,
                  numbers->issues[i].fix);
    for (const struct entry *e = health->issues; e; e = e->next) {
        snprintf(id, sizeof(id), "%s.%s", e->owner, e->key);
        put_issue(p, id, e->text, e->fix);
    }
    if (health->issues_left_out) {
        snprintf(id, sizeof(id), "%" PRIu64 " more issues were not kept",
                 health->issues_left_out);
        put_issue(p, "core.more_issues", id, NULL);
    }
    tc_pack_end(p);
}

/* Why a promise is not kept: the first issue about it. False: it is kept. */
static bool find_cause(const struct tc_health *health,
                       const struct tc_health_numbers *numbers, unsigned promise,
                       const char **ret_cause, const char **ret_fix)
{
    for (size_t i = 0; i < numbers->issue_count; i++) {
        const struct tc_health_issue *issue = &numbers->issues[i];

        if (issue->note || !(issue->promises & promise))
            continue;
        *ret_cause = issue->text;
        *ret_fix = issue->fix;
        return true;
    }
    for (const struct entry *e = health->issues; e; e = e->next) {
        if (!(tc_promise_of(e->owner, e->key, numbers->sensors) & promise))
            continue;
        *ret_cause = e->text;
        *ret_fix = e->fix;
        return true;
    }
    return false;
}

static void put_promises(const struct tc_health *health,
                         const struct tc_health_numbers *numbers, struct tc_pack *p)
{
    const char *cause, *fix;
    bool broken;

    tc_pack_begin_map(p, "promises");
    for (enum tc_promise i = 0; i < TC_PROMISES; i++) {
        if (!(numbers->promised & TC_PROMISE_BIT(i)))
            continue;
        broken = find_cause(health, numbers, TC_PROMISE_BIT(i), &cause, &fix);
        tc_pack_begin_map(p, tc_promise_name(i));
        tc_pack_bool(p, "kept", !broken);
        if (broken) {
            tc_pack_str(p, "cause", cause);
            tc_pack_str(p, "fix", fix);
        }
        tc_pack_end(p);
    }
    tc_pack_end(p);
}

/* A filter that nobody has granted decides nothing, whatever it says. */
static void put_network(const struct tc_health *health,
                        const struct tc_health_numbers *numbers, struct tc_pack *p)
{
    const char *text = tc_health_fact(health, "network_events_subsystem");

    if (!text || !numbers->network_allowed || !strcmp(text, "disabled") ||
        !strcmp(text, "watching"))
        text = "unavailable";
    tc_pack_str(p, "network_events_subsystem", text);
}

static void put_fact(const struct tc_health *health, const char *key,
                     const char *fallback, struct tc_pack *p)
{
    const char *text = tc_health_fact(health, key);

    tc_pack_str(p, key, text ? text : fallback);
}

/* What only some agents have stands behind the fields that all have. */
static void put_known(const struct tc_health *health, const char *key, struct tc_pack *p)
{
    const char *text = tc_health_fact(health, key);

    if (text)
        tc_pack_str(p, key, text);
}

void tc_health_put(const struct tc_health *health,
                   const struct tc_health_numbers *numbers, struct tc_pack *p)
{
    const char *sensor = tc_health_sensor_works(numbers) ? numbers->subsystem : NULL;
    const char *mechanism =
        sensor ? tc_health_fact_of(health, numbers->holder, "sensor_mechanism") : NULL;

    tc_pack_bool(p, "healthy", tc_health_good(health, numbers));
    put_issues(health, numbers, p);
    put_fact(health, "app_version", "", p);
    put_fact(health, "machine_id", "unknown", p);
    tc_pack_str(p, "release_ring", numbers->ring);
    put_fact(health, "engine_version", "none", p);
    put_fact(health, "engine_load_status", "not loaded", p);
    tc_pack_bool(p, "real_time_protection_enabled", numbers->real_time_enabled);
    tc_pack_bool(p, "real_time_protection_available", sensor != NULL);
    tc_pack_str(p, "real_time_protection_subsystem", sensor ? sensor : "unavailable");
    tc_pack_str(p, "sensor_mechanism", mechanism ? mechanism : "none");
    put_network(health, numbers, p);
    put_fact(health, "supplementary_events_subsystem", "unavailable", p);
    tc_pack_bool(p, "full_disk_access_enabled", numbers->full_disk_access);
    tc_pack_bool(p, "passive_mode_enabled", numbers->passive);
    put_fact(health, "definitions_version", "none", p);
    put_fact(health, "definitions_updated", "never", p);
    put_fact(health, "definitions_status", "none", p);
    put_fact(health, "tamper_protection", "unavailable", p);
    put_fact(health, "conflicting_applications", "none", p);
    tc_pack_uint(p, "plugins_loaded", numbers->plugins_loaded);
    tc_pack_uint(p, "plugins_failed", numbers->plugins_failed);
    tc_pack_uint(p, "events_dropped", numbers->events_dropped);
    put_fact(health, "last_swap", "never", p);
    put_promises(health, numbers, p);
    put_known(health, "sigma_rules_version", p);
    put_known(health, "sigma_rules_updated", p);
    put_known(health, "sigma_rules_status", p);
    put_known(health, "host_isolation", p);
    if (!numbers->managed[0])
        return;
    tc_pack_begin_array(p, "managed");
    for (size_t i = 0; i < 4 && numbers->managed[i]; i++)
        tc_pack_str(p, NULL, numbers->managed[i]);
    tc_pack_end(p);
}
