/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as /proc/PID/stat: a process chooses its name, and so a part of the line. */
#include <stdlib.h>
#include <string.h>

#include "sensor_proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = strndup((const char *)data, size), *same = strdup(line);
    struct tc_sensor_stat stat;

    if (!tc_sensor_proc_stat_parse(line, &stat) &&
        (strlen(stat.name) >= sizeof(stat.name) || !strstr(same, stat.name)))
        abort();
    free(line);
    free(same);
    return 0;
}
