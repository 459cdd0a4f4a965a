#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libnftables 1.0.6, Linux 6.18: its netlink socket lives on in what its program executes.
#
# nft_ctx_new() opens a netlink socket that is not closed on exec (mnl_socket_open() of libmnl;
# the library has no function that gives its number). Each program that is started afterwards
# inherits it. A table with "flags owner" goes when its maker's socket is closed: it stays when
# the maker has ended, as long as any program that it has started runs, and then nobody can
# change or delete it.
# Seen:     maker ended: table there, delete: Operation not permitted   child ended: no table
# Expected: no table when its maker has ended

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in \
    nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 libnftables-dev=1.0.6-2+deb12u2 \
    libnftnl11=1.2.4-2 libmnl0=1.0.4-3 libxtables12=1.8.9-2 \
    libedit2=3.1-20221030-2 libjansson4=2.14-2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libnftables.so.1)

[ "$(id -u)" = 0 ] || { echo "skip: this needs root"; exit 77; }
command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
cat >maker.c <<'C'
#include <nftables/libnftables.h>
#include <stdio.h>
#include <unistd.h>

/* Starts a program as posix_spawn() does, says which, and ends. */
int main(void)
{
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    pid_t child;

    if (nft_run_cmd_from_buffer(nft, "add table inet mine { flags owner; }") ||
        (child = fork()) < 0)
        return 77;
    if (!child) {
        fclose(stdout);
        execlp("sleep", "sleep", "30", (char *)NULL);
        _exit(1);
    }
    printf("%d\n", (int)child);
    return 0;
}
C
cc -Iroot/usr/include maker.c -o maker -L"$lib" -lnftables -Wl,-rpath-link,"$lib"
cat >steps.sh <<'S'
there() { nft list tables | grep -q mine; }
child=$(./maker) || exit 77
there && echo 'maker ended: table there'
nft delete table inet mine 2>error || echo "delete:$(sed -n '1s/.*://p' error)"
kill "$child"
i=0
while there && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done
there || echo 'child ended: no table'
S
export PATH="$dir/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$lib"
unshare -n sh -u steps.sh >seen || { echo "skip: no nftables with owned tables here"; exit 77; }
seen=$(paste -sd '/' seen)
echo "$seen"
[ "$seen" = 'maker ended: table there/delete: Operation not permitted/child ended: no table' ] ||
    { echo "changed: the socket does not live on in another program"; exit 1; }
echo "holds: an owned table stays while a program runs that its maker has started"
