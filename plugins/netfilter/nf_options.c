/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "indicators/nf_indicators.h"
#include "sensor_options.h"

const struct tocsin_option tc_nf_option_table[] = {
    {.name = "enforcement",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "block",
     .help = "what indicators do: disabled: nothing; audit: what would be denied is "
             "reported; block: it is denied",
     .choices = "disabled|audit|block"},
    {.name = "indicators",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "",
     .help =
         "lists of addresses, networks, domains and URLs: block:, audit: or allow: and "
         "a file or folder"},
    {.name = "pass",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "",
     .help = "what is never looked at: port=NUMBER[/tcp|udp], network=ADDRESS[/LENGTH], "
             "process=PATH, user=NUMBER; beside Kerberos, DHCP, loopback and the agent"},
    {.name = "kernel_traffic",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "allow",
     .help = "what becomes of flows that the kernel itself begins: tunnels, NFS, MPTCP",
     .choices = "allow|audit|block"},
    {.name = "unattributed",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "allow",
     .help = "what becomes of flows of which no process is known",
     .choices = "allow|audit|block"},
    {.name = "loopback",
     .type = TOCSIN_OPTION_BOOL,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "false",
     .help = "whether flows on loopback are looked at, too"},
    {.name = "forward",
     .type = TOCSIN_OPTION_BOOL,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "true",
     .help = "whether names are looked for in what is forwarded, as from containers"},
    {.name = "inspect",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "auto",
     .help = "looking for names in the first data of flows (TLS, HTTP, QUIC): auto: when "
             "an indicator is a name; on: always; off: never",
     .choices = "auto|on|off"},
    {.name = "inspect_tcp",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "80,443,8080,8443",
     .help = "ports of servers whose flows' first data are inspected"},
    {.name = "inspect_udp",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "443",
     .help = "the same for QUIC"},
    {.name = "on_timeout",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "allow",
     .help =
         "what becomes of a flow that nobody has judged in time, or when the queue is "
         "full",
     .choices = "allow|deny"},
    {.name = "budget",
     .type = TOCSIN_OPTION_DURATION,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "500ms",
     .help = "how long a flow waits for detectors; programs try again after 1s",
     .min = 50,
     .max = 10000},
    TC_SENSOR_RING_OPTION("2M"),
    {.name = "mechanism",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "auto",
     .help = "auto: ebpf, and nflog where that is not available, which only watches",
     .choices = "auto|ebpf|nflog"},
    {.name = "queue",
     .type = TOCSIN_OPTION_INT,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "8453",
     .help = "number of the netfilter queue",
     .min = 0,
     .max = 65535},
    {.name = "log_group",
     .type = TOCSIN_OPTION_INT,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "8453",
     .help = "number of the netfilter log's group",
     .min = 1,
     .max = 65535},
    {.name = "cgroup",
     .type = TOCSIN_OPTION_TEXT,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "",
     .help =
         "folder of the cgroup2 file system whose processes are looked at; empty: all"},
    {.name = "namespace",
     .type = TOCSIN_OPTION_TEXT,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "",
     .help = "file of a network namespace: nothing but that one is looked at"},
    {.name = NULL}};

/* Never asked about: whoever waits for these waits to log in, or for an address. */
static const struct tc_nf_port pass_always[] = {
    {IPPROTO_TCP, 88},  {IPPROTO_UDP, 88},  {IPPROTO_TCP, 464}, {IPPROTO_UDP, 464},
    {IPPROTO_TCP, 749}, {IPPROTO_UDP, 749}, {IPPROTO_UDP, 67},  {IPPROTO_UDP, 68},
    {IPPROTO_UDP, 546}, {IPPROTO_UDP, 547}};

struct reading {
    const struct tocsin_host *host;
    struct tc_nf_options *options;
    const char *item;
};

static int refuse(const struct reading *reading, const char *option, const char *what)
{
    reading->host->log(reading->host, TOCSIN_LOG_ERROR, "%s: \"%s\" %s", option,
                       reading->item, what);
    return -EINVAL;
}

/* A whole number up to `max`; -EINVAL. *ret_rest: what follows it. */
static int number(const char *text, unsigned long max, unsigned long *ret,
                  const char **ret_rest)
{
    char *end;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    *ret = strtoul(text, &end, 10);
    *ret_rest = end;
    return errno || *ret > max ? -EINVAL : 0;
}

static int pass_port(const struct reading *reading, const char *value)
{
    struct tc_nf_options *options = reading->options;
    bool tcp, udp;
    unsigned long port;
    const char *rest;

    if (number(value, 65535, &port, &rest) || !port)
        return refuse(reading, "pass", "names no port: write port=1024 or port=1024/tcp");
    tcp = !*rest || !strcmp(rest, "/tcp");
    udp = !*rest || !strcmp(rest, "/udp");
    if (!tcp && !udp)
        return refuse(reading, "pass", "has a protocol other than tcp and udp");
    if (options->pass_ports_count + tcp + udp > TC_NF_PASS_MAX)
        return refuse(reading, "pass", "is one port too many");
    if (tcp)
        options->pass_ports[options->pass_ports_count++] =
            (struct tc_nf_port){IPPROTO_TCP, (uint16_t)port};
    if (udp)
        options->pass_ports[options->pass_ports_count++] =
            (struct tc_nf_port){IPPROTO_UDP, (uint16_t)port};
    return 0;
}

/* Clears what lies behind the length. */
static void mask(struct tc_nf_net *net)
{
    for (unsigned bit = net->length; bit < 128; bit++)
        net->address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static int pass_network(const struct reading *reading, const char *value)
{
    struct tc_nf_options *options = reading->options;
    struct tc_nf_net *net = &options->pass_networks[options->pass_networks_count];
    const char *slash = strchr(value, '/'), *rest = "";
    char text[INET6_ADDRSTRLEN];
    unsigned long length;
    bool v4;

    snprintf(text, sizeof(text), "%.*s",
             slash ? (int)(slash - value) : (int)strlen(value), value);
    if (options->pass_networks_count == TC_NF_PASS_MAX)
        return refuse(reading, "pass", "is one network too many");
    memset(net, 0, sizeof(*net));
    v4 = inet_pton(AF_INET, text, net->address + 12) == 1;
    if (v4)
        net->address[10] = net->address[11] = 0xff;
    else if (inet_pton(AF_INET6, text, net->address) != 1)
        return refuse(reading, "pass", "names no network: write network=192.0.2.0/24");
    length = v4 ? 32 : 128;
    if (slash && (number(slash + 1, length, &length, &rest) || *rest))
        return refuse(reading, "pass", "has a length that the address cannot have");
    net->length = (uint8_t)(v4 ? 96 + length : length);
    mask(net);
    options->pass_networks_count++;
    return 0;
}

static int pass_process(const struct reading *reading, const char *value)
{
    struct tc_nf_options *options = reading->options;

    if (*value != '/')
        return refuse(reading, "pass", "names no program: write its whole path");
    if (options->pass_processes_count == TC_NF_PASS_MAX)
        return refuse(reading, "pass", "is one process too many");
    options->pass_processes[options->pass_processes_count++] = value;
    return 0;
}

static int pass_user(const struct reading *reading, const char *value)
{
    struct tc_nf_options *options = reading->options;
    unsigned long uid;
    const char *rest;

    if (number(value, UINT32_MAX - 1, &uid, &rest) || *rest)
        return refuse(reading, "pass", "names no user: write the number, user=1000");
    if (options->pass_users_count == TC_NF_PASS_MAX)
        return refuse(reading, "pass", "is one user too many");
    options->pass_users[options->pass_users_count++] = (uint32_t)uid;
    return 0;
}

static int read_pass(struct reading *reading)
{
    static const struct {
        const char *key;
        int (*take)(const struct reading *reading, const char *value);
    } keys[] = {{"port=", pass_port},
                {"network=", pass_network},
                {"process=", pass_process},
                {"user=", pass_user}};
    struct tc_nf_options *options = reading->options;
    size_t always = sizeof(pass_always) / sizeof(pass_always[0]), i, k;
    int err;

    memcpy(options->pass_ports, pass_always, sizeof(pass_always));
    options->pass_ports_count = always;
    for (i = 0; (reading->item = reading->host->option_item(reading->host, "pass", i));
         i++) {
        for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
            if (!strncmp(reading->item, keys[k].key, strlen(keys[k].key)))
                break;
        if (k == sizeof(keys) / sizeof(keys[0]))
            return refuse(reading, "pass",
                          "begins with none of port=, network=, process= and user=");
        err = keys[k].take(reading, reading->item + strlen(keys[k].key));
        if (err)
            return err;
    }
    return 0;
}

static int read_ports(struct reading *reading, const char *option, uint16_t *ports,
                      size_t *ret_count)
{
    unsigned long port;
    const char *rest;

    *ret_count = 0;
    for (size_t i = 0;
         (reading->item = reading->host->option_item(reading->host, option, i)); i++) {
        if (number(reading->item, 65535, &port, &rest) || *rest || !port)
            return refuse(reading, option, "is no port");
        if (i == TC_NF_PORTS_MAX)
            return refuse(reading, option, "is one port too many");
        ports[(*ret_count)++] = (uint16_t)port;
    }
    return 0;
}

static int read_lists(struct reading *reading)
{
    struct tc_nf_options *options = reading->options;
    char why[TC_NF_WHY_MAX];

    for (size_t i = 0;
         (reading->item = reading->host->option_item(reading->host, "indicators", i));
         i++) {
        if (i == TC_NF_LISTS_OPTION_MAX)
            return refuse(reading, "indicators", "is one list too many");
        if (tc_nf_source_check(reading->item, why))
            return refuse(reading, "indicators",
                          "is no list: write allow:, audit: or block: and the path of a "
                          "file or folder");
        options->lists[options->lists_count++] = reading->item;
    }
    return 0;
}

static enum tc_nf_action action_of(const struct tocsin_host *host, const char *option)
{
    const char *text = host->option_text(host, option);

    return !strcmp(text, "block")   ? TC_NF_BLOCK
           : !strcmp(text, "audit") ? TC_NF_AUDIT
                                    : TC_NF_NONE;
}

static void read_words(const struct tocsin_host *host, struct tc_nf_options *options)
{
    const char *enforcement = host->option_text(host, "enforcement");
    const char *mechanism = host->option_text(host, "mechanism");
    const char *inspect = host->option_text(host, "inspect");

    options->enforcement = !strcmp(enforcement, "block")   ? TC_NF_BLOCKS
                           : !strcmp(enforcement, "audit") ? TC_NF_AUDITS
                                                           : TC_NF_DISABLED;
    options->ebpf = strcmp(mechanism, "nflog") != 0;
    options->nflog = strcmp(mechanism, "ebpf") != 0;
    options->inspect_always = !strcmp(inspect, "on");
    options->inspect_never = !strcmp(inspect, "off");
    options->kernel_action = action_of(host, "kernel_traffic");
    options->unattributed = action_of(host, "unattributed");
    options->on_timeout_deny = !strcmp(host->option_text(host, "on_timeout"), "deny");
}

int tc_nf_options_read(const struct tocsin_host *host, struct tc_nf_options *ret)
{
    struct reading reading = {.host = host, .options = ret};
    int err;

    memset(ret, 0, sizeof(*ret));
    read_words(host, ret);
    ret->loopback = host->option_bool(host, "loopback");
    ret->forward = host->option_bool(host, "forward");
    ret->budget_ns = (uint64_t)host->option_int(host, "budget") * UINT64_C(1000000);
    ret->ring_bytes = tc_sensor_ring_bytes_read(host);
    ret->queue = (uint16_t)host->option_int(host, "queue");
    ret->log_group = (uint16_t)host->option_int(host, "log_group");
    ret->cgroup = host->option_text(host, "cgroup");
    ret->namespace = host->option_text(host, "namespace");
    err = read_pass(&reading);
    if (!err)
        err = read_lists(&reading);
    if (!err)
        err = read_ports(&reading, "inspect_tcp", ret->tcp_inspected,
                         &ret->tcp_inspected_count);
    if (!err)
        err = read_ports(&reading, "inspect_udp", ret->udp_inspected,
                         &ret->udp_inspected_count);
    return err;
}
