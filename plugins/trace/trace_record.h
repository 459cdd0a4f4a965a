/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: how a record of the ring is read. Pure. */
#ifndef TC_TRACE_RECORD_H
#define TC_TRACE_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "bpf/trace_abi.h"
#include "trace_process.h"

/* False when its lengths do not fit what there is. */
bool tc_trace_record_whole(const struct tc_trace_record *record, size_t len);

/* Who: users, session, terminal, name, cgroup; not the parent, not the image. */
void tc_trace_record_fill(const struct tc_trace_record *record,
                          struct tc_trace_process *process);

/* What an exec has set, as a new image; NULL: no memory. */
struct tc_trace_image *tc_trace_record_image(const struct tc_trace_record *record);

#endif
