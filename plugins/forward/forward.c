/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the plugin is: its descriptor, its options, its life. Loop thread. */
#include "forward.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RPC_PREFIX "rpc.forward."

static void free_configs(struct tc_fw *fw)
{
    for (size_t i = 0; i < fw->count; i++)
        tc_fw_config_done(&fw->configs[i]);
    fw->count = 0;
}

static int refuse(const struct tocsin_host *host, size_t i, const char *line,
                  const char *why)
{
    host->log(host, TOCSIN_LOG_ERROR, "plugins.forward.sinks, entry %zu (\"%s\"): %s",
              i + 1, line, why);
    return -EINVAL;
}

static int read_sinks(struct tc_fw *fw)
{
    const struct tocsin_host *host = fw->host;
    char why[TC_FW_WHY_BYTES];
    const char *line;
    int err;

    for (size_t i = 0; (line = host->option_item(host, "sinks", i)); i++) {
        if (fw->count == TC_FW_SINKS_MAX)
            return refuse(host, i, line, "is one sink too many");
        err = tc_fw_config_read(line, &fw->configs[fw->count], why);
        if (err)
            return err == -EINVAL ? refuse(host, i, line, why) : err;
        for (size_t j = 0; j < fw->count; j++)
            if (!strcmp(fw->configs[j].name, fw->configs[fw->count].name)) {
                tc_fw_config_done(&fw->configs[fw->count]);
                return refuse(host, i, line,
                              "another sink has this name: give it one, name=NAME");
            }
        fw->count++;
    }
    return 0;
}

static int init(const struct tocsin_host *host, void **ret_state)
{
    struct tc_fw *fw = calloc(1, sizeof(*fw));
    int err;

    if (!fw)
        return -ENOMEM;
    fw->host = host;
    fw->wake = -1;
    fw->max_bytes = (uint64_t)host->option_int(host, "max_size");
    err = read_sinks(fw);
    if (err) {
        free_configs(fw);
        free(fw);
        return err;
    }
    pthread_mutex_init(&fw->lock, NULL);
    *ret_state = fw;
    return 0;
}

static int start_thread(struct tc_fw *fw)
{
    sigset_t all, before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = -pthread_create(&fw->thread, NULL, tc_fw_run, fw);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    fw->running = !err;
    return err;
}

static int start(void *state)
{
    struct tc_fw *fw = state;
    int err;

    if (!fw->count)
        return 0; /* nothing is forwarded, and nothing is done for it */
    if (gethostname(fw->machine, sizeof(fw->machine) - 1) || !fw->machine[0])
        snprintf(fw->machine, sizeof(fw->machine), "localhost");
    fw->sinks = calloc(fw->count, sizeof(*fw->sinks));
    if (!fw->sinks)
        return -ENOMEM;
    fw->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fw->wake < 0)
        return -errno;
    err = start_thread(fw);
    return err ? err : TOCSIN_PENDING; /* until what comes from now on is sure to go */
}

static void wake(struct tc_fw *fw)
{
    const uint64_t one = 1;

    if (write(fw->wake, &one, sizeof(one)) < 0)
        return; /* it is awake */
}

static void event(void *state, const struct tocsin_event *event)
{
    struct tc_fw *fw = state;
    bool request = !strncmp(event->topic, RPC_PREFIX, sizeof(RPC_PREFIX) - 1);

    if (request)
        tc_fw_ask(fw, event);
    if (!fw->running)
        return;
    /* The event itself is read from the journal. */
    if (request || !atomic_exchange(&fw->heard, true))
        wake(fw);
}

static void join_run(void *arg)
{
    struct tc_fw *fw = arg;

    pthread_join(fw->thread, NULL);
}

static void join_done(void *arg, int status)
{
    struct tc_fw *fw = arg;

    if (status)
        pthread_join(fw->thread, NULL);
    fw->running = false;
    tc_fw_refuse_all(fw);
    fw->host->complete(fw->host, 0);
}

static int stop(void *state)
{
    struct tc_fw *fw = state;
    int err;

    if (!fw->running)
        return 0;
    atomic_store(&fw->stopping, true);
    wake(fw);
    err = fw->host->work(fw->host, join_run, join_done, fw);
    return err ? err : TOCSIN_PENDING;
}

static void destroy(void *state)
{
    struct tc_fw *fw = state;

    if (fw->wake >= 0)
        (void)close(fw->wake);
    free(fw->sinks);
    free_configs(fw);
    pthread_mutex_destroy(&fw->lock);
    free(fw);
}

/* ---- Descriptor ---- */

static const char *const publishes[] = {TOCSIN_TOPIC_RPC_REPLY, NULL};

/* What the journal records: when one of them comes, it has something new. */
static const char *const subscribes[] = {
    RPC_PREFIX "*",
    "alert.*",
    "threat.*",
    "quarantine.*",
    "isolation.*",
    "approval.*",
    "sensor.*",
    "network_filter.*",
    "plugin.*",
    "config.*",
    "agent.*",
    "verdict.timeout",
    TOCSIN_TOPIC_BUS_DROPPED,
    NULL,
};

static const struct tocsin_option options[] = {
    {.name = "sinks",
     .type = TOCSIN_OPTION_LIST,
     .fallback = "",
     .help = "Where events go: KIND and target, then settings, as "
             "syslog+tls://siem.example:6514 format=cef; docs/forward.md",
     .max = TC_FW_SINKS_MAX},
    {.name = "max_size",
     .type = TOCSIN_OPTION_SIZE,
     .fallback = "256M",
     .help = "How much may wait on disk for sinks that take nothing; then the oldest go",
     .min = 1024 * 1024,
     .max = INT64_C(1) << 40},
    {.name = NULL},
};

TOCSIN_EXPORT extern const struct tocsin_plugin tocsin_plugin;
const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_SUPPLEMENTARY),
    .name = "forward",
    .version = "0.1.0",
    .summary = "Passes alerts on: to files, the systemd journal, syslog, HTTP receivers",
    .publishes = publishes,
    .subscribes = subscribes,
    .options = options,
    .init = init,
    .start = start,
    .event = event,
    .stop = stop,
    .destroy = destroy,
};
