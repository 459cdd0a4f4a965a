/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the agent knows of its own state: facts and issues, from the core and the
 * plugins, and the one function that makes the health answer of them, in the order of
 * docs/approval.md. Healthy is who has no issue. Pure.
 */
#ifndef TC_CORE_HEALTH_H
#define TC_CORE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>
#include <tocsin/plugin.h>

struct tc_health;
struct tc_pack;

#define TC_HEALTH_ISSUES_MAX                                                             \
    128 /* open at once; the rest are counted in the last one                            \
         */

struct tc_health *tc_health_new(void);
void tc_health_free(struct tc_health *health);

/* enum tocsin_report_what, from `owner` ("core" or a plugin). True when anything changed.
 */
bool tc_health_report(struct tc_health *health, const char *owner, uint32_t what,
                      const char *key, const char *text, const char *fix);

/* Forgets all that `owner` has reported: it has stopped. */
void tc_health_forget(struct tc_health *health, const char *owner);

/* The fact by key, whoever reported it, or NULL. */
const char *tc_health_fact(const struct tc_health *health, const char *key);

/* The same, as `owner` has reported it. */
const char *tc_health_fact_of(const struct tc_health *health, const char *owner,
                              const char *key);

/* Puts all facts of `owner`, by key, into the open map of p. */
void tc_health_put_facts(const struct tc_health *health, const char *owner,
                         struct tc_pack *p);

/* An issue that nobody reports: it follows from the state at the time of asking. */
struct tc_health_issue {
    char id[64], text[256], fix[256];
    bool note;         /* for information: healthy all the same */
    unsigned promises; /* that are not kept while it is open: TC_PROMISE_BIT */
};

#define TC_HEALTH_DERIVED_MAX 48

/* What health shows and nobody reports. */
struct tc_health_numbers {
    bool real_time_enabled; /* a sensor is to run */
    const char *sensors[2]; /* the plugins that may hold the slot; NULL: there is none */
    unsigned promised;      /* TC_PROMISE_BIT of what this agent is to keep */
    const char *holder;     /* the plugin that holds the slot, or NULL */
    const char *subsystem;  /* what it is, or NULL */
    uint64_t canary_ns;     /* its last canary, CLOCK_MONOTONIC; 0: none */
    bool full_disk_access;
    bool network_allowed; /* the network extension may decide, if it says that it does */
    const char *ring;
    const char *managed[4]; /* fields whose value a profile has set; NULL ends them */
    bool passive;
    struct tc_health_issue issues[TC_HEALTH_DERIVED_MAX];
    size_t issue_count;
    unsigned plugins_loaded, plugins_failed;
    uint64_t events_dropped;
    uint64_t now_ns; /* CLOCK_MONOTONIC */
};

/* A sensor is named only if its canary came through within this time. */
#define TC_HEALTH_CANARY_NS (60ull * 1000 * 1000 * 1000)

/* Writes every field of `health`, in print order, into the open map of p. */
void tc_health_put(const struct tc_health *health,
                   const struct tc_health_numbers *numbers, struct tc_pack *p);

/* Whether the holder protects now: its canary is fresh. */
bool tc_health_sensor_works(const struct tc_health_numbers *numbers);

/* Whether `owner` has that issue open. */
bool tc_health_has_issue(const struct tc_health *health, const char *owner,
                         const char *key);

/* A place for one more derived issue, zeroed; NULL: there is none. */
struct tc_health_issue *tc_health_add(struct tc_health_numbers *numbers);

/* Whether tc_health_put would say `healthy`: no issue is open but notes. */
bool tc_health_good(const struct tc_health *health,
                    const struct tc_health_numbers *numbers);

#endif
