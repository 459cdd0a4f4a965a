/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks for more timers than there are, for options it does not have, and for things when
 * it is too early or too late. Reports what it was told.
 */
#include "plain.h"

#include <stdio.h>
#include <stdlib.h>

#define TIMERS 300

struct greedy {
    const struct tocsin_host *host;
    struct tocsin_timer *timers[TIMERS];
    bool posted;
};

static void report(struct greedy *greedy, const char *key, int number)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%d", number);
    greedy->host->report(greedy->host, TOCSIN_REPORT_FACT, key, text, NULL);
}

static void tick(void *arg)
{
    (void)arg;
}

static void posted(void *arg)
{
    struct greedy *greedy = arg;

    greedy->posted = true;
}

static int greedy_init(const struct tocsin_host *host, void **ret_state)
{
    struct greedy *greedy = calloc(1, sizeof(*greedy));

    if (!greedy)
        return -ENOMEM;
    greedy->host = host;
    report(greedy, "early",
           host->timer_start(host, 1, 0, tick, NULL, &greedy->timers[0]));
    *ret_state = greedy;
    return 0;
}

static int greedy_start(void *state)
{
    struct greedy *greedy = state;
    const struct tocsin_host *host = greedy->host;
    int rc = 0, n = 0;

    while (n < TIMERS &&
           !(rc = host->timer_start(host, 3600000, 0, tick, NULL, &greedy->timers[n])))
        n++;
    report(greedy, "timers", n);
    report(greedy, "one_more", rc);
    for (int i = 0; i < 2; i++) {
        (void)host->option_text(host, "no_such_option");
        report(greedy, "wrong_type", (int)host->option_int(host, "word"));
    }
    return host->post(host, posted, greedy);
}

static int greedy_stop(void *state)
{
    struct greedy *greedy = state;
    const struct tocsin_host *host = greedy->host;

    for (int i = 0; i < TIMERS; i++)
        host->timer_stop(host, greedy->timers[i]);
    report(greedy, "posted", greedy->posted);
    report(greedy, "late", host->post(host, posted, greedy));
    return 0;
}

static const struct tocsin_option options[] = {
    {.name = "word", .type = TOCSIN_OPTION_TEXT, .fallback = "x", .help = "A word."},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("greedy"),
    .options = options,
    .init = greedy_init,
    .start = greedy_start,
    .stop = greedy_stop,
    .destroy = free,
};
