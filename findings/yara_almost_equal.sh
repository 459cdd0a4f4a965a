#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# YARA 4.2.3: a fraction can be larger than zero and equal to zero at once.
#
# == and != of fractions allow a difference of some 2e-16, the other comparisons do not.
# So "x > 0.0" and "x == 0.0" can both hold,
# and "x >= 0.0 and x != 0.0" is not the same as "x > 0.0". It matters for what module
# math counts: small shares of a large file.
# Seen:     larger zero   (x is 0.0000000000000001)
# Expected: larger
# 4.5.2 (Debian 13) does the same.

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
rule larger { condition: 0.0000000000000001 > 0.0 }
rule zero { condition: 0.0000000000000001 == 0.0 }
rule not_zero { condition: 0.0000000000000001 != 0.0 }
Y
printf a >file
seen=$(yara rule.yar file | cut -d ' ' -f 1 | paste -sd ' ')
echo "x is: $seen"
[ "$seen" = 'larger zero' ] ||
    { echo "changed: YARA compares fractions in another way"; exit 1; }
echo "holds: for YARA a number can be larger than zero and zero"
