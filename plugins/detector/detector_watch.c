/* SPDX-License-Identifier: Apache-2.0 */
#include "detector_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#define MASK                                                                             \
    (IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |              \
     IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

void tc_detector_watch_open(struct tc_detector_watch *watch)
{
    *watch = (struct tc_detector_watch){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    if (watch->fd < 0)
        watch->error = -errno;
}

void tc_detector_watch_close(struct tc_detector_watch *watch)
{
    if (watch->fd >= 0)
        close(watch->fd);
    tc_detector_list_free(&watch->names);
    *watch = (struct tc_detector_watch){.fd = -1};
}

void tc_detector_watch_folder(struct tc_detector_watch *watch, const char *path)
{
    char at[PATH_MAX], *slash;

    if (watch->fd < 0)
        return;
    snprintf(at, sizeof(at), "%s", path);
    while (inotify_add_watch(watch->fd, at, MASK) < 0) {
        slash = strrchr(at, '/');
        if ((errno != ENOENT && errno != ENOTDIR) || !slash || !at[1]) {
            watch->error = -errno;
            return;
        }
        slash[slash == at] = 0;
    }
}

void tc_detector_watch_entry(struct tc_detector_watch *watch, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash && tc_detector_list_add(&watch->names, slash + 1))
        watch->error = -ENOMEM;
    if (*path)
        tc_detector_watch_folder(watch, path);
}

static bool matters(const struct tc_detector_watch *watch, const char *const *suffixes,
                    const struct inotify_event *event)
{
    const char *dot;

    if (!event->len || (event->mask & IN_ISDIR))
        return !(event->mask & IN_IGNORED);
    dot = event->name[0] == '.' ? NULL : strrchr(event->name, '.');
    for (size_t i = 0; dot && suffixes[i]; i++)
        if (!strcmp(dot, suffixes[i]))
            return true;
    for (size_t i = 0; i < watch->names.n; i++)
        if (!strcmp(watch->names.items[i], event->name))
            return true;
    return false;
}

bool tc_detector_watch_changed(const struct tc_detector_watch *watch,
                               const char *const *suffixes)
{
    union {
        struct inotify_event event; /* for its alignment */
        char bytes[4096];
    } buf;
    bool changed = false;
    ssize_t n;

    while ((n = read(watch->fd, buf.bytes, sizeof(buf))) > 0) {
        for (const char *p = buf.bytes; p < buf.bytes + n;) {
            const struct inotify_event *event = (const void *)p;

            changed = changed || matters(watch, suffixes, event);
            p += sizeof(*event) + event->len;
        }
    }
    return changed;
}
