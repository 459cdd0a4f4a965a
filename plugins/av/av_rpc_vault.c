/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: requests about the vault and the agent's own list of allowed files. Loop thread
 * but for the run functions. A request that changes the vault runs alone.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "av.h"
#include "av_events.h"

#define LIST_BYTES_MAX                                                                   \
    (200 * 1024) /* of the answer; the rest are omitted, and it says so */

struct call {
    struct tc_av *av;
    const struct tocsin_event *request; /* a reference */
    char id[TC_AV_ID_TEXT];
    char *to; /* or NULL */
    bool overwrite;
    uint32_t user; /* of remove, where it has no id */
    uint8_t hash[TC_AV_HASH_BYTES];
    bool hashed;

    int error;
    char why[TC_AV_WHY], left[TC_AV_LEFT]; /* left: what a restore could not give back */
    struct tc_av_record record;
    struct tc_av_record *records;
    size_t records_n, records_bad;
};

static void reply_record(struct call *call, const char *status)
{
    char hash[TC_AV_HASH_TEXT];
    struct tocsin_writer w;

    tc_av_hash_text(call->hashed ? call->hash : call->record.hash, hash);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "status", status);
    if (call->id[0])
        tocsin_put_str(&w, "id", call->id);
    if (call->record.path)
        tocsin_put_str(&w, "path", call->record.path);
    tocsin_put_str(&w, "sha256", hash);
    if (call->left[0])
        tocsin_put_str(&w, "not_restored", call->left);
    tocsin_end(&w);
    tocsin_reply(call->av->host, call->request, &w);
    tocsin_writer_done(&w);
}

static void call_free(struct call *call)
{
    tc_av_record_done(&call->record);
    tc_av_vault_list_free(call->records, call->records_n);
    call->av->host->event_unref(call->av->host, call->request);
    free(call->to);
    free(call);
}

static struct call *call_new(struct tc_av *av, const struct tocsin_event *request)
{
    struct call *call = calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    call->av = av;
    av->host->event_ref(av->host, request);
    call->request = request;
    return call;
}

static void refuse_failed(struct call *call)
{
    const char *code = call->error == -ENOENT ? "not_found" : "failed";

    if (call->error == -EEXIST || call->error == -ELOOP)
        code = "refused";
    if (call->error == -ENOENT)
        tc_detector_refuse(call->av->host, call->request, code,
                           "nothing in quarantine has the id %s", call->id);
    else
        tc_detector_refuse(call->av->host, call->request, code, "%s",
                           call->why[0] ? call->why : strerror(-call->error));
}

/* Begins a call whose work follows; it is answered here if it cannot. */
static void submit(struct call *call, tocsin_call_fn run, tocsin_done_fn done)
{
    int r = tc_detector_work_submit(&call->av->work, run, done, call);

    if (!r)
        return;
    tc_detector_refuse(call->av->host, call->request, "failed", "%s", strerror(-r));
    call->av->vault_busy = false;
    call_free(call);
}

/* The only call that changes the vault; NULL: refused. */
static struct call *vault_call(struct tc_av *av, const struct tocsin_event *request)
{
    struct call *call = NULL;

    if (av->vault.dirfd < 0)
        tc_detector_refuse(av->host, request, "refused",
                           "the quarantine folder cannot be used");
    else if (av->vault_busy)
        tc_detector_refuse(av->host, request, "refused",
                           "another file is being restored or removed: try again");
    else if (!(call = call_new(av, request)))
        tc_detector_refuse(av->host, request, "failed", "out of memory");
    else
        av->vault_busy = true;
    return call;
}

/* The same about the one file that the request names. */
static struct call *item_call(struct tc_av *av, const struct tocsin_event *request)
{
    struct call *call;
    char id[TC_AV_ID_TEXT];

    if (!tc_detector_text(request, "id", id, sizeof(id)) ||
        !tc_av_id_valid(id, strlen(id))) {
        tc_detector_refuse(av->host, request, "not_found", "id is not that of a threat");
        return NULL;
    }
    call = vault_call(av, request);
    if (call)
        snprintf(call->id, sizeof(call->id), "%s", id);
    return call;
}

/* ---- restore: first what it is, so that it is allowed before it appears ---- */

static void find_run(void *arg)
{
    struct call *call = arg;

    call->error = tc_av_vault_find(&call->av->vault, call->id, &call->record);
}

static void restore_run(void *arg)
{
    struct call *call = arg;
    struct tc_av_restore how = {.id = call->id,
                                .to = call->to,
                                .overwrite = call->overwrite,
                                .own_dirfd = call->av->own_dirfd,
                                .own = TC_AV_OWN_LIST};

    tc_av_record_done(&call->record);
    call->error =
        tc_av_vault_restore(&call->av->vault, &how, &call->record, call->left, call->why);
}

static void restore_done(void *arg, int status)
{
    struct call *call = arg;
    struct tc_av *av = call->av;
    char why[TC_AV_LEFT + 32];

    if (status)
        call->error = status;
    if (call->error) {
        if (call->error == -ENOENT) /* of the target: the record was found before */
            call->error = -ENOTDIR;
        refuse_failed(call);
        tc_detector_defs_load(&av->defs, "restore failed",
                              NULL); /* as on disk: perhaps not allowed */
    } else {
        av->counters.restored++;
        if (call->left[0])
            snprintf(why, sizeof(why), "not given back: %s", call->left);
        tc_av_events_remediated(av->host, &call->record, "restore", "restored",
                                call->left[0] ? why : NULL);
        tc_av_threat_forget(av, call->id);
        tc_av_threat_allowed(av, call->record.hash);
        reply_record(call, "restored");
    }
    av->vault_busy = false;
    call_free(call);
}

static void restore_found(void *arg, int status)
{
    struct call *call = arg;
    struct tc_av *av = call->av;
    struct tc_av_lists *lists = NULL;

    if (status)
        call->error = status;
    if (!call->error) {
        lists = tc_av_lists_with(av->lists, call->record.hash);
        call->error = lists ? 0 : -ENOMEM;
    }
    if (call->error) {
        refuse_failed(call);
        av->vault_busy = false;
        call_free(call);
    } else {
        tc_av_defs_set_lists(av, lists, "a file is being restored");
        submit(call, restore_run, restore_done);
    }
}

void tc_av_rpc_restore(struct tc_av *av, const struct tocsin_event *request)
{
    struct call *call = item_call(av, request);
    char to[PATH_MAX];

    if (!call)
        return;
    if (tocsin_event_str(request, "to").ptr) {
        if (tc_detector_text(request, "to", to, sizeof(to)) && to[0] == '/')
            call->to = strdup(to);
        if (!call->to) {
            tc_detector_refuse(av->host, request, "usage", "to must be an absolute path");
            av->vault_busy = false;
            call_free(call);
            return;
        }
    }
    call->overwrite = tocsin_find_bool(request->data, request->len, "overwrite", false);
    submit(call, find_run, restore_found);
}

/* ---- remove ---- */

static void remove_run(void *arg)
{
    struct call *call = arg;

    find_run(call);
    /* One that is damaged can still be removed. */
    if (!call->error || call->error == -EBADMSG)
        call->error = tc_av_vault_remove(&call->av->vault, call->id);
}

static void remove_done(void *arg, int status)
{
    struct call *call = arg;
    struct tc_av *av = call->av;

    if (status)
        call->error = status;
    if (call->error) {
        refuse_failed(call);
    } else {
        av->counters.removed++;
        if (call->record.path)
            tc_av_events_remediated(av->host, &call->record, "remove", "removed", NULL);
        tc_av_threat_forget(av, call->id);
        reply_record(call, "removed");
    }
    av->vault_busy = false;
    call_free(call);
}

/* What belonged to one user: call->records becomes what was removed. */
static void remove_user_run(void *arg)
{
    struct call *call = arg;
    const struct tc_av_vault *vault = &call->av->vault;
    size_t n = 0;

    call->error =
        tc_av_vault_list(vault, &call->records, &call->records_n, &call->records_bad);
    for (size_t i = 0; !call->error && i < call->records_n; i++) {
        struct tc_av_record *record = &call->records[i];

        if (record->uid == call->user && !tc_av_vault_remove(vault, record->id))
            call->records[n++] = *record;
        else
            tc_av_record_done(record);
    }
    if (!call->error)
        call->records_n = n;
}

static void remove_user_done(void *arg, int status)
{
    struct call *call = arg;
    struct tc_av *av = call->av;
    struct tocsin_writer w;
    uint8_t buf[64];

    if (status)
        call->error = status;
    if (call->error) {
        tc_detector_refuse(av->host, call->request, "failed", "the quarantine folder: %s",
                           strerror(-call->error));
    } else {
        for (size_t i = 0; i < call->records_n; i++) {
            av->counters.removed++;
            tc_av_events_remediated(av->host, &call->records[i], "remove", "removed",
                                    NULL);
            tc_av_threat_forget(av, call->records[i].id);
        }
        tocsin_writer_init(&w, buf, sizeof(buf));
        tocsin_begin_map(&w, NULL);
        tocsin_put_str(&w, "status", "removed");
        tocsin_put_uint(&w, "count", call->records_n);
        tocsin_end(&w);
        tocsin_reply(av->host, call->request, &w);
    }
    av->vault_busy = false;
    call_free(call);
}

void tc_av_rpc_remove(struct tc_av *av, const struct tocsin_event *request)
{
    int64_t user = tocsin_event_int(request, "user_id", -1);
    bool all = user >= 0 && user < UINT32_MAX;
    struct call *call = all ? vault_call(av, request) : item_call(av, request);

    if (!call)
        return;
    call->user = all ? (uint32_t)user : 0;
    submit(call, all ? remove_user_run : remove_run,
           all ? remove_user_done : remove_done);
}

/* ---- allow ---- */

static void allow_run(void *arg)
{
    struct call *call = arg;

    if (!call->hashed) {
        find_run(call);
        if (call->error)
            return;
        memcpy(call->hash, call->record.hash, sizeof(call->hash));
        call->hashed = true;
    }
    call->error =
        tc_av_lists_append(call->av->own_dirfd, TC_AV_OWN_LIST, call->hash, "allowed");
}

static void allow_done(void *arg, int status)
{
    struct call *call = arg;
    struct tc_av *av = call->av;
    struct tc_av_lists *lists;

    if (status)
        call->error = status;
    lists = call->error ? NULL : tc_av_lists_with(av->lists, call->hash);
    if (!call->error && !lists)
        call->error = -ENOMEM;
    if (call->error) {
        refuse_failed(call);
    } else {
        tc_av_defs_set_lists(av, lists, "a file was allowed");
        tc_av_threat_allowed(av, call->hash);
        reply_record(call, "allowed");
    }
    call_free(call);
}

void tc_av_rpc_allow(struct tc_av *av, const struct tocsin_event *request)
{
    struct tocsin_str hash = tocsin_event_str(request, "sha256");
    struct call *call = call_new(av, request);

    if (!call)
        return;
    if (hash.ptr)
        call->hashed = tc_av_hash_read(hash.ptr, hash.len, call->hash);
    else if (tc_detector_text(request, "id", call->id, sizeof(call->id)))
        call->hashed = tc_av_threat_hash(av, call->id, call->hash);
    if (hash.ptr && !call->hashed) {
        tc_detector_refuse(av->host, request, "usage", "sha256 must be 64 hex digits");
        call_free(call);
        return;
    }
    if (!call->hashed && !tc_av_id_valid(call->id, strlen(call->id))) {
        tc_detector_refuse(av->host, request, "not_found", "id is not that of a threat");
        call_free(call);
        return;
    }
    submit(call, allow_run, allow_done);
}

/* ---- quarantine_list ---- */

static void list_run(void *arg)
{
    struct call *call = arg;

    call->error = tc_av_vault_list(&call->av->vault, &call->records, &call->records_n,
                                   &call->records_bad);
}

static void put_item(struct tocsin_writer *w, const struct tc_av_record *record)
{
    char hash[TC_AV_HASH_TEXT];

    tc_av_hash_text(record->hash, hash);
    tocsin_begin_map(w, NULL);
    tocsin_put_str(w, "id", record->id);
    tocsin_put_str(w, "name", record->name);
    tocsin_put_str(w, "path", record->path);
    tocsin_put_uint(w, "size", record->size);
    tocsin_put_uint(w, "user_id", record->uid);
    tocsin_put_int(w, "time_ns", record->time_ns);
    tocsin_put_str(w, "rule", record->rule);
    tocsin_put_str(w, "sha256", hash);
    tocsin_begin_array(w, "links");
    for (size_t i = 0; i < record->links_n && w->len < LIST_BYTES_MAX; i++)
        tocsin_put_str(w, NULL, record->links[i]);
    tocsin_end(w);
    tocsin_end(w);
}

static int newest_first(const void *a, const void *b)
{
    const struct tc_av_record *x = a, *y = b;

    return (x->time_ns < y->time_ns) - (x->time_ns > y->time_ns);
}

static void list_done(void *arg, int status)
{
    struct call *call = arg;
    struct tc_av *av = call->av;
    struct tocsin_writer w;
    size_t i;

    if (status || call->error) {
        call->error = status ? status : call->error;
        tc_detector_refuse(av->host, call->request, "failed", "the quarantine folder: %s",
                           strerror(-call->error));
        goto out;
    }
    if (call->records_n)
        qsort(call->records, call->records_n, sizeof(*call->records), newest_first);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_array(&w, "items");
    for (i = 0; i < call->records_n && w.len < LIST_BYTES_MAX; i++)
        put_item(&w, &call->records[i]);
    tocsin_end(&w);
    tocsin_put_bool(&w, "truncated", i < call->records_n);
    tocsin_put_uint(&w, "damaged", call->records_bad);
    tocsin_end(&w);
    tocsin_reply(av->host, call->request, &w);
    tocsin_writer_done(&w);
out:
    call_free(call);
}

void tc_av_rpc_list(struct tc_av *av, const struct tocsin_event *request)
{
    struct call *call;

    if (av->vault.dirfd < 0) {
        tc_detector_refuse(av->host, request, "refused",
                           "the quarantine folder cannot be used");
        return;
    }
    call = call_new(av, request);
    if (call)
        submit(call, list_run, list_done);
}
