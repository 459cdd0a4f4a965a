/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bpf/trace_abi.h"
#include "sensor_clock.h"
#include "sensor_proc.h"
#include "sensor_process.h"

#define TEXT_MAX 4096
#define PTS_MAJOR 136 /* to 143: Documentation/admin-guide/devices.txt */
#define PTS_MAJOR_LAST 143
#define TTY_MAJOR 4

static void tty_name(int device, char ret[32])
{
    unsigned major_ = (unsigned)device >> 8 & 0xfff;
    unsigned minor_ = ((unsigned)device & 0xff) | ((unsigned)device >> 12 & 0xfff00);

    if (major_ >= PTS_MAJOR && major_ <= PTS_MAJOR_LAST)
        snprintf(ret, 32, "pts/%u", (major_ - PTS_MAJOR) * 256 + minor_);
    else if (major_ == TTY_MAJOR)
        snprintf(ret, 32, minor_ < 64 ? "tty%u" : "ttyS%u",
                 minor_ < 64 ? minor_ : minor_ - 64);
}

static uint64_t start_of(const struct tc_sensor_processes *clock,
                         const struct tc_sensor_stat *stat)
{
    return tc_sensor_processes_start(clock, stat->start_ns);
}

uint64_t tc_trace_proc_start(const struct tc_sensor_processes *clock, int32_t pid)
{
    struct tc_sensor_stat stat;

    return tc_sensor_proc_stat(pid, &stat) ? 0 : start_of(clock, &stat);
}

static int read_stat(const struct tc_sensor_processes *clock, int32_t pid,
                     struct tc_trace_process *process)
{
    struct tc_sensor_stat stat;
    int err = tc_sensor_proc_stat(pid, &stat);

    if (err)
        return err;
    process->start_ns = start_of(clock, &stat);
    snprintf(process->name, sizeof(process->name), "%.*s", (int)sizeof(process->name) - 1,
             stat.name);
    process->parent_pid = stat.parent;
    process->session = stat.session;
    tty_name(stat.tty, process->tty);
    return 0;
}

static int read_users(int32_t pid, struct tc_trace_process *process)
{
    char text[TEXT_MAX];
    struct tc_trace_users *users = &process->users;
    const char *line;
    ssize_t n = tc_sensor_proc_read(text, sizeof(text), "/proc/%d/status", pid);

    if (n < 0)
        return (int)n;
    line = strstr(text, "\nUid:");
    if (!line ||
        sscanf(line, "\nUid: %u %u %u", &users->uid, &users->euid, &users->suid) != 3)
        return -EPROTO;
    line = strstr(text, "\nGid:");
    if (!line ||
        sscanf(line, "\nGid: %u %u %u", &users->gid, &users->egid, &users->sgid) != 3)
        return -EPROTO;
    n = tc_sensor_proc_read(text, sizeof(text), "/proc/%d/loginuid", pid);
    process->login_uid = n > 0 ? (uint32_t)strtoul(text, NULL, 10) : TC_TRACE_NOBODY;
    return 0;
}

char *tc_trace_proc_args(int32_t pid, size_t max, size_t *ret_len)
{
    char *args = malloc(max + 1), *smaller;
    ssize_t n =
        args ? tc_sensor_proc_read(args, max + 1, "/proc/%d/cmdline", pid) : -ENOMEM;

    if (n <= 0) {
        free(args);
        return NULL;
    }
    *ret_len = (size_t)n;
    smaller = realloc(args, (size_t)n);
    return smaller ? smaller : args;
}

static void read_cgroup(int32_t pid, struct tc_trace_image *image)
{
    char text[TEXT_MAX], *line;
    ssize_t n = tc_sensor_proc_read(text, sizeof(text), "/proc/%d/cgroup", pid);

    if (n <= 0)
        return;
    tc_sensor_proc_container_of(text, image->container);
    line = strstr(text, "0::/"); /* the unified hierarchy; cgroups(7) */
    if (!line || (line != text && line[-1] != '\n'))
        return;
    line += 3;
    line[strcspn(line, "\n")] = '\0';
    image->cgroup = strdup(line);
}

static void read_file(int32_t pid, struct tc_trace_file *file)
{
    char path[40];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    if (stat(path, &st))
        return;
    file->device = st.st_dev;
    file->inode = st.st_ino;
    file->size = (uint64_t)st.st_size;
    file->ctime_ns = tc_sensor_timespec_ns(&st.st_ctim);
}

/* Whatever can be read: a kernel's thread has nothing of it. */
static void read_image(int32_t pid, struct tc_trace_image *image)
{
    bool folder_deleted;

    image->executable = tc_sensor_proc_link(pid, "exe", &image->deleted);
    image->folder = tc_sensor_proc_link(pid, "cwd", &folder_deleted);
    image->args = tc_trace_proc_args(pid, TC_TRACE_ARGS_MAX, &image->args_len);
    image->args_cut = image->args_len == TC_TRACE_ARGS_MAX;
    read_cgroup(pid, image);
    read_file(pid, &image->file);
}

int tc_trace_proc_read(const struct tc_sensor_processes *clock, int32_t pid,
                       struct tc_trace_process *process)
{
    uint64_t start_ns;
    int err = read_stat(clock, pid, process);

    process->pid = pid;
    if (!err)
        err = read_users(pid, process);
    if (err)
        return err;
    process->image = tc_trace_image_new();
    if (!process->image)
        return -ENOMEM;
    process->image->from_proc = true;
    read_image(pid, process->image);
    /* All of it is about one process if that is still there. */
    start_ns = tc_trace_proc_start(clock, pid);
    return start_ns == process->start_ns ? 0 : -ESRCH;
}

int tc_trace_proc_each(void (*fn)(void *arg, int32_t pid), void *arg)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;

    if (!dir)
        return -errno;
    while ((entry = readdir(dir)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]))
            fn(arg, (int32_t)strtol(entry->d_name, NULL, 10));
    closedir(dir);
    return 0;
}
