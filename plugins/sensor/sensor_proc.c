/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull
#define STAT_LINE_MAX 1024 /* of /proc/PID/stat */
#define STAT_BYTES_MAX                                                                   \
    (1024 * 1024) /* of /proc/stat: lines of all CPUs and interrupts                     \
                   */

ssize_t tc_sensor_proc_read(char *buf, size_t cap, const char *format, ...)
{
    size_t len = 0;
    char path[64];
    va_list ap;
    ssize_t n;
    int fd;

    va_start(ap, format);
    vsnprintf(path, sizeof(path), format, ap);
    va_end(ap);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    n = read(fd, buf, cap - 1);
    if (n < 0)
        n = -errno;
    else
        len = (size_t)n;
    close(fd);
    buf[len] = '\0';
    return n;
}

/* The real user, by /proc/PID/status. */
static int real_uid(pid_t pid, uint64_t *ret_uid)
{
    char text[1024];
    ssize_t n = tc_sensor_proc_read(text, sizeof(text), "/proc/%d/status", pid);
    const char *line = n > 0 ? strstr(text, "\nUid:") : NULL;

    if (!line)
        return n < 0 ? (int)n : -EPROTO;
    *ret_uid = strtoull(line + strlen("\nUid:"), NULL, 10);
    return 0;
}

uint64_t tc_sensor_proc_user(pid_t pid)
{
    char path[32];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d", pid);
    return stat(path, &st) ? UINT64_MAX : tc_sensor_proc_user_of(pid, st.st_uid);
}

uint64_t tc_sensor_proc_user_of(pid_t pid, uint64_t uid)
{
    uint64_t login;
    char text[32];

    /* Whoever lets nobody look into his memory is shown as root's, proc(5); and what runs
     * set-uid does so for the one who began it. */
    if (!uid && (real_uid(pid, &uid) || !uid))
        return 0;
    if (tc_sensor_proc_read(text, sizeof(text), "/proc/%d/loginuid", pid) <= 0)
        return uid;
    login = strtoull(text, NULL, 10);
    return login && login < UINT32_MAX ? login : uid;
}

int tc_sensor_proc_stat_parse(char *line, struct tc_sensor_stat *ret)
{
    char *open_paren = strchr(line, '('), *close_paren;
    unsigned long long ticks;

    close_paren = strrchr(line, ')'); /* a name may hold any character, ')' too */
    if (!open_paren || !close_paren || close_paren < open_paren ||
        sscanf(close_paren + 1,
               " %c %d %*d %d %d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d %*d "
               "%llu",
               &ret->state, &ret->parent, &ret->session, &ret->tty, &ret->flags,
               &ret->threads, &ticks) != 7)
        return -EPROTO;
    *close_paren = '\0';
    snprintf(ret->name, sizeof(ret->name), "%s", open_paren + 1);
    ret->start_ns = ticks * tc_sensor_proc_tick_ns();
    return 0;
}

int tc_sensor_proc_stat(pid_t pid, struct tc_sensor_stat *ret)
{
    char line[STAT_LINE_MAX];
    ssize_t n = tc_sensor_proc_read(line, sizeof(line), "/proc/%d/stat", pid);

    return n < 0 ? (int)n : tc_sensor_proc_stat_parse(line, ret);
}

int tc_sensor_proc_thread_stat(pid_t pid, pid_t thread, struct tc_sensor_stat *ret)
{
    char line[STAT_LINE_MAX];
    ssize_t n =
        tc_sensor_proc_read(line, sizeof(line), "/proc/%d/task/%d/stat", pid, thread);

    return n < 0 ? (int)n : tc_sensor_proc_stat_parse(line, ret);
}

uint64_t tc_sensor_proc_tick_ns(void)
{
    return NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
}

#define DELETED " (deleted)"

static bool is_called_deleted(const char *path)
{
    size_t n = strlen(path), tail = strlen(DELETED);

    return n > tail && !strcmp(path + n - tail, DELETED);
}

bool tc_sensor_proc_strip_deleted(char *path)
{
    if (!is_called_deleted(path))
        return false;
    path[strlen(path) - strlen(DELETED)] = '\0';
    return true;
}

static int read_link(const char *link, char *ret_path, size_t cap)
{
    ssize_t n = readlink(link, ret_path, cap - 1);

    if (n < 0)
        return -errno;
    ret_path[n] = '\0';
    return 0;
}

/* Whether what the link leads to has no name any more; there may be a file whose name
 * ends as if it were so. The file system is not asked. */
static bool is_gone(const char *link)
{
    struct statx stx;

    return statx(AT_FDCWD, link, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_NLINK,
                 &stx) ||
           !stx.stx_nlink;
}

char *tc_sensor_proc_link(pid_t pid, const char *name, bool *ret_deleted)
{
    char link[48], path[PATH_MAX];

    snprintf(link, sizeof(link), "/proc/%d/%s", pid, name);
    if (read_link(link, path, sizeof(path)) || !*path)
        return NULL;
    *ret_deleted =
        is_called_deleted(path) && is_gone(link) && tc_sensor_proc_strip_deleted(path);
    return strdup(path);
}

int tc_sensor_proc_fd_path(int fd, char *ret_path, size_t cap)
{
    char link[32];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    return read_link(link, ret_path, cap);
}

/* Container runtimes name the cgroup by the container's id: 64 hex digits. */
void tc_sensor_proc_container_of(const char *cgroup, char ret_id[TC_SENSOR_CONTAINER_MAX])
{
    size_t run;

    ret_id[0] = '\0';
    for (; *cgroup; cgroup += run ? run : 1) {
        run = strspn(cgroup, "0123456789abcdef");
        if (run == TC_SENSOR_CONTAINER_MAX - 1) {
            memcpy(ret_id, cgroup, run);
            ret_id[run] = '\0';
            return;
        }
    }
}

uint64_t tc_sensor_proc_boot_ns(void)
{
    char *text = malloc(STAT_BYTES_MAX), *line = NULL;
    uint64_t boot_ns = 0;

    if (text && tc_sensor_proc_read(text, STAT_BYTES_MAX, "/proc/stat") > 0)
        line = strstr(text, "\nbtime ");
    if (line)
        boot_ns = strtoull(line + strlen("\nbtime "), NULL, 10) * NS_PER_S;
    free(text);
    return boot_ns;
}
