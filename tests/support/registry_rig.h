/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a registry with a loop, a bus and a configuration from text, and a log of what it
 * says: "started good", one entry for each of its events. Plugins are found in `plugins`,
 * a folder of the rig's own, and then among the test plugins.
 *
 * Nothing here has a deadline: the loop turns until what was waited for has come, and the
 * alarm that init sets ends a test for which it does not.
 */
#ifndef TC_TESTS_SUPPORT_REGISTRY_RIG_H
#define TC_TESTS_SUPPORT_REGISTRY_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/host/plugin.h"
#include "core/host/registry.h"

#define TC_RIG_EVENTS_MAX 1024

struct tc_bus;
struct tc_isolate;
struct tc_config;
struct tc_subscriber;

/* How one operation ended. */
struct tc_rig_outcome {
    unsigned count; /* of the calls of `done`: must be 1 */
    int status;
    char why[256];
};

struct tc_rig {
    /* For the test to set between init and tc_rig_make. */
    uint64_t start_ms, stop_ms; /* as in struct tc_plugin_env */
    struct tc_isolate *isolate; /* for plugins with `isolate: true`; NULL: none can */
    const char *folder; /* looked through before the test plugins; NULL: `plugins` */

    /* For the test to read. */
    uv_loop_t loop;
    struct tc_registry *registry;
    char dir[64], plugins[80];
    char events[TC_RIG_EVENTS_MAX][64]; /* "started good", in order */
    char whys[TC_RIG_EVENTS_MAX][160];
    size_t count;
    uint64_t voters; /* the last reported */
    char disabled[64];
    char word[256]; /* the last fact `word` that a plugin reported */
    size_t answers; /* test.out published so far: plugin good echoes test.in */

    /* The rig's own. */
    struct tc_bus *bus;
    struct tc_subscriber *ear;
    struct tc_config *config; /* that the registry has borrowed */
    struct tc_config *next;   /* that it is being asked about */
    uv_async_t turn;
    uv_timer_t tick; /* libuv 1.44 may run a timer and wait all the same */
};

/* 0, or -ENOMEM of the parts: then there is nothing to be done with. */
int tc_rig_init(struct tc_rig *rig);
int tc_rig_make(struct tc_rig *rig);

/* Stops the registry and waits until all of it is gone; fails when anything is left. */
void tc_rig_done(struct tc_rig *rig);

/* tc_registry_boot with that text as the configuration, and waits for its end. */
int tc_rig_boot(struct tc_rig *rig, const char *yaml, char why[256]);

/* init, make, boot; fails when a step does. */
void tc_rig_run(struct tc_rig *rig, const char *yaml);

/* tc_registry_apply: the configuration is the rig's and becomes the one in force, or is
 * freed, as the outcome says. */
void tc_rig_apply(struct tc_rig *rig, const char *yaml, bool dry,
                  struct tc_rig_outcome *outcome);

/* A tc_registry_done_fn whose argument is a struct tc_rig_outcome. */
void tc_rig_ended(void *outcome, int status, const char *why);

/* Runs one operation to its end: its status, the sentence in *outcome. */
typedef void (*tc_rig_operation_fn)(struct tc_registry *registry, const char *name,
                                    tc_registry_done_fn done, void *arg);
int tc_rig_do(struct tc_rig *rig, tc_rig_operation_fn operation, const char *name,
              struct tc_rig_outcome *outcome);

/* Of a plugin that there is. */
enum tc_plugin_state tc_rig_state(const struct tc_rig *rig, const char *name);

/* Fails when other numbers of plugins are loaded and failed. */
void tc_rig_check_count(const struct tc_rig *rig, unsigned loaded, unsigned failed);

/* Runs the loop until the operation has ended. */
void tc_rig_wait(struct tc_rig *rig, const struct tc_rig_outcome *outcome);

/* Runs the loop until that event has come since the `from`-th; its index. */
size_t tc_rig_await(struct tc_rig *rig, size_t from, const char *event);

/* Whether that event has come since the `from`-th. */
bool tc_rig_has(const struct tc_rig *rig, size_t from, const char *event);

/* Publishes test.in and delivers all there is: how many answered. */
size_t tc_rig_ask(struct tc_rig *rig);

/* Puts a file of the test plugins into `plugins` under another name, in place of what is
 * there. */
void tc_rig_install(struct tc_rig *rig, const char *from, const char *name);

#endif
