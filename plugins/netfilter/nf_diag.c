/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_diag.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES 8192
#define PROCESSES_MAX 4096 /* that are looked through for one socket */

/* ---- The socket's inode. ---- */

static void fill(struct inet_diag_req_v2 *request, const struct tc_nf_flow_key *key)
{
    bool v4 = tc_nf_flow_is_ipv4(key->destination);
    size_t from = v4 ? 12 : 0, len = v4 ? 4 : 16;

    request->sdiag_family = v4 ? AF_INET : AF_INET6;
    request->sdiag_protocol = (uint8_t)key->protocol;
    request->idiag_states = ~0u;
    request->id.idiag_cookie[0] = request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    /* The kernel looks UDP sockets up as for a packet that comes in. */
    if (key->protocol == IPPROTO_UDP) {
        request->id.idiag_sport = htons(key->destination_port);
        request->id.idiag_dport = htons(key->source_port);
        memcpy(request->id.idiag_src, key->destination + from, len);
        memcpy(request->id.idiag_dst, key->source + from, len);
        return;
    }
    request->id.idiag_sport = htons(key->source_port);
    request->id.idiag_dport = htons(key->destination_port);
    memcpy(request->id.idiag_src, key->source + from, len);
    memcpy(request->id.idiag_dst, key->destination + from, len);
}

/* 0: there is none. */
static uint32_t inode_of(const struct tc_nf_flow_key *key)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 request;
    } message = {.head = {.nlmsg_len = sizeof(message),
                          .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                          .nlmsg_flags = NLM_F_REQUEST}};
    _Alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
    const struct nlmsghdr *head = (const struct nlmsghdr *)answer;
    const struct inet_diag_msg *found;
    uint32_t inode = 0;
    ssize_t n;
    int fd;

    if (key->protocol != IPPROTO_TCP && key->protocol != IPPROTO_UDP)
        return 0;
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return 0;
    fill(&message.request, key);
    if (send(fd, &message, sizeof(message), 0) == (ssize_t)sizeof(message)) {
        n = recv(fd, answer, sizeof(answer), 0);
        if (n >= (ssize_t)NLMSG_LENGTH(sizeof(*found)) &&
            head->nlmsg_type == SOCK_DIAG_BY_FAMILY) {
            found = NLMSG_DATA(head);
            inode = found->idiag_inode;
        }
    }
    close(fd);
    return inode;
}

/* ---- Who has it open. ---- */

static bool has_open(const char *pid, const char *link)
{
    char path[64], target[64];
    struct dirent *entry;
    bool found = false;
    ssize_t n;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    dir = opendir(path);
    if (!dir)
        return false;
    while (!found && (entry = readdir(dir)) != NULL) {
        n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        found = !strcmp(target, link);
    }
    closedir(dir);
    return found;
}

static int32_t owner_of(uint32_t inode)
{
    char link[32];
    struct dirent *entry;
    int32_t pid = 0;
    size_t seen = 0;
    DIR *proc = opendir("/proc");

    if (!proc)
        return 0;
    snprintf(link, sizeof(link), "socket:[%u]", inode);
    while (!pid && seen < PROCESSES_MAX && (entry = readdir(proc)) != NULL) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        seen++;
        if (has_open(entry->d_name, link))
            pid = atoi(entry->d_name);
    }
    closedir(proc);
    return pid;
}

struct tc_nf_process *tc_nf_diag_owner(struct tc_nf_processes *processes,
                                       const struct tc_nf_flow_key *key)
{
    uint32_t inode = inode_of(key);
    int32_t pid = inode ? owner_of(inode) : 0;

    return pid ? tc_nf_processes_find(processes, pid, 0) : NULL;
}
