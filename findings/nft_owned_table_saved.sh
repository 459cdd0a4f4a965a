#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# nftables 1.0.6, Linux 6.18: a saved ruleset with another program's owned table cannot load.
#
# "flags owner" ties a table to the program that made it; everybody else gets EPERM for it. But
# "nft list ruleset" writes it out with the rest, for everybody. A file that was saved so is
# refused as a whole while the owner lives, the administrator's own tables included, and
# "flush ruleset" at its top does not help, because that passes over the owned table. So an
# agent that protects its table in this way breaks the reload of a firewall saved meanwhile.
# Seen:     flushed: 0   owned: there   saved file: 1 (Operation not permitted)   mine: not there
# Expected: owned tables are not saved, or do not stop the rest of the file

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
mkfifo commands
nft -i <commands >/dev/null 2>&1 &
exec 9>commands
owner=$!
echo 'add table inet theirs { flags owner; }' >&9
i=0
until nft list tables | grep -q theirs || [ $i = 100 ]; do sleep 0.1; i=$((i + 1)); done
nft add table inet mine
{ echo 'flush ruleset'; nft list ruleset; } >saved
nft flush ruleset && echo "flushed: 0"
nft list tables | grep -q theirs && echo "owned: there"
nft -f saved 2>error || echo "saved file: $? ($(sed -n '1s/.*: //p' error))"
nft list tables | grep -q mine || echo "mine: not there"
kill "$owner"
S
export PATH="$dir/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$lib"
unshare -n nft list ruleset 2>/dev/null || { echo "skip: no nftables here"; exit 77; }
seen=$(unshare -n sh -u steps.sh | paste -sd '/')
echo "$seen"
[ "$seen" = 'flushed: 0/owned: there/saved file: 1 (Operation not permitted)/mine: not there' ] ||
    { echo "changed: an owned table in a saved ruleset has another effect"; exit 1; }
echo "holds: the saved ruleset cannot be loaded while the table's owner lives"
