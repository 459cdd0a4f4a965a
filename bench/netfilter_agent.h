/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the agent that bench_netfilter measures: tocsind with plugin netfilter alone, in
 * a folder and a cgroup of its own, which the caller is in, too; its lists of indicators;
 * what it says of itself, and what the kernel says of it.
 */
#ifndef TC_BENCH_NETFILTER_AGENT_H
#define TC_BENCH_NETFILTER_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define AGENT_MANY 1000000 /* indicators of list "million" */

struct agent {
    char root[64], cgroup[96], socket[96];
    pid_t guardian, worker;
};

struct agent_memory {
    uint64_t rss_bytes, anon_bytes;
    uint64_t map_bytes; /* BPF maps, as the kernel counts them */
};

struct agent_cpu {
    uint64_t loop_ns, reader_ns;
};

struct agent_counts {
    uint64_t published, lost, unpublished;
};

/* The caller is in the cgroup from then on: its servers should have been made before. */
void agent_begin(struct agent *agent);
void agent_end(struct agent *agent);

/* With list "ten", "million" or "name"; with its queue in use, too. Milliseconds until it
 * decided. */
double agent_start(struct agent *agent, const char *list, bool queue);
void agent_stop(struct agent *agent);

/* Waits till so many events have been published since its start, and no more come. */
void agent_settle(const struct agent *agent, uint64_t published,
                  struct agent_counts *ret_counts);
void agent_cpu(const struct agent *agent, struct agent_cpu *ret);
void agent_memory(const struct agent *agent, struct agent_memory *ret);

#endif
