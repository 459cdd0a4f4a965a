/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what stands in the agent for a plugin that runs in another process: its
 * callbacks, and all that it has under way. For the files of core/isolate that are the
 * agent's side. proxy.c leads the process's life, proxy_events.c what it is shown and
 * what is open, proxy_words.c what it says. Loop thread.
 */
#ifndef TC_CORE_PROXY_H
#define TC_CORE_PROXY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/base/why.h"
#include "core/host/loader.h"
#include "core/isolate/child.h"
#include "core/isolate/setup.h"
#include "core/isolate/wire.h"

struct tc_isolate;

/* The module of an isolated plugin. */
struct tc_cell {
    struct tc_module module; /* first: a pointer to it is one to this */
    struct tc_isolate *isolate;
    struct tc_told told;    /* what the descriptor is made of */
    int copy;               /* the checked file, sealed in memory */
    uint64_t hash;          /* of the file, for blame */
    struct tc_proxy *proxy; /* while init has made one */
};

/* Makes the descriptor's callbacks the proxy's. */
void tc_proxy_bind(struct tocsin_plugin *plugin);

/* The setup of its process, for the agent's side to send. */
struct tc_setup tc_cell_setup(const struct tc_cell *cell);

enum tc_proxy_state {
    TC_PROXY_DOWN,     /* no process: not started, or to be started anew */
    TC_PROXY_SPAWNING, /* a pool thread starts one */
    TC_PROXY_STARTING, /* the plugin in it is not ready */
    TC_PROXY_UP,
    TC_PROXY_STOPPING,
};

/* An event from its delivery until the plugin has returned from it and, if it is asked,
 * has answered. */
struct tc_shown {
    TAILQ_ENTRY(tc_shown) link;
    const struct tocsin_event *event; /* a reference */
    uint64_t seq;                     /* 0: not sent */
    bool asked;                       /* an answer is due */
};

TAILQ_HEAD(tc_shown_list, tc_shown);

struct tc_proxy {
    const struct tocsin_host *host;
    struct tc_cell *cell;
    enum tc_proxy_state state;
    struct tc_child child;
    struct tocsin_watch *readable, *ended, *room;
    struct tocsin_timer *look, *retry, *last_moment;
    bool votes;
    bool complete_due; /* start or stop has returned TOCSIN_PENDING */
    bool stop_wanted;  /* while a pool thread starts a process */

    /* proxy_events.c */
    struct tc_shown_list queue;   /* not sent */
    struct tc_shown_list inside;  /* sent; the plugin has not returned from it */
    struct tc_shown_list pending; /* returned from; asked, not answered */
    size_t count;                 /* in all three */
    uint64_t seq, left;           /* the last sent; the last known to be returned from */
    uint64_t moved_ns, looked_ns; /* when `left` changed; when somebody last looked */
    uint64_t held_back, late;     /* events, for blame; answers to what was answered */

    /* proxy.c */
    uint64_t started_ns, crashes_ns[3]; /* the newest last */
    unsigned restarts;
    char kill_why[TC_WHY_MAX]; /* why the agent has killed it, or "" */
    char refusal[TC_WHY_MAX];  /* why the plugin in it did not start, or "" */
    char last_error[TC_WHY_MAX];
    struct tc_spawn *spawn; /* while a pool thread has it */
    struct tc_wire_head reply;
    bool reply_due; /* that one; its process waits for it, so there is no second */
    char buf[TC_WIRE_BYTES_MAX];
};

/* ---- proxy.c ---- */

/* Ends the process for a reason that is no crash of its own. */
void tc_proxy_kill(struct tc_proxy *proxy, const char *why);

/* It has closed its end: it dies, or else is ended. */
void tc_proxy_hung_up(struct tc_proxy *proxy);

/* The plugin in the process runs, or has failed. */
void tc_proxy_ready(struct tc_proxy *proxy);

/* ---- proxy_events.c ---- */

void tc_proxy_events_init(struct tc_proxy *proxy);

/* The event callback. */
void tc_proxy_event(void *state, const struct tocsin_event *event);

/* Sends what the process has room for. */
void tc_proxy_flush(struct tc_proxy *proxy);

/* Sees what the plugin has returned from. */
void tc_proxy_look(struct tc_proxy *proxy);

/* Whether the event is asked and not answered; it now is. */
bool tc_proxy_take_answer(struct tc_proxy *proxy, uint64_t id);

/* The process is gone: remembers what it was busy with (when it was its own doing),
 * answers all that is asked, and forgets all that it was sent. */
void tc_proxy_abandon(struct tc_proxy *proxy, bool blame);

/* Forgets what waits, too. */
void tc_proxy_forget(struct tc_proxy *proxy);

/* Of the event that it is in, "" or " (file.open /path)". */
void tc_proxy_describe(const struct tc_proxy *proxy, char *text, size_t cap);

/* ---- proxy_words.c ---- */

/* Takes what the process has said, some at a time or (it has ended) all. */
void tc_proxy_listen(struct tc_proxy *proxy, bool all);

#endif
