/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the half of kext_load.h that reads and writes maps. Any thread. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "kext_load.h"
#include "kext_skeleton.h"

#define NS_PER_S 1000000000ull
#define ANY (TC_KEXT_FOR_OPEN | TC_KEXT_FOR_EXEC | TC_KEXT_INHERITED)

uint32_t tc_kext_device_of(dev_t st_dev)
{
    return (uint32_t)(major(st_dev) << 20 | minor(st_dev));
}

dev_t tc_kext_st_dev_of(uint32_t device)
{
    return makedev(device >> 20, device & 0xfffff);
}

struct tc_kext_key tc_kext_key_of(uint64_t st_dev, uint64_t inode, uint64_t ctime_ns)
{
    return (struct tc_kext_key){.inode = inode,
                                .ctime_s = ctime_ns / NS_PER_S,
                                .ctime_ns = (uint32_t)(ctime_ns % NS_PER_S),
                                .device = tc_kext_device_of(st_dev)};
}

/* Adds a reason why the programs must look at files of that file system. */
static int mark_device(const struct tc_kext_programs *programs, uint32_t device,
                       uint32_t why)
{
    int fd = bpf_map__fd(programs->skeleton->maps.devices);
    uint32_t now = 0;

    if (!bpf_map_lookup_elem(fd, &device, &now) && (now & why))
        return 0;
    now |= why;
    return bpf_map_update_elem(fd, &device, &now, BPF_ANY);
}

/* What a map knows the file for; 0: it does not. */
static uint8_t uses_in(int fd, const struct tc_kext_key *key)
{
    uint8_t uses = 0;

    return bpf_map_lookup_elem(fd, key, &uses) ? 0 : uses;
}

static int put(int fd, const struct tc_kext_key *key, unsigned uses)
{
    uint8_t now = (uint8_t)((uses_in(fd, key) & ~TC_KEXT_INHERITED) | uses);

    return bpf_map_update_elem(fd, key, &now, BPF_ANY);
}

int tc_kext_put_bad(struct tc_kext_programs *programs, const struct tc_kext_key *key,
                    unsigned uses)
{
    int err = mark_device(programs, key->device, TC_KEXT_DEVICE_BAD);

    tc_kext_drop_good(programs, key);
    return err ? err : put(bpf_map__fd(programs->skeleton->maps.bad), key, uses);
}

int tc_kext_put_good(struct tc_kext_programs *programs, const struct tc_kext_key *key,
                     unsigned uses)
{
    return put(bpf_map__fd(programs->skeleton->maps.good), key, uses);
}

void tc_kext_drop_bad(struct tc_kext_programs *programs, const struct tc_kext_key *key,
                      unsigned uses)
{
    int fd = bpf_map__fd(programs->skeleton->maps.bad);
    uint8_t now = uses_in(fd, key), left = (uint8_t)(now & ~uses);

    if (!(left & ~TC_KEXT_INHERITED))
        bpf_map_delete_elem(fd, key);
    else if (left != now)
        bpf_map_update_elem(fd, key, &left, BPF_ANY);
}

void tc_kext_drop_good(struct tc_kext_programs *programs, const struct tc_kext_key *key)
{
    bpf_map_delete_elem(bpf_map__fd(programs->skeleton->maps.good), key);
}

bool tc_kext_is_bad(const struct tc_kext_programs *programs,
                    const struct tc_kext_key *key)
{
    uint8_t value;

    return !bpf_map_lookup_elem(bpf_map__fd(programs->skeleton->maps.bad), key, &value);
}

bool tc_kext_is_good(const struct tc_kext_programs *programs,
                     const struct tc_kext_key *key)
{
    uint8_t value;

    return !bpf_map_lookup_elem(bpf_map__fd(programs->skeleton->maps.good), key, &value);
}

/* Deletes every key of a map but `keep`, and but those that have none of `uses`. A key
 * that is deleted under the walk by somebody else makes it begin again, so the walk is
 * bounded by what the map can hold. */
static void clear(const struct bpf_map *map, const struct tc_kext_key *keep,
                  unsigned uses)
{
    uint32_t left = 2 * bpf_map__max_entries(map) + 1;
    struct tc_kext_key key, next;
    int fd = bpf_map__fd(map);
    bool first = true;

    while (left-- && !bpf_map_get_next_key(fd, first ? NULL : &key, &next)) {
        if ((keep && !memcmp(&next, keep, sizeof(next))) ||
            !(uses_in(fd, &next) & uses)) {
            key = next;
            first = false;
            continue;
        }
        bpf_map_delete_elem(fd, &next);
    }
}

void tc_kext_forget_bad(struct tc_kext_programs *programs, const struct tc_kext_key *keep)
{
    clear(programs->skeleton->maps.bad, keep, ANY);
}

void tc_kext_forget_inherited(struct tc_kext_programs *programs)
{
    clear(programs->skeleton->maps.bad, NULL, TC_KEXT_INHERITED);
}

void tc_kext_forget_good(struct tc_kext_programs *programs)
{
    clear(programs->skeleton->maps.good, NULL, ANY);
}

static bool is_among(const struct tc_kext_folder *folders, size_t count,
                     const struct tc_kext_folder *folder)
{
    for (size_t i = 0; i < count; i++)
        if (!memcmp(&folders[i], folder, sizeof(*folder)))
            return true;
    return false;
}

/* Deletes the folders of the map that are not among these. */
static void keep_only(int fd, const struct tc_kext_folder *folders, size_t count)
{
    struct tc_kext_folder gone[TC_KEXT_FOLDERS_MAX], at, next;
    size_t gone_count = 0;
    bool first = true;

    while (gone_count < TC_KEXT_FOLDERS_MAX &&
           !bpf_map_get_next_key(fd, first ? NULL : &at, &next)) {
        if (!is_among(folders, count, &next))
            gone[gone_count++] = next;
        at = next;
        first = false;
    }
    for (size_t i = 0; i < gone_count; i++)
        bpf_map_delete_elem(fd, &gone[i]);
}

/* First what is new, then what has gone: at no time is less watched than both want. */
int tc_kext_set_folders(struct tc_kext_programs *programs,
                        const struct tc_kext_folder *folders, size_t count)
{
    int fd = bpf_map__fd(programs->skeleton->maps.folders), err = 0, result;
    uint8_t one = 1;

    for (size_t i = 0; i < count; i++) {
        result =
            mark_device(programs, (uint32_t)folders[i].device, TC_KEXT_DEVICE_WATCHED);
        if (!result)
            result = bpf_map_update_elem(fd, &folders[i], &one, BPF_ANY);
        if (result)
            err = result;
    }
    keep_only(fd, folders, count);
    return err;
}

bool tc_kext_is_folder(const struct tc_kext_programs *programs,
                       const struct tc_kext_folder *folder)
{
    uint8_t value;

    return !bpf_map_lookup_elem(bpf_map__fd(programs->skeleton->maps.folders), folder,
                                &value);
}

bool tc_kext_take_held(struct tc_kext_programs *programs, uint32_t pid, uint64_t start_ns)
{
    int fd = bpf_map__fd(programs->skeleton->maps.held);
    struct tc_kext_held value;

    return !bpf_map_lookup_elem(fd, &pid, &value) && value.start_ns == start_ns &&
           !bpf_map_delete_elem(fd, &pid);
}

bool tc_kext_any_held(const struct tc_kext_programs *programs, uint32_t *ret_pid,
                      struct tc_kext_held *ret_held)
{
    int fd = bpf_map__fd(programs->skeleton->maps.held);

    return !bpf_map_get_next_key(fd, NULL, ret_pid) &&
           !bpf_map_lookup_elem(fd, ret_pid, ret_held);
}

void tc_kext_read_counters(const struct tc_kext_programs *programs,
                           uint64_t ret[TC_KEXT_COUNTERS])
{
    int cpus = libbpf_num_possible_cpus();
    uint64_t *values = calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*values));

    memset(ret, 0, TC_KEXT_COUNTERS * sizeof(*ret));
    for (uint32_t i = 0; values && cpus > 0 && i < TC_KEXT_COUNTERS; i++)
        if (!bpf_map_lookup_elem(bpf_map__fd(programs->skeleton->maps.counters), &i,
                                 values))
            for (int cpu = 0; cpu < cpus; cpu++)
                ret[i] += values[cpu];
    free(values);
}
