/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the proof that behaviour can be judged: once a minute, and with each new set of
 * rules, an event that nobody has done goes through the engine: a rule of the test's own
 * must match it, and the rules in force must be evaluated. Health says when that fails.
 * Must not: report a match, or touch what correlations count. Loop thread.
 */
#include <errno.h>
#include <stdio.h>

#include "edr.h"
#include "sigma/match/record.h"

#define EVERY_MS 60000
#define TOPIC "process.started" /* of a log source that each set knows */
#define MARK "tocsin-engine-self-test"

static const char own_rule[] = "title: " MARK "\n"
                               "logsource: {category: process_creation, product: linux}\n"
                               "detection:\n"
                               "  mark: {CommandLine|contains: " MARK "}\n"
                               "  condition: mark\n";

static void ignore_problem(void *arg, const struct tc_sigma_problem *problem)
{
    (void)arg;
    (void)problem; /* the rule then does not match, which is found */
}

static const char *no_placeholder(void *arg, const char *name, size_t i)
{
    (void)arg;
    (void)name;
    (void)i;
    return NULL;
}

static int own_set(struct tc_sigma_set **ret_set)
{
    const struct tc_sigma_options options = {.problem = ignore_problem,
                                             .placeholder = no_placeholder};
    struct tc_sigma_loader *loader;
    int r = tc_sigma_loader_new(&options, &loader);

    if (r)
        return r;
    r = tc_sigma_loader_add_text(loader, MARK, own_rule, sizeof(own_rule) - 1);
    if (!r)
        return tc_sigma_loader_finish(loader, ret_set);
    tc_sigma_loader_free(loader);
    return r;
}

static void count_match(void *arg, const struct tc_sigma_match *match)
{
    (void)match;
    (*(size_t *)arg)++;
}

/* Has the set judge the event, with a memory that nobody else has. */
static int evaluate(const struct tc_sigma_set *set, const struct tocsin_writer *event,
                    size_t *ret_matches)
{
    struct tc_sigma_counters counters;
    struct tc_sigma_scratch *scratch;
    struct tc_sigma_record record;
    int r = tc_sigma_scratch_new(set, &scratch);

    if (r)
        return r;
    for (size_t i = 0; tc_sigma_record(&record, i, TOPIC, event->buf, event->len, 1); i++)
        tc_sigma_evaluate(set, scratch, &record.sigma, count_match, ret_matches);
    tc_sigma_counters(scratch, &counters);
    tc_sigma_scratch_free(scratch);
    if (counters.failed)
        return -ENOMEM;
    return counters.events ? 0 : -ENOMSG;
}

static int test(const struct tc_sigma_set *in_force)
{
    struct tc_sigma_set *own;
    struct tocsin_writer w;
    size_t matches = 0, others = 0;
    uint8_t buf[256];
    int r = own_set(&own);

    if (r)
        return r;
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "process");
    tocsin_put_str(&w, "command_line", "/bin/true " MARK);
    tocsin_end(&w);
    tocsin_end(&w);
    r = evaluate(own, &w, &matches);
    if (!r && matches != 1)
        r = -ENOMSG;
    if (!r)
        r = evaluate(in_force, &w, &others);
    tc_sigma_set_free(own);
    return r;
}

void tc_edr_selftest(struct tc_edr *edr)
{
    const struct tocsin_host *host = edr->host;
    char text[160];
    int r;

    if (!edr->rules || edr->work.stopping)
        return;
    r = test(edr->rules->set);
    if (!r) {
        host->report(host, TOCSIN_REPORT_CLEAR, "selftest", NULL, NULL);
        return;
    }
    snprintf(text, sizeof(text),
             "the rules fail their self-test, behaviour is not judged: %s",
             r == -ENOMSG ? "what must match does not" : strerror(-r));
    host->report(host, TOCSIN_REPORT_ISSUE, "selftest", text, "tocsin plugin reload edr");
}

static void due(void *arg)
{
    tc_edr_selftest(arg);
}

void tc_edr_selftest_start(struct tc_edr *edr)
{
    const struct tocsin_host *host = edr->host;
    int r = host->timer_start(host, EVERY_MS, EVERY_MS, due, edr, &edr->selftest);

    if (r)
        host->log(host, TOCSIN_LOG_ERROR, "the rules are not tested again: %s",
                  strerror(-r));
}

void tc_edr_selftest_stop(struct tc_edr *edr)
{
    edr->host->timer_stop(edr->host, edr->selftest);
    edr->selftest = NULL;
}
