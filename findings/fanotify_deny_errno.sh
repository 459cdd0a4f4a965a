#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: a listener may choose the error of a refusal, but not EACCES.
#
# In new kernels a group of class FAN_CLASS_PRE_CONTENT may put an errno into its answer
# (FAN_DENY_ERRNO), and the caller of open(2) sees that one. The kernel has a list of
# what it takes, and the error that the manual page of open(2) has for a file that one may
# not read, EACCES, is not on it: the answer is refused with EINVAL and the caller waits on.
# A group of class FAN_CLASS_CONTENT may not choose at all.
# Seen:     EBUSY: given, EIO: given, EACCES: EINVAL
# Expected: given, all three

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"

[ "$(id -u)" = 0 ] || { echo "skip: this needs root"; exit 77; }
command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
cat >try.c <<'C'
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef FAN_DENY_ERRNO
#define FAN_DENY_ERRNO(err) (FAN_DENY | (unsigned)(err) << 24)
#endif

/* What the opener got, or what was wrong with the answer. */
static int answer(int error)
{
    int group = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC, O_RDONLY), status, err = 0;
    struct fanotify_response response = {.response = FAN_DENY_ERRNO(error)};
    struct fanotify_event_metadata event;
    pid_t opener;

    if (group < 0 ||
        fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM, AT_FDCWD, "."))
        _exit(77);
    opener = fork();
    if (!opener) {
        close(group);
        _exit(open("file", O_RDONLY) < 0 ? errno : 0);
    }
    if (read(group, &event, sizeof(event)) < 0)
        _exit(1);
    response.fd = event.fd;
    if (write(group, &response, sizeof(response)) < 0)
        err = errno;
    close(event.fd);
    close(group); /* whoever still waits may go on */
    waitpid(opener, &status, 0);
    return err ? -err : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    alarm(10); /* ends this process and with it the group: nobody waits on */
    if (argc < 2 || chdir(argv[1]))
        return 77;
    printf("EBUSY: %s, ", answer(EBUSY) == EBUSY ? "given" : "not given");
    printf("EIO: %s, ", answer(EIO) == EIO ? "given" : "not given");
    printf("EACCES: %s\n", answer(EACCES) == -EINVAL ? "EINVAL" : "not EINVAL");
    return 0;
}
C
cc try.c -o try
mkdir scratch
seen=$(unshare -m sh -c 'mount -t tmpfs none scratch && : >scratch/file && ./try scratch') ||
    { echo "skip: no fanotify permission events here"; exit 77; }
echo "$seen"
[ "${seen%, E*}" != 'EBUSY: not given, EIO: not given' ] ||
    { echo "skip: this kernel has no FAN_DENY_ERRNO"; exit 77; }
[ "$seen" = 'EBUSY: given, EIO: given, EACCES: EINVAL' ] ||
    { echo "changed: the kernel takes other errors"; exit 1; }
echo "holds: a listener can give EBUSY and EIO for a refusal, and not EACCES"
