#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: an IPv4 address without a family is good enough to bind and to send.
#
# bind(2) and sendto(2) of an IPv4 socket want sin_family to be AF_INET, and refuse AF_INET6
# and nonsense with EAFNOSUPPORT. But 0, AF_UNSPEC, passes for AF_INET: bind takes it with the
# address 0.0.0.0 only, sendto of a datagram with any address. For connect(2) the same 0 means
# to undo the connection. A reader of system calls has to take 0 for the socket's own family
# in the first two, and not in the third.
# Seen:     family 0: bound, sent   family 10: bind refused, send refused
# Expected: refused, all four

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"

command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
cat >try.c <<'C'
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void show(sa_family_t family)
{
    struct sockaddr_in to = {.sin_family = AF_INET}, any = {.sin_family = family};
    int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t len = sizeof(to);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(receiver, (struct sockaddr *)&to, len) ||
        getsockname(receiver, (struct sockaddr *)&to, &len))
        return;
    printf("family %d: %s, ", family,
           bind(sender, (struct sockaddr *)&any, sizeof(any)) ? "bind refused" : "bound");
    to.sin_family = family;
    printf("%s\n", sendto(sender, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1
                       ? "sent"
                       : "send refused");
    close(receiver);
    close(sender);
}

int main(void)
{
    show(AF_UNSPEC);
    show(AF_INET6);
    return 0;
}
C
cc try.c -o try
seen=$(./try | paste -sd '/')
echo "$seen"
[ "$seen" = 'family 0: bound, sent/family 10: bind refused, send refused' ] ||
    { echo "changed: the kernel takes other families"; exit 1; }
echo "holds: AF_UNSPEC passes for AF_INET in bind and sendto"
