/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the core process: makes every part, ties them together, and takes them down in
 * order. What a part does stands in its own file; here is only who talks to whom.
 */
#ifndef TC_CORE_AGENT_H
#define TC_CORE_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct tc_bus;
struct tc_config;
struct tc_control;
struct tc_event;
struct tc_health;
struct tc_health_numbers;
struct tc_journal;
struct tc_judge;
struct tc_protection;
struct tc_pulse;
struct tc_registry;
struct tc_subscriber;
struct tocsin_writer;

struct tc_agent_options {
    const char *config_path; /* NULL: config_text */
    const char
        *config_text; /* an embedded configuration, named "(built in)" in messages */
    const char
        *plugin_dir; /* where plugins are looked for after paths.plugins; may be NULL */
};

/* The parts. Only core/agent*.c and core/control*.c see inside. */
struct tc_agent {
    const struct tc_agent_options *options;
    struct tc_pulse *pulse;
    uv_loop_t loop;
    struct tc_config *config;
    struct tc_bus *bus;
    struct tc_judge *judge;
    struct tc_journal *journal;
    struct tc_health *health;
    struct tc_registry *registry;
    struct tc_protection *protection; /* NULL until the registry is to boot */
    struct tc_control *control;
    struct tc_subscriber *keeper; /* what the journal keeps */
    uv_check_t turn;              /* delivers after the loop has polled ... */
    uv_idle_t turn_due;           /* ... without waiting, while events are queued */
    uv_timer_t pulse_timer, drop_timer;
    uv_signal_t term, interrupt, hangup;
    char state_dir[4096], private_dir[4096 + 16];
    bool stopping;
    bool reloading;
    int exit_status;
};

/* What a new configuration changes; keys as tc_config_changed_keys names them. */
struct tc_agent_changes {
    char changed[4096];
    char restart[512]; /* those that wait for the next start of the agent */
};

/* status 0, or a negative errno, one sentence, and no changes to look at. */
typedef void (*tc_agent_done_fn)(void *arg, int status, const char *why,
                                 const struct tc_agent_changes *changes);

/* Runs the core until it is told to stop. The exit status of the process. */
int tc_agent_run(struct tc_pulse *pulse, const struct tc_agent_options *options);

/*
 * Reads the configuration anew (`path` NULL: from where it came), checks all of it and,
 * unless `dry`, puts it in force; on failure the old one stands. -EBUSY while another
 * reload is under way.
 */
void tc_agent_reload(struct tc_agent *agent, const char *path, bool dry,
                     tc_agent_done_fn done, void *arg);

/* Publishes {fields that `w` has written} as an event of the core. Failures are counted
 * by the bus. */
void tc_agent_publish(struct tc_agent *agent, const char *topic,
                      const struct tocsin_writer *w);

/* The same for {name, reason}; name may be NULL. */
void tc_agent_note(struct tc_agent *agent, const char *topic, const char *name,
                   const char *reason);

/* agent_plugins.c: makes the registry and the judge; the bus must be there. */
int tc_agent_make_plugins(struct tc_agent *agent);

/* Tells health something, and the log when that is news. As struct tc_plugin_env's
 * report. */
void tc_agent_report(struct tc_agent *agent, const char *owner, uint32_t what,
                     const char *key, const char *text, const char *fix);

/* `mode: passive` */
bool tc_agent_passive(const struct tc_agent *agent);

/* Puts agent->config in force for the core itself: verdicts and the log. */
void tc_agent_configured(struct tc_agent *agent);

/* What health shows beside what was reported. */
void tc_agent_numbers(const struct tc_agent *agent, struct tc_health_numbers *ret);

#endif
