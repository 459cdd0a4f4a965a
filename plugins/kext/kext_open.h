/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a descriptor of the file that a record of the kernel is about, proven to be that
 * file. Opens files and may have to wait for a file system. A descriptor above `ceiling`
 * is given up.
 */
#ifndef TC_KEXT_OPEN_H
#define TC_KEXT_OPEN_H

struct statx;
struct tc_kext_record;

/* By the process, or by the path, as is surer; or -1: it is gone, or another is there. */
int tc_kext_open(const struct tc_kext_record *record, const char *path, int ceiling,
                 struct statx *ret_stx);

/* By the process that has it alone. */
int tc_kext_open_by_process(const struct tc_kext_record *record, int ceiling,
                            struct statx *ret_stx);

/* Any regular file of that name; or -1. */
int tc_kext_open_any(const char *path, int ceiling, struct statx *ret_stx);

#endif
