/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the agent share, and nobody else sees: agent.c (start and stop), then
 * agent_plugins.c and agent_config.c, which it calls. */
#ifndef TC_CORE_AGENT_PRIV_H
#define TC_CORE_AGENT_PRIV_H

#include <uv.h>

#include "core/control/control.h"
#include "core/daemon/agent.h"
#include "core/daemon/last_life.h"
#include "core/daemon/pool.h"
#include "core/host/services.h"
#include "core/isolate/isolate.h"

struct tc_agent_reload;
struct tc_protection;
struct tc_subscriber;

struct tc_agent {
    const struct tc_agent_options *options;
    pid_t pid; /* getpid(2) asks the kernel each time */
    struct tc_services services;
    uv_loop_t loop;
    struct tc_protection *protection; /* NULL until the registry is to boot */
    struct tc_control *control;
    struct tc_subscriber *journal_subscriber; /* what the journal keeps */
    struct tc_pool pool;
    struct tc_agent_reload *reloads; /* of the configuration; agent_config.c */
    char refused[256];               /* why its files are not in force; "": they are */
    uv_check_t turn;                 /* delivers after the loop has polled ... */
    uv_idle_t turn_due;              /* ... without waiting, while events are queued */
    uv_timer_t pulse_timer, drop_timer, record_timer;
    bool record_checking;
    uv_signal_t term, interrupt, hangup;
    char state_dir[4096], private_dir[4096 + 16];
    struct tc_isolate isolate; /* plugins in processes of their own */
    struct tc_last_life last_life;
    uint64_t looked_ns; /* when the pulse timer last ran, CLOCK_BOOTTIME; 0: not yet */
    bool booted;        /* each plugin runs, or has failed */
    bool settled;       /* somebody protects, or nobody can */
    bool hangup_waits;  /* for that: a new configuration is to be read */
    bool stopping;
    int exit_status;
};

/* agent_before.c: before the registry boots, and when there is no other agent. */
void tc_agent_look_back(struct tc_agent *agent);

/* agent_record.c: begins to test the journal. */
void tc_agent_watch_record(struct tc_agent *agent);

/* agent_plugins.c: makes the registry and the judge; the bus must be there. */
int tc_agent_make_plugins(struct tc_agent *agent);

/* agent_config.c: the configuration that the agent was started with. */
int tc_agent_read_config(struct tc_agent *agent, char why[256]);

/* Puts the configuration in force for the core itself: verdicts, the log, who protects.
 */
void tc_agent_configure(struct tc_agent *agent);

/* `mode: passive` */
bool tc_agent_passive(const struct tc_agent *agent);

/* struct tc_control_options.reload; arg is the agent. */
void tc_agent_reload(void *arg, const char *path, bool dry, tc_control_reloaded_fn done,
                     void *done_arg);

/* Adds to health that the files of the configuration are not what is in force. */
void tc_agent_put_refused(const struct tc_agent *agent, struct tc_health_numbers *ret);

/* struct tc_control_options.edit; arg is the agent. */
void tc_agent_edit(void *arg, enum tc_config_verb verb, const char *key,
                   const char *value, tc_control_reloaded_fn done, void *done_arg);

#endif
