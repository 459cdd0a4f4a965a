/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: who has a flow: processes as the kernel reported them at their first flow, and,
 * where it has not, as /proc shows them. Bounded; the longest unused goes first. The
 * reader's thread.
 */
#ifndef TC_NF_PROCESS_H
#define TC_NF_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/event.h>
#include <uthash.h>

#include "bpf/netfilter_abi.h"
#include "sensor_proc.h"

#define TC_NF_PROCESSES_MAX 4096

/* Texts are NUL-terminated, or NULL where nothing is known. */
struct tc_nf_process {
    UT_hash_handle hh;
    int32_t pid; /* the key */
    unsigned refs;
    uint64_t start_ns; /* since boot */
    int32_t parent_pid;
    uint64_t parent_start_ns; /* 0: not known */
    uint32_t uid;
    bool uid_known;
    char name[TC_SENSOR_COMM_MAX], parent_name[TC_SENSOR_COMM_MAX];
    char *executable, *command_line, *parent_executable, *cgroup;
    char container[TC_SENSOR_CONTAINER_MAX]; /* "": in none */
};

struct tc_nf_processes {
    struct tc_nf_process *by_pid; /* from the longest unused to the last used */
    uint64_t boot_ns;             /* when the machine was started, since the epoch */
    uint64_t reported, from_proc, gone, evicted, malformed;
};

/* Reads when the machine was started. */
void tc_nf_processes_init(struct tc_nf_processes *processes);
void tc_nf_processes_done(struct tc_nf_processes *processes);

/* Takes a record of `len` bytes of the ring. */
void tc_nf_processes_record(struct tc_nf_processes *processes,
                            const struct tc_nf_process_record *record, size_t len);

/*
 * The process with that pid and start, 0 for whoever has the pid now; read from /proc
 * where it is not known. NULL: it is gone, and nothing was reported. With a reference,
 * the caller's.
 */
struct tc_nf_process *tc_nf_processes_find(struct tc_nf_processes *processes, int32_t pid,
                                           uint64_t start_ns);
/* What a flow's record itself says of who has it, for one of which no more is known; a
 * reference, the caller's. NULL: no memory. */
struct tc_nf_process *tc_nf_process_of(const struct tc_nf_flow_record *record);
struct tc_nf_process *tc_nf_process_ref(struct tc_nf_process *process); /* takes NULL */
void tc_nf_process_unref(struct tc_nf_process *process);                /* takes NULL */

/* process.* and container.*: fields of the open map. `boot_ns` as above. */
void tc_nf_process_put(struct tocsin_writer *w, const struct tc_nf_process *process,
                       uint64_t boot_ns);

#endif
