/* SPDX-License-Identifier: Apache-2.0 */
#include "open_agent.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "core/conf/options.h"
#include "core/host/loader.h"
#include "core/verdict/judge.h"
#include "ipc/bus.h"
#include "ipc/event.h"
#include "tests/support/empty_host.h"

#define TURN_EVENTS 64
#define RULES 10

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "open_agent: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int env_publish(void *arg, const struct tocsin_event *draft, const char *source,
                       const struct tocsin_event **ret_event)
{
    return tc_judge_publish(((struct open_agent *)arg)->judge, draft, source, ret_event);
}

static void env_report(void *arg, const char *plugin, uint32_t what, const char *key,
                       const char *text, const char *fix)
{
    (void)arg;
    (void)key;
    (void)fix;
    if (what == TOCSIN_REPORT_ISSUE)
        (void)fprintf(stderr, "open_agent: %s: %s\n", plugin, text);
}

static uint64_t voter_bit(void *arg, const char *source)
{
    struct open_agent *agent = arg;

    if (agent->voter && !strcmp(source, "bench"))
        return tc_subscriber_bit(agent->voter);
    for (size_t i = 0; i < agent->plugin_count; i++)
        if (!strcmp(source, tc_plugin_name(agent->plugins[i])))
            return tc_plugin_voter(agent->plugins[i]);
    return 0;
}

static void voter_names(void *arg, uint64_t set, char *buf, size_t cap)
{
    (void)arg;
    (void)set;
    snprintf(buf, cap, "a voter");
}

static void vote(void *arg, struct tc_event *event)
{
    struct open_agent *agent = arg;
    struct tocsin_event answer = {.size = sizeof(answer),
                                  .fd = -1,
                                  .reply_to = event->pub.id,
                                  .topic = TOCSIN_TOPIC_VERDICT};
    struct tocsin_writer w;
    uint8_t buf[64];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "decision", "allow");
    tocsin_put_bool(&w, "cacheable", true);
    tocsin_end(&w);
    answer.data = w.buf;
    answer.len = w.len;
    must(!tc_bus_publish(agent->bus, &answer, "bench", NULL, NULL), "a vote");
}

static void take_turn(uv_check_t *check)
{
    struct open_agent *agent = check->data;

    if (tc_bus_turn(agent->bus, TURN_EVENTS))
        return;
    uv_idle_stop(&agent->turn_due);
    uv_check_stop(check);
}

static void no_wait(uv_idle_t *idle)
{
    (void)idle;
}

static void wake(void *arg)
{
    struct open_agent *agent = arg;

    uv_idle_start(&agent->turn_due, no_wait);
    uv_check_start(&agent->turn, take_turn);
}

static void load(struct open_agent *agent, const char *file, const char *key,
                 const char *value)
{
    struct tc_module *module = NULL;
    struct tc_options *options = NULL;
    char path[512], copies[96], why[256] = "";
    size_t i = agent->plugin_count;

    snprintf(path, sizeof(path), "%s/%s", BENCH_PLUGIN_DIR, file);
    snprintf(copies, sizeof(copies), "%s/copies", agent->root);
    if (tc_module_open(path, copies, &module, why) ||
        tc_options_new((struct tc_option_table){module->plugin->options,
                                                module->plugin->option_size},
                       &options) ||
        tc_options_set_list(options, key, &value, 1, why) ||
        tc_plugin_new(&agent->env, module, options, &agent->plugins[i], why) ||
        tc_plugin_start(agent->plugins[i])) {
        (void)fprintf(stderr, "open_agent: %s\n", why);
        exit(1);
    }
    agent->plugin_count++;
    while (tc_plugin_state(agent->plugins[i]) == TC_PLUGIN_STARTING)
        uv_run(&agent->loop, UV_RUN_ONCE);
    must(tc_plugin_state(agent->plugins[i]) == TC_PLUGIN_RUNNING, file);
}

void open_agent_start(struct open_agent *agent, const char *root, const char *watch,
                      const char *rules)
{
    static const char *const asked[] = {TOCSIN_TOPIC_FILE_OPEN, TOCSIN_TOPIC_FILE_EXEC,
                                        NULL};
    struct tc_subscription what = {
        .name = "bench", .patterns = asked, .voter = true, .deliver = vote, .arg = agent};
    struct tc_judge_voters voters = {voter_bit, voter_names, agent};

    agent->root = root;
    must(!uv_loop_init(&agent->loop), "a loop");
    uv_check_init(&agent->loop, &agent->turn);
    uv_idle_init(&agent->loop, &agent->turn_due);
    agent->turn.data = agent;
    agent->bus = tc_bus_new(wake, agent);
    must(agent->bus && !tc_judge_new(&agent->loop, agent->bus, &voters, &agent->judge),
         "a judge");
    agent->env = (struct tc_plugin_env){.loop = &agent->loop,
                                        .bus = agent->bus,
                                        .state_dir = agent->root,
                                        .arg = agent,
                                        .publish = env_publish,
                                        .report = env_report};
    tc_empty_host(&agent->env);
    if (rules)
        load(agent, "tocsin_av.so", "rules", rules);
    else
        must(!tc_bus_subscribe(agent->bus, &what, &agent->voter), "a voter");
    load(agent, "tocsin_es.so", "watch", watch);
}

void open_agent_stop(struct open_agent *agent)
{
    for (size_t i = agent->plugin_count; i-- > 0;) {
        tc_plugin_stop(agent->plugins[i]);
        while (tc_plugin_state(agent->plugins[i]) == TC_PLUGIN_STOPPING ||
               tc_plugin_busy(agent->plugins[i]))
            uv_run(&agent->loop, UV_RUN_ONCE);
        tc_plugin_free(agent->plugins[i]);
    }
}

bool open_agent_scans(void)
{
    return !access(BENCH_PLUGIN_DIR "/tocsin_av.so", R_OK);
}

void open_agent_rules(const char *path)
{
    FILE *file = fopen(path, "we");

    must(file != NULL, "the rules");
    for (int i = 0; i < RULES; i++)
        (void)fprintf(
            file,
            "rule bench_%d { strings: $a = \"tocsin-bench-%d\" $b = { %02x 5a a5 "
            "?? 01 } condition: any of them }\n",
            i, i, 0x80 + i);
    must(fclose(file) == 0, "the rules");
}
