#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libfyaml 0.7.12: a list may have an empty item, but not where it is level with its key.
#
# An item of a list may be empty, which is null, and a list may stand at the indent of its
# key (YAML 1.2, 8.2.1 and 8.2.2). libfyaml takes each, and refuses both together:
#     k:
#     - a
#     -
#     - b
# Seen:     indented :k :a : :b   level :k :a   stdin:4:1: error: did not find expected
#           node content
# Expected: :k :a : :b for both, and no error
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
    LD_LIBRARY_PATH=$lib root/usr/bin/fy-tool --testsuite - 2>error |
        sed -n 's/^=VAL //p' | paste -sd ' '
}
seen="indented $(printf 'k:\n  - a\n  -\n  - b\n' | values)"
seen="$seen   level $(printf 'k:\n- a\n-\n- b\n' | values)"
echo "$seen   $(head -n 1 error)"
if [ "$seen" != 'indented :k :a : :b   level :k :a' ] || ! grep -q 'node content' error; then
    echo "changed: libfyaml treats an empty item in another way"
    exit 1
fi
echo "holds: libfyaml refuses an empty item of a list that is level with its key"
