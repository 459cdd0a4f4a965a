/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see run.h. */
#include "plugintest/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/why.h"
#include "core/host/descriptor_view.h"
#include "core/host/last_error.h"
#include "core/host/loader.h"
#include "core/host/plugin.h"
#include "core/lone/lone.h"
#include "plugintest/run_options.h"

/* Of what the plugin publishes: beyond those of any recording. */
#define FIRST_ID (UINT64_C(1) << 48)
#define AGAIN_MS 100 /* a deadline that has passed is heard of again */

struct tc_run {
    struct tc_run_options options;
    const struct tocsin_plugin *plugin; /* its descriptor */
    struct tc_lone *lone;
    struct tc_run_counts counts;
    struct tc_run_question *questions; /* all of them, for free() */
    size_t question_count, question_room;
    uint64_t last_id;
    uint64_t error_seen_ns; /* of its last error, which was said */
    enum tc_plugin_state state;
    char why[TC_WHY_MAX]; /* it has failed */
    uv_loop_t loop;
    uv_timer_t deadline;
    bool late;
    bool stuck; /* its work did not come to an end in time */
};

void tc_run_wrong(struct tc_run *run, const char *format, ...)
{
    char sentence[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    run->counts.wrong++;
    run->options.sink.wrong(run->options.sink.arg, sentence);
}

/* What the host has complained of since the last look, or the plugin logged as an error.
 */
static void look_for_errors(struct tc_run *run)
{
    const struct tc_plugin *plugin = tc_lone_plugin(run->lone);
    struct tc_last_error last = {0};

    if (plugin)
        tc_plugin_last_error(plugin, &last);
    if (last.time_ns == run->error_seen_ns)
        return;
    run->error_seen_ns = last.time_ns;
    tc_run_wrong(run, "%s", last.text);
}

/* ---- What the plugin says ---- */

static struct tc_run_question *question_of(struct tc_run *run, uint64_t id)
{
    for (size_t i = run->question_count; id && i > 0; i--)
        if (run->questions[i - 1].id == id)
            return &run->questions[i - 1];
    return NULL;
}

static bool says(struct tocsin_str text, const char *word)
{
    return text.len == strlen(word) && !memcmp(text.ptr, word, text.len);
}

static void take_verdict(struct tc_run *run, const struct tocsin_event *event,
                         struct tc_run_question *question)
{
    struct tocsin_str decision = tocsin_event_str(event, TOCSIN_FIELD_DECISION);

    if (!question)
        tc_run_wrong(run, "it answers event %llu, which asks nothing",
                     (unsigned long long)event->reply_to);
    else if (question->answered)
        tc_run_wrong(run, "it answers event %llu (%s) twice",
                     (unsigned long long)question->id, question->topic);
    else if (uv_hrtime() > question->deadline_ns)
        tc_run_wrong(run, "it answers event %llu (%s) when its deadline has passed",
                     (unsigned long long)question->id, question->topic);
    if (question)
        question->answered = true;
    if (says(decision, "allow"))
        run->counts.allowed++;
    else if (says(decision, TOCSIN_DECISION_ABSTAIN))
        run->counts.abstained++;
    else if (says(decision, "deny"))
        run->counts.denied++;
    else
        tc_run_wrong(run, "a verdict of it is none of allow, deny and abstain");
    if (says(decision, "deny") && !tocsin_event_str(event, TOCSIN_FIELD_REASON).len)
        tc_run_wrong(run, "it denies without a reason, which is required");
}

static int on_publish(void *arg, const struct tocsin_event *draft, uint64_t *ret_id)
{
    struct tc_run *run = arg;
    struct tc_run_question *question = question_of(run, draft->reply_to);

    run->last_id++;
    if (ret_id) /* it wants to know */
        *ret_id = run->last_id;
    run->options.sink.published(run->options.sink.arg, draft, question,
                                question ? uv_hrtime() - question->asked_ns : 0);
    if (!strcmp(draft->topic, TOCSIN_TOPIC_VERDICT))
        take_verdict(run, draft, question);
    else if (!strcmp(draft->topic, TOCSIN_TOPIC_ALERT_RAISED))
        run->counts.alerts++;
    else
        run->counts.others++;
    if (draft->fd >= 0)
        close(draft->fd);
    return 0;
}

static void on_report(void *arg, uint32_t what, const char *key, const char *text,
                      const char *fix)
{
    struct tc_run *run = arg;

    run->options.sink.reported(run->options.sink.arg, what, key, text, fix);
}

static bool on_passive(void *arg)
{
    return ((struct tc_run *)arg)->options.passive;
}

/* A recording's pids are of another time: none is this process. */
static bool on_is_agent(void *arg, int32_t pid)
{
    (void)arg;
    (void)pid;
    return false;
}

static void on_changed(void *arg, enum tc_plugin_state state, const char *why)
{
    struct tc_run *run = arg;

    run->state = state;
    tc_why(run->why, "%s", why);
}

/* ---- The loop ---- */

static void deadline_passed(uv_timer_t *timer)
{
    ((struct tc_run *)timer->data)->late = true;
}

/* Runs the loop until the condition holds, at most so long. Whether it holds. */
static bool run_until(struct tc_run *run, bool (*holds)(struct tc_run *run), uint64_t ms)
{
    run->late = false;
    (void)uv_timer_start(&run->deadline, deadline_passed, ms, AGAIN_MS);
    while (!holds(run) && !run->late)
        (void)uv_run(&run->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&run->deadline);
    return holds(run);
}

static bool has_started(struct tc_run *run)
{
    return run->state == TC_PLUGIN_RUNNING ||
           (run->state == TC_PLUGIN_FAILED && !tc_lone_busy(run->lone));
}

static bool is_quiet(struct tc_run *run)
{
    return run->state != TC_PLUGIN_RUNNING ||
           !tc_plugin_working(tc_lone_plugin(run->lone));
}

static bool all_answered(struct tc_run *run)
{
    for (size_t i = 0; i < run->question_count; i++)
        if (!run->questions[i].answered)
            return run->state != TC_PLUGIN_RUNNING;
    return true;
}

static bool has_stopped(struct tc_run *run)
{
    return !tc_lone_busy(run->lone);
}

static bool never(struct tc_run *run)
{
    (void)run;
    return false;
}

/* ---- The run ---- */

int tc_run_new(const struct tc_run_options *options, struct tc_module *module,
               struct tc_run **ret_run, char why[256])
{
    struct tc_run *run = calloc(1, sizeof(*run));
    struct tc_lone_options lone = {.state_dir = options->state_dir,
                                   .sink = {.publish = on_publish,
                                            .report = on_report,
                                            .passive = on_passive,
                                            .is_agent = on_is_agent,
                                            .changed = on_changed,
                                            .arg = run}};
    int err = run ? uv_loop_init(&run->loop) : -ENOMEM;

    if (err) {
        tc_why(why, "no loop: %s", strerror(-err));
        free(run);
        return err;
    }
    (void)uv_timer_init(&run->loop, &run->deadline);
    run->deadline.data = run;
    run->options = *options;
    run->plugin = module->plugin;
    run->last_id = FIRST_ID;
    lone.loop = &run->loop;
    err = tc_lone_new(&lone, &run->lone);
    if (err)
        tc_why(why, "out of memory");
    else
        err = tc_lone_take(run->lone, module, why);
    if (err) {
        tc_run_free(run);
        return err;
    }
    *ret_run = run;
    return 0;
}

int tc_run_set(struct tc_run *run, const char *pair, char why[256])
{
    return tc_run_options_pair(run->lone, run->plugin, pair, why);
}

int tc_run_set_json(struct tc_run *run, const char *json, char why[256])
{
    return tc_run_options_json(run->lone, json, why);
}

int tc_run_start(struct tc_run *run, char why[256])
{
    int err = tc_lone_start(run->lone, why);

    if (err)
        return err;
    /* The host gives up a start that takes too long. */
    while (!has_started(run))
        (void)run_until(run, has_started, TC_PLUGIN_START_MS);
    look_for_errors(run);
    tc_why(why, "%s", run->why);
    return run->state == TC_PLUGIN_RUNNING ? 0 : -EIO;
}

static bool asks(const struct tocsin_event *event)
{
    static const char *const topics[] = {TOCSIN_TOPIC_FILE_OPEN, TOCSIN_TOPIC_FILE_EXEC,
                                         TOCSIN_TOPIC_NETWORK_FLOW};

    for (size_t i = 0; i < sizeof(topics) / sizeof(*topics); i++)
        if (!strcmp(event->topic, topics[i]))
            return true;
    return (event->flags & TOCSIN_EVENT_AUTH) != 0;
}

static void note_question(struct tc_run *run, const struct tocsin_event *event)
{
    static const char *const best[] = {TOCSIN_FIELD_FILE_PATH,
                                       TOCSIN_FIELD_DESTINATION_DOMAIN,
                                       TOCSIN_FIELD_DESTINATION_IP};
    struct tc_run_question *question, *grown;
    struct tocsin_str about = {0};

    if (run->question_count == run->question_room) {
        run->question_room = run->question_room ? 2 * run->question_room : 64;
        grown = reallocarray(run->questions, run->question_room, sizeof(*grown));
        if (!grown)
            abort();
        run->questions = grown;
    }
    question = &run->questions[run->question_count++];
    *question = (struct tc_run_question){
        .id = event->id, .asked_ns = uv_hrtime(), .deadline_ns = event->deadline_ns};
    (void)snprintf(question->topic, sizeof(question->topic), "%s", event->topic);
    for (size_t i = 0; !about.len && i < sizeof(best) / sizeof(*best); i++)
        about = tocsin_event_str(event, best[i]);
    (void)snprintf(question->about, sizeof(question->about), "%.*s", (int)about.len,
                   about.ptr ? about.ptr : "");
}

/* Whether the plugin is asked: it votes, and takes the topic. */
static void show(struct tc_run *run, struct tocsin_event *event)
{
    const size_t before = run->question_count;
    uint64_t began, took;
    int err;

    if (asks(event)) {
        event->flags |= TOCSIN_EVENT_AUTH | TOCSIN_EVENT_URGENT;
        event->deadline_ns = uv_hrtime() + run->options.wait_ms * 1000000u;
        if (tc_descriptor_votes(run->plugin))
            note_question(run, event);
    }
    began = uv_hrtime();
    err = tc_lone_show(run->lone, event);
    took = uv_hrtime() - began;
    if (!err) {
        run->counts.shown++;
        if (took > run->counts.longest_ns)
            run->counts.longest_ns = took;
        return;
    }
    run->question_count = before;
    run->counts.skipped++;
    if (event->fd >= 0)
        close(event->fd);
    if (err != -ENOMSG)
        tc_run_wrong(run, "event %llu (%s) cannot be shown: %s",
                     (unsigned long long)event->id, event->topic, strerror(-err));
}

/* Lets it do what it does by itself, while its work comes to an end. */
static void settle(struct tc_run *run, const struct tocsin_event *event)
{
    (void)uv_run(&run->loop, UV_RUN_NOWAIT);
    if (run->stuck || run_until(run, is_quiet, run->options.wait_ms))
        return;
    run->stuck = true; /* no event after it waits for that */
    tc_run_wrong(run, "it still works on event %llu (%s) after %llu ms",
                 (unsigned long long)event->id, event->topic,
                 (unsigned long long)run->options.wait_ms);
}

void tc_run_show(struct tc_run *run, const struct tocsin_event *event)
{
    struct tocsin_event whole = *event;

    show(run, &whole);
    look_for_errors(run);
    settle(run, event);
    look_for_errors(run);
}

static void stop(struct tc_run *run)
{
    (void)tc_lone_stop(run->lone);
    while (!has_stopped(run))
        (void)run_until(run, has_stopped, TC_PLUGIN_STOP_MS);
}

void tc_run_finish(struct tc_run *run)
{
    if (run->options.linger_ms)
        (void)run_until(run, never, run->options.linger_ms);
    (void)run_until(run, all_answered, run->options.wait_ms);
    for (size_t i = 0; i < run->question_count; i++) {
        const struct tc_run_question *question = &run->questions[i];

        if (question->answered)
            continue;
        run->counts.unanswered++;
        tc_run_wrong(run, "it does not answer event %llu (%s%s%s)",
                     (unsigned long long)question->id, question->topic,
                     question->about[0] ? " " : "", question->about);
    }
    stop(run);
    look_for_errors(run);
    if (!run->counts.shown)
        tc_run_wrong(run, "no event was of a topic that it takes: nothing was tried");
}

const struct tc_run_counts *tc_run_counts(const struct tc_run *run)
{
    return &run->counts;
}

void tc_run_free(struct tc_run *run)
{
    if (!run)
        return;
    if (run->lone)
        stop(run);
    tc_lone_free(run->lone);
    uv_close((uv_handle_t *)&run->deadline, NULL);
    (void)uv_run(&run->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&run->loop);
    free(run->questions);
    free(run);
}
