/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the process tocsin-host: one isolated plugin, whose events come as frames and
 * whose words go as frames. It closes its sandbox before it loads a line of the plugin's
 * code, and ends with the agent. Everything here runs on its loop thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/log.h"
#include "core/base/why.h"
#include "core/host/loader.h"
#include "core/isolate/confine.h"
#include "core/isolate/setup.h"
#include "core/isolate/wire.h"
#include "core/lone/lone.h"
#include "sandbox/sandbox.h"

#define FRAMES_A_TURN 64 /* handled before the loop looks at anything else */

/* A frame that came while the plugin waited for an answer. */
struct waiting {
    STAILQ_ENTRY(waiting) link;
    struct tc_wire_head head;
    int fd;
    char data[];
};

struct host {
    uv_loop_t loop;
    uv_poll_t readable;
    uv_idle_t behind; /* runs while frames wait that were received already */
    STAILQ_HEAD(, waiting) waiting;
    struct tc_wire_page *page;
    struct tc_lone *lone;
    struct tc_setup setup;
    bool passive;
    char buf[TC_WIRE_BYTES_MAX];
};

static void doing(struct host *host, enum tc_wire_doing what)
{
    atomic_store(&host->page->doing, what);
}

/* The agent is gone, or no longer listens: there is nobody to work for. */
static void send_frame(struct tc_wire_head *head, const void *data, size_t len)
{
    int err;

    head->magic = TC_WIRE_MAGIC;
    head->len = (uint32_t)len;
    err = tc_wire_send_all(TC_WIRE_FD_SOCKET, head, data);
    if (err && err != -EMSGSIZE)
        _exit(0);
}

static void send_changed(enum tc_plugin_state state, const char *why)
{
    struct tc_wire_head head = {.kind = TC_WIRE_CHANGED, .status = (int32_t)state};

    send_frame(&head, why, strlen(why));
}

/* ---- Waiting for an answer ---- */

static void keep(struct host *host, const struct tc_wire_head *head, const void *data,
                 int fd)
{
    struct waiting *frame = malloc(sizeof(*frame) + head->len);

    if (!frame)
        abort(); /* a frame less is a question less answered: better to start anew */
    frame->head = *head;
    frame->fd = fd;
    memcpy(frame->data, data, head->len);
    STAILQ_INSERT_TAIL(&host->waiting, frame, link);
}

static void catch_up(uv_idle_t *idle);

/* The agent's answer; what comes before it waits. */
static void await_reply(struct host *host, struct tc_wire_head *ret_head)
{
    struct pollfd readable = {.fd = TC_WIRE_FD_SOCKET, .events = POLLIN};
    const void *data;
    int fd, err;

    for (;;) {
        err = tc_wire_receive(TC_WIRE_FD_SOCKET, host->buf, ret_head, &data, &fd);
        if (err == -EAGAIN) {
            (void)poll(&readable, 1, -1);
            continue;
        }
        if (err)
            _exit(0);
        if (ret_head->kind == TC_WIRE_REPLY)
            break;
        keep(host, ret_head, data, fd);
    }
    if (!STAILQ_EMPTY(&host->waiting))
        (void)uv_idle_start(&host->behind, catch_up);
}

/* ---- What the plugin says ---- */

static int on_publish(void *arg, const struct tocsin_event *draft, uint64_t *ret_id)
{
    struct tc_wire_head head = {.kind = TC_WIRE_PUBLISH,
                                .flags = ret_id ? TC_WIRE_WANT : 0};
    struct tc_wire_head reply;
    struct tocsin_event event = *draft;
    int err;

    if (draft->fd >= 0)
        return -EOPNOTSUPP; /* descriptors go one way, to the plugin */
    event.source = NULL;    /* the agent knows who it is */
    err = tc_wire_put_event(&head, &event);
    if (err)
        return err;
    send_frame(&head, draft->data, draft->len);
    if (!ret_id)
        return 0;
    await_reply(arg, &reply);
    *ret_id = reply.id;
    return reply.status;
}

static void on_report(void *arg, uint32_t what, const char *key, const char *text,
                      const char *fix)
{
    struct tc_wire_head head = {.kind = TC_WIRE_REPORT, .status = (int32_t)what};
    struct tocsin_writer w;

    (void)arg;
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "key", key);
    if (text)
        tocsin_put_str(&w, "text", text);
    if (fix)
        tocsin_put_str(&w, "fix", fix);
    tocsin_end(&w);
    if (!w.error)
        send_frame(&head, w.buf, w.len);
    tocsin_writer_done(&w);
}

static int on_excluded(void *arg, const char *path, const char *executable)
{
    struct tc_wire_head head = {.kind = TC_WIRE_ASK}, reply = {.status = 0};
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    if (path)
        tocsin_put_str(&w, "path", path);
    if (executable)
        tocsin_put_str(&w, "executable", executable);
    tocsin_end(&w);
    if (!w.error) {
        send_frame(&head, w.buf, w.len);
        await_reply(arg, &reply);
    }
    tocsin_writer_done(&w);
    return reply.status;
}

static bool on_passive(void *arg)
{
    return ((struct host *)arg)->passive;
}

static bool on_is_agent(void *arg, int32_t pid)
{
    const struct host *host = arg;

    return pid == getpid() || pid == host->setup.agent || pid == host->setup.supervisor;
}

static void on_changed(void *arg, enum tc_plugin_state state, const char *why)
{
    struct host *host = arg;

    if (state == TC_PLUGIN_RUNNING || state == TC_PLUGIN_FAILED) {
        doing(host, TC_WIRE_DOING_NOTHING);
        send_changed(state, why);
    }
    if (state == TC_PLUGIN_STOPPED || state == TC_PLUGIN_FAILED)
        uv_stop(&host->loop);
}

/* ---- What the agent says ---- */

static void show(struct host *host, const struct tc_wire_head *head, const void *data,
                 int fd)
{
    struct tocsin_event event;

    tc_wire_get_event(head, data, &event);
    event.fd = fd;
    host->passive = head->flags & TC_WIRE_PASSIVE;
    doing(host, TC_WIRE_DOING_EVENT);
    atomic_store(&host->page->entered, head->seq);
    if (tc_lone_show(host->lone, &event) && fd >= 0)
        close(fd);
    atomic_store(&host->page->left, head->seq);
    doing(host, TC_WIRE_DOING_NOTHING);
}

static void handle(struct host *host, const struct tc_wire_head *head, const void *data,
                   int fd)
{
    if (head->kind == TC_WIRE_EVENT) {
        show(host, head, data, fd);
        return;
    }
    if (fd >= 0)
        close(fd);
    if (head->kind != TC_WIRE_STOP)
        return;
    doing(host, TC_WIRE_DOING_STOP);
    if (tc_lone_stop(host->lone))
        uv_stop(&host->loop);
}

/* The next frame, of those kept first. False when there is none. */
static bool handle_next(struct host *host)
{
    struct waiting *kept = STAILQ_FIRST(&host->waiting);
    struct tc_wire_head head;
    const void *data;
    int fd, err;

    if (kept) {
        STAILQ_REMOVE_HEAD(&host->waiting, link);
        handle(host, &kept->head, kept->data, kept->fd);
        free(kept);
        return true;
    }
    err = tc_wire_receive(TC_WIRE_FD_SOCKET, host->buf, &head, &data, &fd);
    if (err == -EAGAIN)
        return false;
    if (err)
        _exit(0);
    handle(host, &head, data, fd);
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct host *host = poll->data;
    unsigned left = FRAMES_A_TURN;

    (void)status;
    (void)events;
    while (left-- && handle_next(host))
        ;
}

static void catch_up(uv_idle_t *idle)
{
    struct host *host = idle->data;

    on_readable(&host->readable, 0, 0);
    if (STAILQ_EMPTY(&host->waiting))
        (void)uv_idle_stop(idle);
}

/* ---- Its life ---- */

static int receive_setup(struct host *host)
{
    struct pollfd readable = {.fd = TC_WIRE_FD_SOCKET, .events = POLLIN};
    struct tc_wire_head head;
    const void *data;
    int err;

    while ((err = tc_wire_receive(TC_WIRE_FD_SOCKET, host->buf, &head, &data, NULL)) ==
           -EAGAIN)
        (void)poll(&readable, 1, -1);
    if (err || head.kind != TC_WIRE_SETUP)
        return err ? err : -EPROTO;
    host->passive = head.flags & TC_WIRE_PASSIVE;
    /* The options are read later: they stay where the next frame goes until then. */
    return tc_setup_read(data, head.len, &host->setup);
}

static void allow_read(void *arg, const char *path)
{
    tc_sandbox_read(((const struct tc_confine *)arg)->files, path);
}

/* The kernel that needs memory takes this process before the agent. */
static void go_first(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!write(fd, "300", 3);
        close(fd);
    }
}

static int confine(const struct host *host)
{
    struct tc_confine confined = {.uid = host->setup.uid,
                                  .gid = host->setup.gid,
                                  .memory_bytes = host->setup.memory_bytes};
    int err;

    go_first();
    err = tc_confine_begin(&confined);
    if (err)
        return err;
    tc_setup_paths(&host->setup, allow_read, &confined);
    if (*host->setup.state_dir)
        tc_sandbox_write(confined.files, host->setup.state_dir);
    err = tc_confine_end(&confined);
    if (err)
        return err;
    /* Undone by the change of user, so only now. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    return getppid() == host->setup.agent ? 0 : -ESRCH;
}

static void say_hello(const struct tocsin_plugin *plugin)
{
    struct tc_wire_head head = {.kind = TC_WIRE_HELLO};
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tc_told_write(&w, plugin);
    if (!w.error)
        send_frame(&head, w.buf, w.len);
    tocsin_writer_done(&w);
}

static int make(struct host *host, struct tc_module *module, char why[256])
{
    const struct tc_lone_options options = {.loop = &host->loop,
                                            .state_dir = host->setup.state_dir,
                                            .sink = {.publish = on_publish,
                                                     .report = on_report,
                                                     .excluded = on_excluded,
                                                     .passive = on_passive,
                                                     .is_agent = on_is_agent,
                                                     .changed = on_changed,
                                                     .arg = host}};
    int err = tc_lone_new(&options, &host->lone);

    if (!err)
        err = tc_lone_take(host->lone, module, why);
    if (!err)
        err = tc_setup_options(&host->setup, host->lone, why);
    return err;
}

static int run(struct host *host, struct tc_module *module, char why[256])
{
    int err;

    (void)uv_loop_init(&host->loop);
    (void)uv_poll_init(&host->loop, &host->readable, TC_WIRE_FD_SOCKET);
    (void)uv_idle_init(&host->loop, &host->behind);
    host->readable.data = host->behind.data = host;
    err = make(host, module, why);
    doing(host, TC_WIRE_DOING_START);
    if (!err)
        err = tc_lone_start(host->lone, why);
    if (err)
        return err;
    doing(host, TC_WIRE_DOING_NOTHING);
    (void)uv_poll_start(&host->readable, UV_READABLE, on_readable);
    (void)uv_run(&host->loop, UV_RUN_DEFAULT);
    /* What still works is not waited for: the process ends with all it holds. */
    if (!tc_lone_busy(host->lone))
        tc_lone_free(host->lone);
    return 0;
}

static int start(struct host *host, char why[256])
{
    struct tc_module *module;
    int err = receive_setup(host);

    if (err)
        return err;
    tc_log_set_level(host->setup.log_level);
    doing(host, TC_WIRE_DOING_LOAD);
    err = confine(host);
    if (err) {
        tc_why(why, "%s: its process cannot be closed in: %s", host->setup.path,
               strerror(-err));
        return err;
    }
    err = tc_module_adopt(TC_WIRE_FD_PLUGIN, host->setup.path, &module, why);
    if (err)
        return err;
    say_hello(module->plugin);
    return host->setup.look ? 0 : run(host, module, why);
}

int main(void)
{
    static struct host host;
    char why[TC_WHY_MAX] = "its process was not told what to do";

    (void)signal(SIGPIPE, SIG_IGN);
    (void)close_range(TC_WIRE_FD_END, ~0u, 0);
    STAILQ_INIT(&host.waiting);
    host.page = mmap(NULL, sizeof(*host.page), PROT_READ | PROT_WRITE, MAP_SHARED,
                     TC_WIRE_FD_PAGE, 0);
    if (host.page == MAP_FAILED) {
        (void)fputs("tocsin-host: is started by tocsind, for a plugin with `isolate: "
                    "true`\n",
                    stderr);
        return 2;
    }
    if (start(&host, why)) {
        send_changed(TC_PLUGIN_FAILED, why);
        return 1;
    }
    return 0;
}
