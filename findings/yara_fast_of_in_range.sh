#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# YARA 4.2.3: in fast mode "none of them in (range)" is true though one of them is there.
#
# Fast mode (yara -f, SCAN_FLAGS_FAST_MODE) keeps one match of a text and is meant to say
# the same as the ordinary mode: where a condition asks for places, the compiler notes
# that all matches are needed. It forgets to for "of ... in", which is new in 4.2. In the
# file below the marker stands at the beginning and at the end.
# Seen:     ordinary: 0 matches   fast: 1 match
# Expected: 0 and 0; 4.5.2 (Debian 13) says so.

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
rule only_at_the_beginning
{
    strings:
        $a = "marker"
    condition:
        $a and none of them in (filesize - 8 .. filesize)
}
Y
printf 'marker, then something else, and again marker' >file
seen=$(yara -c rule.yar file)$(yara -c -f rule.yar file)
echo "matches in ordinary mode, in fast mode: $seen"
[ "$seen" = 01 ] || { echo "changed: the two modes say something else"; exit 1; }
echo "holds: fast mode matches a file that the ordinary mode does not"
