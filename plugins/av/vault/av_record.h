/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is known of a quarantined file, and its format in a vault file:
 *
 *     "TOCSINQ1"  u32 big-endian length  record (one msgpack map)  the file's bytes
 *
 * of which av_payload.h has more. Any thread. Must not: know folders or names; av_vault.c
 * does.
 */
#ifndef TC_AV_RECORD_H
#define TC_AV_RECORD_H

#include <sys/types.h>

#include "base/av_file.h"

#define TC_AV_RECORD_BYTES_MAX (1024 * 1024) /* encoded; extended attributes included */
#define TC_AV_XATTRS_MAX 64
#define TC_AV_HOLES_MAX 1024
#define TC_AV_LEFT 1024     /* bytes of what could not be given back, for people */
#define TC_AV_LINKS_MAX 256 /* further paths of one inode */
#define TC_AV_TAKEN_PREFIX ".tocsin-quarantine-" /* and 16 hex digits */
#define TC_AV_TAKEN_TEXT (sizeof(TC_AV_TAKEN_PREFIX) + 16)

struct tc_av_xattr {
    char *name;
    void *value;
    size_t len;
};

/* So many bytes of zeros that the file has no blocks for. */
struct tc_av_hole {
    uint64_t at, len;
};

/* Strings from malloc belong to the record. Zero-initialised is empty. */
struct tc_av_record {
    char id[TC_AV_ID_TEXT];
    char *path;
    char **links; /* further paths of the same inode */
    size_t links_n;
    uint32_t uid, gid, mode;
    int64_t atime_ns, mtime_ns, time_ns; /* time: of the quarantine */
    uint64_t dev, ino, size;
    uint8_t hash[TC_AV_HASH_BYTES];
    char rule[128], name[128], severity[12];
    char taken[TC_AV_TAKEN_TEXT]; /* the original's name in its last moment */
    struct tc_av_xattr *xattrs;
    size_t xattrs_n;
    struct tc_av_hole *holes; /* in their order */
    size_t holes_n;
    uint32_t locks; /* FS_IMMUTABLE_FL, FS_APPEND_FL: were taken off it */
};

void tc_av_record_done(struct tc_av_record *record);

/* Takes owner, mode, times, size and extended attributes from an open file. */
int tc_av_record_read_file(struct tc_av_record *record, int fd);

/*
 * Gives an open file owner, mode, extended attributes and times, in an order in which
 * the kernel keeps all of them. What the file system cannot hold is added to `left`; one
 * that keeps the agent as its owner is not set-id.
 */
int tc_av_record_apply(const struct tc_av_record *record, int fd, char left[TC_AV_LEFT]);

/* Adds to a list for people; what does not fit is cut. */
void tc_av_left_add(char left[TC_AV_LEFT], const char *what);

/* Writes the head of a vault file; *ret_payload is where the file's bytes go. */
int tc_av_record_write(const struct tc_av_record *record, int fd, uint64_t *ret_payload);

/* Reads the head. -EBADMSG: it is none, or the file ends before its payload does. */
int tc_av_record_load(int fd, struct tc_av_record *ret_record, uint64_t *ret_payload);

/* True for a name that a file may have been taken by, and so nothing else. */
bool tc_av_taken_valid(const char *name);

int tc_av_record_add_link(struct tc_av_record *record, const char *path, size_t len);
int tc_av_record_add_hole(struct tc_av_record *record, uint64_t at, uint64_t len);

#endif
