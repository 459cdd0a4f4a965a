/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a plugin's work on pool threads, and its end, which waits for all of it: what the
 * plugin has open is closed by one more piece of such work, then it is over. Loop, but
 * for what says otherwise.
 */
#ifndef TC_SENSOR_JOBS_H
#define TC_SENSOR_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <tocsin/plugin.h>

#define TC_SENSOR_JOBS_MAX 8

/* One piece of work; never runs twice at once. */
struct tc_sensor_job {
    void (*run)(void *arg);              /* pool thread */
    void (*done)(void *arg, int status); /* -ECANCELED: not run */
};

struct tc_sensor_jobs_config {
    const struct tocsin_host *host;
    const struct tc_sensor_job *jobs; /* by number, count of them; static */
    size_t count;
    bool (*busy)(void *arg);   /* what else the end has to wait for; NULL: nothing */
    void (*close)(void *arg);  /* pool thread, or the loop if there is none: may block */
    void (*closed)(void *arg); /* frees the rest, before the host is informed */
    void *arg;
};

struct tc_sensor_jobs {
    struct tc_sensor_jobs_config config;
    struct tc_sensor_job_state {
        struct tc_sensor_jobs *jobs;
        bool busy, again;             /* again: somebody asked while it was busy */
    } states[TC_SENSOR_JOBS_MAX + 1]; /* the last one is the close */
    bool once;                        /* the plugin's to set: nothing is done again */
    bool closing;                     /* it has begun to end */
    bool closed;                      /* the close has been started */
    int status;                       /* of the end, for the host */
};

void tc_sensor_jobs_init(struct tc_sensor_jobs *jobs,
                         const struct tc_sensor_jobs_config *config);

/* Runs a job now, or once more when it has ended. Errors: the host's. */
int tc_sensor_jobs_start(struct tc_sensor_jobs *jobs, size_t job);
bool tc_sensor_jobs_busy(const struct tc_sensor_jobs *jobs, size_t job);

/*
 * Begins to end; from a `done` that is all. Elsewhere go_on is to follow: it goes on if
 * nothing is under way any more, and completes when all is over, at once perhaps.
 */
void tc_sensor_jobs_close(struct tc_sensor_jobs *jobs, int status);
void tc_sensor_jobs_go_on(struct tc_sensor_jobs *jobs);

#endif
