#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# nftables 1.0.6, Linux 6.18: a rejected connect(2) of this machine takes a second to fail.
#
# "reject" in the output chain answers the first packet with an ICMP error. It arrives while
# connect(2) still holds the socket's lock, and an error that meets a locked socket is dropped;
# the program sleeps until the packet is repeated after a second. A connect that does not wait
# has its error at once, and so has a waiting one when the rule says "with tcp reset".
# Seen:     reject: refused, slow   without waiting: refused, at once   reset: refused, at once
# Expected: at once, all three
# The same on 6.1, 6.12, 7.2 and 7.3. With IPv6 also the connect that does not wait is slow.

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
for tool in cc ip; do
    command -v $tool >/dev/null || { echo "skip: no $tool"; exit 77; }
done
cat >try.c <<'C'
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

static void show(const char *name, uint16_t port, int flags)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0), error;
    struct timespec from, until;
    socklen_t len = sizeof(error);
    long ms;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    clock_gettime(CLOCK_MONOTONIC, &from);
    error = connect(fd, (struct sockaddr *)&to, sizeof(to)) ? errno : 0;
    if (error == EINPROGRESS && poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 10000) == 1)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    clock_gettime(CLOCK_MONOTONIC, &until);
    ms = (until.tv_sec - from.tv_sec) * 1000 + (until.tv_nsec - from.tv_nsec) / 1000000;
    printf("%s: %s, %s\n", name, error == ECONNREFUSED ? "refused" : "not refused",
           ms < 500 ? "at once" : "slow");
}

int main(void)
{
    show("reject", 1, 0);
    show("without waiting", 1, SOCK_NONBLOCK);
    show("reset", 2, 0);
    return 0;
}
C
cc try.c -o try
cat >rules <<'R'
add table inet t
add chain inet t out { type filter hook output priority 0; }
add rule inet t out tcp dport 1 reject
add rule inet t out tcp dport 2 reject with tcp reset
R
export LD_LIBRARY_PATH="$lib"
unshare -n sh -ec 'ip link set lo up; root/usr/sbin/nft -f rules; ./try' >seen 2>/dev/null ||
    { echo "skip: no nftables with reject here"; exit 77; }
seen=$(paste -sd '/' <seen)
echo "$seen"
[ "$seen" = 'reject: refused, slow/without waiting: refused, at once/reset: refused, at once' ] ||
    { echo "changed: a rejected connect fails in another way"; exit 1; }
echo "holds: a rejected connect that waits fails after a second"
