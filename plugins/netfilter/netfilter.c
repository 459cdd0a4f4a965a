/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugin netfilter, the network extension: it sees each new flow with its process and its
 * name, and denies those that are on a list or that a detector does not want. This file
 * owns the descriptor and which event goes where.
 */
#include "netfilter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RPC_PREFIX "rpc.netfilter."
#define LOOK_MS 1000

static const char *const publishes[] = {TOCSIN_TOPIC_NETWORK_FLOW,
                                        TOCSIN_TOPIC_DNS_ANSWERED,
                                        TOCSIN_TOPIC_ISOLATION_DONE,
                                        TOCSIN_TOPIC_ISOLATION_CHANGED,
                                        TOCSIN_TOPIC_NETWORK_FILTER_CHANGED,
                                        TOCSIN_TOPIC_SENSOR_GAP,
                                        TOCSIN_TOPIC_RPC_REPLY,
                                        NULL};
static const char *const subscribes[] = {RPC_PREFIX "*",
                                         TOCSIN_TOPIC_VERDICT_FINAL,
                                         TOCSIN_TOPIC_ISOLATION_REQUESTED,
                                         "network_filter.gate",
                                         "plugin.started",
                                         "plugin.stopped",
                                         NULL};

static int nf_init(const struct tocsin_host *host, void **ret_state)
{
    struct tc_nf *nf = calloc(1, sizeof(*nf));
    int err;

    if (!nf)
        return -ENOMEM;
    nf->host = host;
    err = tc_nf_options_read(host, &nf->options);
    if (err) {
        free(nf);
        return err;
    }
    pthread_mutex_init(&nf->lock, NULL);
    pthread_mutex_init(&nf->reading_lock, NULL);
    pthread_mutex_init(&nf->nft_lock, NULL);
    snprintf(nf->folder, sizeof(nf->folder), "%s/netfilter", host->state_dir(host));
    *ret_state = nf;
    return 0;
}

static void on_timer(void *arg)
{
    tc_nf_look(arg);
    tc_nf_lists_expire(arg);
}

static int nf_start(void *state)
{
    struct tc_nf *nf = state;
    int err = tc_nf_start(nf);

    if (!err || err == TOCSIN_PENDING)
        (void)nf->host->timer_start(nf->host, LOOK_MS, LOOK_MS, on_timer, nf, &nf->timer);
    return err;
}

static int nf_stop(void *state)
{
    struct tc_nf *nf = state;

    nf->host->timer_stop(nf->host, nf->timer);
    nf->timer = NULL;
    return tc_nf_stop(nf);
}

static void dispatch(struct tc_nf *nf, const struct tocsin_event *event)
{
    if (!strncmp(event->topic, RPC_PREFIX, sizeof(RPC_PREFIX) - 1))
        tc_nf_rpc(nf, event);
    else if (!strcmp(event->topic, TOCSIN_TOPIC_ISOLATION_REQUESTED))
        tc_nf_isolate_requested(nf, event);
    else if (!strncmp(event->topic, "plugin.", strlen("plugin.")))
        tc_nf_ask_again(nf);
    else
        tc_nf_gate(nf, tocsin_find_bool(event->data, event->len, "granted", false));
}

/* Until what the disk keeps is known: it says what a request begins from. */
static void hold(struct tc_nf *nf, const struct tocsin_event *event)
{
    struct tc_nf_held *held = calloc(1, sizeof(*held)), **end = &nf->held;

    if (!held)
        return;
    held->event = event;
    nf->host->event_ref(nf->host, event);
    while (*end)
        end = &(*end)->next;
    *end = held;
}

void tc_nf_held(struct tc_nf *nf)
{
    struct tc_nf_held *held;

    while ((held = nf->held) != NULL) {
        nf->held = held->next;
        if (!nf->jobs.closing)
            dispatch(nf, held->event);
        nf->host->event_unref(nf->host, held->event);
        free(held);
    }
}

static void nf_event(void *state, const struct tocsin_event *event)
{
    struct tc_nf *nf = state;

    if (!strcmp(event->topic, TOCSIN_TOPIC_VERDICT_FINAL))
        tc_nf_verdict(nf, event);
    else if (nf->jobs.closing)
        return;
    else if (!nf->prepared)
        hold(nf, event);
    else
        dispatch(nf, event);
}

static void nf_destroy(void *state)
{
    struct tc_nf *nf = state;

    pthread_mutex_destroy(&nf->lock);
    pthread_mutex_destroy(&nf->reading_lock);
    pthread_mutex_destroy(&nf->nft_lock);
    free(nf);
}

TOCSIN_EXPORT extern const struct tocsin_plugin tocsin_plugin;
const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_NETWORK_EXTENSION),
    .name = "netfilter",
    .version = "0.1.0",
    .summary = "sees new flows with their process and name, and denies what is on a list",
    .publishes = publishes,
    .subscribes = subscribes,
    .options = tc_nf_option_table,
    .init = nf_init,
    .start = nf_start,
    .event = nf_event,
    .stop = nf_stop,
    .destroy = nf_destroy,
};
