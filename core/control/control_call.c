/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: reading a call's parameters and making its answer, for the files of control. */
#include <errno.h>
#include <string.h>

#include "core/control/control_priv.h"
#include "ipc/unpack.h"

void tc_control_call_begin(struct tc_pack *p)
{
    tc_pack_init(p);
    tc_pack_begin_map(p, NULL);
}

void tc_control_call_end(struct tc_rpc_call *call, struct tc_pack *p)
{
    tc_pack_end(p);
    tc_rpc_reply_packed(call, p);
}

void tc_control_call_end_status(struct tc_rpc_call *call, int status, const char *why)
{
    struct tc_pack p;

    if (status && status != -EALREADY) {
        tc_rpc_fail(call, status == -ENOENT ? "not_found" : "refused", "%s", why);
        return;
    }
    tc_control_call_begin(&p);
    tc_pack_bool(&p, "ok", true);
    if (*why)
        tc_pack_str(&p, "note", why);
    tc_control_call_end(call, &p);
}

bool tc_control_call_text(const struct tc_rpc_params *params, const char *key, char *buf,
                          size_t cap)
{
    struct tocsin_str s = tc_unpack_str(params->map, key);

    if (!s.ptr || !s.len || s.len >= cap || memchr(s.ptr, '\0', s.len))
        return false;
    memcpy(buf, s.ptr, s.len);
    buf[s.len] = '\0';
    return true;
}
