/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a file of the quarantine vault: its head is refused, or it stands for a
 * record that, written anew, reads back as the same one.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vault/av_payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static int file_of(const void *data, size_t size)
{
    int fd = memfd_create("vault", MFD_CLOEXEC);

    require(fd >= 0 && tc_av_pwrite_all(fd, data, size, 0) == 0);
    return fd;
}

static void require_same(const struct tc_av_record *a, const struct tc_av_record *b)
{
    require(!strcmp(a->id, b->id) && !strcmp(a->path, b->path));
    require(!strcmp(a->rule, b->rule) && !strcmp(a->severity, b->severity));
    require(!memcmp(a->hash, b->hash, sizeof(a->hash)));
    require(a->uid == b->uid && a->gid == b->gid && a->mode == b->mode);
    require(a->size == b->size && a->mtime_ns == b->mtime_ns);
    require(a->locks == b->locks && !strcmp(a->taken, b->taken));
    require(a->holes_n == b->holes_n);
    for (size_t i = 0; i < a->holes_n; i++)
        require(a->holes[i].at == b->holes[i].at && a->holes[i].len == b->holes[i].len);
    require(a->xattrs_n == b->xattrs_n);
    for (size_t i = 0; i < a->xattrs_n; i++) {
        require(!strcmp(a->xattrs[i].name, b->xattrs[i].name));
        require(a->xattrs[i].len == b->xattrs[i].len);
        require(!memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].len));
    }
}

static void write_anew(const struct tc_av_record *record)
{
    struct tc_av_record again = {.id = ""};
    uint64_t payload, read_payload;
    int fd = file_of("", 0);

    require(tc_av_record_write(record, fd, &payload) == 0);
    require(ftruncate(fd, (off_t)(payload + record->size)) == 0);
    require(tc_av_record_load(fd, &again, &read_payload) == 0);
    require(payload == read_payload);
    require_same(record, &again);
    tc_av_record_done(&again);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tc_av_record record = {.id = ""};
    int fd = file_of(data, size);
    uint64_t payload;

    if (tc_av_record_load(fd, &record, &payload) == 0) {
        require(payload + record.size == size);
        tc_av_payload_verify(&record, fd, payload);
        write_anew(&record);
        tc_av_record_done(&record);
    }
    close(fd);
    return 0;
}
