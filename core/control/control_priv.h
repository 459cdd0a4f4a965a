/* SPDX-License-Identifier: Apache-2.0 */
/* What control.c (who may call), control_forward.c (the way to plugins), control_audit.c
 * (what is recorded of calls) and control_methods.c (what the core answers) share. */
#ifndef TC_CORE_CONTROL_PRIV_H
#define TC_CORE_CONTROL_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/event.h>

#include "core/control/control.h"
#include "core/control/forwards.h"
#include "core/control/refusals.h"
#include "core/host/services.h"
#include "ipc/pack.h"
#include "ipc/rpc.h"

struct tc_event;

struct tc_control {
    struct tc_control_options options;
    const struct tc_services *services; /* options.services */
    struct tc_protection *protection;   /* options.protection */
    struct tc_rpc *rpc;
    struct tc_subscriber *subscriber; /* to the plugins' answers */
    uv_timer_t timer;                 /* for the two below */
    struct tc_forwards forwards;
    struct tc_refusals refusals;
    void (*done)(void *arg);
    void *done_arg;
};

struct tc_control_method {
    const char *name;
    bool changes; /* something, or tells secrets: takes root, and is journalled */
    void (*run)(struct tc_control *control, struct tc_rpc_call *call,
                const struct tc_rpc_params *params); /* NULL: a query */
    const char *query; /* kind of tc_journal_query that answers it; NULL: run does */
};

/* The core's method of that name, or NULL. */
const struct tc_control_method *tc_control_method(const char *name);

/* Answers with what the journal has of that kind (tc_journal_query). */
void tc_control_query(struct tc_control *control, struct tc_rpc_call *call,
                      const char *kind, const struct tc_rpc_params *params);

/* Answers with what the journal has said, a map, or why it has not. */
void tc_control_answer(struct tc_rpc_call *call, int status, const void *result,
                       size_t len);

/* control_forward.c: passes a call on to the plugin that its method names. */
void tc_control_forward(struct tc_control *control, struct tc_rpc_call *call,
                        const char *method, const struct tc_rpc_params *params);
void tc_control_plugin_answer(void *arg, struct tc_event *event); /* of the bus */
void tc_control_caller_gone(void *arg, struct tc_rpc_call *call); /* of the socket */

/* Answers for the plugins that have been silent for too long. */
void tc_control_end_silence(struct tc_control *control, uint64_t now_ns);

/* control_audit.c: records a call that changes something, or was refused for it. */
void tc_control_record(struct tc_control *control, const struct tc_rpc_call *call,
                       const char *method, const struct tc_rpc_params *params,
                       bool allowed);

/* Tells of the callers that were refused again and again. */
void tc_control_tell_refusals(struct tc_control *control, uint64_t now_ns);

/* control.c: sees to it that the two above are called in time. */
void tc_control_arm(struct tc_control *control);

/* Whether who calls may change the agent. */
bool tc_control_may_change(const struct tc_rpc_peer *peer);

/* core/control/control_approval.c */
void tc_control_approval_list(struct tc_control *control, struct tc_rpc_call *call,
                              const struct tc_rpc_params *params);
void tc_control_approval_grant(struct tc_control *control, struct tc_rpc_call *call,
                               const struct tc_rpc_params *params);
void tc_control_approval_deny(struct tc_control *control, struct tc_rpc_call *call,
                              const struct tc_rpc_params *params);
void tc_control_approval_revoke(struct tc_control *control, struct tc_rpc_call *call,
                                const struct tc_rpc_params *params);
void tc_control_approval_retry(struct tc_control *control, struct tc_rpc_call *call,
                               const struct tc_rpc_params *params);
/* control_stats.c */
void tc_control_stats(struct tc_control *control, struct tc_rpc_call *call,
                      const struct tc_rpc_params *params);

void tc_control_profile_list(struct tc_control *control, struct tc_rpc_call *call,
                             const struct tc_rpc_params *params);
void tc_control_profile_check(struct tc_control *control, struct tc_rpc_call *call,
                              const struct tc_rpc_params *params);

/* core/control/control_alert.c */
void tc_control_alert_close(struct tc_control *control, struct tc_rpc_call *call,
                            const struct tc_rpc_params *params);
void tc_control_alert_reopen(struct tc_control *control, struct tc_rpc_call *call,
                             const struct tc_rpc_params *params);
void tc_control_case_close(struct tc_control *control, struct tc_rpc_call *call,
                           const struct tc_rpc_params *params);
void tc_control_case_reopen(struct tc_control *control, struct tc_rpc_call *call,
                            const struct tc_rpc_params *params);

/* control_config.c */
void tc_control_config_validate(struct tc_control *control, struct tc_rpc_call *call,
                                const struct tc_rpc_params *params);
void tc_control_config_reload(struct tc_control *control, struct tc_rpc_call *call,
                              const struct tc_rpc_params *params);
void tc_control_config_set(struct tc_control *control, struct tc_rpc_call *call,
                           const struct tc_rpc_params *params);
void tc_control_config_unset(struct tc_control *control, struct tc_rpc_call *call,
                             const struct tc_rpc_params *params);
void tc_control_config_add(struct tc_control *control, struct tc_rpc_call *call,
                           const struct tc_rpc_params *params);
void tc_control_config_remove(struct tc_control *control, struct tc_rpc_call *call,
                              const struct tc_rpc_params *params);
void tc_control_config_show(struct tc_control *control, struct tc_rpc_call *call,
                            const struct tc_rpc_params *params);

/* control_call.c: begin an answer's map, and end map and call. */
void tc_control_call_begin(struct tc_pack *p);
void tc_control_call_end(struct tc_rpc_call *call, struct tc_pack *p);

/* Answers {ok: true}, or refuses with the sentence. -EALREADY is no failure: what was
 * asked for is so; the sentence, as any beside a status of 0, is the answer's `note`. */
void tc_control_call_end_status(struct tc_rpc_call *call, int status, const char *why);

/* Copies a text parameter; false when there is none, or it is too long. */
bool tc_control_call_text(const struct tc_rpc_params *params, const char *key, char *buf,
                          size_t cap);

#endif
