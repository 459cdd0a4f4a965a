/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "nf_skeleton.h"

#define CGROUP2_SUPER_MAGIC 0x63677270 /* linux/magic.h */
#define KEY_MAX 32 /* bytes of the longest key of a map that is cleared */

struct loading {
    struct tc_nf_programs *programs;
    uint32_t ring_bytes;
};

static int load(void *arg)
{
    const struct loading *loading = arg;
    struct tc_nf_programs *programs = loading->programs;
    struct netfilter_bpf *skeleton = netfilter_bpf__open();
    int err, cpus = libbpf_num_possible_cpus();
    void *control = NULL;

    if (!skeleton)
        return -errno;
    programs->skeleton = skeleton;
    if (cpus <= 0)
        return cpus ? cpus : -EINVAL;
    programs->cpus = (size_t)cpus;
    bpf_map__set_max_entries(skeleton->maps.ring, loading->ring_bytes);
    err = netfilter_bpf__load(skeleton);
    if (!err)
        err = tc_sensor_bpf_map(skeleton->maps.control, sizeof(struct tc_nf_control),
                                &control);
    if (err)
        return err;
    programs->control = control;
    programs->control->wake_bytes = loading->ring_bytes / 4;
    return 0;
}

int tc_nf_load(struct tc_nf_programs *programs, uint32_t ring_bytes,
               const struct tocsin_host *host, char why[256])
{
    struct loading loading = {.programs = programs, .ring_bytes = ring_bytes};
    int err;

    memset(programs, 0, sizeof(*programs));
    programs->table_fds[0] = programs->table_fds[1] = -1;
    err = tc_sensor_bpf_load(host, "BPF programs for sockets", load, &loading, why);
    if (err)
        tc_nf_unload(programs);
    return err;
}

/* ---- The cgroup. ---- */

int tc_nf_cgroup_root(char *ret_path, size_t cap)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs fs;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (statfs(places[i], &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
            continue;
        snprintf(ret_path, cap, "%s", places[i]);
        return 0;
    }
    return -ENOENT;
}

static int attach_all(struct tc_nf_programs *programs, int cgroup)
{
    struct tc_sensor_bpf_links *links = &programs->links;
    struct bpf_program *program;
    struct bpf_link *link;

    bpf_object__for_each_program(program, programs->skeleton->obj)
    {
        if (links->count == TC_SENSOR_BPF_LINKS_MAX)
            return -E2BIG;
        link = bpf_program__attach_cgroup(program, cgroup);
        if (!link)
            return -errno;
        links->links[links->count++] = link;
    }
    return 0;
}

int tc_nf_attach(struct tc_nf_programs *programs, const char *path, char why[256])
{
    int cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = cgroup < 0 ? -errno : attach_all(programs, cgroup);

    if (cgroup >= 0)
        close(cgroup);
    if (!err)
        return 0;
    tc_sensor_bpf_detach(&programs->links);
    snprintf(why, 256, "attaching BPF programs to cgroup %s: %s", path, strerror(-err));
    return err;
}

void tc_nf_detach(struct tc_nf_programs *programs)
{
    tc_sensor_bpf_detach(&programs->links);
}

static void forget_table(struct tc_nf_programs *programs, size_t which)
{
    if (programs->slots[which])
        munmap(programs->slots[which],
               programs->slots_count[which] * sizeof(struct tc_nf_slot));
    if (programs->table_fds[which] >= 0)
        close(programs->table_fds[which]);
    programs->slots[which] = NULL;
    programs->slots_count[which] = 0;
    programs->table_fds[which] = -1;
}

void tc_nf_unload(struct tc_nf_programs *programs)
{
    if (!programs->skeleton)
        return;
    tc_nf_detach(programs);
    forget_table(programs, 0);
    forget_table(programs, 1);
    if (programs->control)
        munmap(programs->control, sizeof(struct tc_nf_control));
    programs->control = NULL;
    netfilter_bpf__destroy(programs->skeleton);
    programs->skeleton = NULL;
}

int tc_nf_ring_fd(const struct tc_nf_programs *programs)
{
    return bpf_map__fd(programs->skeleton->maps.ring);
}

uint64_t tc_nf_lost(const struct tc_nf_programs *programs)
{
    int fd = bpf_map__fd(programs->skeleton->maps.lost);
    uint64_t *values = calloc(programs->cpus, sizeof(*values)), sum = 0;

    for (uint32_t kind = 0; values && kind < TC_NF_RECORD_KINDS; kind++)
        if (!bpf_map_lookup_elem(fd, &kind, values))
            for (size_t i = 0; i < programs->cpus; i++)
                sum += values[i];
    free(values);
    return sum;
}

static void clear(int fd)
{
    unsigned char key[KEY_MAX];

    while (!bpf_map_get_next_key(fd, NULL, key) && !bpf_map_delete_elem(fd, key))
        ;
}

/* ---- Addresses. ---- */

int tc_nf_addresses_begin(struct tc_nf_programs *programs, size_t slots,
                          struct tc_nf_slot **ret_slots)
{
    const struct bpf_map *like = programs->skeleton->maps.first;
    /* With the types of the one that was loaded: Linux 6.1 takes no other in its place.
     */
    LIBBPF_OPTS(bpf_map_create_opts, options,
                .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE,
                .btf_fd = (uint32_t)bpf_object__btf_fd(programs->skeleton->obj),
                .btf_key_type_id = bpf_map__btf_key_type_id(like),
                .btf_value_type_id = bpf_map__btf_value_type_id(like));
    size_t which = !programs->control->current;
    size_t bytes = slots * sizeof(struct tc_nf_slot);
    void *memory;
    int fd;

    if (!slots || slots > UINT32_MAX)
        return -EINVAL;
    fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nf_slots", sizeof(uint32_t),
                        sizeof(struct tc_nf_slot), (uint32_t)slots, &options);
    if (fd < 0)
        return fd;
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        close(fd);
        return -errno;
    }
    forget_table(programs, which);
    programs->table_fds[which] = fd;
    programs->slots[which] = memory;
    programs->slots_count[which] = slots;
    *ret_slots = memory;
    return 0;
}

int tc_nf_addresses_commit(struct tc_nf_programs *programs,
                           const struct tc_nf_addresses *head)
{
    struct tc_nf_control *control = programs->control;
    uint32_t which = !control->current;
    int fd = bpf_map__fd(programs->skeleton->maps.tables);

    if (programs->table_fds[which] < 0)
        return -EINVAL;
    if (bpf_map_update_elem(fd, &which, &programs->table_fds[which], BPF_ANY))
        return -errno;
    control->tables[which] = *head;
    __atomic_store_n(&control->current, which, __ATOMIC_RELEASE);
    tc_nf_renew(programs);
    return 0;
}

struct tc_nf_slot *tc_nf_addresses_slots(const struct tc_nf_programs *programs)
{
    return programs->slots[programs->control->current & 1];
}

int tc_nf_name_address(const struct tc_nf_programs *programs,
                       const struct tc_nf_name_key *key, const struct tc_nf_named *named)
{
    int fd = bpf_map__fd(programs->skeleton->maps.named);

    if (named->action != TC_NF_NONE)
        return bpf_map_update_elem(fd, key, named, BPF_ANY) ? -errno : 0;
    return bpf_map_delete_elem(fd, key) && errno != ENOENT ? -errno : 0;
}

void tc_nf_name_clear(const struct tc_nf_programs *programs)
{
    clear(bpf_map__fd(programs->skeleton->maps.named));
}

/* ---- What is passed. ---- */

static int replace(const struct bpf_map *map, const void *keys, size_t size, size_t count)
{
    int fd = bpf_map__fd(map);
    const char *key = keys;
    uint8_t yes = 1;

    clear(fd);
    for (size_t i = 0; i < count; i++, key += size)
        if (bpf_map_update_elem(fd, key, &yes, BPF_ANY))
            return -errno;
    return 0;
}

int tc_nf_pass_set(const struct tc_nf_programs *programs, const struct tc_nf_pass *pass)
{
    const struct netfilter_bpf *skeleton = programs->skeleton;
    const uint32_t passes = (pass->networks_count ? TC_NF_PASS_NETWORKS : 0) |
                            (pass->files_count ? TC_NF_PASS_FILES : 0) |
                            (pass->users_count ? TC_NF_PASS_USERS : 0);
    int err = replace(skeleton->maps.pass_ports, pass->ports, sizeof(*pass->ports),
                      pass->ports_count);

    if (!err)
        err = replace(skeleton->maps.pass_networks, pass->networks,
                      sizeof(*pass->networks), pass->networks_count);
    if (!err)
        err = replace(skeleton->maps.pass_files, pass->files, sizeof(*pass->files),
                      pass->files_count);
    if (!err)
        err = replace(skeleton->maps.pass_users, pass->users, sizeof(*pass->users),
                      pass->users_count);
    if (!err)
        programs->control->passes = passes;
    return err;
}

void tc_nf_renew(struct tc_nf_programs *programs)
{
    __atomic_add_fetch(&programs->control->generation, 1, __ATOMIC_RELEASE);
}
