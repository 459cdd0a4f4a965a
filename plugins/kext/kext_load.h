/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the programs in the kernel: loaded, sized, attached, detached; and their maps,
 * as functions. Which level a machine has is found out by loading, never by reading what
 * it says of itself. Any thread, but load and unload: one at a time, and not the loop
 * (they read the kernel's BTF). Must not: know events, files' paths, or the agent.
 */
#ifndef TC_KEXT_LOAD_H
#define TC_KEXT_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "bpf/kext_abi.h"
#include "sensor_bpf.h"

struct kext_bpf;
struct tocsin_host;

enum tc_kext_level {
    TC_KEXT_LEVEL_NONE,
    TC_KEXT_LEVEL_TRACING, /* kills at exec */
    TC_KEXT_LEVEL_LSM,     /* refuses open and exec */
};

struct tc_kext_sizes {
    uint32_t ring_bytes; /* a power of two, at least a page */
    uint32_t known;      /* files remembered in `bad`, and in `good` */
};

struct tc_kext_programs {
    struct kext_bpf *skeleton; /* NULL: not loaded */
    struct tc_sensor_bpf_links links;
    enum tc_kext_level level;
    struct tc_kext_control *control; /* shared with the kernel */
};

/*
 * Loads the programs of a level, with all maps empty and control all zero: nothing is
 * attached. host is for the loader's messages. Errors: a negative errno, and a sentence
 * in `why`.
 */
int tc_kext_load(struct tc_kext_programs *programs, enum tc_kext_level level,
                 const struct tc_kext_sizes *sizes, const struct tocsin_host *host,
                 char why[256]);
void tc_kext_unload(struct tc_kext_programs *programs); /* detaches, too */

/* From here on the programs run. `opens`: those that report opens, too. */
int tc_kext_attach(struct tc_kext_programs *programs, bool opens, char why[256]);

/* Returns when none of them runs any more. */
void tc_kext_detach(struct tc_kext_programs *programs);

/* What has to be kept for those that refuse and kill to go on without us: their links,
 * and the maps that are read by name. The descriptors stay the programs'. */
#define TC_KEXT_KEPT_MAX 5
struct tc_kext_kept {
    const char *name; /* a constant */
    int fd;
};
size_t tc_kext_kept(const struct tc_kext_programs *programs,
                    struct tc_kext_kept ret[TC_KEXT_KEPT_MAX]);

int tc_kext_ring_fd(const struct tc_kext_programs *programs);
int tc_kext_held_fd(const struct tc_kext_programs *programs);
int tc_kext_control_fd(const struct tc_kext_programs *programs);

/* The key under which the kernel sees a file that stat(2) has described. */
struct tc_kext_key tc_kext_key_of(uint64_t st_dev, uint64_t inode, uint64_t ctime_ns);
uint32_t tc_kext_device_of(dev_t st_dev);
dev_t tc_kext_st_dev_of(uint32_t device);

/* For those uses (enum tc_kext_use), beside what it is known for already; without
 * TC_KEXT_INHERITED it is no longer that. One thread at a time. Errors: -E2BIG, full;
 * -ENOMEM. */
int tc_kext_put_bad(struct tc_kext_programs *programs, const struct tc_kext_key *key,
                    unsigned uses);
int tc_kext_put_good(struct tc_kext_programs *programs, const struct tc_kext_key *key,
                     unsigned uses);
void tc_kext_drop_bad(struct tc_kext_programs *programs, const struct tc_kext_key *key,
                      unsigned uses);
void tc_kext_drop_good(struct tc_kext_programs *programs, const struct tc_kext_key *key);
bool tc_kext_is_bad(const struct tc_kext_programs *programs,
                    const struct tc_kext_key *key);
bool tc_kext_is_good(const struct tc_kext_programs *programs,
                     const struct tc_kext_key *key);

/* Forgets all files known bad but `keep`; all known good. */
void tc_kext_forget_bad(struct tc_kext_programs *programs,
                        const struct tc_kext_key *keep);
/* All that no verdict of this agent has confirmed. */
void tc_kext_forget_inherited(struct tc_kext_programs *programs);
void tc_kext_forget_good(struct tc_kext_programs *programs);

/* The folders watched are these and no others from here on. -E2BIG: some have no room. */
int tc_kext_set_folders(struct tc_kext_programs *programs,
                        const struct tc_kext_folder *folders, size_t count);

bool tc_kext_is_folder(const struct tc_kext_programs *programs,
                       const struct tc_kext_folder *folder);

/* Whether a process is stopped by us; takes it off the list of those that are. */
bool tc_kext_take_held(struct tc_kext_programs *programs, uint32_t pid,
                       uint64_t start_ns);

/* The first process of that list; false when there is none. */
bool tc_kext_any_held(const struct tc_kext_programs *programs, uint32_t *ret_pid,
                      struct tc_kext_held *ret_held);

/* All CPUs added up. */
void tc_kext_read_counters(const struct tc_kext_programs *programs,
                           uint64_t ret[TC_KEXT_COUNTERS]);

/* Calls fn for each process that exists. Errors: a negative errno. */
int tc_kext_each_running(struct tc_kext_programs *programs,
                         void (*fn)(void *arg, const struct tc_kext_running *running),
                         void *arg);

#endif
