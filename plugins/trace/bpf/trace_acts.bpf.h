/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what processes do to themselves, to others and to the machine: an act becomes one
 * record when its system call has ended. How that end is seen is trace_ended.bpf.h; a
 * signal is seen where it is sent, since one call may reach many.
 */
#ifndef TC_TRACE_ACTS_BPF_H
#define TC_TRACE_ACTS_BPF_H

#include "trace_call.bpf.h"
#include "trace_common.bpf.h"

#define PTRACE_ATTACH 16 /* include/uapi/linux/ptrace.h */
#define PTRACE_SEIZE 0x4206
#define AT_FDCWD -100       /* include/uapi/linux/fcntl.h */
#define SEND_SIG_NOINFO 0ul /* include/linux/sched/signal.h */
#define SEND_SIG_PRIV 1ul

/* Where the texts of acts are put together; of its own, so that an exec never waits. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct texts);
} act_scratches SEC(".maps");

/* The name of the module that a thread is loading: only the module itself has it. */
struct module_name {
    char text[TC_TRACE_MODULE_MAX];
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 256);
    __type(key, __u64); /* as of bpf_get_current_pid_tgid */
    __type(value, struct module_name);
} loading SEC(".maps");

/* ---- A record. ---- */

/* Everything but what is particular to the act. NULL, counted: no place for it. */
static __always_inline struct texts *act_begin(__u16 what, __u32 call, long result)
{
    const struct task_struct *task = bpf_get_current_task_btf();
    const struct cred *cred = task->cred;
    __u32 cpu = bpf_get_smp_processor_id();
    struct texts *s = bpf_map_lookup_elem(&act_scratches, &cpu);
    struct tc_trace_act_record *r;

    if (!s || __sync_val_compare_and_swap(&s->busy, 0, 1)) {
        count(TC_TRACE_BUSY);
        count(TC_TRACE_LOST + TC_TRACE_ACT);
        return NULL;
    }
    s->at = s->cut = 0;
    r = &s->act;
    r->kind = TC_TRACE_ACT;
    r->what = what;
    r->pid = task->tgid;
    r->time_ns = bpf_ktime_get_ns();
    r->start_ns = task->group_leader->start_boottime;
    r->value = 0;
    r->call = call;
    r->result = result;
    r->uid = cred->uid.val;
    r->euid = cred->euid.val;
    r->suid = cred->suid.val;
    r->gid = cred->gid.val;
    r->egid = cred->egid.val;
    r->sgid = cred->sgid.val;
    r->flags = r->target_pid = 0;
    r->target_start_ns = 0;
    __builtin_memset(r->end, 0, sizeof(r->end));
    return s;
}

/* Texts that were not put are empty. */
static __always_inline void act_end(struct texts *s)
{
    struct tc_trace_act_record *r = &s->act;
    __u32 at = s->at, end = 0;

    for (int i = 0; i < TC_TRACE_ACT_TEXTS; i++) {
        if (r->end[i] < end)
            r->end[i] = end;
        end = r->end[i];
    }
    r->flags = s->cut;
    if (at > TC_TRACE_NAMES_MAX ||
        bpf_ringbuf_output(&ring, r, sizeof(*r) + at, BPF_RB_NO_WAKEUP))
        count(TC_TRACE_LOST + TC_TRACE_ACT);
    else
        count(TC_TRACE_REPORTED);
    s->busy = 0;
    wake();
}

static __always_inline void act_target(struct texts *s, const struct task_struct *task)
{
    s->act.target_pid = BPF_CORE_READ(task, tgid);
    s->act.target_start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
}

static __always_inline void act_text(struct texts *s, enum tc_trace_act_text which,
                                     const void *text)
{
    put_name(s, text);
    s->act.end[which] = s->at;
}

/* A text of the caller's, who may have put anything there. */
static __always_inline void act_user_text(struct texts *s, enum tc_trace_act_text which,
                                          __u64 text)
{
    __u32 at = s->at;
    long n = 0;

    if (text && at <= TC_TRACE_NAMES_MAX - TC_TRACE_PATH_MAX)
        n = bpf_probe_read_user_str(s->text + at, TC_TRACE_PATH_MAX, (const void *)text);
    if (n > 0)
        s->at = at + (__u32)n;
    s->act.end[which] = s->at;
}

static __always_inline void act_base(struct texts *s, const struct path *path)
{
    if (path)
        put_path(s, (__u64)path);
    s->act.end[TC_TRACE_ACT_BASE] = s->at;
}

/* ---- Descriptors of the caller. ---- */

static __always_inline const struct path *path_of(const struct file *file)
{
    if (!file)
        return NULL;
    return (const void *)file + bpf_core_field_offset(struct file, f_path);
}

/* Where a path that is not absolute begins, of a call that takes a descriptor for it. */
static __always_inline const struct path *base_of(int fd)
{
    const struct task_struct *task = bpf_get_current_task_btf();

    if (fd == AT_FDCWD)
        return (const void *)BPF_CORE_READ(task, fs) +
               bpf_core_field_offset(struct fs_struct, pwd);
    return path_of(file_of(fd));
}

/* ---- The acts. ---- */

/* Adds what is particular to one. */
typedef void (*act_put)(struct texts *s, const struct ended *c);

static __always_inline int act_report(__u16 what, const struct ended *c, long result,
                                      act_put put)
{
    struct texts *s = act_begin(what, c->call, result);

    if (!s)
        return 0;
    put(s, c);
    act_end(s);
    return 0;
}

/* A call that failed is not reported. */
static __always_inline int act_succeeded(__u16 what, const struct ended *c, act_put put)
{
    return c->result < 0 ? 0 : act_report(what, c, 0, put);
}

/* Whether anything is another than before is known to the reader. */
static __always_inline void put_nothing(struct texts *s, const struct ended *c)
{
}

static __noinline int act_credentials(const struct ended *c)
{
    return act_succeeded(TC_TRACE_CREDENTIALS, c, put_nothing);
}

/* Who calls may have other numbers for processes than the first namespace has. */
static __always_inline void put_target_pid(struct texts *s, __u64 pid)
{
    const struct task_struct *task = bpf_get_current_task_btf();

    if (!BPF_CORE_READ(task, thread_pid, level))
        s->act.target_pid = pid;
}

/* The one that was attached last is the first of those who are traced. */
static __always_inline void put_traced(struct texts *s, const struct ended *c)
{
    const struct task_struct *task = bpf_get_current_task_btf();

    s->act.value = c->args[0];
    if (c->result >= 0)
        act_target(s, (const void *)BPF_CORE_READ(task, ptraced.next) -
                          bpf_core_field_offset(struct task_struct, ptrace_entry));
    else
        put_target_pid(s, c->args[1]);
}

static __noinline int act_ptrace(const struct ended *c)
{
    if (c->args[0] != PTRACE_ATTACH && c->args[0] != PTRACE_SEIZE)
        return 0;
    return act_report(TC_TRACE_TRACED, c, c->result, put_traced);
}

static __always_inline void put_written(struct texts *s, const struct ended *c)
{
    put_target_pid(s, c->args[0]);
}

static __noinline int act_write_memory(const struct ended *c)
{
    if (c->args[0] == bpf_get_current_pid_tgid() >> 32)
        return 0;
    return act_report(TC_TRACE_TRACED, c, c->result < 0 ? c->result : 0, put_written);
}

static __always_inline void put_module(struct texts *s, const struct ended *c)
{
    __u64 key = bpf_get_current_pid_tgid();
    struct module_name *name = bpf_map_lookup_elem(&loading, &key);

    if (name)
        act_text(s, TC_TRACE_ACT_NAME, name->text);
    if (c->call == TC_TRACE_CALL_finit_module)
        act_base(s, path_of(file_of(c->args[0])));
}

static __noinline int act_load_module(const struct ended *c)
{
    __u64 key = bpf_get_current_pid_tgid();

    act_report(TC_TRACE_MODULE_LOADED, c, c->result, put_module);
    bpf_map_delete_elem(&loading, &key);
    return 0;
}

static __always_inline void put_module_name(struct texts *s, const struct ended *c)
{
    act_user_text(s, TC_TRACE_ACT_NAME, c->args[0]);
}

static __noinline int act_unload_module(const struct ended *c)
{
    return act_report(TC_TRACE_MODULE_UNLOADED, c, c->result, put_module_name);
}

/* What it is, is asked of the kernel's own object: the caller's may be another by now. */
static __always_inline void put_bpf(struct texts *s, const struct ended *c)
{
    const struct file *file = file_of(c->result);
    const struct bpf_prog *program = BPF_CORE_READ(file, private_data);

    s->act.value = BPF_CORE_READ(program, type);
    act_text(s, TC_TRACE_ACT_NAME,
             (const void *)BPF_CORE_READ(program, aux) +
                 bpf_core_field_offset(struct bpf_prog_aux, name));
}

static __noinline int act_load_bpf(const struct ended *c)
{
    if (c->args[0] != BPF_PROG_LOAD)
        return 0;
    return act_succeeded(TC_TRACE_BPF_LOADED, c, put_bpf);
}

static __always_inline void put_memfd(struct texts *s, const struct ended *c)
{
    const struct file *file = file_of(c->result);

    s->act.value = c->args[1];
    act_text(s, TC_TRACE_ACT_NAME, BPF_CORE_READ(file, f_path.dentry, d_name.name));
}

static __noinline int act_create_memfd(const struct ended *c)
{
    return act_succeeded(TC_TRACE_MEMFD, c, put_memfd);
}

static __always_inline void put_mount(struct texts *s, const struct ended *c)
{
    s->act.value = c->args[3];
    act_user_text(s, TC_TRACE_ACT_NAME, c->args[0]);
    act_user_text(s, TC_TRACE_ACT_TYPE, c->args[2]);
    act_base(s, base_of(AT_FDCWD));
    act_user_text(s, TC_TRACE_ACT_PATH, c->args[1]);
}

static __noinline int act_mount(const struct ended *c)
{
    return act_succeeded(TC_TRACE_MOUNTED, c, put_mount);
}

static __always_inline void put_unmount(struct texts *s, const struct ended *c)
{
    s->act.value = c->args[1];
    act_base(s, base_of(AT_FDCWD));
    act_user_text(s, TC_TRACE_ACT_PATH, c->args[0]);
}

static __noinline int act_unmount(const struct ended *c)
{
    return act_succeeded(TC_TRACE_UNMOUNTED, c, put_unmount);
}

/* A mount that was made with a descriptor is where it is now; of another the caller says.
 */
static __always_inline void put_moved_mount(struct texts *s, const struct ended *c)
{
    const struct file *from = file_of(c->args[0]);
    const struct vfsmount *mnt;
    char first = 0;

    bpf_probe_read_user(&first, sizeof(first), (const void *)c->args[1]);
    if (first || !from) {
        act_user_text(s, TC_TRACE_ACT_NAME, c->args[1]);
        act_base(s, base_of(c->args[2]));
        act_user_text(s, TC_TRACE_ACT_PATH, c->args[3]);
    } else {
        mnt = BPF_CORE_READ(from, f_path.mnt);
        act_text(s, TC_TRACE_ACT_NAME, BPF_CORE_READ(mount_of(mnt), mnt_devname));
        act_text(s, TC_TRACE_ACT_TYPE, BPF_CORE_READ(mnt, mnt_sb, s_type, name));
        act_base(s, path_of(from));
    }
}

static __noinline int act_move_mount(const struct ended *c)
{
    return act_succeeded(TC_TRACE_MOUNTED, c, put_moved_mount);
}

static __always_inline int act_ended(const struct ended *c)
{
    switch (c->call) {
    case TC_TRACE_CALL_setuid:
    case TC_TRACE_CALL_setgid:
    case TC_TRACE_CALL_setreuid:
    case TC_TRACE_CALL_setregid:
    case TC_TRACE_CALL_setresuid:
    case TC_TRACE_CALL_setresgid:
        return act_credentials(c);
    case TC_TRACE_CALL_ptrace:
        return act_ptrace(c);
    case TC_TRACE_CALL_process_vm_writev:
        return act_write_memory(c);
    case TC_TRACE_CALL_init_module:
    case TC_TRACE_CALL_finit_module:
        return act_load_module(c);
    case TC_TRACE_CALL_delete_module:
        return act_unload_module(c);
    case TC_TRACE_CALL_bpf:
        return act_load_bpf(c);
    case TC_TRACE_CALL_memfd_create:
        return act_create_memfd(c);
    case TC_TRACE_CALL_mount:
        return act_mount(c);
    case TC_TRACE_CALL_umount2:
        return act_unmount(c);
    case TC_TRACE_CALL_move_mount:
        return act_move_mount(c);
    default:
        return 0;
    }
}

/* ---- Modules and signals, where they have hooks of their own. ---- */

SEC("tp_btf/module_load")
int BPF_PROG(trace_module_load, const struct module *module)
{
    __u64 key = bpf_get_current_pid_tgid();
    struct module_name name = {};

    bpf_probe_read_kernel_str(name.text, sizeof(name.text), module->name);
    bpf_map_update_elem(&loading, &key, &name, BPF_ANY);
    return 0;
}

/* As si_fromuser() of the kernel: since 7.3 kill(2) passes no info at all. */
static __always_inline bool is_from_user(const struct kernel_siginfo *info)
{
    unsigned long special = (unsigned long)info;

    return special == SEND_SIG_NOINFO ||
           (special != SEND_SIG_PRIV && BPF_CORE_READ(info, si_code) <= 0);
}

/* As the kernel asks it: whether the sender might have done it as the user that it is. */
static __always_inline bool is_of_another_user(const struct cred *sender,
                                               const struct cred *target)
{
    __u32 uid = BPF_CORE_READ(target, uid.val), suid = BPF_CORE_READ(target, suid.val);

    return sender->euid.val != uid && sender->euid.val != suid &&
           sender->uid.val != uid && sender->uid.val != suid;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(trace_signal, int signal, const struct kernel_siginfo *info,
             const struct task_struct *target)
{
    const struct task_struct *task = bpf_get_current_task_btf();
    struct texts *s;
    __u32 call;

    if (!is_from_user(info) || target->tgid == task->tgid)
        return 0; /* the kernel's own, such as the one at the end of a child */
    call = call_of((const void *)bpf_task_pt_regs((void *)task));
    if ((call <= TC_TRACE_CALLS_HOOKED && !is_compat()) ||
        !is_of_another_user(task->cred, target->cred))
        return 0;
    s = act_begin(TC_TRACE_SIGNALLED, call, 0);
    if (!s)
        return 0;
    s->act.value = signal;
    act_target(s, target);
    act_end(s);
    return 0;
}

#endif
