/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sensor_place.h"
#include "sensor_proc.h"

#define PROC_TEXT_MAX 4096
#define NONE SIZE_MAX

struct entry {
    struct tc_sensor_process process;
    int folder;          /* /proc/<pid>, or -1 */
    int liveness_fd;     /* /proc/<pid>/pagemap, or -1 */
    bool shares;         /* its parent's memory: it has not executed anything yet */
    uint64_t judged;     /* the scope by which `verified` was */
    uint64_t turn;       /* in which it was known to be true */
    size_t hash_next;    /* of the same bucket */
    size_t newer, older; /* in order of use */
};

struct tc_sensor_processes {
    struct entry *entries;
    size_t capacity, used;
    size_t *buckets; /* as many as entries */
    size_t newest, oldest;
    struct tc_sensor_scope *scope;
    uint64_t scope_number; /* from 1: how many there have been */
    uint64_t turn;         /* 0: nothing holds for longer than a question */
    uint64_t boot_ns, tick_ns;
    struct tc_sensor_process_counters counters;
};

int tc_sensor_processes_new(size_t capacity, struct tc_sensor_processes **ret_processes)
{
    struct tc_sensor_processes *processes = calloc(1, sizeof(*processes));
    int err = -ENOMEM;

    if (!processes)
        goto out;
    processes->entries = calloc(capacity, sizeof(*processes->entries));
    processes->buckets = calloc(capacity, sizeof(*processes->buckets));
    if (!processes->entries || !processes->buckets)
        goto out;
    processes->capacity = capacity;
    processes->newest = processes->oldest = NONE;
    for (size_t i = 0; i < capacity; i++)
        processes->buckets[i] = NONE;
    processes->boot_ns = tc_sensor_proc_boot_ns();
    processes->tick_ns = tc_sensor_proc_tick_ns();
    err = 0;
out:
    if (err)
        tc_sensor_processes_free(processes);
    else
        *ret_processes = processes;
    return err;
}

static void entry_clear(struct entry *entry)
{
    free(entry->process.self.executable);
    free(entry->process.parent.executable);
    free(entry->process.command_line);
    memset(&entry->process, 0, sizeof(entry->process));
    if (entry->liveness_fd >= 0)
        close(entry->liveness_fd);
    if (entry->folder >= 0)
        close(entry->folder);
    entry->folder = entry->liveness_fd = -1;
    entry->shares = false;
    entry->judged = entry->turn = 0;
}

void tc_sensor_processes_free(struct tc_sensor_processes *processes)
{
    if (!processes)
        return;
    for (size_t i = 0; i < processes->used; i++)
        entry_clear(&processes->entries[i]);
    tc_sensor_scope_unref(processes->scope);
    free(processes->entries);
    free(processes->buckets);
    free(processes);
}

void tc_sensor_processes_set_scope(struct tc_sensor_processes *processes,
                                   struct tc_sensor_scope *scope)
{
    tc_sensor_scope_unref(processes->scope);
    processes->scope = tc_sensor_scope_ref(scope);
    processes->scope_number++;
}

/* /proc has ticks as its unit, and so has everything here. */
uint64_t tc_sensor_processes_start(const struct tc_sensor_processes *processes,
                                   uint64_t since_boot_ns)
{
    return processes->boot_ns + since_boot_ns / processes->tick_ns * processes->tick_ns;
}

/* pid, name, start and executable; *ret_parent is the parent's pid. */
static int read_identity(const struct tc_sensor_processes *processes, pid_t pid,
                         struct tc_sensor_identity *ret, pid_t *ret_parent)
{
    struct tc_sensor_stat stat;
    bool deleted;
    int err = tc_sensor_proc_stat(pid, &stat);

    if (err)
        return err;
    memcpy(ret->name, stat.name, sizeof(ret->name));
    ret->pid = pid;
    ret->start_ns = tc_sensor_processes_start(processes, stat.start_ns);
    ret->executable = tc_sensor_proc_link(pid, "exe", &deleted);
    *ret_parent = stat.parent;
    return 0;
}

static char *read_command_line(pid_t pid)
{
    char text[TC_SENSOR_COMMAND_LINE_MAX];
    ssize_t n = tc_sensor_proc_read(text, sizeof(text), "/proc/%d/cmdline", pid);

    while (n > 0 && !text[n - 1])
        n--;
    if (n <= 0)
        return NULL;
    for (ssize_t i = 0; i < n; i++)
        if (!text[i])
            text[i] = ' ';
    return strndup(text, (size_t)n);
}

static void read_container(pid_t pid, char ret_id[TC_SENSOR_CONTAINER_MAX])
{
    char text[PROC_TEXT_MAX] = "";

    tc_sensor_proc_read(text, sizeof(text), "/proc/%d/cgroup", pid);
    tc_sensor_proc_container_of(text, ret_id);
}

/* pagemap is read in units of 8 bytes: EINVAL while the memory is in use, 0 once it is
 * gone. */
static bool is_alive(int liveness_fd)
{
    char byte;

    return liveness_fd >= 0 && pread(liveness_fd, &byte, 1, 0) < 0 && errno == EINVAL;
}

/* What `pid` runs, without asking the file system of that. */
static bool read_program(pid_t pid, dev_t *ret_device, uint64_t *ret_inode)
{
    struct statx stx;
    char link[32];

    snprintf(link, sizeof(link), "/proc/%d/exe", pid);
    if (statx(AT_FDCWD, link, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &stx))
        return false;
    *ret_device = makedev(stx.stx_dev_major, stx.stx_dev_minor);
    *ret_inode = stx.stx_ino;
    return true;
}

bool tc_sensor_process_runs(const struct tc_sensor_process *process)
{
    uint64_t inode;
    dev_t device;

    return read_program(process->self.pid, &device, &inode) && inode == process->inode &&
           device == process->device;
}

/* Whether the two have the same memory: before the exec of a vfork they do. Negative: it
 * cannot be told. */
static int compare_memory(pid_t a, pid_t b)
{
    return b > 0 ? (int)syscall(SYS_kcmp, a, b, KCMP_VM, 0, 0) : 1;
}

/* The effective user; fails once the process is gone. By a folder: files belong to root
 * while nobody may look into the process's memory (task_dump_owner, fs/proc/base.c). */
static int read_uid(int folder, uid_t *ret_uid)
{
    struct stat st;

    if (fstatat(folder, "task", &st, 0))
        return -errno;
    *ret_uid = st.st_uid;
    return 0;
}

/* Whether all that was read of one that is not gone still holds. */
static bool holds(const struct entry *entry)
{
    if (entry->shares)
        return !compare_memory(entry->process.self.pid, entry->process.parent.pid);
    return is_alive(entry->liveness_fd);
}

static int open_entry(struct entry *entry, pid_t pid)
{
    char path[40];

    snprintf(path, sizeof(path), "/proc/%d", pid);
    entry->folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (entry->folder < 0)
        return -errno;
    entry->liveness_fd = openat(entry->folder, "pagemap", O_RDONLY | O_CLOEXEC);
    return 0;
}

static size_t *bucket_of(struct tc_sensor_processes *processes, pid_t pid)
{
    return &processes->buckets[(size_t)pid % processes->capacity];
}

static size_t lookup(struct tc_sensor_processes *processes, pid_t pid)
{
    size_t i = *bucket_of(processes, pid);

    while (i != NONE && processes->entries[i].process.self.pid != pid)
        i = processes->entries[i].hash_next;
    return i;
}

/* The parent, which mostly is known. */
static void read_parent(struct tc_sensor_processes *processes, pid_t parent,
                        struct tc_sensor_identity *ret)
{
    size_t i = lookup(processes, parent);
    const struct entry *known = i != NONE ? &processes->entries[i] : NULL;
    pid_t grandparent;

    if (known && is_alive(known->liveness_fd)) {
        *ret = known->process.self;
        ret->executable = ret->executable ? strdup(ret->executable) : NULL;
    } else if (read_identity(processes, parent, ret, &grandparent)) {
        ret->pid = 0;
    }
}

/* Fills a cleared entry from /proc. */
static int entry_read(struct tc_sensor_processes *processes, struct entry *entry,
                      pid_t pid)
{
    struct tc_sensor_process *process = &entry->process;
    pid_t parent;
    int err, memory;

    processes->counters.reads++;
    err = open_entry(entry, pid);
    if (!err)
        err = read_uid(entry->folder, &process->uid);
    if (!err)
        err = read_identity(processes, pid, &process->self, &parent);
    if (err)
        return err;
    process->command_line = read_command_line(pid);
    read_container(pid, process->container);
    if (parent > 0)
        read_parent(processes, parent, &process->parent);
    process->user = tc_sensor_proc_user_of(pid, process->uid);
    memory = compare_memory(pid, parent);
    entry->shares = !memory && process->parent.pid;
    if (entry->liveness_fd >= 0 && (memory <= 0 || !is_alive(entry->liveness_fd))) {
        close(entry->liveness_fd);
        entry->liveness_fd = -1;
    }
    return 0;
}

static void use_unlink(struct tc_sensor_processes *processes, size_t i)
{
    struct entry *entry = &processes->entries[i];

    if (entry->newer != NONE)
        processes->entries[entry->newer].older = entry->older;
    else
        processes->newest = entry->older;
    if (entry->older != NONE)
        processes->entries[entry->older].newer = entry->newer;
    else
        processes->oldest = entry->newer;
}

static void use_link(struct tc_sensor_processes *processes, size_t i)
{
    struct entry *entry = &processes->entries[i];

    entry->newer = NONE;
    entry->older = processes->newest;
    if (processes->newest != NONE)
        processes->entries[processes->newest].newer = i;
    else
        processes->oldest = i;
    processes->newest = i;
}

static void hash_remove(struct tc_sensor_processes *processes, size_t i)
{
    size_t *at = bucket_of(processes, processes->entries[i].process.self.pid);

    while (*at != i)
        at = &processes->entries[*at].hash_next;
    *at = processes->entries[i].hash_next;
}

/* An entry for `pid`, empty, first in order of use. */
static size_t make(struct tc_sensor_processes *processes, pid_t pid)
{
    size_t i;

    if (processes->used < processes->capacity) {
        i = processes->used++;
        processes->entries[i].folder = processes->entries[i].liveness_fd = -1;
    } else {
        i = processes->oldest;
        use_unlink(processes, i);
        hash_remove(processes, i);
        entry_clear(&processes->entries[i]);
        processes->counters.evicted++;
    }
    processes->entries[i].process.self.pid = pid;
    processes->entries[i].hash_next = *bucket_of(processes, pid);
    *bucket_of(processes, pid) = i;
    use_link(processes, i);
    return i;
}

static bool same_text(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

/*
 * True when `fresh` was read from a process on its way out: its memory has gone, and with
 * it the executable and the command line. exit_files comes after exit_mm (kernel/exit.c),
 * so whoever leaves the closing of its files to the kernel is found like that.
 */
static bool is_exiting(const struct tc_sensor_process *fresh,
                       const struct tc_sensor_process *kept)
{
    if (!kept->self.executable || kept->self.start_ns != fresh->self.start_ns)
        return false;
    return !fresh->self.executable ||
           (!fresh->command_line &&
            same_text(fresh->self.executable, kept->self.executable));
}

/* Finds, or makes, the entry of `pid`, and moves it to the front. */
static struct entry *entry_of(struct tc_sensor_processes *processes, pid_t pid)
{
    size_t i = lookup(processes, pid);

    if (i == NONE) {
        i = make(processes, pid);
    } else {
        use_unlink(processes, i);
        use_link(processes, i);
    }
    return &processes->entries[i];
}

/* Brings an entry up to date; false: nothing is known. */
static bool refresh(struct tc_sensor_processes *processes, struct entry *entry, pid_t pid)
{
    struct entry fresh = {.folder = -1, .liveness_fd = -1};
    uid_t uid = 0;

    if (entry->turn && entry->turn == processes->turn) {
        processes->counters.hits++;
        return true;
    }
    if (entry->folder >= 0 && !read_uid(entry->folder, &uid) && holds(entry)) {
        entry->process.uid = uid;
        entry->turn = processes->turn;
        processes->counters.hits++;
        return true;
    }
    if (!entry_read(processes, &fresh, pid) &&
        !is_exiting(&fresh.process, &entry->process)) {
        entry_clear(entry);
        entry->process = fresh.process;
        entry->folder = fresh.folder;
        entry->liveness_fd = fresh.liveness_fd;
        entry->shares = fresh.shares;
        entry->turn = processes->turn;
        return true;
    }
    entry_clear(&fresh);
    processes->counters.gone++;
    return entry->process.self.start_ns;
}

const struct tc_sensor_process *
tc_sensor_processes_find(struct tc_sensor_processes *processes, pid_t pid)
{
    struct entry *entry = entry_of(processes, pid);
    struct tc_sensor_process *process = &entry->process;

    if (!refresh(processes, entry, pid))
        return NULL;
    if (processes->scope && entry->judged != processes->scope_number) {
        entry->judged = processes->scope_number;
        process->verified =
            process->self.executable &&
            tc_sensor_place_is_program(processes->scope, pid, process->self.executable,
                                       &process->device, &process->inode);
    }
    return process;
}

void tc_sensor_processes_turn(struct tc_sensor_processes *processes)
{
    processes->turn++;
}

void tc_sensor_processes_counters(const struct tc_sensor_processes *processes,
                                  struct tc_sensor_process_counters *ret)
{
    *ret = processes->counters;
    ret->kept = processes->used;
}
