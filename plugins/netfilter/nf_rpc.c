/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: requests: what they need, and their answers. Loop thread. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netfilter.h"

#define NS_PER_S UINT64_C(1000000000)
#define LIST_MAX 1000            /* entries of one answer */
#define LIST_BYTES (200u * 1024) /* of one answer; an event may have 256 KB */

static void reply(struct tc_nf *nf, const struct tocsin_event *event,
                  struct tocsin_writer *w)
{
    if (tocsin_reply(nf->host, event, w))
        nf->publish_errors++;
    tocsin_writer_done(w);
}

static void text_of(const struct tocsin_event *event, const char *path, char *ret,
                    size_t cap)
{
    struct tocsin_str text = tocsin_event_str(event, path);

    snprintf(ret, cap, "%.*s", (int)(text.ptr ? text.len : 0), text.ptr ? text.ptr : "");
}

/* ---- Status. ---- */

static const char *state_of(const struct tc_nf *nf)
{
    if (!nf->wanted)
        return "disabled";
    return nf->open && nf->ebpf && tc_nf_may_deny(nf) &&
                   nf->options.enforcement == TC_NF_BLOCKS
               ? "filtering"
               : "watching";
}

static const char *reason_of(const struct tc_nf *nf)
{
    if (!nf->wanted)
        return "it was disabled: tocsin network-filter enable";
    if (!nf->open)
        return *nf->why ? nf->why : "it is starting";
    if (!nf->ebpf)
        return nf->why;
    if (!nf->granted)
        return "gate network_filter is not granted: tocsin approval grant network_filter";
    if (nf->passive)
        return "mode is passive in the configuration";
    if (nf->options.enforcement != TC_NF_BLOCKS)
        return "enforcement is not block in the configuration";
    return "";
}

static const char *mechanism_of(const struct tc_nf *nf)
{
    if (!nf->open)
        return "none";
    if (!nf->ebpf)
        return "nflog";
    return nf->reader.counters.queue_open ? "cgroup_bpf+nfqueue" : "cgroup_bpf";
}

static void put_state(struct tocsin_writer *w, const struct tc_nf *nf)
{
    tocsin_put_bool(w, "enabled", nf->wanted);
    tocsin_put_str(w, "state", state_of(nf));
    tocsin_put_str(w, "reason", reason_of(nf));
}

/* Those of the reader that runs, or zeros. */
static const struct tc_nf_reader_counters *counters_of(const struct tc_nf *nf)
{
    static const struct tc_nf_reader_counters none;

    return nf->open ? &nf->reader.counters : &none;
}

static void put_queue(struct tocsin_writer *w, const struct tc_nf *nf)
{
    const struct tc_nf_reader_counters *c = counters_of(nf);

    tocsin_begin_map(w, "queue");
    tocsin_put_bool(w, "used", c->queue_open);
    tocsin_put_str(w, "reason",
                   !c->queue_open ? ""
                   : nf->voters   ? "detectors judge flows"
                   : nf->options.unattributed || nf->options.kernel_action
                       ? "flows of no program, or of the kernel, have a rule"
                   : c->queue_new ? "indicators name domains or hosts"
                                  : "first data of flows are inspected");
    tocsin_put_uint(w, "waiting", c->waiting);
    tocsin_put_uint(w, "dropped", (uint64_t)c->kernel_dropped + c->user_dropped);
    tocsin_put_uint(w, "released", c->releases);
    tocsin_put_uint(w, "timeouts", c->timeouts);
    tocsin_put_uint(w, "stale", c->stale);
    tocsin_put_uint(w, "overflows", c->enobufs + c->overflows);
    tocsin_end(w);
}

static void put_counters(struct tocsin_writer *w, const struct tc_nf *nf)
{
    const struct tc_nf_reader_counters *c = counters_of(nf);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"flows", c->flows},
                {"allowed", c->allowed},
                {"denied", c->denied},
                {"audited", c->audited},
                {"passed", c->passed},
                {"not_attributed", c->unattributed},
                {"names", c->dns},
                {"inspected", c->inspected},
                {"full", c->full},
                {"lost", c->lost},
                {"unpublished", c->unpublished},
                {"malformed", c->malformed},
                {"table_made", c->table_made},
                {"table_taken", c->table_taken},
                {"published", nf->published},
                {"publish_errors", nf->publish_errors}};

    tocsin_begin_map(w, "counters");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        tocsin_put_uint(w, rows[i].name, rows[i].value);
    tocsin_end(w);
}

static void put_counts(struct tocsin_writer *w, const char *key, const struct tc_nf *nf)
{
    tocsin_begin_array(w, key);
    for (int kind = 0; kind < TC_NF_KINDS; kind++)
        for (int action = TC_NF_ALLOW; action <= TC_NF_BLOCK; action++) {
            if (!nf->in_force.counts[kind][action])
                continue;
            tocsin_begin_map(w, NULL);
            tocsin_put_str(w, "kind", tc_nf_kind_name((enum tc_nf_kind)kind));
            tocsin_put_str(w, "action", tc_nf_action_name((enum tc_nf_action)action));
            tocsin_put_uint(w, "count", nf->in_force.counts[kind][action]);
            tocsin_end(w);
        }
    tocsin_end(w);
}

static void put_selftest(struct tocsin_writer *w, struct tc_nf *nf)
{
    char why[TC_NF_SELFTEST_WHY_MAX] = "";
    const struct tc_nf_reader_counters *c = counters_of(nf);

    tocsin_begin_map(w, "selftest");
    tocsin_put_bool(w, "ok", c->selftest_ok);
    tocsin_put_uint(w, "time_ns", c->selftest_ns);
    if (nf->open)
        tc_nf_selftest_why(&nf->reader, why);
    tocsin_put_str(w, "reason", why);
    tocsin_end(w);
}

static void on_status(struct tc_nf *nf, const struct tocsin_event *event)
{
    static const char *const enforcements[] = {"disabled", "audit", "block"};
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    put_state(&w, nf);
    tocsin_put_str(&w, "enforcement", enforcements[nf->options.enforcement]);
    tocsin_put_str(&w, "mechanism", mechanism_of(nf));
    put_queue(&w, nf);
    put_counters(&w, nf);
    put_selftest(&w, nf);
    tc_nf_isolation_put(&w, "isolation", nf);
    put_counts(&w, "indicators", nf);
    tocsin_end(&w);
    reply(nf, event, &w);
}

static void announce_switch(struct tc_nf *nf)
{
    struct tocsin_writer w;
    char reason[256];

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_bool(&w, "enabled", nf->switch_enable);
    text_of(nf->switch_request, "reason", reason, sizeof(reason));
    tocsin_put_str(&w, "reason", reason);
    tocsin_put_str(&w, "who", "root");
    tocsin_end(&w);
    if (tocsin_publish(nf->host, TOCSIN_TOPIC_NETWORK_FILTER_CHANGED, 0, &w))
        nf->publish_errors++;
    tocsin_writer_done(&w);
}

void tc_nf_switch_done(void *arg, int status)
{
    struct tc_nf *nf = arg;
    const struct tocsin_event *request = nf->switch_request;
    int err = status ? status : nf->switch_status;
    char why[PATH_MAX + 256];
    struct tocsin_writer w;

    if (err) {
        snprintf(why, sizeof(why), "this could not be kept in %s: %s", nf->folder,
                 strerror(-err));
        (void)tocsin_refuse(nf->host, request, NULL, why);
        goto out;
    }
    err = tc_nf_enable(nf, nf->switch_enable);
    if (err)
        nf->host->log(nf->host, TOCSIN_LOG_ERROR, "no thread to open or shut: %s",
                      strerror(-err));
    announce_switch(nf);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    put_state(&w, nf);
    tocsin_end(&w);
    reply(nf, request, &w);
out:
    nf->host->event_unref(nf->host, request);
    nf->switch_request = NULL;
}

static void on_switch(struct tc_nf *nf, const struct tocsin_event *event, bool enable)
{
    int err;

    if (nf->switch_request) {
        (void)tocsin_refuse(nf->host, event, NULL,
                            "another enable or disable is under way: try again");
        return;
    }
    nf->switch_request = event;
    nf->switch_enable = enable;
    nf->host->event_ref(nf->host, event);
    err = tc_sensor_jobs_start(&nf->jobs, TC_NF_JOB_SWITCH);
    if (err)
        tc_nf_switch_done(nf, err);
}

static void on_enable(struct tc_nf *nf, const struct tocsin_event *event)
{
    on_switch(nf, event, true);
}

static void on_disable(struct tc_nf *nf, const struct tocsin_event *event)
{
    on_switch(nf, event, false);
}

static void on_isolation(struct tc_nf *nf, const struct tocsin_event *event)
{
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tc_nf_isolation_put(&w, NULL, nf);
    reply(nf, event, &w);
}

/* ---- Indicators. ---- */

static void put_view(struct tocsin_writer *w, const struct tc_nf_view *view)
{
    tocsin_put_str(w, "value", view->value);
    tocsin_put_str(w, "kind", tc_nf_kind_name(view->kind));
    tocsin_put_str(w, "action", tc_nf_action_name(view->action));
    tocsin_put_str(w, "reason", view->reason);
    tocsin_put_str(w, "source", view->source);
    if (view->expires_s)
        tocsin_put_uint(w, "expires_ns", view->expires_s * NS_PER_S);
}

struct wanted {
    char action[16], kind[16], text[128];
};

static bool is_wanted(const struct wanted *wanted, const struct tc_nf_view *view)
{
    return (!*wanted->action ||
            !strcmp(wanted->action, tc_nf_action_name(view->action))) &&
           (!*wanted->kind || !strcmp(wanted->kind, tc_nf_kind_name(view->kind))) &&
           (!*wanted->text || strcasestr(view->value, wanted->text) ||
            strcasestr(view->reason, wanted->text));
}

/* A million are not looked through on the loop. */
struct listing {
    struct tc_nf *nf;
    const struct tocsin_event *request;  /* a reference */
    struct tc_nf_indicators *indicators; /* a reference; NULL: there are none */
    struct wanted wanted;
    int64_t from, limit;
    struct tocsin_writer w;
};

static void list_run(void *arg)
{
    struct listing *listing = arg;
    struct tocsin_writer *w = &listing->w;
    struct tc_nf_view view;
    int64_t total = 0;

    tocsin_begin_map(w, NULL);
    tocsin_begin_array(w, "indicators");
    for (uint32_t id = 0;
         listing->indicators && tc_nf_indicators_view(listing->indicators, id, &view);
         id++) {
        if (!is_wanted(&listing->wanted, &view) || total++ < listing->from ||
            listing->limit <= 0 || w->len > LIST_BYTES)
            continue;
        listing->limit--;
        tocsin_begin_map(w, NULL);
        put_view(w, &view);
        tocsin_end(w);
    }
    tocsin_end(w);
    tocsin_put_uint(w, "total", (uint64_t)total);
    tocsin_end(w);
}

static void list_end(struct listing *listing)
{
    tocsin_writer_done(&listing->w);
    tc_nf_indicators_unref(listing->indicators);
    listing->nf->host->event_unref(listing->nf->host, listing->request);
    free(listing);
}

static void list_done(void *arg, int status)
{
    struct listing *listing = arg;
    struct tc_nf *nf = listing->nf;

    if (!status && tocsin_reply(nf->host, listing->request, &listing->w))
        nf->publish_errors++;
    list_end(listing);
    nf->listings--;
    if (nf->jobs.closing)
        tc_sensor_jobs_go_on(&nf->jobs);
}

static void on_list(struct tc_nf *nf, const struct tocsin_event *event)
{
    struct listing *listing = calloc(1, sizeof(*listing));

    if (!listing)
        return;
    listing->nf = nf;
    listing->request = event;
    nf->host->event_ref(nf->host, event);
    listing->indicators = nf->indicators ? tc_nf_indicators_ref(nf->indicators) : NULL;
    listing->from = tocsin_event_int(event, "from", 0);
    listing->limit = tocsin_event_int(event, "limit", LIST_MAX);
    text_of(event, "action", listing->wanted.action, sizeof(listing->wanted.action));
    text_of(event, "kind", listing->wanted.kind, sizeof(listing->wanted.kind));
    text_of(event, "text", listing->wanted.text, sizeof(listing->wanted.text));
    tocsin_writer_init_growing(&listing->w);
    nf->listings++;
    if (!nf->host->work(nf->host, list_run, list_done, listing))
        return;
    nf->listings--;
    (void)tocsin_refuse(nf->host, event, NULL, "no thread to look through the lists");
    list_end(listing);
}

static bool find(const struct tc_nf *nf, const struct tc_nf_value *value,
                 struct tc_nf_match *ret)
{
    uint64_t now_s = (uint64_t)time(NULL);

    if (!nf->indicators)
        return false;
    if (value->kind == TC_NF_ADDRESS || value->kind == TC_NF_NETWORK)
        return tc_nf_indicators_address(nf->indicators, value->address, now_s, ret);
    return tc_nf_indicators_name(nf->indicators, value->name, strlen(value->name), now_s,
                                 ret);
}

static void on_test(struct tc_nf *nf, const struct tocsin_event *event)
{
    struct tocsin_str text = tocsin_event_str(event, "value");
    struct tc_nf_value value;
    struct tc_nf_match match;
    struct tc_nf_view view;
    char why[TC_NF_WHY_MAX];
    struct tocsin_writer w;

    if (!text.ptr ||
        tc_nf_value_read((struct tc_nf_text){text.ptr, text.len}, &value, why)) {
        (void)tocsin_refuse(nf->host, event, "usage",
                            text.ptr ? why : "value is missing");
        return;
    }
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    if (find(nf, &value, &match) &&
        tc_nf_indicators_view(nf->indicators, match.id, &view))
        put_view(&w, &view);
    else
        tocsin_put_str(&w, "action", "none");
    tocsin_end(&w);
    reply(nf, event, &w);
}

static void put_loaded(struct tocsin_writer *w, const struct tc_nf *nf)
{
    const struct tc_nf_report *loaded = &nf->loaded;

    put_counts(w, "counts", nf);
    tocsin_put_uint(w, "files", loaded->files);
    tocsin_put_uint(w, "refused", loaded->refused);
    tocsin_put_uint(w, "expired", loaded->expired);
    tocsin_begin_array(w, "problems");
    for (uint32_t i = 0; i < loaded->problems; i++)
        tocsin_put_str(w, NULL, loaded->problem[i]);
    tocsin_end(w);
}

static void change_done(struct tc_nf *nf, struct tc_nf_change *change)
{
    const struct tocsin_event *request = change->request;
    struct tc_nf_text text = {change->value, strlen(change->value)};
    struct tc_nf_value value;
    struct tocsin_writer w;
    uint32_t expires_s;
    char why[TC_NF_WHY_MAX];

    if (change->err || (change->reload && nf->lists_status)) {
        (void)tocsin_refuse(nf->host, request,
                            change->err == -ENOENT   ? "not_found"
                            : change->err == -EINVAL ? "usage"
                                                     : NULL,
                            change->err ? change->why : nf->lists_why);
        goto out;
    }
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    if (change->reload) {
        put_loaded(&w, nf);
    } else {
        tocsin_put_str(&w, "value", change->value);
        if (!tc_nf_value_read(text, &value, why) && !change->remove)
            tocsin_put_str(&w, "kind", tc_nf_kind_name(value.kind));
        if (*change->action)
            tocsin_put_str(&w, "action", change->action);
        text = (struct tc_nf_text){change->expires, strlen(change->expires)};
        if (text.len && !tc_nf_time_read(text, &expires_s, why))
            tocsin_put_uint(&w, "expires_ns", expires_s * NS_PER_S);
    }
    tocsin_end(&w);
    reply(nf, request, &w);
out:
    nf->host->event_unref(nf->host, request);
}

static void on_change(struct tc_nf *nf, const struct tocsin_event *event, bool reload,
                      bool remove)
{
    struct tc_nf_change *change = calloc(1, sizeof(*change));
    int64_t expires_ns = tocsin_event_int(event, "expires_ns", 0);

    if (!change)
        return;
    change->reload = reload;
    change->remove = remove;
    change->done = change_done;
    text_of(event, "value", change->value, sizeof(change->value));
    text_of(event, "action", change->action, sizeof(change->action));
    text_of(event, "reason", change->reason, sizeof(change->reason));
    if (expires_ns > 0)
        snprintf(change->expires, sizeof(change->expires), "%llu",
                 (unsigned long long)expires_ns / NS_PER_S);
    snprintf(change->who, sizeof(change->who), "root");
    change->request = event;
    nf->host->event_ref(nf->host, event);
    (void)tc_nf_lists_change(nf, change);
}

static void on_add(struct tc_nf *nf, const struct tocsin_event *event)
{
    on_change(nf, event, false, false);
}

static void on_remove(struct tc_nf *nf, const struct tocsin_event *event)
{
    on_change(nf, event, false, true);
}

static void on_reload(struct tc_nf *nf, const struct tocsin_event *event)
{
    on_change(nf, event, true, false);
}

void tc_nf_rpc(struct tc_nf *nf, const struct tocsin_event *event)
{
    static const struct {
        const char *method;
        void (*fn)(struct tc_nf *nf, const struct tocsin_event *event);
    } methods[] = {{"status", on_status},          {"stats", on_status},
                   {"enable", on_enable},          {"disable", on_disable},
                   {"isolate", tc_nf_isolate_rpc}, {"release", tc_nf_release_rpc},
                   {"isolation", on_isolation},    {"indicator_list", on_list},
                   {"indicator_add", on_add},      {"indicator_remove", on_remove},
                   {"indicator_test", on_test},    {"indicator_reload", on_reload}};
    const char *method = event->topic + strlen("rpc.netfilter.");

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(method, methods[i].method) != 0)
            continue;
        methods[i].fn(nf, event);
        return;
    }
    (void)tocsin_refuse(nf->host, event, "unknown_method", "no such method");
}
