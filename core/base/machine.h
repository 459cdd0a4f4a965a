/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the agent asks of the machine for itself: folders, limits, privileges,
 * identity. */
#ifndef TC_CORE_MACHINE_H
#define TC_CORE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TC_MACHINE_ID_MAX 33 /* 32 hex digits */

uint64_t tc_wall_ns(void); /* CLOCK_REALTIME */

/* Makes a folder and those above it. An existing one must belong to root or to us. */
int tc_machine_make_dir(const char *path, mode_t mode, char why[256]);

/*
 * What `fd` still holds, at most `cap` bytes: a caller that allows fewer asks for one
 * more, and sees that it was too much. The data is the caller's to free. Errors: -ENOMEM,
 * what read(2) says.
 */
int tc_machine_read_all(int fd, size_t cap, char **ret_data, size_t *ret_len);

/*
 * Private files, no new privileges, as many descriptors as allowed, a raised
 * priority, and of the capabilities only those that the
 * sensors and the quarantine need. What the machine refuses is left as it is.
 */
void tc_machine_prepare(void);

/* Whether the process may read every file: CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH in
 * effect. */
bool tc_machine_full_disk_access(void);

/*
 * A stable name for this machine: SHA-256 of /etc/machine-id with our name, so that the
 * id itself, which is to be kept secret (machine-id(5)), is not given away.
 */
int tc_machine_id(char ret_id[TC_MACHINE_ID_MAX]);

#endif
