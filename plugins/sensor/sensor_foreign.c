/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_foreign.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sensor_scope.h"

#define CHAIN_MAX 32 /* mounts on the way to one */

/* ---- Which. ---- */

bool tc_sensor_foreign_is_inside(const struct tc_sensor_scope *scope,
                                 const struct tc_sensor_mounts *mounts,
                                 const struct tc_sensor_mount *mount)
{
    const struct tc_sensor_mount *above = tc_sensor_mounts_parent(mounts, mount);
    char inner[2 * TC_SENSOR_PATH_MAX];

    for (int left = CHAIN_MAX; above && left; left--) {
        tc_sensor_mount_inner(above, mount->point, inner);
        if (tc_sensor_scope_place_inside(scope, above->device, inner) == TC_SENSOR_INSIDE)
            return true;
        if (tc_sensor_scope_has_device(scope, above->device))
            return false; /* the agent has it, and it is not watched there */
        mount = above;
        above = tc_sensor_mounts_parent(mounts, mount);
    }
    return false;
}

/* ---- The way there. ---- */

/* Opens what is at `path` below a folder, in the same mount and through no link. */
static int open_below(int folder, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS |
                                      RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH};
    int fd = (int)syscall(SYS_openat2, folder, *path ? path : ".", &how, sizeof(how));

    return fd < 0 ? -errno : fd;
}

static bool is_mount(int fd, const struct tc_sensor_mount *mount)
{
    struct statx stx;

    return !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &stx) &&
           tc_sensor_mount_can_be(mount, &stx);
}

/* Goes from one mount into one that lies on it. Only the last step leaves the first, and
 * does nothing in the other: whose that is is then seen. */
static int enter(int at, const struct tc_sensor_mount *from,
                 const struct tc_sensor_mount *to)
{
    size_t skip = strcmp(from->point, "/") != 0 ? strlen(from->point) : 0;
    const char *rest = to->point + skip, *slash;
    char folder[TC_SENSOR_PATH_MAX];
    int above, fd;

    rest += strspn(rest, "/");
    slash = strrchr(rest, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - rest) : 0, rest);
    above = open_below(at, folder);
    if (above < 0)
        return above;
    fd = openat(above, slash ? slash + 1 : rest, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    fd = fd < 0 ? -errno : fd;
    close(above);
    if (fd >= 0 && !is_mount(fd, to)) {
        close(fd);
        fd = -ESTALE;
    }
    return fd;
}

int tc_sensor_foreign_open(const struct tc_sensor_foreign *foreign)
{
    const struct tc_sensor_mount *chain[CHAIN_MAX], *mount = foreign->mount;
    size_t count = 0;
    char root[32];
    struct stat st;
    int fd, next;

    for (; mount && count < CHAIN_MAX;
         mount = tc_sensor_mounts_parent(foreign->mounts, mount))
        chain[count++] = mount;
    if (mount || !count || chain[0]->served || strcmp(chain[count - 1]->point, "/") != 0)
        return -ELOOP;
    snprintf(root, sizeof(root), "/proc/%d/root", foreign->pid);
    fd = open(root, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (--count && fd >= 0) {
        next = enter(fd, chain[count], chain[count - 1]);
        close(fd);
        fd = next;
    }
    if (fd >= 0 && (fstat(fd, &st) || !S_ISDIR(st.st_mode))) {
        close(fd);
        fd = -ENOTDIR;
    }
    return fd;
}

/* ---- All of them. ---- */

struct search {
    const struct tc_sensor_scope *scope;
    tc_sensor_foreign_fn fn;
    void *arg;
    ino_t namespaces[TC_SENSOR_NAMESPACES_MAX]; /* that were looked at */
    size_t namespace_count;
    dev_t devices[TC_SENSOR_FOREIGN_MAX]; /* that were told of */
    size_t device_count;
};

/* True for a namespace that was not looked at yet. */
static bool is_new(struct search *search, const char *link)
{
    struct stat st;

    if (stat(link, &st) || search->namespace_count == TC_SENSOR_NAMESPACES_MAX)
        return false;
    for (size_t i = 0; i < search->namespace_count; i++)
        if (search->namespaces[i] == st.st_ino)
            return false;
    search->namespaces[search->namespace_count++] = st.st_ino;
    return true;
}

static bool is_told(struct search *search, dev_t device)
{
    for (size_t i = 0; i < search->device_count; i++)
        if (search->devices[i] == device)
            return true;
    if (search->device_count == TC_SENSOR_FOREIGN_MAX)
        return true;
    search->devices[search->device_count++] = device;
    return false;
}

static void look_into(struct search *search, pid_t pid)
{
    struct tc_sensor_mounts mounts = {.list = NULL};
    struct tc_sensor_foreign foreign = {.pid = pid, .mounts = &mounts};
    char path[40], *text;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    text = fd >= 0 ? tc_sensor_mounts_read(fd) : NULL;
    if (fd >= 0)
        close(fd);
    if (text && !tc_sensor_mounts_parse(text, NULL, 0, &mounts))
        for (size_t i = 0; i < mounts.count; i++) {
            foreign.mount = &mounts.list[i];
            if (!tc_sensor_scope_has_device(search->scope, foreign.mount->device) &&
                !tc_sensor_scope_is_ignored(search->scope, foreign.mount) &&
                tc_sensor_foreign_is_inside(search->scope, &mounts, foreign.mount) &&
                !is_told(search, foreign.mount->device))
                search->fn(search->arg, &foreign);
        }
    tc_sensor_mounts_done(&mounts);
    free(text);
}

void tc_sensor_foreign_each(const struct tc_sensor_scope *scope, tc_sensor_foreign_fn fn,
                            void *arg)
{
    struct search *search = calloc(1, sizeof(*search));
    DIR *proc = search ? opendir("/proc") : NULL;
    const struct dirent *entry;
    char link[280];

    if (proc) {
        search->scope = scope;
        search->fn = fn;
        search->arg = arg;
        is_new(search, "/proc/self/ns/mnt");
        while ((entry = readdir(proc)) != NULL) {
            snprintf(link, sizeof(link), "/proc/%s/ns/mnt", entry->d_name);
            if (isdigit((unsigned char)entry->d_name[0]) && is_new(search, link))
                look_into(search, (pid_t)atoi(entry->d_name));
        }
        closedir(proc);
    }
    free(search);
}
