#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: a raw socket has a source port, and it is the number of its protocol.
#
# Raw sockets know no ports (raw(7)). The kernel keeps the protocol where a TCP or UDP socket
# has its port, and getsockname(2) gives it as one; so do the socket lists and what eBPF reads
# of the socket. A raw socket for UDP (17) that is connected looks like a UDP flow from port 17
# to port 0, one for ICMP (1) like a flow from port 1.
# Seen:     raw UDP: port 17   raw ICMP: port 1   UDP before bind: port 0
# Expected: port 0 for all three

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"

[ "$(id -u)" = 0 ] || { echo "skip: this needs root"; exit 77; }
command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
cat >try.c <<'C'
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int port(int type, int protocol)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, type, protocol);

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&address, &len))
        exit(77);
    close(fd);
    return ntohs(address.sin_port);
}

int main(void)
{
    printf("raw UDP: port %d   raw ICMP: port %d   UDP before bind: port %d\n",
           port(SOCK_RAW, IPPROTO_UDP), port(SOCK_RAW, IPPROTO_ICMP), port(SOCK_DGRAM, 0));
    return 0;
}
C
cc try.c -o try
seen=$(./try) || { echo "skip: no raw sockets here"; exit 77; }
echo "$seen"
[ "$seen" = 'raw UDP: port 17   raw ICMP: port 1   UDP before bind: port 0' ] ||
    { echo "changed: raw sockets have other ports"; exit 1; }
echo "holds: a raw socket names its protocol as its port"
