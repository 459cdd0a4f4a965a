/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the quarantine folder: moving files in, listing, removing, giving back, and
 * setting right after a crash. Any thread; blocks; each call works on one file and the
 * calls share nothing but the folder. Must not: publish, or decide what is a threat.
 *
 * Names in the folder:
 *   <id>.partial    being moved in: its original is still there, or this holds all of it
 *   <id>.tq         quarantined; the original is gone
 *   <id>.links      further paths of the same inode that were removed too
 *   <id>.restoring  being given back: to which path, as which inode
 *
 * In: copy to .partial and fsync, compare, rename the original to a name of its own,
 * look that it is the one, unlink it, fsync its folder, rename the copy to .tq. Out:
 * .restoring, copy to a temporary beside the target, fsync, note its inode in .restoring,
 * rename it to the target, fsync, unlink .tq, unlink .restoring. So a crash leaves the
 * file either where it was or where it goes, and tc_av_vault_recover takes away what is
 * half done.
 *
 * What somebody saves over the original meanwhile stays, and has its name; when they do
 * so between the last look at the name and the rename, it is missing for two calls.
 */
#ifndef TC_AV_VAULT_H
#define TC_AV_VAULT_H

#include "vault/av_record.h"

/* What the vault takes; what it does not stays where it is, denied. */
#define TC_AV_VAULT_FILE_MAX (4ull << 30)       /* bytes of one file, holes not counted */
#define TC_AV_VAULT_ITEMS_MAX 4096              /* files at once, */
#define TC_AV_VAULT_USER_ITEMS_MAX 1024         /* of one user who is not root, */
#define TC_AV_VAULT_USER_BYTES_MAX (8ull << 30) /* with so many bytes in all */
#define TC_AV_VAULT_RESERVE_MAX                                                          \
    (256ull << 20) /* left free on its file system: a                                    \
                      twentieth of it, at most so much */

struct tc_av_vault {
    int dirfd;         /* -1: not open */
    uint64_t dev, ino; /* of the folder, so that a scan can stay out of it */
};

/* Whether it would take a small file now. Errors as of take, with the sentence in `why`.
 */
int tc_av_vault_check(const struct tc_av_vault *vault, char why[TC_AV_WHY]);

/* Makes and opens <state>/quarantine, mode 0700. */
int tc_av_vault_open(struct tc_av_vault *vault, const char *state_dir);
void tc_av_vault_close(struct tc_av_vault *vault);

/* Puts `fresh` in the place of one that is open or not, for everybody who uses its
 * descriptor, too. `fresh` is the caller's still, to be closed. */
int tc_av_vault_replace(struct tc_av_vault *vault, const struct tc_av_vault *fresh);

/*
 * Moves the file behind `fd` in. The record has id, hash, rule, name, severity and time;
 * path too if it is known better than the descriptor does. The rest is filled in. With
 * `unlock`, immutable and append-only attributes are no hindrance: they are noted.
 * *ret_links: how many names the inode has left. Errors, with a sentence in `why`:
 * -ESTALE the file or its name has changed; -ENOENT it has no name any more; -EFBIG;
 * -ENOSPC no room; -EDQUOT no room for more of its owner; -EPERM and all that file
 * systems return. The original then stands as it was.
 */
int tc_av_vault_take(const struct tc_av_vault *vault, int fd, struct tc_av_record *record,
                     bool unlock, uint64_t *ret_links, char why[TC_AV_WHY]);

/* Removes another name of a quarantined inode and notes it; 0 when it is gone already.
 * Errors as above; -ENOENT: the inode is not in the vault (any more). */
int tc_av_vault_take_link(const struct tc_av_vault *vault, const char *id,
                          const char *path, uint64_t dev, uint64_t ino,
                          char why[TC_AV_WHY]);

/* The record of one; -ENOENT. */
int tc_av_vault_find(const struct tc_av_vault *vault, const char *id,
                     struct tc_av_record *ret_record);

/* All records, unreadable files skipped (*ret_bad counts them). Free with list_free. */
int tc_av_vault_list(const struct tc_av_vault *vault, struct tc_av_record **ret_records,
                     size_t *ret_count, size_t *ret_bad);
void tc_av_vault_list_free(struct tc_av_record *records, size_t count);

/* Deletes for good. */
int tc_av_vault_remove(const struct tc_av_vault *vault, const char *id);

struct tc_av_restore {
    const char *id;
    const char *to; /* absolute; NULL: where it was */
    bool overwrite;
    int own_dirfd;   /* where the agent's own allow list is, and its name: */
    const char *own; /* the hash is added to it before the file appears */
};

/*
 * Gives a file back, byte for byte, with owner, mode, times and attributes; where it was,
 * under all the names that it had. `ret_left` says what of these could not be given back,
 * "" when nothing is missing. -EEXIST: the target is there; -EBADMSG: the vault file is
 * damaged; -ELOOP: a symbolic link on the way; -ESTALE: it was replaced at once, and is
 * in the vault still. *ret_record (of which path is the target) belongs to the caller on
 * success.
 */
int tc_av_vault_restore(const struct tc_av_vault *vault,
                        const struct tc_av_restore *restore,
                        struct tc_av_record *ret_record, char ret_left[TC_AV_LEFT],
                        char why[TC_AV_WHY]);

/* What a crash had left behind; free with tc_av_recovery_done. */
struct tc_av_recovery {
    struct tc_av_record *taken; /* now in the vault */
    size_t taken_n;
    struct tc_av_record *restored; /* now given back */
    size_t restored_n;
    /* Back where they were: scanning `rescan` finds them again. Their change time is
     * another by now, and so would be the id that is made of it. */
    struct tc_av_record *back;
    size_t back_n;
    char **rescan; /* paths to be scanned again */
    size_t rescan_n;
};
int tc_av_vault_recover(const struct tc_av_vault *vault, struct tc_av_recovery *ret);
void tc_av_recovery_done(struct tc_av_recovery *recovery);

#endif
