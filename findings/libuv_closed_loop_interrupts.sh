#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libuv 1.50.0 (Debian 13) on Linux 6.18: closing a loop interrupts the thread that made it.
#
# Each loop has an io_uring. Some milliseconds after uv_loop_close() the kernel takes the ring
# from the thread that set it up, and that interrupts the system call in which the thread
# sleeps: recv() with a time limit ends with EINTR, though no signal came and none has a
# handler. signal(7) has a list of calls that EINTR ends without a restart, after a signal.
# libuv 1.44.2 (Debian 12), which has no such ring, and 1.50.0 with another thread making the
# loop do not do it.
# Seen:     made and closed here: EINTR   made and closed by another thread: EAGAIN
# Expected: EAGAIN (the time limit) for both

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in libuv1t64=1.50.0-2 libuv1-dev=1.50.0-2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libuv.so.1)

command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
[ "$(cat /proc/sys/kernel/io_uring_disabled 2>/dev/null)" = 0 ] ||
    { echo "skip: no io_uring for everybody here"; exit 77; }
cat >try.c <<'C'
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <uv.h>

static void *use_loop(void *ignored)
{
    uv_loop_t loop;

    uv_loop_init(&loop);
    uv_loop_close(&loop);
    return ignored;
}

static const char *wait_for_data(void)
{
    struct timeval limit = {.tv_usec = 500000};
    int pair[2], error;
    char byte;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        return "no socket";
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    error = recv(pair[0], &byte, 1, 0) < 0 ? errno : 0;
    return error == EINTR ? "EINTR" : error == EAGAIN ? "EAGAIN" : "something else";
}

int main(void)
{
    pthread_t thread;

    use_loop(NULL);
    printf("here: %s, ", wait_for_data());
    pthread_create(&thread, NULL, use_loop, NULL);
    pthread_join(thread, NULL);
    printf("another thread: %s\n", wait_for_data());
    return 0;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -luv -pthread -Wl,-rpath,"$lib"
seen=$(./try)
echo "$seen"
[ "$seen" = 'here: EINTR, another thread: EAGAIN' ] ||
    { echo "changed: closing a loop has another effect"; exit 1; }
echo "holds: a recv() after uv_loop_close() is interrupted without a signal"
