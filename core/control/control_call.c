/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: reading a call's parameters and making its answer, for the files of control. */
#include <errno.h>
#include <string.h>

#include "core/control/control_priv.h"

void tc_control_call_begin(struct tocsin_writer *w)
{
    tocsin_writer_init_growing(w);
    tocsin_begin_map(w, NULL);
}

void tc_control_call_end(struct tc_rpc_call *call, struct tocsin_writer *w)
{
    tocsin_end(w);
    if (w->error)
        tc_rpc_fail(call, "failed", "the answer could not be made: %s",
                    strerror(-w->error));
    else
        tc_rpc_reply(call, w->buf, w->len);
    tocsin_writer_done(w);
}

void tc_control_call_end_status(struct tc_rpc_call *call, int status, const char *why)
{
    struct tocsin_writer w;

    if (status) {
        tc_rpc_fail(call, status == -ENOENT ? "not_found" : "refused", "%s", why);
        return;
    }
    tc_control_call_begin(&w);
    tocsin_put_bool(&w, "ok", true);
    tc_control_call_end(call, &w);
}

bool tc_control_call_text(const void *params, size_t len, const char *key, char *buf,
                          size_t cap)
{
    struct tocsin_str s = tocsin_find_str(params, len, key);

    if (!s.ptr || !s.len || s.len >= cap || memchr(s.ptr, '\0', s.len))
        return false;
    memcpy(buf, s.ptr, s.len);
    buf[s.len] = '\0';
    return true;
}
