/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see selftest.h. */
#include "cli/selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHELL "/bin/sh"
#define COPY_MAX_BYTES (16 << 20) /* of the shell; sendfile(2) may take several turns */

#define SCRIPT "download.sh"
#define SHELL_COPY "sh"
#define HOME "home"

extern char **environ;

/* The folder is its first argument. Each pipe and tool is one that every system has. */
static const char script[] =
    "# What `tocsin edr selftest` runs: a harmless imitation of an attack. All that it\n"
    "# writes is in the scratch home beside it, and is removed when it has ended.\n"
    "cd \"$(dirname \"$0\")/" HOME "\" || exit 1\n"
    "echo 'ZWNobyBoYXJtbGVzcwo=' | base64 -d | sh\n"
    "id\n"
    "uname -a\n"
    "whoami\n"
    "echo '*/5 * * * * true' > crontab\n"
    "echo 'true' >> .bashrc\n";

/* Everything that may be in the folder, files before the folders that they are in. */
static const struct {
    const char *name;
    int flags; /* of unlinkat */
} contents[] = {
    {HOME "/crontab", 0}, {HOME "/.bashrc", 0}, {HOME, AT_REMOVEDIR},
    {SCRIPT, 0},          {SHELL_COPY, 0},
};

static int say(char why[TC_SELFTEST_WHY_BYTES], const char *path, int error)
{
    snprintf(why, TC_SELFTEST_WHY_BYTES, "%s: %s", path, strerror(-error));
    return error;
}

static int write_script(int folder)
{
    int fd = openat(folder, SCRIPT, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
    ssize_t n;
    int r = 0;

    if (fd < 0)
        return -errno;
    n = write(fd, script, sizeof(script) - 1);
    if (n != (ssize_t)sizeof(script) - 1)
        r = n < 0 ? -errno : -ENOSPC;
    if (close(fd) < 0 && !r)
        r = -errno;
    return r;
}

/*
 * Matches by the same executables are one alert, and repeated only after a while. So
 * that each run has one to show at once, its shell is a copy of its own.
 */
static int copy_shell(int folder)
{
    int from = open(SHELL, O_RDONLY | O_CLOEXEC), to = -1, r = 0;
    ssize_t n = 1;

    if (from < 0)
        return -errno;
    to = openat(folder, SHELL_COPY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                0700);
    if (to < 0)
        r = -errno;
    while (!r && n > 0) {
        n = sendfile(to, from, NULL, COPY_MAX_BYTES);
        if (n < 0)
            r = -errno;
    }
    close(from);
    if (to >= 0 && close(to) < 0 && !r)
        r = -errno;
    return r;
}

int tc_selftest_open(struct tc_selftest *selftest, char why[TC_SELFTEST_WHY_BYTES])
{
    const char *temporary = getenv("TMPDIR");
    int folder = -1, n, r = 0;

    if (!temporary || temporary[0] != '/')
        temporary = "/tmp";
    n = snprintf(selftest->folder, sizeof(selftest->folder),
                 "%s/" TC_SELFTEST_FOLDER "XXXXXX", temporary);
    if (n < 0 || (size_t)n >= sizeof(selftest->folder))
        return say(why, temporary, -ENAMETOOLONG);
    if (!mkdtemp(selftest->folder))
        return say(why, temporary, -errno);
    folder = open(selftest->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0 || mkdirat(folder, HOME, 0700) < 0)
        r = -errno;
    if (!r)
        r = write_script(folder);
    if (!r)
        r = copy_shell(folder);
    if (folder >= 0)
        close(folder);
    if (r) {
        tc_selftest_close(selftest, why);
        say(why, selftest->folder, r);
    }
    return r;
}

static int spawn(const char *shell, char *path, const sigset_t *signals, pid_t *ret_pid)
{
    char name[] = "sh", *argv[] = {name, path, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int r;

    r = posix_spawn_file_actions_init(&files);
    if (r)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r) {
        posix_spawn_file_actions_destroy(&files);
        return -r;
    }
    for (int fd = STDIN_FILENO; !r && fd <= STDERR_FILENO; fd++)
        r = posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    if (!r)
        r = posix_spawnattr_setsigmask(&attributes, signals);
    if (!r)
        r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (!r)
        r = posix_spawn(ret_pid, shell, &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return -r;
}

int tc_selftest_run(const struct tc_selftest *selftest, const sigset_t *signals,
                    char why[TC_SELFTEST_WHY_BYTES])
{
    char path[TC_SELFTEST_PATH_BYTES + sizeof("/" SCRIPT)];
    char copy[TC_SELFTEST_PATH_BYTES + sizeof("/" SHELL_COPY)];
    pid_t pid = -1;
    int r, shared = 0;

    snprintf(path, sizeof(path), "%s/" SCRIPT, selftest->folder);
    snprintf(copy, sizeof(copy), "%s/" SHELL_COPY, selftest->folder);
    r = spawn(copy, path, signals, &pid);
    if (r == -EACCES || r == -EPERM) { /* mounted noexec, or a policy */
        r = spawn(SHELL, path, signals, &pid);
        shared = 1;
    }
    if (r)
        return say(why, SHELL, r);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return shared;
}

int tc_selftest_close(const struct tc_selftest *selftest, char why[TC_SELFTEST_WHY_BYTES])
{
    int folder = open(selftest->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (folder < 0)
        return say(why, selftest->folder, -errno);
    for (size_t i = 0; i < sizeof(contents) / sizeof(*contents); i++)
        unlinkat(folder, contents[i].name, contents[i].flags);
    close(folder);
    return rmdir(selftest->folder) < 0 ? say(why, selftest->folder, -errno) : 0;
}
