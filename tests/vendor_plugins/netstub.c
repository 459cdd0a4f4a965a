/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for a network extension: it starts, or will not (`fail: start`), and says of
 * itself, at once or `after` a while, that it filters, or that it does not (`filter:
 * false`), or nothing (`mute: true`). Records what it learns of its gate, from its start
 * on; rpc.netstub.status answers with that, rpc.netstub.isolate publishes what
 * the journal keeps. It looks at no flow.
 */
#include "plain.h"

#include <stdlib.h>
#include <string.h>

#define GATES_MAX 32

struct netstub {
    const struct tocsin_host *host;
    struct tocsin_timer *timer;
    size_t count;
    struct {
        bool granted;
        char state[32], reason[128];
    } gates[GATES_MAX];
};

static int netstub_init(const struct tocsin_host *host, void **ret_state)
{
    struct netstub *stub = calloc(1, sizeof(*stub));

    if (!stub)
        return -ENOMEM;
    stub->host = host;
    *ret_state = stub;
    return 0;
}

static void report(void *arg)
{
    const struct netstub *stub = arg;
    bool filters = stub->host->option_bool(stub->host, "filter");

    if (!stub->host->option_bool(stub->host, "mute"))
        stub->host->report(stub->host, TOCSIN_REPORT_FACT, "network_events_subsystem",
                           filters ? "network_filter_extension" : "unavailable", NULL);
}

static int netstub_start(void *state)
{
    struct netstub *stub = state;
    const struct tocsin_host *host = stub->host;
    uint64_t after_ms = (uint64_t)host->option_int(host, "after");

    if (!strcmp(host->option_text(host, "fail"), "start"))
        return -EPERM;
    if (after_ms)
        return host->timer_start(host, after_ms, 0, report, stub, &stub->timer);
    report(stub);
    return 0;
}

static void copy(char *to, size_t size, struct tocsin_str from)
{
    size_t n = from.len < size ? from.len : size - 1;

    if (n)
        memcpy(to, from.ptr, n);
    to[n] = '\0';
}

static void record(struct netstub *stub, const struct tocsin_event *event)
{
    size_t i = stub->count;

    if (i == GATES_MAX)
        return;
    stub->gates[i].granted = tocsin_find_bool(event->data, event->len, "granted", false);
    copy(stub->gates[i].state, sizeof(stub->gates[i].state),
         tocsin_event_str(event, "state"));
    copy(stub->gates[i].reason, sizeof(stub->gates[i].reason),
         tocsin_event_str(event, TOCSIN_FIELD_REASON));
    stub->count++;
}

static void publish(const struct netstub *stub, const char *topic, uint64_t reply_to,
                    struct tocsin_writer *w)
{
    struct tocsin_event event = {
        .size = sizeof(event), .fd = -1, .topic = topic, .reply_to = reply_to};

    tocsin_end(w);
    event.data = w->buf;
    event.len = w->len;
    (void)stub->host->publish(stub->host, &event, NULL);
    tocsin_writer_done(w);
}

static void answer_status(const struct netstub *stub, uint64_t call)
{
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_array(&w, "gates");
    for (size_t i = 0; i < stub->count; i++) {
        tocsin_begin_map(&w, NULL);
        tocsin_put_bool(&w, "granted", stub->gates[i].granted);
        tocsin_put_str(&w, "state", stub->gates[i].state);
        tocsin_put_str(&w, TOCSIN_FIELD_REASON, stub->gates[i].reason);
        tocsin_end(&w);
    }
    tocsin_end(&w);
    publish(stub, TOCSIN_TOPIC_RPC_REPLY, call, &w);
}

static void isolate(const struct netstub *stub, uint64_t call)
{
    static const char *const topics[] = {TOCSIN_TOPIC_ISOLATION_CHANGED,
                                         TOCSIN_TOPIC_NETWORK_FILTER_CHANGED,
                                         TOCSIN_TOPIC_RPC_REPLY};
    struct tocsin_writer w;

    for (size_t i = 0; i < sizeof(topics) / sizeof(*topics); i++) {
        tocsin_writer_init_growing(&w);
        tocsin_begin_map(&w, NULL);
        tocsin_put_bool(&w, "on", true);
        publish(stub, topics[i], i == 2 ? call : 0, &w);
    }
}

static void netstub_event(void *state, const struct tocsin_event *event)
{
    if (!strcmp(event->topic, TOCSIN_TOPIC_NETWORK_FILTER_GATE))
        record(state, event);
    else if (!strcmp(event->topic, "rpc.netstub.status"))
        answer_status(state, event->id);
    else
        isolate(state, event->id);
}

static const char *const publishes[] = {TOCSIN_TOPIC_RPC_REPLY,
                                        TOCSIN_TOPIC_ISOLATION_CHANGED,
                                        TOCSIN_TOPIC_NETWORK_FILTER_CHANGED, NULL};
static const char *const subscribes[] = {
    TOCSIN_TOPIC_NETWORK_FILTER_GATE, "rpc.netstub.status", "rpc.netstub.isolate", NULL};
static const struct tocsin_option options[] = {
    {.name = "fail",
     .type = TOCSIN_OPTION_CHOICE,
     .fallback = "none",
     .help = "what fails",
     .choices = "none|start"},
    {.name = "filter",
     .type = TOCSIN_OPTION_BOOL,
     .fallback = "true",
     .help = "whether a verdict of its own would go round"},
    {.name = "mute",
     .type = TOCSIN_OPTION_BOOL,
     .fallback = "false",
     .help = "whether it says nothing of that"},
    {.name = "after",
     .type = TOCSIN_OPTION_DURATION,
     .fallback = "0s",
     .help = "how long it takes to say so"},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_NETWORK_EXTENSION),
    PLAIN_IDENTITY("netstub"),
    .publishes = publishes,
    .subscribes = subscribes,
    .options = options,
    .init = netstub_init,
    .start = netstub_start,
    .event = netstub_event,
    .stop = plain_stop,
    .destroy = free,
};
