#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Hyperscan 5.4.0 beside PCRE2 10.42: a caseless [[:upper:]] is every letter, or capitals.
#
# Hyperscan says that it follows PCRE. In Unicode mode (HS_FLAG_UTF8 and HS_FLAG_UCP, or
# PCRE2_UTF and PCRE2_UCP) a caseless [[:upper:]] takes every letter in Hyperscan, the
# Chinese sign U+4E00 too, which has no case. In PCRE2 it still takes capitals alone. As to
# \p{Lu} the two agree: capitals, caseless or not.
# Seen:     [[:upper:]] hyperscan A a U+4E00, pcre2 A   \p{Lu} hyperscan A, pcre2 A
# Expected: the same for both
# In Debian 13 Hyperscan 5.4.2 is the same; PCRE2 10.46 says A a of \p{Lu}.

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in \
    libhyperscan5=5.4.0-2 libhyperscan-dev=5.4.0-2 \
    libpcre2-8-0=10.42-1+deb12u2 libpcre2-dev=10.42-1+deb12u2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libhs.so.5)

cat >try.c <<'C'
#define PCRE2_CODE_UNIT_WIDTH 8
#include <hs/hs.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

static int on_match(unsigned id, unsigned long long from, unsigned long long to,
                    unsigned flags, void *matched)
{
    (void)id, (void)from, (void)to, (void)flags;
    *(int *)matched = 1;
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const texts[] = {"A", "a", "\xe4\xb8\x80"};
    static const char *const names[] = {" A", " a", " U+4E00"};

    for (int i = 1; i < argc; i++) {
        hs_compile_error_t *refusal;
        hs_scratch_t *scratch = NULL;
        hs_database_t *database;
        PCRE2_SIZE at;
        int error;
        pcre2_code *code = pcre2_compile((PCRE2_SPTR)argv[i], PCRE2_ZERO_TERMINATED,
                                         PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS, &error,
                                         &at, NULL);
        pcre2_match_data *data = pcre2_match_data_create(1, NULL);

        if (hs_compile(argv[i], HS_FLAG_UTF8 | HS_FLAG_UCP | HS_FLAG_CASELESS,
                       HS_MODE_BLOCK, NULL, &database, &refusal) ||
            hs_alloc_scratch(database, &scratch))
            return 77;
        printf("%s%s hyperscan", i > 1 ? "   " : "", argv[i]);
        for (int j = 0, hit = 0; j < 3; j++, hit = 0)
            if (!hs_scan(database, texts[j], strlen(texts[j]), 0, scratch, on_match, &hit))
                fputs(hit ? names[j] : "", stdout);
        fputs(", pcre2", stdout);
        for (int j = 0; j < 3; j++)
            if (pcre2_match(code, (PCRE2_SPTR)texts[j], strlen(texts[j]), 0, 0, data, NULL) >= 0)
                fputs(names[j], stdout);
    }
    return 0;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -lhs -lpcre2-8 -Wl,-rpath,"$lib"
seen=$(./try '[[:upper:]]' '\p{Lu}') ||
    { echo "skip: Hyperscan does not run on this processor"; exit 77; }
printf '%s\n' "$seen"
[ "$seen" = '[[:upper:]] hyperscan A a U+4E00, pcre2 A   \p{Lu} hyperscan A, pcre2 A' ] ||
    { echo "changed: the two say something else of capitals"; exit 1; }
echo "holds: a caseless [[:upper:]] is not the same in Hyperscan and in PCRE2"
