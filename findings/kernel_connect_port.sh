#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: a BPF program at connect sees port 0, one for socket operations the real port.
#
# The program of a cgroup that may refuse a connect(2), cgroup/connect4, runs before the kernel
# chooses the source port. The program for socket operations is called within the same connect(2)
# with BPF_SOCK_OPS_TCP_CONNECT_CB when the port is there, and no segment has been sent yet. So
# what may refuse a connection cannot name it as its packets do; a port that is to go with
# the decision must come from the other program.
# Seen:     connect4: port 0   sockops: the socket's port, segments sent: 0
# Expected: the same port in both

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"
package=libbpf-dev=1:1.1.2-0+deb12u1
apt-get -qq download $package >/dev/null 2>&1 ||
    { echo "skip: $package is not available"; exit 77; }
for file in ./*.deb; do dpkg -x "$file" root; done

[ "$(id -u)" = 0 ] || { echo "skip: this needs root"; exit 77; }
for tool in cc clang bpftool ip; do
    command -v $tool >/dev/null || { echo "skip: no $tool"; exit 77; }
done
cat >try.bpf.c <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum { CONNECT_PORT, SOCKOPS_PORT, SEGMENTS };

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 3);
    __type(key, __u32);
    __type(value, __u32);
} seen SEC(".maps");

static __always_inline void put(__u32 key, __u32 value)
{
    bpf_map_update_elem(&seen, &key, &value, BPF_ANY);
}

SEC("cgroup/connect4")
int at_connect(struct bpf_sock_addr *ctx)
{
    if (ctx->sk)
        put(CONNECT_PORT, ctx->sk->src_port);
    return 1;
}

SEC("sockops")
int at_sockops(struct bpf_sock_ops *ctx)
{
    if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB) {
        put(SOCKOPS_PORT, ctx->local_port);
        put(SEGMENTS, ctx->segs_out);
    }
    return 1;
}

char _license[] SEC("license") = "Dual MIT/GPL";
C
cat >try.c <<'C'
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

/* Connects to itself, and says from which port. */
int main(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(at);

    if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&at, &len) ||
        connect(fd, (struct sockaddr *)&at, len) || getsockname(fd, (struct sockaddr *)&at, &len))
        return 77;
    printf("%d\n", ntohs(at.sin_port));
    return 0;
}
C
cc try.c -o try
clang -O2 -g -target bpf -Iroot/usr/include -I"/usr/include/$(uname -m)-linux-gnu" \
    -c try.bpf.c -o try.bpf.o
cat >steps.sh <<'S'
ip link set lo up
mkdir bpf cgroups
mount -t bpf none bpf
mount -t cgroup2 none cgroups
own=cgroups/$(basename "$PWD")
mkdir "$own"
trap 'rmdir "$own"' EXIT
trap 'exit 130' HUP INT TERM
bpftool prog loadall try.bpf.o bpf/programs pinmaps bpf/maps
bpftool cgroup attach "$own" connect4 pinned bpf/programs/at_connect
bpftool cgroup attach "$own" sock_ops pinned bpf/programs/at_sockops
port=$(sh -c 'echo $$ >"$1/cgroup.procs" && exec ./try' - "$own")
value() {
    bpftool map lookup pinned bpf/maps/seen key "$1" 0 0 0 | sed -n 's/.*"value": \([0-9]*\).*/\1/p'
}
sockops=$(value 1)
[ "$sockops" != "$port" ] || sockops="the socket's port"
echo "connect4: port $(value 0)   sockops: $sockops, segments sent: $(value 2)"
S
unshare -nm sh -eu steps.sh >seen 2>errors || { echo "skip: no such BPF programs here"; exit 77; }
seen=$(cat seen)
echo "$seen"
[ "$seen" = "connect4: port 0   sockops: the socket's port, segments sent: 0" ] ||
    { echo "changed: the ports are seen in another way"; exit 1; }
echo "holds: only sockops has the source port before the first packet"
