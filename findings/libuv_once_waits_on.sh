#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libuv 1.44.2: one turn of the loop goes on waiting after the timer that was due.
#
# uv_run(UV_RUN_ONCE) "polls for i/o once" and blocks only while there are no pending
# callbacks. A timer that is due is run at the beginning of the turn; then the same turn waits
# for the next timer or for input, without end when there is neither. A loop of the kind
# `while (!done) uv_run(loop, UV_RUN_ONCE)`, whose timer sets `done`, ends that much later,
# if at all. Since 1.45 timers are run after the wait.
# Seen:     the timer of 0 ms had run, and the turn took the 300 ms of the next one
# Expected: the turn ends with the timer of 0 ms

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in libuv1-dev=1.44.2-1+deb12u1 libuv1=1.44.2-1+deb12u1; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libuv.so.1)

command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
cat >try.c <<'C'
#include <stdio.h>
#include <uv.h>

static int ran;

static void on_due(uv_timer_t *timer)
{
    (void)timer;
    ran = 1;
}

static void on_later(uv_timer_t *timer)
{
    (void)timer;
}

int main(void)
{
    uv_loop_t *loop = uv_default_loop();
    uv_timer_t due, later;
    uint64_t start;

    uv_timer_init(loop, &due);
    uv_timer_init(loop, &later);
    uv_timer_start(&due, on_due, 0, 0);
    uv_timer_start(&later, on_later, 300, 0);
    start = uv_hrtime();
    uv_run(loop, UV_RUN_ONCE);
    printf("ran %d, %s\n", ran, uv_hrtime() - start > 200000000 ? "waited" : "at once");
    return 0;
}
C
cc -Iroot/usr/include -o try try.c -L"$lib" -l:libuv.so.1
seen=$(LD_LIBRARY_PATH=$lib ./try)
echo "libuv 1.44.2: $seen"
[ "$seen" = "ran 1, waited" ] || { echo "changed: the turn ends otherwise"; exit 1; }
echo "holds: a turn waits on after the timer that was due"
