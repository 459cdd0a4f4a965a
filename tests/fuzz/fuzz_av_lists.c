/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a list of hashes: each line of it is a hash or an issue that names the
 * file; and the agent's own list, whatever stands in it, takes one more hash that then is
 * found, and loses none.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/av_lists.h"

#define OWN "own"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static struct tc_av_lists *load(int dirfd)
{
    struct tc_av_lists *lists;

    require(tc_av_lists_load(NULL, NULL, dirfd, OWN, &lists) == 0);
    for (size_t i = 0; tc_av_lists_issue(lists, i); i++)
        require(!strncmp(tc_av_lists_issue(lists, i), OWN ":", sizeof(OWN)));
    return lists;
}

static void put(int dirfd, const uint8_t *data, size_t size)
{
    int fd = openat(dirfd, OWN, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    require(fd >= 0 && tc_av_pwrite_all(fd, data, size, 0) == 0);
    close(fd);
}

static void append(int dirfd, const uint8_t *data, size_t size)
{
    uint8_t first[TC_AV_HASH_BYTES], hash[TC_AV_HASH_BYTES];
    struct tc_av_lists *before = load(dirfd), *after;
    bool listed = size >= TC_AV_HASH_TEXT - 1 &&
                  tc_av_hash_read((const char *)data, TC_AV_HASH_TEXT - 1, first) &&
                  tc_av_lists_find(before, first) == TC_AV_ALLOWED;

    require(tc_av_hash_mem(data, size, hash) == 0);
    require(tc_av_lists_append(dirfd, OWN, hash, "fuzz") == 0);
    after = load(dirfd);
    require(!listed || tc_av_lists_find(after, first) == TC_AV_ALLOWED);
    require(tc_av_lists_find(after, hash) == TC_AV_ALLOWED);
    tc_av_lists_unref(before);
    tc_av_lists_unref(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[] = "/tmp/tocsin-fuzz-XXXXXX";
    int dirfd;

    require(mkdtemp(folder) != NULL);
    dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(dirfd >= 0);
    put(dirfd, data, size);
    append(dirfd, data, size);
    unlinkat(dirfd, OWN, 0);
    close(dirfd);
    require(rmdir(folder) == 0);
    return 0;
}
