/* SPDX-License-Identifier: Apache-2.0 */
#include "detector_defs.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "detector_event.h"

#define CHANGED_MS 300 /* from the first change of rules to the load */

struct tc_detector_load {
    struct tc_detector_defs *defs;
    const struct tocsin_event *request; /* a reference, or NULL */
    char reason[32];
    bool first;
    void *job; /* of ops->prepare; NULL until it begins */

    atomic_bool cancelled;
    struct tc_detector_watch folders;
    int error;
};

void tc_detector_defs_init(struct tc_detector_defs *defs, struct tc_detector_work *work,
                           const struct tc_detector_defs_ops *ops, void *owner)
{
    *defs = (struct tc_detector_defs){
        .work = work, .ops = ops, .owner = owner, .folders = {.fd = -1}};
}

/* ---- A load ---- */

static void load_free(struct tc_detector_load *load)
{
    const struct tocsin_host *host;

    if (!load)
        return;
    host = load->defs->work->host;
    if (load->job)
        load->defs->ops->discard(load->job);
    tc_detector_watch_close(&load->folders);
    host->event_unref(host, load->request);
    free(load);
}

static struct tc_detector_load *load_new(struct tc_detector_defs *defs,
                                         const char *reason,
                                         const struct tocsin_event *request)
{
    const struct tocsin_host *host = defs->work->host;
    struct tc_detector_load *load = calloc(1, sizeof(*load));

    if (!load)
        return NULL;
    load->defs = defs;
    load->folders.fd = -1;
    snprintf(load->reason, sizeof(load->reason), "%s", reason);
    if (request)
        host->event_ref(host, request);
    load->request = request;
    return load;
}

static void load_run(void *arg)
{
    struct tc_detector_load *load = arg;

    tc_detector_watch_open(&load->folders);
    load->error = load->defs->ops->load(load->job, &load->folders, &load->cancelled);
}

/* ---- Health ---- */

void tc_detector_defs_issue(struct tc_detector_defs *defs, const char *text,
                            const char *fix)
{
    const struct tocsin_host *host = defs->work->host;
    char key[32];

    snprintf(key, sizeof(key), "rules_%u", defs->issues_n++);
    host->report(host, TOCSIN_REPORT_ISSUE, key, text, fix);
}

static void clear_issues(const struct tc_detector_defs *defs, unsigned before)
{
    const struct tocsin_host *host = defs->work->host;
    char key[32];

    for (unsigned i = defs->issues_n; i < before; i++) {
        snprintf(key, sizeof(key), "rules_%u", i);
        host->report(host, TOCSIN_REPORT_CLEAR, key, NULL, NULL);
    }
}

static void report_watch(const struct tocsin_host *host, int error)
{
    char text[160];

    if (!error) {
        host->report(host, TOCSIN_REPORT_CLEAR, "rules_watch", NULL, NULL);
        return;
    }
    snprintf(text, sizeof(text), "not all rule folders are watched: %s",
             strerror(-error));
    host->report(host, TOCSIN_REPORT_ISSUE, "rules_watch", text,
                 "raise fs.inotify.max_user_instances and max_user_watches; until then, "
                 "tocsin definitions reload takes what has changed");
}

static void report_fact(const struct tocsin_host *host, const char *prefix,
                        const char *name, const char *text)
{
    char key[64];

    snprintf(key, sizeof(key), "%s_%s", prefix, name);
    host->report(host, TOCSIN_REPORT_FACT, key, text, NULL);
}

void tc_detector_defs_facts(const struct tocsin_host *host, const char *prefix,
                            const char *version, int64_t updated_s, const char *status)
{
    time_t updated = (time_t)updated_s;
    char text[32];
    struct tm tm;

    if (!updated || !gmtime_r(&updated, &tm) ||
        !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(text, sizeof(text), "never");
    report_fact(host, prefix, "version", version);
    report_fact(host, prefix, "updated", text);
    report_fact(host, prefix, "status", status);
}

/* ---- Changes in the folders ---- */

static void on_timer(void *arg)
{
    struct tc_detector_defs *defs = arg;
    const struct tocsin_host *host = defs->work->host;

    host->timer_stop(host, defs->timer);
    defs->timer = NULL;
    if (tc_detector_defs_load(defs, "rules changed", NULL))
        host->log(host, TOCSIN_LOG_WARNING, "changed rules could not be loaded");
}

void tc_detector_defs_changed(struct tc_detector_defs *defs)
{
    const struct tocsin_host *host = defs->work->host;

    if (!defs->timer && !defs->work->stopping)
        host->timer_start(host, CHANGED_MS, 0, on_timer, defs, &defs->timer);
}

static void on_readable(void *arg, int status, uint32_t events)
{
    struct tc_detector_defs *defs = arg;

    (void)status;
    (void)events;
    if (tc_detector_watch_changed(&defs->folders, defs->ops->suffixes))
        tc_detector_defs_changed(defs);
}

static void watch_stop(struct tc_detector_defs *defs)
{
    const struct tocsin_host *host = defs->work->host;

    host->watch_stop(host, defs->watch);
    defs->watch = NULL;
    tc_detector_watch_close(&defs->folders);
}

/* The folders of what was read take the place of those of what was read before. Why not
 * all of them are watched, or 0. */
static int watch_start(struct tc_detector_defs *defs, struct tc_detector_load *load)
{
    const struct tocsin_host *host = defs->work->host;
    int error = load->folders.error, err = 0;

    watch_stop(defs);
    if (defs->work->stopping)
        return error;
    defs->folders = load->folders;
    load->folders = (struct tc_detector_watch){.fd = -1};
    if (defs->folders.fd >= 0)
        err = host->watch_fd(host, defs->folders.fd, TOCSIN_READABLE, on_readable, defs,
                             &defs->watch);
    return err ? err : error;
}

/* ---- On the loop ---- */

static void refuse(const struct tc_detector_defs *defs,
                   const struct tocsin_event *request, const char *code, const char *why)
{
    if (request)
        tc_detector_refuse(defs->work->host, request, code,
                           "the rules could not be loaded: %s", why);
}

static void answer(const struct tc_detector_load *load)
{
    const struct tc_detector_defs *defs = load->defs;
    struct tocsin_writer w;

    if (!load->request)
        return;
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    defs->ops->answer(defs->owner, &w);
    tocsin_end(&w);
    tocsin_reply(defs->work->host, load->request, &w);
    tocsin_writer_done(&w);
}

/* NULL, or why what is in force stays. */
static const char *adopt(struct tc_detector_defs *defs, struct tc_detector_load *load)
{
    unsigned issues_before = defs->issues_n;
    const char *why;
    int watch_error;

    if (load->error) {
        defs->ops->adopt(defs->owner, load->job, load->reason, load->error);
        return strerror(-load->error);
    }
    watch_error = watch_start(defs, load);
    defs->issues_n = 0;
    why = defs->ops->adopt(defs->owner, load->job, load->reason, 0);
    clear_issues(defs, issues_before);
    report_watch(defs->work->host, watch_error);
    return why;
}

static int begin(struct tc_detector_load *load);

static void load_done(void *arg, int status)
{
    struct tc_detector_load *load = arg, *next;
    struct tc_detector_defs *defs = load->defs;
    const char *why;
    int r = 0;

    if (status)
        load->error = status;
    defs->running = NULL;
    why = adopt(defs, load);
    if (why)
        refuse(defs, load->request, "failed", why);
    else
        answer(load);
    if (load->first) { /* when it fails, the start has failed, and none is begun */
        r = load->error;
        if (!defs->work->stopping)
            defs->work->host->complete(defs->work->host, r);
    }
    load_free(load);
    next = defs->next;
    defs->next = NULL;
    if (next && !r)
        r = begin(next);
    if (next && r) {
        refuse(defs, next->request, "failed", strerror(-r));
        load_free(next);
    }
}

static int begin(struct tc_detector_load *load)
{
    struct tc_detector_defs *defs = load->defs;
    int r = -ENOMEM;

    load->first = !defs->begun;
    load->job = defs->ops->prepare(defs->owner, load->first);
    if (load->job)
        r = tc_detector_work_submit(defs->work, load_run, load_done, load);
    if (r)
        return r;
    defs->begun = true;
    defs->running = load;
    return 0;
}

int tc_detector_defs_load(struct tc_detector_defs *defs, const char *reason,
                          const struct tocsin_event *request)
{
    struct tc_detector_load *load = load_new(defs, reason, request);
    int r;

    if (!load)
        return -ENOMEM;
    if (!defs->running) {
        r = begin(load);
        if (r)
            load_free(load);
        return r;
    }
    /* One waits behind the one that runs: it will see all that has changed until then. */
    if (defs->next)
        refuse(defs, defs->next->request, "refused",
               "another reload was asked for meanwhile");
    load_free(defs->next);
    defs->next = load;
    return 0;
}

void tc_detector_defs_reload(struct tc_detector_defs *defs,
                             const struct tocsin_event *request)
{
    int r = tc_detector_defs_load(defs, "asked to reload", request);

    if (r)
        refuse(defs, request, "failed", strerror(-r));
}

void tc_detector_defs_stop(struct tc_detector_defs *defs)
{
    const struct tocsin_host *host = defs->work->host;

    host->timer_stop(host, defs->timer);
    defs->timer = NULL;
    watch_stop(defs);
    if (defs->running)
        atomic_store_explicit(&defs->running->cancelled, true, memory_order_relaxed);
    load_free(defs->next);
    defs->next = NULL;
}
