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
#include "sensor_bpf.h"

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

static void choose(struct kext_bpf *skeleton, enum tc_kext_rung rung,
                   const struct tc_kext_sizes *sizes)
{
    bool lsm = rung == TC_KEXT_RUNG_LSM;

    bpf_program__set_autoload(skeleton->progs.kext_file_open, lsm);
    bpf_program__set_autoload(skeleton->progs.kext_bprm_check, lsm);
    bpf_program__set_autoload(skeleton->progs.kext_opened, lsm);
    bpf_program__set_autoload(skeleton->progs.kext_sys_exit, !lsm);
    bpf_map__set_max_entries(skeleton->maps.ring, sizes->ring_bytes);
    bpf_map__set_max_entries(skeleton->maps.bad, sizes->known);
    bpf_map__set_max_entries(skeleton->maps.good, sizes->known);
    set_calls(skeleton);
}

static int load_skeleton(struct tc_kext_programs *programs, enum tc_kext_rung rung,
                         const struct tc_kext_sizes *sizes)
{
    programs->skeleton = kext_bpf__open();
    if (!programs->skeleton)
        return -errno;
    choose(programs->skeleton, rung, sizes);
    return kext_bpf__load(programs->skeleton);
}

int tc_kext_load(struct tc_kext_programs *programs, enum tc_kext_rung rung,
                 const struct tc_kext_sizes *sizes, const struct tocsin_host *host,
                 char why[256])
{
    int err;

    memset(programs, 0, sizeof(*programs));
    err = tc_sensor_bpf_possible(why);
    if (err)
        return err;
    tc_sensor_bpf_begin(host);
    err = load_skeleton(programs, rung, sizes);
    tc_sensor_bpf_end();
    if (err) {
        tc_sensor_bpf_why(rung == TC_KEXT_RUNG_LSM ? "BPF LSM programs"
                                                   : "BPF tracing programs",
                          err, why);
        goto out;
    }
    programs->rung = rung;
    programs->control =
        mmap(NULL, sizeof(struct tc_kext_control), PROT_READ | PROT_WRITE, MAP_SHARED,
             bpf_map__fd(programs->skeleton->maps.control), 0);
    if (programs->control == MAP_FAILED) {
        err = -errno;
        programs->control = NULL;
        snprintf(why, 256, "the map of control: %s", strerror(-err));
        goto out;
    }
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
    programs->rung = TC_KEXT_RUNG_NONE;
}

static int attach(struct tc_kext_programs *programs, struct bpf_program *program,
                  char why[256])
{
    struct bpf_link *link = bpf_program__attach(program);

    if (!link) {
        int err = -errno;

        snprintf(why, 256, "%s: %s", bpf_program__section_name(program), strerror(-err));
        return err;
    }
    programs->links[programs->link_count++] = link;
    return 0;
}

int tc_kext_attach(struct tc_kext_programs *programs, bool opens, char why[256])
{
    struct kext_bpf *skeleton = programs->skeleton;
    int err = attach(programs, skeleton->progs.kext_exec, why);

    if (!err && programs->rung == TC_KEXT_RUNG_LSM) {
        err = attach(programs, skeleton->progs.kext_file_open, why);
        if (!err)
            err = attach(programs, skeleton->progs.kext_bprm_check, why);
        if (!err && opens)
            err = attach(programs, skeleton->progs.kext_opened, why);
    } else if (!err && opens) {
        err = attach(programs, skeleton->progs.kext_sys_exit, why);
    }
    if (err)
        tc_kext_detach(programs);
    return err;
}

void tc_kext_detach(struct tc_kext_programs *programs)
{
    while (programs->link_count)
        bpf_link__destroy(programs->links[--programs->link_count]);
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
