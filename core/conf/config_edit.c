/* SPDX-License-Identifier: Apache-2.0 */
#include "core/conf/config_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/conf/config_priv.h"
#include "yaml/edit.h"

#define PARTS_MAX 8 /* of a key */

/* ---- which file ---- */

struct search {
    const char *const *parts;
    char *path, *text, *also;
    bool has; /* the file at hand, `path`, has the key */
};

static bool has_key(const struct tc_yaml_node *node, const char *const *parts)
{
    for (; node && *parts; parts++)
        node = node->kind == TC_YAML_MAP ? tc_yaml_get(node, *parts) : NULL;
    return node;
}

static int refuse_memory(char why[256])
{
    snprintf(why, 256, "out of memory");
    return -ENOMEM;
}

/* The last file that has the key; the first that is read, when none has. */
static int look_at(void *arg, const char *path, const char *text, size_t len,
                   char why[256])
{
    struct search *s = arg;
    struct tc_yaml *yaml = NULL;
    bool has;
    int r = tc_config_parse(path, text, len, &yaml, why);

    if (r < 0)
        return r;
    has = has_key(yaml->documents, s->parts);
    tc_yaml_free(yaml);
    if (s->path && !has)
        return 0;
    if (s->has) {
        free(s->also);
        s->also = s->path;
    } else {
        free(s->path);
    }
    free(s->text);
    s->has = has;
    s->path = strdup(path);
    s->text = strndup(text, len);
    return s->path && s->text ? 0 : refuse_memory(why);
}

/* ---- what it is to say ---- */

static int split(char *key, const char *parts[PARTS_MAX + 1], char why[256])
{
    const char *whole = key;
    char *part;
    size_t n = 0;

    while ((part = strsep(&key, "."))) {
        if (!*part || n == PARTS_MAX) {
            snprintf(why, 256, "%.64s is no key: write it with dots, as plugins.es.watch",
                     whole);
            return -EINVAL;
        }
        parts[n++] = part;
    }
    parts[n] = NULL;
    return 0;
}

static int read_value(enum tc_config_verb verb, const char *value,
                      struct tc_yaml **ret_yaml, char why[256])
{
    struct tc_yaml *yaml = NULL;
    int r;

    if (verb == TC_CONFIG_UNSET)
        return 0;
    r = tc_config_parse("(value)", value, strlen(value), &yaml, why);
    if (r < 0)
        return r;
    if (yaml->documents->kind == TC_YAML_NULL) {
        tc_yaml_free(yaml);
        snprintf(why, 256,
                 "there is no value; `tocsin config unset` brings the default "
                 "back");
        return -EINVAL;
    }
    *ret_yaml = yaml;
    return 0;
}

static int refuse(int error, const struct tc_config_edit *edit, const char *key,
                  enum tc_config_verb verb, char why[256])
{
    const char *file = edit->path;

    switch (error) {
    case -EINVAL:
        snprintf(why, 256, "%.64s: in %.120s a part of it has a value of its own", key,
                 file);
        break;
    case -ENOENT:
        snprintf(why, 256,
                 verb == TC_CONFIG_ADD ? "%.120s has no list %.64s: set all of it"
                                       : "%.120s has no such item in %.64s",
                 file, key);
        break;
    case -ENOTSUP:
        snprintf(why, 256,
                 "%.120s is written so that changing %.64s alone would change more: edit "
                 "it by hand",
                 file, key);
        break;
    default:
        return refuse_memory(why);
    }
    return error;
}

/* The text before is in `edit`. */
static int make_text(struct tc_config_edit *edit, enum tc_config_verb verb,
                     const char *const *parts, const char *key, const char *value,
                     char why[256])
{
    static const enum tc_yaml_change changes[] = {[TC_CONFIG_SET] = TC_YAML_SET,
                                                  [TC_CONFIG_UNSET] = TC_YAML_UNSET,
                                                  [TC_CONFIG_ADD] = TC_YAML_ADD,
                                                  [TC_CONFIG_REMOVE] = TC_YAML_REMOVE};
    struct tc_yaml *yaml = NULL;
    int r = read_value(verb, value, &yaml, why);

    if (r < 0)
        return r;
    r = tc_yaml_edit(edit->before, strlen(edit->before), tc_config_yaml_limits(),
                     changes[verb], parts, yaml ? yaml->documents : NULL, &edit->after);
    tc_yaml_free(yaml);
    return r < 0 ? refuse(r, edit, key, verb, why) : 0;
}

static int find_target(struct tc_config_edit *edit, char why[256])
{
    int err;

    edit->target = realpath(edit->path, NULL);
    if (edit->target && !stat(edit->target, &edit->found))
        return 0;
    err = -errno;
    snprintf(why, 256, "%.200s: %s", edit->path, strerror(-err));
    return err;
}

int tc_config_edit_make(const char *path, enum tc_config_verb verb, const char *key,
                        const char *value, struct tc_config_edit **ret_edit,
                        char why[256])
{
    struct tc_config_edit *edit = calloc(1, sizeof(*edit));
    const char *parts[PARTS_MAX + 1];
    struct search search = {.parts = parts};
    char *copy = strdup(key);
    int r = edit && copy ? split(copy, parts, why) : refuse_memory(why);

    if (!r)
        r = tc_config_each_file(path, look_at, &search, why);
    if (edit) {
        edit->path = search.path;
        edit->before = search.text;
        edit->also = search.also;
    }
    if (!r)
        r = find_target(edit, why);
    if (!r)
        r = make_text(edit, verb, parts, key, value, why);
    free(copy);
    if (r < 0)
        tc_config_edit_free(edit);
    else
        *ret_edit = edit;
    return r;
}

bool tc_config_edit_is_none(const struct tc_config_edit *edit)
{
    return !strcmp(edit->before, edit->after);
}

void tc_config_edit_free(struct tc_config_edit *edit)
{
    if (!edit)
        return;
    free(edit->path);
    free(edit->target);
    free(edit->before);
    free(edit->after);
    free(edit->also);
    free(edit);
}

/* ---- in the file's place ---- */

static bool is_as_found(const struct tc_config_edit *edit)
{
    struct stat now;

    return !stat(edit->target, &now) && now.st_dev == edit->found.st_dev &&
           now.st_ino == edit->found.st_ino && now.st_size == edit->found.st_size &&
           now.st_mtim.tv_sec == edit->found.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == edit->found.st_mtim.tv_nsec;
}

static int write_all(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len) {
        ssize_t n = write(fd, text, len);

        if (n < 0)
            return -errno;
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) ? -errno : 0;
}

/* So that the new name lasts, too. */
static void sync_folder(const char *target)
{
    char *folder = strndup(target, (size_t)(strrchr(target, '/') - target) + 1);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(folder);
}

/* `temporary` is of mkstemp(3), and hidden, so that conf.d does not read it: one that a
 * killed agent has left is in nobody's way. */
static int write_beside(const struct tc_config_edit *edit, char *temporary,
                        const char *text)
{
    int fd = mkostemp(temporary, O_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
    r = fchown(fd, edit->found.st_uid, edit->found.st_gid) ||
                fchmod(fd, edit->found.st_mode & 07777)
            ? -errno
            : write_all(fd, text);
    close(fd);
    if (!r && rename(temporary, edit->target))
        r = -errno;
    if (r)
        (void)unlink(temporary);
    return r;
}

static int put(struct tc_config_edit *edit, const char *text, char why[256])
{
    const char *name = strrchr(edit->target, '/') + 1;
    char *temporary;
    int r;

    if (!is_as_found(edit)) {
        snprintf(why, 256, "%.200s has changed meanwhile: try again", edit->path);
        return -ESTALE;
    }
    if (asprintf(&temporary, "%.*s.%s.XXXXXX", (int)(name - edit->target), edit->target,
                 name) < 0)
        return refuse_memory(why);
    r = write_beside(edit, temporary, text);
    free(temporary);
    if (r) {
        snprintf(why, 256, "%.160s cannot be written: %s", edit->path, strerror(-r));
        return r;
    }
    sync_folder(edit->target);
    (void)stat(edit->target, &edit->found);
    return 0;
}

int tc_config_edit_write(struct tc_config_edit *edit, char why[256])
{
    return put(edit, edit->after, why);
}

int tc_config_edit_undo(struct tc_config_edit *edit, char why[256])
{
    return put(edit, edit->before, why);
}
