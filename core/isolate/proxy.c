/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the process behind a proxy. It is started by a pool thread, since executing
 * a program may wait for a disk; whatever ends it, its end is seen in one place,
 * on_ended.
 */
#include "core/isolate/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/host/host.h"
#include "core/host/plugin.h"
#include "core/isolate/isolate.h"

#define NS_PER_MS UINT64_C(1000000)
#define LAST_MOMENT_MS 200 /* between the end of a connection and that of its process */

/* What a pool thread is given, and gives back. */
struct tc_spawn {
    struct tc_proxy *proxy;
    struct tc_isolate *isolate;
    int copy;
    uint32_t flags;
    char name[64], state_dir[4096];
    struct tocsin_writer setup;
    struct tc_child child;
    int err;
    char why[TC_WHY_MAX];
};

static void begin(struct tc_proxy *proxy);

static const char *name_of(const struct tc_proxy *proxy)
{
    return proxy->cell->module.plugin->name;
}

/* ---- Its folder ---- */

/* A folder on the way to it: others of its group may pass, and see nothing. */
static int make_passage(const struct tc_isolate *isolate, const char *path)
{
    if (mkdir(path, 0710) < 0 && errno != EEXIST)
        return -errno;
    if (geteuid() != 0)
        return 0;
    return chown(path, 0, isolate->gid) || chmod(path, 0710) ? -errno : 0;
}

/* <state>/isolated/<name>, its user's alone. */
static int make_state_dir(struct tc_spawn *spawn)
{
    const struct tc_isolate *isolate = spawn->isolate;
    char *path = spawn->state_dir;
    size_t cap = sizeof(spawn->state_dir);
    int err = make_passage(isolate, isolate->state_dir);

    if (err)
        return err;
    (void)snprintf(path, cap, "%s/isolated", isolate->state_dir);
    err = make_passage(isolate, path);
    if (err)
        return err;
    if (snprintf(path, cap, "%s/isolated/%s", isolate->state_dir, spawn->name) >=
        (int)cap)
        return -ENAMETOOLONG;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (geteuid() == 0 && chown(path, isolate->uid, isolate->gid))
        return -errno;
    return 0;
}

/* ---- Starting a process ---- */

static void spawn_run(void *arg)
{
    struct tc_spawn *spawn = arg;

    spawn->err = make_state_dir(spawn);
    if (spawn->err) {
        tc_why(spawn->why, "cannot make its folder %s: %s", spawn->state_dir,
               strerror(-spawn->err));
        return;
    }
    spawn->err =
        tc_child_start(spawn->isolate, spawn->copy, spawn->setup.buf, spawn->setup.len,
                       spawn->flags, &spawn->child, spawn->why);
}

static void spawn_free(struct tc_spawn *spawn)
{
    tocsin_writer_done(&spawn->setup);
    free(spawn);
}

static void on_readable(void *arg, int status, uint32_t events)
{
    (void)status;
    (void)events;
    tc_proxy_listen(arg, false);
}

static void on_ended(void *arg, int status, uint32_t events);

static int watch(struct tc_proxy *proxy)
{
    const struct tocsin_host *host = proxy->host;
    int err = host->watch_fd(host, proxy->child.socket, TOCSIN_READABLE, on_readable,
                             proxy, &proxy->readable);

    return err ? err
               : host->watch_fd(host, proxy->child.pidfd, TOCSIN_READABLE, on_ended,
                                proxy, &proxy->ended);
}

static void release(struct tc_proxy *proxy)
{
    const struct tocsin_host *host = proxy->host;

    host->watch_stop(host, proxy->readable);
    host->watch_stop(host, proxy->ended);
    host->watch_stop(host, proxy->room);
    host->timer_stop(host, proxy->last_moment);
    proxy->readable = proxy->ended = proxy->room = NULL;
    proxy->last_moment = NULL;
    proxy->reply_due = false;
    tc_child_done(proxy->cell->isolate, &proxy->child);
}

static void complete(struct tc_proxy *proxy, int status)
{
    if (!proxy->complete_due)
        return;
    proxy->complete_due = false;
    proxy->host->complete(proxy->host, status);
}

/* It cannot be had: neither now nor by trying again. */
static void give_up(struct tc_proxy *proxy, const char *why)
{
    proxy->state = TC_PROXY_DOWN;
    proxy->complete_due = false;
    tc_host_fail(tc_host_of(proxy->host), why);
}

static void spawn_done(void *arg, int status)
{
    struct tc_spawn *spawn = arg;
    struct tc_proxy *proxy = spawn->proxy;
    char why[TC_WHY_MAX];

    proxy->spawn = NULL;
    proxy->state = TC_PROXY_DOWN;
    if (status)
        spawn->err = status;
    else if (!spawn->err)
        proxy->child = spawn->child;
    if (proxy->stop_wanted) {
        release(proxy);
        complete(proxy, 0);
    } else if (spawn->err || watch(proxy)) {
        tc_why(why, "plugin %s: %.200s", name_of(proxy),
               spawn->err ? spawn->why : "out of memory");
        release(proxy);
        give_up(proxy, why);
    } else {
        proxy->state = TC_PROXY_STARTING;
        proxy->started_ns = proxy->host->now_ns(proxy->host);
    }
    spawn_free(spawn);
}

static int make_spawn(struct tc_proxy *proxy, struct tc_spawn **ret_spawn)
{
    struct tc_setup setup = tc_cell_setup(proxy->cell);
    struct tc_spawn *spawn = calloc(1, sizeof(*spawn));

    if (!spawn)
        return -ENOMEM;
    spawn->proxy = proxy;
    spawn->isolate = proxy->cell->isolate;
    spawn->copy = proxy->cell->copy;
    spawn->child = (struct tc_child){.pidfd = -1, .socket = -1, .room = -1};
    spawn->flags = proxy->host->passive(proxy->host) ? TC_WIRE_PASSIVE : 0;
    (void)snprintf(spawn->name, sizeof(spawn->name), "%s", name_of(proxy));
    (void)snprintf(spawn->state_dir, sizeof(spawn->state_dir), "%s/isolated/%s",
                   spawn->isolate->state_dir, spawn->name);
    setup.state_dir = spawn->state_dir;
    tocsin_writer_init_growing(&spawn->setup);
    tc_setup_write(&spawn->setup, &setup, proxy->host, proxy->cell->module.plugin);
    if (spawn->setup.error) {
        spawn_free(spawn);
        return -ENOMEM;
    }
    *ret_spawn = spawn;
    return 0;
}

static void begin(struct tc_proxy *proxy)
{
    int err = make_spawn(proxy, &proxy->spawn);

    if (!err)
        err = proxy->host->work(proxy->host, spawn_run, spawn_done, proxy->spawn);
    if (!err) {
        proxy->state = TC_PROXY_SPAWNING;
        return;
    }
    if (proxy->spawn)
        spawn_free(proxy->spawn);
    proxy->spawn = NULL;
    give_up(proxy, "its process cannot be started: out of memory");
}

void tc_proxy_ready(struct tc_proxy *proxy)
{
    const struct tocsin_host *host = proxy->host;

    if (proxy->state != TC_PROXY_STARTING)
        return;
    proxy->state = TC_PROXY_UP;
    host->report(host, TOCSIN_REPORT_CLEAR, "process", NULL, NULL);
    complete(proxy, 0);
    tc_proxy_flush(proxy);
}

/* ---- Its end ---- */

void tc_proxy_kill(struct tc_proxy *proxy, const char *why)
{
    if (proxy->kill_why[0])
        return;
    tc_why(proxy->kill_why, "%.200s", why);
    tc_child_kill(&proxy->child);
}

static void on_last_moment(void *arg)
{
    tc_proxy_kill(arg, "closed its connection to the agent");
}

/* The kernel closes the files of a process that dies just before it tells of its end. */
void tc_proxy_hung_up(struct tc_proxy *proxy)
{
    const struct tocsin_host *host = proxy->host;

    host->watch_stop(host, proxy->readable);
    proxy->readable = NULL;
    if (!proxy->last_moment && host->timer_start(host, LAST_MOMENT_MS, 0, on_last_moment,
                                                 proxy, &proxy->last_moment))
        on_last_moment(proxy);
}

static void on_retry(void *arg)
{
    struct tc_proxy *proxy = arg;

    proxy->host->timer_stop(proxy->host, proxy->retry);
    proxy->retry = NULL;
    proxy->restarts++;
    begin(proxy);
}

/* How many of its last ends, this one too, came within the limit. */
static unsigned count_crash(struct tc_proxy *proxy)
{
    const size_t kept = sizeof(proxy->crashes_ns) / sizeof(*proxy->crashes_ns);
    uint64_t now = proxy->host->now_ns(proxy->host);
    unsigned n = 0;

    memmove(proxy->crashes_ns, proxy->crashes_ns + 1,
            (kept - 1) * sizeof(*proxy->crashes_ns));
    proxy->crashes_ns[kept - 1] = now;
    for (size_t i = 0; i < kept; i++)
        n += proxy->crashes_ns[i] &&
             now - proxy->crashes_ns[i] < TC_ISOLATE_CRASHES_MS * NS_PER_MS;
    return n;
}

/* What the last process said when it could not be started is the vendor's own sentence.
 */
static void start_again(struct tc_proxy *proxy, const char *how)
{
    const struct tocsin_host *host = proxy->host;
    unsigned crashes = count_crash(proxy);
    char text[TC_WHY_MAX], fix[128];
    uint64_t after_ms;

    if (crashes >= TC_ISOLATE_CRASHES_MAX) {
        tc_why(text, "plugin %s: left out after %u ends of its process: the last %.160s",
               name_of(proxy), crashes, how);
        give_up(proxy, text);
        return;
    }
    after_ms = proxy->cell->isolate->retry_ms << (crashes - 1);
    tc_why(text, "its process %.180s; it is started again", how);
    (void)snprintf(fix, sizeof(fix), "tocsin plugin info %s", name_of(proxy));
    host->report(host, TOCSIN_REPORT_ISSUE, "process", text, fix);
    proxy->state = TC_PROXY_DOWN;
    if (host->timer_start(host, after_ms, 0, on_retry, proxy, &proxy->retry))
        give_up(proxy, "its process cannot be started again: out of memory");
}

static void describe_end(struct tc_proxy *proxy, char how[TC_WHY_MAX], int *ret_status)
{
    char ended[128] = "ended", what[160];

    *ret_status = 0;
    (void)tc_child_ended(&proxy->child, ret_status, ended, sizeof(ended));
    tc_proxy_look(proxy);
    tc_proxy_describe(proxy, what, sizeof(what));
    if (proxy->kill_why[0])
        tc_why(how, "%.200s", proxy->kill_why);
    else
        tc_why(how, "%s%s", ended, what);
}

static void on_ended(void *arg, int status, uint32_t events)
{
    struct tc_proxy *proxy = arg;
    enum tc_proxy_state was;
    char how[TC_WHY_MAX];
    int exit_status;

    (void)status;
    (void)events;
    tc_proxy_listen(proxy, true); /* its last words, answers among them */
    was = proxy->state;
    describe_end(proxy, how, &exit_status);
    proxy->state = TC_PROXY_DOWN;
    if (was == TC_PROXY_STOPPING) {
        release(proxy);
        complete(proxy, 0);
        return;
    }
    tc_proxy_abandon(proxy, true);
    release(proxy);
    tc_why(proxy->last_error, "%s", proxy->refusal[0] ? proxy->refusal : how);
    /* Kept for `plugin info`; the log has it with what follows. */
    tc_host_complain(tc_host_of(proxy->host), TOCSIN_LOG_DEBUG, "its process %s",
                     proxy->last_error);
    proxy->kill_why[0] = '\0';
    if (proxy->refusal[0])
        give_up(proxy, proxy->refusal);
    else
        start_again(proxy, how);
}

/* ---- The plugin's callbacks ---- */

static int proxy_init(const struct tocsin_host *host, void **ret_state)
{
    struct tc_proxy *proxy = calloc(1, sizeof(*proxy));
    struct tc_host *real = tc_host_of(host);

    if (!proxy)
        return -ENOMEM;
    proxy->host = host;
    /* The descriptor is the module's copy, and the module is the cell's first member. */
    proxy->cell = (struct tc_cell *)((char *)(uintptr_t)real->plugin -
                                     offsetof(struct tc_cell, module.copy));
    proxy->cell->proxy = proxy;
    proxy->votes = tc_host_may_publish(real, TOCSIN_TOPIC_VERDICT);
    proxy->child = (struct tc_child){.pidfd = -1, .socket = -1, .room = -1};
    tc_proxy_events_init(proxy);
    *ret_state = proxy;
    return 0;
}

static int proxy_start(void *state)
{
    struct tc_proxy *proxy = state;

    proxy->complete_due = true;
    begin(proxy);
    return TOCSIN_PENDING;
}

static int proxy_stop(void *state)
{
    const struct tc_wire_head head = {.magic = TC_WIRE_MAGIC, .kind = TC_WIRE_STOP};
    struct tc_proxy *proxy = state;
    const struct tocsin_host *host = proxy->host;

    tc_proxy_forget(proxy);
    host->timer_stop(host, proxy->retry);
    host->timer_stop(host, proxy->look);
    host->timer_stop(host, proxy->last_moment);
    proxy->retry = proxy->look = proxy->last_moment = NULL;
    proxy->complete_due = false;
    if (proxy->state == TC_PROXY_DOWN)
        return 0;
    proxy->complete_due = true;
    if (proxy->state == TC_PROXY_SPAWNING) {
        proxy->stop_wanted = true;
        return TOCSIN_PENDING;
    }
    if (proxy->state == TC_PROXY_STARTING ||
        tc_wire_send(proxy->child.socket, &head, NULL, -1))
        tc_child_kill(&proxy->child);
    proxy->state = TC_PROXY_STOPPING;
    return TOCSIN_PENDING;
}

static void proxy_destroy(void *state)
{
    struct tc_proxy *proxy = state;

    /* One that did not stop in time: its watches are gone already. */
    tc_child_done(proxy->cell->isolate, &proxy->child);
    proxy->cell->proxy = NULL;
    free(proxy);
}

/* No reload: with other options, its process is started anew. */
void tc_proxy_bind(struct tocsin_plugin *plugin)
{
    plugin->init = proxy_init;
    plugin->start = proxy_start;
    plugin->event = tc_proxy_event;
    plugin->reload = NULL;
    plugin->stop = proxy_stop;
    plugin->destroy = proxy_destroy;
}
