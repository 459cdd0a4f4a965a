/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_scope.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sensor_served.h"

struct tc_sensor_scope {
    atomic_uint refs;
    struct tc_sensor_mounts mounts;
    char **roots;   /* what is watched, NULL-terminated */
    char **ignored; /* types of file systems */
    struct tc_sensor_area *areas;
    size_t area_count;
    const struct tc_sensor_mount **file_systems;
    size_t file_system_count;
};

static bool listed(const char *const *list, const char *word)
{
    for (; list && *list; list++)
        if (!strcmp(*list, word))
            return true;
    return false;
}

bool tc_sensor_scope_is_ignored(const struct tc_sensor_scope *scope,
                                const struct tc_sensor_mount *mount)
{
    return tc_sensor_mounts_pseudo(mount->type) ||
           listed((const char *const *)scope->ignored, mount->type);
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
static int add_watch(struct tc_sensor_scope *scope, const char *watch)
{
    const struct tc_sensor_mount *above = tc_sensor_mounts_above(&scope->mounts, watch);
    char inner[2 * TC_SENSOR_PATH_MAX];
    int err = 0;

    for (size_t i = 0; i < scope->mounts.count && !err; i++) {
        const struct tc_sensor_mount *mount = &scope->mounts.list[i];

        if (tc_sensor_scope_is_ignored(scope, mount))
            continue;
        if (mount == above)
            tc_sensor_mount_inner(mount, watch, inner);
        else if (tc_sensor_path_under(mount->point, watch))
            snprintf(inner, sizeof(inner), "%s", mount->root);
        else
            continue;
        err = add_area(scope, mount, inner, mount == above ? watch : mount->point);
    }
    return err;
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

/* A copy of a list of texts, NULL-terminated; NULL: no memory. */
static char **copy_list(const char *const *list)
{
    size_t count = 0;
    char **copy;

    while (list[count])
        count++;
    copy = calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = strdup(list[i]);
        if (!copy[i]) {
            free_list(copy);
            return NULL;
        }
    }
    return copy;
}

/* Fills a scope that has its mounts. */
static int fill(struct tc_sensor_scope *scope, const char *const *watch,
                const char *const *ignored)
{
    size_t watches = 0;
    int err;

    while (watch[watches])
        watches++;
    scope->roots = copy_list(watch);
    scope->ignored = copy_list(ignored);
    scope->areas = calloc(watches * scope->mounts.count + 1, sizeof(*scope->areas));
    scope->file_systems = calloc(scope->mounts.count + 1, sizeof(*scope->file_systems));
    err = scope->roots && scope->ignored && scope->areas && scope->file_systems ? 0
                                                                                : -ENOMEM;
    for (size_t i = 0; i < watches && !err; i++)
        err = add_watch(scope, watch[i]);
    return err;
}

static int make(const char *mountinfo, const struct tc_sensor_mount_ids *ids,
                size_t id_count, const char *const *watch, const char *const *ignored,
                struct tc_sensor_scope **ret_scope)
{
    struct tc_sensor_scope *scope = calloc(1, sizeof(*scope));
    int err;

    if (!scope)
        return -ENOMEM;
    atomic_init(&scope->refs, 1);
    err = tc_sensor_mounts_parse(mountinfo, ids, id_count, &scope->mounts);
    if (!err)
        err = fill(scope, watch, ignored);
    if (err)
        tc_sensor_scope_unref(scope);
    else
        *ret_scope = scope;
    return err;
}

int tc_sensor_scope_new(const char *mountinfo, const char *const *watch,
                        const char *const *ignored, struct tc_sensor_scope **ret_scope)
{
    return make(mountinfo, NULL, 0, watch, ignored, ret_scope);
}

/* The numbers before the text: one that has been given again by then has another unique
 * number, which is not found, rather than one that is taken for what it was before. */
int tc_sensor_scope_read(int mountinfo_fd, const char *const *watch,
                         const char *const *ignored, struct tc_sensor_scope **ret_scope)
{
    struct tc_sensor_mount_ids *ids = NULL;
    size_t id_count = 0;
    int err = tc_sensor_mounts_ids(&ids, &id_count);
    char *text;

    if (err && err != -ENOSYS)
        return err;
    text = tc_sensor_mounts_read(mountinfo_fd);
    err = text ? make(text, ids, id_count, watch, ignored, ret_scope) : -ENOMEM;
    free(text);
    free(ids);
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
    tc_sensor_mounts_done(&scope->mounts);
    free_list(scope->roots);
    free_list(scope->ignored);
    for (size_t i = 0; i < scope->area_count; i++) {
        free(scope->areas[i].path);
        free(scope->areas[i].seen);
    }
    free(scope->areas);
    free(scope->file_systems);
    free(scope);
}

const struct tc_sensor_mount *
tc_sensor_scope_file_system(const struct tc_sensor_scope *scope, size_t index)
{
    return index < scope->file_system_count ? scope->file_systems[index] : NULL;
}

const char *const *tc_sensor_scope_roots(const struct tc_sensor_scope *scope)
{
    return (const char *const *)scope->roots;
}

const char *tc_sensor_scope_unwatched(const struct tc_sensor_scope *scope,
                                      const char *path)
{
    const struct tc_sensor_mount *mount = tc_sensor_mounts_above(&scope->mounts, path);

    return mount && tc_sensor_scope_is_ignored(scope, mount) ? mount->type : NULL;
}

enum tc_sensor_where tc_sensor_scope_place(const struct tc_sensor_scope *scope,
                                           const struct statx *stx, const char *path)
{
    const struct tc_sensor_mount *mount =
        tc_sensor_mounts_find(&scope->mounts, stx, path);
    char inner[2 * TC_SENSOR_PATH_MAX];

    if (!mount)
        return TC_SENSOR_ELSEWHERE;
    tc_sensor_mount_inner(mount, path, inner);
    return tc_sensor_scope_place_inside(scope, mount->device, inner);
}

enum tc_sensor_where tc_sensor_scope_place_through(const struct tc_sensor_scope *scope,
                                                   uint64_t mount_id, const char *path)
{
    char inner[2 * TC_SENSOR_PATH_MAX];

    for (size_t i = 0; i < scope->mounts.count; i++) {
        if (scope->mounts.list[i].id != mount_id)
            continue;
        tc_sensor_mount_inner(&scope->mounts.list[i], path, inner);
        return tc_sensor_scope_place_inside(scope, scope->mounts.list[i].device, inner);
    }
    return TC_SENSOR_ELSEWHERE;
}

/* The mount by which the agent itself finds that file at that path; NULL: none. */
static const struct tc_sensor_mount *own_mount(const struct tc_sensor_scope *scope,
                                               const struct statx *stx, const char *path)
{
    const struct tc_sensor_mount *mount =
        tc_sensor_mounts_find(&scope->mounts, stx, path);

    return mount && mount == tc_sensor_mounts_above(&scope->mounts, path) ? mount : NULL;
}

bool tc_sensor_scope_is_own(const struct tc_sensor_scope *scope, const struct statx *stx,
                            const char *path)
{
    return own_mount(scope, stx, path) != NULL;
}

bool tc_sensor_scope_is_program(const struct tc_sensor_scope *scope,
                                const struct statx *stx, const char *path)
{
    const struct tc_sensor_mount *mount = own_mount(scope, stx, path);

    return mount && !mount->served && stx->stx_nlink && !stx->stx_uid &&
           !(stx->stx_mode & S_IWOTH) && (!stx->stx_gid || !(stx->stx_mode & S_IWGRP));
}

unsigned int tc_sensor_scope_statx(const struct tc_sensor_scope *scope)
{
    return STATX_BASIC_STATS |
           (scope->mounts.unique ? STATX_MNT_ID_UNIQUE : STATX_MNT_ID);
}

const char *tc_sensor_scope_point(const struct tc_sensor_scope *scope,
                                  const struct statx *stx)
{
    const struct tc_sensor_mount *mount =
        tc_sensor_mounts_find(&scope->mounts, stx, NULL);

    return mount && strcmp(mount->point, "/") != 0 ? mount->point : "";
}

const struct tc_sensor_mount *tc_sensor_scope_local(const struct tc_sensor_scope *scope,
                                                    dev_t device)
{
    const struct tc_sensor_mount *best = NULL;

    for (size_t i = 0; i < scope->mounts.count; i++) {
        const struct tc_sensor_mount *mount = &scope->mounts.list[i];

        if (mount->device == device && !mount->served &&
            (!best || strlen(mount->root) < strlen(best->root)) &&
            tc_sensor_mounts_above(&scope->mounts, mount->point) == mount)
            best = mount;
    }
    return best;
}

bool tc_sensor_scope_served(const struct tc_sensor_scope *scope, const char *path)
{
    const struct tc_sensor_mount *mount = tc_sensor_mounts_above(&scope->mounts, path);

    return mount && mount->served && strcmp(mount->point, "/") != 0;
}

bool tc_sensor_scope_served_device(const struct tc_sensor_scope *scope, dev_t device)
{
    bool served = false;

    for (size_t i = 0; scope->mounts.served && i < scope->mounts.count; i++) {
        const struct tc_sensor_mount *mount = &scope->mounts.list[i];

        if (mount->device != device)
            continue;
        if (!strcmp(mount->point, "/"))
            return false;
        served = tc_sensor_served(mount->type);
    }
    return served;
}

const struct tc_sensor_area *tc_sensor_scope_area(const struct tc_sensor_scope *scope,
                                                  size_t index)
{
    return index < scope->area_count ? &scope->areas[index] : NULL;
}

enum tc_sensor_where tc_sensor_scope_place_inside(const struct tc_sensor_scope *scope,
                                                  dev_t device, const char *inner)
{
    for (size_t i = 0; i < scope->area_count; i++)
        if (scope->areas[i].device == device &&
            tc_sensor_path_under(inner, scope->areas[i].path))
            return TC_SENSOR_INSIDE;
    return TC_SENSOR_OUTSIDE;
}

/* How `inner` is seen through a mount of its file system; false: not at all, or it is
 * another file that has that path. */
static bool seen_through(const struct tc_sensor_scope *scope,
                         const struct tc_sensor_mount *mount, const char *inner,
                         char ret_path[TC_SENSOR_PATH_MAX])
{
    const char *root = strcmp(mount->root, "/") != 0 ? mount->root : "";
    const char *point = strcmp(mount->point, "/") != 0 ? mount->point : "";

    if (!tc_sensor_path_under(inner, mount->root))
        return false;
    if (snprintf(ret_path, TC_SENSOR_PATH_MAX, "%s%s", point, inner + strlen(root)) >=
        TC_SENSOR_PATH_MAX)
        return false;
    if (!*ret_path)
        memcpy(ret_path, "/", sizeof("/"));
    return tc_sensor_mounts_above(&scope->mounts, ret_path) == mount;
}

bool tc_sensor_scope_seen(const struct tc_sensor_scope *scope, uint64_t mount_id,
                          dev_t device, const char *inner,
                          char ret_path[TC_SENSOR_PATH_MAX])
{
    char path[TC_SENSOR_PATH_MAX];
    bool seen = false, through = false;

    for (size_t i = 0; i < scope->mounts.count && !through; i++) {
        const struct tc_sensor_mount *mount = &scope->mounts.list[i];

        through = mount->id == mount_id;
        if (mount->device != device || (seen && !through) ||
            !seen_through(scope, mount, inner, path))
            continue;
        seen = true;
        memcpy(ret_path, path, strlen(path) + 1);
    }
    return seen;
}

bool tc_sensor_scope_has_device(const struct tc_sensor_scope *scope, dev_t device)
{
    for (size_t i = 0; i < scope->mounts.count; i++)
        if (scope->mounts.list[i].device == device)
            return true;
    return false;
}

int tc_sensor_scope_add_foreign(struct tc_sensor_scope *scope, dev_t device,
                                const char *inner, const char *seen)
{
    struct tc_sensor_area *areas =
        realloc(scope->areas, (scope->area_count + 1) * sizeof(*areas));

    if (!areas)
        return -ENOMEM;
    scope->areas = areas;
    areas[scope->area_count] = (struct tc_sensor_area){
        .device = device, .path = strdup(inner), .seen = strdup(seen)};
    if (areas[scope->area_count].path && areas[scope->area_count].seen) {
        scope->area_count++;
        return 0;
    }
    free(areas[scope->area_count].path);
    free(areas[scope->area_count].seen);
    return -ENOMEM;
}

bool tc_sensor_scope_upper(const struct tc_sensor_scope *scope, const char *path)
{
    return tc_sensor_mounts_upper(&scope->mounts, path);
}

bool tc_sensor_scope_same(const struct tc_sensor_scope *a,
                          const struct tc_sensor_scope *b)
{
    if (a->area_count != b->area_count || a->mounts.uppers != b->mounts.uppers)
        return false;
    for (size_t i = 0; i < a->area_count; i++)
        if (a->areas[i].device != b->areas[i].device ||
            strcmp(a->areas[i].path, b->areas[i].path) != 0)
            return false;
    return true;
}
