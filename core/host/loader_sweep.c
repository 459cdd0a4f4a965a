/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what earlier agents have left in the folder of private copies. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/host/loader.h"

#define HASH_DIGITS 64

/* <name>-<sha256>.so, as the loader names its copies. */
static bool is_copy(const char *name)
{
    const char *dash = strrchr(name, '-');

    return dash && strspn(dash + 1, "0123456789abcdef") == HASH_DIGITS &&
           !strcmp(dash + 1 + HASH_DIGITS, ".so");
}

void tc_module_sweep(const char *private_dir, bool (*used)(void *arg, const char *name),
                     void *arg)
{
    DIR *dir = opendir(private_dir);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (!strncmp(entry->d_name, TC_MODULE_DRAFT, strlen(TC_MODULE_DRAFT)) ||
            (is_copy(entry->d_name) && !used(arg, entry->d_name)))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}
