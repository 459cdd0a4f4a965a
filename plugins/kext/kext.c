/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugin kext, the kernel extension: programs in the kernel (eBPF) that refuse files
 * known bad, or end their execution, and report what is opened and executed under the
 * watched paths. Nobody waits for a verdict; what is denied is ended the moment it is
 * known. This file owns the descriptor, the options, and what comes from the bus.
 */
#include "kext.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const publishes[] = {TC_SENSOR_FILE_TOPICS, NULL};

/* file.*: what other sensors ask, whose answers are worth knowing here. */
static const char *const subscribes[] = {TOCSIN_TOPIC_VERDICT_FINAL,
                                         TOCSIN_TOPIC_VERDICT_RESET,
                                         TOCSIN_TOPIC_VERDICT_DENIED,
                                         TOCSIN_TOPIC_THREAT_DETECTED,
                                         TOCSIN_TOPIC_FILE_OPEN,
                                         TOCSIN_TOPIC_FILE_EXEC,
                                         "config.*",
                                         TOCSIN_TOPIC_SENSOR_GAP,
                                         "rpc.kext.*",
                                         NULL};

static const struct tocsin_option options[] = {
    TC_SENSOR_PLACES_OPTIONS,
    {.name = "watch_opens",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "auto",
     .help = "judge files when they are opened; auto: where BPF LSM is, since elsewhere "
             "it costs every system call",
     .choices = "auto|on|off"},
    {.name = "hold_exec",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "off",
     .help = "unknown: stop the execution of a file not judged yet until its verdict",
     .choices = "off|unknown"},
    {.name = "keep_refusing",
     .type = TOCSIN_OPTION_DURATION,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "60s",
     .help = "how long what is known bad stays refused when the agent has died; 0s: not "
             "at all",
     .min = 0,
     .max = 600000},
    TC_SENSOR_RING_OPTION("2M"),
    {.name = "max_known",
     .type = TOCSIN_OPTION_INT,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "65536",
     .help = "files that the kernel remembers as bad, and as many as good",
     .min = 16,
     .max = 4194304},
    {.name = NULL}};

static void read_rest(struct tc_kext *kext)
{
    const struct tocsin_host *host = kext->host;
    const char *opens = host->option_text(host, "watch_opens");

    kext->opens = !strcmp(opens, "on")    ? TC_KEXT_OPENS_ON
                  : !strcmp(opens, "off") ? TC_KEXT_OPENS_OFF
                                          : TC_KEXT_OPENS_AUTO;
    kext->hold = !strcmp(host->option_text(host, "hold_exec"), "unknown");
    kext->keep_refusing_ms = (uint64_t)host->option_int(host, "keep_refusing");
    kext->sizes.known = (uint32_t)host->option_int(host, "max_known");
    kext->sizes.ring_bytes = tc_sensor_ring_bytes_read(host);
}

static int kext_init(const struct tocsin_host *host, void **ret_state)
{
    struct tc_kext *kext = calloc(1, sizeof(*kext));
    int err;

    if (!kext)
        return -ENOMEM;
    kext->host = host;
    kext->mountinfo_fd = -1;
    tc_kext_items_init(&kext->named);
    tc_kext_items_init(&kext->left);
    pthread_mutex_init(&kext->left_lock, NULL);
    tc_kext_catch_up_init(kext);
    tc_kext_pins_init(&kext->pins, host->state_dir(host));
    read_rest(kext);
    err = tc_sensor_places_read(host, &kext->places);
    if (err)
        free(kext);
    else
        *ret_state = kext;
    return err;
}

static int kext_start(void *state)
{
    return tc_kext_start(state);
}

static int kext_stop(void *state)
{
    return tc_kext_stop(state);
}

static void asked(struct tc_kext *kext, const struct tocsin_event *request)
{
    if (!strcmp(request->topic, "rpc.kext.stats")) {
        tc_kext_publish_stats(kext, request);
        return;
    }
    if (tocsin_refuse(kext->host, request, "unknown_method",
                      "no such method; there are rpc.kext.stats and rpc.kext.catch_up"))
        kext->counts.publish_errors++;
}

static void kext_event(void *state, const struct tocsin_event *event)
{
    struct tc_kext *kext = state;

    if (kext->jobs.closing || tc_kext_catch_up_event(kext, event) || !kext->started)
        return;
    if (!strcmp(event->topic, TOCSIN_TOPIC_VERDICT_FINAL)) {
        tc_kext_verdict_came(kext, event);
    } else if (!strncmp(event->topic, "file.", 5)) {
        if (strcmp(event->source, "kext") != 0)
            tc_kext_peer_asked(kext, event);
    } else if (!strcmp(event->topic, TOCSIN_TOPIC_THREAT_DETECTED) ||
               !strcmp(event->topic, TOCSIN_TOPIC_VERDICT_DENIED)) {
        tc_kext_threat_found(kext, event);
    } else if (!strncmp(event->topic, "rpc.", 4)) {
        asked(kext, event);
    } else { /* other rules, another mode, other exclusions */
        tc_kext_set_mode(kext);
        tc_kext_verdicts_reset(kext);
    }
}

static void kext_destroy(void *state)
{
    struct tc_kext *kext = state;

    tc_kext_release(kext);
    tc_kext_pins_sweep(&kext->pins);
    pthread_mutex_destroy(&kext->left_lock);
    free(kext);
}

TOCSIN_EXPORT extern const struct tocsin_plugin tocsin_plugin;
const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_KERNEL_EXTENSION),
    .name = "kext",
    .version = "0.1.0",
    .summary = "refuses known-bad files in the kernel, ends what is denied (eBPF)",
    .publishes = publishes,
    .subscribes = subscribes,
    .options = options,
    .init = kext_init,
    .start = kext_start,
    .event = kext_event,
    .stop = kext_stop,
    .destroy = kext_destroy,
};
