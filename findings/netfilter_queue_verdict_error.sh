#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libnetfilter_queue 1.0.5, Linux 6.18: a refused verdict is a success, its error a packet's.
#
# nfq_set_verdict() gives "-1 on error" by its documentation, but sends without waiting for an
# answer and gives the number of bytes. A verdict that the kernel cannot carry out is answered all
# the same, as netlink's errors need no NLM_F_ACK, and the error is read in the place of the next
# packet: nfq_handle_packet() fails, with nothing in errno. A packet can go at any time (its
# interface is set down, as here; its queue is unbound), so a program that takes each failure
# of nfq_handle_packet() for the end of its queue ends by this.
# Seen:     verdict: no error   next read: an error, ENOENT   nfq_handle_packet: -1, errno 0
# Expected: an error of nfq_set_verdict(), or ENOENT of nfq_handle_packet()

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in \
    iptables=1.8.9-2 libxtables12=1.8.9-2 libnftnl11=1.2.4-2 libmnl0=1.0.4-3 \
    libnfnetlink0=1.0.2-2 libnfnetlink-dev=1.0.2-2 libnetfilter-conntrack3=1.0.9-3 \
    libnetfilter-queue1=1.0.5-3 libnetfilter-queue-dev=1.0.5-3; do
    apt-get -qq download "$package" >/dev/null 2>&1 ||
        { echo "skip: $package is not available"; exit 77; }
done
for file in ./*.deb; do dpkg -x "$file" root; done
lib=$(dirname "$dir"/root/usr/lib/*/libnetfilter_queue.so.1)

[ "$(id -u)" = 0 ] || { echo "skip: this needs root"; exit 77; }
for tool in cc ip; do
    command -v $tool >/dev/null || { echo "skip: no $tool"; exit 77; }
done
cat >try.c <<'C'
#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int take_id(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data,
                   void *ret_id)
{
    struct nfqnl_msg_packet_hdr *packet = nfq_get_msg_packet_hdr(data);

    (void)queue, (void)message;
    *(unsigned *)ret_id = packet ? ntohl(packet->packet_id) : 0;
    return 0;
}

int main(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    union {
        struct {
            struct nlmsghdr header;
            struct nlmsgerr error;
        } answer;
        char bytes[8192];
    } got;
    struct nfq_handle *handle = nfq_open();
    struct nfq_q_handle *queue;
    int n, result;
    unsigned id = 0;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    alarm(10);
    if (!handle || !(queue = nfq_create_queue(handle, 0, take_id, &id)) ||
        nfq_set_mode(queue, NFQNL_COPY_META, 0) < 0 ||
        sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ||
        (n = (int)recv(nfq_fd(handle), &got, sizeof(got), 0)) < 0 ||
        nfq_handle_packet(handle, got.bytes, n) || !id || system("ip link set lo down"))
        return 77;
    result = nfq_set_verdict(queue, id, NF_ACCEPT, 0, NULL);
    printf("verdict: %s   ", result < 0 ? "an error" : "no error");
    n = (int)recv(nfq_fd(handle), &got, sizeof(got), MSG_DONTWAIT);
    if (n < 0 || got.answer.header.nlmsg_type != NLMSG_ERROR) {
        printf("next read: %s\n", n < 0 ? "nothing" : "a message");
        return 0;
    }
    printf("next read: an error, %s   ", got.answer.error.error == -ENOENT ? "ENOENT" : "another");
    errno = 0;
    result = nfq_handle_packet(handle, got.bytes, n);
    printf("nfq_handle_packet: %d, errno %d\n", result, errno);
    return 0;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -lnetfilter_queue -lnfnetlink -Wl,-rpath-link,"$lib"
export LD_LIBRARY_PATH="$lib" XTABLES_LIBDIR="$lib/xtables"
unshare -n sh -ec 'ip link set lo up
    root/usr/sbin/xtables-nft-multi iptables -A OUTPUT -p udp -j NFQUEUE --queue-num 0
    ./try' >seen 2>/dev/null || { echo "skip: no NFQUEUE here"; exit 77; }
seen=$(cat seen)
echo "$seen"
[ "$seen" = 'verdict: no error   next read: an error, ENOENT   nfq_handle_packet: -1, errno 0' ] ||
    { echo "changed: a verdict that is refused is reported in another way"; exit 1; }
echo "holds: the error of a verdict is read as a packet that cannot be handled"
