#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: a file opened through an overlay is reported below it too, by another path.
#
# When a file is opened on overlayfs, the kernel opens the one in the layer. 6.1 reports nothing;
# on 6.12 and later whoever listens for opens on the layer's file system (fanotify,
# FAN_MARK_FILESYSTEM) has an event of that as well. Its descriptor is of a private mount that
# begins at the layer, so its path begins there: for a container's /bin/tool the event says
# /bin/tool, which may be another file of the host.
# Seen:     scratch/lower/bin/tool is reported as /bin/tool
# Expected: no event, or a path below scratch/lower

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"

[ "$(id -u)" = 0 ] || { echo "skip: this needs root"; exit 77; }
command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
cat >try.c <<'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int group = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY), fd;
    struct fanotify_event_metadata event;
    char link[64], path[4096] = "";
    ssize_t n;

    (void)argc;
    if (group < 0 || fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN,
                                   AT_FDCWD, argv[1]))
        return 77;
    fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 77;
    if (read(group, &event, sizeof(event)) < (ssize_t)sizeof(event))
        return puts("no event") < 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", event.fd);
    n = readlink(link, path, sizeof(path) - 1);
    return printf("scratch/lower/bin/tool is reported as %s\n", n < 0 ? "nothing" : path) < 0;
}
C
cc try.c -o try
mkdir scratch
seen=$(unshare -m sh -ec '
    mount -t tmpfs none scratch
    mkdir -p scratch/lower/bin scratch/upper scratch/work merged
    echo x >scratch/lower/bin/tool
    mount -t overlay none -o lowerdir=scratch/lower,upperdir=scratch/upper,workdir=scratch/work \
        merged
    ./try scratch merged/bin/tool') || { echo "skip: no overlayfs or no fanotify here"; exit 77; }
echo "$seen"
[ "$seen" = 'scratch/lower/bin/tool is reported as /bin/tool' ] ||
    { echo "changed: the layer below an overlay reports something else"; exit 1; }
echo "holds: the layer's open is reported with a path that begins at the layer"
