#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libarchive 3.6.2: a text file with one word on each line is an archive.
#
# mtree, a list of files with their attributes, is among the formats that libarchive
# recognizes by itself (archive_read_support_format_all), and a bare word on a line is a
# valid entry of it. So a list of words is opened without an error, as an archive of files
# that have these names and no content. "It opens" is no test for an archive, and what is
# walked into as one is not looked at as a text. With two words on a line it is refused.
# Seen:     apple banana cherry   status 1: Unrecognized archive format
# Expected: refused both times, or mtree only with its "#mtree" at the beginning
# 3.7.4 (Debian 13) does the same.

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in \
    libarchive13=3.6.2-1+deb12u5 libarchive-dev=3.6.2-1+deb12u5 \
    libarchive-tools=3.6.2-1+deb12u5; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libarchive.so.13)

list() { LD_LIBRARY_PATH=$lib root/usr/bin/bsdtar -tf "$1" 2>error; }
printf 'apple\nbanana\ncherry\n' >words
printf 'apple pie\nbanana bread\n' >pairs
names=$(list words | paste -sd ' ')
list pairs >/dev/null && status=0 || status=$?
echo "$names   status $status: $(sed -n 's/.*: //p' error | head -n 1)"
if [ "$names" = 'apple banana cherry' ] && [ "$status" = 1 ]; then
    echo "holds: libarchive takes a list of words for an archive"
else
    echo "changed: libarchive sees something else in a list of words"
    exit 1
fi
