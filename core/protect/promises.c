/* SPDX-License-Identifier: Apache-2.0 */
#include "core/protect/promises.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/health.h"
#include "core/base/promise.h"
#include "core/protect/losses.h"

#define BIT(promise) TC_PROMISE_BIT(TC_PROMISE_##promise)
/* Those that every agent makes; the network's is made where the filter is configured. */
#define ALWAYS                                                                           \
    (BIT(REAL_TIME) | BIT(SCANNING) | BIT(BEHAVIOUR) | BIT(RECORD) | BIT(QUARANTINE))

#define RECORD_MS_MIN (UINT64_C(86400) * 1000) /* less is no record */

static const struct {
    const char *plugin;
    unsigned promises;
    const char *consequence;
} parts[TC_PARTS] = {
    [TC_PART_SCANNER] = {"av", BIT(SCANNING) | BIT(QUARANTINE), "files are not scanned"},
    [TC_PART_BEHAVIOUR] = {"edr", BIT(BEHAVIOUR), "behaviour is not judged"},
    [TC_PART_PROCESSES] = {"trace", BIT(BEHAVIOUR),
                           "what processes do is not reported, and so not judged"},
    [TC_PART_NETWORK] = {"netfilter", BIT(NETWORK), "network flows are not judged"},
};

const char *tc_part_plugin(enum tc_part part)
{
    return parts[part].plugin;
}

/* A new issue with its name, what it is about and its sentence; or a scratch one. */
static struct tc_health_issue *say(struct tc_health_numbers *ret,
                                   struct tc_health_issue *scratch, const char *id,
                                   unsigned promises, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static struct tc_health_issue *say(struct tc_health_numbers *ret,
                                   struct tc_health_issue *scratch, const char *id,
                                   unsigned promises, const char *format, ...)
{
    struct tc_health_issue *issue = tc_health_add(ret);
    va_list args;

    issue = issue ? issue : scratch;
    snprintf(issue->id, sizeof(issue->id), "core.%.58s", id);
    issue->promises = promises;
    va_start(args, format);
    vsnprintf(issue->text, sizeof(issue->text), format, args);
    va_end(args);
    return issue;
}

#define SAY(id, promises, ...) say(ret, &scratch, id, promises, __VA_ARGS__)
#define FIX(issue, ...) snprintf((issue)->fix, sizeof((issue)->fix), __VA_ARGS__)

/* ---- Parts ---- */

static void derive_part(enum tc_part part, enum tc_part_state state,
                        struct tc_health_numbers *ret)
{
    const char *plugin = parts[part].plugin, *consequence = parts[part].consequence;
    struct tc_health_issue scratch, *issue;

    switch (state) {
    case TC_PART_RUNS:
    case TC_PART_REPORTED:
        return;
    case TC_PART_COMING:
        issue = SAY(plugin, parts[part].promises, "plugin %s is starting: %s yet", plugin,
                    consequence);
        FIX(issue, "wait a moment");
        return;
    case TC_PART_OFF:
        issue = SAY(plugin, parts[part].promises, "plugin %s is switched off: %s", plugin,
                    consequence);
        FIX(issue, "tocsin plugin enable %s", plugin);
        return;
    case TC_PART_OFF_BY_CONFIGURATION:
        issue = SAY(plugin, parts[part].promises,
                    "plugin %s is switched off by the configuration: %s", plugin,
                    consequence);
        FIX(issue, "tocsin config set plugins.%s.enabled true", plugin);
        return;
    case TC_PART_NOT_NAMED:
        issue = SAY(plugin, parts[part].promises,
                    "the configuration does not name plugin %s: %s", plugin, consequence);
        FIX(issue, "tocsin config set plugins.%s '{}'", plugin);
        return;
    }
}

/* ---- Sensors ---- */

/* Granting, of which an issue of its own tells; or what that issue says. */
static const char *approval_fix(const struct tc_health_numbers *numbers)
{
    for (size_t i = 0; i < numbers->issue_count; i++)
        if (!strncmp(numbers->issues[i].id, "approval.", strlen("approval.")))
            return numbers->issues[i].fix;
    return "tocsin approval list";
}

static void derive_sensor(const struct tc_promise_facts *facts,
                          struct tc_health_numbers *ret)
{
    static const char nobody[] = "no active event provider";
    const char *name = facts->sensor_name;
    struct tc_health_issue scratch, *issue;

    switch (facts->sensor) {
    case TC_SENSOR_WORKS:
        return;
    case TC_SENSOR_SILENT:
        issue = SAY("sensor", BIT(REAL_TIME),
                    "the sensor's own test event has not come through for a minute");
        FIX(issue, "tocsin plugin reload %s", name);
        return;
    case TC_SENSOR_COMING:
        issue = SAY("sensor", BIT(REAL_TIME), "%s", nobody);
        FIX(issue, "wait a moment");
        return;
    case TC_SENSOR_WAITS:
        issue = SAY("sensor", BIT(REAL_TIME), "%s", nobody);
        FIX(issue, "%s", approval_fix(ret));
        return;
    case TC_SENSOR_FAILED:
        issue = SAY("sensor", BIT(REAL_TIME), "%s", nobody);
        FIX(issue, "tocsin approval retry");
        return;
    case TC_SENSOR_MISSING:
        issue = SAY("sensor", BIT(REAL_TIME), "%s", nobody);
        FIX(issue, "tocsin plugin enable %s", name);
        return;
    case TC_SENSOR_OFF:
        issue = SAY("disabled", BIT(REAL_TIME), "real-time protection is switched off");
        FIX(issue, "tocsin plugin enable %s", name);
        return;
    case TC_SENSOR_OFF_BY_CONFIGURATION:
        issue = SAY("disabled", BIT(REAL_TIME), "real-time protection is switched off");
        FIX(issue, "tocsin config set plugins.%s.enabled true", name);
        return;
    case TC_SENSOR_NOT_NAMED:
        issue = SAY("disabled", BIT(REAL_TIME),
                    "the configuration does not name plugin %s: nothing is protected in "
                    "real time",
                    name);
        FIX(issue, "tocsin config set plugins.%s '{}'", name);
        return;
    }
}

/* ---- What lets everything pass ---- */

static void derive_passive(const struct tc_promise_facts *facts,
                           struct tc_health_numbers *ret)
{
    struct tc_health_issue scratch, *issue;

    if (!facts->passive)
        return;
    issue =
        SAY("passive", BIT(REAL_TIME) | BIT(QUARANTINE) | (ret->promised & BIT(NETWORK)),
            "the mode is passive: what is found is reported, and neither refused nor "
            "put away");
    FIX(issue, "tocsin config set mode block");
}

/* Who looks after a night finds nothing. */
static void derive_forgetful(const struct tc_promise_facts *facts,
                             struct tc_health_numbers *ret)
{
    struct tc_health_issue scratch, *issue;

    if (!facts->record_ms || facts->record_ms >= RECORD_MS_MIN)
        return;
    issue = SAY("record_age", BIT(RECORD),
                "what is recorded is kept for %" PRIu64 " minutes only (journal.max_age)",
                facts->record_ms / 60000);
    FIX(issue, "tocsin config unset journal.max_age");
}

static void derive_excluded(const struct tc_excluded_folder *excluded,
                            struct tc_health_numbers *ret)
{
    const char *what = excluded->promises & BIT(REAL_TIME)  ? "protected"
                       : excluded->promises & BIT(SCANNING) ? "scanned"
                                                            : "judged as behaviour";
    struct tc_health_issue scratch, *issue;
    char id[64];

    snprintf(id, sizeof(id), "excluded.%.48s", excluded->folder);
    issue = SAY(id, excluded->promises, "nothing below %.150s is %s: exclusions cover it",
                excluded->folder, what);
    if (excluded->entry[0] && !strchr(excluded->entry, '\''))
        FIX(issue, "tocsin config remove exclusions '%s'", excluded->entry);
    else
        FIX(issue, "tocsin config show; take what covers it out of exclusions by tocsin "
                   "config remove exclusions ENTRY");
}

static void derive_uneven(const struct tc_uneven_folder *uneven,
                          struct tc_health_numbers *ret)
{
    struct tc_health_issue scratch, *issue;

    if (!uneven->folder)
        return;
    issue = SAY("watch", BIT(REAL_TIME),
                "%.150s is protected by %.30s only, and not when another sensor protects",
                uneven->folder, uneven->by);
    FIX(issue, "tocsin config unset plugins.%.30s.watch", uneven->fallback);
}

/* ---- Detectors ---- */

/* One that keeps a promise comes back; of another, nobody has to wait for it. */
static void derive_silent(const char *name, struct tc_health_numbers *ret)
{
    unsigned promises = tc_promise_of(name, "", ret->sensors);
    struct tc_health_issue scratch, *issue;
    char id[80];

    snprintf(id, sizeof(id), "voter_%s", name);
    issue =
        SAY(id, promises | BIT(REAL_TIME),
            "plugin %s does not answer: whoever opens a file waits, and is answered by "
            "verdict.on_timeout",
            name);
    FIX(issue, "tocsin plugin %s %s", promises ? "reload" : "disable", name);
}

static void derive_lossy(const struct tc_lossy_plugin *lossy,
                         struct tc_health_numbers *ret)
{
    struct tc_health_issue scratch, *issue;
    char id[80];

    snprintf(id, sizeof(id), "lost_%s", lossy->name);
    issue = SAY(id, tc_promise_of(lossy->name, "", ret->sensors),
                "plugin %s has lost %" PRIu64 " events within the last %d minutes: they "
                "came faster than it takes them",
                lossy->name, lossy->lost, TC_LOSSES_RECENT_MIN);
    if (lossy->ring[0])
        FIX(issue, "tocsin config set plugins.%.20s.ring_size %s", lossy->name,
            lossy->ring);
    else
        FIX(issue,
            "tocsin diagnostic stats; exclude what is busy (scope: %.20s); over %d "
            "minutes "
            "after the last",
            lossy->name, TC_LOSSES_RECENT_MIN);
}

void tc_promises_derive(const struct tc_promise_facts *facts,
                        struct tc_health_numbers *ret)
{
    bool network = facts->parts[TC_PART_NETWORK] != TC_PART_NOT_NAMED;

    ret->promised = ALWAYS | (network ? BIT(NETWORK) : 0);
    derive_sensor(facts, ret);
    for (enum tc_part part = 0; part < TC_PARTS; part++)
        if (part != TC_PART_NETWORK || network)
            derive_part(part, facts->parts[part], ret);
    derive_passive(facts, ret);
    derive_forgetful(facts, ret);
    for (size_t i = 0; i < facts->excluded_n; i++)
        derive_excluded(&facts->excluded[i], ret);
    derive_uneven(&facts->uneven, ret);
    for (size_t i = 0; i < facts->silent_n; i++)
        derive_silent(facts->silent[i], ret);
    for (size_t i = 0; i < facts->lossy_n; i++)
        derive_lossy(&facts->lossy[i], ret);
}
