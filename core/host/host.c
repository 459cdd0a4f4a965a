/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of struct tocsin_host that are over when they return. Each checks what a
 * vendor may get wrong, says so once in the log, and goes on.
 */
#include "core/host/host.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "common/hash.h"
#include "core/base/log.h"
#include "core/conf/options.h"
#include "core/host/descriptor_view.h"
#include "core/host/plugin.h"
#include "ipc/bus.h"
#include "ipc/event.h"
#include "ipc/topic.h"

/* What every plugin of this major fills in; those of later minors append. */
#define EVENT_SIZE_1_0 (offsetof(struct tocsin_event, len) + sizeof(size_t))

void tc_host_enter(struct tc_host *host)
{
    if (host->depth++)
        return;
    host->published_bytes = 0;
    host->env->entering(host->env->arg, host->name);
}

void tc_host_leave(struct tc_host *host)
{
    assert(host->depth);
    if (--host->depth)
        return;
    host->env->entering(host->env->arg, NULL);
    host->settle(host->arg);
}

void tc_last_error_set(struct tc_last_error *error, const char *text)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    error->time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    tc_why(error->text, "%s", text);
}

static void note(struct tc_host *host, const char *text)
{
    pthread_mutex_lock(&host->error_lock);
    tc_last_error_set(&host->last_error, text);
    pthread_mutex_unlock(&host->error_lock);
}

void tc_host_complain(struct tc_host *host, int level, const char *format, ...)
{
    char text[TC_WHY_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tc_log(level, host->name, "%s", text);
    note(host, text);
}

void tc_host_last_error(struct tc_host *host, struct tc_last_error *ret)
{
    pthread_mutex_lock(&host->error_lock);
    *ret = host->last_error;
    pthread_mutex_unlock(&host->error_lock);
}

bool tc_host_on_loop(struct tc_host *host, const char *call)
{
    uv_thread_t self = uv_thread_self();

    if (uv_thread_equal(&self, &host->loop_thread))
        return true;
    tc_host_complain(
        host, TOCSIN_LOG_ERROR,
        "calls %s from a thread of its own, where only log, now_ns, is_agent, "
        "event_ref, event_unref and post may be called: ignored",
        call);
    return false;
}

bool tc_host_first(struct tc_host *host, const char *complaint, const char *what)
{
    uint64_t hash = tc_hash_text(tc_hash_text(TC_HASH_START, complaint), what);

    for (size_t i = 0; i < host->complaints_count; i++)
        if (host->complaints[i] == hash)
            return false;
    if (host->complaints_count == TC_HOST_COMPLAINTS_MAX)
        return false;
    host->complaints[host->complaints_count++] = hash;
    return true;
}

void tc_host_fail(struct tc_host *host, const char *why)
{
    tc_why(host->failure, "%s", why);
}

void tc_host_lose(struct tc_host *host, uint64_t n, uint64_t time_ns)
{
    host->lost += n;
    host->lost_time_ns = time_ns;
}

/* ---- Log, clock ---- */

__attribute__((format(printf, 3, 4))) static void
host_log(const struct tocsin_host *pub, int level, const char *format, ...)
{
    char text[TC_WHY_MAX];
    va_list args;

    va_start(args, format);
    tc_vlog(level, tc_host_of(pub)->name, format, args);
    va_end(args);
    if (level > TOCSIN_LOG_ERROR)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    note(tc_host_of(pub), text);
}

static uint64_t now_ns(const struct tocsin_host *pub)
{
    (void)pub;
    return uv_hrtime();
}

/* ---- Options ---- */

#define BIT(type) (1u << (type))
#define NUMBERS                                                                          \
    (BIT(TOCSIN_OPTION_INT) | BIT(TOCSIN_OPTION_DURATION) | BIT(TOCSIN_OPTION_SIZE))
#define TEXTS (BIT(TOCSIN_OPTION_TEXT) | BIT(TOCSIN_OPTION_CHOICE))

/* Whether the plugin's table has the option in one of these types. */
static bool has_option(const struct tocsin_host *pub, const char *name, unsigned types,
                       const char *call)
{
    struct tc_host *host = tc_host_of(pub);
    const struct tocsin_option *option = tc_options_find(host->options, name);

    if (option && (types & BIT(option->type)))
        return true;
    if (tc_host_first(host, call, name))
        tc_host_complain(host, TOCSIN_LOG_WARNING,
                         "asks %s for \"%s\", which its table %s", call, name,
                         option ? "has with another type" : "does not have");
    return false;
}

static bool option_bool(const struct tocsin_host *pub, const char *name)
{
    return has_option(pub, name, BIT(TOCSIN_OPTION_BOOL), "option_bool") &&
           tc_options_bool(tc_host_of(pub)->options, name);
}

static int64_t option_int(const struct tocsin_host *pub, const char *name)
{
    if (!has_option(pub, name, NUMBERS, "option_int"))
        return 0;
    return tc_options_int(tc_host_of(pub)->options, name);
}

static const char *option_text(const struct tocsin_host *pub, const char *name)
{
    if (!has_option(pub, name, TEXTS, "option_text"))
        return "";
    return tc_options_text(tc_host_of(pub)->options, name);
}

static const char *option_item(const struct tocsin_host *pub, const char *name,
                               size_t index)
{
    if (!has_option(pub, name, BIT(TOCSIN_OPTION_LIST), "option_item"))
        return NULL;
    return tc_options_item(tc_host_of(pub)->options, name, index);
}

/* ---- What the agent knows ---- */

static const char *state_dir(const struct tocsin_host *pub)
{
    return tc_host_of(pub)->env->state_dir;
}

static bool passive(const struct tocsin_host *pub)
{
    const struct tc_plugin_env *env = tc_host_of(pub)->env;

    return env->passive(env->arg);
}

static bool is_agent(const struct tocsin_host *pub, int32_t pid)
{
    const struct tc_plugin_env *env = tc_host_of(pub)->env;

    return env->is_agent(env->arg, pid);
}

static int excluded(const struct tocsin_host *pub, const char *path,
                    const char *executable)
{
    struct tc_host *host = tc_host_of(pub);

    return host->env->excluded(host->env->arg, host->name, path, executable);
}

static void report(const struct tocsin_host *pub, uint32_t what, const char *key,
                   const char *text, const char *fix)
{
    struct tc_host *host = tc_host_of(pub);

    if (!tc_host_on_loop(host, "report"))
        return;
    if (what < TOCSIN_REPORT_FACT || what > TOCSIN_REPORT_CLEAR || !key || !*key) {
        if (tc_host_first(host, "report", key ? key : ""))
            tc_host_complain(host, TOCSIN_LOG_WARNING,
                             "reports what is neither fact nor issue, under \"%s\"",
                             key ? key : "");
        return;
    }
    host->env->report(host->env->arg, host->name, what, key, text, fix);
}

/* ---- Events ---- */

bool tc_host_may_publish(const struct tc_host *host, const char *topic)
{
    return tc_descriptor_publishes(host->plugin, topic);
}

/* In words that say what is to be done. */
static const char *refusal(int rc)
{
    switch (rc) {
    case -EINVAL:
        return "its topic is none, or its data is not one well-formed map with text for "
               "keys";
    case -EMSGSIZE:
        return "its data is longer than TOCSIN_EVENT_MAX_BYTES";
    case -ELOOP:
        return "its data is nested deeper than TOCSIN_EVENT_MAX_DEPTH";
    case -ENOBUFS:
        return "one callback has published too much of what is never dropped";
    default:
        return strerror(-rc);
    }
}

/* What is never dropped waits in memory until the callback has returned. */
static bool too_much(struct tc_host *host, const struct tocsin_event *event)
{
    const struct tc_topic *topic;

    host->published_bytes += event->len;
    if (host->published_bytes <= TC_HOST_PUBLISH_BYTES ||
        tc_topic_intern(tc_bus_topics(host->env->bus), event->topic, &topic) ||
        !topic->keep)
        return false;
    host->publish_refused++;
    return true;
}

static int publish(const struct tocsin_host *pub, const struct tocsin_event *event,
                   const struct tocsin_event **ret_event)
{
    struct tc_host *host = tc_host_of(pub);
    const struct tocsin_event *made = NULL;
    struct tocsin_event draft;
    int rc;

    if (!tc_host_on_loop(host, "publish"))
        return -EPERM;
    if (event->size < EVENT_SIZE_1_0 || !event->topic) {
        if (tc_host_first(host, "publish", "no event"))
            tc_host_complain(host, TOCSIN_LOG_WARNING,
                             "publishes an event without topic, or of no size: refused");
        return -EINVAL;
    }
    if (!tc_host_may_publish(host, event->topic)) {
        if (tc_host_first(host, "publish", event->topic))
            tc_host_complain(host, TOCSIN_LOG_WARNING,
                             "publishes \"%s\", which is not in its list: refused",
                             event->topic);
        return -EACCES;
    }
    memset(&draft, 0, sizeof(draft));
    memcpy(&draft, event, event->size < sizeof(draft) ? event->size : sizeof(draft));
    draft.size = sizeof(draft);
    rc = too_much(host, event) ? -ENOBUFS
                               : host->env->publish(host->env->arg, &draft, host->name,
                                                    ret_event ? &made : NULL);
    if (rc && tc_host_first(host, "refused", event->topic))
        tc_host_complain(host, TOCSIN_LOG_WARNING,
                         "publishes \"%.128s\", which is refused: %s", event->topic,
                         refusal(rc));
    if (rc || !ret_event)
        return rc;
    if (tc_held_adopt(&host->held, tc_event_of(made)))
        tc_host_complain(host, TOCSIN_LOG_ERROR,
                         "out of memory: an event is never freed");
    *ret_event = made;
    return 0;
}

static void event_ref(const struct tocsin_host *pub, const struct tocsin_event *event)
{
    struct tc_host *host = tc_host_of(pub);

    tc_event_ref(tc_event_of(event));
    /* Better an event that is never freed than one that is freed under the plugin. */
    if (tc_held_adopt(&host->held, tc_event_of(event)))
        tc_host_complain(host, TOCSIN_LOG_ERROR,
                         "out of memory: an event is never freed");
}

static void event_unref(const struct tocsin_host *pub, const struct tocsin_event *event)
{
    struct tc_host *host = tc_host_of(pub);

    if (!event || tc_held_unref(&host->held, tc_event_of(event)))
        return;
    if (!atomic_exchange(&host->warned_unref, true))
        tc_host_complain(host, TOCSIN_LOG_WARNING,
                         "gives back an event that it does not hold: ignored");
}

static void complete(const struct tocsin_host *pub, int status)
{
    struct tc_host *host = tc_host_of(pub);

    if (!tc_host_on_loop(host, "complete"))
        return;
    if (host->completed) {
        tc_host_complain(host, TOCSIN_LOG_WARNING, "calls complete twice: ignored");
        return;
    }
    host->completed = true;
    host->completed_status = status;
}

/* ---- The whole ---- */

static void fill_in(struct tocsin_host *pub)
{
    pub->size = sizeof(*pub);
    pub->abi_major = TOCSIN_ABI_MAJOR;
    pub->abi_minor = TOCSIN_ABI_MINOR;
    pub->log = host_log;
    pub->now_ns = now_ns;
    pub->option_bool = option_bool;
    pub->option_int = option_int;
    pub->option_text = option_text;
    pub->option_item = option_item;
    pub->state_dir = state_dir;
    pub->passive = passive;
    pub->is_agent = is_agent;
    pub->excluded = excluded;
    pub->report = report;
    pub->publish = publish;
    pub->event_ref = event_ref;
    pub->event_unref = event_unref;
    pub->complete = complete;
}

int tc_host_init(struct tc_host *host, const struct tc_plugin_env *env,
                 const struct tocsin_plugin *plugin, const struct tc_options *options,
                 void (*settle)(void *arg), void *arg)
{
    const struct tc_topic *name;
    int rc;

    *host = (struct tc_host){.env = env,
                             .plugin = plugin,
                             .options = options,
                             .settle = settle,
                             .arg = arg,
                             .loop_thread = uv_thread_self()};
    fill_in(&host->pub);
    LIST_INIT(&host->timers);
    LIST_INIT(&host->watches);
    LIST_INIT(&host->works);
    STAILQ_INIT(&host->posts);
    /* An event keeps its source's name for as long as it lives, which may be longer than
     * the plugin is loaded. Topics last, and a plugin's name is a well-formed one. */
    rc = tc_topic_intern(tc_bus_topics(env->bus), plugin->name, &name);
    if (rc)
        return rc;
    host->name = name->name;
    rc = -pthread_mutex_init(&host->post_lock, NULL);
    if (rc)
        return rc;
    rc = -pthread_mutex_init(&host->error_lock, NULL);
    if (rc)
        goto no_error_lock;
    rc = tc_held_init(&host->held);
    if (!rc)
        return 0;
    (void)pthread_mutex_destroy(&host->error_lock);
no_error_lock:
    (void)pthread_mutex_destroy(&host->post_lock);
    return rc;
}

void tc_host_done(struct tc_host *host)
{
    assert(!host->depth);
    (void)tc_held_release_all(&host->held);
    tc_held_done(&host->held);
    (void)pthread_mutex_destroy(&host->error_lock);
    (void)pthread_mutex_destroy(&host->post_lock);
}
