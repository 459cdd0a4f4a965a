/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>

#include "sensor_folders.h"
#include "sensor_group.h"
#include "sensor_scope.h"
#include "trace_files.h"

#define WHAT (FAN_CREATE | FAN_DELETE | FAN_ONDIR)
#define WITHIN (FAN_CLOSE_WRITE | FAN_EVENT_ON_CHILD)

/* What is wanted of a folder. */
enum extent {
    NOTHING,
    NAMES, /* which folders are in it: a place may appear there */
    FILES, /* the files in it, too */
    TREE,  /* and all below */
};

/* ---- Places. ---- */

/* The path without symbolic links, as far as there is something. NULL: no memory. */
static char *canonical(const char *path)
{
    char *head = strdup(path), *real = NULL, *whole = NULL, *slash;
    size_t cut;

    while (head && !(real = realpath(head, NULL)) && (slash = strrchr(head, '/')) != head)
        *slash = '\0';
    if (!head)
        return NULL;
    cut = real ? strlen(head) : 0;
    if (real && !strcmp(real, "/"))
        *real = '\0';
    if (asprintf(&whole, "%s%s", real ? real : "", path + cut) < 0)
        whole = NULL;
    free(real);
    free(head);
    return whole;
}

/* The path alone: no slash at the end, and not the asterisk of "/a/" and an asterisk. */
static int set_root(struct tc_trace_root *root, const char *text)
{
    char *path = strdup(text);
    size_t n = path ? strlen(path) : 0;

    root->below = n < 2 || strcmp(text + n - 2, "/*") != 0;
    if (!root->below)
        path[--n] = '\0';
    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
    root->path = path ? canonical(path) : NULL;
    free(path);
    return root->path ? 0 : -ENOMEM;
}

static int keep(char **paths, size_t *count, const char *const *list)
{
    for (; *list; list++) {
        if (*count == TC_TRACE_ROOTS_MAX)
            return -E2BIG;
        paths[*count] = canonical(*list);
        if (!paths[*count])
            return -ENOMEM;
        ++*count;
    }
    return 0;
}

int tc_trace_files_set(struct tc_trace_files *files, const struct tc_trace_places *places)
{
    int err = 0;

    for (const char *const *watch = places->watch; *watch && !err; watch++) {
        if (files->root_count == TC_TRACE_ROOTS_MAX)
            return -E2BIG;
        err = set_root(&files->roots[files->root_count], *watch);
        files->root_count += !err;
    }
    if (!err)
        err = keep(files->elsewhere, &files->elsewhere_count, places->elsewhere);
    if (!err)
        err = keep(files->attributes, &files->attribute_count, places->attributes);
    return err;
}

static bool is_under(char *const *paths, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (tc_sensor_path_under(path, paths[i]))
            return true;
    return false;
}

static bool is_elsewhere(const struct tc_trace_files *files, const char *path)
{
    return is_under(files->elsewhere, files->elsewhere_count, path);
}

static enum extent extent_of(const struct tc_trace_files *files, const char *path)
{
    enum extent most = NOTHING, extent;

    if (is_elsewhere(files, path))
        return NOTHING;
    for (size_t i = 0; i < files->root_count; i++) {
        const struct tc_trace_root *root = &files->roots[i];

        extent = NOTHING;
        if (root->below && tc_sensor_path_under(path, root->path))
            extent = TREE;
        else if (!strcmp(path, root->path))
            extent = FILES;
        else if (tc_sensor_path_under(root->path, path))
            extent = NAMES;
        if (extent > most)
            most = extent;
    }
    return most;
}

bool tc_trace_files_wanted(const struct tc_trace_files *files, const char *path)
{
    const char *slash = strrchr(path, '/');
    enum extent extent;
    char *folder;

    if (!slash || is_elsewhere(files, path))
        return false;
    folder = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    extent = folder ? extent_of(files, folder) : NOTHING;
    free(folder);
    return extent >= FILES;
}

/* Of a place itself, too, though it is none of the files in it. */
bool tc_trace_files_attributes_wanted(const struct tc_trace_files *files,
                                      const char *path)
{
    return is_elsewhere(files, path) || extent_of(files, path) >= FILES ||
           tc_trace_files_wanted(files, path) ||
           is_under(files->attributes, files->attribute_count, path);
}

/* ---- Marks. ---- */

/* Marks one folder and keeps what its events will call it. */
static int mark_folder(struct tc_trace_files *files, const char *path, enum extent extent)
{
    struct tc_sensor_handle handle;
    int err = tc_sensor_handle_of(path, &handle);

    if (err)
        return err;
    err = tc_sensor_group_mark(files->group, FAN_MARK_ONLYDIR | FAN_MARK_DONT_FOLLOW,
                               extent == NAMES ? WHAT : WHAT | WITHIN, &files->renames,
                               path);
    if (!err)
        err = tc_sensor_folders_put(files->folders, &handle, path);
    files->marked = tc_sensor_folders_count(files->folders);
    return err;
}

static void find(struct tc_trace_files *files, const char *path)
{
    struct tc_trace_found *found;

    if (files->found_count == TC_TRACE_FOUND_MAX || !tc_trace_files_wanted(files, path))
        return;
    found = malloc(sizeof(*found));
    if (!found)
        return;
    found->path = strdup(path);
    if (!found->path) {
        free(found);
        return;
    }
    STAILQ_INSERT_TAIL(&files->found, found, next);
    files->found_count++;
}

/* Each folder is marked before it is read: what comes later is reported by the mark. */
static void mark_tree(struct tc_trace_files *files, char *path, bool look_inside)
{
    char *const roots[2] = {path, NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    enum extent extent;
    FTSENT *entry;

    while (fts && (entry = fts_read(fts)) != NULL) {
        if (entry->fts_info == FTS_D) {
            extent = extent_of(files, entry->fts_path);
            if (extent == NOTHING || extent == NAMES)
                fts_set(fts, entry, FTS_SKIP);
            if (extent == FILES && !look_inside)
                fts_set(fts, entry, FTS_SKIP);
            if (extent != NOTHING && mark_folder(files, entry->fts_path, extent))
                files->unmarked++;
        } else if (look_inside && entry->fts_info != FTS_DP) {
            find(files, entry->fts_path);
        }
    }
    if (fts)
        fts_close(fts);
}

/* The folders above a place, from the top. */
static void mark_above(struct tc_trace_files *files, const char *path)
{
    char *head = strdup(path);

    if (!head)
        return;
    mark_folder(files, "/", extent_of(files, "/"));
    for (char *slash = strchr(head + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (extent_of(files, head) == NAMES)
            mark_folder(files, head, NAMES);
        *slash = '/';
    }
    free(head);
}

void tc_trace_files_mark_all(struct tc_trace_files *files)
{
    for (size_t i = 0; i < files->root_count; i++) {
        mark_above(files, files->roots[i].path);
        mark_tree(files, files->roots[i].path, false);
    }
}

void tc_trace_files_mark(struct tc_trace_files *files, const char *path, bool look_inside)
{
    char *copy = strdup(path);

    if (copy && extent_of(files, path) >= FILES)
        mark_tree(files, copy, look_inside);
    for (size_t i = 0; copy && i < files->root_count; i++) {
        if (!tc_sensor_path_under(files->roots[i].path, path) ||
            !strcmp(files->roots[i].path, path))
            continue;
        mark_above(files, files->roots[i].path);
        mark_tree(files, files->roots[i].path, look_inside);
    }
    free(copy);
}
