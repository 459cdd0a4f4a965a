/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: requests about the agent's own list of allowed files that only look at it or take
 * from it. Must not: touch the operator's lists. Loop thread but for the run functions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "av.h"

#define LIST_BYTES_MAX (200 * 1024) /* of the answer; the rest are omitted */

struct call {
    struct tc_av *av;
    const struct tocsin_event *request; /* a reference */
    uint8_t hash[TC_AV_HASH_BYTES];     /* of a removal */
    char *text;                         /* of a list */
    char *allow, *block;                /* the operator's lists */
    struct tc_av_lists *lists;          /* what all of them say without it */
    uint64_t edits;                     /* av's when it began */
    bool removed;
    int error;
};

static void call_free(struct call *call)
{
    call->av->host->event_unref(call->av->host, call->request);
    tc_av_lists_unref(call->lists);
    free(call->allow);
    free(call->block);
    free(call->text);
    free(call);
}

static void begin(struct call *call, tocsin_call_fn run, tocsin_done_fn done)
{
    int r = tc_detector_work_submit(&call->av->work, run, done, call);

    if (!r)
        return;
    tc_detector_refuse(call->av->host, call->request, "failed", "%s", strerror(-r));
    call_free(call);
}

static struct call *call_new(struct tc_av *av, const struct tocsin_event *request)
{
    struct call *call = calloc(1, sizeof(*call));

    if (!call) {
        tc_detector_refuse(av->host, request, "failed", "out of memory");
        return NULL;
    }
    call->av = av;
    call->request = request;
    av->host->event_ref(av->host, request);
    return call;
}

/* Answers when it has failed. */
static bool failed(const struct call *call)
{
    if (call->error)
        tc_detector_refuse(call->av->host, call->request, "failed", "%s",
                           strerror(-call->error));
    return call->error != 0;
}

/* ---- allowed ---- */

static void list_run(void *arg)
{
    struct call *call = arg;
    size_t len;

    call->error = tc_av_read_whole(call->av->own_dirfd, TC_AV_OWN_LIST,
                                   TC_AV_LIST_BYTES_MAX, &call->text, &len);
    if (call->error == -ENOENT)
        call->error = 0;
}

/* One line: a hash, and behind # why it is allowed. */
static void put_line(struct tocsin_writer *w, const char *line, size_t n)
{
    const char *note = memchr(line, '#', n);
    uint8_t hash[TC_AV_HASH_BYTES];
    size_t word = 0;

    while (word < n && line[word] != ' ' && line[word] != '#')
        word++;
    if (!tc_av_hash_read(line, word, hash))
        return;
    tocsin_begin_map(w, NULL);
    tocsin_put_strn(w, "sha256", line, word);
    if (note) {
        note++;
        while (note < line + n && *note == ' ')
            note++;
        tocsin_put_strn(w, "reason", note, (size_t)(line + n - note));
    }
    tocsin_end(w);
}

static void list_done(void *arg, int status)
{
    struct call *call = arg;
    const char *line = call->text ? call->text : "";
    struct tocsin_writer w;

    call->error = status ? status : call->error;
    if (failed(call)) {
        call_free(call);
        return;
    }
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_array(&w, "items");
    while (*line && w.len < LIST_BYTES_MAX) {
        size_t n = strcspn(line, "\n");

        put_line(&w, line, n);
        line += n + (line[n] == '\n');
    }
    tocsin_end(&w);
    if (*line)
        tocsin_put_bool(&w, "truncated", true);
    tocsin_end(&w);
    tocsin_reply(call->av->host, call->request, &w);
    tocsin_writer_done(&w);
    call_free(call);
}

void tc_av_rpc_allowed(struct tc_av *av, const struct tocsin_event *request)
{
    struct call *call = call_new(av, request);

    if (call)
        begin(call, list_run, list_done);
}

/* ---- disallow ---- */

/* All lists are read again: the operator's own may allow it, too. */
static void remove_run(void *arg)
{
    struct call *call = arg;

    call->error = tc_av_lists_remove(call->av->own_dirfd, TC_AV_OWN_LIST, call->hash,
                                     &call->removed);
    if (!call->error && call->removed)
        call->error = tc_av_lists_load(call->allow, call->block, call->av->own_dirfd,
                                       TC_AV_OWN_LIST, &call->lists);
}

/* In force before it is answered; what is wrong with the lists is told by the load of
 * everything that follows. */
static int put_in_force(struct call *call)
{
    static const char reason[] = "a file is no longer allowed";
    struct tc_av *av = call->av;

    if (av->list_edits == call->edits) {
        tc_av_defs_set_lists(av, call->lists, reason);
        call->lists = NULL;
    }
    return tc_detector_defs_load(&av->defs, reason, NULL);
}

static void remove_done(void *arg, int status)
{
    struct call *call = arg;
    struct tc_av *av = call->av;
    char hash[TC_AV_HASH_TEXT];
    struct tocsin_writer w;

    call->error = status ? status : call->error;
    if (!call->error && call->removed)
        call->error = put_in_force(call);
    if (failed(call)) {
        call_free(call);
        return;
    }
    tc_av_hash_text(call->hash, hash);
    if (!call->removed) {
        tc_detector_refuse(av->host, call->request, "not_found",
                           "%.12s... is not on the agent's list of allowed files", hash);
    } else {
        tocsin_writer_init_growing(&w);
        tocsin_begin_map(&w, NULL);
        tocsin_put_str(&w, "status", "removed");
        tocsin_put_str(&w, "sha256", hash);
        tocsin_end(&w);
        tocsin_reply(av->host, call->request, &w);
        tocsin_writer_done(&w);
    }
    call_free(call);
}

void tc_av_rpc_disallow(struct tc_av *av, const struct tocsin_event *request)
{
    struct tocsin_str text = tocsin_event_str(request, "sha256");
    struct call *call = call_new(av, request);

    if (!call)
        return;
    if (!text.ptr || !tc_av_hash_read(text.ptr, text.len, call->hash)) {
        tc_detector_refuse(av->host, request, "usage", "sha256 must be 64 hex digits");
        call_free(call);
        return;
    }
    call->edits = av->list_edits;
    call->allow = strdup(av->options.allow_list);
    call->block = strdup(av->options.block_list);
    call->error = call->allow && call->block ? 0 : -ENOMEM;
    if (failed(call))
        call_free(call);
    else
        begin(call, remove_run, remove_done);
}
