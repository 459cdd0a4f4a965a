/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has a thread of its own that does what any thread may (refs, posts) and what it may not
 * (publish), and reports both. Gives an event back once too often.
 */
#include "plain.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define POSTS 1000

struct threads {
    const struct tocsin_host *host;
    const struct tocsin_event *event;
    pthread_t thread;
    int begun, published;
    int in_order, next;
};

/* One post: which it is, and whose. */
struct number {
    struct threads *threads;
    int number;
};

static int threads_init(const struct tocsin_host *host, void **ret_state)
{
    struct threads *threads = calloc(1, sizeof(*threads));

    if (!threads)
        return -ENOMEM;
    threads->host = host;
    *ret_state = threads;
    return 0;
}

static void arrived(void *arg)
{
    struct number *number = arg;
    struct threads *threads = number->threads;
    const struct tocsin_host *host = threads->host;
    char text[16];

    threads->in_order += number->number == threads->next++;
    free(number);
    if (threads->next < POSTS)
        return;
    (void)snprintf(text, sizeof(text), "%d", threads->in_order);
    host->report(host, TOCSIN_REPORT_FACT, "in_order", text, NULL);
    (void)snprintf(text, sizeof(text), "%d", threads->published);
    host->report(host, TOCSIN_REPORT_FACT, "published", text, NULL);
    host->event_unref(host, threads->event); /* the one that the thread took */
    host->event_unref(host, threads->event); /* the one that the event callback took */
    host->event_unref(host, threads->event); /* one too many */
}

static void *run(void *arg)
{
    struct threads *threads = arg;
    const struct tocsin_host *host = threads->host;
    struct number *number;
    struct tocsin_writer w;
    uint8_t buf[16];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_end(&w);
    host->event_ref(host, threads->event);
    threads->published = tocsin_publish(host, "test.out", 0, &w);
    for (int i = 0; i < POSTS; i++) {
        number = malloc(sizeof(*number));
        if (!number)
            return NULL;
        number->threads = threads;
        number->number = i;
        if (host->post(host, arrived, number) < 0)
            free(number);
    }
    return NULL;
}

static void threads_event(void *state, const struct tocsin_event *event)
{
    struct threads *threads = state;

    if (threads->begun)
        return;
    threads->host->event_ref(threads->host, event);
    threads->event = event;
    threads->begun = !pthread_create(&threads->thread, NULL, run, threads);
}

static int threads_stop(void *state)
{
    struct threads *threads = state;

    if (threads->begun)
        (void)pthread_join(threads->thread, NULL);
    return 0;
}

static const char *const publishes[] = {"test.out", NULL};
static const char *const subscribes[] = {"test.in", NULL};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("threads"),
    .publishes = publishes,
    .subscribes = subscribes,
    .init = threads_init,
    .start = plain_start,
    .event = threads_event,
    .stop = threads_stop,
    .destroy = free,
};
