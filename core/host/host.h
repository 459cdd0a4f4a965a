/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what one plugin gets to call (struct tocsin_host) and the ledger of what it holds
 * by doing so. host.c has the calls, ledger.c what runs later: timers, watches, work,
 * posts. Used by plugin.c alone. Must not: decide when a plugin starts, stops or has
 * failed.
 */
#ifndef TC_CORE_HOST_H
#define TC_CORE_HOST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <tocsin/plugin.h>
#include <uv.h>

#include "core/base/why.h"
#include "core/host/held.h"
#include "core/host/last_error.h"

struct tc_options;
struct tc_pack;
struct tc_plugin_env;

#define TC_HOST_PUBLISH_BYTES                                                            \
    (32u * 1024 * 1024) /* of one callback; beyond it what is never dropped is refused   \
                         */
#define TC_HOST_COMPLAINTS_MAX 32 /* different ones that are logged, once each */

/* What the ledger counts. Event references have a book of their own, held.h. */
enum tc_holding {
    TC_HOLDS_TIMERS,
    TC_HOLDS_WATCHES,
    TC_HOLDS_WORKS,
    TC_HOLDS_POSTS,
    TC_HOLDINGS,
};

struct tc_holding_count {
    size_t now, most;
    size_t left;      /* still held when the plugin had stopped */
    uint64_t refused; /* for being one too many */
};

struct tc_post;
struct tc_work;

struct tc_host {
    struct tocsin_host pub; /* first: the pointer that the plugin has */
    const struct tc_plugin_env *env;
    const struct tocsin_plugin *plugin;
    const char *name;                 /* interned: events outlive the plugin's own copy */
    const struct tc_options *options; /* borrowed; in force now */
    void (*settle)(void *arg); /* a callback has returned, or a handle has closed */
    void *arg;
    uv_thread_t loop_thread;
    unsigned depth;           /* of the plugin's callbacks on the stack */
    size_t published_bytes;   /* by the callback that runs */
    uint64_t publish_refused; /* for being beyond TC_HOST_PUBLISH_BYTES */

    bool completed; /* complete() was called and not looked at yet */
    int completed_status;

    char failure[TC_WHY_MAX];    /* why it is to fail, or "" (tc_host_fail) */
    uint64_t lost, lost_time_ns; /* events not taken, not looked at yet (tc_host_lose) */

    bool open;      /* timers, watches and work may be made */
    size_t closing; /* handles whose close callback has not come */
    LIST_HEAD(, tocsin_timer) timers;
    LIST_HEAD(, tocsin_watch) watches;
    LIST_HEAD(, tc_work) works;
    struct tc_holding_count counts[TC_HOLDINGS];

    pthread_mutex_t post_lock; /* over the next three, and the posts' count */
    STAILQ_HEAD(, tc_post) posts;
    bool post_open;
    uv_async_t posted;

    struct tc_held held;
    size_t events_left; /* references, as tc_holding_count.left */
    atomic_bool warned_unref;
    uint64_t complaints[TC_HOST_COMPLAINTS_MAX]; /* hashes of what was said already */
    size_t complaints_count;
    pthread_mutex_t error_lock;
    struct tc_last_error last_error; /* what it has logged as an error, or did wrong */
};

int tc_host_init(struct tc_host *host, const struct tc_plugin_env *env,
                 const struct tocsin_plugin *plugin, const struct tc_options *options,
                 void (*settle)(void *arg), void *arg);

/* Nothing may be held and no handle open: after init, or once tc_ledger_busy is false. */
void tc_host_done(struct tc_host *host);

/* Bracket every call into the plugin. They nest; the last leave calls settle. */
void tc_host_enter(struct tc_host *host);
void tc_host_leave(struct tc_host *host);

/* Logs what is wrong with the plugin, which is its last error from here. Any thread. */
void tc_host_complain(struct tc_host *host, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void tc_host_last_error(struct tc_host *host, struct tc_last_error *ret);

/* Whether the plugin may publish that topic. */
bool tc_host_may_publish(const struct tc_host *host, const char *topic);

/*
 * For a plugin that the agent has made itself (core/isolate): it can no longer do what it
 * is for, and is FAILED with that sentence once its callback has returned. Loop thread.
 */
void tc_host_fail(struct tc_host *host, const char *why);

/* Likewise: an event that was delivered is counted as dropped. */
void tc_host_lose(struct tc_host *host, uint64_t n, uint64_t time_ns);

/* ---- ledger.c ---- */

/* Sets the calls that ledger.c implements: after tc_host_init, before the plugin has any.
 */
void tc_ledger_bind(struct tocsin_host *pub);

/* From here the plugin may make timers, watches, work and posts. */
int tc_ledger_open(struct tc_host *host);

/* Refuses new posts, runs those accepted, and cancels the work that no thread has begun.
 */
void tc_ledger_drain(struct tc_host *host);

/* Ends every timer and watch and allows no more; notes in the counts what was left. */
void tc_ledger_close(struct tc_host *host);

/* Work not done yet; its callbacks will come. */
bool tc_ledger_working(const struct tc_host *host);

/* Work not done yet, or handles that are closing. */
bool tc_ledger_busy(const struct tc_host *host);

/*
 * Gives back the event references and describes all that was left ("2 timers, 1 watch").
 * Once no work is left. Returns false, and "" when nothing was.
 */
bool tc_ledger_reclaim(struct tc_host *host, char *ret_text, size_t cap);

/* Puts what is held, the most ever held, and what was refused into the open map of p. */
void tc_ledger_put(struct tc_host *host, struct tc_pack *p);

/* ---- host.c, for ledger.c ---- */

static inline struct tc_host *tc_host_of(const struct tocsin_host *pub)
{
    return (struct tc_host *)(uintptr_t)pub;
}

/* False, and one line in the log, when a loop-thread call comes from another thread. */
bool tc_host_on_loop(struct tc_host *host, const char *call);

/* True the first time that this is said of `what`: log it. Loop thread. */
bool tc_host_first(struct tc_host *host, const char *complaint, const char *what);

#endif
