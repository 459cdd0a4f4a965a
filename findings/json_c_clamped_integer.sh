#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# json-c 0.16: an integer beyond 64 bits becomes another number, silently.
#
# JSON has no largest integer (RFC 8259, 6, speaks of interoperability only). json-c takes
# the largest or smallest 64-bit one in its place, without an error, also with a strict
# tokener; with a fraction (1e400, 100000000000000000000.0) the text is kept as it stood.
# Seen:     [18446744073709551615,-9223372036854775808,100000000000000000000.0]
# Expected: the numbers of the text, or an error
# 0.18 (Debian 13) refuses the first two when it is strict.

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in libjson-c5=0.16-2 libjson-c-dev=0.16-2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libjson-c.so.5)

cat >try.c <<'C'
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    const char *text = "[100000000000000000000,-100000000000000000000,"
                       "100000000000000000000.0]";
    json_tokener *tokener = json_tokener_new();
    json_object *array;

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    array = json_tokener_parse_ex(tokener, text, (int)strlen(text) + 1);
    puts(array ? json_object_to_json_string_ext(array, JSON_C_TO_STRING_PLAIN)
               : json_tokener_error_desc(json_tokener_get_error(tokener)));
    return 0;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -ljson-c -Wl,-rpath,"$lib"
seen=$(./try)
printf '%s\n' "$seen"
[ "$seen" = '[18446744073709551615,-9223372036854775808,100000000000000000000.0]' ] ||
    { echo "changed: json-c reads integers beyond 64 bits in another way"; exit 1; }
echo "holds: json-c gives the nearest 64-bit integer and no error"
