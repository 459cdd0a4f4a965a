/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the programs in the kernel: loaded, sized, attached, detached; and their maps, as
 * functions. Whether a machine can run them is found out by loading them. Any thread, but
 * load and unload: one at a time, and not the loop (they read the kernel's BTF). Must
 * not: know events or the agent.
 */
#ifndef TC_TRACE_LOAD_H
#define TC_TRACE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/trace_abi.h"
#include "sensor_bpf.h"
#include "trace_hooks.h"

struct tocsin_host;
struct trace_bpf;

enum tc_trace_acts {
    TC_TRACE_ACTS_AUTO,  /* in the best way there is */
    TC_TRACE_ACTS_CHEAP, /* not if each system call of the machine had to be looked at */
    TC_TRACE_ACTS_NONE,
};

struct tc_trace_programs {
    struct trace_bpf *skeleton; /* NULL: not loaded */
    struct tc_sensor_bpf_links links;
    bool slow[TC_SENSOR_BPF_LINKS_MAX]; /* to release */
    size_t cpus;
    struct tc_trace_hooks hooks;
    struct tc_trace_control *control; /* shared with the kernel */
};

/*
 * Loads and attaches. ring_bytes: a power of two, at least a page. acts: how the end of
 * system calls may be seen. host is for the loader's messages. Errors: a negative
 * errno, and a sentence in `why`.
 */
int tc_trace_load(struct tc_trace_programs *programs, uint32_t ring_bytes,
                  enum tc_trace_acts acts, const struct tocsin_host *host, char why[256]);

/* Fork, exec and exit are not seen any more; the ring can still be read. Acts that
 * come after it has been read are nobody's: the kernel releases those later. */
void tc_trace_detach(struct tc_trace_programs *programs);
void tc_trace_unload(struct tc_trace_programs *programs); /* detaches, too */

int tc_trace_ring_fd(const struct tc_trace_programs *programs);

/* A counter, all CPUs added up. Any thread. */
uint64_t tc_trace_counter(const struct tc_trace_programs *programs, uint32_t counter);

/* Adds a counter to ret[cpu] of each CPU, programs->cpus of them. */
void tc_trace_counter_by_cpu(const struct tc_trace_programs *programs, uint32_t counter,
                             uint64_t *ret);

#endif
