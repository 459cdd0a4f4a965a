#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# json-c 0.16: a key ends at its first \u0000, and two members become one.
#
# JSON allows \u0000 in a key as in any text (RFC 8259, 7). json-c keeps it in values, which
# have a length, but its keys are C strings: what follows is cut off without an error, also
# by a strict tokener, and two keys that differ only behind it are the same: the last stays.
# Seen:     {"a":"3\u0000"}
# Expected: three members, each with its value
# 0.18 (Debian 13) does the same.

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
    const char *text = "{\"a\\u0000b\":\"1\",\"a\":\"2\",\"a\\u0000c\":\"3\\u0000\"}";
    json_tokener *tokener = json_tokener_new();
    json_object *object;

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    object = json_tokener_parse_ex(tokener, text, (int)strlen(text) + 1);
    puts(object ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN)
                : json_tokener_error_desc(json_tokener_get_error(tokener)));
    return 0;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -ljson-c -Wl,-rpath,"$lib"
seen=$(./try)
printf '%s\n' "$seen"
[ "$seen" = '{"a":"3\u0000"}' ] ||
    { echo "changed: json-c reads a NUL in a key in another way"; exit 1; }
echo "holds: three members are one to json-c, their keys cut at the NUL"
