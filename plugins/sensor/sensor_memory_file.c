/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* linux/memfd.h, since 6.3 */
#endif

static int create(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_EXEC);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* What is open for writing does not run: it is opened anew, and the first one closed. */
static int reopen(int fd, int *ret_fd, char **ret_path)
{
    char writable[32];
    int reading;

    (void)snprintf(writable, sizeof(writable), "/proc/self/fd/%d", fd);
    reading = open(writable, O_RDONLY | O_CLOEXEC);
    if (reading < 0)
        return -errno;
    if (asprintf(ret_path, "/proc/self/fd/%d", reading) < 0) {
        close(reading);
        return -ENOMEM;
    }
    *ret_fd = reading;
    return 0;
}

int tc_sensor_memory_file(const char *name, const void *data, size_t len, int *ret_fd,
                          char **ret_path)
{
    int fd = create(name), err = 0;

    if (fd < 0)
        return fd;
    errno = ENOSPC;
    if (write(fd, data, len) != (ssize_t)len || fchmod(fd, 0700))
        err = -errno;
    if (!err)
        err = reopen(fd, ret_fd, ret_path);
    close(fd);
    return err;
}
