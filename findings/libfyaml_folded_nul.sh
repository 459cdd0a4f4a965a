#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libfyaml 0.7.12: a folded block can end in a NUL that is not in the file.
#
# In a folded block (>) lines that are indented more keep their breaks (YAML 1.2, 8.1.3).
# When such a line has exactly one blank more and stands after an empty line, libfyaml
# gives one line feed too few, and counts it all the same: the text that it hands out has
# the right length and a NUL at its end. With two blanks more it is right.
# Seen, in bytes: 6f 6e 65 0a 20 2d 20 78 0a 00 ("one", line feed, " - x", line feed, NUL)
# Expected:       6f 6e 65 0a 0a 20 2d 20 78 0a
# 0.8 (Debian 13) does the same.

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in libfyaml0=0.7.12-2 libfyaml-dev=0.7.12-2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libfyaml.so.0)

cat >read.c <<'C'
#include <libfyaml.h>
#include <stdio.h>

int main(void)
{
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET};
    struct fy_parser *parser = fy_parser_create(&config);
    struct fy_event *event;

    fy_parser_set_string(parser, ">\n  one\n\n   - x\n", FY_NT);
    while ((event = fy_parser_parse(parser))) {
        if (event->type == FYET_SCALAR) {
            size_t len;
            const char *text = fy_token_get_text(event->scalar.value, &len);

            fwrite(text, 1, len, stdout);
        }
        fy_parser_event_free(parser, event);
    }
    fy_parser_destroy(parser);
    return 0;
}
C
cc -Iroot/usr/include read.c -o read -L"$lib" -lfyaml -Wl,-rpath,"$lib"
seen=$(./read | od -An -v -tx1 | sed 's/^ //')
echo "$seen"
[ "$seen" = '6f 6e 65 0a 20 2d 20 78 0a 00' ] ||
    { echo "changed: libfyaml reads the folded block in another way"; exit 1; }
echo "holds: libfyaml loses a line feed and ends the text in a NUL"
