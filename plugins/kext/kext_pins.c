/* SPDX-License-Identifier: Apache-2.0 */
#include "kext_pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kext_load.h"
#include "sensor_clock.h"

#define ROOT "/sys/fs/bpf"
#define NAME_MAX_BYTES 64 /* of what we make there */

void tc_kext_pins_init(struct tc_kext_pins *pins, const char *state_dir)
{
    struct stat st;

    memset(pins, 0, sizeof(*pins));
    if (!stat(state_dir, &st)) /* no dots: they are reserved there */
        snprintf(pins->agent, sizeof(pins->agent), ROOT "/tocsin_kext_%llx_%llx",
                 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
}

/* ---- Folders. ---- */

/* Root's alone: what is in there is believed. */
static bool is_own(const char *folder)
{
    struct stat st;

    return !lstat(folder, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           !(st.st_mode & 077);
}

/* A path below a folder; false: it is too long to be one of ours. */
static bool below(char *ret, size_t size, const char *folder, const char *name)
{
    return strlen(name) <= NAME_MAX_BYTES &&
           (size_t)snprintf(ret, size, "%s/%s", folder, name) < size;
}

/* Calls fn for each name in a folder. */
static void each_in(const char *folder, void (*fn)(void *arg, const char *path),
                    void *arg)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char path[256];

    while (dir && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.' && below(path, sizeof(path), folder, entry->d_name))
            fn(arg, path);
    if (dir)
        closedir(dir);
}

static void remove_pin(void *arg, const char *path)
{
    (void)arg;
    unlink(path);
}

static void remove_life(const char *life)
{
    each_in(life, remove_pin, NULL);
    rmdir(life);
}

/* ---- Earlier lives. ---- */

struct heir {
    struct tc_kext_programs *programs;
    uint64_t until_ns;
    size_t count;
};

/* A map of an earlier life, if it is as ours are: its agent may have been another
 * version.
 */
static int open_map(const char *life, const char *name, uint32_t key, uint32_t value)
{
    struct bpf_map_info info = {0};
    uint32_t len = sizeof(info);
    char path[256];
    int fd = below(path, sizeof(path), life, name) ? bpf_obj_get(path) : -1;

    if (fd < 0)
        return -1;
    if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.key_size == key &&
        info.value_size == value)
        return fd;
    close(fd);
    return -1;
}

static void copy_bad(struct heir *heir, int bad)
{
    struct tc_kext_key key;
    uint8_t uses;
    bool first = true;

    while (!bpf_map_get_next_key(bad, first ? NULL : &key, &key)) {
        first = false;
        if (!bpf_map_lookup_elem(bad, &key, &uses) &&
            !tc_kext_put_bad(heir->programs, &key, uses | TC_KEXT_INHERITED))
            heir->count++;
    }
}

static void inherit_life(void *arg, const char *life)
{
    int control = open_map(life, "control", sizeof(uint32_t),
                           (uint32_t)sizeof(struct tc_kext_control));
    int bad = open_map(life, "bad", (uint32_t)sizeof(struct tc_kext_key), 1);
    struct tc_kext_control was;
    struct heir *heir = arg;
    uint32_t zero = 0;

    if (control >= 0 && bad >= 0 && !bpf_map_lookup_elem(control, &zero, &was) &&
        was.enforce && was.refuse_until_ns > tc_sensor_clock_ns(CLOCK_MONOTONIC)) {
        copy_bad(heir, bad);
        if (was.refuse_until_ns > heir->until_ns)
            heir->until_ns = was.refuse_until_ns;
    }
    if (control >= 0)
        close(control);
    if (bad >= 0)
        close(bad);
}

uint64_t tc_kext_pins_inherit(const struct tc_kext_pins *pins,
                              struct tc_kext_programs *programs, size_t *ret_count)
{
    struct heir heir = {.programs = programs};

    if (is_own(pins->agent))
        each_in(pins->agent, inherit_life, &heir);
    *ret_count = heir.count;
    return heir.until_ns;
}

/* ---- Ours. ---- */

/* Somebody else may have made a folder of that name where all may: it makes way. */
static int make_agent(const char *agent)
{
    int err = mkdir(agent, 0700) ? -errno : 0;
    char away[128];

    if (!err || is_own(agent))
        return 0;
    snprintf(away, sizeof(away), "%s_%llx", agent,
             (unsigned long long)tc_sensor_clock_ns(CLOCK_BOOTTIME));
    if (err != -EEXIST)
        return err;
    return rename(agent, away) || mkdir(agent, 0700) ? -errno : 0;
}

static int pin_all(const struct tc_kext_pins *pins,
                   const struct tc_kext_programs *programs)
{
    struct tc_kext_kept kept[TC_KEXT_KEPT_MAX];
    size_t count = tc_kext_kept(programs, kept);
    char path[256];
    int err = 0;

    for (size_t i = 0; i < count && !err; i++) {
        if (!below(path, sizeof(path), pins->life, kept[i].name))
            err = -ENAMETOOLONG;
        else if (bpf_obj_pin(kept[i].fd, path))
            err = -errno;
    }
    return err;
}

static void remove_other(void *arg, const char *life)
{
    const struct tc_kext_pins *pins = arg;

    if (strcmp(life, pins->life) != 0)
        remove_life(life);
}

int tc_kext_pins_take(struct tc_kext_pins *pins, const struct tc_kext_programs *programs,
                      char why[256])
{
    struct statfs fs;
    int err;

    if (!*pins->agent || statfs(ROOT, &fs) || fs.f_type != BPF_FS_MAGIC) {
        snprintf(why, 256, "no BPF file system is mounted at " ROOT);
        return -ENOTSUP;
    }
    err = make_agent(pins->agent);
    if (!err) {
        snprintf(pins->life, sizeof(pins->life), "%s/%d_%llx", pins->agent, getpid(),
                 (unsigned long long)tc_sensor_clock_ns(CLOCK_BOOTTIME));
        err = mkdir(pins->life, 0700) ? -errno : pin_all(pins, programs);
    }
    if (err) {
        snprintf(why, 256, ROOT ": %s", strerror(-err));
        tc_kext_pins_drop(pins);
        return err;
    }
    each_in(pins->agent, remove_other, pins);
    return 0;
}

void tc_kext_pins_drop(struct tc_kext_pins *pins)
{
    if (!*pins->life)
        return;
    remove_life(pins->life);
    rmdir(pins->agent); /* unless something else is in it */
    pins->life[0] = '\0';
}

static void remove_dead(void *arg, const char *life)
{
    const char *name = strrchr(life, '/') + 1;

    (void)arg;
    if (atoi(name) != getpid())
        remove_life(life);
}

void tc_kext_pins_sweep(const struct tc_kext_pins *pins)
{
    if (!is_own(pins->agent))
        return;
    each_in(pins->agent, remove_dead, NULL);
    rmdir(pins->agent);
}
