/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "trace_leave.h"
#include "trace_skeleton.h"

static int load_as(struct tc_trace_programs *programs, uint32_t ring_bytes,
                   enum tc_trace_hooks_by by, bool acts)
{
    struct trace_bpf *skeleton = trace_bpf__open();
    int err;

    if (!skeleton)
        return -errno;
    bpf_map__set_max_entries(skeleton->maps.ring, ring_bytes);
    bpf_map__set_max_entries(skeleton->maps.scratches, (uint32_t)programs->cpus);
    bpf_map__set_max_entries(skeleton->maps.act_scratches, (uint32_t)programs->cpus);
    tc_trace_hooks_choose(&programs->hooks, skeleton, by, acts);
    err = trace_bpf__load(skeleton);
    if (err)
        trace_bpf__destroy(skeleton);
    else
        programs->skeleton = skeleton;
    return err;
}

struct loading {
    struct tc_trace_programs *programs;
    uint32_t ring_bytes;
    enum tc_trace_acts acts;
};

/* What a kernel lets be loaded is known when it was. */
static int load_best(const struct loading *loading)
{
    int cpus = libbpf_num_possible_cpus(), err = -ENOTSUP;
    enum tc_trace_acts acts = loading->acts;

    if (cpus <= 0)
        return cpus ? cpus : -EINVAL;
    loading->programs->cpus = (size_t)cpus;
    for (int by = 0; err && by < TC_TRACE_HOOKS_LEVELS; by++) {
        if ((acts == TC_TRACE_ACTS_NONE && by < TC_TRACE_HOOKS_BY_NOTHING) ||
            (acts == TC_TRACE_ACTS_CHEAP && by == TC_TRACE_HOOKS_BY_EXIT))
            continue;
        err = load_as(loading->programs, loading->ring_bytes, (enum tc_trace_hooks_by)by,
                      acts != TC_TRACE_ACTS_NONE);
    }
    return err;
}

static int attach(struct tc_trace_programs *programs)
{
    struct bpf_program *program;
    size_t n;
    int err;

    bpf_object__for_each_program(program, programs->skeleton->obj)
    {
        if (!bpf_program__autoload(program))
            continue;
        n = programs->links.count;
        if (n == TC_SENSOR_BPF_LINKS_MAX)
            return -E2BIG;
        err = tc_sensor_bpf_attach(&programs->links, program);
        if (!err)
            programs->slow[n] = tc_trace_hooks_at_function(program);
        else if (tc_trace_hooks_required(program))
            return err;
        else
            tc_trace_hooks_miss(&programs->hooks, program);
    }
    return 0;
}

static int load(void *arg)
{
    const struct loading *loading = arg;
    struct tc_trace_programs *programs = loading->programs;
    void *control = NULL;
    int err = load_best(loading);

    if (!err)
        err = tc_sensor_bpf_map(programs->skeleton->maps.control,
                                sizeof(struct tc_trace_control), &control);
    if (err)
        return err;
    programs->control = control;
    programs->control->wake_bytes = loading->ring_bytes / 4;
    return attach(programs);
}

int tc_trace_load(struct tc_trace_programs *programs, uint32_t ring_bytes,
                  enum tc_trace_acts acts, const struct tocsin_host *host, char why[256])
{
    struct loading loading = {
        .programs = programs, .ring_bytes = ring_bytes, .acts = acts};
    int err;

    memset(programs, 0, sizeof(*programs));
    err = tc_sensor_bpf_load(host, "BPF tracing programs", load, &loading, why);
    if (err)
        tc_trace_unload(programs);
    return err;
}

/* The links at functions: the kernel takes its time to release them. */
static size_t slow_links(const struct tc_trace_programs *programs,
                         int fds[TC_SENSOR_BPF_LINKS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < programs->links.count; i++)
        if (programs->slow[i])
            fds[n++] = bpf_link__fd(programs->links.links[i]);
    return n;
}

void tc_trace_detach(struct tc_trace_programs *programs)
{
    int fds[TC_SENSOR_BPF_LINKS_MAX], gate = -1;
    size_t slow = slow_links(programs, fds);

    if (slow)
        tc_trace_leave_begin(fds, slow, &gate); /* without it, it lasts longer */
    tc_sensor_bpf_detach(&programs->links);
    if (gate >= 0)
        tc_trace_leave_end(gate);
}

void tc_trace_unload(struct tc_trace_programs *programs)
{
    tc_trace_detach(programs);
    if (programs->control)
        munmap(programs->control, sizeof(struct tc_trace_control));
    programs->control = NULL;
    trace_bpf__destroy(programs->skeleton);
    programs->skeleton = NULL;
}

int tc_trace_ring_fd(const struct tc_trace_programs *programs)
{
    return bpf_map__fd(programs->skeleton->maps.ring);
}

void tc_trace_counter_by_cpu(const struct tc_trace_programs *programs, uint32_t counter,
                             uint64_t *ret)
{
    int fd = bpf_map__fd(programs->skeleton->maps.counters);
    uint64_t *values = calloc(programs->cpus, sizeof(*values));

    if (values && !bpf_map_lookup_elem(fd, &counter, values))
        for (size_t i = 0; i < programs->cpus; i++)
            ret[i] += values[i];
    free(values);
}

uint64_t tc_trace_counter(const struct tc_trace_programs *programs, uint32_t counter)
{
    uint64_t *values = calloc(programs->cpus, sizeof(*values));
    uint64_t sum = 0;

    if (values)
        tc_trace_counter_by_cpu(programs, counter, values);
    for (size_t i = 0; values && i < programs->cpus; i++)
        sum += values[i];
    free(values);
    return sum;
}
