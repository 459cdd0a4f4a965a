/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each thing that a plugin holds is one allocation on one list. libuv's rule, that a
 * handle's memory is its own until the close callback, is kept by `closing`: what was
 * stopped leaves its list at once and is freed when libuv says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/host/host.h"
#include "core/host/plugin.h"
#include "ipc/pack.h"

struct tocsin_timer {
    uv_timer_t handle;
    LIST_ENTRY(tocsin_timer) link;
    struct tc_host *host;
    tocsin_call_fn fn;
    void *arg;
};

struct tocsin_watch {
    uv_poll_t handle;
    LIST_ENTRY(tocsin_watch) link;
    struct tc_host *host;
    tocsin_watch_fn fn;
    void *arg;
};

struct tc_work {
    uv_work_t request;
    LIST_ENTRY(tc_work) link;
    struct tc_host *host;
    tocsin_call_fn run;
    tocsin_done_fn done;
    void *arg;
    bool canceled;
};

struct tc_post {
    STAILQ_ENTRY(tc_post) link;
    tocsin_call_fn fn;
    void *arg;
};

static const struct {
    const char *key, *one, *many;
    size_t max;
} holdings[TC_HOLDINGS] = {
    [TC_HOLDS_TIMERS] = {"timers", "timer", "timers", TC_PLUGIN_TIMERS_MAX},
    [TC_HOLDS_WATCHES] = {"watches", "watch", "watches", TC_PLUGIN_WATCHES_MAX},
    [TC_HOLDS_WORKS] = {"works", "piece of work", "pieces of work", TC_PLUGIN_WORKS_MAX},
    [TC_HOLDS_POSTS] = {"posts", "post", "posts", TC_PLUGIN_POSTS_MAX},
};

/* Counts one more, unless it is one too many. */
static int take(struct tc_host *host, enum tc_holding what)
{
    struct tc_holding_count *count = &host->counts[what];

    if (count->now >= holdings[what].max) {
        count->refused++;
        return -ENOSPC;
    }
    if (++count->now > count->most)
        count->most = count->now;
    return 0;
}

/* Whether the plugin may make one more of these here and now. */
static int admit(struct tc_host *host, enum tc_holding what, const char *call)
{
    int rc;

    if (!tc_host_on_loop(host, call))
        return -EPERM;
    if (!host->open)
        return -ESHUTDOWN;
    rc = take(host, what);
    if (rc && tc_host_first(host, "full", holdings[what].key))
        tc_host_complain(host, TOCSIN_LOG_WARNING, "holds %zu %s, the most a plugin may",
                         holdings[what].max, holdings[what].many);
    return rc;
}

static void closed(struct tc_host *host)
{
    host->closing--;
    host->settle(host->arg);
}

/* ---- Timers ---- */

static void timer_fired(uv_timer_t *handle)
{
    struct tocsin_timer *timer = handle->data;
    struct tc_host *host = timer->host;

    tc_host_enter(host);
    timer->fn(timer->arg);
    tc_host_leave(host);
}

static void timer_closed(uv_handle_t *handle)
{
    struct tocsin_timer *timer = handle->data;
    struct tc_host *host = timer->host;

    free(timer);
    closed(host);
}

static int timer_start(const struct tocsin_host *pub, uint64_t after_ms,
                       uint64_t repeat_ms, tocsin_call_fn fn, void *arg,
                       struct tocsin_timer **ret_timer)
{
    struct tc_host *host = tc_host_of(pub);
    struct tocsin_timer *timer;
    int rc;

    rc = admit(host, TC_HOLDS_TIMERS, "timer_start");
    if (rc)
        return rc;
    timer = calloc(1, sizeof(*timer));
    if (!timer) {
        host->counts[TC_HOLDS_TIMERS].now--;
        return -ENOMEM;
    }
    timer->host = host;
    timer->fn = fn;
    timer->arg = arg;
    (void)uv_timer_init(host->env->loop, &timer->handle);
    timer->handle.data = timer;
    (void)uv_timer_start(&timer->handle, timer_fired, after_ms, repeat_ms);
    LIST_INSERT_HEAD(&host->timers, timer, link);
    *ret_timer = timer;
    return 0;
}

static void timer_end(struct tocsin_timer *timer)
{
    LIST_REMOVE(timer, link);
    timer->host->counts[TC_HOLDS_TIMERS].now--;
    timer->host->closing++;
    uv_close((uv_handle_t *)&timer->handle, timer_closed);
}

static void timer_stop(const struct tocsin_host *pub, struct tocsin_timer *timer)
{
    if (timer && tc_host_on_loop(tc_host_of(pub), "timer_stop"))
        timer_end(timer);
}

/* ---- Watches ---- */

static const struct {
    uint32_t tocsin;
    int uv;
} watch_bits[] = {
    {TOCSIN_READABLE, UV_READABLE},
    {TOCSIN_WRITABLE, UV_WRITABLE},
    {TOCSIN_PRIORITY, UV_PRIORITIZED},
};

static void watch_ready(uv_poll_t *handle, int status, int uv_events)
{
    struct tocsin_watch *watch = handle->data;
    struct tc_host *host = watch->host;
    uint32_t events = 0;

    for (size_t i = 0; i < sizeof(watch_bits) / sizeof(*watch_bits); i++)
        if (uv_events & watch_bits[i].uv)
            events |= watch_bits[i].tocsin;
    tc_host_enter(host);
    watch->fn(watch->arg, status, events);
    tc_host_leave(host);
}

static void watch_closed(uv_handle_t *handle)
{
    struct tocsin_watch *watch = handle->data;
    struct tc_host *host = watch->host;

    free(watch);
    closed(host);
}

/* uv_poll_init failed: libuv owes nothing (design.rst), the memory is ours again. */
static int watch_discard(struct tocsin_watch *watch, int rc)
{
    watch->host->counts[TC_HOLDS_WATCHES].now--;
    free(watch);
    return rc;
}

static void watch_end(struct tocsin_watch *watch)
{
    LIST_REMOVE(watch, link);
    watch->host->counts[TC_HOLDS_WATCHES].now--;
    watch->host->closing++;
    uv_close((uv_handle_t *)&watch->handle, watch_closed);
}

static int watch_fd(const struct tocsin_host *pub, int fd, uint32_t events,
                    tocsin_watch_fn fn, void *arg, struct tocsin_watch **ret_watch)
{
    struct tc_host *host = tc_host_of(pub);
    struct tocsin_watch *watch;
    int uv_events = 0, rc;

    for (size_t i = 0; i < sizeof(watch_bits) / sizeof(*watch_bits); i++)
        if (events & watch_bits[i].tocsin)
            uv_events |= watch_bits[i].uv;
    rc = admit(host, TC_HOLDS_WATCHES, "watch_fd");
    if (rc)
        return rc;
    watch = calloc(1, sizeof(*watch));
    if (!watch) {
        host->counts[TC_HOLDS_WATCHES].now--;
        return -ENOMEM;
    }
    watch->host = host;
    watch->fn = fn;
    watch->arg = arg;
    rc = uv_poll_init(host->env->loop, &watch->handle, fd);
    if (rc)
        return watch_discard(watch, rc);
    watch->handle.data = watch;
    LIST_INSERT_HEAD(&host->watches, watch, link);
    rc = uv_poll_start(&watch->handle, uv_events, watch_ready);
    if (rc) {
        watch_end(watch);
        return rc;
    }
    *ret_watch = watch;
    return 0;
}

static void watch_stop(const struct tocsin_host *pub, struct tocsin_watch *watch)
{
    if (watch && tc_host_on_loop(tc_host_of(pub), "watch_stop"))
        watch_end(watch);
}

/* ---- Work ---- */

static void work_run(uv_work_t *request)
{
    struct tc_work *work = request->data;
    const struct tc_plugin_env *env = work->host->env;

    env->entering(env->arg, work->host->name);
    work->run(work->arg);
    env->entering(env->arg, NULL);
}

static void work_done(uv_work_t *request, int status)
{
    struct tc_work *work = request->data;
    struct tc_host *host = work->host;

    LIST_REMOVE(work, link);
    host->counts[TC_HOLDS_WORKS].now--;
    tc_host_enter(host);
    work->done(work->arg, status == UV_ECANCELED ? -ECANCELED : 0);
    free(work);
    tc_host_leave(host);
}

static int work_queue(const struct tocsin_host *pub, tocsin_call_fn run,
                      tocsin_done_fn done, void *arg)
{
    struct tc_host *host = tc_host_of(pub);
    struct tc_work *work;
    int rc;

    rc = admit(host, TC_HOLDS_WORKS, "work");
    if (rc)
        return rc;
    work = calloc(1, sizeof(*work));
    rc = -ENOMEM;
    if (work) {
        work->host = host;
        work->run = run;
        work->done = done;
        work->arg = arg;
        work->request.data = work;
        rc = uv_queue_work(host->env->loop, &work->request, work_run, work_done);
    }
    if (rc) {
        host->counts[TC_HOLDS_WORKS].now--;
        free(work);
        return rc;
    }
    LIST_INSERT_HEAD(&host->works, work, link);
    return 0;
}

/* ---- Posts ---- */

static int post(const struct tocsin_host *pub, tocsin_call_fn fn, void *arg)
{
    struct tc_host *host = tc_host_of(pub);
    struct tc_post *new_post = malloc(sizeof(*new_post));
    int rc;

    if (!new_post)
        return -ENOMEM;
    new_post->fn = fn;
    new_post->arg = arg;
    pthread_mutex_lock(&host->post_lock);
    rc = host->post_open ? take(host, TC_HOLDS_POSTS) : -ESHUTDOWN;
    if (!rc) {
        STAILQ_INSERT_TAIL(&host->posts, new_post, link);
        /* Under the lock, so that it cannot meet the closing of the handle. */
        (void)uv_async_send(&host->posted);
    }
    pthread_mutex_unlock(&host->post_lock);
    if (rc)
        free(new_post);
    return rc;
}

static struct tc_post *next_post(struct tc_host *host)
{
    struct tc_post *first;

    pthread_mutex_lock(&host->post_lock);
    first = STAILQ_FIRST(&host->posts);
    if (first) {
        STAILQ_REMOVE_HEAD(&host->posts, link);
        host->counts[TC_HOLDS_POSTS].now--;
    }
    pthread_mutex_unlock(&host->post_lock);
    return first;
}

static size_t posts_waiting(struct tc_host *host)
{
    size_t n;

    pthread_mutex_lock(&host->post_lock);
    n = host->counts[TC_HOLDS_POSTS].now;
    pthread_mutex_unlock(&host->post_lock);
    return n;
}

/* Runs those that wait now; one that posts itself anew does not hold up the loop. */
static void run_posts(struct tc_host *host)
{
    struct tc_post *first;

    for (size_t n = posts_waiting(host); n && (first = next_post(host)) != NULL; n--) {
        tc_host_enter(host);
        first->fn(first->arg);
        free(first);
        tc_host_leave(host);
    }
}

static void posted(uv_async_t *handle)
{
    run_posts(handle->data);
}

static void posted_closed(uv_handle_t *handle)
{
    closed(handle->data);
}

/* ---- The whole ---- */

void tc_ledger_bind(struct tocsin_host *pub)
{
    pub->timer_start = timer_start;
    pub->timer_stop = timer_stop;
    pub->watch_fd = watch_fd;
    pub->watch_stop = watch_stop;
    pub->work = work_queue;
    pub->post = post;
}

int tc_ledger_open(struct tc_host *host)
{
    int rc = uv_async_init(host->env->loop, &host->posted, posted);

    if (rc)
        return rc;
    host->posted.data = host;
    for (size_t i = 0; i < TC_HOLDINGS; i++)
        host->counts[i].left = 0;
    host->events_left = 0;
    host->open = true;
    pthread_mutex_lock(&host->post_lock);
    host->post_open = true;
    pthread_mutex_unlock(&host->post_lock);
    return 0;
}

void tc_ledger_drain(struct tc_host *host)
{
    struct tc_work *work;

    pthread_mutex_lock(&host->post_lock);
    host->post_open = false;
    pthread_mutex_unlock(&host->post_lock);
    run_posts(host);
    LIST_FOREACH(work, &host->works, link)
    work->canceled = work->canceled || uv_cancel((uv_req_t *)&work->request) == 0;
}

void tc_ledger_close(struct tc_host *host)
{
    struct tc_work *work;

    tc_ledger_drain(host);
    host->open = false;
    host->counts[TC_HOLDS_TIMERS].left = host->counts[TC_HOLDS_TIMERS].now;
    host->counts[TC_HOLDS_WATCHES].left = host->counts[TC_HOLDS_WATCHES].now;
    LIST_FOREACH(work, &host->works, link)
    host->counts[TC_HOLDS_WORKS].left += !work->canceled;
    while (!LIST_EMPTY(&host->timers))
        timer_end(LIST_FIRST(&host->timers));
    while (!LIST_EMPTY(&host->watches))
        watch_end(LIST_FIRST(&host->watches));
    host->closing++;
    uv_close((uv_handle_t *)&host->posted, posted_closed);
}

bool tc_ledger_working(const struct tc_host *host)
{
    return !LIST_EMPTY(&host->works);
}

bool tc_ledger_busy(const struct tc_host *host)
{
    return host->closing || tc_ledger_working(host);
}

static size_t describe(char *text, size_t cap, size_t at, size_t n, const char *noun)
{
    int written;

    if (!n || at >= cap)
        return at;
    written = snprintf(text + at, cap - at, "%s%zu %s", at ? ", " : "", n, noun);
    return at + (written > 0 ? (size_t)written : 0);
}

bool tc_ledger_reclaim(struct tc_host *host, char *ret_text, size_t cap)
{
    size_t at = 0;

    ret_text[0] = '\0';
    host->events_left = tc_held_release_all(&host->held);
    for (size_t i = 0; i < TC_HOLDINGS; i++) {
        size_t n = host->counts[i].left;

        at = describe(ret_text, cap, at, n, n == 1 ? holdings[i].one : holdings[i].many);
    }
    at = describe(ret_text, cap, at, host->events_left,
                  host->events_left == 1 ? "event reference" : "event references");
    return at > 0;
}

static void put_count(struct tc_pack *p, const char *key, uint64_t now, uint64_t most,
                      uint64_t refused)
{
    tc_pack_begin_map(p, key);
    tc_pack_uint(p, "now", now);
    tc_pack_uint(p, "most", most);
    tc_pack_uint(p, "refused", refused);
    tc_pack_end(p);
}

void tc_ledger_put(struct tc_host *host, struct tc_pack *p)
{
    struct tc_holding_count counts[TC_HOLDINGS];
    size_t events, events_most;

    pthread_mutex_lock(&host->post_lock);
    for (size_t i = 0; i < TC_HOLDINGS; i++)
        counts[i] = host->counts[i];
    pthread_mutex_unlock(&host->post_lock);
    for (size_t i = 0; i < TC_HOLDINGS; i++)
        put_count(p, holdings[i].key, counts[i].now, counts[i].most, counts[i].refused);
    events = tc_held_count(&host->held, &events_most);
    put_count(p, "events", events, events_most, 0);
}
