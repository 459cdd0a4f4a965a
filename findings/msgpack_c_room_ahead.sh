#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# msgpack-c 4.0.0: at an array's first five bytes the room for all its elements is taken.
#
# The unpacker is made for data that comes in pieces. When the head of an array says how
# many elements there will be, msgpack-c takes 24 bytes for each at once, though none has
# come: after 5 of 100,005 bytes 2.4 MB are taken. So what a connection has sent is no bound
# of what it costs; the number in the head must be looked at first.
# Seen:     5 bytes of 100005: at least 24 bytes an element taken
# Expected: room that grows with what has come
# 6.0.1 (Debian 13) does the same.

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in libmsgpack-dev=4.0.0-3 libmsgpackc2=4.0.0-3; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libmsgpackc.so.2)

cat >try.c <<'C'
#include <malloc.h>
#include <msgpack.h>
#include <stdio.h>
#include <string.h>

#define ELEMENTS 100000u

int main(void)
{
    static const char head[] = {(char)0xdd, 0, 1, (char)0x86, (char)0xa0};
    struct mallinfo2 before, after;
    msgpack_unpacker unpacker;
    msgpack_unpacked message;
    size_t taken;
    int status;

    msgpack_unpacker_init(&unpacker, ELEMENTS + sizeof(head));
    msgpack_unpacked_init(&message);
    memcpy(msgpack_unpacker_buffer(&unpacker), head, sizeof(head));
    msgpack_unpacker_buffer_consumed(&unpacker, sizeof(head));
    before = mallinfo2();
    status = msgpack_unpacker_next(&unpacker, &message);
    after = mallinfo2();
    taken = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    printf("%zu bytes of %zu: %s taken\n", sizeof(head), ELEMENTS + sizeof(head),
           taken >= 24u * ELEMENTS ? "at least 24 bytes an element" : "less");
    return status != MSGPACK_UNPACK_CONTINUE;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -lmsgpackc -Wl,-rpath,"$lib"
seen=$(./try)
echo "$seen"
[ "$seen" = '5 bytes of 100005: at least 24 bytes an element taken' ] ||
    { echo "changed: msgpack-c takes room for an array in another way"; exit 1; }
echo "holds: msgpack-c takes 24 bytes for each element that is only announced"
