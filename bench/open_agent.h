/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the small agent that bench_open and bench_calls measure, in the process itself:
 * the bus, the judge, plugin es, and either plugin av or a voter that allows at once.
 */
#ifndef TC_BENCH_OPEN_AGENT_H
#define TC_BENCH_OPEN_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "core/host/plugin.h"

#define OPEN_AGENT_PLUGINS_MAX 2

struct tc_bus;
struct tc_judge;
struct tc_options;
struct tc_subscriber;

struct open_agent {
    const char *root; /* its state; the caller's */
    uv_loop_t loop;
    uv_check_t turn; /* and idle, so that the loop does not wait: as the agent has it */
    uv_idle_t turn_due;
    struct tc_bus *bus;
    struct tc_judge *judge;
    struct tc_subscriber *voter;
    struct tc_plugin_env env;
    struct tc_plugin *plugins[OPEN_AGENT_PLUGINS_MAX];
    struct tc_options *options[OPEN_AGENT_PLUGINS_MAX];
    size_t plugin_count;
};

/* Starts it: `watch` is asked about; `rules`: plugin av scans by them, NULL: the voter.
 * What fails ends the program. */
void open_agent_start(struct open_agent *agent, const char *root, const char *watch,
                      const char *rules);
void open_agent_stop(struct open_agent *agent);

/* Ten rules that nothing matches. */
void open_agent_rules(const char *path);

/* Whether plugin av was built. */
bool open_agent_scans(void);

#endif
