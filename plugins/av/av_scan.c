/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a scan that an operator has asked for (rpc.av.scan): walks and scans in the pool
 * in slices, so that questions from the kernel get their turn in between, reports how far
 * it is, and answers when every threat it found has been dealt with. Loop thread but for
 * slice_run().
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "av.h"
#include "engine/av_walk.h"

#define SLICES 2                      /* in the pool at once */
#define SLICE_NS 50000000u            /* a slice begins no file after that */
#define PROGRESS_NS 250000000u        /* at most four a second */
#define WALKS_MAX 4                   /* scans at once */
#define ANSWER_BYTES_MAX (200 * 1024) /* of items; the rest are counted only */

struct item {
    struct item *next;
    struct tc_av_walk *walk;
    char *path;
    int fd;
    struct tc_av_result result;
    char status[16];
};

struct tc_av_walk {
    struct tc_av_walk *next;
    struct tc_av *av;
    const struct tocsin_event *request; /* a reference */
    uint64_t vault_dev, vault_ino;
    uint64_t start_ns, progress_ns;
    unsigned slices;    /* running */
    size_t pending;     /* threats being dealt with */
    bool taking;        /* in take_found, which goes on using the walk */
    struct item *items; /* reported, newest first */
    uint64_t threats, excluded;
    atomic_bool cancelled;

    pthread_mutex_t lock; /* of all below */
    char *path;
    struct tc_av_tree *tree;
    bool opened, ended;
    int error;
    uint64_t files, bytes, skipped, errors;
    struct item *found; /* by a slice, not yet taken by the loop */
    char current[PATH_MAX];
};

struct slice {
    struct tc_av_walk *walk;
    struct tc_av_judges judges; /* references */
};

static void walk_free(struct tc_av_walk *walk)
{
    struct tc_av_walk **at = &walk->av->walks;
    struct item *item;

    while (*at && *at != walk)
        at = &(*at)->next;
    if (*at)
        *at = walk->next;
    while ((item = walk->items)) {
        walk->items = item->next;
        free(item->path);
        free(item);
    }
    tc_av_tree_close(walk->tree);
    pthread_mutex_destroy(&walk->lock);
    walk->av->host->event_unref(walk->av->host, walk->request);
    free(walk->path);
    free(walk);
}

/* ---- In the pool ---- */

static bool next_file(struct tc_av_walk *walk, int *ret_fd, char **ret_path)
{
    const char *path;
    bool more = false;

    pthread_mutex_lock(&walk->lock);
    if (!walk->opened) {
        walk->opened = true;
        walk->error =
            tc_av_tree_open(walk->path, walk->vault_dev, walk->vault_ino, &walk->tree);
    }
    if (walk->tree && !walk->ended)
        more = tc_av_tree_next(walk->tree, ret_fd, &path, &walk->skipped, &walk->errors);
    if (more) {
        snprintf(walk->current, sizeof(walk->current), "%s", path);
        *ret_path = strdup(path);
    } else {
        walk->ended = true;
    }
    pthread_mutex_unlock(&walk->lock);
    return more;
}

/* Books one scanned file; what is infected is kept for the loop. */
static void book(struct tc_av_walk *walk, int fd, char *path,
                 const struct tc_av_result *result)
{
    struct item *item = NULL;

    if (path && result->found == TC_AV_INFECTED)
        item = calloc(1, sizeof(*item));
    pthread_mutex_lock(&walk->lock);
    walk->files++;
    walk->bytes += result->bytes;
    walk->errors +=
        result->found == TC_AV_UNKNOWN || (result->found == TC_AV_INFECTED && !item);
    if (item) {
        *item = (struct item){.next = walk->found,
                              .walk = walk,
                              .path = path,
                              .fd = fd,
                              .result = *result,
                              .status = "detected"};
        walk->found = item;
    }
    pthread_mutex_unlock(&walk->lock);
    if (!item) {
        close(fd);
        free(path);
    }
}

static void slice_run(void *arg)
{
    struct slice *slice = arg;
    struct tc_av_walk *walk = slice->walk;
    const struct tocsin_host *host = walk->av->host;
    uint64_t end = host->now_ns(host) + SLICE_NS;
    struct tc_av_result result;
    char *path = NULL;
    int fd;

    while (!atomic_load(&walk->cancelled) && host->now_ns(host) < end &&
           next_file(walk, &fd, &path)) {
        tc_av_content_scan(fd, &slice->judges, &result);
        book(walk, fd, path, &result);
    }
}

/* ---- On the loop ---- */

static void put_numbers(struct tc_av_walk *walk, struct tocsin_writer *w)
{
    pthread_mutex_lock(&walk->lock);
    tocsin_put_uint(w, "files", walk->files);
    tocsin_put_uint(w, "bytes", walk->bytes);
    tocsin_put_uint(w, "threats", walk->threats);
    tocsin_put_uint(w, "skipped", walk->skipped + walk->excluded);
    tocsin_put_uint(w, "errors", walk->errors);
    pthread_mutex_unlock(&walk->lock);
}

static void progress(struct tc_av_walk *walk)
{
    const struct tocsin_host *host = walk->av->host;
    uint64_t now = host->now_ns(host);
    struct tocsin_writer w;

    if (now - walk->progress_ns < PROGRESS_NS)
        return;
    walk->progress_ns = now;
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    put_numbers(walk, &w);
    pthread_mutex_lock(&walk->lock);
    tocsin_put_str(&w, "current", walk->current);
    pthread_mutex_unlock(&walk->lock);
    tocsin_end(&w);
    tocsin_publish(host, TOCSIN_TOPIC_RPC_PROGRESS, walk->request->id, &w);
    tocsin_writer_done(&w);
}

static void put_items(const struct tc_av_walk *walk, struct tocsin_writer *w)
{
    bool truncated = false;

    tocsin_begin_array(w, "items");
    for (const struct item *item = walk->items; item; item = item->next) {
        truncated = w->len + strlen(item->path) > ANSWER_BYTES_MAX;
        if (truncated)
            break;
        tocsin_begin_map(w, NULL);
        tocsin_put_str(w, "path", item->path);
        tocsin_put_str(w, "rule", item->result.hit.rule);
        tocsin_put_str(w, "status", item->status);
        tocsin_end(w);
    }
    tocsin_end(w);
    tocsin_put_bool(w, "truncated", truncated);
}

static void finish(struct tc_av_walk *walk)
{
    struct tc_av *av = walk->av;
    struct tocsin_writer w;

    if (walk->error) {
        tc_detector_refuse(av->host, walk->request,
                           walk->error == -ENOENT ? "not_found" : "refused", "%s: %s",
                           walk->path,
                           walk->error == -EINVAL ? "neither a file nor a folder to scan"
                                                  : strerror(-walk->error));
        walk_free(walk);
        return;
    }
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    put_numbers(walk, &w);
    tocsin_put_double(&w, "seconds",
                      (double)(av->host->now_ns(av->host) - walk->start_ns) / 1e9);
    tocsin_put_bool(&w, "cancelled", atomic_load(&walk->cancelled));
    put_items(walk, &w);
    tocsin_end(&w);
    tocsin_reply(av->host, walk->request, &w);
    tocsin_writer_done(&w);
    walk_free(walk);
}

static void finish_if_over(struct tc_av_walk *walk)
{
    if (!walk->slices && !walk->pending)
        finish(walk);
}

static void on_dealt_with(void *arg, const char *status, const char *why)
{
    struct item *item = arg;
    struct tc_av_walk *walk = item->walk;

    (void)why; /* threat.remediated has it */
    snprintf(item->status, sizeof(item->status), "%s", status);
    walk->pending--;
    if (!strcmp(status, "excluded"))
        walk->excluded++;
    else
        walk->threats++;
    if (!walk->taking)
        finish_if_over(walk);
}

/* Hands over what the slices have found. */
static void take_found(struct tc_av_walk *walk)
{
    struct item *item, *next;

    pthread_mutex_lock(&walk->lock);
    item = walk->found;
    walk->found = NULL;
    pthread_mutex_unlock(&walk->lock);
    walk->taking = true;
    for (; item; item = next) {
        struct tc_av_sighting seen = {.own_fd = item->fd,
                                      .path = item->path,
                                      .result = &item->result,
                                      .done = on_dealt_with,
                                      .arg = item};

        next = item->next;
        item->next = walk->items;
        walk->items = item;
        walk->pending++;
        tc_av_threat_found(walk->av, &seen);
    }
    walk->taking = false;
}

static bool slice_start(struct tc_av_walk *walk);

static void slice_done(void *arg, int status)
{
    struct slice *slice = arg;
    struct tc_av_walk *walk = slice->walk;
    bool ended;

    tc_av_rules_unref(slice->judges.rules);
    tc_av_lists_unref(slice->judges.lists);
    free(slice);
    walk->slices--;
    pthread_mutex_lock(&walk->lock);
    ended = walk->ended;
    pthread_mutex_unlock(&walk->lock);
    take_found(walk);
    if (!status && !ended && !atomic_load(&walk->cancelled)) {
        progress(walk);
        if (!slice_start(walk))
            atomic_store(&walk->cancelled, true);
    }
    finish_if_over(walk);
}

static bool slice_start(struct tc_av_walk *walk)
{
    struct tc_av *av = walk->av;
    struct slice *slice = malloc(sizeof(*slice));

    if (!slice)
        return false;
    tc_av_rules_ref(av->rules);
    tc_av_lists_ref(av->lists);
    slice->walk = walk;
    slice->judges = (struct tc_av_judges){.rules = av->rules,
                                          .lists = av->lists,
                                          .max_file_size = av->options.max_file_size,
                                          .timeout_s = av->options.timeout_s};
    if (!tc_detector_work_submit(&av->work, slice_run, slice_done, slice)) {
        walk->slices++;
        return true;
    }
    tc_av_rules_unref(av->rules);
    tc_av_lists_unref(av->lists);
    free(slice);
    return false;
}

static struct tc_av_walk *walk_new(struct tc_av *av, const struct tocsin_event *request,
                                   const char *path)
{
    struct tc_av_walk *walk = calloc(1, sizeof(*walk));

    if (!walk)
        return NULL;
    walk->path = strdup(path);
    if (!walk->path) {
        free(walk);
        return NULL;
    }
    walk->av = av;
    av->host->event_ref(av->host, request);
    walk->request = request;
    walk->vault_dev = av->vault.dev;
    walk->vault_ino = av->vault.ino;
    walk->start_ns = walk->progress_ns = av->host->now_ns(av->host);
    atomic_init(&walk->cancelled, false);
    pthread_mutex_init(&walk->lock, NULL);
    walk->next = av->walks;
    av->walks = walk;
    return walk;
}

void tc_av_scan_request(struct tc_av *av, const struct tocsin_event *request)
{
    char path[PATH_MAX];
    struct tc_av_walk *walk;
    size_t n = 0;

    for (walk = av->walks; walk; walk = walk->next)
        n++;
    if (!tc_detector_text(request, "path", path, sizeof(path)) || path[0] != '/') {
        tc_detector_refuse(av->host, request, "usage", "path must be an absolute path");
        return;
    }
    if (n >= WALKS_MAX) {
        tc_detector_refuse(av->host, request, "refused",
                           "%d scans run already; cancel one", WALKS_MAX);
        return;
    }
    walk = av->rules ? walk_new(av, request, path) : NULL;
    for (int i = 0; walk && i < SLICES; i++)
        slice_start(walk);
    if (walk && walk->slices)
        return;
    if (walk)
        walk_free(walk);
    tc_detector_refuse(av->host, request, "failed", "the scan could not be started");
}

void tc_av_scan_cancel(struct tc_av *av, const struct tocsin_event *request)
{
    int64_t call = tocsin_event_int(request, "call", 0);
    struct tocsin_writer w;
    uint8_t buf[64];
    uint64_t n = 0;

    for (struct tc_av_walk *walk = av->walks; walk; walk = walk->next) {
        if (call && walk->request->id != (uint64_t)call)
            continue;
        atomic_store(&walk->cancelled, true);
        n++;
    }
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "cancelled", n);
    tocsin_end(&w);
    tocsin_reply(av->host, request, &w);
}

void tc_av_scan_stop(struct tc_av *av)
{
    for (struct tc_av_walk *walk = av->walks; walk; walk = walk->next)
        atomic_store(&walk->cancelled, true);
}
