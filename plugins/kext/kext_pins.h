/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what outlives the agent: the programs that refuse and kill what is known bad,
 * with their maps, held by names in the kernel's BPF file system. They go on while an
 * agent that died is restarted, until `refuse_until_ns` of their control has passed; the
 * next agent takes what they know, and then takes them away.
 *
 *     /sys/fs/bpf/tocsin_kext_DEVICE_INODE/    of the state folder: one agent's
 *         PID_TIME/                            one life of it
 *             bad control kext_end ...         maps, and links of programs
 *
 * One thread at a time, and not the loop: a folder is read. Must not: decide when.
 */
#ifndef TC_KEXT_PINS_H
#define TC_KEXT_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tc_kext_programs;

struct tc_kext_pins {
    char agent[96]; /* the folder; empty: there is no state folder to name it by */
    char life[160]; /* ours, when something is pinned; else empty */
};

void tc_kext_pins_init(struct tc_kext_pins *pins, const char *state_dir);

/*
 * Copies what earlier lives know as bad, and still refuse, into the maps of these
 * programs (TC_KEXT_INHERITED). *ret_count: how many files. Returns until when they would
 * have refused it: CLOCK_MONOTONIC; 0: there is none.
 */
uint64_t tc_kext_pins_inherit(const struct tc_kext_pins *pins,
                              struct tc_kext_programs *programs, size_t *ret_count);

/* Pins these, which are attached, and only then takes earlier lives away. Errors: a
 * negative errno and a sentence; then nothing of ours is pinned, and theirs is still. */
int tc_kext_pins_take(struct tc_kext_pins *pins, const struct tc_kext_programs *programs,
                      char why[256]);

/* Takes ours away: the programs end with their links. */
void tc_kext_pins_drop(struct tc_kext_pins *pins);

/* Takes away what other processes have left. */
void tc_kext_pins_sweep(const struct tc_kext_pins *pins);

#endif
