#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: the process connector reports a process's end before an execve that goes on.
#
# When a thread other than the first calls execve(2), it takes over the number of the first,
# which the kernel ends for it. The process connector (CONFIG_PROC_EVENTS) reports that as an
# exit whose thread and process number are the process's own, just like a process that has
# really ended, and then an exec of the same number. The program runs on, and when it ends,
# there is a second exit.
# Seen:     exit exec exit
# Expected: exec exit

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"

[ "$(id -u)" = 0 ] || { echo "skip: this needs root"; exit 77; }
command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
cat >try.c <<'C'
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void *run_true(void *nothing)
{
    execlp("true", "true", (char *)NULL);
    return nothing;
}

int main(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
    int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_CONNECTOR), on = PROC_CN_MCAST_LISTEN;
    _Alignas(struct nlmsghdr) char buffer[4096] = {0};
    struct nlmsghdr *header = (struct nlmsghdr *)buffer;
    struct cn_msg *message = NLMSG_DATA(header);
    int executed = 0, ended = 0;
    struct proc_event event;
    pthread_t thread;
    pid_t child;

    *header = (struct nlmsghdr){NLMSG_LENGTH(sizeof(*message) + sizeof(on)), NLMSG_DONE, 0, 0, 0};
    *message = (struct cn_msg){.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof(on)};
    memcpy(message->data, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
        send(fd, buffer, header->nlmsg_len, 0) < 0 || (child = fork()) < 0)
        return 77;
    if (!child) {
        pthread_create(&thread, NULL, run_true, NULL);
        for (;;)
            pause();
    }
    alarm(10);
    while (!(executed && ended) && recv(fd, buffer, sizeof(buffer), 0) > 0) {
        memcpy(&event, message->data, sizeof(event));
        ended = event.what == PROC_EVENT_EXIT && event.event_data.exit.process_pid == child;
        if (event.what == PROC_EVENT_EXEC && event.event_data.exec.process_tgid == child)
            executed = printf("exec ");
        else if (ended)
            printf("exit ");
    }
    return waitpid(child, NULL, 0) != child;
}
C
cc -pthread try.c -o try
seen=$(./try) || { echo "skip: no process connector here"; exit 77; }
echo "$seen"
[ "$seen" = 'exit exec exit ' ] || { echo "changed: the order of reports is another"; exit 1; }
echo "holds: an exit is reported before the execve of a process that runs on"
