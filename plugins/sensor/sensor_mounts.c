/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/pseudo.h"
#include "sensor_served.h"

#define MOUNTINFO_MAX (16u * 1024 * 1024)

#ifndef SYS_statmount /* Linux 6.8; the same on all machines */
#define SYS_statmount 457
#define SYS_listmount 458
#endif
#define LIST_ROOT UINT64_MAX /* LSMT_ROOT: all of this namespace */
#define LIST_MAX 256         /* of one call */
#define MOUNT_BASIC 2u       /* STATMOUNT_MNT_BASIC */

/* struct mnt_id_req of linux/mount.h, as it was first. */
struct request {
    uint32_t size, spare;
    uint64_t mnt_id, param;
};

/* The beginning of its struct statmount. */
struct basics {
    uint32_t size, options;
    uint64_t mask;
    uint32_t device_major, device_minor;
    uint64_t magic;
    uint32_t flags, type;
    uint64_t id, parent;
    uint32_t old_id, old_parent;
    uint8_t rest[448];
};

bool tc_sensor_mounts_pseudo(const char *type)
{
    return tc_pseudo_type(type);
}

bool tc_sensor_path_under(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    while (n && folder[n - 1] == '/')
        n--;
    return !strncmp(path, folder, n) && (path[n] == '/' || !path[n]);
}

/* ---- The text. ---- */

/* Takes the next word of a line, its \ooo escapes (proc(5)) undone in place. */
static char *next_word(char **line)
{
    char *word = *line, *in, *out;

    while (*word == ' ')
        word++;
    for (in = out = word; *in && *in != ' '; out++) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] && in[3]) {
            *out = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
            in += 4;
        } else {
            *out = *in++;
        }
    }
    *line = *in ? in + 1 : in;
    *out = '\0';
    return *word ? word : NULL;
}

/* "36 35 98:0 /root /point options [optional...] - type source options" */
/* The folder that an overlay writes to, of its options; NULL: it has none. */
static char *upper_of(char *options)
{
    static const char key[] = "upperdir=";
    char *rest, *option = strtok_r(options, ",", &rest);

    while (option && strncmp(option, key, sizeof(key) - 1) != 0)
        option = strtok_r(NULL, ",", &rest);
    return option ? strdup(option + sizeof(key) - 1) : NULL;
}

static int parse_line(char *line, struct tc_sensor_mount *ret_mount)
{
    char *id = next_word(&line), *parent = next_word(&line), *device = next_word(&line);
    char *root = next_word(&line), *point = next_word(&line), *word, *type;
    unsigned int major, minor;

    do
        word = next_word(&line);
    while (word && strcmp(word, "-") != 0);
    type = next_word(&line);
    if (!id || !parent || !device || !root || !point || !type ||
        sscanf(device, "%u:%u", &major, &minor) != 2)
        return -EINVAL;
    ret_mount->id = strtoull(id, NULL, 10);
    ret_mount->parent = strtoull(parent, NULL, 10);
    ret_mount->device = makedev(major, minor);
    ret_mount->root = strdup(root);
    ret_mount->point = strdup(point);
    ret_mount->point_len = strcmp(point, "/") != 0 ? strlen(point) : 0;
    ret_mount->type = strdup(type);
    if (!strcmp(type, "overlay") && next_word(&line) && (word = next_word(&line)))
        ret_mount->upper = upper_of(word);
    ret_mount->served = !tc_sensor_mounts_pseudo(type) && tc_sensor_served(type);
    return ret_mount->root && ret_mount->point && ret_mount->type ? 0 : -ENOMEM;
}

static int parse_lines(char *text, struct tc_sensor_mounts *mounts)
{
    char *line, *rest;
    int err = 0;

    for (line = strtok_r(text, "\n", &rest); line && !err;
         line = strtok_r(NULL, "\n", &rest)) {
        err = parse_line(line, &mounts->list[mounts->count++]);
        mounts->uppers += mounts->list[mounts->count - 1].upper != NULL;
    }
    return err;
}

/* ---- Numbers. ---- */

static int by_old_id(const void *a, const void *b)
{
    const struct tc_sensor_mount_ids *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static bool add_id(uint64_t unique, struct tc_sensor_mount_ids *ret_ids)
{
    struct request request = {.size = sizeof(request), .mnt_id = unique};
    struct basics basics;

    request.param = MOUNT_BASIC;
    if (syscall(SYS_statmount, &request, &basics, sizeof(basics), 0))
        return false; /* it has gone */
    *ret_ids = (struct tc_sensor_mount_ids){basics.old_id, unique};
    return true;
}

static ssize_t list_after(uint64_t last, uint64_t found[LIST_MAX])
{
    struct request request = {.size = sizeof(request), .mnt_id = LIST_ROOT};

    request.param = last;
    return syscall(SYS_listmount, &request, found, (size_t)LIST_MAX, 0);
}

int tc_sensor_mounts_ids(struct tc_sensor_mount_ids **ret_ids, size_t *ret_count)
{
    struct tc_sensor_mount_ids *ids = NULL, *more;
    uint64_t found[LIST_MAX], last = 0;
    size_t count = 0;
    ssize_t n;

    while ((n = list_after(last, found)) > 0) {
        more = realloc(ids, (count + (size_t)n) * sizeof(*ids));
        if (!more) {
            free(ids);
            return -ENOMEM;
        }
        ids = more;
        for (ssize_t i = 0; i < n; i++)
            count += add_id(found[i], &ids[count]);
        last = found[n - 1];
    }
    if (!count) {
        free(ids);
        return -ENOSYS;
    }
    qsort(ids, count, sizeof(*ids), by_old_id);
    *ret_ids = ids;
    *ret_count = count;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct tc_sensor_mount *x = *(const struct tc_sensor_mount *const *)a;
    const struct tc_sensor_mount *y = *(const struct tc_sensor_mount *const *)b;

    if (x->unique != y->unique)
        return x->unique < y->unique ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int sort(struct tc_sensor_mounts *mounts, const struct tc_sensor_mount_ids *ids,
                size_t id_count)
{
    const struct tc_sensor_mount_ids *found;
    struct tc_sensor_mount_ids key = {0};

    mounts->by_id = calloc(mounts->count + 1, sizeof(*mounts->by_id));
    if (!mounts->by_id)
        return -ENOMEM;
    mounts->unique = ids != NULL;
    for (size_t i = 0; i < mounts->count; i++) {
        key.id = mounts->list[i].id;
        found = ids ? bsearch(&key, ids, id_count, sizeof(*ids), by_old_id) : NULL;
        mounts->list[i].unique = found ? found->unique : 0;
        mounts->by_id[i] = &mounts->list[i];
    }
    if (mounts->count)
        qsort(mounts->by_id, mounts->count, sizeof(*mounts->by_id), by_number);
    return 0;
}

/* ---- The table. ---- */

const struct tc_sensor_mount *
tc_sensor_mounts_parent(const struct tc_sensor_mounts *mounts,
                        const struct tc_sensor_mount *mount)
{
    for (size_t i = 0; i < mounts->count; i++)
        if (mounts->list[i].id == mount->parent && &mounts->list[i] != mount)
            return &mounts->list[i];
    return NULL;
}

/*
 * The way to a mount leads through those that its mount point lies on, and whoever goes
 * it may have to wait for their servers. Not the root's: nothing at all would run then.
 */
static void spread_served(struct tc_sensor_mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++)
        mounts->served += mounts->list[i].served;
    for (size_t i = 0; mounts->served && i < mounts->count; i++) {
        struct tc_sensor_mount *mount = &mounts->list[i];
        const struct tc_sensor_mount *above = tc_sensor_mounts_parent(mounts, mount);

        for (size_t left = mounts->count; above && left && !mount->served; left--) {
            mount->served = above->served && strcmp(above->point, "/") != 0;
            above = tc_sensor_mounts_parent(mounts, above);
        }
    }
}

int tc_sensor_mounts_parse(const char *mountinfo, const struct tc_sensor_mount_ids *ids,
                           size_t id_count, struct tc_sensor_mounts *ret_mounts)
{
    struct tc_sensor_mounts mounts = {.list = NULL};
    char *text = strdup(mountinfo);
    size_t lines = 1;
    int err = -ENOMEM;

    for (const char *p = mountinfo; *p; p++)
        lines += *p == '\n';
    mounts.list = calloc(lines, sizeof(*mounts.list));
    if (text && mounts.list)
        err = parse_lines(text, &mounts);
    if (!err)
        err = sort(&mounts, ids, id_count);
    free(text);
    if (err) {
        tc_sensor_mounts_done(&mounts);
        return err;
    }
    spread_served(&mounts);
    *ret_mounts = mounts;
    return err;
}

void tc_sensor_mounts_done(struct tc_sensor_mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++) {
        free(mounts->list[i].root);
        free(mounts->list[i].point);
        free(mounts->list[i].type);
        free(mounts->list[i].upper);
    }
    free(mounts->list);
    free(mounts->by_id);
    memset(mounts, 0, sizeof(*mounts));
}

bool tc_sensor_mount_can_be(const struct tc_sensor_mount *mount, const struct statx *stx)
{
    dev_t device = makedev(stx->stx_dev_major, stx->stx_dev_minor);
    bool other = !strcmp(mount->type, "btrfs") || !strcmp(mount->type, "overlay");

    return device == mount->device || (other && !stx->stx_dev_major);
}

const struct tc_sensor_mount *tc_sensor_mounts_find(const struct tc_sensor_mounts *mounts,
                                                    const struct statx *stx,
                                                    const char *path)
{
    bool unique = stx->stx_mask & STATX_MNT_ID_UNIQUE;
    const struct tc_sensor_mount *mount;
    size_t low = 0, high = mounts->count;

    if (unique != mounts->unique || !stx->stx_mnt_id ||
        !(unique || stx->stx_mask & STATX_MNT_ID))
        return NULL;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t number =
            unique ? mounts->by_id[middle]->unique : mounts->by_id[middle]->id;

        if (number < stx->stx_mnt_id)
            low = middle + 1;
        else
            high = middle;
    }
    mount = low < mounts->count ? mounts->by_id[low] : NULL;
    if (!mount || (unique ? mount->unique : mount->id) != stx->stx_mnt_id)
        return NULL;
    if (!tc_sensor_mount_can_be(mount, stx) ||
        (path && !tc_sensor_path_under(path, mount->point)))
        return NULL;
    return mount;
}

/* The longest mount point above it, of equals the last, which hides the others. */
const struct tc_sensor_mount *
tc_sensor_mounts_above(const struct tc_sensor_mounts *mounts, const char *path)
{
    const struct tc_sensor_mount *best = NULL;
    size_t len = strlen(path), n;

    for (size_t i = 0; i < mounts->count; i++) {
        n = mounts->list[i].point_len;
        if (n <= len && (!best || n >= best->point_len) &&
            !memcmp(path, mounts->list[i].point, n) && (path[n] == '/' || !path[n]))
            best = &mounts->list[i];
    }
    return best;
}

void tc_sensor_mount_inner(const struct tc_sensor_mount *mount, const char *path,
                           char ret_path[2 * TC_SENSOR_PATH_MAX])
{
    const char *root = strcmp(mount->root, "/") != 0 ? mount->root : "";
    const char *rest = path;

    if (strcmp(mount->point, "/") != 0 && tc_sensor_path_under(path, mount->point))
        rest += strlen(mount->point);
    snprintf(ret_path, 2 * (size_t)TC_SENSOR_PATH_MAX, "%s%s", root, rest);
    if (!*ret_path)
        memcpy(ret_path, "/", sizeof("/"));
}

char *tc_sensor_mounts_read(int mountinfo_fd)
{
    size_t cap = 16384, len = 0;
    char *text = malloc(cap), *more;
    ssize_t n;

    while (text) {
        n = pread(mountinfo_fd, text + len, cap - len - 1, (off_t)len);
        if (n <= 0)
            break;
        len += (size_t)n;
        if (cap - len > 1)
            continue;
        more = cap < MOUNTINFO_MAX ? realloc(text, 2 * cap) : NULL;
        if (!more) {
            free(text);
            return NULL;
        }
        text = more;
        cap *= 2;
    }
    if (text)
        text[len] = '\0';
    return text;
}

bool tc_sensor_mounts_upper(const struct tc_sensor_mounts *mounts, const char *path)
{
    for (size_t i = 0; mounts->uppers && i < mounts->count; i++)
        if (mounts->list[i].upper && tc_sensor_path_under(path, mounts->list[i].upper))
            return true;
    return false;
}
