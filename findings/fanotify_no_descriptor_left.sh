#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: a fanotify listener without a free descriptor refuses opens that it never saw.
#
# For each question of a permission group (FAN_OPEN_PERM) the kernel opens the file for the
# listener, within its read(2). When the listener has used up its descriptors, that fails:
# read(2) gives EMFILE, and the program that waits is refused with EPERM, as if the listener
# had said so. It has had no event and cannot answer otherwise. So a listener must keep some
# descriptors free, or good files are refused for everybody (the contrary of what happens
# when it is ended: then all may go on).
# Seen:     listener EMFILE, opener EPERM
# Expected: the question stays until it can be read, or the open is allowed

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
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY), status;
    struct fanotify_event_metadata event;
    struct rlimit none = {0, 0};
    pid_t opener;

    (void)argc;
    if (group < 0 || fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM,
                                   AT_FDCWD, argv[1]) ||
        chdir(argv[1]))
        return 77;
    alarm(10); /* ends this process and with it the group: nobody waits on */
    opener = fork();
    if (!opener) {
        close(group);
        _exit(open("file", O_RDONLY) < 0 ? errno : 0);
    }
    setrlimit(RLIMIT_NOFILE, &none);
    printf("listener %s, ", read(group, &event, sizeof(event)) > 0 ? "got an event"
                            : errno == EMFILE                      ? "EMFILE"
                                                                   : "another error");
    close(group);
    waitpid(opener, &status, 0);
    status = WEXITSTATUS(status);
    printf("opener %s\n", !status ? "allowed" : status == EPERM ? "EPERM" : "another error");
    return 0;
}
C
cc try.c -o try
mkdir scratch
seen=$(unshare -m sh -c 'mount -t tmpfs none scratch && : >scratch/file && ./try scratch') ||
    { echo "skip: no fanotify permission events here"; exit 77; }
echo "$seen"
[ "$seen" = 'listener EMFILE, opener EPERM' ] ||
    { echo "changed: a listener without descriptors has another effect"; exit 1; }
echo "holds: who cannot take the question has refused it"
