/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the watch over the folder of profiles. It is set anew after every burst of
 * changes and before anybody hears of it, so that it follows a folder that is moved,
 * deleted or made, and nothing can happen unseen between the reading and the next change.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/profile/profiles.h"

struct tc_profiles_watch {
    uv_fs_event_t event;
    uv_timer_t timer;
    unsigned open; /* handles whose close callback is still to come */
    char *folder;
    bool there;        /* it is the folder that is watched, not a parent of it */
    bool pending;      /* a burst of changes is going on */
    uint64_t since_ms; /* ... since when */
    tc_profiles_changed_fn changed;
    void *arg;
};

static void note_change(uv_fs_event_t *event, const char *file, int events, int status);
static void on_quiet(uv_timer_t *timer);

/* How long the path of the folder that holds the first n bytes' file is; 0: none does. */
static size_t parent_len(const char *path, size_t n)
{
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

/* Watches what the first n bytes of the folder's path name. */
static int watch_prefix(struct tc_profiles_watch *watch, size_t n)
{
    char *path = strndup(watch->folder, n);
    int r = path ? uv_fs_event_start(&watch->event, note_change, path, 0) : -ENOMEM;

    free(path);
    return r == UV_ENOTDIR ? UV_ENOENT : r;
}

static bool prefix_exists(const struct tc_profiles_watch *watch, size_t n)
{
    char *path = strndup(watch->folder, n);
    bool exists = path && !access(path, F_OK);

    free(path);
    return exists;
}

/* Watches the folder, or the nearest of its parents that exists. */
static int watch_nearest(struct tc_profiles_watch *watch)
{
    size_t whole = strlen(watch->folder), missing = 0, n;
    int r;

    uv_fs_event_stop(&watch->event);
    for (n = whole; n; n = parent_len(watch->folder, n)) {
        r = watch_prefix(watch, n);
        if (r != UV_ENOENT)
            break;
        missing = n;
    }
    watch->there = n == whole;
    if (!n)
        return UV_ENOENT;
    /* What was missing may have come before the watch over its parent was set. */
    if (!r && missing && prefix_exists(watch, missing))
        uv_timer_start(&watch->timer, on_quiet, TC_PROFILES_QUIET_MS, 0);
    return r;
}

static void on_quiet(uv_timer_t *timer)
{
    struct tc_profiles_watch *self = timer->data;
    bool was_there = self->there;

    self->pending = false;
    if (watch_nearest(self))
        uv_timer_start(timer, on_quiet, TC_PROFILES_RETRY_MS, 0);
    /* Where only a parent has changed, there was and is nothing to read. */
    if (was_there || self->there)
        self->changed(self->arg);
}

static void note_change(uv_fs_event_t *event, const char *file, int events, int status)
{
    struct tc_profiles_watch *self = event->data;
    uint64_t now = uv_now(event->loop);

    (void)file;
    (void)events;
    (void)status;
    if (!self->pending)
        self->since_ms = now;
    self->pending = true;
    if (now - self->since_ms < TC_PROFILES_PATIENCE_MS - TC_PROFILES_QUIET_MS)
        uv_timer_start(&self->timer, on_quiet, TC_PROFILES_QUIET_MS, 0);
}

static void closed(uv_handle_t *handle)
{
    struct tc_profiles_watch *self = handle->data;

    if (--self->open)
        return;
    free(self->folder);
    free(self);
}

int tc_profiles_watch_start(uv_loop_t *loop, const char *folder,
                            tc_profiles_changed_fn changed, void *arg,
                            struct tc_profiles_watch **ret_watch)
{
    struct tc_profiles_watch *self = calloc(1, sizeof(*self));
    int r = -1;

    /* A path from here gets a parent that can be watched: ".". */
    if (self)
        r = asprintf(&self->folder, "%s%s", folder[0] == '/' ? "" : "./", folder);
    if (r < 0) {
        free(self);
        return -ENOMEM;
    }
    self->changed = changed;
    self->arg = arg;
    uv_fs_event_init(loop, &self->event);
    uv_timer_init(loop, &self->timer);
    self->event.data = self;
    self->timer.data = self;
    self->open = 2;
    r = watch_nearest(self);
    if (r) {
        tc_profiles_watch_stop(self);
        return r;
    }
    *ret_watch = self;
    return 0;
}

void tc_profiles_watch_stop(struct tc_profiles_watch *watch)
{
    if (!watch)
        return;
    uv_close((uv_handle_t *)&watch->event, closed);
    uv_close((uv_handle_t *)&watch->timer, closed);
}
