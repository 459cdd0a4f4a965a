/* SPDX-License-Identifier: Apache-2.0 */
#include "core/conf/config_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/pseudo.h"
#include "core/base/why.h"
#include "core/conf/config_priv.h"

struct place {
    char *where; /* "file:line:column: key" */
    char *path;
    uint32_t flags; /* of its option */
};

struct tc_config_paths {
    struct place *places;
    size_t count;
    char *warnings;
};

int tc_config_paths_new(struct tc_config_paths **ret_paths)
{
    struct tc_config_paths *paths = calloc(1, sizeof(*paths));

    if (!paths)
        return -ENOMEM;
    *ret_paths = paths;
    return 0;
}

void tc_config_paths_free(struct tc_config_paths *paths)
{
    if (!paths)
        return;
    for (size_t i = 0; i < paths->count; i++) {
        free(paths->places[i].where);
        free(paths->places[i].path);
    }
    free(paths->places);
    free(paths->warnings);
    free(paths);
}

/* ---- what is named ---- */

static int add(struct tc_config_paths *paths, const struct tocsin_option *option,
               const struct tc_yaml *yaml, const struct tc_yaml_node *node)
{
    struct place *places, *place;

    if (node->kind != TC_YAML_TEXT || *node->text != '/')
        return 0;
    places = reallocarray(paths->places, paths->count + 1, sizeof(*places));
    if (!places)
        return -ENOMEM;
    paths->places = places;
    place = &places[paths->count];
    place->flags = option->flags;
    place->path = strdup(node->text);
    if (!place->path)
        return -ENOMEM;
    if (asprintf(&place->where, "%s:%u:%u: %s", yaml->name, node->place.line,
                 node->place.column, option->name) < 0) {
        free(place->path);
        return -ENOMEM;
    }
    paths->count++;
    return 0;
}

int tc_config_paths_add(struct tc_config_paths *paths, const struct tc_config *config,
                        const char *plugin, struct tc_option_table table)
{
    const struct tc_config_plugin *section = tc_config_find_plugin(config, plugin);
    const struct tocsin_option *option;
    int err = 0;

    for (size_t i = 0; section && i < section->setting_count; i++) {
        const struct tc_config_setting *setting = &section->settings[i];

        for (size_t k = 0; (option = tc_option_table_at(table, k)); k++)
            if (!strcmp(option->name, setting->node->key))
                break;
        if (!option || !(option->flags & TOCSIN_OPTION_PATH))
            continue;
        if (setting->node->kind != TC_YAML_LIST)
            err = add(paths, option, setting->yaml, setting->node);
        for (const struct tc_yaml_node *at = setting->node->first; at && !err;
             at = at->next)
            err = add(paths, option, setting->yaml, at);
        if (err)
            return err;
    }
    return 0;
}

/* ---- what is there ---- */

/* The type of the file system of that mount, by a line of /proc/self/mountinfo (proc(5)).
 */
static bool type_of_mount(uint64_t id, char type[64])
{
    FILE *table = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t cap = 0;
    bool found = false;

    while (table && !found && getline(&line, &cap, table) > 0) {
        const char *rest = strstr(line, " - ");

        found =
            strtoull(line, NULL, 10) == id && rest && sscanf(rest, " - %63s", type) == 1;
    }
    free(line);
    if (table)
        fclose(table);
    return found;
}

static int warn(struct tc_config_paths *paths, const struct place *place)
{
    char *old = paths->warnings;
    int n = asprintf(&paths->warnings, "%s%s%s: %s does not exist%s", old ? old : "",
                     old ? "\n" : "", place->where, place->path,
                     strpbrk(place->path, "*?[")
                         ? " (it is taken as it is written: nothing stands for others)"
                         : "");

    if (n < 0)
        paths->warnings = old;
    else
        free(old);
    return n < 0 ? -ENOMEM : 0;
}

static int check(struct tc_config_paths *paths, const struct place *place, char why[256])
{
    struct statx st;
    char type[64];

    if (statx(AT_FDCWD, place->path, AT_NO_AUTOMOUNT, STATX_MNT_ID, &st)) {
        if (errno != ENOENT && errno != ENOTDIR)
            return 0; /* whoever checks may not be able to see it */
        return warn(paths, place);
    }
    if ((place->flags & TOCSIN_OPTION_WATCHED) && (st.stx_mask & STATX_MNT_ID) &&
        type_of_mount(st.stx_mnt_id, type) && tc_pseudo_type(type))
        return tc_why_refuse(why,
                             "%s: %s lies on a file system of type %s, whose files are "
                             "the kernel's own: leave it out",
                             place->where, place->path, type);
    return 0;
}

int tc_config_paths_check(struct tc_config_paths *paths, char why[256])
{
    int err = 0;

    free(paths->warnings);
    paths->warnings = NULL;
    for (size_t i = 0; i < paths->count && !err; i++)
        err = check(paths, &paths->places[i], why);
    if (err == -ENOMEM)
        tc_why(why, "out of memory");
    return err;
}

const char *tc_config_paths_warnings(const struct tc_config_paths *paths)
{
    return paths && paths->warnings ? paths->warnings : "";
}
