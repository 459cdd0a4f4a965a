#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libnftables 1.0.6: an error in a buffer of several commands quotes the first of them.
#
# nft_run_cmd_from_buffer() takes many lines. Where one is wrong, the message quotes a line with
# a mark below the place, but it is always the first line with the mark of the wrong one, and
# there is no number. The same text in a file is quoted rightly, with its number. So what
# a program shows of such an error is misleading; only the sentence is of use.
# Seen:     buffer: add table inet t   file: rules:3:21-26, delete chain inet t absent
# Expected: delete chain inet t absent for both

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in \
    libnftables1=1.0.6-2+deb12u2 libnftables-dev=1.0.6-2+deb12u2 \
    libnftnl11=1.2.4-2 libmnl0=1.0.4-3 libxtables12=1.8.9-2 libjansson4=2.14-2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libnftables.so.1)

[ "$(id -u)" = 0 ] || { echo "skip: this needs root"; exit 77; }
command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
cat >rules <<'R'
add table inet t
add chain inet t c
delete chain inet t absent
add rule inet t c accept
R
cat >try.c <<'C'
#include <nftables/libnftables.h>
#include <stdio.h>

int main(void)
{
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    FILE *file = fopen("rules", "r");
    char text[512] = "";

    if (!file || !fread(text, 1, sizeof(text) - 1, file) || nft_ctx_buffer_error(nft) ||
        !nft_run_cmd_from_buffer(nft, text))
        return 77;
    fputs(nft_ctx_get_error_buffer(nft), stdout);
    nft_run_cmd_from_filename(nft, "rules");
    fputs(nft_ctx_get_error_buffer(nft), stdout);
    nft_ctx_free(nft);
    return 0;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -lnftables -Wl,-rpath-link,"$lib"
export LD_LIBRARY_PATH="$lib"
unshare -n ./try >errors 2>/dev/null || { echo "skip: no nftables here"; exit 77; }
cat errors
seen=$(grep -v '\^' errors | paste -sd '/')
what='Error: Could not process rule: No such file or directory'
[ "$seen" = "$what/add table inet t/rules:3:21-26: $what/delete chain inet t absent" ] ||
    { echo "changed: errors in a buffer are quoted in another way"; exit 1; }
echo "holds: an error in a buffer quotes its first line"
