#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libarchive 3.6.2: a file's name in a ZIP is NULL for a program without setlocale().
#
# A ZIP entry may say that its name is UTF-8. In the C locale, which every program has that
# does not call setlocale(), libarchive cannot write such a name for it. It gives the entry,
# its size and its content with ARCHIVE_WARN, and NULL for its name, also from
# archive_entry_pathname_utf8(), though in the file the name is UTF-8 already. Whoever prints
# or compares the name without a look runs into NULL.
# Seen:     C: NULL, utf8 NULL   C.UTF-8: a name, utf8 a name
# Expected: the name as UTF-8, at least from the function that asks for that
# 3.7.4 (Debian 13) does the same.

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in libarchive13=3.6.2-1+deb12u5 libarchive-dev=3.6.2-1+deb12u5; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libarchive.so.13)

cat >try.c <<'C'
#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdio.h>

/* One stored entry of one byte, "x", whose name is U+00FC, marked as UTF-8. */
static const char zip[] = "PK\3\4\24\0\0\10\0\0\0\0\0\0\203\26\334\214\1\0\0\0\1\0\0\0\2\0\0\0"
                          "\303\274x"
                          "PK\1\2\24\0\24\0\0\10\0\0\0\0\0\0\203\26\334\214\1\0\0\0\1\0\0\0"
                          "\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\303\274"
                          "PK\5\6\0\0\0\0\1\0\1\0\60\0\0\0\41\0\0\0\0";

int main(int argc, char **argv)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    const char *name, *utf8;

    setlocale(LC_ALL, argv[argc - 1]);
    archive_read_support_format_zip(archive);
    if (archive_read_open_memory(archive, zip, sizeof(zip)) ||
        archive_read_next_header(archive, &entry) < ARCHIVE_WARN)
        return 1;
    name = archive_entry_pathname(entry);
    utf8 = archive_entry_pathname_utf8(entry);
    printf("%s: %s, utf8 %s", argv[argc - 1], name ? "a name" : "NULL",
           utf8 ? "a name" : "NULL");
    return archive_read_free(archive);
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -larchive -Wl,-rpath,"$lib"
seen="$(./try C)   $(./try C.UTF-8)"
echo "$seen"
[ "$seen" = 'C: NULL, utf8 NULL   C.UTF-8: a name, utf8 a name' ] ||
    { echo "changed: libarchive gives names in another way"; exit 1; }
echo "holds: in the C locale libarchive has no name for an entry of UTF-8"
