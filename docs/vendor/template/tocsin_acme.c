/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Tocsin plugin to begin yours with. It watches what happens to files, decides nothing,
 * and raises one alert when a file's name matches one of the patterns it was given.
 *
 *     cc -shared -fPIC -o tocsin_acme.so tocsin_acme.c $(pkg-config --cflags tocsin)
 *
 * Change the name (here, in the descriptor and in the file's name), then go through the
 * callbacks from the foot of the file upwards. The guide beside this folder explains.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/plugin.h>

#define REMEMBERED 256 /* paths that were alerted on; the oldest is forgotten first */

/* Everything the plugin knows hangs off this. There are no other variables. */
struct acme {
    const struct tocsin_host *host;
    struct {
        uint64_t path; /* hash */
        uint64_t at_ns;
    } alerted[REMEMBERED];
    size_t next;
};

/* Reads nothing but options and acquires nothing but memory. */
static int acme_init(const struct tocsin_host *host, void **ret_state)
{
    struct acme *acme = calloc(1, sizeof(*acme));

    if (!acme)
        return -ENOMEM;
    acme->host = host;
    *ret_state = acme;
    return 0;
}

/* The place for timers, watches and threads. This plugin lives by events alone. */
static int acme_start(void *state)
{
    (void)state;
    return 0;
}

static bool is_wanted(const struct acme *acme, const char *path)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    const char *pattern;

    for (size_t i = 0; (pattern = acme->host->option_item(acme->host, "names", i)); i++)
        if (!fnmatch(pattern, name, 0))
            return true;
    return false;
}

/* True the first time within `quiet`, so that one busy file is one alert. */
static bool is_news(struct acme *acme, const char *path)
{
    uint64_t now = acme->host->now_ns(acme->host), hash = 0xcbf29ce484222325u;
    uint64_t quiet = (uint64_t)acme->host->option_int(acme->host, "quiet") * 1000000u;

    for (; *path; path++)
        hash = (hash ^ (unsigned char)*path) * 0x100000001b3u;
    for (size_t i = 0; i < REMEMBERED; i++)
        if (acme->alerted[i].path == hash && now - acme->alerted[i].at_ns < quiet)
            return false;
    acme->alerted[acme->next].path = hash;
    acme->alerted[acme->next].at_ns = now;
    acme->next = (acme->next + 1) % REMEMBERED;
    return true;
}

static void raise_alert(struct acme *acme, const struct tocsin_event *event,
                        const char *path)
{
    struct tocsin_value process;
    struct tocsin_writer w;
    uint8_t buf[16384];
    char id[64];
    int rc;

    (void)snprintf(id, sizeof(id), "acme-%llu-%llu", (unsigned long long)event->time_ns,
                   (unsigned long long)event->id);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "alert");
    tocsin_put_str(&w, "id", id);
    tocsin_put_str(&w, "title", "A file with a watched name was seen");
    tocsin_put_str(&w, "severity", "low");
    tocsin_put_str(&w, "category", "file");
    tocsin_put_str(&w, "detected_from", "acme"); /* who says so: the plugin's name */
    tocsin_end(&w);
    tocsin_begin_map(&w, "rule");
    tocsin_put_str(&w, "id", "acme-name");
    tocsin_put_str(&w, "name", "Watched file name");
    tocsin_end(&w);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", path);
    tocsin_end(&w);
    if (tocsin_find(event->data, event->len, "process", &process)) /* as it came */
        tocsin_put_encoded(&w, "process", process.start, tocsin_value_size(&process));
    tocsin_end(&w);
    rc = tocsin_publish(acme->host, TOCSIN_TOPIC_ALERT_RAISED, event->id, &w);
    if (rc)
        acme->host->log(acme->host, TOCSIN_LOG_WARNING, "alert not raised: error %d", rc);
}

/* On the agent's loop: be quick, open no file. What may block goes through host->work. */
static void acme_event(void *state, const struct tocsin_event *event)
{
    struct acme *acme = state;
    struct tocsin_str seen = tocsin_event_str(event, TOCSIN_FIELD_FILE_PATH);
    char path[4096];

    if (!seen.ptr || seen.len >= sizeof(path))
        return;
    memcpy(path, seen.ptr, seen.len); /* it has a length and no NUL */
    path[seen.len] = '\0';
    if (is_wanted(acme, path) && is_news(acme, path))
        raise_alert(acme, event, path);
}

/* The options are read where they are used, so there is nothing to do anew. */
static int acme_reload(void *state)
{
    (void)state;
    return 0;
}

static int acme_stop(void *state)
{
    (void)state;
    return 0;
}

static const char *const publishes[] = {TOCSIN_TOPIC_ALERT_RAISED, NULL};
static const char *const subscribes[] = {"file.*", NULL};

static const struct tocsin_option options[] = {
    {.name = "names",
     .type = TOCSIN_OPTION_LIST,
     .fallback = "*.scr,*.pif",
     .help = "Patterns of file names to alert on, as in glob(7)."},
    {.name = "quiet",
     .type = TOCSIN_OPTION_DURATION,
     .fallback = "10m",
     .help = "For so long the same path raises no second alert.",
     .max = 7 * 24 * 3600 * 1000LL},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    .name = "acme",
    .version = "1.0.0",
    .summary = "Alerts on files with watched names",
    .publishes = publishes,
    .subscribes = subscribes,
    .options = options,
    .init = acme_init,
    .start = acme_start,
    .event = acme_event,
    .reload = acme_reload,
    .stop = acme_stop,
    .destroy = free,
};
