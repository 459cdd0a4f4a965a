/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_scope.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sensor_served.h"

#define MOUNTINFO_MAX (16u * 1024 * 1024)

struct tc_sensor_scope {
    atomic_uint refs;
    struct tc_sensor_mount *mounts;   /* sorted by id */
    size_t mount_count, served_count; /* of these: served */
    struct tc_sensor_area *areas;
    size_t area_count;
    const struct tc_sensor_mount **file_systems;
    size_t file_system_count;
};

/*
 * Kernel interfaces dressed as files. Opening one has effects (devices) or shows
 * nothing of content; none can hold a program that another mount would not.
 */
static const char *const pseudo_types[] = {
    "proc",    "sysfs",     "cgroup",     "cgroup2",  "devpts",     "devtmpfs",
    "debugfs", "tracefs",   "securityfs", "pstore",   "bpf",        "configfs",
    "mqueue",  "hugetlbfs", "autofs",     "fusectl",  "efivarfs",   "selinuxfs",
    "nsfs",    "sockfs",    "pipefs",     "smackfs",  "rpc_pipefs", "binfmt_misc",
    "nfsd",    "resctrl",   "functionfs", "gadgetfs", NULL};

static bool listed(const char *const *list, const char *word)
{
    for (; list && *list; list++)
        if (!strcmp(*list, word))
            return true;
    return false;
}

bool tc_sensor_scope_pseudo(const char *type)
{
    return listed(pseudo_types, type);
}

bool tc_sensor_path_under(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    while (n && folder[n - 1] == '/')
        n--;
    return !strncmp(path, folder, n) && (path[n] == '/' || !path[n]);
}

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
    ret_mount->type = strdup(type);
    ret_mount->served = !tc_sensor_scope_pseudo(type) && tc_sensor_served(type);
    return ret_mount->root && ret_mount->point && ret_mount->type ? 0 : -ENOMEM;
}

static int parse_table(struct tc_sensor_scope *scope, const char *mountinfo)
{
    char *text = strdup(mountinfo), *line, *rest;
    size_t lines = 1;
    int err = -ENOMEM;

    for (const char *p = mountinfo; *p; p++)
        lines += *p == '\n';
    scope->mounts = calloc(lines, sizeof(*scope->mounts));
    if (!text || !scope->mounts)
        goto out;
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        err = parse_line(line, &scope->mounts[scope->mount_count++]);
        if (err)
            goto out;
        scope->served_count += scope->mounts[scope->mount_count - 1].served;
    }
    err = 0;
out:
    free(text);
    return err;
}

/* The mount that `path` lies on: the longest mount point above it, of equals the last,
 * which hides the others. */
static const struct tc_sensor_mount *mount_above(const struct tc_sensor_scope *scope,
                                                 const char *path)
{
    const struct tc_sensor_mount *best = NULL;

    for (size_t i = 0; i < scope->mount_count; i++) {
        const struct tc_sensor_mount *mount = &scope->mounts[i];

        if (tc_sensor_path_under(path, mount->point) &&
            (!best || strlen(mount->point) >= strlen(best->point)))
            best = mount;
    }
    return best;
}

/* Translates `path`, seen through `mount`, into a path inside the file system. */
static void inner_path(const struct tc_sensor_mount *mount, const char *path,
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

static int add_area(struct tc_sensor_scope *scope, const struct tc_sensor_mount *mount,
                    const char *inner, const char *seen)
{
    struct tc_sensor_area *area = &scope->areas[scope->area_count++];
    size_t i;

    area->device = mount->device;
    area->path = strdup(inner);
    area->seen = strdup(seen);
    if (!area->path || !area->seen)
        return -ENOMEM;
    for (i = 0; i < scope->file_system_count; i++) {
        if (scope->file_systems[i]->device != mount->device)
            continue;
        /* The mount that shows most of it can name most of its folders. */
        if (strlen(mount->root) < strlen(scope->file_systems[i]->root))
            scope->file_systems[i] = mount;
        return 0;
    }
    scope->file_systems[scope->file_system_count++] = mount;
    return 0;
}

/* The areas of one watched path: where it is itself, and all that is mounted below it. */
static int add_watch(struct tc_sensor_scope *scope, const char *watch,
                     const char *const *ignored)
{
    const struct tc_sensor_mount *above = mount_above(scope, watch);
    char inner[2 * TC_SENSOR_PATH_MAX];
    int err = 0;

    for (size_t i = 0; i < scope->mount_count && !err; i++) {
        const struct tc_sensor_mount *mount = &scope->mounts[i];

        if (tc_sensor_scope_pseudo(mount->type) || listed(ignored, mount->type))
            continue;
        if (mount == above)
            inner_path(mount, watch, inner);
        else if (tc_sensor_path_under(mount->point, watch))
            snprintf(inner, sizeof(inner), "%s", mount->root);
        else
            continue;
        err = add_area(scope, mount, inner, mount == above ? watch : mount->point);
    }
    return err;
}

static int by_id(const void *a, const void *b)
{
    const struct tc_sensor_mount *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

/* Copies of the mounts that file_systems points to must survive the sorting. */
static int sort_by_id(struct tc_sensor_scope *scope)
{
    uint64_t *ids = calloc(scope->file_system_count + 1, sizeof(*ids));
    struct tc_sensor_mount key = {0};

    if (!ids)
        return -ENOMEM;
    for (size_t i = 0; i < scope->file_system_count; i++)
        ids[i] = scope->file_systems[i]->id; /* NOLINT(clang-analyzer-core.*) */
    if (scope->mount_count)
        qsort(scope->mounts, scope->mount_count, sizeof(*scope->mounts), by_id);
    for (size_t i = 0; i < scope->file_system_count; i++) {
        key.id = ids[i];
        scope->file_systems[i] = bsearch(&key, scope->mounts, scope->mount_count,
                                         sizeof(*scope->mounts), by_id);
    }
    free(ids);
    return 0;
}

static struct tc_sensor_mount *mount_by_id(const struct tc_sensor_scope *scope,
                                           uint64_t id)
{
    struct tc_sensor_mount key = {.id = id};

    return bsearch(&key, scope->mounts, scope->mount_count, sizeof(*scope->mounts),
                   by_id);
}

/*
 * The way to a mount leads through those that its mount point lies on, and whoever goes
 * it may have to wait for their servers. Not the root's: nothing at all would run then.
 */
static void spread_served(struct tc_sensor_scope *scope)
{
    for (size_t i = 0; i < scope->mount_count; i++) {
        struct tc_sensor_mount *mount = &scope->mounts[i];
        const struct tc_sensor_mount *above = mount_by_id(scope, mount->parent);

        for (size_t left = scope->mount_count; above && left && !mount->served; left--) {
            mount->served = above->served && strcmp(above->point, "/") != 0;
            above = above->parent != above->id ? mount_by_id(scope, above->parent) : NULL;
        }
    }
}

int tc_sensor_scope_new(const char *mountinfo, const char *const *watch,
                        const char *const *ignored, struct tc_sensor_scope **ret_scope)
{
    struct tc_sensor_scope *scope = calloc(1, sizeof(*scope));
    size_t watches = 0;
    int err;

    if (!scope)
        return -ENOMEM;
    atomic_init(&scope->refs, 1);
    err = parse_table(scope, mountinfo);
    if (err)
        goto out;
    while (watch[watches])
        watches++;
    scope->areas = calloc(watches * scope->mount_count + 1, sizeof(*scope->areas));
    scope->file_systems = calloc(scope->mount_count + 1, sizeof(*scope->file_systems));
    err = scope->areas && scope->file_systems ? 0 : -ENOMEM;
    for (size_t i = 0; i < watches && !err; i++)
        err = add_watch(scope, watch[i], ignored);
    if (!err)
        err = sort_by_id(scope);
    if (!err)
        spread_served(scope);
out:
    if (err)
        tc_sensor_scope_unref(scope);
    else
        *ret_scope = scope;
    return err;
}

struct tc_sensor_scope *tc_sensor_scope_ref(struct tc_sensor_scope *scope)
{
    atomic_fetch_add(&scope->refs, 1);
    return scope;
}

void tc_sensor_scope_unref(struct tc_sensor_scope *scope)
{
    if (!scope || atomic_fetch_sub(&scope->refs, 1) != 1)
        return;
    for (size_t i = 0; i < scope->mount_count; i++) {
        free(scope->mounts[i].root);
        free(scope->mounts[i].point);
        free(scope->mounts[i].type);
    }
    for (size_t i = 0; i < scope->area_count; i++) {
        free(scope->areas[i].path);
        free(scope->areas[i].seen);
    }
    free(scope->mounts);
    free(scope->areas);
    free(scope->file_systems);
    free(scope);
}

const struct tc_sensor_mount *
tc_sensor_scope_file_system(const struct tc_sensor_scope *scope, size_t index)
{
    return index < scope->file_system_count ? scope->file_systems[index] : NULL;
}

enum tc_sensor_place tc_sensor_scope_place(const struct tc_sensor_scope *scope,
                                           uint64_t mount_id, const char *path)
{
    const struct tc_sensor_mount *mount = mount_by_id(scope, mount_id);
    char inner[2 * TC_SENSOR_PATH_MAX];

    if (!mount)
        return TC_SENSOR_ELSEWHERE;
    inner_path(mount, path, inner);
    return tc_sensor_scope_place_inside(scope, mount->device, inner);
}

bool tc_sensor_scope_served(const struct tc_sensor_scope *scope, const char *path)
{
    const struct tc_sensor_mount *mount = mount_above(scope, path);

    return mount && mount->served;
}

bool tc_sensor_scope_on_root(const struct tc_sensor_scope *scope, const char *path)
{
    const struct tc_sensor_mount *mount = mount_above(scope, path);

    return mount && !strcmp(mount->point, "/");
}

const struct tc_sensor_area *tc_sensor_scope_area(const struct tc_sensor_scope *scope,
                                                  size_t index)
{
    return index < scope->area_count ? &scope->areas[index] : NULL;
}

enum tc_sensor_place tc_sensor_scope_place_inside(const struct tc_sensor_scope *scope,
                                                  dev_t device, const char *inner)
{
    for (size_t i = 0; i < scope->area_count; i++)
        if (scope->areas[i].device == device &&
            tc_sensor_path_under(inner, scope->areas[i].path))
            return TC_SENSOR_INSIDE;
    return TC_SENSOR_OUTSIDE;
}

bool tc_sensor_scope_seen(const struct tc_sensor_scope *scope, uint64_t mount_id,
                          dev_t device, const char *inner,
                          char ret_path[TC_SENSOR_PATH_MAX])
{
    const struct tc_sensor_mount *through = NULL;
    const char *root, *point;

    for (size_t i = 0; i < scope->mount_count; i++) {
        const struct tc_sensor_mount *mount = &scope->mounts[i];

        if (mount->device != device || !tc_sensor_path_under(inner, mount->root))
            continue;
        if (!through || mount->id == mount_id)
            through = mount;
    }
    if (!through)
        return false;
    root = strcmp(through->root, "/") != 0 ? through->root : "";
    point = strcmp(through->point, "/") != 0 ? through->point : "";
    snprintf(ret_path, TC_SENSOR_PATH_MAX, "%s%s", point, inner + strlen(root));
    return true;
}

bool tc_sensor_scope_served_device(const struct tc_sensor_scope *scope, dev_t device)
{
    for (size_t i = 0; scope->served_count && i < scope->mount_count; i++)
        if (scope->mounts[i].device == device)
            return tc_sensor_served(scope->mounts[i].type);
    return false;
}

bool tc_sensor_scope_same(const struct tc_sensor_scope *a,
                          const struct tc_sensor_scope *b)
{
    if (a->area_count != b->area_count)
        return false;
    for (size_t i = 0; i < a->area_count; i++)
        if (a->areas[i].device != b->areas[i].device ||
            strcmp(a->areas[i].path, b->areas[i].path) != 0)
            return false;
    return true;
}

char *tc_sensor_scope_read_mounts(int mountinfo_fd)
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
