#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libfyaml 0.7.12: an empty block text takes the key below it for its own text.
#
# The text of a block (| or >) is indented more than its key (YAML 1.2, 8.1.1.1), so in
#     a:
#       k: |
#       b: 1
# k is empty and b is the next key of a. libfyaml makes "b: 1" the text of k: the key
# is gone, and no error is raised. At the top of a document the same is read rightly.
# Seen:     top :k | :b :1   inner :a :k |b: 1\n
# Expected: top :k | :b :1   inner :a :k | :b :1
# 0.8 (Debian 13) does the same.

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in libfyaml-utils=0.7.12-2 libfyaml0=0.7.12-2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libfyaml.so.0)

values() {
    LD_LIBRARY_PATH=$lib root/usr/bin/fy-tool --testsuite - |
        sed -n 's/^=VAL //p' | paste -sd ' '
}
seen="top $(printf 'k: |\nb: 1\n' | values)   inner $(printf 'a:\n  k: |\n  b: 1\n' | values)"
printf '%s\n' "$seen"
[ "$seen" = 'top :k | :b :1   inner :a :k |b: 1\n' ] ||
    { echo "changed: libfyaml reads the key below an empty block in another way"; exit 1; }
echo "holds: libfyaml takes the next key for the text of an empty block"
