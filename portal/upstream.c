/* SPDX-License-Identifier: Apache-2.0 */
#include "portal/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/pack.h"
#include "ipc/unpack.h"
#include "portal/link.h"

#define RETRY_MS_MIN 250
#define RETRY_MS_MAX 1000

struct tc_upstream {
    uv_loop_t *loop;
    uv_timer_t retry;
    uint64_t retry_ms;
    char path[256], near[108], why[512];
    bool by_near; /* `path` is closed to this user */
    struct tc_upstream_handlers handlers;
    struct tc_link *link;
    bool up;
};

static void connect_again(uv_timer_t *timer);

/* A sentence for whoever looks at the page. */
static void explain(struct tc_upstream *u, int err)
{
    if (err == -EACCES || err == -EPERM)
        snprintf(u->why, sizeof(u->why),
                 "the portal's user may not talk to the agent at %s: make it a member of "
                 "the group tocsin",
                 u->path);
    else if (err == -ENOENT || err == -ECONNREFUSED || err == -EPIPE)
        snprintf(u->why, sizeof(u->why), "no agent answers at %s: is tocsind running?",
                 u->path);
    else
        snprintf(u->why, sizeof(u->why), "the agent at %s cannot be reached: %s", u->path,
                 strerror(-err));
}

static void on_gone(void *arg, int err)
{
    struct tc_upstream *u = arg;
    bool was_up = u->up;

    tc_link_close(u->link);
    u->link = NULL;
    u->up = false;
    explain(u, err);
    u->by_near = !u->by_near && err == -EACCES && u->near[0];
    (void)uv_timer_start(&u->retry, connect_again, u->retry_ms, 0);
    u->retry_ms = u->retry_ms * 2 < RETRY_MS_MAX ? u->retry_ms * 2 : RETRY_MS_MAX;
    if (was_up)
        u->handlers.changed(u->handlers.arg);
}

/* ["tap.event", [topic, source, id, map, ...]] */
static void on_notified(void *arg, const char *method, const msgpack_object *params)
{
    struct tc_upstream *u = arg;
    const msgpack_object *items = params->via.array.ptr;

    if (!strcmp(method, "tap.event") && params->via.array.size >= 4)
        u->handlers.happened(u->handlers.arg, tc_unpack_text(&items[0]), &items[3]);
}

static void on_tapped(void *arg, const struct tc_link_answer *answer)
{
    (void)arg;
    if (!answer->result && strcmp(answer->code, "gone") != 0)
        fprintf(stderr, "tocsin-portal: pages are not told of changes: %s\n",
                answer->message);
}

static void on_up(void *arg)
{
    static const char *const topics[] = {
        "alert.*",  "threat.*", "quarantine.*",     "approval.*",  "sensor.*",
        "plugin.*", "config.*", "network_filter.*", "isolation.*", "agent.command"};
    struct tc_upstream *u = arg;
    struct tc_pack p;

    u->up = true;
    u->why[0] = '\0';
    u->retry_ms = RETRY_MS_MIN;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_begin_array(&p, "topics");
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
        tc_pack_str(&p, NULL, topics[i]);
    tc_pack_end(&p);
    tc_pack_end(&p);
    (void)tc_link_call(u->link, "tap.open", &p, on_tapped, u);
    tc_pack_done(&p);
    u->handlers.changed(u->handlers.arg);
}

static void connect_again(uv_timer_t *timer)
{
    struct tc_upstream *u = timer->data;
    const struct tc_link_handlers handlers = {on_up, on_gone, on_notified, u};
    int err = tc_link_open(u->loop, tc_upstream_path(u), &handlers, &u->link);

    if (err) {
        u->link = NULL;
        on_gone(u, err);
    }
}

int tc_upstream_start(uv_loop_t *loop, const char *path, const char *near,
                      const struct tc_upstream_handlers *handlers,
                      struct tc_upstream **ret_upstream)
{
    struct tc_upstream *u = calloc(1, sizeof(*u));

    if (!u)
        return -ENOMEM;
    u->loop = loop;
    u->handlers = *handlers;
    u->retry_ms = RETRY_MS_MIN;
    snprintf(u->path, sizeof(u->path), "%s", path);
    snprintf(u->near, sizeof(u->near), "%s", near ? near : "");
    snprintf(u->why, sizeof(u->why), "connecting to the agent at %.200s", path);
    (void)uv_timer_init(loop, &u->retry);
    u->retry.data = u;
    /* From the loop, when the process has given up its rights: the agent judges a
     * connection by who made it. */
    (void)uv_timer_start(&u->retry, connect_again, 0, 0);
    *ret_upstream = u;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void tc_upstream_stop(struct tc_upstream *upstream)
{
    if (!upstream)
        return;
    tc_link_close(upstream->link);
    upstream->link = NULL;
    upstream->up = false;
    uv_close((uv_handle_t *)&upstream->retry, on_closed);
}

struct tc_link *tc_upstream_link(const struct tc_upstream *upstream)
{
    return upstream->up ? upstream->link : NULL;
}

const char *tc_upstream_why(const struct tc_upstream *upstream)
{
    return upstream->why;
}

const char *tc_upstream_path(const struct tc_upstream *upstream)
{
    return upstream->by_near ? upstream->near : upstream->path;
}
