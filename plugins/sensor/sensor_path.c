/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_path.h"

#include <stdlib.h>
#include <string.h>

char *tc_sensor_path_of_names(const char *names, size_t len)
{
    size_t at = 0, end, begin;
    char *path = malloc(len + 2);

    if (!path)
        return NULL;
    for (end = len; end; end = begin) {
        for (begin = end - 1; begin && names[begin - 1]; begin--)
            ;
        path[at++] = '/';
        memcpy(path + at, names + begin, end - 1 - begin);
        at += end - 1 - begin;
    }
    if (!at)
        path[at++] = '/';
    path[at] = '\0';
    return path;
}
