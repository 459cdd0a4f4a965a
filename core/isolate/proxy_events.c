/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event waits in `queue` for room on the socket, is `inside` until the plugin has
 * returned from it, as the shared page says, and, when an answer is due, `pending` until
 * that has come. Each list is in the order of delivery.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/host/host.h"
#include "core/isolate/isolate.h"
#include "core/isolate/proxy.h"

#define LOOK_MS 500

void tc_proxy_events_init(struct tc_proxy *proxy)
{
    TAILQ_INIT(&proxy->queue);
    TAILQ_INIT(&proxy->inside);
    TAILQ_INIT(&proxy->pending);
}

static void drop(struct tc_proxy *proxy, struct tc_shown_list *list,
                 struct tc_shown *shown)
{
    TAILQ_REMOVE(list, shown, link);
    proxy->count--;
    proxy->host->event_unref(proxy->host, shown->event);
    free(shown);
}

static void abstain(const struct tc_proxy *proxy, const struct tocsin_event *event,
                    const char *why)
{
    (void)tocsin_abstain(proxy->host, event, why);
}

static void lose(const struct tc_proxy *proxy, const struct tocsin_event *event)
{
    tc_host_lose(tc_host_of(proxy->host), 1, event->time_ns);
}

/* What it cannot be shown: whoever waits is answered, the rest is counted. */
static void turn_away(struct tc_proxy *proxy, const struct tocsin_event *event,
                      bool asked, const char *why)
{
    if (asked)
        abstain(proxy, event, why);
    else
        lose(proxy, event);
}

/* ---- What the plugin has returned from ---- */

void tc_proxy_look(struct tc_proxy *proxy)
{
    uint64_t left = proxy->child.page ? atomic_load(&proxy->child.page->left) : 0;
    struct tc_shown *shown;

    if (left > proxy->seq) /* it may write anything there */
        left = proxy->seq;
    if (left != proxy->left) {
        proxy->left = left;
        proxy->moved_ns = proxy->host->now_ns(proxy->host);
    }
    while ((shown = TAILQ_FIRST(&proxy->inside)) && shown->seq <= left) {
        if (!shown->asked) {
            drop(proxy, &proxy->inside, shown);
            continue;
        }
        TAILQ_REMOVE(&proxy->inside, shown, link);
        TAILQ_INSERT_TAIL(&proxy->pending, shown, link);
    }
}

/* Nobody waits any more for what was not answered in time. */
static void forget_overdue(struct tc_proxy *proxy, uint64_t now_ns)
{
    struct tc_shown *shown, *next;

    for (shown = TAILQ_FIRST(&proxy->pending); shown; shown = next) {
        next = TAILQ_NEXT(shown, link);
        if (shown->event->deadline_ns < now_ns)
            drop(proxy, &proxy->pending, shown);
    }
}

static void on_look(void *arg)
{
    struct tc_proxy *proxy = arg;
    uint64_t now = proxy->host->now_ns(proxy->host), since = now - proxy->looked_ns;
    char why[TC_WHY_MAX], what[160];

    tc_proxy_look(proxy);
    forget_overdue(proxy, now);
    /* Looked at late: both stood still, and it gets its time anew. */
    if (since > 2 * (uint64_t)LOOK_MS * 1000000)
        proxy->moved_ns = now;
    proxy->looked_ns = now;
    if (!proxy->count) {
        proxy->host->timer_stop(proxy->host, proxy->look);
        proxy->look = NULL;
    } else if (proxy->state == TC_PROXY_UP && !TAILQ_EMPTY(&proxy->inside) &&
               now - proxy->moved_ns > (uint64_t)TC_ISOLATE_HANG_MS * 1000000) {
        tc_proxy_describe(proxy, what, sizeof(what));
        tc_why(why, "hung: no event was finished in %d ms%s", TC_ISOLATE_HANG_MS, what);
        tc_proxy_kill(proxy, why);
    }
}

static void look_from_now(struct tc_proxy *proxy)
{
    if (proxy->look)
        return;
    proxy->looked_ns = proxy->host->now_ns(proxy->host);
    if (proxy->host->timer_start(proxy->host, LOOK_MS, LOOK_MS, on_look, proxy,
                                 &proxy->look))
        proxy->look = NULL;
}

/* ---- Sending ---- */

static void on_room(void *arg, int status, uint32_t events)
{
    struct tc_proxy *proxy = arg;

    (void)status;
    (void)events;
    proxy->host->watch_stop(proxy->host, proxy->room);
    proxy->room = NULL;
    tc_proxy_flush(proxy);
}

static int send_one(struct tc_proxy *proxy, const struct tc_shown *shown)
{
    const struct tocsin_host *host = proxy->host;
    struct tc_wire_head head = {.magic = TC_WIRE_MAGIC,
                                .kind = TC_WIRE_EVENT,
                                .flags = host->passive(host) ? TC_WIRE_PASSIVE : 0,
                                .seq = proxy->seq + 1};
    int err = tc_wire_put_event(&head, shown->event);

    return err ? err
               : tc_wire_send(proxy->child.socket, &head, shown->event->data,
                              shown->event->fd);
}

void tc_proxy_flush(struct tc_proxy *proxy)
{
    struct tc_shown *shown;
    int err = 0;

    if (proxy->reply_due && !proxy->room) {
        err = tc_wire_send(proxy->child.socket, &proxy->reply, NULL, -1);
        proxy->reply_due = err == -EAGAIN;
    }
    while (!err && proxy->state == TC_PROXY_UP && !proxy->room &&
           (shown = TAILQ_FIRST(&proxy->queue))) {
        err = send_one(proxy, shown);
        if (err == -EAGAIN || err == -EPIPE || err == -ECONNRESET)
            break; /* no room, or it is about to be found dead */
        if (err) {
            turn_away(proxy, shown->event, shown->asked, "the event could not be sent");
            drop(proxy, &proxy->queue, shown);
            err = 0;
            continue;
        }
        if (TAILQ_EMPTY(&proxy->inside))
            proxy->moved_ns = proxy->host->now_ns(proxy->host);
        shown->seq = ++proxy->seq;
        TAILQ_REMOVE(&proxy->queue, shown, link);
        TAILQ_INSERT_TAIL(&proxy->inside, shown, link);
    }
    if (err == -EAGAIN &&
        proxy->host->watch_fd(proxy->host, proxy->child.room, TOCSIN_WRITABLE, on_room,
                              proxy, &proxy->room))
        proxy->room = NULL;
}

/* Why it is not to be shown the event now, or NULL. */
static const char *objection(struct tc_proxy *proxy, const struct tocsin_event *event,
                             bool asked)
{
    const struct tc_isolate *isolate = proxy->cell->isolate;

    if (asked && proxy->state != TC_PROXY_UP)
        return "its process is being started again";
    if (tc_blame_has(&isolate->blame, proxy->cell->hash, event)) {
        proxy->held_back++;
        return "its process crashed on this file before";
    }
    if (proxy->count >= TC_ISOLATE_EVENTS_MAX)
        return "its process is too far behind";
    return NULL;
}

void tc_proxy_event(void *state, const struct tocsin_event *event)
{
    struct tc_proxy *proxy = state;
    bool asked = proxy->votes && (event->flags & TOCSIN_EVENT_AUTH);
    struct tc_shown *shown = NULL;
    const char *why;

    tc_proxy_look(proxy);
    why = objection(proxy, event, asked);
    if (!why) {
        shown = malloc(sizeof(*shown));
        why = shown ? NULL : "out of memory";
    }
    if (why) {
        turn_away(proxy, event, asked, why);
        return;
    }
    *shown = (struct tc_shown){.event = event, .asked = asked};
    proxy->host->event_ref(proxy->host, event);
    TAILQ_INSERT_TAIL(&proxy->queue, shown, link);
    proxy->count++;
    look_from_now(proxy);
    tc_proxy_flush(proxy);
}

/* ---- Answers ---- */

static struct tc_shown *find_asked(struct tc_shown_list *list, uint64_t id)
{
    struct tc_shown *shown;

    TAILQ_FOREACH(shown, list, link)
    if (shown->asked && shown->event->id == id)
        return shown;
    return NULL;
}

bool tc_proxy_take_answer(struct tc_proxy *proxy, uint64_t id)
{
    struct tc_shown *shown;

    tc_proxy_look(proxy);
    shown = find_asked(&proxy->pending, id);
    if (shown) {
        drop(proxy, &proxy->pending, shown);
        return true;
    }
    shown = find_asked(&proxy->inside, id);
    if (!shown) {
        proxy->late++;
        return false;
    }
    shown->asked = false;
    return true;
}

/* ---- The end of a process ---- */

/* The event that the plugin has not returned from, or NULL. */
static const struct tc_shown *find_inside(const struct tc_proxy *proxy)
{
    uint64_t entered = proxy->child.page ? atomic_load(&proxy->child.page->entered) : 0;
    const struct tc_shown *shown;

    TAILQ_FOREACH(shown, &proxy->inside, link)
    if (shown->seq == entered)
        return shown;
    return NULL;
}

void tc_proxy_describe(const struct tc_proxy *proxy, char *text, size_t cap)
{
    const struct tc_shown *shown = find_inside(proxy);
    struct tocsin_str path;

    *text = '\0';
    if (!shown)
        return;
    path = tocsin_event_str(shown->event, TOCSIN_FIELD_FILE_PATH);
    (void)snprintf(text, cap, " (%s%s%.*s)", shown->event->topic, path.len ? " " : "",
                   (int)(path.len < 100 ? path.len : 100), path.ptr ? path.ptr : "");
}

/* In its event callback, that event; else, in work of its own, one of those that it has
 * not answered. */
static void blame_what_was_open(struct tc_proxy *proxy)
{
    struct tc_blame *blame = &proxy->cell->isolate->blame;
    const struct tc_shown *shown = find_inside(proxy);
    bool alone;

    if (shown) {
        tc_blame_add(blame, proxy->cell->hash, shown->event, true);
        return;
    }
    shown = TAILQ_FIRST(&proxy->pending);
    alone = shown && !TAILQ_NEXT(shown, link);
    TAILQ_FOREACH(shown, &proxy->pending, link)
    tc_blame_add(blame, proxy->cell->hash, shown->event, alone);
}

void tc_proxy_abandon(struct tc_proxy *proxy, bool blame)
{
    struct tc_shown_list *const sent[] = {&proxy->inside, &proxy->pending};
    struct tc_shown *shown, *next;

    tc_proxy_look(proxy);
    if (blame)
        blame_what_was_open(proxy);
    for (size_t i = 0; i < 2; i++)
        while ((shown = TAILQ_FIRST(sent[i]))) {
            turn_away(proxy, shown->event, shown->asked, "its process has ended");
            drop(proxy, sent[i], shown);
        }
    for (shown = TAILQ_FIRST(&proxy->queue); shown; shown = next) {
        next = TAILQ_NEXT(shown, link);
        if (!shown->asked)
            continue; /* the next process is shown it */
        abstain(proxy, shown->event, "its process has ended");
        drop(proxy, &proxy->queue, shown);
    }
    proxy->seq = proxy->left = 0;
}

void tc_proxy_forget(struct tc_proxy *proxy)
{
    struct tc_shown *shown;

    tc_proxy_abandon(proxy, false);
    while ((shown = TAILQ_FIRST(&proxy->queue)))
        drop(proxy, &proxy->queue, shown);
}
