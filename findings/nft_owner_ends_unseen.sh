#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# nftables 1.0.6, Linux 6.18: a table that ends with its owner is reported to nobody.
#
# A table with "flags owner" goes when the netlink socket of its maker is closed. Each other
# change of the ruleset is reported to those who listen ("nft monitor"): who, what, and the new
# generation. This one is not: no deletion of the table and no generation. Whoever keeps
# a copy of the ruleset by listening has tables in it that are gone.
# Seen:     delete table inet before, add table inet after
# Expected: delete table inet theirs, between the two

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in \
    nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 \
    libnftnl11=1.2.4-2 libmnl0=1.0.4-3 libxtables12=1.8.9-2 \
    libedit2=3.1-20221030-2 libjansson4=2.14-2; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libnftables.so.1)

[ "$(id -u)" = 0 ] || { echo "skip: this needs root"; exit 77; }
cat >steps.sh <<'S'
wait_until() { i=0; until "$@" >/dev/null || [ $i = 100 ]; do sleep 0.1; i=$((i + 1)); done; }
owned() { nft list tables | grep theirs; }
gone() { ! owned; }
mkfifo commands
nft -i <commands >/dev/null 2>&1 &
exec 9>commands
owner=$!
echo 'add table inet theirs { flags owner; }' >&9
wait_until owned
nft monitor >events &
monitor=$!
listening() { nft add table inet before; nft delete table inet before; grep delete events; }
wait_until listening
kill "$owner"
wait_until gone
nft list tables
nft add table inet after
wait_until grep after events
kill "$monitor"
S
export PATH="$dir/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$lib"
unshare -n nft list ruleset 2>/dev/null || { echo "skip: no nftables here"; exit 77; }
left=$(unshare -n sh -u steps.sh)
seen=$(grep table events | uniq | tail -n 2 | paste -sd ',')
echo "$seen$left"
[ "$seen$left" = 'delete table inet before,add table inet after' ] ||
    { echo "changed: the end of an owned table is reported in another way"; exit 1; }
echo "holds: the owned table has gone without a notification"
