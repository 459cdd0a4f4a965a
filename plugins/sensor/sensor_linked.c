/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_linked.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The number that a path ends with as the kernel writes it; 0: it does not. */
static uint64_t number_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *end;
    uint64_t number;

    if (!slash || slash[1] != '#' || slash[2] < '1' || slash[2] > '9')
        return 0;
    number = strtoull(slash + 2, &end, 10);
    return *end ? 0 : number;
}

/* The first entry that is that regular file; NULL: none of those looked at. */
static const char *find(DIR *dir, uint64_t number)
{
    const struct dirent *entry;
    struct stat st;

    for (int left = TC_SENSOR_LINKED_MAX; left && (entry = readdir(dir)); left--)
        if (entry->d_ino == number &&
            !fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
            S_ISREG(st.st_mode) && st.st_ino == number)
            return entry->d_name;
    return NULL;
}

bool tc_sensor_linked_name(const char *path, char ret_path[TC_SENSOR_PATH_MAX])
{
    uint64_t number = number_of(path);
    size_t len = (size_t)(number ? strrchr(path, '/') - path : 0);
    const char *name;
    struct stat st;
    DIR *dir;
    int n = -1;

    /* It may be how the file is called. */
    if (!number || len >= TC_SENSOR_PATH_MAX || !lstat(path, &st) || errno != ENOENT)
        return false;
    memcpy(ret_path, path, len);
    ret_path[len] = '\0';
    dir = opendir(len ? ret_path : "/");
    if (!dir)
        return false;
    name = find(dir, number);
    if (name)
        n = snprintf(ret_path + len, TC_SENSOR_PATH_MAX - len, "/%s", name);
    closedir(dir);
    return n > 0 && (size_t)n < TC_SENSOR_PATH_MAX - len;
}
