/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a record of the kernel is about: which path, is it watched, who did it, and
 * a descriptor of the file, proven to be that file. The reader thread's, but for the
 * functions that say so: it opens files and may have to wait for a file system.
 */
#ifndef TC_KEXT_RESOLVE_H
#define TC_KEXT_RESOLVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "bpf/kext_abi.h"

struct tc_kext_item;
struct tc_kext_programs;
struct tc_sensor_name;
struct tc_sensor_process_counters;
struct tc_sensor_processes;
struct tc_sensor_scope;
struct tocsin_host;

struct tc_kext_resolver {
    const struct tocsin_host *host;
    const struct tc_kext_programs *programs; /* whose map of folders counts */
    pthread_mutex_t lock;                    /* of the two below */
    struct tc_sensor_scope *scope;
    struct tc_sensor_processes *processes;
    int fd_ceiling;             /* descriptors above it are given up */
    atomic_ullong own, outside; /* records that were about nothing of ours */
    atomic_ullong no_fd;        /* the file was gone, or another, or no descriptor left */
    atomic_ullong served;       /* nobody opens what a server answers for */
    atomic_ullong no_process;   /* what is known of the process is the kernel's record */
};

/* Errors: -ENOMEM; those of /proc. Opens files. */
int tc_kext_resolver_init(struct tc_kext_resolver *resolver,
                          const struct tocsin_host *host,
                          const struct tc_kext_programs *programs, size_t processes,
                          int fd_ceiling);
void tc_kext_resolver_done(struct tc_kext_resolver *resolver);

/* Keeps a reference. Any thread. */
void tc_kext_resolver_set_scope(struct tc_kext_resolver *resolver,
                                struct tc_sensor_scope *scope);

/* Remembers who a process is, as long as it can be asked. Any thread that may wait. */
void tc_kext_resolve_process(struct tc_kext_resolver *resolver, pid_t pid);

/* NULL: nothing to publish, counted. */
struct tc_kext_item *tc_kext_resolve(struct tc_kext_resolver *resolver,
                                     const struct tc_kext_record *record, size_t len);

/* What happened to a name; takes the descriptor out of `name`. Any thread that may wait.
 */
struct tc_kext_item *tc_kext_resolve_name(struct tc_kext_resolver *resolver,
                                          struct tc_sensor_name *name);

void tc_kext_resolver_counters(struct tc_kext_resolver *resolver,
                               struct tc_sensor_process_counters *ret);

#endif
