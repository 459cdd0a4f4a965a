#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# YARA 4.2.3: "for none" over a range without numbers is false.
#
# "for none i in (...) : (...)" says that the condition holds for no i. Of no numbers at
# all it holds for none, so it should be true, as it is for numbers that do not match.
# YARA skips the loop and leaves false. Ranges that end at filesize are empty for small
# files, so a rule of the kind "there is no header in what follows" fails on them.
# Seen:     four bytes: matches   one byte, an empty range: no match
# Expected: matches for both
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
rule none_is_a_zero
{
    condition:
        for none i in (2..filesize - 1) : ( uint8(i) == 0 )
}
Y
printf abcd >four
printf a >one
seen=$(yara -c rule.yar four)$(yara -c rule.yar one)
echo "matches of four bytes, of one byte: $seen"
[ "$seen" = 10 ] || { echo "changed: YARA sees the empty range in another way"; exit 1; }
echo "holds: for YARA not even none of nothing is true"
