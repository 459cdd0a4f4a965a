/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what every part of trace.bpf.c uses: the maps, the counters, the reader's wakeup,
 * and who a task is. Must not: hook anything.
 */
#ifndef TC_TRACE_COMMON_BPF_H
#define TC_TRACE_COMMON_BPF_H

#include <linux/bpf.h>
/* First the types, then: */
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <stdbool.h>

#include "trace_abi.h"
#include "trace_kernel.h"

/*
 * Where a record is put together, and its texts behind it, as long as they are. `act`
 * ends where `record` does.
 */
struct texts {
    __u32 busy, at; /* at: bytes of text so far */
    __u32 cut, unused;
    union {
        struct tc_trace_record record;
        struct {
            char before[sizeof(struct tc_trace_record) -
                        sizeof(struct tc_trace_act_record)];
            struct tc_trace_act_record act;
        };
    };
    char text[TC_TRACE_NAMES_MAX];
};

#define SENSOR_NAMES_MAX TC_TRACE_NAMES_MAX
#define SENSOR_PATH_CUT TC_TRACE_PATH_CUT
#include "bpf/sensor_names.bpf.h"

struct scratch {
    struct texts texts;
    char args[TC_TRACE_ARGS_MAX];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY); /* a per-CPU map ends at 32 KB a value */
    __uint(max_entries, 1);           /* the plugin sets all sizes that are 1 here */
    __type(key, __u32);
    __type(value, struct scratch);
} scratches SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct tc_trace_control);
} control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, TC_TRACE_COUNTERS);
    __type(key, __u32);
    __type(value, __u64);
} counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ring SEC(".maps");

static __always_inline void count(__u32 which)
{
    __u64 *n = bpf_map_lookup_elem(&counters, &which);

    if (n)
        __sync_fetch_and_add(n, 1);
}

/*
 * How the reader is woken, as in kext.bpf.c: waking it costs ten times the record, so
 * only one that has said that it sleeps is woken, or one that falls behind.
 */
static __always_inline __u64 wake_flags(void)
{
    __u32 zero = 0;
    struct tc_trace_control *c = bpf_map_lookup_elem(&control, &zero);

    if (!c)
        return BPF_RB_NO_WAKEUP;
    if (__sync_val_compare_and_swap(&c->asleep, 1, 0) == 1 ||
        bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > c->wake_bytes) {
        count(TC_TRACE_WOKEN);
        return BPF_RB_FORCE_WAKEUP;
    }
    return BPF_RB_NO_WAKEUP;
}

/*
 * The same after bpf_ringbuf_output: whether the reader sleeps must be asked when the
 * record has its place. An empty record that is discarded carries the wake-up.
 */
static __always_inline void wake(void)
{
    __u32 zero = 0;
    struct tc_trace_control *c = bpf_map_lookup_elem(&control, &zero);
    void *wakeup;

    if (!c || wake_flags() != BPF_RB_FORCE_WAKEUP)
        return;
    wakeup = bpf_ringbuf_reserve(&ring, 8, 0);
    if (wakeup)
        bpf_ringbuf_discard(wakeup, BPF_RB_FORCE_WAKEUP);
    else
        c->asleep = 1; /* the next one wakes it */
}

static __always_inline void submit(struct tc_trace_record *r)
{
    count(TC_TRACE_REPORTED);
    bpf_ringbuf_submit(r, wake_flags());
}

/* ---- Who. ---- */

static __always_inline void fill_task(struct tc_trace_record *r,
                                      const struct task_struct *task)
{
    const struct task_struct___audited *audited = (const void *)task;
    const struct task_struct *leader = task->group_leader;
    const struct task_struct *parent = leader->real_parent->group_leader;
    const struct signal_struct *signal = task->signal;
    const struct cred *cred = task->cred;

    r->flags = 0;
    r->time_ns = bpf_ktime_get_ns();
    r->cpu = bpf_get_smp_processor_id();
    r->pid = task->tgid;
    r->start_ns = leader->start_boottime;
    r->parent_pid = parent->tgid;
    r->parent_start_ns = parent->start_boottime;
    r->forker_pid = 0;
    r->forker_start_ns = 0;
    r->session = signal->pids[PIDTYPE_SID]->numbers[0].nr;
    r->uid = cred->uid.val;
    r->euid = cred->euid.val;
    r->suid = cred->suid.val;
    r->gid = cred->gid.val;
    r->egid = cred->egid.val;
    r->sgid = cred->sgid.val;
    r->login_uid = TC_TRACE_NO_LOGIN;
    if (bpf_core_field_exists(audited->loginuid))
        r->login_uid = audited->loginuid.val;
    r->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
    r->exit_status = 0;
    r->inode = r->size = r->ctime_s = 0;
    r->ctime_ns = r->device = 0;
    bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), task->comm);
    r->tty[0] = '\0';
    if (signal->tty)
        bpf_probe_read_kernel_str(r->tty, sizeof(r->tty),
                                  signal->tty +
                                      bpf_core_field_offset(struct tty_struct, name));
    __builtin_memset(r->end, 0, sizeof(r->end));
}

/* Who acts: enough to find it again. */
struct actor {
    __u64 start_ns;
    __u32 pid, unused;
};

static __always_inline struct actor current_process(void)
{
    const struct task_struct *task = (const void *)bpf_get_current_task();
    struct actor who = {.pid = bpf_get_current_pid_tgid() >> 32,
                        .start_ns = BPF_CORE_READ(task, group_leader, start_boottime)};

    return who;
}

#endif
