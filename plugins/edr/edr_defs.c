/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the rules in force: reads them in the pool, swaps them whole on the loop, and
 * reports to health and the log what there is. Must not: judge, or decide when to load;
 * plugins/detector does.
 */
#include <errno.h>
#include <stdio.h>

#include "edr.h"

#define ISSUES_MAX 16     /* that health shows; the last one counts the rest */
#define LOG_LINES_MAX 100 /* of one load */

struct load {
    struct tc_edr_options options; /* copies of its lists */

    struct tc_edr_reading *reading;
    struct tc_edr_machine machine; /* read on the occasion */
};

static void discard(void *job)
{
    struct load *load = job;

    tc_detector_list_free(&load->options.rules);
    tc_detector_list_free(&load->options.placeholders);
    tc_edr_reading_free(load->reading);
    free(load);
}

static void *prepare(void *owner, bool first)
{
    const struct tc_edr *edr = owner;
    struct load *load = calloc(1, sizeof(*load));

    (void)first;
    if (!load)
        return NULL;
    if (!tc_detector_list_copy(&edr->options.rules, &load->options.rules) &&
        !tc_detector_list_copy(&edr->options.placeholders, &load->options.placeholders))
        return load;
    discard(load);
    return NULL;
}

/* In the pool. */
static int run(void *job, struct tc_detector_watch *watch, const atomic_bool *cancelled)
{
    struct load *load = job;

    tc_edr_machine_read(&load->machine);
    return tc_edr_read(&load->options, watch, cancelled, &load->reading);
}

/* ---- What is reported of a load ---- */

static void problem_text(const struct tc_edr_problem *problem, char *ret, size_t cap)
{
    if (problem->line)
        snprintf(ret, cap, "%s:%u:%u: %s", problem->file, problem->line, problem->column,
                 problem->text);
    else
        snprintf(ret, cap, "%s: %s", problem->file, problem->text);
}

/* Those that are no issues of health, which the agent logs. */
static void log_problems(struct tc_edr *edr)
{
    const struct tc_edr_reading *reading = edr->reading;
    size_t shown = 0, lines = 0, more = reading->skipped;
    char text[1024];

    for (size_t i = 0; i < reading->problems_n; i++) {
        bool refused = reading->problems[i].refused;

        if (refused && shown++ < ISSUES_MAX - 1)
            continue;
        if (lines++ >= LOG_LINES_MAX) {
            more++;
            continue;
        }
        problem_text(&reading->problems[i], text, sizeof(text));
        edr->host->log(edr->host, refused ? TOCSIN_LOG_WARNING : TOCSIN_LOG_NOTICE, "%s",
                       text);
    }
    if (more)
        edr->host->log(edr->host, TOCSIN_LOG_WARNING,
                       "and %zu more: tocsin definitions list", more);
}

static void report_refused(struct tc_edr *edr)
{
    static const char other[] =
        "correct the rule file, or remove it from the rule folder";
    const struct tc_edr_reading *reading = edr->reading;
    char text[512], missing[256];
    const char *fix = other;
    size_t n = 0;

    for (size_t i = 0; i < reading->problems_n && n < ISSUES_MAX - 1; i++) {
        if (!reading->problems[i].refused)
            continue;
        problem_text(&reading->problems[i], text, sizeof(text));
        fix = tc_detector_missing_fix(edr->host, "edr", "rules", true, text, other,
                                      missing);
        tc_detector_defs_issue(&edr->defs, text, fix);
        n++;
    }
    if (reading->refused == n)
        return;
    snprintf(text, sizeof(text), "%zu more rules or files were skipped: %s",
             reading->refused - n, "tocsin definitions list has them");
    tc_detector_defs_issue(&edr->defs, text, other);
}

static void report_facts(struct tc_edr *edr)
{
    const struct tc_edr_rules *rules = edr->rules;
    char text[160];

    snprintf(text, sizeof(text),
             "%zu rules in force, %zu cannot run, %zu without a source, %zu skipped",
             rules->states[TC_EDR_RUNS], rules->states[TC_EDR_CANNOT_RUN],
             rules->states[TC_EDR_NO_SOURCE], edr->reading->refused);
    tc_detector_defs_facts(edr->host, "sigma_rules",
                           rules->files ? rules->digest : "none",
                           (int64_t)(rules->updated_ns / UINT64_C(1000000000)), text);
}

static void report_force(struct tc_edr *edr, bool kept)
{
    const struct tocsin_host *host = edr->host;

    if (edr->rules && edr->rules->states[TC_EDR_RUNS])
        host->report(host, TOCSIN_REPORT_CLEAR, "no_rules", NULL, NULL);
    else
        host->report(host, TOCSIN_REPORT_ISSUE, "no_rules",
                     "no Sigma rule is in force: behaviour is not judged",
                     "put rules into a folder named under plugins: edr: rules:");
    if (edr->rules && kept)
        host->report(host, TOCSIN_REPORT_ISSUE, "rules_kept",
                     "no rule could be loaded: the previous rules stay in force",
                     "tocsin definitions list says what is wrong with the rules");
    else
        host->report(host, TOCSIN_REPORT_CLEAR, "rules_kept", NULL, NULL);
}

/* ---- On the loop ---- */

static bool must_keep(const struct tc_edr *edr)
{
    const struct tc_edr_rules *fresh = edr->reading->rules;

    return !fresh || (edr->rules && edr->reading->refused && !tc_sigma_count(fresh->set));
}

static void swap(struct tc_edr *edr, const char *reason)
{
    bool first = !edr->rules;

    tc_edr_rules_free(edr->rules);
    edr->rules = edr->reading->rules;
    edr->reading->rules = NULL;
    edr->rules->version = ++edr->counters.reloads;
    report_facts(edr);
    edr->host->log(edr->host, TOCSIN_LOG_INFO, "rules in force: %zu, of %zu files (%s)%s",
                   edr->rules->states[TC_EDR_RUNS], edr->rules->files, reason,
                   first ? "" : "; correlations start counting again");
}

static const char *adopt(void *owner, void *job, const char *reason, int error)
{
    struct tc_edr *edr = owner;
    struct load *load = job;
    bool kept;

    if (error)
        return NULL;
    edr->machine = load->machine;
    tc_edr_reading_free(edr->reading);
    edr->reading = load->reading;
    load->reading = NULL;
    log_problems(edr);
    report_refused(edr);
    kept = must_keep(edr);
    if (kept)
        edr->counters.reloads_kept++;
    else
        swap(edr, reason);
    if (edr->rules)
        tc_edr_respond_check(edr->responder, edr->rules->set);
    report_force(edr, kept);
    tc_edr_selftest(edr);
    return kept ? "the previous rules stay in force; tocsin definitions list says why"
                : NULL;
}

static void answer(void *owner, struct tocsin_writer *w)
{
    const struct tc_edr *edr = owner;

    tocsin_put_str(w, "version", edr->rules->digest);
    tocsin_put_uint(w, "rules", tc_sigma_count(edr->rules->set));
    tocsin_put_uint(w, "files", edr->rules->files);
    tocsin_put_uint(w, "runs", edr->rules->states[TC_EDR_RUNS]);
    tocsin_put_uint(w, "cannot_run", edr->rules->states[TC_EDR_CANNOT_RUN]);
    tocsin_put_uint(w, "no_source", edr->rules->states[TC_EDR_NO_SOURCE]);
    tocsin_put_uint(w, "refused", edr->reading->refused);
}

static const char *const suffixes[] = {".yml", ".yaml", NULL};

const struct tc_detector_defs_ops tc_edr_defs_ops = {
    .suffixes = suffixes,
    .prepare = prepare,
    .load = run,
    .adopt = adopt,
    .answer = answer,
    .discard = discard,
};
