/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is recorded of calls that change something, or were refused for that: who
 * asked for what, as agent.command; of who is refused again and again the sum, as
 * agent.commands_refused.
 */
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "core/base/machine.h"
#include "core/control/control_priv.h"

#define PARAMS_BYTES 4096       /* longer ones are kept in part, */
#define PARAMS_START_BYTES 1024 /* their first bytes, with length and hash */

static void put_params(struct tocsin_writer *w, const struct tc_rpc_params *params)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char hex[2 * sizeof(hash) + 1];

    if (params->len <= PARAMS_BYTES) {
        tocsin_put_encoded(w, "params", params->data, params->len);
        return;
    }
    SHA256(params->data, params->len, hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    tocsin_put_bin(w, "params_start", params->data, PARAMS_START_BYTES);
    tocsin_put_uint(w, "params_length", params->len);
    tocsin_put_str(w, "params_sha256", hex);
}

void tc_control_record(struct tc_control *control, const struct tc_rpc_call *call,
                       const char *method, const struct tc_rpc_params *params,
                       bool allowed)
{
    const struct tc_rpc_peer *peer = tc_rpc_call_peer(call);
    struct tocsin_writer w;

    if (!allowed) {
        bool whole = tc_refusals_note(&control->refusals, peer->uid, peer->pid, method,
                                      uv_hrtime());

        tc_control_arm(control);
        if (!whole)
            return;
    }
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "method", method);
    tocsin_put_bool(&w, "allowed", allowed);
    tocsin_put_uint(&w, "user_id", peer->uid);
    tocsin_put_int(&w, "pid", peer->pid);
    put_params(&w, params);
    tocsin_end(&w);
    tc_notice_publish(&control->services->notice, "agent.command", &w);
    tocsin_writer_done(&w);
}

static void tell(struct tc_control *control, const struct tc_refused *refused)
{
    uint64_t began = uv_hrtime(), wall = tc_wall_ns();
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "count", refused->count);
    tocsin_put_uint(&w, "from", wall - (began - refused->first_ns));
    tocsin_put_uint(&w, "to", wall - (began - refused->last_ns));
    if (!refused->others)
        tocsin_put_uint(&w, "user_id", refused->uid);
    tocsin_put_int(&w, "pid", refused->pid);
    tocsin_begin_array(&w, "methods");
    for (size_t i = 0; i < refused->methods_len; i++) {
        tocsin_begin_map(&w, NULL);
        tocsin_put_str(&w, "method", refused->methods[i].name);
        tocsin_put_uint(&w, "count", refused->methods[i].count);
        tocsin_end(&w);
    }
    tocsin_end(&w);
    tocsin_end(&w);
    tc_notice_publish(&control->services->notice, "agent.commands_refused", &w);
    tocsin_writer_done(&w);
}

void tc_control_tell_refusals(struct tc_control *control, uint64_t now_ns)
{
    struct tc_refused refused;

    while (tc_refusals_take(&control->refusals, now_ns, &refused))
        tell(control, &refused);
}
