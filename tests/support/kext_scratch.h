/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a scratch (sensor_scratch.h) in which plugin kext acts for real. */
#ifndef TC_TESTS_SUPPORT_KEXT_SCRATCH_H
#define TC_TESTS_SUPPORT_KEXT_SCRATCH_H

#include "tests/support/sensor_scratch.h"

#define TC_KEXT_BPF_FOLDER "/sys/fs/bpf"

/* tc_scratch_possible, and BPF programs can be loaded; with a BPF file system of the
 * test's own. */
bool tc_kext_scratch_possible(void);

/* For cmocka: a scratch of the program's own, as the state. */
int tc_kext_scratch_setup(void **state);

/* Whether the plugin, once started, is on the upper level. */
bool tc_kext_has_lsm(const struct tc_scratch *s);

/* Runs the loop until a number of rpc.kext.stats ("kernel.killed") is at least that. */
bool tc_kext_await_stat(struct tc_scratch *s, const char *name, int64_t least);

/* Runs the loop until so many events of a topic were published. */
bool tc_kext_await_count(struct tc_scratch *s, const char *topic, size_t least);

/* Has the kernel know a file as bad, by what a detector says. */
void tc_kext_make_bad(struct tc_scratch *s, const char *path);

#endif
