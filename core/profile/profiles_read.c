/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: where the bytes of profiles come from: a folder, with a check of who may have
 * written them, or a message. Must not: know what a profile says.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/machine.h"
#include "core/base/why.h"
#include "core/profile/profiles_priv.h"
#include "ipc/unpack.h"

#define SUFFIX ".mobileconfig"

/* What is wrong with who may write this, or NULL. */
static const char *distrust(const struct stat *st)
{
    uid_t self = geteuid();

    if (st->st_uid != 0 && st->st_uid != self)
        return self ? "it belongs neither to root nor to the agent's user: chown it"
                    : "it does not belong to root: chown it";
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return "others than its owner may write it: chmod go-w it";
    return NULL;
}

static int refuse_file(struct tc_profiles *profiles, const char *file, const char *what)
{
    char error[TC_WHY_MAX];

    tc_why(error, "%.120s: %s", file, what);
    return tc_profiles_add_refused(profiles, file, error);
}

static int add_file(struct tc_profiles *profiles, int folder, const char *file,
                    const struct tc_identity *identity)
{
    const char *wrong = NULL;
    char *data = NULL;
    struct stat st;
    size_t len = 0;
    int fd, r;

    /* A FIFO by that name must not hold us up before fstat has seen what it is. */
    fd = openat(folder, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        return 0; /* gone since the folder was read: another change will be seen */
    if (fd < 0)
        return refuse_file(profiles, file,
                           errno == ELOOP ? "it is a symbolic link: put the file itself "
                                            "here"
                                          : strerror(errno));
    if (fstat(fd, &st) < 0)
        wrong = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        wrong = "it is no regular file";
    else
        wrong = distrust(&st);
    if (wrong) {
        r = refuse_file(profiles, file, wrong);
        goto out;
    }
    r = tc_machine_read_all(fd, TC_PROFILE_BYTES_MAX + 1, &data, &len);
    if (r && r != -ENOMEM)
        r = refuse_file(profiles, file, strerror(-r));
    else if (!r)
        r = tc_profiles_add(profiles, file, data, len, identity);

out:
    free(data);
    close(fd);
    return r;
}

/* Hidden files are what editors and package managers leave lying about. */
static int is_profile(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name), suffix = strlen(SUFFIX);

    return entry->d_name[0] != '.' && len > suffix &&
           !strcmp(entry->d_name + len - suffix, SUFFIX);
}

/* alphasort(3) would go by the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_entries(struct tc_profiles *profiles, int folder, struct dirent **entries,
                       int count, const struct tc_identity *identity)
{
    int r = 0;

    for (int i = 0; !r && i < count && i < TC_PROFILES_MAX; i++)
        r = add_file(profiles, folder, entries[i]->d_name, identity);
    if (!r && count > TC_PROFILES_MAX)
        r = refuse_file(profiles, entries[TC_PROFILES_MAX]->d_name,
                        "there are more than 64 profiles, and neither this nor those "
                        "after it is read: remove some");
    return r;
}

/* Opens the folder and checks whose it is. -ENOENT: there is none. */
static int open_folder(const char *path, int *ret_fd, char why[256])
{
    const char *wrong = NULL;
    struct stat st;
    int fd, r = -EPERM;

    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        r = -errno;
        tc_why(why, "%.160s: %s", path, strerror(-r));
        return r;
    }
    if (fstat(fd, &st) < 0) {
        r = -errno;
        wrong = strerror(-r);
    } else {
        wrong = distrust(&st);
    }
    if (wrong) {
        tc_why(why, "%.120s: no managed profile is believed: %s", path, wrong);
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int tc_profiles_read(const char *folder, const struct tc_identity *identity,
                     struct tc_profiles **ret_profiles, char why[256])
{
    struct tc_profiles *profiles = calloc(1, sizeof(*profiles));
    struct dirent **entries = NULL;
    int fd = -1, count = 0, r;

    tc_why(why, "%.160s: %s", folder, strerror(ENOMEM));
    if (!profiles)
        return -ENOMEM;
    r = open_folder(folder, &fd, why);
    if (r == -ENOENT)
        r = 0;
    else if (!r)
        count = scandirat(fd, ".", &entries, is_profile, by_name);
    if (count < 0) {
        r = -errno;
        tc_why(why, "%.160s: %s", folder, strerror(-r));
    }
    if (!r)
        r = add_entries(profiles, fd, entries, count, identity);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    if (fd >= 0)
        close(fd);
    if (r) {
        tc_profiles_free(profiles);
        return r;
    }
    *ret_profiles = profiles;
    return 0;
}

static int add_sent(struct tc_profiles *profiles, const msgpack_object *entry,
                    const struct tc_identity *identity, char why[256])
{
    struct tocsin_str name = tc_unpack_str(entry, "name");
    struct tocsin_str data = tc_unpack_str(entry, "data");
    char *file;
    int r;

    if (!name.ptr || !data.ptr) {
        tc_why(why, "files wants maps of name and data");
        return -EINVAL;
    }
    file = strndup(name.ptr, name.len);
    if (!file)
        return -ENOMEM;
    r = tc_profiles_add(profiles, file, data.ptr, data.len, identity);
    free(file);
    return r;
}

static int add_all_sent(struct tc_profiles *profiles, const msgpack_object *params,
                        const struct tc_identity *identity, char why[256])
{
    const msgpack_object *files = tc_unpack_array(params, "files");
    int r = 0;

    if (!files || !files->via.array.size || files->via.array.size > TC_PROFILES_MAX) {
        tc_why(why, "files wants 1 to %d profiles", TC_PROFILES_MAX);
        return -EINVAL;
    }
    for (uint32_t i = 0; !r && i < files->via.array.size; i++)
        r = add_sent(profiles, &files->via.array.ptr[i], identity, why);
    return r;
}

int tc_profiles_read_sent(const void *params, size_t len,
                          const struct tc_identity *identity,
                          struct tc_profiles **ret_profiles, char why[256])
{
    struct tc_profiles *profiles = calloc(1, sizeof(*profiles));
    msgpack_unpacked unpacked;
    int r = -ENOMEM;

    msgpack_unpacked_init(&unpacked);
    tc_why(why, "%s", strerror(ENOMEM));
    if (profiles)
        r = tc_unpack(&unpacked, params, len);
    if (!r)
        r = add_all_sent(profiles, &unpacked.data, identity, why);
    msgpack_unpacked_destroy(&unpacked);
    if (r) {
        tc_profiles_free(profiles);
        return r;
    }
    *ret_profiles = profiles;
    return 0;
}
