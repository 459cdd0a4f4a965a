/* SPDX-License-Identifier: Apache-2.0 */
#include "kext_load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "kext_skeleton.h"

static void set_calls(struct kext_bpf *skeleton)
{
    static const int64_t calls[TC_KEXT_CALLS] = {
#ifdef SYS_open
        SYS_open, SYS_creat,
#else
        -1, -1,
#endif
        SYS_openat, 437 /* openat2, the same everywhere */, SYS_open_by_handle_at};

    memcpy(skeleton->rodata, calls, sizeof(calls));
}

static void choose(struct kext_bpf *skeleton, enum tc_kext_level level,
                   const struct tc_kext_sizes *sizes)
{
    bool lsm = level == TC_KEXT_LEVEL_LSM;

    bpf_program__set_autoload(skeleton->progs.kext_file_open, lsm);
    bpf_program__set_autoload(skeleton->progs.kext_bprm_check, lsm);
    bpf_program__set_autoload(skeleton->progs.kext_opened, lsm);
    bpf_program__set_autoload(skeleton->progs.kext_sys_exit, !lsm);
    bpf_map__set_max_entries(skeleton->maps.ring, sizes->ring_bytes);
    bpf_map__set_max_entries(skeleton->maps.bad, sizes->known);
    bpf_map__set_max_entries(skeleton->maps.good, sizes->known);
    set_calls(skeleton);
}

struct loading {
    struct tc_kext_programs *programs;
    enum tc_kext_level level;
    const struct tc_kext_sizes *sizes;
};

static int load(void *arg)
{
    const struct loading *loading = arg;
    struct kext_bpf *skeleton = kext_bpf__open();

    loading->programs->skeleton = skeleton;
    if (!skeleton)
        return -errno;
    choose(skeleton, loading->level, loading->sizes);
    return kext_bpf__load(skeleton);
}

int tc_kext_load(struct tc_kext_programs *programs, enum tc_kext_level level,
                 const struct tc_kext_sizes *sizes, const struct tocsin_host *host,
                 char why[256])
{
    struct loading loading = {.programs = programs, .level = level, .sizes = sizes};
    void *control = NULL;
    int err;

    memset(programs, 0, sizeof(*programs));
    err = tc_sensor_bpf_load(
        host, level == TC_KEXT_LEVEL_LSM ? "BPF LSM programs" : "BPF tracing programs",
        load, &loading, why);
    if (err)
        goto out;
    programs->level = level;
    err = tc_sensor_bpf_map(programs->skeleton->maps.control,
                            sizeof(struct tc_kext_control), &control);
    if (err) {
        snprintf(why, 256, "the map of control: %s", strerror(-err));
        goto out;
    }
    programs->control = control;
    programs->control->wake_bytes = sizes->ring_bytes / 4;
out:
    if (err)
        tc_kext_unload(programs);
    return err;
}

void tc_kext_unload(struct tc_kext_programs *programs)
{
    tc_kext_detach(programs);
    if (programs->control)
        munmap(programs->control, sizeof(struct tc_kext_control));
    programs->control = NULL;
    kext_bpf__destroy(programs->skeleton);
    programs->skeleton = NULL;
    programs->level = TC_KEXT_LEVEL_NONE;
}

/* Those of a level that refuse and kill. */
static size_t refusing(const struct tc_kext_programs *programs,
                       struct bpf_program *ret[3])
{
    const struct kext_bpf *skeleton = programs->skeleton;
    size_t n = 0;

    ret[n++] = skeleton->progs.kext_end;
    if (programs->level == TC_KEXT_LEVEL_LSM) {
        ret[n++] = skeleton->progs.kext_file_open;
        ret[n++] = skeleton->progs.kext_bprm_check;
    }
    return n;
}

/* Those that a level has, in their order; `opens`: with those that report opens. */
static size_t attached(const struct tc_kext_programs *programs, bool opens,
                       struct bpf_program *ret[5])
{
    const struct kext_bpf *skeleton = programs->skeleton;
    bool lsm = programs->level == TC_KEXT_LEVEL_LSM;
    size_t n = refusing(programs, ret);

    ret[n++] = skeleton->progs.kext_exec;
    if (opens)
        ret[n++] = lsm ? skeleton->progs.kext_opened : skeleton->progs.kext_sys_exit;
    return n;
}

int tc_kext_attach(struct tc_kext_programs *programs, bool opens, char why[256])
{
    struct bpf_program *list[5];
    size_t count = attached(programs, opens, list);
    int err = 0;

    for (size_t i = 0; i < count && !err; i++) {
        err = tc_sensor_bpf_attach(&programs->links, list[i]);
        if (err)
            snprintf(why, 256, "%s: %s", bpf_program__section_name(list[i]),
                     strerror(-err));
    }
    if (err)
        tc_kext_detach(programs);
    return err;
}

void tc_kext_detach(struct tc_kext_programs *programs)
{
    tc_sensor_bpf_detach(&programs->links);
}

/* The links are in the order in which their programs were attached. */
size_t tc_kext_kept(const struct tc_kext_programs *programs,
                    struct tc_kext_kept ret[TC_KEXT_KEPT_MAX])
{
    struct bpf_program *list[3];
    size_t links = refusing(programs, list), n = 0;

    for (size_t i = 0; i < links && i < programs->links.count; i++)
        ret[n++] = (struct tc_kext_kept){bpf_program__name(list[i]),
                                         bpf_link__fd(programs->links.links[i])};
    ret[n++] = (struct tc_kext_kept){"bad", bpf_map__fd(programs->skeleton->maps.bad)};
    ret[n++] = (struct tc_kext_kept){"control", tc_kext_control_fd(programs)};
    return n;
}

int tc_kext_ring_fd(const struct tc_kext_programs *programs)
{
    return bpf_map__fd(programs->skeleton->maps.ring);
}

int tc_kext_held_fd(const struct tc_kext_programs *programs)
{
    return bpf_map__fd(programs->skeleton->maps.held);
}

int tc_kext_control_fd(const struct tc_kext_programs *programs)
{
    return bpf_map__fd(programs->skeleton->maps.control);
}

int tc_kext_each_running(struct tc_kext_programs *programs,
                         void (*fn)(void *arg, const struct tc_kext_running *running),
                         void *arg)
{
    struct bpf_link *link =
        bpf_program__attach_iter(programs->skeleton->progs.kext_snapshot, NULL);
    struct tc_kext_running running[64];
    int fd = -1, err = 0;
    ssize_t n;

    if (!link)
        return -errno;
    fd = bpf_iter_create(bpf_link__fd(link));
    if (fd < 0) {
        err = -errno;
        goto out;
    }
    while ((n = read(fd, running, sizeof(running))) > 0)
        for (size_t i = 0; i < (size_t)n / sizeof(running[0]); i++)
            fn(arg, &running[i]);
    err = n < 0 ? -errno : 0;
    close(fd);
out:
    bpf_link__destroy(link);
    return err;
}
