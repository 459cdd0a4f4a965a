/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the name of a file that was made without one. The kernel calls such a file by its
 * number (O_TMPFILE: "#5", d_tmpfile in fs/dcache.c) for as long as it is open, also
 * after linkat(2) has given it a name. Blocks: not on the loop.
 */
#ifndef TC_SENSOR_LINKED_H
#define TC_SENSOR_LINKED_H

#include "sensor_scope.h"

#define TC_SENSOR_LINKED_MAX 4096 /* entries of a folder that are looked at */

/*
 * True when `path` is such a number, and the file has a name in that folder: *ret_path.
 * One that was named in another folder is not found.
 */
bool tc_sensor_linked_name(const char *path, char ret_path[TC_SENSOR_PATH_MAX]);

#endif
