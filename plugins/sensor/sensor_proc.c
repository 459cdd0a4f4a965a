/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

ssize_t tc_sensor_proc_read(char *buf, size_t cap, const char *format, ...)
{
    size_t len = 0;
    char path[64];
    va_list ap;
    ssize_t n;
    int fd;

    va_start(ap, format);
    vsnprintf(path, sizeof(path), format, ap);
    va_end(ap);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    do {
        n = read(fd, buf + len, cap - 1 - len);
        if (n > 0)
            len += (size_t)n;
    } while (n > 0 && len < cap - 1);
    n = n < 0 ? -errno : (ssize_t)len;
    close(fd);
    buf[len] = '\0';
    return n;
}
