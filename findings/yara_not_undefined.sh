#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# YARA 4.2.3: "not X" and "not (X and true)" differ when X looks beyond the end of a file.
#
# What is read beyond the end is undefined. "not" of it stays undefined, and a rule with
# that as its condition does not match; but "and" makes false of undefined, so "not" of
# that is true. Writing a condition that always holds behind X turns the rule around.
# Seen:     not (X): no match   not (X and true): match   X: no match
# Expected: the same answer for the first two
# 4.5.2 (Debian 13) and 4.5.8 do the same.

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in \
    yara=4.2.3-4 libyara9=4.2.3-4 libmagic1=1:5.44-3 libjansson4=2.14-2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libyara.so.9)

yara() { LD_LIBRARY_PATH=$lib root/usr/bin/yara "$@"; }
cat >rule.yar <<'Y'
rule plain { condition: uint8(100) == 0 }
rule negated { condition: not (uint8(100) == 0) }
rule negated_with_and { condition: not (uint8(100) == 0 and true) }
Y
printf abcd >short
seen=$(yara rule.yar short)
echo "matching: $seen"
[ "$seen" = 'negated_with_and short' ] ||
    { echo "changed: YARA negates what is undefined in another way"; exit 1; }
echo 'holds: YARA matches "not (X and true)" where "not (X)" does not match'
