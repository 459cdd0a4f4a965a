/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_act.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>

#include "bpf/trace_calls.h"
#include "sensor_path.h"
#include "trace_put.h"

const char *tc_trace_act_topic(const struct tc_trace_act_record *record, size_t len)
{
    static const char *const topics[] = {
        [TC_TRACE_CREDENTIALS] = "process.credentials_changed",
        [TC_TRACE_TRACED] = "process.traced",
        [TC_TRACE_SIGNALLED] = "process.signalled",
        [TC_TRACE_MODULE_LOADED] = "kernel.module_loaded",
        [TC_TRACE_MODULE_UNLOADED] = "kernel.module_unloaded",
        [TC_TRACE_BPF_LOADED] = "kernel.bpf_loaded",
        [TC_TRACE_MEMFD] = "process.memfd_created",
        [TC_TRACE_MOUNTED] = "filesystem.mounted",
        [TC_TRACE_UNMOUNTED] = "filesystem.unmounted",
        [TC_TRACE_ATTRIBUTES] = "file.attributes_changed",
    };
    uint32_t end = 0;

    if (len < sizeof(*record) || record->kind != TC_TRACE_ACT ||
        record->what >= sizeof(topics) / sizeof(topics[0]) ||
        record->call >= TC_TRACE_CALLS)
        return NULL;
    for (size_t i = 0; i < TC_TRACE_ACT_TEXTS; i++) {
        if (record->end[i] < end || record->end[i] > len - sizeof(*record))
            return NULL;
        end = record->end[i];
    }
    return topics[record->what];
}

struct tc_trace_users tc_trace_act_users(const struct tc_trace_act_record *record)
{
    return (struct tc_trace_users){.uid = record->uid,
                                   .euid = record->euid,
                                   .suid = record->suid,
                                   .gid = record->gid,
                                   .egid = record->egid,
                                   .sgid = record->sgid};
}

void tc_trace_act_put_event(struct tocsin_writer *w,
                            const struct tc_trace_act_record *record)
{
    static const char *const names[TC_TRACE_CALLS] = {
#define NAME(name, function) [TC_TRACE_CALL_##name] = #name,
        TC_TRACE_CREDENTIAL_CALLS(NAME) TC_TRACE_HOOKED_CALLS(NAME)
            TC_TRACE_MODE_CALLS(NAME) TC_TRACE_OWNER_CALLS(NAME)
                TC_TRACE_NAMED_CALLS(NAME)
#undef NAME
    };

    if (names[record->call])
        tocsin_put_str(w, "action", names[record->call]);
    tocsin_put_str(w, "outcome", record->result < 0 ? "failure" : "success");
}

/* ---- Texts. ---- */

const char *tc_trace_act_text(const struct tc_trace_act_record *record,
                              enum tc_trace_act_text which, size_t *ret_len)
{
    uint32_t from = which ? record->end[which - 1] : 0;

    *ret_len = record->end[which] - from;
    return (const char *)(record + 1) + from;
}

static void put_text(struct tocsin_writer *w, const char *key,
                     const struct tc_trace_act_record *record,
                     enum tc_trace_act_text which)
{
    size_t len;
    const char *text = tc_trace_act_text(record, which, &len);

    len = strnlen(text, len);
    if (len)
        tocsin_put_strn(w, key, text, len);
}

/* Takes out "", "." and ".." of a path that begins with '/', where it stands. */
static void tidy(char *path)
{
    char *to = path;
    const char *from = path;
    size_t len;

    while (*from) {
        from += strspn(from, "/");
        len = strcspn(from, "/");
        if (len == 2 && !memcmp(from, "..", 2)) {
            while (to > path && *--to != '/')
                ;
        } else if (len && !(len == 1 && *from == '.')) {
            *to++ = '/';
            memmove(to, from, len);
            to += len;
        }
        from += len;
    }
    if (to == path)
        *to++ = '/';
    *to = '\0';
}

char *tc_trace_act_path(const struct tc_trace_act_record *record)
{
    size_t base_len, len, at = 0;
    const char *base = tc_trace_act_text(record, TC_TRACE_ACT_BASE, &base_len);
    const char *path = tc_trace_act_text(record, TC_TRACE_ACT_PATH, &len);
    char *from, *whole;

    len = strnlen(path, len);
    from = base_len || len ? tc_sensor_path_of_names(base, base_len) : NULL;
    if (!from || !len)
        return from;
    whole = malloc(strlen(from) + len + 2);
    if (whole && *path != '/') {
        at = strlen(from);
        memcpy(whole, from, at);
        whole[at++] = '/';
    }
    if (whole) {
        memcpy(whole + at, path, len);
        whole[at + len] = '\0';
        tidy(whole);
    }
    free(from);
    return whole;
}

static void put_path(struct tocsin_writer *w, const struct tc_trace_act_record *record)
{
    char *path = tc_trace_act_path(record);

    if (!path)
        return;
    tocsin_begin_map(w, "file");
    tocsin_put_str(w, "path", path);
    tocsin_put_str(w, "name", strrchr(path, '/') + 1);
    if (record->flags & TC_TRACE_PATH_CUT)
        tocsin_put_bool(w, "path_truncated", true);
    tocsin_end(w);
    free(path);
}

/* ---- Each act. ---- */

static void put_target(struct tocsin_writer *w, const struct tc_trace_act *act)
{
    if (!act->target && !act->record->target_pid)
        return;
    tocsin_begin_map(w, "target");
    tocsin_begin_map(w, "process");
    if (act->target)
        tc_trace_put_other(w, act->target);
    else
        tocsin_put_int(w, "pid", (int32_t)act->record->target_pid);
    tocsin_end(w);
    tocsin_end(w);
}

static void put_traced(struct tocsin_writer *w, const struct tc_trace_act *act)
{
    if (act->record->call == TC_TRACE_CALL_ptrace) {
        tocsin_begin_map(w, "ptrace");
        tocsin_put_str(w, "request",
                       act->record->value == PTRACE_SEIZE ? "seize" : "attach");
        tocsin_end(w);
    }
    put_target(w, act);
}

static void put_signalled(struct tocsin_writer *w, const struct tc_trace_act *act)
{
    const char *name = sigabbrev_np((int)act->record->value);

    tocsin_begin_map(w, "signal");
    tocsin_put_uint(w, "number", act->record->value);
    if (name)
        tocsin_put_str(w, "name", name);
    tocsin_end(w);
    put_target(w, act);
}

static void put_module(struct tocsin_writer *w, const struct tc_trace_act *act)
{
    size_t len;

    tc_trace_act_text(act->record, TC_TRACE_ACT_NAME, &len);
    if (len) {
        tocsin_begin_map(w, "module");
        put_text(w, "name", act->record, TC_TRACE_ACT_NAME);
        tocsin_end(w);
    }
    put_path(w, act->record);
}

/* As bpftool names them. */
static void put_bpf(struct tocsin_writer *w, const struct tc_trace_act *act)
{
    static const char *const types[] = {
        "unspec",
        "socket_filter",
        "kprobe",
        "sched_cls",
        "sched_act",
        "tracepoint",
        "xdp",
        "perf_event",
        "cgroup_skb",
        "cgroup_sock",
        "lwt_in",
        "lwt_out",
        "lwt_xmit",
        "sock_ops",
        "sk_skb",
        "cgroup_device",
        "sk_msg",
        "raw_tracepoint",
        "cgroup_sock_addr",
        "lwt_seg6local",
        "lirc_mode2",
        "sk_reuseport",
        "flow_dissector",
        "cgroup_sysctl",
        "raw_tracepoint_writable",
        "cgroup_sockopt",
        "tracing",
        "struct_ops",
        "ext",
        "lsm",
        "sk_lookup",
        "syscall",
        "netfilter",
    };
    uint64_t type = act->record->value;

    tocsin_begin_map(w, "bpf");
    tocsin_begin_map(w, "program");
    if (type < sizeof(types) / sizeof(types[0]))
        tocsin_put_str(w, "type", types[type]);
    else
        tocsin_put_uint(w, "type", type);
    put_text(w, "name", act->record, TC_TRACE_ACT_NAME);
    tocsin_end(w);
    tocsin_end(w);
}

static void put_memfd(struct tocsin_writer *w, const struct tc_trace_act *act)
{
    tocsin_begin_map(w, "file");
    put_text(w, "name", act->record, TC_TRACE_ACT_NAME);
    tocsin_end(w);
}

static void put_options(struct tocsin_writer *w, uint64_t flags)
{
    static const struct {
        const char *name;
        uint64_t flag;
    } rows[] = {
        {"ro", MS_RDONLY},     {"nosuid", MS_NOSUID},   {"nodev", MS_NODEV},
        {"noexec", MS_NOEXEC}, {"remount", MS_REMOUNT}, {"bind", MS_BIND},
        {"move", MS_MOVE},     {"rec", MS_REC},         {"private", MS_PRIVATE},
        {"shared", MS_SHARED}, {"slave", MS_SLAVE},     {"unbindable", MS_UNBINDABLE}};

    tocsin_begin_array(w, "options");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (flags & rows[i].flag)
            tocsin_put_str(w, NULL, rows[i].name);
    tocsin_end(w);
}

static void put_mount(struct tocsin_writer *w, const struct tc_trace_act *act)
{
    put_path(w, act->record);
    tocsin_begin_map(w, "mount");
    put_text(w, "source", act->record, TC_TRACE_ACT_NAME);
    put_text(w, "type", act->record, TC_TRACE_ACT_TYPE);
    tocsin_put_uint(w, "flags", act->record->value);
    if (act->record->call == TC_TRACE_CALL_mount)
        put_options(w, act->record->value);
    tocsin_end(w);
}

static void put_before(struct tocsin_writer *w, const struct tc_trace_act *act)
{
    tocsin_begin_map(w, "previous");
    tc_trace_put_users(w, &act->before, NULL);
    tocsin_end(w);
}

void tc_trace_act_put(struct tocsin_writer *w, const struct tc_trace_act *act)
{
    static void (*const put[])(struct tocsin_writer * w,
                               const struct tc_trace_act *act) = {
        [TC_TRACE_CREDENTIALS] = put_before,
        [TC_TRACE_TRACED] = put_traced,
        [TC_TRACE_SIGNALLED] = put_signalled,
        [TC_TRACE_MODULE_LOADED] = put_module,
        [TC_TRACE_MODULE_UNLOADED] = put_module,
        [TC_TRACE_BPF_LOADED] = put_bpf,
        [TC_TRACE_MEMFD] = put_memfd,
        [TC_TRACE_MOUNTED] = put_mount,
        [TC_TRACE_UNMOUNTED] = put_mount,
        [TC_TRACE_ATTRIBUTES] = NULL, /* the file is the event's own */
    };
    const char *error = NULL;

    if (act->record->result < 0)
        error = strerrorname_np(-act->record->result);
    if (error) {
        tocsin_begin_map(w, "error");
        tocsin_put_str(w, "code", error);
        tocsin_end(w);
    }
    if (put[act->record->what])
        put[act->record->what](w, act);
}
