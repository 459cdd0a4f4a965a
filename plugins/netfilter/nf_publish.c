/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: everything that the plugin publishes of flows and names, and the way of verdicts
 * back. Loop thread, but for the delivery and the report. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netfilter.h"

/* Events on their way from the reader's thread to the loop. */
struct delivery {
    struct tc_nf *nf;
    uint64_t reader; /* whose they are */
    struct tc_nf_items items;
};

static void remember(struct tc_nf *nf, uint64_t event, uint64_t ticket)
{
    struct tc_nf_asked *asked = calloc(1, sizeof(*asked));

    if (!asked)
        return; /* the reader answers by default */
    asked->event = event;
    asked->ticket = ticket;
    HASH_ADD(hh, nf->asked, event, sizeof(asked->event), asked);
}

static void publish_one(struct tc_nf *nf, const struct tc_nf_item *item)
{
    const struct tocsin_event event = {.size = sizeof(event),
                                       .flags = item->ticket ? TOCSIN_EVENT_AUTH : 0,
                                       .fd = -1,
                                       .topic = item->topic,
                                       .time_ns = item->time_ns,
                                       .deadline_ns = item->deadline_ns,
                                       .data = item->data,
                                       .len = item->len};
    const struct tocsin_event *published = NULL;

    if (nf->host->publish(nf->host, &event, item->ticket ? &published : NULL)) {
        nf->publish_errors++;
        return;
    }
    nf->published++;
    if (!published)
        return;
    remember(nf, published->id, item->ticket);
    nf->host->event_unref(nf->host, published);
}

/* The reader may have ended, or be another one, by now. */
static void taken(struct tc_nf *nf, uint64_t reader, size_t count, size_t bytes)
{
    pthread_mutex_lock(&nf->reading_lock);
    if (nf->reading && nf->readers == reader)
        tc_nf_reader_delivered(&nf->reader, count, bytes);
    pthread_mutex_unlock(&nf->reading_lock);
}

static void delivered(void *arg)
{
    struct delivery *delivery = arg;
    struct tc_nf *nf = delivery->nf;
    size_t count = delivery->items.count, bytes = delivery->items.bytes;
    struct tc_nf_item *item;

    while ((item = tc_nf_items_take(&delivery->items)) != NULL) {
        publish_one(nf, item);
        free(item);
    }
    taken(nf, delivery->reader, count, bytes);
    free(delivery);
}

void tc_nf_deliver(void *arg, struct tc_nf_items *items)
{
    struct delivery *delivery = malloc(sizeof(*delivery));
    struct tc_nf *nf = arg;

    if (delivery) {
        delivery->nf = nf;
        delivery->reader = nf->readers;
        tc_nf_items_init(&delivery->items);
        tc_nf_items_append(&delivery->items, items);
        if (!nf->host->post(nf->host, delivered, delivery))
            return;
        tc_nf_items_append(items, &delivery->items);
        free(delivery);
    }
    /* The plugin is being stopped: nobody takes them any more. */
    tc_nf_reader_delivered(&nf->reader, items->count, items->bytes);
    tc_nf_items_clear(items);
}

/* ---- Verdicts. ---- */

void tc_nf_verdict(struct tc_nf *nf, const struct tocsin_event *event)
{
    struct tocsin_str decision = tocsin_event_str(event, TOCSIN_FIELD_DECISION);
    uint32_t voters = (uint32_t)tocsin_event_int(event, "voters", 0);
    bool late = tocsin_find_bool(event->data, event->len, "timeout", false);
    struct tc_nf_asked *asked;

    HASH_FIND(hh, nf->asked, &event->reply_to, sizeof(event->reply_to), asked);
    if (!asked)
        return;
    if (nf->open)
        (void)tc_nf_reader_answer(&nf->reader, asked->ticket,
                                  late                               ? TC_NF_ANSWER_LATE
                                  : tocsin_str_is(decision, "allow") ? TC_NF_ANSWER_ALLOW
                                                                     : TC_NF_ANSWER_DENY);
    HASH_DEL(nf->asked, asked);
    free(asked);
    if (voters == nf->voters)
        return;
    nf->voters = voters;
    tc_nf_want(nf);
}

void tc_nf_asked_done(struct tc_nf *nf)
{
    struct tc_nf_asked *asked, *next;

    HASH_ITER(hh, nf->asked, asked, next)
    {
        HASH_DEL(nf->asked, asked);
        free(asked);
    }
}

/* ---- Health. ---- */

struct report {
    struct tc_nf *nf;
    char key[32], text[512], fix[256];
    bool has_text, has_fix;
};

static void reported(void *arg)
{
    struct report *report = arg;
    const struct tocsin_host *host = report->nf->host;
    bool fact = !strcmp(report->key, "network_events_subsystem");

    if (fact && !report->nf->open) { /* it was disabled meanwhile */
        free(report);
        return;
    }
    host->report(host,
                 fact               ? TOCSIN_REPORT_FACT
                 : report->has_text ? TOCSIN_REPORT_ISSUE
                                    : TOCSIN_REPORT_CLEAR,
                 report->key, report->has_text ? report->text : NULL,
                 report->has_fix ? report->fix : NULL);
    free(report);
}

/* text NULL: it is over. */
void tc_nf_report(void *arg, const char *key, const char *text, const char *fix)
{
    struct report *report = calloc(1, sizeof(*report));
    struct tc_nf *nf = arg;

    if (!report)
        return;
    report->nf = nf;
    report->has_text = text != NULL;
    report->has_fix = fix != NULL;
    snprintf(report->key, sizeof(report->key), "%s", key);
    snprintf(report->text, sizeof(report->text), "%s", text ? text : "");
    snprintf(report->fix, sizeof(report->fix), "%s", fix ? fix : "");
    if (nf->host->post(nf->host, reported, report))
        free(report);
}
