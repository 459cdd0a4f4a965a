/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uses every call of ABI 1.0 once, then publishes abi.done with what it got and where it
 * believes the fields to be. Frozen with the headers beside it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "layout_v1_0.h"

struct abi {
    const struct tocsin_host *host;
    const struct tocsin_event *event;
    struct tocsin_timer *timer;
    struct tocsin_watch *watch;
    int pipe[2];
    bool ticked, ready, ran, posted;
};

static int abi_init(const struct tocsin_host *host, void **ret_state)
{
    struct abi *abi = calloc(1, sizeof(*abi));

    if (!abi)
        return -ENOMEM;
    abi->host = host;
    *ret_state = abi;
    return 0;
}

static void put_layout(struct tocsin_writer *w)
{
    tocsin_begin_map(w, "layout");
#define PUT(type, field)                                                                 \
    tocsin_put_uint(w, #type " " #field, offsetof(struct type, field));
    TC_ABI_1_0_FIELDS(PUT)
#undef PUT
    tocsin_end(w);
}

static void put_options(const struct tocsin_host *host, struct tocsin_writer *w)
{
    tocsin_put_bool(w, "bool", host->option_bool(host, "bool"));
    tocsin_put_int(w, "int", host->option_int(host, "int"));
    tocsin_put_int(w, "duration", host->option_int(host, "duration"));
    tocsin_put_int(w, "size", host->option_int(host, "size"));
    tocsin_put_str(w, "text", host->option_text(host, "text"));
    tocsin_put_str(w, "choice", host->option_text(host, "choice"));
    tocsin_put_str(w, "item", host->option_item(host, "list", 1));
}

/* When all that was begun has come. */
static void finish(struct abi *abi)
{
    const struct tocsin_host *host = abi->host;
    struct tocsin_event done = {.size = sizeof(done), .fd = -1, .topic = "abi.done"};
    const struct tocsin_event *published;
    struct tocsin_writer w;

    if (!abi->ticked || !abi->ready || !abi->ran || !abi->posted)
        return;
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    put_layout(&w);
    put_options(host, &w);
    tocsin_put_bool(&w, "passive", host->passive(host));
    tocsin_put_bool(&w, "is_agent", host->is_agent(host, (int32_t)getpid()));
    tocsin_put_int(&w, "excluded", host->excluded(host, "/x", NULL));
    tocsin_put_str(&w, "state_dir", host->state_dir(host));
    tocsin_put_bool(&w, "clock", host->now_ns(host) > 0);
    tocsin_end(&w);
    done.data = w.buf;
    done.len = w.len;
    done.reply_to = abi->event->id;
    if (!w.error && !host->publish(host, &done, &published))
        host->event_unref(host, published);
    tocsin_writer_done(&w);
    host->event_unref(host, abi->event);
    abi->event = NULL;
}

static void ticked(void *arg)
{
    struct abi *abi = arg;

    abi->host->timer_stop(abi->host, abi->timer);
    abi->ticked = true;
    finish(abi);
}

static void ready(void *arg, int status, uint32_t events)
{
    struct abi *abi = arg;

    abi->host->watch_stop(abi->host, abi->watch);
    abi->ready = !status && (events & TOCSIN_READABLE);
    finish(abi);
}

static void posted(void *arg)
{
    struct abi *abi = arg;

    abi->posted = true;
    finish(abi);
}

static void run(void *arg)
{
    struct abi *abi = arg;

    (void)abi->host->post(abi->host, posted, abi);
}

static void ran(void *arg, int status)
{
    struct abi *abi = arg;

    abi->ran = !status;
    finish(abi);
}

static void started(void *arg)
{
    struct abi *abi = arg;

    abi->host->timer_stop(abi->host, abi->timer);
    abi->host->complete(abi->host, 0);
}

static int abi_start(void *state)
{
    struct abi *abi = state;
    const struct tocsin_host *host = abi->host;
    int rc;

    host->log(host, TOCSIN_LOG_DEBUG, "starts as of ABI %d.%d", TOCSIN_ABI_MAJOR,
              TOCSIN_ABI_MINOR);
    host->report(host, TOCSIN_REPORT_FACT, "abi", "1.0", NULL);
    if (pipe(abi->pipe) < 0)
        return -errno;
    rc = host->timer_start(host, 1, 0, started, abi, &abi->timer);
    return rc ? rc : TOCSIN_PENDING;
}

static void abi_event(void *state, const struct tocsin_event *event)
{
    struct abi *abi = state;
    const struct tocsin_host *host = abi->host;

    if (event->flags & TOCSIN_EVENT_AUTH) {
        (void)tocsin_vote(host, event, true, true, NULL);
        return;
    }
    if (abi->event)
        return;
    host->event_ref(host, event);
    abi->event = event;
    if (host->timer_start(host, 1, 0, ticked, abi, &abi->timer) ||
        host->watch_fd(host, abi->pipe[0], TOCSIN_READABLE, ready, abi, &abi->watch) ||
        host->work(host, run, ran, abi) || write(abi->pipe[1], "", 1) != 1)
        host->log(host, TOCSIN_LOG_ERROR, "cannot begin");
}

static int abi_reload(void *state)
{
    (void)state;
    return 0;
}

static int abi_stop(void *state)
{
    struct abi *abi = state;

    close(abi->pipe[0]);
    close(abi->pipe[1]);
    return 0;
}

static const char *const publishes[] = {"abi.*", "verdict", NULL};
static const char *const subscribes[] = {"test.in", "file.open", NULL};

static const struct tocsin_option options[] = {
    {.name = "bool", .type = TOCSIN_OPTION_BOOL, .fallback = "true", .help = "A flag."},
    {.name = "int", .type = TOCSIN_OPTION_INT, .fallback = "7", .help = "A number."},
    {.name = "text", .type = TOCSIN_OPTION_TEXT, .fallback = "abc", .help = "A text."},
    {.name = "choice",
     .type = TOCSIN_OPTION_CHOICE,
     .fallback = "on",
     .help = "One of two.",
     .choices = "off|on"},
    {.name = "duration",
     .type = TOCSIN_OPTION_DURATION,
     .fallback = "2s",
     .help = "A time."},
    {.name = "size", .type = TOCSIN_OPTION_SIZE, .fallback = "4k", .help = "A size."},
    {.name = "list", .type = TOCSIN_OPTION_LIST, .fallback = "a,b", .help = "Texts."},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    .name = "abi_v1_0",
    .version = "1.0.0",
    .summary = "Built for ABI 1.0, for good",
    .publishes = publishes,
    .subscribes = subscribes,
    .options = options,
    .init = abi_init,
    .start = abi_start,
    .event = abi_event,
    .reload = abi_reload,
    .stop = abi_stop,
    .destroy = free,
};
