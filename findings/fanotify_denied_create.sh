#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: an open with O_CREAT that a fanotify listener refuses has made the file.
#
# FAN_OPEN_PERM is asked when the open is complete but for handing out the descriptor. With
# O_CREAT the file is there by then, and a refusal does not take it back: the caller has EPERM,
# the folder has an empty file, and listeners for names have its creation. A second try
# with O_EXCL then fails with EEXIST. The question about a new file comes too late to keep
# its name out of a folder.
# Seen:     open EPERM, file exists with 0 bytes, with O_EXCL EEXIST
# Expected: open EPERM, no file

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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *create(int flags)
{
    int fd = open("file", O_RDWR | O_CREAT | flags, 0600);

    return fd >= 0 ? "allowed" : errno == EPERM ? "EPERM" : errno == EEXIST ? "EEXIST" : "?";
}

int main(int argc, char **argv)
{
    int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
    struct fanotify_event_metadata event;
    struct stat st;
    pid_t creator;

    (void)argc;
    if (group < 0 || chdir(argv[1]) ||
        fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM, AT_FDCWD, "."))
        return 77;
    alarm(10); /* ends this process and with it the group: nobody waits on */
    creator = fork();
    if (!creator) {
        close(group);
        printf("open %s, ", create(0));
        fflush(stdout);
        _exit(0);
    }
    if (read(group, &event, sizeof(event)) > 0) {
        struct fanotify_response response = {event.fd, FAN_DENY};

        if (write(group, &response, sizeof(response)) < 0)
            return 1;
    }
    waitpid(creator, NULL, 0);
    close(event.fd);
    close(group);
    printf(stat("file", &st) ? "no file, " : "file exists with %d bytes, ", (int)st.st_size);
    printf("with O_EXCL %s\n", create(O_EXCL));
    return 0;
}
C
cc try.c -o try
mkdir scratch
seen=$(unshare -m sh -c 'mount -t tmpfs none scratch && ./try scratch') ||
    { echo "skip: no fanotify permission events here"; exit 77; }
echo "$seen"
[ "$seen" = 'open EPERM, file exists with 0 bytes, with O_EXCL EEXIST' ] ||
    { echo "changed: a refused creation leaves something else behind"; exit 1; }
echo "holds: a creation that was refused has made an empty file"
