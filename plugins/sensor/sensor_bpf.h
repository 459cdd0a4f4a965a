/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what every loading of BPF programs needs around it: that the kernel describes
 * itself, that libbpf speaks to our log, the links, and the page shared with the
 * programs. Blocks: not on the loop.
 */
#ifndef TC_SENSOR_BPF_H
#define TC_SENSOR_BPF_H

#include <stddef.h>

#define TC_SENSOR_BPF_LINKS_MAX 64

struct bpf_link;
struct bpf_map;
struct bpf_program;
struct tocsin_host;

struct tc_sensor_bpf_links {
    struct bpf_link *links[TC_SENSOR_BPF_LINKS_MAX];
    size_t count;
};

/*
 * Runs `load`, which opens, sizes and loads programs. -ENOTSUP where the kernel has no
 * type information (BTF): nothing can be loaded then; else what load returns, and one
 * sentence for the failure of `what` ("BPF LSM programs").
 *
 * libbpf's messages meanwhile go to the host's log at debug level, and after that
 * nowhere, since what it had before could be a function of a plugin that is gone. The end
 * also gives the memory that loading took back to the system.
 */
int tc_sensor_bpf_load(const struct tocsin_host *host, const char *what,
                       int (*load)(void *arg), void *arg, char why[256]);

/* Maps the one value of an array that is shared with the programs. -errno. */
int tc_sensor_bpf_map(const struct bpf_map *map, size_t bytes, void **ret_value);

/* Attaches one program, and keeps the link. -E2BIG; -errno. */
int tc_sensor_bpf_attach(struct tc_sensor_bpf_links *links, struct bpf_program *program);

/* Returns when none of them runs any more. */
void tc_sensor_bpf_detach(struct tc_sensor_bpf_links *links);

#endif
