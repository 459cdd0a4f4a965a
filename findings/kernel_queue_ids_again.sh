#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: the packet ids of an NFQUEUE begin at 1 again when it is bound anew.
#
# A verdict names its packet by an id, "unique ID of packet in queue" (nfnetlink_queue.h). When a
# program unbinds a queue and binds it again, on the same socket and with the same number, the
# kernel counts from 1 again, and a verdict has nothing that says which binding it is for. One
# that was decided before and is sent afterwards is carried out on another packet, without
# an error. Whoever binds anew must forget each packet and verdict from before, also those that
# wait in the socket.
# Seen:     first: id 1   second: id 1   old verdict: no error, second arrives
# Expected: other ids, and ENOENT for the old verdict

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
for package in \
    iptables=1.8.9-2 libxtables12=1.8.9-2 libnftnl11=1.2.4-2 libmnl0=1.0.4-3 libmnl-dev=1.0.4-3 \
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
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static _Alignas(struct nlmsghdr) char buffer[65536];

static int take_id(const struct nlmsghdr *message, void *ret_id)
{
    struct nlattr *attr[NFQA_MAX + 1] = {0};
    struct nfqnl_msg_packet_hdr *packet;

    if (nfq_nlmsg_parse(message, attr) < 0 || !attr[NFQA_PACKET_HDR])
        return MNL_CB_ERROR;
    packet = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
    *(unsigned *)ret_id = ntohl(packet->packet_id);
    return MNL_CB_STOP;
}

/* 0, or the errno that the kernel answers. */
static int ask(struct mnl_socket *nl, struct nlmsghdr *message)
{
    ssize_t n;

    message->nlmsg_flags |= NLM_F_ACK;
    if (mnl_socket_sendto(nl, message, message->nlmsg_len) < 0 ||
        (n = mnl_socket_recvfrom(nl, buffer, sizeof(buffer))) < 0)
        exit(77);
    return mnl_cb_run(buffer, (size_t)n, 0, mnl_socket_get_portid(nl), NULL, NULL) < 0 ? errno : 0;
}

static void configure(struct mnl_socket *nl, int command)
{
    struct nlmsghdr *message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, 0);

    nfq_nlmsg_cfg_put_cmd(message, AF_INET, command);
    if (command == NFQNL_CFG_CMD_BIND)
        nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_META, 0);
    if (ask(nl, message))
        exit(77);
}

static unsigned packet(struct mnl_socket *nl, int from, const struct sockaddr_in *to,
                       const char *text)
{
    unsigned id = 0;
    ssize_t n;

    if (sendto(from, text, strlen(text) + 1, 0, (const struct sockaddr *)to, sizeof(*to)) < 0 ||
        (n = mnl_socket_recvfrom(nl, buffer, sizeof(buffer))) < 0 ||
        mnl_cb_run(buffer, (size_t)n, 0, 0, take_id, &id) < 0)
        exit(77);
    printf("%s: id %u   ", text, id);
    return id;
}

int main(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);
    int from = socket(AF_INET, SOCK_DGRAM, 0), at = socket(AF_INET, SOCK_DGRAM, 0), error;
    socklen_t len = sizeof(to);
    struct nlmsghdr *message;
    char text[16] = "";
    unsigned old;

    if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
        bind(at, (struct sockaddr *)&to, len) || getsockname(at, (struct sockaddr *)&to, &len))
        return 77;
    alarm(10);
    configure(nl, NFQNL_CFG_CMD_BIND);
    old = packet(nl, from, &to, "first");
    configure(nl, NFQNL_CFG_CMD_UNBIND);
    configure(nl, NFQNL_CFG_CMD_BIND);
    packet(nl, from, &to, "second");
    message = nfq_nlmsg_put(buffer, NFQNL_MSG_VERDICT, 0);
    nfq_nlmsg_verdict_put(message, (int)old, NF_ACCEPT);
    error = ask(nl, message);
    printf("old verdict: %s, ", error ? strerror(error) : "no error");
    if (recv(at, text, sizeof(text), MSG_DONTWAIT) < 0)
        strcpy(text, "nothing");
    printf("%s arrives\n", text);
    return 0;
}
C
cc -Iroot/usr/include try.c -o try -L"$lib" -lnetfilter_queue -lmnl -Wl,-rpath-link,"$lib"
export LD_LIBRARY_PATH="$lib" XTABLES_LIBDIR="$lib/xtables"
unshare -n sh -ec 'ip link set lo up
    root/usr/sbin/xtables-nft-multi iptables -A OUTPUT -p udp -j NFQUEUE --queue-num 0
    ./try' >seen 2>/dev/null || { echo "skip: no NFQUEUE here"; exit 77; }
seen=$(cat seen)
echo "$seen"
[ "$seen" = 'first: id 1   second: id 1   old verdict: no error, second arrives' ] ||
    { echo "changed: ids go on, or an old verdict is refused"; exit 1; }
echo "holds: a verdict from before is carried out on a packet of the new binding"
