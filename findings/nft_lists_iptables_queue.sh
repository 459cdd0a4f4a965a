#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# nftables 1.0.6, iptables 1.8.9, Linux 6.18 without CONFIG_NFT_QUEUE: what nft lists of
# an NFQUEUE rule cannot be loaded.
#
# "iptables-nft -j NFQUEUE" keeps iptables' own target in the ruleset. nft lists such a target in
# its own words, "queue num 5 bypass", and loads these as an expression of its own, nft_queue.
# A kernel that has the one (CONFIG_NETFILTER_XT_TARGET_NFQUEUE) and not the other runs the
# rule and refuses the file that "nft list ruleset" has made of it, all its other tables included.
# The warning above the table goes to standard error, not into the file.
# Seen:     iptables: 0   listed: queue num 5 bypass   loaded: No such file or directory
# Expected: what is listed can be loaded

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in \
    iptables=1.8.9-2 nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 \
    libnftnl11=1.2.4-2 libmnl0=1.0.4-3 libxtables12=1.8.9-2 libnfnetlink0=1.0.2-2 \
    libnetfilter-conntrack3=1.0.9-3 libedit2=3.1-20221030-2 libjansson4=2.14-2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libnftables.so.1)

[ "$(id -u)" = 0 ] || { echo "skip: this needs root"; exit 77; }
export PATH="$dir/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$lib" XTABLES_LIBDIR="$lib/xtables"
unshare -n nft list ruleset 2>/dev/null || { echo "skip: no nftables here"; exit 77; }
cat >try_queue.nft <<'R'
add table inet t
add chain inet t c
add rule inet t c queue num 5 bypass
R
! unshare -n nft -f try_queue.nft 2>/dev/null ||
    { echo "skip: this kernel has nft_queue"; exit 77; }
cat >steps.sh <<'S'
xtables-nft-multi iptables -A OUTPUT -j NFQUEUE --queue-num 5 --queue-bypass || exit 77
echo 'iptables: 0'
nft list ruleset >saved
echo "listed: $(grep -o 'queue.*' saved)"
nft flush ruleset
nft -f saved 2>error && echo 'loaded: 0' || echo "loaded:$(sed -n '1s/.*://p' error)"
S
unshare -n sh -u steps.sh >seen 2>/dev/null || { echo "skip: no NFQUEUE here"; exit 77; }
seen=$(paste -sd '/' seen)
echo "$seen"
[ "$seen" = 'iptables: 0/listed: queue num 5 bypass/loaded: No such file or directory' ] ||
    { echo "changed: a rule of NFQUEUE is listed or loaded in another way"; exit 1; }
echo "holds: a listed rule of NFQUEUE cannot be loaded"
