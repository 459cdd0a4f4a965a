/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the programs in the kernel: loaded, sized, attached to a cgroup, detached; and
 * their maps, as functions. Whether a machine can run them is found out by loading them.
 * Any thread, one at a time, but load, attach and unload: not the loop (they block). Must
 * not: know events or the agent.
 */
#ifndef TC_NF_LOAD_H
#define TC_NF_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/netfilter_abi.h"
#include "sensor_bpf.h"

struct tocsin_host;
struct netfilter_bpf;

struct tc_nf_programs {
    struct netfilter_bpf *skeleton;
    struct tc_nf_control *control; /* shared with the programs */
    struct tc_sensor_bpf_links links;
    struct tc_nf_slot *slots[2]; /* of both tables; NULL: none */
    size_t slots_count[2];
    int table_fds[2]; /* -1: none */
    size_t cpus;
};

/*
 * Loads them; nothing runs yet. The ring has `ring_bytes`, a power of two. -ENOTSUP: the
 * kernel has no BTF; -errno of what libbpf reports; one sentence in `why`.
 */
int tc_nf_load(struct tc_nf_programs *programs, uint32_t ring_bytes,
               const struct tocsin_host *host, char why[256]);

/*
 * Attaches them to the cgroup at `path` (a folder of a cgroup2 file system): all that
 * happens in it and below. Beside what others have attached there. Errors: those of
 * open(2) and bpf(2); then none is attached.
 */
int tc_nf_attach(struct tc_nf_programs *programs, const char *path, char why[256]);
void tc_nf_detach(struct tc_nf_programs *programs); /* none runs any more */
void tc_nf_unload(struct tc_nf_programs *programs);

/* Where the cgroup2 file system is mounted, in `cap` bytes: /sys/fs/cgroup, or unified in
 * it. -ENOENT: nowhere. */
int tc_nf_cgroup_root(char *ret_path, size_t cap);

int tc_nf_ring_fd(const struct tc_nf_programs *programs);
/* Records that had no room, since they were loaded. */
uint64_t tc_nf_lost(const struct tc_nf_programs *programs);

/*
 * A new table of addresses: room for `slots`, all free, in memory that the kernel shares;
 * then, filled, it takes the other's place in one step. Errors: those of bpf(2), mmap(2);
 * the table in force stays.
 */
int tc_nf_addresses_begin(struct tc_nf_programs *programs, size_t slots,
                          struct tc_nf_slot **ret_slots);
int tc_nf_addresses_commit(struct tc_nf_programs *programs,
                           const struct tc_nf_addresses *head);
/* The slots in force; NULL: none. They may be marked expired. */
struct tc_nf_slot *tc_nf_addresses_slots(const struct tc_nf_programs *programs);

/* What a name has taught about an address; action TC_NF_NONE takes it back. */
int tc_nf_name_address(const struct tc_nf_programs *programs,
                       const struct tc_nf_name_key *key, const struct tc_nf_named *named);

void tc_nf_name_clear(const struct tc_nf_programs *programs); /* of all */

/* What is passed: the lists replace those before. Errors: those of bpf(2). */
struct tc_nf_pass {
    const struct tc_nf_pass_port *ports;
    const struct tc_nf_pass_network *networks;
    const struct tc_nf_pass_file *files;
    const uint32_t *users;
    size_t ports_count, networks_count, files_count, users_count;
};
int tc_nf_pass_set(const struct tc_nf_programs *programs, const struct tc_nf_pass *pass);

/* What was decided before counts no longer. */
void tc_nf_renew(struct tc_nf_programs *programs);

#endif
