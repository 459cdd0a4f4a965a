/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugin trace, the supplementary events: which processes begin, become what, do, and
 * end. It decides nothing and delays nobody; what it could not report, it counts. This
 * file owns the descriptor, the options, and requests.
 */
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const publishes[] = {"process.*",
                                        "network.*",
                                        "file.*",
                                        "kernel.*",
                                        "filesystem.*",
                                        TOCSIN_TOPIC_SENSOR_GAP,
                                        TOCSIN_TOPIC_RPC_REPLY,
                                        NULL};
static const char *const subscribes[] = {"rpc.trace.*", TOCSIN_TOPIC_DNS_ANSWERED, NULL};

/* Where programs are put that are to be run again: jobs, services, shells, boot, keys. */
#define FILES                                                                            \
    "/etc,/boot,/opt,/root/*,/root/.ssh,/root/.config,/usr/local/bin,/usr/local/sbin,"   \
    "/usr/local/lib/systemd,/lib/systemd,/usr/lib/systemd,/run/systemd/system,"          \
    "/var/spool/cron,/var/spool/at,/var/tmp,/var/www,/dev/shm"

static const struct tocsin_option options[] = {
    {.name = "mechanism",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "auto",
     .help =
         "auto: ebpf, and the process connector (netlink) where that is not available",
     .choices = "auto|ebpf|netlink"},
    TC_SENSOR_RING_OPTION("8M"),
    {.name = "max_processes",
     .type = TOCSIN_OPTION_INT,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "16384",
     .help = "processes that are remembered, with their parents",
     .min = 256,
     .max = 4194304},
    {.name = "hash_max_size",
     .type = TOCSIN_OPTION_SIZE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "64M",
     .help = "executables up to this size are reported with their SHA-256; 0: none",
     .max = INT64_MAX},
    {.name = "files",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = FILES,
     .help = "folders: the files in them that are created, written, renamed and deleted "
             "are reported, and those below; /folder/*: not below; none: no files"},
    {.name = "told_elsewhere",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "/home,/tmp,/srv",
     .help = "folders whose files another sensor reports; unless set, "
             "what the primary sensor watches"},
    {.name = "attributes",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "/usr",
     .help = "folders below which changed modes, owners and extended attributes are "
             "reported, beside those of files and told_elsewhere"},
    {.name = "acts",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "auto",
     .help = "what processes do besides: auto: seen; cheap: only where the kernel lets "
             "single functions be hooked; none: not seen",
     .choices = "auto|cheap|none"},
    {.name = NULL}};

static int read_options(struct tc_trace *trace)
{
    const struct tocsin_host *host = trace->host;
    const char *mechanism = host->option_text(host, "mechanism");
    const char *acts = host->option_text(host, "acts");
    int err;

    trace->mechanism = !strcmp(mechanism, "ebpf")      ? TC_TRACE_EBPF
                       : !strcmp(mechanism, "netlink") ? TC_TRACE_NETLINK
                                                       : TC_TRACE_AUTO;
    trace->acts = !strcmp(acts, "none")    ? TC_TRACE_ACTS_NONE
                  : !strcmp(acts, "cheap") ? TC_TRACE_ACTS_CHEAP
                                           : TC_TRACE_ACTS_AUTO;
    trace->ring_bytes = tc_sensor_ring_bytes_read(host);
    trace->max_processes = (size_t)host->option_int(host, "max_processes");
    trace->hash_max_bytes = (uint64_t)host->option_int(host, "hash_max_size");
    err = tc_sensor_list_read(host, "files", true, trace->file_places);
    if (!err)
        err = tc_sensor_list_read(host, "told_elsewhere", true, trace->told_elsewhere);
    if (!err)
        err = tc_sensor_list_read(host, "attributes", true, trace->attribute_places);
    return err;
}

static int trace_init(const struct tocsin_host *host, void **ret_state)
{
    struct tc_trace *trace = calloc(1, sizeof(*trace));
    int err;

    if (!trace)
        return -ENOMEM;
    trace->host = host;
    trace->netlink.fd = trace->files.group = -1;
    err = read_options(trace);
    if (err) {
        free(trace);
        return err;
    }
    tc_trace_items_init(&trace->left);
    pthread_mutex_init(&trace->left_lock, NULL);
    *ret_state = trace;
    return 0;
}

static int trace_start(void *state)
{
    return tc_trace_start(state);
}

static int trace_stop(void *state)
{
    return tc_trace_stop(state);
}

static void trace_event(void *state, const struct tocsin_event *event)
{
    struct tc_trace *trace = state;

    if (trace->jobs.closing || !trace->started)
        return;
    if (!strcmp(event->topic, TOCSIN_TOPIC_DNS_ANSWERED)) {
        tc_trace_domains_take(&trace->domains, event, trace->host->now_ns(trace->host));
        return;
    }
    if (!strcmp(event->topic, "rpc.trace.stats")) {
        tc_trace_publish_stats(trace, event);
        return;
    }
    if (tocsin_refuse(trace->host, event, "unknown_method",
                      "no such method; there is rpc.trace.stats"))
        trace->publish_errors++;
}

static void trace_destroy(void *state)
{
    struct tc_trace *trace = state;

    tc_trace_release(trace);
    pthread_mutex_destroy(&trace->left_lock);
    free(trace);
}

TOCSIN_EXPORT extern const struct tocsin_plugin tocsin_plugin;
const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_SUPPLEMENTARY),
    .name = "trace",
    .version = "0.1.0",
    .summary =
        "reports what processes run, what they do, where they connect and what they "
        "write",
    .publishes = publishes,
    .subscribes = subscribes,
    .options = options,
    .init = trace_init,
    .start = trace_start,
    .event = trace_event,
    .stop = trace_stop,
    .destroy = trace_destroy,
};
