/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the plugin is: its descriptor, its options, its life, and which event goes
 * where. Loop thread.
 */
#include "edr.h"

#include <errno.h>
#include <string.h>

#define RPC_PREFIX "rpc.edr."

static void options_done(struct tc_edr_options *options)
{
    tc_detector_list_free(&options->rules);
    tc_detector_list_free(&options->placeholders);
}

static int options_read(const struct tocsin_host *host, struct tc_edr_options *ret)
{
    struct tc_edr_options options = {.rules = {.items = NULL}};
    int r = tc_detector_list_read(host, "rules", &options.rules);

    if (!r)
        r = tc_detector_list_read(host, "placeholders", &options.placeholders);
    if (r) {
        options_done(&options);
        return r;
    }
    options.filters_are_joined = !strcmp(host->option_text(host, "filters"), "pysigma");
    options.alerts.suppress_ms = (uint64_t)host->option_int(host, "suppress");
    options.alerts.repeat_ms = (uint64_t)host->option_int(host, "repeat");
    *ret = options;
    return 0;
}

/* What start has begun. Rules may be in use in the pool until its last piece is done. */
static void release(void *owner)
{
    struct tc_edr *edr = owner;

    tc_edr_rules_free(edr->rules);
    tc_edr_reading_free(edr->reading);
    edr->rules = NULL;
    edr->reading = NULL;
}

static void destroy(void *state)
{
    struct tc_edr *edr = state;

    tc_edr_report_stop(edr); /* a start that failed is not stopped */
    release(edr);
    tc_edr_respond_free(edr->responder);
    options_done(&edr->options);
    free(edr);
}

static int init(const struct tocsin_host *host, void **ret_state)
{
    struct tc_edr *edr = calloc(1, sizeof(*edr));
    int r;

    if (!edr)
        return -ENOMEM;
    edr->host = host;
    edr->work = (struct tc_detector_work){.host = host, .release = release, .owner = edr};
    tc_detector_defs_init(&edr->defs, &edr->work, &tc_edr_defs_ops, edr);
    r = options_read(host, &edr->options);
    if (!r)
        r = tc_edr_respond_new(&edr->work, &edr->responder);
    if (r)
        destroy(edr);
    else
        *ret_state = edr;
    return r;
}

static int start(void *state)
{
    struct tc_edr *edr = state;
    int r = tc_edr_report_start(edr);

    if (!r)
        r = tc_detector_defs_load(&edr->defs, "start", NULL);
    if (!r)
        tc_edr_respond_start(edr->responder);
    if (!r)
        tc_edr_selftest_start(edr);
    return r ? r : TOCSIN_PENDING;
}

static int stop(void *state)
{
    struct tc_edr *edr = state;

    tc_detector_defs_stop(&edr->defs);
    tc_edr_selftest_stop(edr);
    tc_edr_report_stop(edr);
    tc_edr_respond_stop(edr->responder);
    return tc_detector_work_stop(&edr->work);
}

static int reload(void *state)
{
    struct tc_edr *edr = state;
    struct tc_edr_options options;
    int r = options_read(edr->host, &options);

    if (r)
        return r;
    r = tc_edr_respond_configure(edr->responder);
    if (r) {
        options_done(&options);
        return r;
    }
    options_done(&edr->options);
    edr->options = options;
    tc_edr_report_options(edr);
    return tc_detector_defs_load(&edr->defs, "configuration", NULL);
}

static void event(void *state, const struct tocsin_event *event)
{
    struct tc_edr *edr = state;

    if (!strncmp(event->topic, RPC_PREFIX, sizeof(RPC_PREFIX) - 1)) {
        tc_edr_rpc(edr, event);
        return;
    }
    if (!strcmp(event->topic, TOCSIN_TOPIC_QUARANTINE_DONE) ||
        !strcmp(event->topic, TOCSIN_TOPIC_ISOLATION_DONE)) {
        tc_edr_respond_answer(edr->responder, event);
        return;
    }
    /* Of a fork no rule knows: the child is judged by what it executes, and does. */
    if (edr->work.stopping || !strcmp(event->topic, "process.forked"))
        return;
    tc_edr_processes_take(edr->processes, event);
    tc_edr_match(edr, event);
}

/* ---- Descriptor ---- */

static const char *const publishes[] = {
    TOCSIN_TOPIC_ALERT_RAISED,        TOCSIN_TOPIC_ALERT_RESPONSE,
    TOCSIN_TOPIC_RPC_REPLY,           TOCSIN_TOPIC_QUARANTINE_REQUESTED,
    TOCSIN_TOPIC_ISOLATION_REQUESTED, NULL,
};

/* Not network.flow, which is asked before the connection that is reported. */
static const char *const subscribes[] = {
    "process.*",
    "file.*",
    "network.connected",
    "network.connect_failed",
    "network.accepted",
    "network.listening",
    "network.bound",
    TOCSIN_TOPIC_DNS_ANSWERED,
    "kernel.*",
    "filesystem.*",
    RPC_PREFIX "*",
    TOCSIN_TOPIC_QUARANTINE_DONE,
    TOCSIN_TOPIC_ISOLATION_DONE,
    NULL,
};

static const struct tocsin_option options[] = {
    {.name = "rules",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_PATH,
     .fallback = "/usr/share/tocsin/rules/sigma," TC_EDR_OWN_RULES,
     .help = "Folders and files of Sigma rules, .yml and .yaml; watched"},
    {.name = "filters",
     .type = TOCSIN_OPTION_CHOICE,
     .fallback = "specification",
     .choices = "specification|pysigma",
     .help = "What the condition of a filter describes: what is left out "
             "(specification), or what is kept (pysigma)"},
    {.name = "placeholders",
     .type = TOCSIN_OPTION_LIST,
     .fallback = "",
     .help = "name=value: what %name% stands for in rules with the modifier expand"},
    {.name = "suppress",
     .type = TOCSIN_OPTION_DURATION,
     .fallback = "1h",
     .help = "Matches of one rule by one chain of processes are one alert until none "
             "has come for so long",
     .max = 7 * 24 * 3600 * INT64_C(1000)},
    {.name = "repeat",
     .type = TOCSIN_OPTION_DURATION,
     .fallback = "60s",
     .help = "An alert whose count grows is reported again at most so often",
     .min = 1000,
     .max = 24 * 3600 * INT64_C(1000)},
    {.name = "responses",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_PAIRS,
     .choices = "kill|suspend|quarantine|isolate",
     .fallback = "",
     .help = "RULE-ID=ACTION: what is done about matches of a rule: kill, suspend, "
             "quarantine or isolate"},
    {.name = "isolate_for",
     .type = TOCSIN_OPTION_DURATION,
     .fallback = "0s",
     .help = "The response isolate ends by itself after that; 0: when somebody releases "
             "the host",
     .max = 30 * 24 * 3600 * INT64_C(1000)},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    .name = "edr",
    .version = "0.1.0",
    .summary = "Judges behaviour with Sigma rules and raises alerts",
    .publishes = publishes,
    .subscribes = subscribes,
    .options = options,
    .init = init,
    .start = start,
    .event = event,
    .reload = reload,
    .stop = stop,
    .destroy = destroy,
};
