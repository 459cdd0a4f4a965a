/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what happens in the kernel. A file known bad is refused (LSM) or its exec killed
 * (tracing); a file known good passes unseen; any other that lies in a watched folder is
 * reported. Must not: wait, or decide anything about a file that the plugin has not put
 * into a map. Once the plugin has stopped renewing its deadlines, nothing is refused,
 * killed or stopped any more.
 *
 * Who refuses and kills (kext_end, kext_file_open, kext_bprm_check) may outlive the agent
 * (kext_pins.h); who stops and reports does not.
 */
#include <linux/bpf.h>
/* First the types, then: */
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <stdbool.h>

#include "kext_abi.h"
#include "kext_kernel.h"
#include "kext_kernel_maps.h"

#define SIGKILL 9
#define SIGSTOP 19
#define EPERM 1
#define S_IFMT 0170000
#define S_IFREG 0100000
#define NS_PER_S 1000000000ull
#define FMODE_EXEC 0x20           /* include/linux/fs.h: opened to be executed */
#define FMODE_PATH 0x4000         /* O_PATH: nothing was opened */
#define CTIME_QUERIED 0x80000000u /* I_CTIME_QUERIED: somebody has looked at it */
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#define NAME_LEN(hash_len) ((__u32)((hash_len) >> 32))

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What was found out about a file before it is decided what to do. */
struct file_info {
    struct tc_kext_key key;
    const struct inode *inode;
    const struct dentry *dentry;
    struct vfsmount *mnt;
    __u64 size;
    __u32 mode;
    __u32 bytes;           /* of all names up to the root */
    bool watched, written; /* written: somebody has it open for writing */
};

static __always_inline void count(__u32 which)
{
    __u64 *n = bpf_map_lookup_elem(&counters, &which);

    if (n)
        ++*n;
}

static __always_inline struct tc_kext_control *control_of(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline bool is_own(const struct tc_kext_control *c, __u32 pid)
{
    for (int i = 0; i < TC_KEXT_OWN_MAX; i++)
        if (c->own[i] == pid)
            return true;
    return false;
}

/* What is known bad is refused for a while after the plugin's last sign of life. */
static __always_inline bool may_refuse(const struct tc_kext_control *c)
{
    return c->enforce && bpf_ktime_get_ns() < c->refuse_until_ns;
}

static __always_inline bool refuses(const struct tc_kext_control *c)
{
    if (may_refuse(c))
        return true;
    if (c->enforce)
        count(TC_KEXT_STALE);
    return false;
}

/* Nobody is stopped when the plugin is not there to let him go on. */
static __always_inline bool may_hold(const struct tc_kext_control *c)
{
    return c->enforce && c->hold && bpf_ktime_get_ns() < c->hold_until_ns;
}

static __always_inline void read_ctime(const struct inode *inode, struct tc_kext_key *key)
{
    const struct inode___split *split = (const void *)inode;
    const struct inode___under *under = (const void *)inode;
    const struct inode___plain *plain = (const void *)inode;

    if (bpf_core_field_exists(split->i_ctime_sec)) {
        key->ctime_s = BPF_CORE_READ(split, i_ctime_sec);
        key->ctime_ns = BPF_CORE_READ(split, i_ctime_nsec) & ~CTIME_QUERIED;
    } else if (bpf_core_field_exists(under->__i_ctime)) {
        key->ctime_s = BPF_CORE_READ(under, __i_ctime.tv_sec);
        key->ctime_ns = BPF_CORE_READ(under, __i_ctime.tv_nsec);
    } else {
        key->ctime_s = BPF_CORE_READ(plain, i_ctime.tv_sec);
        key->ctime_ns = BPF_CORE_READ(plain, i_ctime.tv_nsec);
    }
}

static __always_inline __u64 mtime_ns(const struct inode *inode)
{
    const struct inode___split *split = (const void *)inode;
    const struct inode___under *under = (const void *)inode;
    const struct inode___plain *plain = (const void *)inode;

    if (bpf_core_field_exists(split->i_mtime_sec))
        return BPF_CORE_READ(split, i_mtime_sec) * NS_PER_S +
               BPF_CORE_READ(split, i_mtime_nsec);
    if (bpf_core_field_exists(under->__i_mtime))
        return BPF_CORE_READ(under, __i_mtime.tv_sec) * NS_PER_S +
               BPF_CORE_READ(under, __i_mtime.tv_nsec);
    return BPF_CORE_READ(plain, i_mtime.tv_sec) * NS_PER_S +
           BPF_CORE_READ(plain, i_mtime.tv_nsec);
}

/* False when the file does not matter: no regular one, or on no file system that does
 * (`anywhere`: they all do). */
static __always_inline bool read_inode_info(const struct inode *inode,
                                            struct file_info *info, bool anywhere)
{
    __u32 device = BPF_CORE_READ(inode, i_sb, s_dev), *why;

    why = bpf_map_lookup_elem(&devices, &device);
    if (!why && !anywhere)
        return false;
    info->mode = BPF_CORE_READ(inode, i_mode);
    if ((info->mode & S_IFMT) != S_IFREG)
        return false;
    info->inode = inode;
    info->watched = why && *why & TC_KEXT_DEVICE_WATCHED;
    info->key.device = device;
    info->key.inode = BPF_CORE_READ(inode, i_ino);
    read_ctime(inode, &info->key);
    info->size = BPF_CORE_READ(inode, i_size);
    info->written = BPF_CORE_READ(inode, i_writecount.counter) > 0;
    return true;
}

static __always_inline bool read_file_info(const struct file *file,
                                           struct file_info *info, bool anywhere)
{
    info->dentry = BPF_CORE_READ(file, f_path.dentry);
    info->mnt = BPF_CORE_READ(file, f_path.mnt);
    return read_inode_info(BPF_CORE_READ(file, f_inode), info, anywhere);
}

static __always_inline bool is_bad(const struct file_info *info, __u8 use)
{
    const __u8 *uses = bpf_map_lookup_elem(&bad, &info->key);

    return uses && *uses & use;
}

/* Known good, and nobody can be changing it unseen: by a mapping, no time changes. */
static __always_inline bool is_good(const struct file_info *info, __u8 use)
{
    const __u8 *uses;

    if (info->written)
        return false;
    uses = bpf_map_lookup_elem(&good, &info->key);
    if (!uses || !(*uses & use))
        return false;
    count(TC_KEXT_KNOWN);
    return true;
}

/* Goes up to the root of the file system: true when a watched folder is on the way, or
 * when it is too far to find out. */
static __always_inline bool is_inside(struct file_info *info)
{
    struct tc_kext_folder folder = {.device = info->key.device};
    const struct dentry *dentry = info->dentry, *parent;
    bool inside = false;

    info->bytes = 0;
    for (int i = 0; i < TC_KEXT_DEPTH_MAX; i++) {
        folder.inode = BPF_CORE_READ(dentry, d_inode, i_ino);
        if (!inside && bpf_map_lookup_elem(&folders, &folder))
            inside = true;
        parent = BPF_CORE_READ(dentry, d_parent);
        if (parent == dentry)
            return inside;
        info->bytes += NAME_LEN(BPF_CORE_READ(dentry, d_name.hash_len)) + 1;
        dentry = parent;
    }
    return true;
}

/* Writes the names upwards into r->path, which has room for `cap` bytes. */
static __always_inline void put_path(struct tc_kext_record *r,
                                     const struct file_info *info, __u32 cap)
{
    const struct dentry *dentry = info->dentry, *parent;
    const unsigned char *name;
    __u32 at = 0, len;

    for (int i = 0; i < TC_KEXT_DEPTH_MAX; i++) {
        parent = BPF_CORE_READ(dentry, d_parent);
        if (parent == dentry)
            goto out;
        len = NAME_LEN(BPF_CORE_READ(dentry, d_name.hash_len));
        name = BPF_CORE_READ(dentry, d_name.name);
        if (len > TC_KEXT_NAME_MAX || at > cap - TC_KEXT_NAME_MAX - 1)
            break;
        bpf_probe_read_kernel(r->path + at, len & TC_KEXT_NAME_MAX, name);
        at += len & TC_KEXT_NAME_MAX;
        r->path[at] = '\0';
        at++;
        dentry = parent;
    }
    r->flags |= TC_KEXT_CUT;
out:
    r->path_len = at;
}

static __always_inline __u32 mount_id(const struct vfsmount *mnt)
{
    const struct mount *mount =
        (const void *)mnt -
        __builtin_preserve_field_info(((struct mount *)0)->mnt, BPF_FIELD_BYTE_OFFSET);

    return BPF_CORE_READ(mount, mnt_id);
}

static __always_inline void put_task(struct tc_kext_record *r)
{
    const struct task_struct *task = (const void *)bpf_get_current_task();
    __u64 id = bpf_get_current_pid_tgid();

    r->pid = id >> 32;
    r->tid = (__u32)id;
    r->time_ns = bpf_ktime_get_ns();
    r->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    r->parent_pid = BPF_CORE_READ(task, real_parent, tgid);
    r->uid = BPF_CORE_READ(task, cred, euid.val);
    bpf_get_current_comm(r->comm, sizeof(r->comm));
}

/* Stops the process that is executing until the plugin lets it go on. */
static __always_inline bool hold(const struct tc_kext_record *r)
{
    struct tc_kext_held value = {.start_ns = r->start_ns};
    __u32 pid = r->pid;

    if (bpf_map_update_elem(&held, &pid, &value, BPF_ANY))
        return false;
    if (bpf_send_signal(SIGSTOP)) {
        bpf_map_delete_elem(&held, &pid);
        return false;
    }
    count(TC_KEXT_STOPPED);
    return true;
}

/*
 * How the reader is woken. The exchange comes after the record's place in the ring was
 * taken, and is a full barrier: either the reader sees that place before it goes to
 * sleep, or here it is seen to sleep.
 */
static __always_inline __u64 wake_flags(struct tc_kext_control *c, bool at_once)
{
    if (__sync_val_compare_and_swap(&c->asleep, 1, 0) == 1 || at_once ||
        bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > c->wake_bytes) {
        count(TC_KEXT_WOKEN);
        return BPF_RB_FORCE_WAKEUP;
    }
    return BPF_RB_NO_WAKEUP;
}

struct what {
    __u16 kind, flags;
    __s32 fd;
    bool at_once, hold;
};

static __always_inline void fill(struct tc_kext_record *r, const struct file_info *info,
                                 const struct what *what)
{
    const struct inode *inode = info->inode;

    r->kind = what->kind;
    r->flags = what->flags | (info->written ? TC_KEXT_WRITABLE : 0);
    r->fd = what->fd;
    r->key = info->key;
    r->size = info->size;
    r->mtime_ns = mtime_ns(inode);
    r->file_uid = BPF_CORE_READ(inode, i_uid.val);
    r->mode = info->mode;
    r->mount_id = mount_id(info->mnt);
    put_task(r);
    count(TC_KEXT_REPORTED);
}

static __always_inline void report(struct tc_kext_control *c,
                                   const struct file_info *info, const struct what *what)
{
    struct tc_kext_record *r;

    if (info->bytes < TC_KEXT_PATH_SHORT - TC_KEXT_NAME_MAX) {
        r = bpf_ringbuf_reserve(&ring, sizeof(*r) + TC_KEXT_PATH_SHORT, 0);
        if (!r)
            goto lost;
        fill(r, info, what);
        put_path(r, info, TC_KEXT_PATH_SHORT);
    } else {
        r = bpf_ringbuf_reserve(&ring, sizeof(*r) + TC_KEXT_PATH_LONG, 0);
        if (!r)
            goto lost;
        fill(r, info, what);
        put_path(r, info, TC_KEXT_PATH_LONG);
    }
    if (what->hold && hold(r))
        r->flags |= TC_KEXT_WAS_STOPPED;
    bpf_ringbuf_submit(r, wake_flags(c, what->at_once));
    return;
lost:
    count(TC_KEXT_LOST);
}

/* An exec by way of an interpreter: the script itself is no longer at hand, its name is.
 */
static __always_inline void report_script(struct tc_kext_control *c, const char *name)
{
    struct tc_kext_record *r;
    long n;

    r = bpf_ringbuf_reserve(&ring, sizeof(*r) + TC_KEXT_ARGV_MAX, 0);
    if (!r) {
        count(TC_KEXT_LOST);
        return;
    }
    __builtin_memset(r, 0, sizeof(*r));
    r->kind = TC_KEXT_SCRIPT;
    r->fd = -1;
    put_task(r);
    n = bpf_probe_read_kernel_str(r->path, TC_KEXT_ARGV_MAX, name);
    r->path_len = n > 0 ? (__u32)n : 0;
    count(TC_KEXT_REPORTED);
    bpf_ringbuf_submit(r, wake_flags(c, true));
}

/* ---- Overlays: a file of theirs is another one below. ---- */

static __always_inline bool is_overlay(const struct file *file)
{
    return BPF_CORE_READ(file, f_inode, i_sb, s_magic) == OVERLAYFS_SUPER_MAGIC;
}

static long take_inode(struct task_struct *task, struct vm_area_struct *vma,
                       const struct inode **ret_inode)
{
    *ret_inode = BPF_CORE_READ(vma, vm_file, f_inode);
    return 0;
}

/* Where the entry is that an inode is linked to by this. */
static __always_inline const struct dentry *dentry_of(const struct hlist_node *alias)
{
    const struct dentry___named *named = NULL;
    const struct dentry___unnamed *unnamed = NULL;

    if (bpf_core_field_exists(unnamed->d_alias))
        return (const void *)alias -
               __builtin_preserve_field_info(unnamed->d_alias, BPF_FIELD_BYTE_OFFSET);
    return (const void *)alias -
           __builtin_preserve_field_info(named->d_u.d_alias, BPF_FIELD_BYTE_OFFSET);
}

/*
 * What really is executed: an overlay maps the file below, so that is what the process
 * has in memory. Its name is any that it has. False: it does not matter, or is not told.
 */
static __always_inline bool read_below(const struct file *file, struct file_info *info)
{
    struct task_struct *task = bpf_get_current_task_btf();
    const struct inode *inode = NULL;
    const struct hlist_node *alias;

    if (bpf_find_vma(task, BPF_CORE_READ(task, mm, start_code), take_inode, &inode, 0) ||
        !inode || inode == BPF_CORE_READ(file, f_inode))
        return false;
    alias = BPF_CORE_READ(inode, i_dentry.first);
    if (!alias)
        return false;
    info->dentry = dentry_of(alias);
    info->mnt = BPF_CORE_READ(file, f_path.mnt);
    return read_inode_info(inode, info, false);
}

/*
 * A file that is being executed, its image in place, not one instruction run. One that
 * has no name (memfd_create, or deleted) lies in no folder: it matters wherever it is.
 * One of an overlay is the one below, if that is bad, or the overlay is not watched
 * itself. False: it does not matter.
 */
static __always_inline bool read_executed(const struct file *file, struct file_info *info,
                                          bool *ret_unnamed)
{
    bool unnamed = !BPF_CORE_READ(file, f_inode, i_nlink);
    bool matters = read_file_info(file, info, unnamed);
    struct file_info below = {};

    *ret_unnamed = unnamed;
    if (unnamed || !is_overlay(file) || (matters && is_bad(info, TC_KEXT_FOR_EXEC)) ||
        !read_below(file, &below))
        return matters;
    if (matters && info->watched && !is_bad(&below, TC_KEXT_FOR_EXEC))
        return true;
    *info = below;
    return true;
}

/* Ends the execution of what is known bad. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(kext_end, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
    struct what what = {.kind = TC_KEXT_EXEC, .fd = -1, .at_once = true};
    struct tc_kext_control *c = control_of();
    struct file_info info = {};
    bool unnamed;

    if (!c || is_own(c, bpf_get_current_pid_tgid() >> 32) ||
        !read_executed(BPF_CORE_READ(bprm, file), &info, &unnamed) ||
        !is_bad(&info, TC_KEXT_FOR_EXEC))
        return 0;
    is_inside(&info); /* for the length of its path */
    if (unnamed)
        what.flags = TC_KEXT_UNNAMED;
    if (refuses(c) && !bpf_send_signal(SIGKILL)) {
        what.flags |= TC_KEXT_WAS_KILLED;
        count(TC_KEXT_KILLED);
    }
    report(c, &info, &what);
    return 0;
}

/* Reports, and stops, what is not known. True: the process goes on. */
static __always_inline bool executed(struct tc_kext_control *c, const struct file *file)
{
    struct what what = {.kind = TC_KEXT_EXEC, .fd = -1, .at_once = true};
    struct file_info info = {};
    bool unnamed;

    if (!read_executed(file, &info, &unnamed))
        return true;
    if (is_bad(&info, TC_KEXT_FOR_EXEC)) /* kext_end has seen to it */
        return !may_refuse(c);
    if (!(info.watched || unnamed) || is_good(&info, TC_KEXT_FOR_EXEC))
        return true;
    if (!is_inside(&info) && !unnamed) {
        count(TC_KEXT_OUTSIDE);
        return true;
    }
    if (unnamed)
        what.flags = TC_KEXT_UNNAMED;
    what.hold = may_hold(c);
    report(c, &info, &what);
    return true;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(kext_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
    struct tc_kext_control *c = control_of();
    const char *filename = BPF_CORE_READ(bprm, filename);
    __u32 tid = (__u32)bpf_get_current_pid_tgid();

    bpf_map_delete_elem(&executing, &tid);
    if (!c || is_own(c, bpf_get_current_pid_tgid() >> 32))
        return 0;
    if (executed(c, BPF_CORE_READ(bprm, file)) && filename != BPF_CORE_READ(bprm, interp))
        report_script(c, filename);
    return 0;
}

static __always_inline void opened(struct tc_kext_control *c, const struct file *file,
                                   int fd)
{
    struct what what = {.kind = TC_KEXT_OPEN, .fd = fd};
    struct file_info info = {};

    if (BPF_CORE_READ(file, f_mode) & FMODE_PATH || !read_file_info(file, &info, false) ||
        !info.watched || is_good(&info, TC_KEXT_FOR_OPEN))
        return;
    if (is_inside(&info))
        report(c, &info, &what);
    else
        count(TC_KEXT_OUTSIDE);
}

/* ---- The lower level: opens are seen when the system call returns. ---- */

static __always_inline __s64 call_number(const void *regs)
{
    const struct pt_regs___x86 *x86 = regs;
    const struct pt_regs___arm64 *arm64 = regs;

    if (bpf_core_field_exists(x86->orig_ax))
        return BPF_CORE_READ(x86, orig_ax);
    if (bpf_core_field_exists(arm64->syscallno))
        return BPF_CORE_READ(arm64, syscallno);
    return -1;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(kext_sys_exit, const void *regs, long ret)
{
    const struct task_struct *task;
    struct tc_kext_control *c;
    struct file *file, **fds;
    bool is_open = false;
    __s64 call;

    if (ret < 0)
        return 0;
    call = call_number(regs);
    for (int i = 0; i < TC_KEXT_CALLS; i++)
        is_open |= config.calls[i] == call;
    if (!is_open)
        return 0;
    c = control_of();
    if (!c || is_own(c, bpf_get_current_pid_tgid() >> 32))
        return 0;
    task = (const void *)bpf_get_current_task();
    fds = BPF_CORE_READ(task, files, fdt, fd);
    if (!bpf_probe_read_kernel(&file, sizeof(file), fds + ret) && file)
        opened(c, file, (int)ret);
    return 0;
}

/* ---- The upper level. ---- */

static __always_inline int guard(const struct file *file, __u16 kind)
{
    struct what what = {
        .kind = kind, .flags = TC_KEXT_WAS_REFUSED, .fd = -1, .at_once = true};
    __u8 use = kind == TC_KEXT_EXEC ? TC_KEXT_FOR_EXEC : TC_KEXT_FOR_OPEN;
    struct tc_kext_control *c = control_of();
    struct file_info info = {};

    if (!c || !read_file_info(file, &info, false) || !is_bad(&info, use) ||
        is_own(c, bpf_get_current_pid_tgid() >> 32) || !refuses(c))
        return 0;
    is_inside(&info);
    count(TC_KEXT_REFUSED);
    report(c, &info, &what);
    return -EPERM;
}

SEC("lsm/file_open")
int BPF_PROG(kext_file_open, struct file *file, int ret)
{
    if (ret || BPF_CORE_READ(file, f_mode) & FMODE_PATH)
        return ret;
    return guard(file,
                 BPF_CORE_READ(file, f_flags) & FMODE_EXEC ? TC_KEXT_EXEC : TC_KEXT_OPEN);
}

SEC("lsm/bprm_check_security")
int BPF_PROG(kext_bprm_check, struct linux_binprm *bprm, int ret)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    __u64 inode = BPF_CORE_READ(bprm, file, f_inode, i_ino);

    if (ret)
        return ret;
    ret = guard(BPF_CORE_READ(bprm, file), TC_KEXT_EXEC);
    if (!ret)
        bpf_map_update_elem(&executing, &tid, &inode, BPF_ANY);
    return ret;
}

/* After fanotify has asked and the open has succeeded: the order that a swap counts on.
 */
SEC("fexit/vfs_open")
int BPF_PROG(kext_opened, const struct path *path, struct file *file, int ret)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct tc_kext_control *c = control_of();
    const __u64 *inode;

    if (ret || !c || is_own(c, bpf_get_current_pid_tgid() >> 32))
        return 0;
    inode = bpf_map_lookup_elem(&executing, &tid);
    /*
     * FMODE_EXEC: the kernel opens it to execute it, which kext_exec reports; only the
     * interpreters that an exec opens on the way are reported here. Without it the exec,
     * if there was one, has failed: a shell then reads its script.
     */
    if (!(BPF_CORE_READ(file, f_flags) & FMODE_EXEC)) {
        if (inode)
            bpf_map_delete_elem(&executing, &tid);
        opened(c, file, -1);
    } else if (inode && *inode != BPF_CORE_READ(file, f_inode, i_ino)) {
        opened(c, file, -1);
    }
    return 0;
}

/* ---- Who is there already when the plugin starts. ---- */

SEC("iter/task")
int kext_snapshot(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    struct tc_kext_running running = {};

    if (!task || !BPF_CORE_READ(task, mm) ||
        BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid))
        return 0;
    running.pid = BPF_CORE_READ(task, tgid);
    running.parent_pid = BPF_CORE_READ(task, real_parent, tgid);
    running.start_ns = BPF_CORE_READ(task, start_boottime);
    bpf_seq_write(ctx->meta->seq, &running, sizeof(running));
    return 0;
}
