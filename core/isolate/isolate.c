/* SPDX-License-Identifier: Apache-2.0 */
/* From a file to a module whose plugin runs elsewhere. */
#include "core/isolate/isolate.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/hash.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/isolate/proxy.h"
#include "ipc/pack.h"

#define NS_PER_MS UINT64_C(1000000)

void tc_isolate_init(struct tc_isolate *isolate, const char *program,
                     const char *state_dir, pid_t supervisor)
{
    const struct passwd *user = getpwnam(TC_ISOLATE_USER);

    *isolate = (struct tc_isolate){.state_dir = state_dir,
                                   .supervisor = supervisor,
                                   .retry_ms = TC_ISOLATE_RETRY_MS,
                                   .memory_bytes = TC_ISOLATE_MEMORY,
                                   .uid = user ? user->pw_uid : TC_ISOLATE_NOBODY,
                                   .gid = user ? user->pw_gid : TC_ISOLATE_NOBODY,
                                   .nobody = !user};
    (void)snprintf(isolate->program, sizeof(isolate->program), "%s", program);
}

bool tc_isolate_has(const struct tc_isolate *isolate, pid_t pid)
{
    for (size_t i = 0; pid > 0 && i < TC_ISOLATE_MAX; i++)
        if (atomic_load(&isolate->pids[i]) == pid)
            return true;
    return false;
}

/* ---- The module ---- */

static const char *state_name(enum tc_proxy_state state)
{
    static const char *const names[] = {
        [TC_PROXY_DOWN] = "down",         [TC_PROXY_SPAWNING] = "starting",
        [TC_PROXY_STARTING] = "starting", [TC_PROXY_UP] = "running",
        [TC_PROXY_STOPPING] = "stopping",
    };

    return names[state];
}

static void put(const struct tc_module *module, struct tc_pack *p)
{
    const struct tc_cell *cell = (const void *)module;
    const struct tc_proxy *proxy = cell->proxy;

    if (!proxy)
        return;
    tc_pack_str(p, "process", state_name(proxy->state));
    tc_pack_int(p, "pid", proxy->child.pid);
    tc_pack_uint(p, "restarts", proxy->restarts);
    tc_pack_uint(p, "held_back", proxy->held_back);
    tc_pack_uint(p, "late", proxy->late);
    tc_pack_uint(p, "inside", proxy->count);
}

static void gone(struct tc_module *module)
{
    struct tc_cell *cell = (void *)module;

    tc_told_done(&cell->told);
    if (cell->copy >= 0)
        close(cell->copy);
}

static int make_cell(struct tc_isolate *isolate, const char *path,
                     struct tc_cell **ret_cell, char why[256])
{
    struct tc_cell *cell = calloc(1, sizeof(*cell));
    int err;

    if (!cell) {
        tc_why(why, "%s: out of memory", path);
        return -ENOMEM;
    }
    cell->module.memory = -1;
    cell->module.put = put;
    cell->module.gone = gone;
    cell->isolate = isolate;
    cell->copy = -1;
    err = tc_module_copy(path, &cell->copy, cell->module.sha256, why);
    if (err) {
        tc_module_close(&cell->module);
        return err;
    }
    (void)snprintf(cell->module.path, sizeof(cell->module.path), "%s", path);
    cell->hash = tc_hash_text(TC_HASH_START, cell->module.sha256);
    *ret_cell = cell;
    return 0;
}

struct tc_setup tc_cell_setup(const struct tc_cell *cell)
{
    const struct tc_isolate *isolate = cell->isolate;

    return (struct tc_setup){.path = cell->module.path,
                             .state_dir = "",
                             .agent = getpid(),
                             .supervisor = isolate->supervisor,
                             .log_level = tc_log_level(),
                             .uid = isolate->uid,
                             .gid = isolate->gid,
                             .memory_bytes = isolate->memory_bytes};
}

/* ---- What the file is ---- */

/* The first frame of the process, within the limit; 0 or why there is none. */
static int first_frame(const struct tc_child *child, void *buf,
                       struct tc_wire_head *ret_head, const void **ret_data)
{
    struct pollfd readable = {.fd = child->socket, .events = POLLIN};
    int n;

    do
        n = poll(&readable, 1, TC_ISOLATE_LOOK_MS);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return -ETIMEDOUT;
    return tc_wire_receive(child->socket, buf, ret_head, ret_data, NULL);
}

static int refuse_silence(const struct tc_child *child, const char *path, int err,
                          char why[256])
{
    struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
    char how[128];
    int status;

    if (err == -ETIMEDOUT) {
        tc_why(why, "%s: did not say what it is within %d ms of being loaded", path,
               TC_ISOLATE_LOOK_MS);
        return err;
    }
    (void)poll(&ended, 1, TC_ISOLATE_LOOK_MS);
    if (!tc_child_ended(child, &status, how, sizeof(how)))
        tc_why(why, "%s: its process %s", path, how);
    else
        tc_why(why,
               "%s: its process said what cannot be: are tocsind and tocsin-host of "
               "one version?",
               path);
    return -ENOEXEC;
}

static int take_hello(struct tc_cell *cell, const struct tc_child *child, void *buf,
                      char why[256])
{
    const char *path = cell->module.path;
    struct tc_wire_head head;
    const void *data;
    int err = first_frame(child, buf, &head, &data);

    if (!err && head.kind == TC_WIRE_CHANGED) {
        tc_why(why, "%.*s", (int)head.len, (const char *)data);
        return -ENOEXEC;
    }
    if (err || head.kind != TC_WIRE_HELLO)
        return refuse_silence(child, path, err, why);
    err = tc_told_read(data, head.len, &cell->told);
    if (err) {
        tc_why(why, "%s: its process said what is no descriptor", path);
        return err;
    }
    tc_proxy_bind(&cell->told.plugin);
    err = tc_descriptor_read(&cell->told.plugin, path, &cell->module.copy,
                             &cell->module.options, why);
    if (!err)
        cell->module.plugin = &cell->module.copy;
    return err;
}

static int ask_what_it_is(struct tc_cell *cell, char why[256])
{
    struct tc_setup setup = tc_cell_setup(cell);
    struct tocsin_writer w;
    struct tc_child child;
    void *buf = malloc(TC_WIRE_BYTES_MAX);
    int err;

    setup.look = true;
    tocsin_writer_init_growing(&w);
    tc_setup_write(&w, &setup, NULL, NULL);
    err = buf ? w.error : -ENOMEM;
    if (!err) {
        err = tc_child_start(cell->isolate, cell->copy, w.buf, w.len, 0, &child, why);
        if (!err) {
            err = take_hello(cell, &child, buf, why);
            tc_child_done(cell->isolate, &child);
        }
    } else {
        tc_why(why, "%s: out of memory", cell->module.path);
    }
    tocsin_writer_done(&w);
    free(buf);
    return err;
}

int tc_isolate_check(const char *name, uint32_t kind, char why[256])
{
    if (!strcmp(name, "av"))
        tc_why(why, "it moves files into the quarantine, which takes the agent's rights: "
                    "write false or leave it out");
    else if (kind != TOCSIN_KIND_DETECTOR)
        tc_why(why, "only a detector can run in a process of its own: write false or "
                    "leave it out");
    else
        return 0;
    return -ENOTSUP;
}

int tc_isolate_open(void *arg, const char *name, const char *path,
                    struct tc_module **ret_module, char why[256])
{
    struct tc_cell *cell;
    /* What its name tells is told before the file is loaded. */
    int err = tc_isolate_check(name, TOCSIN_KIND_DETECTOR, why);

    if (!err)
        err = make_cell(arg, path, &cell, why);
    if (err)
        return err;
    err = ask_what_it_is(cell, why);
    if (!err)
        err = tc_isolate_check(name, cell->module.plugin->kind, why);
    if (err) {
        tc_module_close(&cell->module);
        return err;
    }
    *ret_module = &cell->module;
    return 0;
}
