#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# msgpack-c 4.0.0: the address of an empty text is NULL, or that of the value before it.
#
# An unpacked text points into the message, at its bytes. An empty one in its short form
# (a0) has whatever the unpacker held last: NULL when only single bytes came before it, else
# the place of an earlier value. So memcmp(text.ptr, ..., text.size) is given NULL, which C
# leaves undefined and the sanitizers report, and only in some messages; and the address
# says nothing of where in the message the text stood. The long form (d9 00) is right.
# Seen:     after 5: NULL   after x: 2, where the x is   long form: 3
# Expected: a place in the message behind the 5 or the x, each time
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
#include <msgpack.h>
#include <stdio.h>

static void show(const char *name, const char *data, size_t len)
{
    msgpack_unpacked message;
    const msgpack_object_str *last;
    size_t at = 0;

    msgpack_unpacked_init(&message);
    if (msgpack_unpack_next(&message, data, len, &at) != MSGPACK_UNPACK_SUCCESS)
        return;
    last = &message.data.via.array.ptr[1].via.str;
    if (last->ptr)
        printf("%s %d, %u bytes\n", name, (int)(last->ptr - data), last->size);
    else
        printf("%s NULL, %u bytes\n", name, last->size);
    msgpack_unpacked_destroy(&message);
}

int main(void)
{
    show("after 5:", "\x92\x05\xa0", 3);
    show("after x:", "\x92\xa1x\xa0", 4);
    show("long form:", "\x92\x05\xd9\x00", 4);
    return 0;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -lmsgpackc -Wl,-rpath,"$lib"
seen=$(./try | paste -sd '/')
echo "$seen"
[ "$seen" = 'after 5: NULL, 0 bytes/after x: 2, 0 bytes/long form: 3, 0 bytes' ] ||
    { echo "changed: msgpack-c points elsewhere for an empty text"; exit 1; }
echo "holds: an empty text has the address of what came before it, or none"
