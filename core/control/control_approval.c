/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the methods approval.* and profile.* of the control socket. */
#include <stdio.h>

#include "core/control/control_priv.h"
#include "core/profile/profiles.h"
#include "core/protect/approver.h"
#include "core/protect/protection.h"
#include "ipc/unpack.h"

static struct tc_approver *approver_of(const struct tc_control *control)
{
    return tc_protection_approver(control->protection);
}

void tc_control_approval_list(struct tc_control *control, struct tc_rpc_call *call,
                              const struct tc_rpc_params *params)
{
    struct tc_pack p;

    (void)params;
    tc_control_call_begin(&p);
    tc_approval_put(tc_approver_approval(approver_of(control)), uv_hrtime(), &p);
    tc_control_call_end(call, &p);
}

static void on_answered(void *arg, int status, const char *why)
{
    tc_control_call_end_status(arg, status, why);
}

static void answer(struct tc_control *control, struct tc_rpc_call *call,
                   const struct tc_rpc_params *params, enum tc_approval_answer what)
{
    const struct tc_rpc_peer *peer = tc_rpc_call_peer(call);
    char name[64] = "";
    enum tc_gate gate;

    if (!tc_control_call_text(params, "gate", name, sizeof(name)) ||
        tc_gate_find(name, &gate)) {
        tc_rpc_fail(call, "usage",
                    "no gate \"%s\": there are es_extension, network_extension, "
                    "network_filter and full_disk_access",
                    name);
        return;
    }
    tc_approver_answer(approver_of(control), gate, what, peer->uid, peer->pid,
                       on_answered, call);
}

void tc_control_approval_grant(struct tc_control *control, struct tc_rpc_call *call,
                               const struct tc_rpc_params *params)
{
    answer(control, call, params, TC_ANSWER_GRANT);
}

void tc_control_approval_deny(struct tc_control *control, struct tc_rpc_call *call,
                              const struct tc_rpc_params *params)
{
    answer(control, call, params, TC_ANSWER_DENY);
}

void tc_control_approval_revoke(struct tc_control *control, struct tc_rpc_call *call,
                                const struct tc_rpc_params *params)
{
    answer(control, call, params, TC_ANSWER_REVOKE);
}

void tc_control_approval_retry(struct tc_control *control, struct tc_rpc_call *call,
                               const struct tc_rpc_params *params)
{
    (void)params;
    tc_protection_retry(control->protection);
    tc_control_call_end_status(call, 0, "");
}

/* ---- profiles ---- */

void tc_control_profile_list(struct tc_control *control, struct tc_rpc_call *call,
                             const struct tc_rpc_params *params)
{
    struct tc_pack p;

    (void)params;
    tc_control_call_begin(&p);
    tc_pack_str(&p, "folder", tc_approver_managed(approver_of(control)));
    tc_profiles_put(tc_approver_profiles(approver_of(control)), &p);
    tc_control_call_end(call, &p);
}

static void put_check(struct tc_control *control, struct tc_pack *p)
{
    struct tc_profiles_effect effects[TC_PROFILE_GATES] = {{.state = NULL}};
    struct tc_gate_view gates[TC_GATES];
    struct tc_approval_view view;

    tc_approver_snapshot(approver_of(control), &view, gates);
    for (int g = 0; g < TC_GATES; g++) {
        effects[g].state = gates[g].asked ? tc_gate_state_name(gates[g].state) : NULL;
        effects[g].granted = gates[g].state == TC_GATE_GRANTED;
        effects[g].managed = gates[g].source == TC_GATE_BY_PROFILE;
        if (gates[g].state == TC_GATE_ERROR)
            effects[g].reason = tc_probe_result_name(gates[g].result);
    }
    tc_profiles_put_check(tc_approver_profiles(approver_of(control)), effects,
                          tc_approver_ring(approver_of(control), NULL), p);
}

static void on_checked(void *arg, int status, const char *why,
                       const struct tc_profiles *profiles)
{
    struct tc_pack p;

    if (status) {
        tc_rpc_fail(arg, "usage", "%s", why);
        return;
    }
    tc_control_call_begin(&p);
    tc_profiles_put_check(profiles, NULL, NULL, &p);
    tc_control_call_end(arg, &p);
}

void tc_control_profile_check(struct tc_control *control, struct tc_rpc_call *call,
                              const struct tc_rpc_params *params)
{
    struct tc_pack p;

    if (tc_unpack_find(params->map, "files")) {
        tc_approver_check(approver_of(control), params->data, params->len, on_checked,
                          call);
        return;
    }
    tc_control_call_begin(&p);
    put_check(control, &p);
    tc_control_call_end(call, &p);
}
