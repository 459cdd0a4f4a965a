/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what is reported of the gates: an event of each change, and a line in the log of
 * those that somebody has to see. */
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/protect/approver_priv.h"

#define SECOND_NS UINT64_C(1000000000)

static void put_gates(struct tocsin_writer *w, const char *key, unsigned gates)
{
    tocsin_begin_array(w, key);
    for (int g = 0; g < TC_GATES; g++)
        if (gates & 1u << g)
            tocsin_put_str(w, NULL, tc_gate_name((enum tc_gate)g));
    tocsin_end(w);
}

static void put_prompt(struct tocsin_writer *w, const struct tc_approval_event *event)
{
    char command[64];

    snprintf(command, sizeof(command), "tocsin approval grant %s",
             tc_gate_name(event->gate));
    tocsin_put_uint(w, "n", event->n);
    tocsin_put_uint(w, "of", event->of);
    tocsin_put_str(w, "command", command);
    if (event->left_ns)
        tocsin_put_uint(w, "left_seconds", event->left_ns / SECOND_NS);
}

static void put_event(struct tocsin_writer *w, const struct tc_approval_event *event)
{
    const struct tc_prerequisite *p = event->prerequisite;

    if (p) {
        tocsin_put_str(w, "prerequisite", p->name);
        tocsin_put_str(w, "have", p->have);
        tocsin_put_str(w, "need", p->need);
    } else if (event->what == TC_APPROVAL_TIMEOUT) {
        put_gates(w, "pending", event->gates);
    } else if (event->what == TC_APPROVAL_FLOW_STARTED) {
        put_gates(w, "gates", event->gates);
    } else if (event->what != TC_APPROVAL_FLOW_COMPLETED) {
        tocsin_put_str(w, "gate", tc_gate_name(event->gate));
    }
    if (event->what == TC_APPROVAL_PROMPT_SHOWN)
        put_prompt(w, event);
    if (event->what == TC_APPROVAL_PROBE_FAILED) {
        tocsin_put_str(w, "result", tc_probe_result_name(event->result));
        tocsin_put_int(w, "errno", event->error);
    }
    if (event->source != TC_GATE_BY_NOBODY)
        tocsin_put_str(w, "source", tc_gate_source_name(event->source));
    if (event->who && *event->who)
        tocsin_put_str(w, "who", event->who);
    if (event->profile && *event->profile)
        tocsin_put_str(w, "profile", event->profile);
    if (event->reason && *event->reason)
        tocsin_put_str(w, TOCSIN_FIELD_REASON, event->reason);
}

static void log_timeout(unsigned gates)
{
    for (int g = 0; g < TC_GATES; g++)
        if (gates & 1u << g)
            tc_log(TOCSIN_LOG_WARNING, "approval",
                   "nobody has granted %s in time: run tocsin approval grant %s",
                   tc_gate_name((enum tc_gate)g), tc_gate_name((enum tc_gate)g));
}

/* A prompt is something that a person sees, in the system log too. */
static void log_event(const struct tc_approval_event *event)
{
    const char *gate = tc_gate_name(event->gate);

    switch (event->what) {
    case TC_APPROVAL_PROMPT_SHOWN:
        tc_log(TOCSIN_LOG_NOTICE, "approval",
               "%s waits for approval (%u of %u): run tocsin approval grant %s", gate,
               event->n, event->of, gate);
        break;
    case TC_APPROVAL_PREREQUISITE_FAILED:
        tc_log(TOCSIN_LOG_WARNING, "approval", "%s: have %s, need %s",
               event->prerequisite->name, event->prerequisite->have,
               event->prerequisite->need);
        break;
    case TC_APPROVAL_PROBE_FAILED:
        tc_log(TOCSIN_LOG_WARNING, "approval", "%s: the system answers %s (%s)", gate,
               tc_probe_result_name(event->result), strerror(event->error));
        break;
    case TC_APPROVAL_TIMEOUT:
        log_timeout(event->gates);
        break;
    case TC_APPROVAL_REFUSED:
        tc_log(TOCSIN_LOG_NOTICE, "approval", "%s: the answer of %s was refused: %s",
               gate, event->who, event->reason);
        break;
    case TC_APPROVAL_FLOW_STARTED:
    case TC_APPROVAL_FLOW_COMPLETED:
    case TC_APPROVAL_PROMPT_WITHDRAWN:
        break;
    default:
        tc_log(TOCSIN_LOG_NOTICE, "approval", "%s %s%s%s", gate,
               tc_approval_topic(event->what) + strlen("approval."),
               event->who && *event->who ? " by " : "", event->who ? event->who : "");
    }
}

void tc_approver_emit(void *arg, const struct tc_approval_event *event)
{
    struct tc_approver *a = arg;
    struct tocsin_writer w;
    uint8_t buf[1024];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    put_event(&w, event);
    tocsin_end(&w);
    tc_notice_publish(&a->services->notice, tc_approval_topic(event->what), &w);
    log_event(event);
}
