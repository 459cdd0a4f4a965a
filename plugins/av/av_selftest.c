/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the proof that files can be scanned: a harmless sample goes the way of every
 * file, from a descriptor through lists and rules, once a minute; health says when that
 * fails. Loop thread but for run().
 */
#include <errno.h>
#include <stdio.h>

#include "av.h"

#define EVERY_MS 60000

struct test {
    struct tc_av *av;
    struct tc_av_judges judges; /* references */
    int result;
};

void tc_av_selftest_report(struct tc_av *av, int result)
{
    const struct tocsin_host *host = av->host;
    char text[TC_AV_WHY];

    if (!result) {
        host->report(host, TOCSIN_REPORT_CLEAR, "selftest", NULL, NULL);
        return;
    }
    snprintf(text, sizeof(text),
             "the scanner fails its self-test, files are not scanned: %s",
             result == -ENOMSG      ? "what it must find it has not found"
             : result == -ETIMEDOUT ? "it took too long"
             : result == -EIO       ? "a rule makes every scan fail"
                                    : strerror(-result));
    host->report(host, TOCSIN_REPORT_ISSUE, "selftest", text,
                 result == -EIO ? "remove the rule file that was added last, then tocsin "
                                  "definitions reload"
                                : "tocsin plugin reload av");
}

/* In the pool. */
static void run(void *arg)
{
    struct test *test = arg;

    test->result = tc_av_content_selftest(&test->judges);
}

static void done(void *arg, int status)
{
    struct test *test = arg;
    struct tc_av *av = test->av;

    /* Of a set that has been replaced meanwhile, nobody wants to know. */
    if (!status && test->judges.rules == av->rules && !av->work.stopping)
        tc_av_selftest_report(av, test->result);
    tc_av_rules_unref(test->judges.rules);
    tc_av_lists_unref(test->judges.lists);
    av->testing = false;
    free(test);
}

static void due(void *arg)
{
    struct tc_av *av = arg;
    struct test *test;

    if (av->testing || !av->rules)
        return;
    test = calloc(1, sizeof(*test));
    if (!test)
        return;
    tc_av_rules_ref(av->rules);
    tc_av_lists_ref(av->lists);
    test->av = av;
    test->judges = (struct tc_av_judges){.rules = av->rules,
                                         .lists = av->lists,
                                         .max_file_size = av->options.max_file_size,
                                         .timeout_s = av->options.timeout_s};
    av->testing = true;
    if (tc_detector_work_submit(&av->work, run, done, test))
        done(test, -ECANCELED);
}

void tc_av_selftest_start(struct tc_av *av)
{
    const struct tocsin_host *host = av->host;
    int r = host->timer_start(host, EVERY_MS, EVERY_MS, due, av, &av->selftest);

    if (r)
        host->log(host, TOCSIN_LOG_ERROR, "the scanner is not tested again: %s",
                  strerror(-r));
}

void tc_av_selftest_stop(struct tc_av *av)
{
    av->host->timer_stop(av->host, av->selftest);
    av->selftest = NULL;
}
