#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libplist 2.2.0: an integer with a leading zero is octal, and 0800 is 0.
#
# An XML property list writes integers in decimal, or in hexadecimal with 0x. libplist hands
# the text to strtoull with base 0, for which a leading zero means octal: 010 is 8, and of
# 0800 it reads the first 0 and ignores what is left. No error is raised. Zeros in front
# are usual where a template fills in a field of fixed width, such as a port.
# Seen:     10 -> 10   010 -> 8   0800 -> 0   0x10 -> 16
# Expected: 10, 10, 800, 16, or an error
# 2.6.0 (Debian 13) does the same.

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in libplist3=2.2.0-6+b2 libplist-dev=2.2.0-6+b2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libplist-2.0.so.3)

cat >try.c <<'C'
#include <plist/plist.h>
#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        uint64_t value = UINT64_MAX;
        plist_t number = NULL;
        char text[128];
        int len = snprintf(text, sizeof(text),
                           "<plist version=\"1.0\"><integer>%s</integer></plist>", argv[i]);

        plist_from_xml(text, (uint32_t)len, &number);
        plist_get_uint_val(number, &value);
        printf("%s%s -> %" PRIu64, i > 1 ? "   " : "", argv[i], value);
        plist_free(number);
    }
    return 0;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -lplist-2.0 -Wl,-rpath,"$lib"
seen=$(./try 10 010 0800 0x10)
echo "$seen"
[ "$seen" = '10 -> 10   010 -> 8   0800 -> 0   0x10 -> 16' ] ||
    { echo "changed: libplist reads leading zeros in another way"; exit 1; }
echo "holds: libplist reads an integer with a leading zero as octal"
