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

#include "sensor_bpf.h"
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

/* What a kernel lets be loaded is known when it was. */
static int load(struct tc_trace_programs *programs, uint32_t ring_bytes,
                enum tc_trace_acts acts)
{
    int cpus = libbpf_num_possible_cpus(), err = -ENOTSUP;

    if (cpus <= 0)
        return cpus ? cpus : -EINVAL;
    programs->cpus = (size_t)cpus;
    for (int by = 0; err && by < TC_TRACE_HOOKS_RUNGS; by++) {
        if ((acts == TC_TRACE_ACTS_NONE && by < TC_TRACE_HOOKS_BY_NOTHING) ||
            (acts == TC_TRACE_ACTS_CHEAP && by == TC_TRACE_HOOKS_BY_EXIT))
            continue;
        err = load_as(programs, ring_bytes, (enum tc_trace_hooks_by)by,
                      acts != TC_TRACE_ACTS_NONE);
    }
    return err;
}

static int map_control(struct tc_trace_programs *programs, uint32_t ring_bytes)
{
    void *control = mmap(NULL, sizeof(struct tc_trace_control), PROT_READ | PROT_WRITE,
                         MAP_SHARED, bpf_map__fd(programs->skeleton->maps.control), 0);

    if (control == MAP_FAILED)
        return -errno;
    programs->control = control;
    programs->control->wake_bytes = ring_bytes / 4;
    return 0;
}

static int attach(struct tc_trace_programs *programs)
{
    struct bpf_program *program;

    bpf_object__for_each_program(program, programs->skeleton->obj)
    {
        struct bpf_link *link;

        if (!bpf_program__autoload(program))
            continue;
        if (programs->link_count == TC_TRACE_LINKS_MAX)
            return -E2BIG;
        link = bpf_program__attach(program);
        if (link) {
            programs->slow[programs->link_count] = tc_trace_hooks_at_function(program);
            programs->links[programs->link_count++] = link;
        } else if (tc_trace_hooks_required(program)) {
            return -errno;
        } else {
            tc_trace_hooks_miss(&programs->hooks, program);
        }
    }
    return 0;
}

int tc_trace_load(struct tc_trace_programs *programs, uint32_t ring_bytes,
                  enum tc_trace_acts acts, const struct tocsin_host *host, char why[256])
{
    int err;

    memset(programs, 0, sizeof(*programs));
    err = tc_sensor_bpf_possible(why);
    if (err)
        return err;
    tc_sensor_bpf_begin(host);
    err = load(programs, ring_bytes, acts);
    if (!err)
        err = map_control(programs, ring_bytes);
    if (!err)
        err = attach(programs);
    tc_sensor_bpf_end();
    if (err) {
        tc_sensor_bpf_why("BPF tracing programs", err, why);
        tc_trace_unload(programs);
    }
    return err;
}

/* The links at functions: the kernel takes its time to let go of them. */
static size_t slow_links(const struct tc_trace_programs *programs,
                         int fds[TC_TRACE_LINKS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < programs->link_count; i++)
        if (programs->slow[i])
            fds[n++] = bpf_link__fd(programs->links[i]);
    return n;
}

void tc_trace_detach(struct tc_trace_programs *programs)
{
    int fds[TC_TRACE_LINKS_MAX], gate = -1;
    size_t slow = slow_links(programs, fds);

    if (slow)
        tc_trace_leave_begin(fds, slow, &gate); /* without it, it lasts longer */
    while (programs->link_count)
        bpf_link__destroy(programs->links[--programs->link_count]);
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
