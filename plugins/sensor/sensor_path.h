/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a path, out of the names that a program in the kernel has read from a file
 * upwards. Pure. */
#ifndef TC_SENSOR_PATH_H
#define TC_SENSOR_PATH_H

#include <stddef.h>

/* `names`, each NUL-terminated, `len` bytes of them, as a path from the root down. From
 * malloc; NULL: no memory. */
char *tc_sensor_path_of_names(const char *names, size_t len);

#endif
