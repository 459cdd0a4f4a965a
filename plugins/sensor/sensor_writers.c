/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_writers.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <unistd.h>

void tc_sensor_writers_init(struct tc_sensor_writers *writers)
{
    writers->group = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
}

void tc_sensor_writers_done(struct tc_sensor_writers *writers)
{
    if (writers->group >= 0)
        close(writers->group);
    writers->group = -1;
}

/* FAN_OPEN, since some event must be named: none of it is ever asked for. */
bool tc_sensor_writers_any(const struct tc_sensor_writers *writers, int fd)
{
    return writers->group < 0 || fd < 0 ||
           fanotify_mark(writers->group, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN,
                         fd, NULL) ||
           fanotify_mark(writers->group, FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK,
                         FAN_OPEN, fd, NULL);
}
