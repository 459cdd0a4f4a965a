/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the plugin's options: the table, and how they are read. Loop thread; what is read
 * is constant until the plugin is destroyed.
 */
#ifndef TC_NF_OPTIONS_H
#define TC_NF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/plugin.h>

#include "bpf/netfilter_abi.h"
#include "nft/nf_table.h"

#define TC_NF_PORTS_MAX 64
#define TC_NF_PASS_MAX 64 /* of each kind */
#define TC_NF_LISTS_OPTION_MAX 64

extern const struct tocsin_option tc_nf_option_table[];

struct tc_nf_options {
    enum tc_nf_enforcement enforcement;
    enum tc_nf_action kernel_action, unattributed;
    bool ebpf, nflog; /* which mechanisms may be tried */
    bool inspect_always, inspect_never;
    bool loopback, forward;
    bool on_timeout_deny;
    uint64_t budget_ns;
    uint32_t ring_bytes;
    uint16_t queue, log_group;
    uint16_t tcp_inspected[TC_NF_PORTS_MAX], udp_inspected[TC_NF_PORTS_MAX];
    size_t tcp_inspected_count, udp_inspected_count;
    struct tc_nf_port pass_ports[TC_NF_PASS_MAX + 16];
    struct tc_nf_net pass_networks[TC_NF_PASS_MAX];
    const char *pass_processes[TC_NF_PASS_MAX];
    uint32_t pass_users[TC_NF_PASS_MAX];
    size_t pass_ports_count, pass_networks_count, pass_processes_count, pass_users_count;
    const char *lists[TC_NF_LISTS_OPTION_MAX];
    size_t lists_count;
    const char *cgroup;    /* "": the root */
    const char *namespace; /* "": the agent's own, and what the cgroup has */
};

/* -EINVAL, and what is wrong in the log. */
int tc_nf_options_read(const struct tocsin_host *host, struct tc_nf_options *ret);

#endif
