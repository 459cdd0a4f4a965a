/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/why.h"
#include "core/conf/options.h"
#include "core/host/loader.h"
#include "core/isolate/isolate.h"
#include "ipc/bus.h"
#include "ipc/event.h"
#include "tests/support/empty_host.h"

#define TURN_EVENTS 256
#define AUTH_DEADLINE_NS 10000000000u

/* ---- What the plugin calls ---- */

static int env_publish(void *arg, const struct tocsin_event *draft, const char *source,
                       const struct tocsin_event **ret_event)
{
    struct tc_harness *h = arg;
    struct tocsin_event whole = *draft;
    struct tc_event *event;
    int rc;

    if ((whole.flags & TOCSIN_EVENT_AUTH) && !whole.deadline_ns)
        whole.deadline_ns = uv_hrtime() + AUTH_DEADLINE_NS;
    rc = tc_bus_publish(h->bus, &whole, source, NULL, &event);
    if (rc)
        return rc;
    if (h->decide && (whole.flags & TOCSIN_EVENT_AUTH))
        tc_harness_answer(h, &event->pub, h->decide(h, &event->pub), false);
    if (ret_event)
        *ret_event = &event->pub;
    else
        tc_event_unref(event);
    return 0;
}

static void env_report(void *arg, const char *plugin, uint32_t what, const char *key,
                       const char *text, const char *fix)
{
    struct tc_harness *h = arg;
    struct tc_harness_report *report;
    size_t i = 0;

    (void)plugin;
    while (i < h->report_count && strcmp(h->reports[i].key, key) != 0)
        i++;
    report = &h->reports[i];
    if (what == TOCSIN_REPORT_CLEAR || !text) {
        if (i < h->report_count)
            *report = h->reports[--h->report_count];
        return;
    }
    assert_true(i < TC_HARNESS_REPORTS_MAX);
    if (i == h->report_count)
        h->report_count++;
    report->what = what;
    (void)snprintf(report->key, sizeof(report->key), "%s", key);
    (void)snprintf(report->text, sizeof(report->text), "%s", text);
    (void)snprintf(report->fix, sizeof(report->fix), "%s", fix ? fix : "");
}

static int env_excluded(void *arg, const char *plugin, const char *path,
                        const char *executable)
{
    struct tc_harness *h = arg;

    (void)plugin;
    return h->excluded ? h->excluded(h, path, executable) : TOCSIN_NOT_EXCLUDED;
}

static bool env_passive(void *arg)
{
    return ((struct tc_harness *)arg)->passive;
}

static bool env_is_agent(void *arg, int32_t pid)
{
    struct tc_harness *h = arg;

    return h->is_agent ? h->is_agent(h, pid) : pid == getpid();
}

/* ---- Loop and bus ---- */

static void wake(void *arg)
{
    struct tc_harness *h = arg;

    (void)uv_async_send(&h->turn);
}

static void turn(uv_async_t *async)
{
    struct tc_harness *h = async->data;

    if (tc_bus_turn(h->bus, TURN_EVENTS))
        (void)uv_async_send(&h->turn);
}

/*
 * What is too much is left out, and the test misses it. An assertion here would jump out
 * of libuv, which then writes through pointers into the part of the stack that was left.
 */
static void hear(void *arg, struct tc_event *event)
{
    struct tc_harness *h = arg;

    if (h->count == TC_HARNESS_EVENTS_MAX) {
        if (!h->full)
            print_message("more than %d events: what follows is not heard\n",
                          TC_HARNESS_EVENTS_MAX);
        h->full = true;
        return;
    }
    if (h->count == h->size) {
        h->size = h->size ? 2 * h->size : 64;
        h->events = realloc(h->events, h->size * sizeof(struct tc_event *));
        h->taken = realloc(h->taken, h->size * sizeof(*h->taken));
        assert_non_null(h->events);
        assert_non_null(h->taken);
    }
    tc_event_ref(event);
    h->events[h->count] = event;
    h->taken[h->count++] = false;
}

/*
 * Again each moment, once it has passed: libuv before 1.45 runs a timer that is due
 * before it waits for anything else, and with no other timer that is for ever.
 */
#define DEADLINE_AGAIN_MS 100

static void deadline_passed(uv_timer_t *timer)
{
    ((struct tc_harness *)timer->data)->late = true;
}

bool tc_harness_run(struct tc_harness *h, bool (*until)(struct tc_harness *h),
                    uint64_t ms)
{
    h->late = false;
    (void)uv_timer_start(&h->deadline, deadline_passed, ms, DEADLINE_AGAIN_MS);
    while (!until(h) && !h->late)
        (void)uv_run(&h->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&h->deadline);
    return !h->late || until(h);
}

static bool never(struct tc_harness *h)
{
    (void)h;
    return false;
}

void tc_harness_run_for(struct tc_harness *h, uint64_t ms)
{
    (void)tc_harness_run(h, never, ms);
}

void tc_harness_settle(struct tc_harness *h)
{
    bool more;

    do {
        more = tc_bus_turn(h->bus, TURN_EVENTS);
        (void)uv_run(&h->loop, UV_RUN_NOWAIT);
    } while (more || tc_bus_turn(h->bus, TURN_EVENTS));
}

void tc_harness_init(struct tc_harness *h)
{
    static const char *const everything[] = {"*", NULL};
    struct tc_subscription what = {.name = "harness",
                                   .patterns = everything,
                                   .queue_max = TC_HARNESS_EVENTS_MAX,
                                   .deliver = hear,
                                   .arg = h};

    memset(h, 0, sizeof(*h));
    (void)snprintf(h->dir, sizeof(h->dir), "/tmp/tocsin-harness-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    assert_int_equal(uv_loop_init(&h->loop), 0);
    assert_int_equal(uv_async_init(&h->loop, &h->turn, turn), 0);
    assert_int_equal(uv_timer_init(&h->loop, &h->deadline), 0);
    h->turn.data = h;
    h->deadline.data = h;
    h->bus = tc_bus_new(wake, h);
    assert_non_null(h->bus);
    assert_int_equal(tc_bus_subscribe(h->bus, &what, &h->ear), 0);
    h->env = (struct tc_plugin_env){.loop = &h->loop,
                                    .bus = h->bus,
                                    .state_dir = h->dir,
                                    .arg = h,
                                    .publish = env_publish,
                                    .report = env_report,
                                    .excluded = env_excluded,
                                    .passive = env_passive,
                                    .is_agent = env_is_agent};
    tc_empty_host(&h->env);
}

/* ---- The plugin's life ---- */

static int set_list(struct tc_options *options, const char *key, char *text,
                    char why[256])
{
    const char *items[256];
    char *rest = NULL;
    size_t n = 0;

    for (char *item = strtok_r(text, ",", &rest); item && n < 256;
         item = strtok_r(NULL, ",", &rest))
        items[n++] = item;
    return tc_options_set_list(options, key, items, n, why);
}

static int set_option(struct tc_options *options, const char *pair, char why[256])
{
    char *key = strdup(pair), *value;
    const struct tocsin_option *option;
    int rc;

    assert_non_null(key);
    value = strchr(key, '=');
    assert_non_null(value);
    *value++ = '\0';
    option = tc_options_find(options, key);
    if (option && option->type == TOCSIN_OPTION_LIST)
        rc = set_list(options, key, value, why);
    else
        rc = tc_options_set(options, key, value, why);
    free(key);
    return rc;
}

static int make_options(const struct tocsin_plugin *plugin, const char *const *pairs,
                        struct tc_options **ret_options, char why[256])
{
    struct tc_option_table table = {.first = plugin->options,
                                    .stride = plugin->option_size};
    struct tc_options *options;
    int rc;

    rc = tc_options_new(table, &options);
    if (rc) {
        tc_why(why, "no options: %s", strerror(-rc));
        return rc;
    }
    for (size_t i = 0; pairs && pairs[i] && !rc; i++)
        rc = set_option(options, pairs[i], why);
    if (rc) {
        tc_options_free(options);
        return rc;
    }
    *ret_options = options;
    return 0;
}

int tc_harness_load(struct tc_harness *h, const char *so_path, const char *const *options)
{
    struct tc_module *module = NULL;
    struct tc_options *made = NULL;
    char copies[96];
    int rc;

    (void)snprintf(copies, sizeof(copies), "%s/plugins", h->dir);
    if (h->isolate)
        rc = tc_isolate_open(h->isolate, "test", so_path, &module, h->why);
    else
        rc = tc_module_open(so_path, copies, &module, h->why);
    if (rc)
        return rc;
    rc = make_options(module->plugin, options, &made, h->why);
    if (!rc)
        rc = tc_plugin_new(&h->env, module, made, &h->plugin, h->why);
    if (rc) {
        tc_options_free(made);
        tc_module_close(module);
    }
    return rc;
}

static bool start_over(struct tc_harness *h)
{
    enum tc_plugin_state state = tc_plugin_state(h->plugin);

    return state == TC_PLUGIN_RUNNING || state == TC_PLUGIN_FAILED;
}

static bool stop_over(struct tc_harness *h)
{
    enum tc_plugin_state state = tc_plugin_state(h->plugin);

    return (state == TC_PLUGIN_STOPPED || state == TC_PLUGIN_FAILED ||
            state == TC_PLUGIN_LOADED) &&
           !tc_plugin_busy(h->plugin);
}

int tc_harness_start(struct tc_harness *h)
{
    int rc = tc_plugin_start(h->plugin);

    if (rc) {
        tc_why(h->why, "cannot be started now: %s", strerror(-rc));
        return rc;
    }
    if (!tc_harness_run(h, start_over, TC_PLUGIN_START_MS)) {
        tc_why(h->why, "not started within %d ms", TC_PLUGIN_START_MS);
        return -ETIMEDOUT;
    }
    if (tc_plugin_state(h->plugin) == TC_PLUGIN_FAILED) {
        tc_why(h->why, "%s", tc_plugin_why(h->plugin));
        return -ECANCELED;
    }
    return 0;
}

int tc_harness_stop(struct tc_harness *h)
{
    (void)tc_plugin_stop(h->plugin);
    return tc_harness_run(h, stop_over, TC_HARNESS_WAIT_MS) ? 0 : -ETIMEDOUT;
}

int tc_harness_reconfigure(struct tc_harness *h, const char *const *options,
                           bool *ret_restart)
{
    struct tc_options *made;
    bool changed;
    int rc;

    rc = make_options(tc_plugin_module(h->plugin)->plugin, options, &made, h->why);
    if (rc)
        return rc;
    rc = tc_plugin_reconfigure(h->plugin, made, ret_restart, &changed, h->why);
    if (rc)
        tc_options_free(made);
    return rc;
}

void tc_harness_unload(struct tc_harness *h)
{
    if (!h->plugin)
        return;
    assert_int_equal(tc_harness_stop(h), 0);
    tc_plugin_free(h->plugin);
    h->plugin = NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void tc_harness_remove_folder(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void tc_harness_done(struct tc_harness *h)
{
    tc_harness_unload(h);
    tc_bus_unsubscribe(h->ear);
    for (size_t i = 0; i < h->count; i++)
        tc_event_unref(h->events[i]);
    free(h->events);
    free(h->taken);
    uv_close((uv_handle_t *)&h->turn, NULL);
    uv_close((uv_handle_t *)&h->deadline, NULL);
    (void)uv_run(&h->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&h->loop), 0);
    tc_bus_free(h->bus);
    tc_harness_remove_folder(h->dir);
}

/* ---- Events ---- */

uint64_t tc_harness_publish(struct tc_harness *h, const char *topic, uint32_t flags,
                            int fd, const struct tocsin_writer *w)
{
    static const uint8_t empty_map = 0x80;
    struct tocsin_event draft = {.size = sizeof(draft),
                                 .flags = flags,
                                 .fd = fd,
                                 .topic = topic,
                                 .data = w ? w->buf : &empty_map,
                                 .len = w ? w->len : 1};
    struct tc_event *event;
    uint64_t id;

    assert_true(!w || !w->error);
    if (flags & TOCSIN_EVENT_AUTH)
        draft.deadline_ns = uv_hrtime() + AUTH_DEADLINE_NS;
    assert_int_equal(tc_bus_publish(h->bus, &draft, "test", NULL, &event), 0);
    id = event->pub.id;
    tc_event_unref(event);
    return id;
}

static uint64_t ns(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

uint64_t tc_harness_publish_file(struct tc_harness *h, const char *topic, uint32_t flags,
                                 const char *path)
{
    struct tocsin_writer w;
    char executable[4096];
    struct stat st;
    uint64_t id;
    ssize_t n;
    int fd;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    n = readlink("/proc/self/exe", executable, sizeof(executable));
    assert_true(n > 0);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", path);
    tocsin_put_uint(&w, "inode", st.st_ino);
    tocsin_put_uint(&w, "device", st.st_dev);
    tocsin_put_uint(&w, "size", (uint64_t)st.st_size);
    tocsin_put_uint(&w, "mtime", ns(&st.st_mtim));
    tocsin_put_uint(&w, "ctime", ns(&st.st_ctim));
    tocsin_put_uint(&w, "uid", st.st_uid);
    tocsin_put_uint(&w, "mode", st.st_mode);
    if (h->served)
        tocsin_put_bool(&w, "served", true);
    tocsin_put_uint(&w, "written_event", h->written_event);
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_put_int(&w, "pid", getpid());
    tocsin_put_strn(&w, "executable", executable, (size_t)n);
    tocsin_end(&w);
    tocsin_end(&w);
    id = tc_harness_publish(h, topic, flags, fd, &w);
    tocsin_writer_done(&w);
    return id;
}

void tc_harness_answer(struct tc_harness *h, const struct tocsin_event *event, bool allow,
                       bool cacheable)
{
    struct tocsin_event draft = {.size = sizeof(draft),
                                 .reply_to = event->id,
                                 .fd = -1,
                                 .topic = TOCSIN_TOPIC_VERDICT_FINAL};
    struct tocsin_writer w;
    uint8_t buf[128];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "decision", allow ? "allow" : "deny");
    tocsin_put_bool(&w, "cacheable", cacheable);
    tocsin_put_str(&w, "reason", "");
    tocsin_put_str(&w, "why", h->why_final ? h->why_final : allow ? "allowed" : "denied");
    tocsin_put_uint(&w, "voters", 1);
    tocsin_end(&w);
    assert_int_equal(w.error, 0);
    draft.data = w.buf;
    draft.len = w.len;
    assert_int_equal(tc_bus_publish(h->bus, &draft, "core", NULL, NULL), 0);
}

const struct tocsin_event *tc_harness_event(const struct tc_harness *h, const char *topic,
                                            size_t n)
{
    for (size_t i = 0; i < h->count; i++)
        if (!strcmp(h->events[i]->pub.topic, topic) && n-- == 0)
            return &h->events[i]->pub;
    return NULL;
}

size_t tc_harness_count(const struct tc_harness *h, const char *topic)
{
    size_t n = 0;

    for (size_t i = 0; i < h->count; i++)
        n += !strcmp(h->events[i]->pub.topic, topic);
    return n;
}

const struct tocsin_event *tc_harness_await(struct tc_harness *h, const char *topic,
                                            uint64_t reply_to)
{
    size_t i = 0;

    h->late = false;
    (void)uv_timer_start(&h->deadline, deadline_passed, TC_HARNESS_WAIT_MS,
                         DEADLINE_AGAIN_MS);
    for (;;) {
        for (; i < h->count; i++)
            if (!h->taken[i] && !strcmp(h->events[i]->pub.topic, topic) &&
                (!reply_to || h->events[i]->pub.reply_to == reply_to))
                goto found;
        if (h->late)
            break;
        (void)uv_run(&h->loop, UV_RUN_ONCE);
    }
    (void)uv_timer_stop(&h->deadline);
    return NULL;
found:
    (void)uv_timer_stop(&h->deadline);
    h->taken[i] = true;
    return &h->events[i]->pub;
}

const struct tc_harness_report *tc_harness_reported(const struct tc_harness *h,
                                                    const char *key)
{
    for (size_t i = 0; i < h->report_count; i++)
        if (!strcmp(h->reports[i].key, key))
            return &h->reports[i];
    return NULL;
}

const char *tc_harness_text(struct tc_harness *h, const struct tocsin_event *event,
                            const char *path)
{
    struct tocsin_str s = tocsin_event_str(event, path);
    char *text = h->texts[h->text++ % 4];

    (void)snprintf(text, sizeof(h->texts[0]), "%.*s", (int)s.len, s.ptr ? s.ptr : "");
    return text;
}
