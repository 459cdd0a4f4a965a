/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin that does everything right, and shows what it was told: it echoes each test.in
 * as test.out, votes deny on files whose path says so, and reports its options.
 */
#include <stdlib.h>
#include <string.h>
#include <tocsin/plugin.h>

struct good {
    const struct tocsin_host *host;
};

static int good_init(const struct tocsin_host *host, void **ret_state)
{
    struct good *good = calloc(1, sizeof(*good));

    if (!good)
        return -ENOMEM;
    good->host = host;
    *ret_state = good;
    return 0;
}

static void report(struct good *good)
{
    const struct tocsin_host *host = good->host;

    host->report(host, TOCSIN_REPORT_FACT, "word", host->option_text(host, "word"), NULL);
}

static int good_start(void *state)
{
    report(state);
    return 0;
}

static void good_event(void *state, const struct tocsin_event *event)
{
    struct good *good = state;
    struct tocsin_writer w;
    struct tocsin_str path;
    uint8_t buf[256];

    if (event->flags & TOCSIN_EVENT_AUTH) {
        path = tocsin_event_str(event, TOCSIN_FIELD_FILE_PATH);
        if (path.ptr && memmem(path.ptr, path.len, "deny", 4))
            (void)tocsin_vote(good->host, event, false, false, "its name says so");
        else
            (void)tocsin_vote(good->host, event, true, true, NULL);
        return;
    }
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "word", good->host->option_text(good->host, "word"));
    tocsin_end(&w);
    (void)tocsin_publish(good->host, "test.out", event->id, &w);
}

/* Refuses the word "bad", which its table cannot. */
static int good_reload(void *state)
{
    struct good *good = state;

    if (!strcmp(good->host->option_text(good->host, "word"), "bad"))
        return -EINVAL;
    report(good);
    return 0;
}

static int good_stop(void *state)
{
    (void)state;
    return 0;
}

static const char *const publishes[] = {"test.out", "verdict", NULL};
static const char *const subscribes[] = {"test.in", "file.open", NULL};

static const struct tocsin_option options[] = {
    {.name = "word", .type = TOCSIN_OPTION_TEXT, .fallback = "hello", .help = "Echoed."},
    {.name = "items", .type = TOCSIN_OPTION_LIST, .fallback = "", .help = "Not used."},
    {.name = "depth",
     .type = TOCSIN_OPTION_INT,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "3",
     .help = "Takes a restart.",
     .min = 1,
     .max = 9},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    .name = "good",
    .version = "1.0.0",
    .summary = "Does everything right",
    .publishes = publishes,
    .subscribes = subscribes,
    .options = options,
    .init = good_init,
    .start = good_start,
    .event = good_event,
    .reload = good_reload,
    .stop = good_stop,
    .destroy = free,
};
