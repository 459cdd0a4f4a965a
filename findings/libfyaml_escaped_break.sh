#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libfyaml 0.7.12: a line that is continued just after an escaped backslash gets a blank.
#
# In double quotes a backslash at the end of a line joins it with the next without a blank
# (YAML 1.2, 7.3.1), and two backslashes are one. libfyaml does each rightly, but not one
# directly after the other. Nobody writes that by hand; PyYAML does, when it breaks a long
# text behind an escape, as in a Windows path. fy_token_get_text() cuts the result to the
# length of the right text, so a program loses the last letter besides.
# Seen:     "C:\\Windows\\ calc
# Expected: "C:\\Windows\\calc
# (fy-tool writes a backslash as two, and a quote before a text that was quoted.) In 0.8
# (Debian 13) the text is as wrong; its fy-tool shows it cut.

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

cat >path.yml <<'Y'
"C:\\Windows\\\
  calc"
Y
seen=$(LD_LIBRARY_PATH=$lib root/usr/bin/fy-tool --testsuite path.yml | grep "^=VAL")
printf '%s\n' "$seen"
[ "$seen" = '=VAL "C:\\Windows\\ calc' ] ||
    { echo "changed: libfyaml joins the lines in another way"; exit 1; }
echo "holds: libfyaml puts a blank where two lines are joined without one"
