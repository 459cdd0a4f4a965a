/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the plugin's state, shared by the files that act on it on the loop thread:
 *
 *   netfilter.c      descriptor; which event goes where
 *   nf_lifecycle.c   start, stop, enable, disable; the jobs in the pool
 *   nf_kept.c        that it is disabled, on the disk; what a start finds there
 *   nf_lists.c       the indicators in force, and the command line's own
 *   nf_publish.c     everything that is published; verdicts back to the reader
 *   nf_isolate.c     the host's isolation
 *   nf_rpc.c         requests
 *
 * Below them, and without it: nf_reader (with nf_ring, nf_packets, nf_means, nf_decide
 * and nf_selftest), the thread that sees flows; nf_flow, nf_names, nf_process,
 * nf_inspect, nf_dns_event, nf_diag, nf_load, nf_netns; wire/, what packets say;
 * indicators/, lists; nft/, our tables; queue/, packets that wait; in the kernel bpf/.
 */
#ifndef TC_NETFILTER_H
#define TC_NETFILTER_H

#include <limits.h>
#include <stdbool.h>
#include <tocsin/plugin.h>

#include "indicators/nf_store.h"
#include "nf_lists.h"
#include "nf_load.h"
#include "nf_options.h"
#include "nf_reader.h"
#include "nft/nf_isolation.h"
#include "sensor_jobs.h"

enum tc_nf_job {
    TC_NF_JOB_PREPARE,
    TC_NF_JOB_SWITCH,
    TC_NF_JOB_OPEN,
    TC_NF_JOB_SHUT,
    TC_NF_JOB_LISTS,
    TC_NF_JOB_ISOLATE,
    TC_NF_JOBS,
};

/* A question at a detector. */
struct tc_nf_asked {
    UT_hash_handle hh;
    uint64_t event, ticket;
};

/* An event that came before the plugin was prepared. */
struct tc_nf_held {
    struct tc_nf_held *next;
    const struct tocsin_event *event; /* a reference */
};

/* A change of the isolation, until the kernel has it. */
struct tc_nf_isolate_request;

struct tc_nf {
    const struct tocsin_host *host;
    struct tc_nf_options options;
    struct tc_sensor_jobs jobs;
    char folder[PATH_MAX]; /* what is kept: `<state>/netfilter` */

    bool prepared;   /* what the folder keeps has been read */
    bool wanted;     /* enabled */
    bool open;       /* flows are seen, and the reader and the programs may be called */
    bool opened;     /* there is something to shut */
    bool started;    /* the host knows that it runs */
    bool granted;    /* by gate network_filter */
    bool passive;    /* the mode of the configuration */
    uint32_t voters; /* that judged the last flow that was asked about */
    int open_status;
    char why[256];         /* what kept it from opening, or from the upper rung */
    char opening_why[256]; /* the same while it opens: the pool's */
    struct tc_nf_held *held;
    bool kept_disabled; /* by the folder */
    int prepare_status;
    const struct tocsin_event *switch_request; /* to enable or disable: a reference */
    bool switch_enable;
    int switch_status;
    bool ebpf;
    pthread_mutex_t lock; /* of `programs`, where the pool and the loop may meet */
    struct tc_nf_programs programs;
    struct tc_nf_reader reader;
    pthread_mutex_t reading_lock; /* of the next two */
    bool reading;                 /* the reader runs */
    uint64_t readers;             /* that have run so far: the number of this one */
    struct tc_nf_asked *asked;
    struct tocsin_timer *timer;

    /* libnftables has state of the whole process, whatever its contexts, and its socket
     * is found among those that are open: one thread at a time. */
    pthread_mutex_t nft_lock;

    /* nf_lists.c */
    struct tc_nf_store *store;
    struct tc_nf_indicators *indicators, *fresh; /* in force; just loaded */
    struct tc_nf_tally in_force, fresh_tally;
    unsigned listings; /* requests that are looked up on a pool thread */
    struct tc_nf_report loaded;
    char lists_why[256], store_why[256];
    int lists_status;
    bool expiring;                               /* what the job does: it loads nothing */
    struct tc_nf_change *changes, *changes_next; /* under way; to follow */

    /* nf_isolate.c */
    struct tc_nf_nft isolation_nft;
    struct tc_nf_isolator isolator;
    struct tc_nf_isolation isolation;
    struct tc_nf_isolation kept_isolation; /* by the folder */
    int kept_isolation_status;
    char kept_isolation_why[TC_NF_WHY_MAX];
    struct tc_nf_isolation_counts isolation_counts;
    struct tc_nf_isolation_counts isolation_seen; /* the pool's */
    struct tocsin_timer *isolation_timer;
    struct tc_nf_isolate_request *isolate_requests, *isolate_next;
    char isolation_why[256];
    int isolation_status;

    uint64_t published, publish_errors;
};

/* nf_lifecycle.c */
int tc_nf_start(struct tc_nf *nf);
int tc_nf_stop(struct tc_nf *nf);
int tc_nf_enable(struct tc_nf *nf, bool enable); /* opens or shuts soon; -errno */
void tc_nf_gate(struct tc_nf *nf, bool granted);
void tc_nf_look(struct tc_nf *nf); /* now and then: the mode may have changed */
bool tc_nf_may_deny(const struct tc_nf *nf);
void tc_nf_ask_again(struct tc_nf *nf); /* who judges flows may have changed */
void tc_nf_want(struct tc_nf *nf);      /* hands the reader what is wanted now */
/* Opens or shuts, as is wanted, unless something is under way that has to end first. */
int tc_nf_go_on(struct tc_nf *nf);

/* netfilter.c */
void tc_nf_held(struct tc_nf *nf); /* what was held: now; at the end nothing is done */

/* nf_kept.c: pool threads */
void tc_nf_prepare_run(void *arg);
void tc_nf_switch_run(void *arg);

/* nf_publish.c */
void tc_nf_deliver(void *arg, struct tc_nf_items *items); /* reader's thread */
void tc_nf_report(void *arg, const char *key, const char *text, const char *fix);
void tc_nf_verdict(struct tc_nf *nf, const struct tocsin_event *event);
void tc_nf_asked_done(struct tc_nf *nf);

/* nf_isolate.c */
void tc_nf_isolate_run(void *arg);
void tc_nf_isolate_done(void *arg, int status);
void tc_nf_isolate_load(struct tc_nf *nf);  /* a pool thread */
void tc_nf_isolate_start(struct tc_nf *nf); /* what was loaded */
void tc_nf_isolate_rpc(struct tc_nf *nf, const struct tocsin_event *event);
void tc_nf_release_rpc(struct tc_nf *nf, const struct tocsin_event *event);
/* As a map of the open one, or as the outermost. */
void tc_nf_isolation_put(struct tocsin_writer *w, const char *key,
                         const struct tc_nf *nf);
void tc_nf_isolate_requested(struct tc_nf *nf, const struct tocsin_event *event);
void tc_nf_isolate_release(struct tc_nf *nf); /* a pool thread */
void tc_nf_isolate_forget(struct tc_nf *nf);  /* who has not been answered */

/* nf_rpc.c */
void tc_nf_rpc(struct tc_nf *nf, const struct tocsin_event *event);
void tc_nf_switch_done(void *arg, int status);

#endif
