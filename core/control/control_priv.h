/* SPDX-License-Identifier: Apache-2.0 */
/* What control.c (who may call, the way to plugins) and control_methods.c (what the core
 * answers) share. */
#ifndef TC_CORE_CONTROL_PRIV_H
#define TC_CORE_CONTROL_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/event.h>

#include "core/control/control.h"
#include "core/host/services.h"
#include "ipc/pack.h"
#include "ipc/rpc.h"

/* A call that waits for a plugin's rpc.reply; free when `call` is NULL. */
struct tc_forwarded {
    struct tc_rpc_call *call;
    uint64_t id; /* of the request event */
    char plugin[64];
};

struct tc_control {
    struct tc_control_options options;
    const struct tc_services *services; /* options.services */
    struct tc_protection *protection;   /* options.protection */
    struct tc_rpc *rpc;
    struct tc_subscriber *subscriber; /* to the plugins' answers */
    struct tc_forwarded forwarded[TC_CONTROL_FORWARDED_MAX];
    void (*done)(void *arg);
    void *done_arg;
};

struct tc_control_method {
    const char *name;
    bool changes; /* something: takes root, and is journalled */
    void (*run)(struct tc_control *control, struct tc_rpc_call *call,
                const struct tc_rpc_params *params); /* NULL: a query */
    const char *query; /* kind of tc_journal_query that answers it; NULL: run does */
};

/* The core's method of that name, or NULL. */
const struct tc_control_method *tc_control_method(const char *name);

/* Answers with what the journal has of that kind (tc_journal_query). */
void tc_control_query(struct tc_control *control, struct tc_rpc_call *call,
                      const char *kind, const struct tc_rpc_params *params);

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
void tc_control_profile_list(struct tc_control *control, struct tc_rpc_call *call,
                             const struct tc_rpc_params *params);
void tc_control_profile_check(struct tc_control *control, struct tc_rpc_call *call,
                              const struct tc_rpc_params *params);

/* control_call.c: begin an answer's map, and end map and call. */
void tc_control_call_begin(struct tc_pack *p);
void tc_control_call_end(struct tc_rpc_call *call, struct tc_pack *p);

/* Answers {ok: true}, or refuses with the sentence. */
void tc_control_call_end_status(struct tc_rpc_call *call, int status, const char *why);

/* Copies a text parameter; false when there is none, or it is too long. */
bool tc_control_call_text(const struct tc_rpc_params *params, const char *key, char *buf,
                          size_t cap);

#endif
