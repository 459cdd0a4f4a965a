/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the files of the vault share: the names in the folder, and beside files. */
#ifndef TC_AV_VAULT_PRIV_H
#define TC_AV_VAULT_PRIV_H

#include <limits.h>

#include "vault/av_vault.h"

#define TC_AV_NAME_TEXT (TC_AV_ID_TEXT + 16)

#define TC_AV_PARTIAL ".partial"
#define TC_AV_WHOLE ".tq"
#define TC_AV_LINKS ".links"
#define TC_AV_RESTORING ".restoring"
#define TC_AV_LINKS_BYTES_MAX ((TC_AV_LINKS_MAX + 2) * (PATH_MAX + 8))
#define TC_AV_TEMP_PREFIX ".tocsin-restore-" /* beside the target, then the id */

void tc_av_vault_name(char ret[TC_AV_NAME_TEXT], const char *id, const char *suffix);

/* Opens a vault file and reads its head; the descriptor is the caller's on success. */
int tc_av_vault_open_file(const struct tc_av_vault *vault, const char *name,
                          struct tc_av_record *ret_record, uint64_t *ret_payload,
                          int *ret_fd);

/* Adds the further paths that are noted of an item to its record. */
int tc_av_vault_read_links(const struct tc_av_vault *vault, const char *id,
                           struct tc_av_record *record);

/* Whether `path` is the content of that record, as that inode, no link on the way. An
 * error when that cannot be found out now. */
int tc_av_vault_is_there(const char *path, uint64_t ino,
                         const struct tc_av_record *record, bool *ret_there);

/* Finishes what is in .restoring: the file is at its target for good, and where it came
 * from its other names, too, or it is not. Adds to `left` what could not be given back.
 */
int tc_av_vault_finish_restore(const struct tc_av_vault *vault, const char *id,
                               bool *ret_restored, struct tc_av_record *ret_record,
                               char left[TC_AV_LEFT]);

#endif
