/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which files make up the configuration and how they come into memory. Must not:
 * know what is in them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/machine.h"
#include "core/conf/config_priv.h"

#define FOLDER "conf.d"
#define SUFFIX ".yaml"

static int refuse(const char *path, int error, const char *what, char why[256])
{
    snprintf(why, 256, "%.160s:1:1: %s", path, what);
    return error;
}

static int check_file(const char *path, int fd, char why[256])
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return refuse(path, -errno, strerror(errno), why);
    if (!S_ISREG(st.st_mode))
        return refuse(path, -EINVAL, "this is not a regular file", why);
    /* Whoever may write it chooses what root loads. */
    if (st.st_mode & S_IWOTH)
        return refuse(path, -EINVAL, "everybody may write this file: chmod o-w it", why);
    if (st.st_size > TC_CONFIG_TEXT_BYTES_MAX)
        return refuse(path, -EINVAL, "the file is larger than 1 MiB", why);
    return 0;
}

static int read_file(const char *path, tc_config_file_fn fn, void *arg, char why[256])
{
    char *text = NULL;
    size_t len = 0;
    int fd, r;

    /* A FIFO by that name must not hold us up before fstat has seen what it is. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return refuse(path, -errno, strerror(errno), why);
    r = check_file(path, fd, why);
    if (r < 0)
        goto out;
    r = tc_machine_read_all(fd, TC_CONFIG_TEXT_BYTES_MAX + 1, &text, &len);
    if (r < 0) {
        refuse(path, r, strerror(-r), why);
        goto out;
    }
    r = fn(arg, path, text, len, why);

out:
    free(text);
    close(fd);
    return r;
}

/* Hidden files are what editors and package managers leave lying about. */
static int is_ours(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > strlen(SUFFIX) &&
           !strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_entries(const char *folder, struct dirent **entries, int count,
                        tc_config_file_fn fn, void *arg, char why[256])
{
    int r = 0;

    if (count >= TC_CONFIG_FILES_MAX)
        return refuse(folder, -EINVAL, "there are more than 255 files here", why);
    for (int i = 0; i < count && r == 0; i++) {
        char *path;

        if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0)
            return refuse(folder, -ENOMEM, "out of memory", why);
        r = read_file(path, fn, arg, why);
        free(path);
    }
    return r;
}

int tc_config_each_file(const char *path, tc_config_file_fn fn, void *arg, char why[256])
{
    const char *slash = strrchr(path, '/');
    struct dirent **entries = NULL;
    char *folder = NULL;
    int count = 0;
    int r = read_file(path, fn, arg, why);

    if (r < 0)
        return r;
    if (asprintf(&folder, "%.*s" FOLDER, slash ? (int)(slash - path + 1) : 0, path) < 0)
        return refuse(path, -ENOMEM, "out of memory", why);
    count = scandir(folder, &entries, is_ours, by_name);
    if (count < 0)
        r = errno == ENOENT ? 0 : refuse(folder, -errno, strerror(errno), why);
    else
        r = read_entries(folder, entries, count, fn, arg, why);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    free(folder);
    return r;
}
