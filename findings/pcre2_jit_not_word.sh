#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# PCRE2 10.42: with PCRE2_MATCH_INVALID_UTF the JIT's \W matches no character beyond ASCII.
#
# PCRE2_MATCH_INVALID_UTF lets a pattern run over bytes that may be no UTF-8. With it, the
# compiled code of \W, \D and \S refuses every valid character beyond ASCII, while the
# interpreter takes it, and so does the JIT when the class stands in brackets, [\W]. So
# the answer depends on whether the processor has a JIT. Below, the text is U+20AC.
# Seen:     \W jit no match, interpreter match   [\W] jit match, interpreter match
# Expected: match four times
# 10.46 (Debian 13) does it right.

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in libpcre2-8-0=10.42-1+deb12u2 libpcre2-dev=10.42-1+deb12u2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libpcre2-8.so.0)

cat >try.c <<'C'
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

static const char *match(pcre2_code *code, uint32_t options)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    PCRE2_SPTR euro = (PCRE2_SPTR) "\xe2\x82\xac";

    return pcre2_match(code, euro, 3, 0, options, data, NULL) > 0 ? "match" : "no match";
}

int main(int argc, char **argv)
{
    PCRE2_SIZE at;
    int error;

    for (int i = 1; i < argc; i++) {
        pcre2_code *code = pcre2_compile((PCRE2_SPTR)argv[i], PCRE2_ZERO_TERMINATED,
                                         PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &error,
                                         &at, NULL);

        if (pcre2_jit_compile(code, PCRE2_JIT_COMPLETE))
            return 77;
        printf("%s%s jit %s, interpreter %s", i > 1 ? "   " : "", argv[i],
               match(code, 0), match(code, PCRE2_NO_JIT));
    }
    return 0;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -lpcre2-8 -Wl,-rpath,"$lib"
seen=$(./try '\W' '[\W]') || { echo "skip: PCRE2 has no JIT for this processor"; exit 77; }
printf '%s\n' "$seen"
[ "$seen" = '\W jit no match, interpreter match   [\W] jit match, interpreter match' ] ||
    { echo "changed: JIT and interpreter say something else"; exit 1; }
printf '%s\n' 'holds: the JIT does not see that the euro sign is no letter'
