/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: an agent small enough for a test: a loop, a bus and one plugin from its .so, with
 * the real loader, host and ledger. It has no judge: an AUTH event that the test
 * publishes is answered by the plugin's `verdict`, which the test reads; one that the
 * plugin publishes is answered by the test (tc_harness_answer, or the `decide` hook).
 *
 *     struct tc_harness h;
 *     const char *const options[] = {"rules=/some/folder", "timeout=5s", NULL};
 *
 *     tc_harness_init(&h);
 *     h.passive = false;                                    (hooks, if any, go here)
 *     assert_int_equal(tc_harness_load(&h, TEST_PLUGIN_DIR "/tocsin_av.so", options), 0);
 *     assert_int_equal(tc_harness_start(&h), 0);            (h.why says why not)
 *     id = tc_harness_publish_file(&h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH, path);
 *     event = tc_harness_await(&h, TOCSIN_TOPIC_VERDICT, id);
 *     assert_string_equal(tc_harness_text(&h, event, "decision"), "deny");
 *     tc_harness_done(&h);                      (stops, unloads; uv_loop_close must be 0)
 *
 * One thread, as the loop. Functions that wait give up after TC_HARNESS_WAIT_MS; a start
 * has the time that the agent gives it.
 */
#ifndef TC_TESTS_SUPPORT_HARNESS_H
#define TC_TESTS_SUPPORT_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/plugin.h>
#include <uv.h>

#include "core/host/plugin.h"

struct tc_bus;
struct tc_isolate;
struct tc_subscriber;

#define TC_HARNESS_WAIT_MS 60000 /* the deadline of everything that waits */
#define TC_HARNESS_EVENTS_MAX 65536
#define TC_HARNESS_REPORTS_MAX 64

/* A fact or issue that the plugin has reported and not taken back. */
struct tc_harness_report {
    uint32_t what; /* TOCSIN_REPORT_FACT or TOCSIN_REPORT_ISSUE */
    char key[64], text[512], fix[512];
};

struct tc_harness {
    /* For the test to set between init and load, or at any time. */
    bool passive;          /* what host->passive says */
    const char *why_final; /* of tc_harness_answer; NULL: as it was decided */
    /* Of tc_harness_publish_file: file.served, file.written_event. */
    bool served;
    uint64_t written_event;
    void *arg; /* for the hooks, which may stay NULL */
    /* enum tocsin_exclusion; default: nothing is excluded. */
    int (*excluded)(struct tc_harness *h, const char *path, const char *executable);
    /* Any thread. Default: this process. */
    bool (*is_agent)(struct tc_harness *h, int32_t pid);
    /* Answers each AUTH event that the plugin publishes, at once: true to allow. */
    bool (*decide)(struct tc_harness *h, const struct tocsin_event *event);

    struct tc_isolate *isolate; /* load runs the plugin in a process of its own */

    /* For the test to read. */
    uv_loop_t loop;
    struct tc_bus *bus;
    struct tc_plugin *plugin; /* NULL until loaded */
    char dir[64];             /* scratch: state_dir; removed by done */
    char why[256];            /* of the last call that failed */
    struct tc_harness_report reports[TC_HARNESS_REPORTS_MAX];
    size_t report_count;

    /* The harness's own. */
    struct tc_plugin_env env; /* start_ms and stop_ms may be set before load */
    uv_async_t turn;
    uv_timer_t deadline;
    bool late, full;
    struct tc_subscriber *ear;
    struct tc_event **events; /* all that were published, in order; a reference each */
    bool *taken;              /* by tc_harness_await */
    size_t count, size;
    char texts[4][1024];
    unsigned text;
};

/* A loop and a bus, no plugin yet. Failing to make them ends the test. */
void tc_harness_init(struct tc_harness *h);

/*
 * Loads a plugin through the real loader with the options given as "key=value" (a list's
 * items separated by commas; NULL: all defaults; the array ends with NULL) and calls
 * init. 0, or a negative errno and the sentence in h->why.
 */
int tc_harness_load(struct tc_harness *h, const char *so_path,
                    const char *const *options);

/* Starts and waits for RUNNING: 0. -ECANCELED when it FAILED, h->why says why;
 * -ETIMEDOUT. */
int tc_harness_start(struct tc_harness *h);

/* Stops and waits until nothing of the plugin runs: 0 or -ETIMEDOUT. May be started
 * again. */
int tc_harness_stop(struct tc_harness *h);

/* Changes options while it runs; as tc_plugin_reconfigure, the sentence in h->why. */
int tc_harness_reconfigure(struct tc_harness *h, const char *const *options,
                           bool *ret_restart);

/* Stops if needed, destroys, unloads. The harness can load another plugin then. */
void tc_harness_unload(struct tc_harness *h);

/* Unloads and ends everything; asserts that the loop closes, that is: that nothing
 * leaked. */
void tc_harness_done(struct tc_harness *h);

/* The folder alone, of a harness whose process did not live to be done with it. */
void tc_harness_remove_folder(const char *dir);

/*
 * Publishes an event as if by a sensor (source "test") and returns its id. `w` holds the
 * data, or is NULL for an empty map. An AUTH event gets a deadline 10 s ahead. fd: -1, or
 * becomes the event's. Ends the test when the bus refuses it.
 */
uint64_t tc_harness_publish(struct tc_harness *h, const char *topic, uint32_t flags,
                            int fd, const struct tocsin_writer *w);

/* The same about a real file: file.{path,inode,device,size,mtime,ctime,uid,mode},
 * process.* of this process, and an open descriptor. */
uint64_t tc_harness_publish_file(struct tc_harness *h, const char *topic, uint32_t flags,
                                 const char *path);

/* Publishes verdict.final for an AUTH event that the plugin has published. */
void tc_harness_answer(struct tc_harness *h, const struct tocsin_event *event, bool allow,
                       bool cacheable);

/*
 * The first event of that topic, answering event reply_to (0: any), that this function
 * has not returned before; runs the loop until there is one. NULL at the deadline. Valid
 * until done.
 */
const struct tocsin_event *tc_harness_await(struct tc_harness *h, const char *topic,
                                            uint64_t reply_to);

/* How many of that topic were published so far; runs nothing. */
size_t tc_harness_count(const struct tc_harness *h, const char *topic);

/* The n-th of them, from 0, or NULL; runs nothing. */
const struct tocsin_event *tc_harness_event(const struct tc_harness *h, const char *topic,
                                            size_t n);

/* Runs the loop until the condition holds. False at the deadline of `ms`. */
bool tc_harness_run(struct tc_harness *h, bool (*until)(struct tc_harness *h),
                    uint64_t ms);

/* Runs the loop for `ms`: between two questions, of which each is an event more. */
void tc_harness_run_for(struct tc_harness *h, uint64_t ms);

/* Delivers all that is queued and runs what is ready now, without waiting. */
void tc_harness_settle(struct tc_harness *h);

/* What the plugin reports under `key` now, or NULL. */
const struct tc_harness_report *tc_harness_reported(const struct tc_harness *h,
                                                    const char *key);

/* A text field of an event as a string, cut at 1023 bytes; "" when it is not there. In
 * one of four buffers used in turn. */
const char *tc_harness_text(struct tc_harness *h, const struct tocsin_event *event,
                            const char *path);

#endif
