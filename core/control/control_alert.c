/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the methods that close alerts and cases and open them again. The journal does it,
 * and who is told of it are those who look on: alert.closed, alert.reopened.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/control/control_priv.h"
#include "core/journal/journal.h"
#include "ipc/unpack.h"

struct closing {
    struct tc_control *control;
    struct tc_rpc_call *call;
    uid_t by;
    bool close, of_case;
    char note[TC_JOURNAL_NOTE_MAX + 1];
};

static void tell(const struct closing *closing, const void *result, size_t len)
{
    struct tocsin_str id = tocsin_find_str(result, len, "id");
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, closing->of_case ? "case" : "alert");
    tocsin_put_strn(&w, "id", id.ptr, id.len);
    tocsin_end(&w);
    if (closing->note[0])
        tocsin_put_str(&w, "note", closing->note);
    tocsin_put_uint(&w, "user_id", closing->by);
    tocsin_end(&w);
    tc_notice_publish(&closing->control->services->notice,
                      closing->close ? "alert.closed" : "alert.reopened", &w);
    tocsin_writer_done(&w);
}

static void on_changed(void *arg, int status, const void *result, size_t len)
{
    struct closing *closing = arg;

    if (!status && tocsin_find_int(result, len, "alerts", 0) > 0)
        tell(closing, result, len);
    tc_control_answer(closing->call, status, result, len);
    free(closing);
}

/* False: the call has been refused. */
static bool take_note(struct tc_rpc_call *call, const struct tc_rpc_params *params,
                      char note[TC_JOURNAL_NOTE_MAX + 1])
{
    struct tocsin_str text = tc_unpack_str(params->map, "note");

    note[0] = '\0';
    if (!text.len || tc_control_call_text(params, "note", note, TC_JOURNAL_NOTE_MAX + 1))
        return true;
    tc_rpc_fail(call, "usage", "a note is a text of at most %d bytes",
                TC_JOURNAL_NOTE_MAX);
    return false;
}

static int ask(struct tc_journal *journal, struct closing *closing, const char *kind,
               struct tocsin_str id)
{
    struct timespec now;
    struct tc_pack p;
    int err;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_strn(&p, "id", id.ptr, id.len);
    if (closing->note[0])
        tc_pack_str(&p, "note", closing->note);
    tc_pack_uint(&p, "user_id", closing->by);
    tc_pack_uint(&p, "time_ns",
                 (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec);
    tc_pack_end(&p);
    err = p.error;
    if (!err)
        err = tc_journal_change(journal, kind, p.bytes.data, p.bytes.size, on_changed,
                                closing);
    tc_pack_done(&p);
    return err;
}

static void change(struct tc_control *control, struct tc_rpc_call *call,
                   const struct tc_rpc_params *params, const char *kind)
{
    struct tocsin_str id = tc_unpack_str(params->map, "id");
    struct closing *closing;
    int err = -ENOMEM;

    if (!id.ptr || !id.len) {
        tc_rpc_fail(call, "usage", "which one? Give its id, or how that begins");
        return;
    }
    closing = calloc(1, sizeof(*closing));
    if (closing && !take_note(call, params, closing->note)) {
        free(closing);
        return;
    }
    if (closing) {
        closing->control = control;
        closing->call = call;
        closing->by = tc_rpc_call_peer(call)->uid;
        closing->close = strstr(kind, ".close") != NULL;
        closing->of_case = !strncmp(kind, "case.", 5);
        err = control->services->journal
                  ? ask(control->services->journal, closing, kind, id)
                  : -EIO;
    }
    if (!err)
        return;
    free(closing);
    tc_control_answer(call, err, NULL, 0);
}

void tc_control_alert_close(struct tc_control *control, struct tc_rpc_call *call,
                            const struct tc_rpc_params *params)
{
    change(control, call, params, "alert.close");
}

void tc_control_alert_reopen(struct tc_control *control, struct tc_rpc_call *call,
                             const struct tc_rpc_params *params)
{
    change(control, call, params, "alert.reopen");
}

void tc_control_case_close(struct tc_control *control, struct tc_rpc_call *call,
                           const struct tc_rpc_params *params)
{
    change(control, call, params, "case.close");
}

void tc_control_case_reopen(struct tc_control *control, struct tc_rpc_call *call,
                            const struct tc_rpc_params *params)
{
    change(control, call, params, "case.reopen");
}
