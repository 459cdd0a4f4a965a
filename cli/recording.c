/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see recording.h. */
#include "cli/recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "ipc/frame.h"
#include "ipc/unpack.h"

#define READ_BYTES_MAX (INT64_C(1) << 31)               /* of what cannot be mapped */
#define RECORD_VALUES_MAX (TOCSIN_EVENT_MAX_BYTES + 16) /* of an event and its frame */

struct tc_recording {
    uint8_t *bytes;
    size_t len, room; /* room 0: it is mapped */
    const uint8_t *at;
    msgpack_unpacked unpacked;
};

static int read_all(struct tc_recording *r, FILE *file)
{
    uint8_t *grown;
    size_t n;

    do {
        if (r->len == r->room) {
            if (r->room >= READ_BYTES_MAX)
                return -EFBIG;
            grown = realloc(r->bytes, r->room ? 2 * r->room : 65536);
            if (!grown)
                return -ENOMEM;
            r->room = r->room ? 2 * r->room : 65536;
            r->bytes = grown;
        }
        n = fread(r->bytes + r->len, 1, r->room - r->len, file);
        r->len += n;
    } while (n);
    return ferror(file) ? -EIO : 0;
}

static int load(struct tc_recording *r, FILE *file)
{
    off_t from = ftello(file);
    struct stat st;
    void *map;

    if (fstat(fileno(file), &st))
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode) || from < 0 || from >= st.st_size)
        return read_all(r, file);
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fileno(file), 0);
    if (map == MAP_FAILED)
        return -errno;
    r->bytes = map;
    r->len = (size_t)st.st_size;
    r->at = r->bytes + from;
    return 0;
}

int tc_recording_new(FILE *file, struct tc_recording **ret)
{
    struct tc_recording *r = calloc(1, sizeof(*r));
    int error = r ? load(r, file) : -ENOMEM;

    if (error) {
        if (r)
            free(r->bytes);
        free(r);
        return error;
    }
    if (!r->at)
        r->at = r->bytes;
    msgpack_unpacked_init(&r->unpacked);
    *ret = r;
    return 0;
}

void tc_recording_free(struct tc_recording *r)
{
    if (!r)
        return;
    msgpack_unpacked_destroy(&r->unpacked);
    if (r->room)
        free(r->bytes);
    else if (r->bytes)
        munmap(r->bytes, r->len);
    free(r);
}

int tc_recording_next(struct tc_recording *r, struct tc_recorded *ret)
{
    const uint8_t *end = r->bytes + r->len;
    const struct tc_frame_limits limits = {.bytes = (size_t)(end - r->at),
                                           .values = RECORD_VALUES_MAX,
                                           .depth = TC_FRAME_DEPTH_MAX};
    size_t len = 0;

    if (r->at == end)
        return 0;
    if (tc_frame_next(r->at, limits.bytes, &limits, &len) || !len) {
        r->at = end;
        return -EBADMSG;
    }
    ret->bytes = r->at;
    ret->len = len;
    r->at += len;
    if (tc_unpack(&r->unpacked, ret->bytes, len) ||
        tc_tapline_read(&r->unpacked.data, &ret->event))
        return -EBADMSG;
    return 1;
}

bool tc_recording_begins(int first)
{
    return (first >= 0x90 && first <= 0x9f) || first == 0xdc || first == 0xdd;
}
