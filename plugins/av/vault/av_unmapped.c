/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/av_unmapped.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What one line of mountinfo says; proc(5). */
struct mount {
    unsigned long long id;
    char device[32], options[512];
    char root[PATH_MAX], point[PATH_MAX];
};

/* Blanks and the like are there as a backslash and three octal digits. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *p = text; *p; to++) {
        if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] && p[3]) {
            *to = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            p += 4;
        } else {
            *to = *p++;
        }
    }
    *to = 0;
}

static bool parse(const char *line, struct mount *ret)
{
    if (sscanf(line, "%llu %*u %31s %4095s %4095s %511s", &ret->id, ret->device,
               ret->root, ret->point, ret->options) != 5)
        return false;
    unescape(ret->root);
    unescape(ret->point);
    return true;
}

static bool maps_owners(const struct mount *mount)
{
    const char *p = strstr(mount->options, ",idmapped");

    return p && (!p[9] || p[9] == ',');
}

/* What follows the folder `root` in `path`: "" or "/..."; NULL: it is not below. */
static const char *below(const char *path, const char *root)
{
    size_t n = strcmp(root, "/") ? strlen(root) : 0;

    return !strncmp(path, root, n) && (!path[n] || path[n] == '/') ? path + n : NULL;
}

/* The next line of the text into *ret; false at its end. */
static bool next_line(const char **text, struct mount *ret)
{
    while (**text) {
        bool ok = parse(*text, ret);
        const char *end = strchr(*text, '\n');

        *text = end ? end + 1 : *text + strlen(*text);
        if (ok)
            return true;
    }
    return false;
}

static bool find_mount(const char *text, uint64_t id, struct mount *ret)
{
    while (next_line(&text, ret))
        if (ret->id == id)
            return true;
    return false;
}

static bool find_unmapped(const char *text, const struct mount *from, const char *place,
                          struct mount *other, char *ret, size_t cap)
{
    const char *rest;

    while (next_line(&text, other)) {
        if (strcmp(other->device, from->device) != 0 || maps_owners(other))
            continue;
        rest = below(place, other->root);
        if (rest &&
            snprintf(ret, cap, "%s%s", strcmp(other->point, "/") ? other->point : "",
                     rest) < (int)cap)
            return true;
    }
    return false;
}

bool tc_av_unmapped_path(const char *mountinfo, uint64_t mount_id, const char *path,
                         char *ret, size_t cap)
{
    struct mount *mounts = calloc(2, sizeof(*mounts));
    char place[2 * PATH_MAX]; /* of the path in its file system */
    const char *rest;
    bool found = false;

    if (mounts && find_mount(mountinfo, mount_id, &mounts[0]) &&
        maps_owners(&mounts[0]) && (rest = below(path, mounts[0].point))) {
        snprintf(place, sizeof(place), "%s%s",
                 strcmp(mounts[0].root, "/") ? mounts[0].root : "", rest);
        found = find_unmapped(mountinfo, &mounts[0], place, &mounts[1], ret, cap);
    }
    free(mounts);
    return found;
}

bool tc_av_unmapped(int folder, const char *path, char *ret, size_t cap)
{
    char *text = NULL;
    struct statx stx;
    size_t size = 0;
    bool found;
    FILE *file;

    if (statx(folder, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) ||
        !(stx.stx_mask & STATX_MNT_ID))
        return false;
    file = fopen("/proc/self/mountinfo", "re");
    if (!file)
        return false;
    found = getdelim(&text, &size, 0, file) > 0 &&
            tc_av_unmapped_path(text, stx.stx_mnt_id, path, ret, cap);
    free(text);
    fclose(file);
    return found;
}
