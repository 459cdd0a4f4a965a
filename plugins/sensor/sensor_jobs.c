/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_jobs.h"

#include <assert.h>
#include <string.h>

void tc_sensor_jobs_init(struct tc_sensor_jobs *jobs,
                         const struct tc_sensor_jobs_config *config)
{
    assert(config->count <= TC_SENSOR_JOBS_MAX);
    memset(jobs, 0, sizeof(*jobs));
    jobs->config = *config;
    for (size_t i = 0; i <= config->count; i++)
        jobs->states[i].jobs = jobs;
}

static size_t number_of(const struct tc_sensor_job_state *state)
{
    return (size_t)(state - state->jobs->states);
}

static bool is_close(const struct tc_sensor_job_state *state)
{
    return number_of(state) == state->jobs->config.count;
}

static void job_run(void *arg)
{
    const struct tc_sensor_job_state *state = arg;
    const struct tc_sensor_jobs_config *config = &state->jobs->config;

    if (is_close(state))
        config->close(config->arg);
    else
        config->jobs[number_of(state)].run(config->arg);
}

static void job_done(void *arg, int status)
{
    struct tc_sensor_job_state *state = arg;
    struct tc_sensor_jobs *jobs = state->jobs;
    bool again = state->again;

    state->busy = state->again = false;
    if (!is_close(state))
        jobs->config.jobs[number_of(state)].done(jobs->config.arg, status);
    else if (status)
        job_run(state); /* it was not run */
    if (again && !state->busy && !jobs->closing && !jobs->once)
        tc_sensor_jobs_start(jobs, number_of(state));
    if (jobs->closing)
        tc_sensor_jobs_go_on(jobs);
}

int tc_sensor_jobs_start(struct tc_sensor_jobs *jobs, size_t job)
{
    struct tc_sensor_job_state *state = &jobs->states[job];
    int err;

    if (state->busy) {
        state->again = true;
        return 0;
    }
    err = jobs->config.host->work(jobs->config.host, job_run, job_done, state);
    state->busy = !err;
    return err;
}

bool tc_sensor_jobs_busy(const struct tc_sensor_jobs *jobs, size_t job)
{
    return jobs->states[job].busy;
}

void tc_sensor_jobs_close(struct tc_sensor_jobs *jobs, int status)
{
    jobs->closing = true;
    jobs->status = status;
}

void tc_sensor_jobs_go_on(struct tc_sensor_jobs *jobs)
{
    const struct tc_sensor_jobs_config *config = &jobs->config;

    for (size_t i = 0; i <= config->count; i++)
        if (jobs->states[i].busy)
            return;
    if (config->busy && config->busy(config->arg))
        return;
    if (!jobs->closed) {
        jobs->closed = true;
        if (!tc_sensor_jobs_start(jobs, config->count))
            return;
        job_run(&jobs->states[config->count]); /* no pool thread for it */
    }
    config->closed(config->arg);
    config->host->complete(config->host, jobs->status);
}
