/* SPDX-License-Identifier: Apache-2.0 */
#include "core/daemon/last_life.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/machine.h"

#define NAME "last-life"

/* What the file holds; of another size, it is another agent's or none. */
struct left {
    char magic[8];
    uint64_t alive_ns;
    uint64_t stopped;
    char holder[64];
};

static const char magic[8] = "tclife1";

static bool read_left(int fd, struct left *ret)
{
    struct left left;
    char more;

    if (pread(fd, &left, sizeof(left), 0) != (ssize_t)sizeof(left) ||
        pread(fd, &more, 1, sizeof(left)) != 0 ||
        memcmp(left.magic, magic, sizeof(magic)) != 0)
        return false;
    left.holder[sizeof(left.holder) - 1] = '\0';
    *ret = left;
    return true;
}

static void write_left(int fd, bool stopped, const char *holder)
{
    struct left left = {.alive_ns = tc_wall_ns(), .stopped = stopped};

    memcpy(left.magic, magic, sizeof(magic));
    snprintf(left.holder, sizeof(left.holder), "%s", holder);
    /* Where it cannot be written, the next agent knows of nothing. */
    (void)!pwrite(fd, &left, sizeof(left), 0);
}

static int open_file(const char *path, int flags)
{
    return open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
}

/* The copy is of the last orderly stop: after any other end it would tell of the wrong
 * one. */
static bool take_copy(const char *path, struct left *ret)
{
    int fd = open_file(path, O_RDONLY);
    bool known = fd >= 0 && read_left(fd, ret);

    if (fd >= 0)
        close(fd);
    (void)unlink(path);
    return known;
}

void tc_last_life_open(struct tc_last_life *life, const char *runtime_dir,
                       const char *state_dir)
{
    struct left left = {.alive_ns = 0}, copy = {.alive_ns = 0};
    uint64_t now = tc_wall_ns();
    char path[4096 + 16];

    snprintf(path, sizeof(path), "%s/" NAME, runtime_dir);
    snprintf(life->copy, sizeof(life->copy), "%s/" NAME, state_dir);
    life->fd = open_file(path, O_RDWR | O_CREAT);
    life->known = take_copy(life->copy, &copy);
    if (life->fd >= 0 && read_left(life->fd, &left))
        life->known = true;
    else
        left = copy;
    life->stopped = left.stopped;
    life->alive_ns = left.alive_ns < now ? left.alive_ns : now;
    memcpy(life->holder, left.holder, sizeof(life->holder));
}

void tc_last_life_beat(struct tc_last_life *life, const char *holder)
{
    if (life->fd >= 0)
        write_left(life->fd, false, holder);
}

void tc_last_life_stop(struct tc_last_life *life, const char *holder)
{
    int copy;

    if (life->fd < 0)
        return;
    write_left(life->fd, true, holder);
    close(life->fd);
    life->fd = -1;
    copy = open_file(life->copy, O_WRONLY | O_CREAT | O_TRUNC);
    if (copy < 0)
        return;
    write_left(copy, true, holder);
    close(copy);
}
