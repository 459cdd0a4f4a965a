/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the approver share, and nobody else sees. */
#ifndef TC_CORE_APPROVER_PRIV_H
#define TC_CORE_APPROVER_PRIV_H

#include <sys/utsname.h>
#include <uv.h>

#include "core/approval/consent.h"
#include "core/host/services.h"
#include "core/profile/profiles.h"
#include "core/protect/approver.h"

#define TC_APPROVER_TEXTS 6

/* A network gate's probe that waits for the plugin; the filter's for so long. */
struct tc_network_probe {
    bool waits;
    unsigned ticket;
    uint64_t until_ns;
};

struct tc_approver {
    const struct tc_services *services;
    struct tc_approval *approval;
    void (*changed)(void *arg);
    void *arg;
    uv_timer_t timer, consent_timer;
    unsigned work; /* pieces under way, and the approver itself */
    bool begun, closing, storing;
    bool looking; /* at the file of consents */
    struct tc_consent consent;
    bool other_file[TC_GATES]; /* the consent is for another one; said in the log */

    /* approver_facts.c; the ring is read once */
    char ring[16];
    bool ring_managed;
    struct utsname machine;
    char rings[64]; /* that may run, joined by "|" */
    char os_need[64], product_need[64];
    struct tc_prerequisite prerequisites[TC_PREREQUISITES_MAX];

    /* approver_profiles.c; the texts are those of identity and managed */
    char *texts[TC_APPROVER_TEXTS];
    struct tc_identity identity;
    const char *managed;
    struct tc_profiles *profiles;
    struct tc_profiles_watch *watch;
    bool reading, read_again;

    /* approver_network.c */
    struct tc_network_probe network[TC_GATES];
    char network_name[64]; /* that was last started */
    bool network_started, network_runs;
    bool network_allowed;              /* as it was last published, */
    enum tc_gate_state network_filter; /* with the gate's state */
};

/*
 * approver_loop.c. changed: after everything that may have changed a gate: sets the timer
 * and notifies whoever depends on it. release: gives back one piece of work (`work`); the
 * last one of a closing approver ends it. destroy: at once, where no handle is open yet.
 */
void tc_approver_changed(struct tc_approver *approver);
void tc_approver_release(struct tc_approver *approver);
void tc_approver_destroy(struct tc_approver *approver);

/* approver_consent.c: looks after the file of consents from here on. */
void tc_approver_consent_watch(struct tc_approver *approver);

/* approver_events.c: struct tc_approval_callbacks.event; arg is the approver. */
void tc_approver_emit(void *arg, const struct tc_approval_event *event);

/* approver_facts.c: the release ring, once; prerequisites, whenever configured. */
void tc_approver_facts_read(struct tc_approver *approver);
void tc_approver_facts_apply(struct tc_approver *approver);

/* approver_profiles.c: reads the folder (blocks), watches it; what it says of the gates.
 */
int tc_approver_profiles_init(struct tc_approver *approver);
void tc_approver_profiles_start(struct tc_approver *approver);
void tc_approver_profiles_stop(struct tc_approver *approver);
void tc_approver_profiles_apply(struct tc_approver *approver);

/* approver_network.c: the network extension's start is the probe of its gate, and what
 * it then reports of itself that of the filter's. review: after everything that may have
 * changed either: answers the filter's probe and publishes network_filter.gate; it is due
 * at next_ns, too (UINT64_MAX: never). */
void tc_approver_network_probe(struct tc_approver *approver, enum tc_gate gate,
                               unsigned ticket);
void tc_approver_network_plugin(struct tc_approver *approver, const char *name,
                                const char *what);
void tc_approver_network_review(struct tc_approver *approver);
uint64_t tc_approver_network_next_ns(const struct tc_approver *approver);
/* Starts or stops it, as its gate requires. False: not yet, the registry is busy. */
bool tc_approver_network_apply(struct tc_approver *approver);

#endif
