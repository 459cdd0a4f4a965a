/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what is reported of a connection, from the record to the fields. Pure. */
#ifndef TC_TRACE_FLOW_H
#define TC_TRACE_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <tocsin/event.h>

#include "bpf/trace_abi.h"

/* The topic; NULL when the record is none of a flow. */
const char *tc_trace_flow_topic(const struct tc_trace_flow_record *record, size_t len);

/* source.*, destination.*, network.*: fields of the open map. */
void tc_trace_flow_put(struct tocsin_writer *w,
                       const struct tc_trace_flow_record *record);

#endif
