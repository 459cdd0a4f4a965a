/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what is reported of an act, from the record to the fields. Pure. */
#ifndef TC_TRACE_ACT_H
#define TC_TRACE_ACT_H

#include <stdbool.h>
#include <stddef.h>
#include <tocsin/event.h>

#include "bpf/trace_abi.h"
#include "trace_process.h"

/* An act, with what the record does not know. */
struct tc_trace_act {
    const struct tc_trace_act_record *record;
    const struct tc_trace_process *target; /* NULL: there is none, or it is not known */
    struct tc_trace_users before;          /* of changed credentials */
};

/* The topic; NULL when the record is none of an act, or not whole. */
const char *tc_trace_act_topic(const struct tc_trace_act_record *record, size_t len);

struct tc_trace_users tc_trace_act_users(const struct tc_trace_act_record *record);

/* One of its texts, which may end before its length does. */
const char *tc_trace_act_text(const struct tc_trace_act_record *record,
                              enum tc_trace_act_text which, size_t *ret_len);

/* BASE with PATH from there on. From malloc; NULL: there is none, or no memory. */
char *tc_trace_act_path(const struct tc_trace_act_record *record);

/* action, outcome: fields of the open map `event`. */
void tc_trace_act_put_event(struct tocsin_writer *w,
                            const struct tc_trace_act_record *record);

/* All others, of the open event. */
void tc_trace_act_put(struct tocsin_writer *w, const struct tc_trace_act *act);

#endif
