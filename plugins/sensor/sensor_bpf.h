/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what every loading of BPF programs needs around it: that the kernel describes
 * itself, and that libbpf speaks to our log. Blocks: not on the loop.
 */
#ifndef TC_SENSOR_BPF_H
#define TC_SENSOR_BPF_H

struct tocsin_host;

/* -ENOTSUP and a sentence where the kernel has no type information (BTF): nothing can be
 * loaded then. */
int tc_sensor_bpf_possible(char why[256]);

/*
 * libbpf's messages on this thread go to the host's log at debug level, until end: then
 * it is silent, since what it had before could be a function of a plugin that is gone.
 * The end also gives the memory that loading took back to the system.
 */
void tc_sensor_bpf_begin(const struct tocsin_host *host);
void tc_sensor_bpf_end(void);

/* One sentence for what loading `what` ("BPF LSM programs") has failed with. */
void tc_sensor_bpf_why(const char *what, int err, char why[256]);

#endif
