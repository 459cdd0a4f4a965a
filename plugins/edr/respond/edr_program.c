/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file a process runs. Whoever can make the wrong one be taken can have a file of
 * somebody else quarantined, so a path proves nothing: another file may be there by now,
 * or the path may be of another mount namespace. A program is the file that
 * /proc/<pid>/exe is, or one that has the hash that was reported of it. A script is known
 * by its path alone: it counts while its process lives in our own mount namespace, no
 * link is on the way, and the file has not changed since it was executed (nobody but root
 * can set a change time, and renaming or linking a file changes it).
 */
#include "respond/edr_act.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "detector_event.h"
#include "sensor_served.h"

#define NS_PER_S 1000000000ull

/* What the machine's own programs lie below; root owns them. */
static const char *const system_folders[] = {"/usr/", "/bin/", "/sbin/", "/lib"};

/*
 * Opens a regular file for reading, through no link of any kind and without ever opening
 * a device. A descriptor or a negative errno; -EREMOTE: a server answers for it, which
 * might never do so.
 */
static int open_file(const char *path, struct stat *ret_stat)
{
    const struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                                 .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    char link[64];
    int handle, fd;

    if (tc_sensor_served_path(path))
        return -EREMOTE;
    handle = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    if (handle < 0)
        return -errno;
    if (fstat(handle, ret_stat)) {
        fd = -errno;
    } else if (!S_ISREG(ret_stat->st_mode)) {
        fd = -EINVAL;
    } else {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", handle);
        fd = open(link, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        fd = fd < 0 ? -errno : fd;
    }
    close(handle);
    return fd;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether the process that pidfd holds is still there: what was read of it is its own. */
static bool is_alive(int pidfd)
{
    return pidfd >= 0 && !syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0);
}

static bool runs_file(pid_t pid, int pidfd, const struct stat *file)
{
    struct stat running;
    char link[64];

    snprintf(link, sizeof(link), "/proc/%d/exe", pid);
    return pidfd >= 0 && !stat(link, &running) && is_same(&running, file) &&
           is_alive(pidfd);
}

/* True when paths mean to the process what they mean here. */
static bool sees_our_files(pid_t pid, int pidfd)
{
    struct stat its, ours;
    char link[64];

    snprintf(link, sizeof(link), "/proc/%d/ns/mnt", pid);
    if (stat(link, &its) || stat("/proc/self/ns/mnt", &ours) || !is_same(&its, &ours))
        return false;
    snprintf(link, sizeof(link), "/proc/%d/root", pid);
    if (stat(link, &its) || stat("/proc/self/root", &ours) || !is_same(&its, &ours))
        return false;
    return is_alive(pidfd);
}

static bool take_text(const struct tocsin_event *event, const char *field, char *ret,
                      size_t cap)
{
    return tc_detector_text(event, field, ret, cap) && *ret;
}

/* The path that was given to execve, from the root. */
static bool exec_path(const struct tocsin_event *exec, char ret[PATH_MAX])
{
    char given[PATH_MAX / 2], folder[PATH_MAX / 2];

    if (!take_text(exec, "process.exec_path", given, sizeof(given)))
        return false;
    if (given[0] == '/') {
        memcpy(ret, given, strlen(given) + 1);
        return true;
    }
    if (!take_text(exec, "process.working_directory", folder, sizeof(folder)) ||
        folder[0] != '/')
        return false;
    snprintf(ret, PATH_MAX, "%s/%s", folder, given);
    return true;
}

static void take_path(struct tc_edr_act *act, int fd, const char *fallback)
{
    char link[64];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, act->path, sizeof(act->path) - 1);
    if (n > 0)
        act->path[n] = '\0';
    else
        snprintf(act->path, sizeof(act->path), "%s", fallback);
}

/* True when the process was started as a script; then *act says what came of that. */
static bool find_script(struct tc_edr_act *act, int pidfd)
{
    struct tc_edr_outcome *outcome = &act->outcomes[TC_EDR_QUARANTINE];
    uint64_t changed_ns;
    char path[PATH_MAX], begin[2];
    struct stat st = {.st_ino = 0};
    int fd;

    if (!exec_path(act->exec, path))
        return false;
    fd = open_file(path, &st);
    if (fd < 0)
        return false;
    if (pread(fd, begin, sizeof(begin), 0) != 2 || begin[0] != '#' || begin[1] != '!') {
        close(fd);
        return false;
    }
    take_path(act, fd, path);
    changed_ns = (uint64_t)st.st_ctim.tv_sec * NS_PER_S + (uint64_t)st.st_ctim.tv_nsec;
    if (changed_ns <= act->exec->time_ns && sees_our_files((pid_t)act->who.pid, pidfd)) {
        act->fd = fd;
        return true;
    }
    close(fd);
    tc_edr_outcome_set(outcome, "failed",
                       "%.300s: %s, so that nothing proves that it is the script which "
                       "was executed",
                       act->path,
                       pidfd < 0                         ? "the process had ended"
                       : changed_ns > act->exec->time_ns ? "it was changed since"
                                                         : "it is in a container");
    return true;
}

static void find_program(struct tc_edr_act *act, int pidfd)
{
    struct tc_edr_outcome *outcome = &act->outcomes[TC_EDR_QUARANTINE];
    char path[PATH_MAX];
    struct stat st = {.st_ino = 0};
    int fd;

    if (!take_text(act->exec, TOCSIN_FIELD_PROCESS_EXECUTABLE, path, sizeof(path)) ||
        tocsin_find_bool(act->exec->data, act->exec->len, "process.executable_deleted",
                         false)) {
        tc_edr_outcome_set(outcome, "failed", "it runs from a file without a name");
        return;
    }
    snprintf(act->path, sizeof(act->path), "%s", path);
    fd = open_file(path, &st);
    if (fd < 0) {
        tc_edr_outcome_set(outcome, "failed", "%.300s: %s", path, strerror(-fd));
        return;
    }
    act->hash_counts = !runs_file((pid_t)act->who.pid, pidfd, &st);
    if (act->hash_counts && !tocsin_event_str(act->exec, "process.hash.sha256").ptr) {
        close(fd);
        tc_edr_outcome_set(outcome, "failed",
                           "%.300s: the process had ended, or runs another program by "
                           "now, so that nothing proves that this is the one",
                           path);
        return;
    }
    take_path(act, fd, path);
    act->fd = fd;
}

/* Without its own programs, interpreters above all, the machine does not work. */
static bool is_of_the_system(const struct tc_edr_act *act)
{
    struct stat st;

    for (size_t i = 0; i < sizeof(system_folders) / sizeof(*system_folders); i++)
        if (!strncmp(act->path, system_folders[i], strlen(system_folders[i])))
            return fstat(act->fd, &st) || !st.st_uid;
    return false;
}

void tc_edr_program_find(struct tc_edr_act *act, int pidfd)
{
    struct tc_edr_outcome *outcome = &act->outcomes[TC_EDR_QUARANTINE];

    act->fd = -1;
    if (act->host->is_agent(act->host, (pid_t)act->who.pid)) {
        tc_edr_outcome_set(outcome, "refused", "process %d is the agent's",
                           (int)act->who.pid);
        return;
    }
    if (!find_script(act, pidfd))
        find_program(act, pidfd);
    if (act->fd < 0 || !is_of_the_system(act))
        return;
    close(act->fd);
    act->fd = -1;
    tc_edr_outcome_set(outcome, "refused", "%.300s is a program of the system",
                       act->path);
}
