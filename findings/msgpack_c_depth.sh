#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# msgpack-c 4.0.0: valid data that is nested more than 32 deep is a parse error.
#
# The format sets no bound on nesting. msgpack-c reads with a stack of 32 in place
# (MSGPACK_EMBED_STACK_SIZE) and answers the 33rd array with MSGPACK_UNPACK_PARSE_ERROR (-2),
# as it does for bytes that are no MessagePack; "no memory" would be -3. Its packer writes
# any depth, so it makes messages that it cannot read.
# Seen:     depth 32: 2   depth 33: -2   (2 is MSGPACK_UNPACK_SUCCESS)
# Expected: 2 for both, or an error that says what is wrong
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

static int unpack(int depth)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_unpacked message;
    size_t at = 0;
    int status;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    for (int i = 0; i < depth; i++)
        msgpack_pack_array(&packer, 1);
    msgpack_pack_nil(&packer);
    msgpack_unpacked_init(&message);
    status = msgpack_unpack_next(&message, buffer.data, buffer.size, &at);
    msgpack_unpacked_destroy(&message);
    msgpack_sbuffer_destroy(&buffer);
    return status;
}

int main(void)
{
    printf("depth 32: %d   depth 33: %d\n", unpack(32), unpack(33));
    return 0;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -lmsgpackc -Wl,-rpath,"$lib"
seen=$(./try)
echo "$seen"
[ "$seen" = 'depth 32: 2   depth 33: -2' ] ||
    { echo "changed: msgpack-c bounds the depth in another way"; exit 1; }
echo "holds: msgpack-c does not read what it has packed 33 deep"
