#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: an NFQUEUE number that another program has is EPERM, like a missing capability.
#
# One program at a time can bind a queue's number. The kernel has EBUSY for "the queue is there
# already", but looks first whether the queue is another socket's, and answers EPERM then: the
# errno of a program without CAP_NET_ADMIN. EBUSY comes only to the program that has it itself.
# "Operation not permitted" sends an administrator to look at privileges, where the cause is
# a second listener. /proc/net/netfilter/nfnetlink_queue shows which of the two it is.
# Seen:     same socket: EBUSY   other program: EPERM   without privilege: EPERM
# Expected: EBUSY for the other program

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"

[ "$(id -u)" = 0 ] || { echo "skip: this needs root"; exit 77; }
command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
cat >try.c <<'C'
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct message {
    struct nlmsghdr header;
    struct nfgenmsg family;
    struct nlattr attr;
    struct nfqnl_msg_config_cmd command;
};

/* 0, or the errno that the kernel answers. */
static int bind_queue(int fd)
{
    struct message message = {
        .header = {.nlmsg_len = sizeof(message),
                   .nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .attr = {NLA_HDRLEN + sizeof(message.command), NFQA_CFG_CMD},
        .command = {.command = NFQNL_CFG_CMD_BIND},
    };
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[512];
    } answer;

    if (send(fd, &message, sizeof(message), 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0 ||
        answer.header.nlmsg_type != NLMSG_ERROR)
        exit(77);
    return -answer.error.error;
}

static void show(const char *who, int error)
{
    printf("%s: %s   ", who, error == EBUSY ? "EBUSY" : error == EPERM ? "EPERM" : "another");
    fflush(stdout);
}

static void other(const char *who, uid_t user)
{
    pid_t child = fork();
    int status;

    if (!child) {
        if (setuid(user))
            _exit(77);
        show(who, bind_queue(socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)));
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status)
        exit(77);
}

int main(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);

    if (fd < 0 || bind_queue(fd))
        return 77;
    show("same socket", bind_queue(fd));
    other("other program", 0);
    other("without privilege", 65534);
    return 0;
}
C
cc try.c -o try
seen=$(unshare -n ./try) || { echo "skip: no NFQUEUE here"; exit 77; }
echo "$seen"
[ "$seen" = 'same socket: EBUSY   other program: EPERM   without privilege: EPERM   ' ] ||
    { echo "changed: a queue that another program has is answered in another way"; exit 1; }
echo "holds: a queue's number that is taken is EPERM"
