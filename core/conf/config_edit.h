/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a change of one key in the files of the configuration: which file has it, what
 * the file is to say then, and putting that in the file's place. A change is made, read
 * with the other files (tc_config_read_edited), judged by whoever asked for it, and only
 * then written. Must not: log, or put anything in force. All of it blocks.
 */
#ifndef TC_CORE_CONFIG_EDIT_H
#define TC_CORE_CONFIG_EDIT_H

#include <stdbool.h>
#include <sys/stat.h>

struct tc_config;

enum tc_config_verb {
    TC_CONFIG_SET,    /* the value of the key */
    TC_CONFIG_UNSET,  /* the default is to count again */
    TC_CONFIG_ADD,    /* one more item of the list */
    TC_CONFIG_REMOVE, /* that item of the list */
};

struct tc_config_edit {
    char *path;        /* the file, as the configuration names it */
    char *target;      /* the same without links */
    char *before;      /* what it says, */
    char *after;       /* and what it is to say */
    char *also;        /* another file that has the key as well, or NULL */
    struct stat found; /* the file as it was read */
};

/*
 * What `verb` makes of the configuration that begins with `path`. `key` has dots between
 * its parts; `value` is YAML on one line, NULL with UNSET. The file is the last that has
 * the key, or `path`. A key or value that the agent does not know is no error here.
 * -EINVAL, -ENOENT, -ENOTSUP, -ENOMEM and why. The result is for tc_config_edit_free.
 */
int tc_config_edit_make(const char *path, enum tc_config_verb verb, const char *key,
                        const char *value, struct tc_config_edit **ret_edit,
                        char why[256]);

/* Whether the file says so already. */
bool tc_config_edit_is_none(const struct tc_config_edit *edit);

/* As tc_config_read, with the edited file as it is to be. */
int tc_config_read_edited(const char *path, const struct tc_config_edit *edit,
                          struct tc_config **ret_config, char why[256]);

/*
 * Puts the new text in the file's place, at once and whole, with its owner and mode; or,
 * after that, the old one back. -ESTALE: somebody has changed the file meanwhile; what
 * open(2), write(2), fsync(2) and rename(2) give.
 */
int tc_config_edit_write(struct tc_config_edit *edit, char why[256]);
int tc_config_edit_undo(struct tc_config_edit *edit, char why[256]);

void tc_config_edit_free(struct tc_config_edit *edit);

#endif
