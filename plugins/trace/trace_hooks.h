/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which of the programs are loaded into this kernel. Fork, exec and exit must be;
 * whatever else a kernel has no hook for is skipped, and named. Must not: load anything.
 */
#ifndef TC_TRACE_HOOKS_H
#define TC_TRACE_HOOKS_H

#include <stdbool.h>

struct bpf_program;
struct trace_bpf;

/* What is tried, best first. The first three differ in how the end of a call is seen. */
enum tc_trace_hooks_by {
    TC_TRACE_HOOKS_BY_FUNCTION, /* a program at each function: others cost nothing */
    TC_TRACE_HOOKS_BY_EXIT,     /* one program at the end of all system calls */
    TC_TRACE_HOOKS_BY_NOTHING,  /* it is not seen */
    TC_TRACE_HOOKS_REQUIRED,    /* nothing but fork, exec and exit */
    TC_TRACE_HOOKS_LEVELS,
};

#define TC_TRACE_UNSEEN_MAX 512

struct tc_trace_hooks {
    enum tc_trace_hooks_by by;
    char unseen[TC_TRACE_UNSEEN_MAX]; /* hooks that this kernel has not, joined by blanks
                                       */
};

const char *tc_trace_hooks_name(enum tc_trace_hooks_by by);

/* Between open and load of the skeleton. acts: signals, too. Begins a new list of what is
 * not seen. */
void tc_trace_hooks_choose(struct tc_trace_hooks *hooks, struct trace_bpf *skeleton,
                           enum tc_trace_hooks_by by, bool acts);

/* Whether the plugin cannot do without it. */
bool tc_trace_hooks_required(const struct bpf_program *program);

/* Whether it is at the beginning or end of a function. */
bool tc_trace_hooks_at_function(const struct bpf_program *program);

/* Notes that this program's hook was not to be had. */
void tc_trace_hooks_miss(struct tc_trace_hooks *hooks, const struct bpf_program *program);

#endif
