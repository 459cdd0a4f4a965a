/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sensor_proc.h"
#include "sensor_scope.h"

#define LINKS_MAX 40 /* as the kernel */

/* A path under way: what is resolved of it, and what is left. */
struct steps {
    const struct tc_sensor_mounts *mounts;
    char done[PATH_MAX]; /* "": the root */
    char rest[2 * PATH_MAX];
    unsigned links;
};

/* Takes the next name off the rest, and appends it, or takes off the last for a `..`.
 * False: there is none. *ret_err: it would be too long. */
static bool step(struct steps *s, int *ret_err)
{
    const char *rest = s->rest + strspn(s->rest, "/");
    size_t n = strcspn(rest, "/"), len = strlen(s->done);

    if (!n)
        return false;
    if (n == 2 && !strncmp(rest, "..", 2)) {
        while (len && s->done[--len] != '/')
            ;
        s->done[len] = '\0';
    } else if (n != 1 || *rest != '.') {
        if (len + 1 + n >= sizeof(s->done)) {
            *ret_err = -ENAMETOOLONG;
            return false;
        }
        s->done[len] = '/';
        memcpy(s->done + len + 1, rest, n);
        s->done[len + 1 + n] = '\0';
    }
    memmove(s->rest, rest + n, strlen(rest + n) + 1);
    return true;
}

/* Puts what a link says in the place of its name. */
static int follow(struct steps *s, const char *target)
{
    char rest[sizeof(s->rest)];

    if (++s->links > LINKS_MAX)
        return -ELOOP;
    if (snprintf(rest, sizeof(rest), "%s/%s", target, s->rest) >= (int)sizeof(rest))
        return -ENAMETOOLONG;
    memcpy(s->rest, rest, strlen(rest) + 1);
    *(*target == '/' ? s->done : strrchr(s->done, '/')) = '\0';
    return 0;
}

/* Looks at what is resolved so far. *ret_look: whether to go on doing so; nobody asks a
 * server that may not answer (sensor_served.h). */
static int look(struct steps *s, bool *ret_look)
{
    const struct tc_sensor_mount *mount = tc_sensor_mounts_above(s->mounts, s->done);
    char target[PATH_MAX];
    ssize_t n;

    *ret_look = *s->done && !(mount && mount->served && strcmp(mount->point, "/") != 0);
    if (!*ret_look) {
        *ret_look = !*s->done;
        return 0;
    }
    n = readlink(s->done, target, sizeof(target) - 1);
    if (n < 0)
        return errno == EINVAL ? 0 : -errno; /* no link */
    target[n] = '\0';
    return follow(s, target);
}

/* What the kernel calls it, where a file system does not care for the case of names. */
static void spell(char path[PATH_MAX])
{
    char spelt[PATH_MAX];
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return;
    if (!tc_sensor_proc_fd_path(fd, spelt, sizeof(spelt)))
        memcpy(path, spelt, strlen(spelt) + 1);
    close(fd);
}

/* The place that a path leads to; of what is not there, what is above it, as far as that
 * is, and the rest by its name. */
static int find(const struct tc_sensor_mounts *mounts, const char *path,
                char ret_path[PATH_MAX])
{
    struct steps s = {.mounts = mounts};
    bool looks = true;
    int err = 0;

    if (snprintf(s.rest, sizeof(s.rest), "%s", path) >= PATH_MAX)
        err = -ENAMETOOLONG;
    while (!err && step(&s, &err))
        if (looks)
            err = look(&s, &looks);
    if (err == -ENOENT || err == -ENOTDIR)
        for (int ignored = 0; step(&s, &ignored);)
            ;
    snprintf(ret_path, PATH_MAX, "%s", *s.done ? s.done : "/");
    if (!err && looks)
        spell(ret_path);
    return err;
}

static int resolve(const struct tc_sensor_places *places,
                   const struct tc_sensor_mounts *mounts,
                   struct tc_sensor_watch *ret_watch)
{
    struct tc_sensor_watch watch = {.paths = {NULL}};
    char path[PATH_MAX];

    for (size_t i = 0; places->watch[i]; i++) {
        watch.errors[i] = find(mounts, places->watch[i], path);
        watch.paths[i] = strdup(path);
        if (!watch.paths[i]) {
            tc_sensor_watch_done(&watch);
            return -ENOMEM;
        }
    }
    *ret_watch = watch;
    return 0;
}

int tc_sensor_watch_resolve(const struct tc_sensor_places *places,
                            struct tc_sensor_watch *ret_watch)
{
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), err;
    char *text = fd >= 0 ? tc_sensor_mounts_read(fd) : NULL;
    struct tc_sensor_mounts mounts;

    err = text ? tc_sensor_mounts_parse(text, NULL, 0, &mounts) : -ENOMEM;
    if (!err) {
        err = resolve(places, &mounts, ret_watch);
        tc_sensor_mounts_done(&mounts);
    }
    free(text);
    if (fd >= 0)
        close(fd);
    return err;
}

void tc_sensor_watch_done(struct tc_sensor_watch *watch)
{
    for (size_t i = 0; watch->paths[i]; i++)
        free((void *)(uintptr_t)watch->paths[i]);
    memset(watch, 0, sizeof(*watch));
}

/* The command that takes it off the list. */
static void write_removal(const char *plugin, const char *named, char fix[256])
{
    bool odd = strpbrk(named, "'\"\\");
    bool plain = !strpbrk(named, " \t#:,[]{}&*!|>%@`?$;()<~");

    if (odd || strlen(named) > 180)
        snprintf(fix, 256, "take it off plugins.%s.watch: tocsin config remove", plugin);
    else
        snprintf(fix, 256,
                 plain ? "tocsin config remove plugins.%s.watch %s"
                       : "tocsin config remove plugins.%s.watch '\"%s\"'",
                 plugin, named);
}

static bool is_ignored(const struct tc_sensor_places *places, const char *type)
{
    size_t i = 0;

    while (places->ignored[i] && strcmp(places->ignored[i], type))
        i++;
    return places->ignored[i];
}

/* Why one entry is not watched, in the words of health; false: it is. */
static bool explain(const struct tc_sensor_places *places, const char *named, int error,
                    const char *type, const char *plugin, char why[256], char fix[256])
{
    bool missing = error == -ENOENT || error == -ENOTDIR;

    if (!error && !type)
        return false;
    write_removal(plugin, named, fix);
    if (missing && strpbrk(named, "*?[")) {
        snprintf(why, 256,
                 "there is no such folder, and patterns are not taken: name the "
                 "folders themselves");
    } else if (missing) {
        snprintf(why, 256, "there is no such folder");
        snprintf(fix, 256, "mkdir -p %.240s", named);
    } else if (error) {
        snprintf(why, 256, "%s", strerror(-error));
    } else {
        snprintf(why, 256, "file systems of type %.64s are not watched", type);
        if (is_ignored(places, type))
            snprintf(fix, 256, "tocsin config remove plugins.%s.ignore_filesystems %.64s",
                     plugin, type);
    }
    return true;
}

void tc_sensor_watch_report(const struct tc_sensor_watch *watch,
                            const struct tc_sensor_places *places,
                            const struct tc_sensor_scope *scope,
                            const struct tocsin_host *host, const char *plugin)
{
    char key[48], text[640], why[256], fix[256];

    for (size_t i = 0; watch->paths[i]; i++) {
        snprintf(key, sizeof(key), "%.16s_watch_%zu", plugin, i);
        if (!explain(places, places->watch[i], watch->errors[i],
                     scope ? tc_sensor_scope_unwatched(scope, watch->paths[i]) : NULL,
                     plugin, why, fix)) {
            host->report(host, TOCSIN_REPORT_CLEAR, key, NULL, NULL);
            continue;
        }
        snprintf(text, sizeof(text), "not protected: %.240s: %s", places->watch[i], why);
        host->report(host, TOCSIN_REPORT_ISSUE, key, text, fix);
    }
}
