/* SPDX-License-Identifier: Apache-2.0 */
#include "es_outside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "es_canary.h"
#include "es_source.h"
#include "sensor_place.h"
#include "sensor_proc.h"

#define AGAIN_NS 1000000000ull /* a folder is not marked more often */

/* Two folders of one hash hinder each other for a second: harmless. */
bool tc_es_outside_add(struct tc_es_outside *outside, const char *path, bool excluded,
                       uint64_t now_ns)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash && slash != path ? (size_t)(slash - path) : 1;
    uint64_t name = tc_hash(TC_HASH_START, path, len);
    struct tc_es_outside_recent *recent =
        &outside->recent[name % TC_ES_OUTSIDE_RECENT_MAX];
    char *folder;

    if (!slash || (recent->name == name && now_ns < recent->at_ns + AGAIN_NS))
        return false;
    folder = outside->waiting_count < TC_ES_OUTSIDE_MAX ? strndup(path, len) : NULL;
    if (!folder) {
        outside->dropped++;
        return false;
    }
    outside->waiting[outside->waiting_count++] =
        (struct tc_es_outside_folder){folder, excluded};
    recent->name = name;
    recent->at_ns = now_ns;
    return true;
}

void tc_es_outside_begin(struct tc_es_outside *outside, struct tc_sensor_scope *scope,
                         uint32_t generation)
{
    memcpy(outside->marking, outside->waiting, sizeof(outside->marking));
    outside->marking_count = outside->waiting_count;
    outside->waiting_count = 0;
    outside->scope = tc_sensor_scope_ref(scope);
    outside->generation = generation;
    outside->marked_now = 0;
}

/* Whether the open folder is what it was said to be, where it is at this moment. */
static bool is_spared(const struct tc_sensor_scope *scope, int links, int fd,
                      const struct tc_es_outside_folder *folder)
{
    struct tc_sensor_place place;

    if (tc_sensor_place_of(scope, links, fd, &place))
        return false;
    return folder->excluded ? tc_sensor_place_is_own(scope, &place) &&
                                  !strcmp(place.path, folder->path)
                            : place.where == TC_SENSOR_OUTSIDE;
}

/*
 * The canary's folder goes on being asked about, or nothing would come of the canary.
 * The second check is for a folder, or one above it, that was renamed while it was
 * marked. A rename after that check is reported by the kernel after the mark was made,
 * and all marks are then forgotten.
 */
static bool mark_one(struct tc_es_source *source, const struct tc_sensor_scope *scope,
                     int links, int fd, const struct tc_es_outside_folder *folder)
{
    bool marked = !tc_es_canary_lies_in(source->config.canary, fd) &&
                  is_spared(scope, links, fd, folder) &&
                  !tc_es_source_ignore_folder(source, fd);

    if (marked && !is_spared(scope, links, fd, folder)) {
        tc_es_source_ask_folder(source, fd);
        marked = false;
    }
    return marked;
}

void tc_es_outside_mark(struct tc_es_outside *outside, struct tc_es_source *source,
                        const char *const *ignored, int mountinfo_fd, int links)
{
    struct tc_sensor_scope *scope = NULL;
    int fds[TC_ES_OUTSIDE_MAX];

    for (size_t i = 0; i < outside->marking_count; i++)
        fds[i] =
            open(outside->marking[i].path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (tc_sensor_scope_read(mountinfo_fd, tc_sensor_scope_roots(outside->scope), ignored,
                             &scope))
        scope = NULL;
    for (size_t i = 0; i < outside->marking_count; i++) {
        if (fds[i] < 0)
            continue;
        if (scope)
            outside->marked_now +=
                mark_one(source, scope, links, fds[i], &outside->marking[i]);
        close(fds[i]);
    }
    tc_sensor_scope_unref(scope);
}

void tc_es_outside_end(struct tc_es_outside *outside)
{
    outside->marked += outside->marked_now;
    outside->refused += outside->marking_count - outside->marked_now;
    for (size_t i = 0; i < outside->marking_count; i++)
        free(outside->marking[i].path);
    outside->marking_count = 0;
    tc_sensor_scope_unref(outside->scope);
    outside->scope = NULL;
}

void tc_es_outside_forget(struct tc_es_outside *outside)
{
    memset(outside->recent, 0, sizeof(outside->recent));
}

void tc_es_outside_done(struct tc_es_outside *outside)
{
    tc_es_outside_end(outside);
    for (size_t i = 0; i < outside->waiting_count; i++)
        free(outside->waiting[i].path);
    outside->waiting_count = 0;
}
