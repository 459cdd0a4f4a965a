#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# YARA 4.2.3 with libmagic 5.44: a rule's answer depends on the caller's home folder.
#
# Module magic asks libmagic for a file's type, with the default list of types. libmagic
# then reads $HOME/.magic besides the system's list, and so the same rule and the same
# file give another answer for whoever has such a file, or runs with another HOME, as
# under sudo. The text file below is found to be of a type that only the home knows.
# Seen:     empty home: 0 matches   home with .magic: 1 match
# Expected: 0 and 0
# The same in Debian 13 (YARA 4.5.2, libmagic 5.46).

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
import "magic"
rule by_type { condition: magic.type() contains "made-up type" }
Y
mkdir empty home
printf '0\tstring\tabcd\tmade-up type\n' >home/.magic
printf 'abcd\n' >file
seen=$(HOME=$dir/empty yara -c rule.yar file)$(HOME=$dir/home yara -c rule.yar file)
echo "matches with an empty home, with a .magic: $seen"
[ "$seen" = 01 ] || { echo "changed: the home folder has another influence"; exit 1; }
echo "holds: a file in the home folder decides what YARA's magic module says"
