/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the plugin is: its descriptor, its options, its life, and which event goes
 * where. Loop thread.
 */
#include "av.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define RPC_PREFIX "rpc.av."

static void options_done(struct tc_av_options *options)
{
    tc_detector_list_free(&options->rules);
    free(options->allow_list);
    free(options->block_list);
    memset(options, 0, sizeof(*options));
}

static int options_read(const struct tocsin_host *host, struct tc_av_options *ret)
{
    struct tc_av_options options = {.rules = {.items = NULL}};
    int r = tc_detector_list_read(host, "rules", &options.rules);

    options.allow_list = strdup(host->option_text(host, "allow_list"));
    options.block_list = strdup(host->option_text(host, "block_list"));
    if (r || !options.allow_list || !options.block_list) {
        options_done(&options);
        return -ENOMEM;
    }
    options.max_file_size = (uint64_t)host->option_int(host, "max_file_size");
    options.inline_max = (uint64_t)host->option_int(host, "inline_max");
    options.timeout_s = (unsigned)((host->option_int(host, "timeout") + 999) / 1000);
    options.quarantine = host->option_bool(host, "quarantine");
    options.clear_immutable = host->option_bool(host, "clear_immutable");
    options.retry_ms = (uint64_t)host->option_int(host, "quarantine_retry");
    options.scan_written = host->option_bool(host, "scan_written");
    *ret = options;
    return 0;
}

/* What must outlive the last piece of work: it may use the vault and the lists. */
static void release(void *owner)
{
    struct tc_av *av = owner;

    tc_av_rules_unref(av->rules);
    tc_av_lists_unref(av->lists);
    av->rules = NULL;
    av->lists = NULL;
    tc_av_vault_close(&av->vault);
    if (av->own_dirfd >= 0)
        close(av->own_dirfd);
    av->own_dirfd = -1;
    tc_av_threat_free(av);
    tc_av_cache_reset(av->cache);
    tc_av_engine_stop();
    av->started = false;
}

static void destroy(void *state)
{
    struct tc_av *av = state;

    if (av->started) /* a start that failed is not stopped */
        release(av);
    tc_av_cache_free(av->cache);
    tc_sensor_writers_done(&av->writers);
    free(av->inline_buf);
    options_done(&av->options);
    free(av);
}

static int init(const struct tocsin_host *host, void **ret_state)
{
    struct tc_av *av = calloc(1, sizeof(*av));
    int r;

    if (!av)
        return -ENOMEM;
    av->host = host;
    av->work = (struct tc_detector_work){.host = host, .release = release, .owner = av};
    tc_detector_defs_init(&av->defs, &av->work, &tc_av_defs_ops, av);
    av->vault.dirfd = av->own_dirfd = -1;
    tc_sensor_writers_init(&av->writers);
    tc_av_turns_init(&av->turns);
    av->cache = tc_av_cache_new(0);
    r = av->cache ? options_read(host, &av->options) : -ENOMEM;
    if (!r) {
        av->inline_buf = malloc((size_t)av->options.inline_max + 1);
        r = av->inline_buf ? 0 : -ENOMEM;
    }
    if (r)
        destroy(av);
    else
        *ret_state = av;
    return r;
}

static int start(void *state)
{
    struct tc_av *av = state;
    int r = tc_av_engine_start();

    if (r)
        return r;
    av->started = true;
    r = tc_detector_defs_load(&av->defs, "start", NULL);
    return r ? r : TOCSIN_PENDING;
}

static int stop(void *state)
{
    struct tc_av *av = state;

    tc_detector_defs_stop(&av->defs);
    tc_av_care_stop(av);
    tc_av_selftest_stop(av);
    tc_av_job_stop(av);
    tc_av_scan_stop(av);
    return tc_detector_work_stop(&av->work);
}

static int reload(void *state)
{
    struct tc_av *av = state;
    struct tc_av_options options;
    uint8_t *buf;
    int r = options_read(av->host, &options);

    if (r)
        return r;
    buf = malloc((size_t)options.inline_max + 1);
    if (!buf) {
        options_done(&options);
        return -ENOMEM;
    }
    options_done(&av->options);
    av->options = options;
    free(av->inline_buf);
    av->inline_buf = buf;
    if (av->care)
        tc_av_care_start(av);
    return tc_detector_defs_load(&av->defs, "configuration", NULL);
}

/* trace reports files outside of what is protected: those are not for us to act on. */
static bool only_reports(const struct tocsin_event *event)
{
    return event->source && !strcmp(event->source, "trace");
}

static void event(void *state, const struct tocsin_event *event)
{
    struct tc_av *av = state;

    if (!strncmp(event->topic, RPC_PREFIX, sizeof(RPC_PREFIX) - 1))
        tc_av_rpc(av, event);
    else if (!strcmp(event->topic, TOCSIN_TOPIC_QUARANTINE_REQUESTED))
        tc_av_request(av, event);
    else if (event->flags & TOCSIN_EVENT_AUTH && !av->options.scan_written &&
             !strcmp(event->topic, TOCSIN_TOPIC_FILE_WRITTEN))
        tocsin_vote(av->host, event, true, false, "written files are not scanned");
    else if (event->flags & TOCSIN_EVENT_AUTH)
        tc_av_job_question(av, event);
    else if (av->options.scan_written && !only_reports(event))
        tc_av_job_after(av, event);
}

static const char *const publishes[] = {
    TOCSIN_TOPIC_VERDICT,
    TOCSIN_TOPIC_VERDICT_RESET,
    TOCSIN_TOPIC_THREAT_DETECTED,
    TOCSIN_TOPIC_THREAT_REMEDIATED,
    TOCSIN_TOPIC_ALERT_RAISED,
    TOCSIN_TOPIC_RPC_REPLY,
    TOCSIN_TOPIC_RPC_PROGRESS,
    TOCSIN_TOPIC_QUARANTINE_DONE,
    NULL,
};

static const char *const subscribes[] = {
    TOCSIN_TOPIC_FILE_OPEN,
    TOCSIN_TOPIC_FILE_EXEC,
    TOCSIN_TOPIC_FILE_WRITTEN,
    TOCSIN_TOPIC_FILE_RENAMED,
    RPC_PREFIX "*",
    TOCSIN_TOPIC_QUARANTINE_REQUESTED,
    NULL,
};

static const struct tocsin_option options[] = {
    {.name = "rules",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_PATH,
     .fallback = "/usr/share/tocsin/rules/yara",
     .help = "Folders and files of YARA rules: .yar and .yara source, .yarc compiled"},
    {.name = "allow_list",
     .type = TOCSIN_OPTION_TEXT,
     .flags = TOCSIN_OPTION_PATH,
     .fallback = "",
     .help = "File of SHA-256 hashes that are never reported, one a line"},
    {.name = "block_list",
     .type = TOCSIN_OPTION_TEXT,
     .flags = TOCSIN_OPTION_PATH,
     .fallback = "",
     .help = "File of SHA-256 hashes that are always reported, one a line"},
    {.name = "max_file_size",
     .type = TOCSIN_OPTION_SIZE,
     .fallback = "64M",
     .help = "Of a larger file the first so many bytes are scanned, and the block list "
             "does not apply",
     .min = 4096,
     .max = 1024 * 1024 * 1024},
    {.name = "timeout",
     .type = TOCSIN_OPTION_DURATION,
     .fallback = "5s",
     .help = "Longest time for the scan of one file, in whole seconds; then "
             "verdict.on_timeout answers",
     .min = 1000,
     .max = 600000},
    {.name = "quarantine",
     .type = TOCSIN_OPTION_BOOL,
     .fallback = "true",
     .help = "Move infected files into quarantine; false: deny and report only"},
    {.name = "quarantine_retry",
     .type = TOCSIN_OPTION_DURATION,
     .fallback = "30s",
     .help =
         "How soon an infected file that could not be moved is tried again; each time "
         "the pause is longer, up to 16 times that",
     .min = 100,
     .max = 3600000},
    {.name = "clear_immutable",
     .type = TOCSIN_OPTION_BOOL,
     .fallback = "false",
     .help =
         "Take the attributes immutable and append-only off an infected file, to move "
         "it into quarantine; a restore puts them back"},
    {.name = "scan_written",
     .type = TOCSIN_OPTION_BOOL,
     .fallback = "true",
     .help = "Scan files after they were written or renamed, too"},
    {.name = "inline_max",
     .type = TOCSIN_OPTION_SIZE,
     .fallback = "64k",
     .help = "Files in memory up to this size are scanned at once, without a thread",
     .min = 0,
     .max = 1024 * 1024},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    .name = "av",
    .version = "0.1.0",
    .summary = "Scans files with YARA rules and quarantines what they match",
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
