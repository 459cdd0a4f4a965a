/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one run of a plugin on recorded events, without an agent: its life (core/lone),
 * the questions that it was asked, and what it has answered. Must not: read files of
 * events, or print.
 */
#ifndef TC_PLUGINTEST_RUN_H
#define TC_PLUGINTEST_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <tocsin/plugin.h>

struct tc_run;
struct tc_module;

#define TC_RUN_WAIT_MS                                                                   \
    10000 /* for what is pending, unless the command line says otherwise */

/* A question: an event with TOCSIN_EVENT_AUTH that the plugin was shown. */
struct tc_run_question {
    uint64_t id;
    char topic[64];
    char about[256]; /* file.path, or whatever says best what it is about; "" */
    uint64_t asked_ns, deadline_ns;
    bool answered;
};

/* What comes of it. `question` is NULL where there is none. */
struct tc_run_sink {
    /* It has published; `took_ns`: since the question. */
    void (*published)(void *arg, const struct tocsin_event *event,
                      const struct tc_run_question *question, uint64_t took_ns);
    void (*reported)(void *arg, uint32_t what, const char *key, const char *text,
                     const char *fix);
    /* Something is wrong with the plugin: one sentence. */
    void (*wrong)(void *arg, const char *sentence);
    void *arg;
};

struct tc_run_options {
    const char *state_dir; /* borrowed */
    struct tc_run_sink sink;
    uint64_t wait_ms;
    uint64_t linger_ms; /* how long it goes on after the last event */
    bool passive;
};

struct tc_run_counts {
    uint64_t shown, skipped; /* events that it takes, and of topics that it does not */
    uint64_t allowed, denied, abstained, unanswered;
    uint64_t alerts, others; /* events that it has published, but verdicts */
    uint64_t wrong;
    uint64_t longest_ns; /* of one call of its event callback */
};

/* Makes a run of the module, which is the run's on success. Errors: as tc_lone_take. */
int tc_run_new(const struct tc_run_options *options, struct tc_module *module,
               struct tc_run **ret_run, char why[256]);

/* Sets an option from "key=value", a list's items parted by commas; or all that the JSON
 * object has. -EINVAL: why. Before tc_run_start. */
int tc_run_set(struct tc_run *run, const char *pair, char why[256]);
int tc_run_set_json(struct tc_run *run, const char *json, char why[256]);

/* Starts it and waits until it runs: 0, or an error and why. */
int tc_run_start(struct tc_run *run, char why[256]);

/*
 * Shows it one event, whose descriptor is the run's, and waits until it has no work under
 * way. An event of file.open, file.exec or network.flow is a question; others too with
 * TOCSIN_EVENT_AUTH.
 */
void tc_run_show(struct tc_run *run, const struct tocsin_event *event);

/* Waits for what is unanswered, then stops it and looks at what it has left behind. */
void tc_run_finish(struct tc_run *run);

const struct tc_run_counts *tc_run_counts(const struct tc_run *run);

/* Says that something is wrong, as of the plugin. */
void tc_run_wrong(struct tc_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Stops it, if it runs. Takes NULL. */
void tc_run_free(struct tc_run *run);

#endif
