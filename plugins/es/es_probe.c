/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: checks of the system that take their time: pool threads only. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "es.h"

#define CONFLICTS_BYTES 256

static bool holds_group(const char *pid)
{
    char path[300], target[64];
    bool found = false;
    struct dirent *entry;
    ssize_t n;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    dir = opendir(path);
    while (dir && !found && (entry = readdir(dir)) != NULL) {
        n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        found = !strcmp(target, "anon_inode:[fanotify]");
    }
    if (dir)
        closedir(dir);
    return found;
}

static void name_of(const char *pid, char *ret_name, size_t cap)
{
    char path[300];
    FILE *comm;

    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    comm = fopen(path, "re");
    if (!comm || !fgets(ret_name, (int)cap, comm))
        snprintf(ret_name, cap, "pid %.16s", pid);
    if (comm)
        fclose(comm);
    ret_name[strcspn(ret_name, "\n")] = '\0';
}

char *tc_es_probe_conflicts(const struct tocsin_host *host)
{
    char *names = calloc(1, CONFLICTS_BYTES), name[64];
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    size_t len = 0;

    while (names && proc && (entry = readdir(proc)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]) ||
            host->is_agent(host, atoi(entry->d_name)) || !holds_group(entry->d_name))
            continue;
        name_of(entry->d_name, name, sizeof(name));
        if (len + strlen(name) + 3 > CONFLICTS_BYTES)
            break;
        len += (size_t)snprintf(names + len, CONFLICTS_BYTES - len, "%s%s",
                                len ? ", " : "", name);
    }
    if (proc)
        closedir(proc);
    return names;
}

int tc_es_probe_canary(const char *state_dir, char **ret_path, int *ret_fd)
{
    char *folder = NULL, *path = NULL;
    int err = -ENOMEM, fd;

    if (asprintf(&folder, "%s/es", state_dir) < 0)
        return -ENOMEM;
    if (asprintf(&path, "%s/canary", folder) < 0) {
        path = NULL;
        goto out;
    }
    err = mkdir(folder, 0700) && errno != EEXIST ? -errno : 0;
    if (err)
        goto out;
    fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        err = -errno;
        goto out;
    }
    *ret_fd = fd;
    *ret_path = path;
    path = NULL;
out:
    free(folder);
    free(path);
    return err;
}
