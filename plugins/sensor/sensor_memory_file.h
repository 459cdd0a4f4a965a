/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a file of a sensor's own that needs no disk: for what its start cannot do without
 * (a canary), where the state folder is read-only, full or broken.
 */
#ifndef TC_SENSOR_MEMORY_FILE_H
#define TC_SENSOR_MEMORY_FILE_H

#include <stddef.h>

/*
 * Makes a file of these bytes, in memory, which can be executed where the kernel lets
 * programs be executed from memory (vm.memfd_noexec). *ret_fd is a descriptor for
 * reading, the caller's, which keeps the file; *ret_path, for free(3), is its name for
 * this process and those that it forks, until they close that descriptor: a symbolic
 * link. Errors: those of memfd_create(2), write(2) and open(2); -ENOMEM.
 */
int tc_sensor_memory_file(const char *name, const void *data, size_t len, int *ret_fd,
                          char **ret_path);

#endif
