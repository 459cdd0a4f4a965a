/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the few things done to files that every part of the plugin needs: hashing, whole
 * reads, durable writes, and opening a parent folder with no symbolic link on the way.
 * Any thread. Must not: know rules, threats or the vault.
 */
#ifndef TC_AV_FILE_H
#define TC_AV_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define TC_AV_WHY 256       /* bytes of a reason for people */
#define TC_AV_HASH_BYTES 32 /* SHA-256 */
#define TC_AV_HASH_MAX                                                                   \
    (64ull << 30)          /* bytes of a file that are hashed: of more, so many */
#define TC_AV_HASH_TEXT 65 /* as hex digits, with the NUL */
#define TC_AV_ID_TEXT 37   /* a UUID with the NUL */

/* An inode in one state: what a verdict holds for. */
struct tc_av_key {
    uint64_t dev, ino, size;
    int64_t ctime_ns;
};

struct tc_av_key tc_av_key_of(const struct stat *st);
bool tc_av_key_same(const struct tc_av_key *a, const struct tc_av_key *b);
int64_t tc_av_ns(struct timespec ts);

void tc_av_hash_text(const uint8_t hash[TC_AV_HASH_BYTES], char ret[TC_AV_HASH_TEXT]);

/* Reads exactly 64 hex digits; false if they are none. */
bool tc_av_hash_read(const char *text, size_t len, uint8_t ret[TC_AV_HASH_BYTES]);

int tc_av_hash_mem(const void *data, size_t len, uint8_t ret[TC_AV_HASH_BYTES]);

/* The hash of `len` bytes from `offset` on, read with pread; -EIO when the file is
 * shorter. */
int tc_av_hash_fd(int fd, uint64_t offset, uint64_t len, uint8_t ret[TC_AV_HASH_BYTES]);

/*
 * The id of the threat that is this content in this inode since that change: the same
 * after a crash in the middle of dealing with it, so that it is not listed twice. A UUID
 * of version 8.
 */
int tc_av_id_of(const struct tc_av_key *key, const uint8_t hash[TC_AV_HASH_BYTES],
                char ret[TC_AV_ID_TEXT]);

/* True for what tc_av_id_of makes: safe to be part of a file name. */
bool tc_av_id_valid(const char *text, size_t len);

/*
 * Opens the folder that holds an absolute path, refusing any symbolic link on the way
 * (-ELOOP); *ret_name points into `path`.
 */
int tc_av_open_parent(const char *path, int *ret_dirfd, const char **ret_name);

/*
 * Opens a file to be read: never through a link as the last part, never waiting, and
 * without marking its access time where the kernel lets us. A descriptor, or -errno.
 */
int tc_av_open_quiet(int dirfd, const char *name);

/* Which of FS_IMMUTABLE_FL and FS_APPEND_FL an open file or folder has: chattr +i, +a. 0
 * where the file system has no such. */
uint32_t tc_av_locks_of(int fd);

/* Puts those in `locks` on it, or takes them off. 0 at once when there are none. */
int tc_av_locks_set(int fd, uint32_t locks, bool on);

/* True for the errors of opening a path at which no file is: none of the file system. */
bool tc_av_is_absence(int error);

/*
 * Renames within a folder; -EEXIST rather than replace what has the name already. (On a
 * file system that can do neither that nor links, whatever gets the name in the same
 * moment is replaced.)
 */
int tc_av_rename_new(int dirfd, const char *from, const char *to);

/* Reads or writes all n bytes at the offset, or fails. A file system's own -EBADMSG (its
 * checksum is wrong) is -EIO: here that means bytes that are not what was written. */
int tc_av_pread_all(int fd, void *buf, size_t n, uint64_t offset);
int tc_av_pwrite_all(int fd, const void *buf, size_t n, uint64_t offset);

/*
 * Makes file `name` in dirfd hold exactly these bytes: after a crash it is the old one
 * or the new one, never half. *ret (from malloc) of read_whole is NUL-terminated.
 */
int tc_av_write_durable(int dirfd, const char *name, const void *data, size_t len);
int tc_av_read_whole(int dirfd, const char *name, size_t max, char **ret,
                     size_t *ret_len);

#endif
