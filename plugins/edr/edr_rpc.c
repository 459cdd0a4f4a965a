/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: requests: what rules there are and the state of each, reload, counters. */
#include <errno.h>

#include "edr.h"
#include "sigma/match/record.h"

/* Of an answer that is a page: entries, and bytes after which no more entries begin. */
#define PAGE_MAX 1000
#define PAGE_BYTES_MAX (180 * 1024)
#define TEXT_MAX 2048 /* of one text of an entry; what is longer is cut */

/* ---- definitions ---- */

static const char *const state_names[TC_EDR_STATES] = {
    [TC_EDR_RUNS] = "runs",
    [TC_EDR_CANNOT_RUN] = "cannot_run",
    [TC_EDR_NO_SOURCE] = "no_source",
};

static void put_text(struct tocsin_writer *w, const char *key, const char *text)
{
    size_t n = text ? strlen(text) : 0;

    /* What is too long is cut, and never within a character. */
    if (n > TEXT_MAX)
        for (n = TEXT_MAX; n && ((uint8_t)text[n] & 0xc0) == 0x80;)
            n--;
    if (text)
        tocsin_put_strn(w, key, text, n);
}

/* Whose events it can match: who lists the rules may see whether anybody publishes them.
 */
static void put_topics(struct tocsin_writer *w, const struct tc_sigma_set *set, size_t i)
{
    const char *topic, *before = "";

    tocsin_begin_array(w, "topics");
    for (size_t n = 0; (topic = tc_sigma_rule_topic(set, i, n)); n++) {
        if (strcmp(topic, before))
            tocsin_put_str(w, NULL, topic);
        before = topic;
    }
    tocsin_end(w);
}

static void put_rule(struct tocsin_writer *w, const struct tc_edr_rules *rules, size_t i)
{
    static const char *const levels[] = {"informational", "low", "medium", "high",
                                         "critical"};
    const struct tc_sigma_rule *rule = tc_sigma_rule(rules->set, i);
    const char *why;

    tocsin_begin_map(w, NULL);
    put_text(w, "id", rule->id);
    put_text(w, "title", rule->title);
    tocsin_put_str(w, "level", levels[rule->level]);
    put_text(w, "category", rule->category);
    put_text(w, "product", rule->product);
    put_text(w, "service", rule->service);
    if (rule->correlation)
        tocsin_put_bool(w, "correlation", true);
    tocsin_put_str(w, "state", state_names[tc_edr_rule_state(rules, i, &why)]);
    put_text(w, "why", why);
    put_text(w, "file", rule->file);
    put_topics(w, rules->set, i);
    tocsin_end(w);
}

static void put_refused(struct tocsin_writer *w, const struct tc_edr_problem *problem)
{
    tocsin_begin_map(w, NULL);
    tocsin_put_str(w, "state", "refused");
    put_text(w, "why", problem->text);
    put_text(w, "file", problem->file);
    if (problem->line) {
        tocsin_put_uint(w, "line", problem->line);
        tocsin_put_uint(w, "column", problem->column);
    }
    tocsin_end(w);
}

/* Entries from `offset` on: the rules, then what was refused. Returns where to go on; 0:
 * that was all. */
static size_t put_items(struct tocsin_writer *w, const struct tc_edr *edr, size_t offset,
                        size_t limit)
{
    const struct tc_edr_reading *reading = edr->reading;
    size_t rules_n = edr->rules ? tc_sigma_count(edr->rules->set) : 0;
    size_t problems_n = reading ? reading->problems_n : 0, at = offset;

    for (; at < rules_n + problems_n && at - offset < limit; at++) {
        if (w->len > PAGE_BYTES_MAX)
            return at;
        if (at < rules_n)
            put_rule(w, edr->rules, at);
        else if (reading->problems[at - rules_n].refused)
            put_refused(w, &reading->problems[at - rules_n]);
    }
    return at < rules_n + problems_n ? at : 0;
}

static void put_totals(struct tocsin_writer *w, const struct tc_edr *edr)
{
    const struct tc_edr_rules *rules = edr->rules;

    tocsin_put_uint(w, "generation", rules ? rules->version : 0);
    tocsin_put_str(w, "version", rules ? rules->digest : "none");
    tocsin_put_uint(w, "updated_ns", rules ? rules->updated_ns : 0);
    tocsin_put_uint(w, "files", rules ? rules->files : 0);
    tocsin_put_uint(w, "rules", rules ? tc_sigma_count(rules->set) : 0);
    for (size_t i = 0; i < TC_EDR_STATES; i++)
        tocsin_put_uint(w, state_names[i], rules ? rules->states[i] : 0);
    tocsin_put_uint(w, "refused", edr->reading ? edr->reading->refused : 0);
    tocsin_put_bool(w, "loading", edr->defs.running != NULL);
}

static void definitions(struct tc_edr *edr, const struct tocsin_event *request)
{
    int64_t offset = tocsin_event_int(request, "offset", 0);
    int64_t limit = tocsin_event_int(request, "limit", PAGE_MAX);
    struct tocsin_writer w;
    size_t next;

    if (offset < 0 || limit < 0) {
        tc_detector_refuse(edr->host, request, "usage",
                           "offset and limit are numbers from 0 on");
        return;
    }
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    put_totals(&w, edr);
    tocsin_begin_array(&w, "items");
    next = put_items(&w, edr, (size_t)offset,
                     limit < PAGE_MAX ? (size_t)limit : (size_t)PAGE_MAX);
    tocsin_end(&w);
    if (next)
        tocsin_put_uint(&w, "next", next);
    tocsin_end(&w);
    tocsin_reply(edr->host, request, &w);
    tocsin_writer_done(&w);
}

/* ---- reload, stats ---- */

static void reload(struct tc_edr *edr, const struct tocsin_event *request)
{
    tc_detector_defs_reload(&edr->defs, request);
}

static void put_engine(struct tocsin_writer *w, const struct tc_edr *edr)
{
    struct tc_sigma_counters c = {.events = 0};

    if (edr->rules)
        tc_sigma_counters(edr->rules->scratch, &c);
    const struct tc_detector_counter table[] = {
        {"evaluated", c.events},
        {"rules_looked_at", c.looked_at},
        {"regex_limits", c.regex_limits},
        {"values_cut", c.values_cut},
        {"failed", c.failed},
        {"correlations_evicted", c.correlations_evicted},
    };

    tocsin_begin_map(w, "engine");
    tc_detector_put_counters(w, table, sizeof(table) / sizeof(table[0]));
    tocsin_end(w);
}

static void put_alerts(struct tocsin_writer *w, const struct tc_edr *edr)
{
    struct tc_edr_alerts_counters alerts = {.open = 0};
    struct tc_edr_process_counters processes = {.held = 0};

    if (edr->alerts)
        tc_edr_alerts_counters(edr->alerts, &alerts);
    if (edr->processes)
        tc_edr_processes_counters(edr->processes, &processes);
    const struct tc_detector_counter table[] = {
        {"alerts_raised", alerts.raised},     {"alerts_repeated", alerts.repeated},
        {"alerts_open", alerts.open},         {"alerts_evicted", alerts.evicted},
        {"alerts_single", alerts.single},     {"processes_held", processes.held},
        {"processes_bytes", processes.bytes}, {"processes_evicted", processes.evicted},
    };

    tc_detector_put_counters(w, table, sizeof(table) / sizeof(table[0]));
}

static void stats(struct tc_edr *edr, const struct tocsin_event *request)
{
    const struct tc_edr_counters *c = &edr->counters;
    const struct tc_edr_rules *rules = edr->rules;
    struct tc_edr_respond_counters responses;

    tc_edr_respond_counters(edr->responder, &responses);
    const struct tc_detector_counter table[] = {
        {"events", c->events},
        {"unjudged", c->unjudged},
        {"records", c->records},
        {"matches", c->matches},
        {"excluded", c->excluded},
        {"told", c->reported},
        {"publish_errors", c->publish_errors + responses.publish_errors},
        {"responses", responses.responses},
        {"responses_done", responses.done},
        {"responses_repeated", responses.repeated},
        {"reloads", c->reloads},
        {"reloads_kept", c->reloads_kept},
        {"rule_files", rules ? rules->files : 0},
        {"rules", rules ? tc_sigma_count(rules->set) : 0},
        {"rules_running", rules ? rules->states[TC_EDR_RUNS] : 0},
        {"rules_that_cannot_run", rules ? rules->states[TC_EDR_CANNOT_RUN] : 0},
        {"rules_without_source", rules ? rules->states[TC_EDR_NO_SOURCE] : 0},
        {"rules_refused", edr->reading ? edr->reading->refused : 0},
    };
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tc_detector_put_counters(&w, table, sizeof(table) / sizeof(table[0]));
    put_alerts(&w, edr);
    put_engine(&w, edr);
    tocsin_end(&w);
    tocsin_reply(edr->host, request, &w);
    tocsin_writer_done(&w);
}

void tc_edr_rpc(struct tc_edr *edr, const struct tocsin_event *request)
{
    static const struct {
        const char *name;
        void (*handle)(struct tc_edr *edr, const struct tocsin_event *request);
    } methods[] = {
        {"definitions", definitions},
        {"reload", reload},
        {"resume", tc_edr_resume},
        {"stats", stats},
    };
    const char *name = strrchr(request->topic, '.') + 1;

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (!strcmp(name, methods[i].name)) {
            methods[i].handle(edr, request);
            return;
        }
    }
    tc_detector_refuse(edr->host, request, "unknown_method", "there is no method edr.%s",
                       name);
}
