/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_options.h"

#include <errno.h>

int tc_sensor_list_read(const struct tocsin_host *host, const char *option, bool paths,
                        const char *list[TC_SENSOR_WATCH_MAX + 1])
{
    const char *item;
    size_t n = 0;

    for (; (item = host->option_item(host, option, n)) != NULL; n++) {
        if (n == TC_SENSOR_WATCH_MAX || (paths && *item != '/')) {
            host->log(host, TOCSIN_LOG_ERROR, "%s: \"%s\" is %s", option, item,
                      n == TC_SENSOR_WATCH_MAX ? "one too many" : "no absolute path");
            return -EINVAL;
        }
        list[n] = item;
    }
    list[n] = NULL;
    return 0;
}

int tc_sensor_places_read(const struct tocsin_host *host, struct tc_sensor_places *ret)
{
    int err = tc_sensor_list_read(host, "watch", true, ret->watch);

    if (!err)
        err = tc_sensor_list_read(host, "ignore_filesystems", false, ret->ignored);
    if (!err && !ret->watch[0]) {
        host->log(host, TOCSIN_LOG_ERROR, "watch: there must be at least one path");
        err = -EINVAL;
    }
    return err;
}

uint32_t tc_sensor_ring_bytes_read(const struct tocsin_host *host)
{
    uint32_t wanted = (uint32_t)host->option_int(host, "ring_size"), bytes = 4096;

    while (bytes < wanted)
        bytes *= 2;
    return bytes;
}
