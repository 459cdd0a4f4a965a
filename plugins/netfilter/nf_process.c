/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sensor_path.h"

#define LINE_MAX_BYTES 4096

void tc_nf_processes_init(struct tc_nf_processes *processes)
{
    memset(processes, 0, sizeof(*processes));
    processes->boot_ns = tc_sensor_proc_boot_ns();
}

struct tc_nf_process *tc_nf_process_ref(struct tc_nf_process *process)
{
    if (process)
        process->refs++;
    return process;
}

void tc_nf_process_unref(struct tc_nf_process *process)
{
    if (!process || --process->refs)
        return;
    free(process->executable);
    free(process->command_line);
    free(process->parent_executable);
    free(process->cgroup);
    free(process);
}

static void forget(struct tc_nf_processes *processes, struct tc_nf_process *process)
{
    HASH_DEL(processes->by_pid, process);
    tc_nf_process_unref(process);
}

void tc_nf_processes_done(struct tc_nf_processes *processes)
{
    struct tc_nf_process *process, *next;

    HASH_ITER(hh, processes->by_pid, process, next)
    forget(processes, process);
}

/* Takes the place of whoever had the pid before. The table has the reference. */
static void keep(struct tc_nf_processes *processes, struct tc_nf_process *process)
{
    struct tc_nf_process *old;

    HASH_FIND_INT(processes->by_pid, &process->pid, old);
    if (old)
        forget(processes, old);
    if (HASH_COUNT(processes->by_pid) >= TC_NF_PROCESSES_MAX) {
        forget(processes, processes->by_pid);
        processes->evicted++;
    }
    HASH_ADD_INT(processes->by_pid, pid, process);
}

/* ---- From the kernel. ---- */

static bool is_whole(const struct tc_nf_process_record *record, size_t len)
{
    uint32_t end = 0;

    if (len < sizeof(*record))
        return false;
    for (size_t i = 0; i < TC_NF_TEXTS; i++) {
        if (record->end[i] < end || record->end[i] > len - sizeof(*record))
            return false;
        end = record->end[i];
    }
    return true;
}

static const char *text_of(const struct tc_nf_process_record *record,
                           enum tc_nf_process_text which, size_t *ret_len)
{
    uint32_t from = which ? record->end[which - 1] : 0;

    *ret_len = record->end[which] - from;
    return (const char *)(record + 1) + from;
}

/* NULL: nothing was reported. */
static char *path_of(const struct tc_nf_process_record *record,
                     enum tc_nf_process_text which)
{
    size_t len;
    const char *names = text_of(record, which, &len);

    return len ? tc_sensor_path_of_names(names, len) : NULL;
}

/* Arguments, each NUL-terminated, joined by blanks. */
static char *join(const char *args, size_t len)
{
    char *line;

    while (len && !args[len - 1])
        len--;
    line = len ? malloc(len + 1) : NULL;
    if (!line)
        return NULL;
    for (size_t i = 0; i < len; i++)
        line[i] = args[i] ? args[i] : ' ';
    line[len] = '\0';
    return line;
}

void tc_nf_processes_record(struct tc_nf_processes *processes,
                            const struct tc_nf_process_record *record, size_t len)
{
    struct tc_nf_process *process;
    const char *args;
    size_t args_len;

    if (!is_whole(record, len)) {
        processes->malformed++;
        return;
    }
    process = calloc(1, sizeof(*process));
    if (!process)
        return;
    process->refs = 1;
    process->pid = (int32_t)record->pid;
    process->start_ns = record->start_ns;
    process->parent_pid = (int32_t)record->parent_pid;
    process->parent_start_ns = record->parent_start_ns;
    process->uid = record->uid;
    process->uid_known = true;
    snprintf(process->name, sizeof(process->name), "%.*s", (int)sizeof(record->comm),
             record->comm);
    snprintf(process->parent_name, sizeof(process->parent_name), "%.*s",
             (int)sizeof(record->parent_comm), record->parent_comm);
    process->executable = path_of(record, TC_NF_EXECUTABLE);
    process->parent_executable = path_of(record, TC_NF_PARENT);
    process->cgroup = path_of(record, TC_NF_CGROUP);
    args = text_of(record, TC_NF_ARGS, &args_len);
    process->command_line = join(args, args_len);
    if (process->cgroup)
        tc_sensor_proc_container_of(process->cgroup, process->container);
    keep(processes, process);
    processes->reported++;
}

struct tc_nf_process *tc_nf_process_of(const struct tc_nf_flow_record *record)
{
    struct tc_nf_process *process = calloc(1, sizeof(*process));

    if (!process)
        return NULL;
    process->refs = 1;
    process->pid = (int32_t)record->pid;
    process->start_ns = record->start_ns;
    process->uid = record->uid;
    process->uid_known = true;
    snprintf(process->name, sizeof(process->name), "%.*s", (int)sizeof(record->comm),
             record->comm);
    return process;
}

/* ---- From /proc. ---- */

static uint32_t owner_of(int32_t pid, bool *ret_known)
{
    struct stat st;
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d", pid);
    *ret_known = !stat(path, &st);
    return *ret_known ? st.st_uid : 0;
}

static char *cgroup_of(int32_t pid)
{
    char text[LINE_MAX_BYTES];

    if (tc_sensor_proc_read(text, sizeof(text), "/proc/%d/cgroup", pid) <= 0)
        return NULL;
    return strdup(text);
}

static struct tc_nf_process *read_proc(int32_t pid)
{
    struct tc_nf_process *process = calloc(1, sizeof(*process));
    struct tc_sensor_stat stat, parent;
    char args[LINE_MAX_BYTES];
    bool deleted;
    ssize_t n;

    if (!process || tc_sensor_proc_stat(pid, &stat)) {
        free(process);
        return NULL;
    }
    process->refs = 1;
    process->pid = pid;
    process->start_ns = stat.start_ns;
    process->parent_pid = stat.parent;
    snprintf(process->name, sizeof(process->name), "%s", stat.name);
    process->uid = owner_of(pid, &process->uid_known);
    process->executable = tc_sensor_proc_link(pid, "exe", &deleted);
    n = tc_sensor_proc_read(args, sizeof(args), "/proc/%d/cmdline", pid);
    process->command_line = n > 0 ? join(args, (size_t)n) : NULL;
    process->cgroup = cgroup_of(pid);
    if (process->cgroup)
        tc_sensor_proc_container_of(process->cgroup, process->container);
    if (stat.parent > 0 && !tc_sensor_proc_stat(stat.parent, &parent)) {
        process->parent_start_ns = parent.start_ns;
        snprintf(process->parent_name, sizeof(process->parent_name), "%s", parent.name);
        process->parent_executable = tc_sensor_proc_link(stat.parent, "exe", &deleted);
    }
    return process;
}

/* /proc counts in ticks, the kernel in nanoseconds. */
static bool same_start(uint64_t a, uint64_t b)
{
    uint64_t tick = tc_sensor_proc_tick_ns();

    return !a || !b || a / tick == b / tick;
}

struct tc_nf_process *tc_nf_processes_find(struct tc_nf_processes *processes, int32_t pid,
                                           uint64_t start_ns)
{
    struct tc_nf_process *process;

    HASH_FIND_INT(processes->by_pid, &pid, process);
    if (process && start_ns && same_start(process->start_ns, start_ns)) {
        HASH_DEL(processes->by_pid, process);
        HASH_ADD_INT(processes->by_pid, pid, process);
        return tc_nf_process_ref(process);
    }
    process = read_proc(pid);
    if (process && !same_start(process->start_ns, start_ns)) {
        tc_nf_process_unref(process);
        process = NULL;
    }
    if (!process) {
        processes->gone++;
        return NULL;
    }
    processes->from_proc++;
    keep(processes, process);
    return tc_nf_process_ref(process);
}

/* ---- In events. ---- */

static void put_text(struct tocsin_writer *w, const char *key, const char *text)
{
    if (text && *text)
        tocsin_put_str(w, key, text);
}

/* As /proc counts, and so every sensor: in ticks. */
static uint64_t start_of(uint64_t boot_ns, uint64_t since_boot_ns)
{
    uint64_t tick = tc_sensor_proc_tick_ns();

    return boot_ns + since_boot_ns / tick * tick;
}

static void put_parent(struct tocsin_writer *w, const struct tc_nf_process *process,
                       uint64_t boot_ns)
{
    if (process->parent_pid <= 0)
        return;
    tocsin_begin_map(w, "parent");
    tocsin_put_int(w, "pid", process->parent_pid);
    if (process->parent_start_ns)
        tocsin_put_uint(w, "start", start_of(boot_ns, process->parent_start_ns));
    put_text(w, "name", process->parent_name);
    put_text(w, "executable", process->parent_executable);
    tocsin_end(w);
}

void tc_nf_process_put(struct tocsin_writer *w, const struct tc_nf_process *process,
                       uint64_t boot_ns)
{
    tocsin_begin_map(w, "process");
    tocsin_put_int(w, "pid", process->pid);
    tocsin_put_uint(w, "start", start_of(boot_ns, process->start_ns));
    put_text(w, "name", process->name);
    put_text(w, "executable", process->executable);
    put_text(w, "command_line", process->command_line);
    if (process->uid_known) {
        tocsin_begin_map(w, "user");
        tocsin_put_uint(w, "id", process->uid);
        tocsin_end(w);
    }
    put_parent(w, process, boot_ns);
    tocsin_end(w);
    if (!*process->container)
        return;
    tocsin_begin_map(w, "container");
    tocsin_put_str(w, "id", process->container);
    tocsin_end(w);
}
