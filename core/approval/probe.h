/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: asking the system whether a gate's sensor could work, as approval.h's
 * callbacks.probe wants it: es_extension by a permission group and a mark on an empty
 * folder, full_disk_access by capabilities and by reading a file that nobody may. Must
 * not: mark anything else, decide, or leave anything behind. Blocks: a pool thread's.
 */
#ifndef TC_CORE_PROBE_H
#define TC_CORE_PROBE_H

#include "core/approval/approval.h"

/*
 * Both make what they need in `state_dir`, which is ours, and remove it. *ret_error is
 * the raw errno, positive, or 0. The network's gates are their plugin's to ask for: here
 * they are NOT_ENTITLED. Any thread, several at a time.
 */
void tc_probe_run(enum tc_gate gate, const char *state_dir, enum tc_probe_result *ret,
                  int *ret_error);

/* What an errno means; `marking`: it came from placing a permission mark. */
enum tc_probe_result tc_probe_result_of(int error, bool marking);

#endif
