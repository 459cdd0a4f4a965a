#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# glibc 2.36: the first rewind() of a stream reads anew, the second gives what was read before.
#
# A stream knows its offset in the file only when it has sought once, so the first rewind() asks
# the kernel and drops what is in the buffer. From then on a rewind() goes back within the buffer
# and reads nothing. With a file of /proc, which is made at each read, the second look is right
# and each later one shows the second. Only a stream that was read to its end forgets its offset:
# who stops at the line that was looked for has the old one. fflush() after rewind() (for
# a file that is read: the file's offset is put where the stream's is) drops the buffer each time.
# Seen:     opened: one   rewind: two   rewind: two   rewind and fflush: four
# Expected: the same of each rewind()

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"

command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
cat >try.c <<'C'
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static void show(const char *how, FILE *file)
{
    char name[16] = "";

    if (!fgets(name, sizeof(name), file))
        strcpy(name, "nothing");
    name[strcspn(name, "\n")] = '\0';
    printf("%s: %s   ", how, name);
}

int main(void)
{
    FILE *file = fopen("/proc/self/comm", "r");

    if (!file || prctl(PR_SET_NAME, "one"))
        return 77;
    show("opened", file);
    prctl(PR_SET_NAME, "two");
    rewind(file);
    show("rewind", file);
    prctl(PR_SET_NAME, "three");
    rewind(file);
    show("rewind", file);
    prctl(PR_SET_NAME, "four");
    rewind(file);
    fflush(file);
    show("rewind and fflush", file);
    return 0;
}
C
cc try.c -o try
getconf GNU_LIBC_VERSION 2>/dev/null || { echo "skip: no glibc here"; exit 77; }
seen=$(./try) || { echo "skip: no /proc here"; exit 77; }
echo "$seen"
[ "$seen" = 'opened: one   rewind: two   rewind: two   rewind and fflush: four   ' ] ||
    { echo "changed: each rewind() reads anew, or fflush() does not"; exit 1; }
echo "holds: from the second on, rewind() alone gives what was read before"
