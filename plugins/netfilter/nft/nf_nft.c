/* SPDX-License-Identifier: Apache-2.0 */
#include "nft/nf_nft.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ERRNO_MAX 133 /* EHWPOISON, the last of asm-generic/errno.h */

/* Whether it is a socket of nfnetlink that has not been bound. */
static bool unbound(int fd)
{
    struct sockaddr_nl address = {0};
    socklen_t len = sizeof address;
    int protocol = 0;

    if (getsockname(fd, (struct sockaddr *)&address, &len) || len < sizeof address ||
        address.nl_family != AF_NETLINK || address.nl_pid)
        return false;
    len = sizeof protocol;
    return !getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) &&
           protocol == NETLINK_NETFILTER;
}

/* libnftables shows nobody its socket, and does not bind it before the first command: it
 * is the one of its kind that is not. */
static int find_socket(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;
    int found = -ENOENT;

    if (!dir)
        return -errno;
    while (found < 0 && (entry = readdir(dir))) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);

        if (end != entry->d_name && !*end && unbound((int)fd))
            found = (int)fd;
    }
    closedir(dir);
    return found;
}

/* Closed on exec, which libmnl leaves out, and bound, so that its number is known. */
static int take_socket(struct tc_nf_nft *nft)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    socklen_t len = sizeof address;
    int fd = find_socket();

    if (fd < 0)
        return fd;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) ||
        getsockname(fd, (struct sockaddr *)&address, &len))
        return -errno;
    nft->fd = fd;
    nft->portid = address.nl_pid;
    return 0;
}

/* The errno whose text ends the line; libnftables keeps no number. */
static int errno_of(const char *line)
{
    size_t len = strlen(line);

    for (int err = 1; err <= ERRNO_MAX; err++) {
        const char *name = strerrordesc_np(err);
        size_t name_len = name ? strlen(name) : 0;

        if (name_len && name_len <= len && !strcmp(line + len - name_len, name))
            return -err;
    }
    return -EINVAL;
}

/*
 * Its message is "Error: WHAT" and a line of the commands, which is the first one of
 * them, whichever was wrong (1.0.6); further messages follow from this one.
 */
static int explain(struct tc_nf_nft *nft, char why[TC_NF_WHY_MAX])
{
    const char *text = nft_ctx_get_error_buffer(nft->context);
    const char *start = text ? strstr(text, "Error: ") : NULL;
    char line[TC_NF_WHY_MAX / 2];

    if (!start) {
        (void)snprintf(why, TC_NF_WHY_MAX, "nftables failed and gave no reason");
        return -EIO;
    }
    start += strlen("Error: ");
    (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(start, "\n"), start);
    (void)snprintf(why, TC_NF_WHY_MAX, "nftables: %s", line);
    return errno_of(line);
}

int tc_nf_nft_run(struct tc_nf_nft *nft, const char *commands, char why[TC_NF_WHY_MAX])
{
    return nft_run_cmd_from_buffer(nft->context, commands) ? explain(nft, why) : 0;
}

/* What nft_ctx_new() needs: it ends the whole process where it does not get it. */
static int try_socket(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

int tc_nf_nft_open(struct tc_nf_nft *nft, char why[TC_NF_WHY_MAX])
{
    int err = try_socket();

    *nft = (struct tc_nf_nft){.fd = -1};
    if (err) {
        (void)snprintf(why, TC_NF_WHY_MAX, "no netlink socket for nftables: %s",
                       strerrordesc_np(-err));
        return err;
    }
    nft->context = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!nft->context || nft_ctx_buffer_output(nft->context) ||
        nft_ctx_buffer_error(nft->context)) {
        (void)snprintf(why, TC_NF_WHY_MAX, "no memory");
        err = -ENOMEM;
        goto out;
    }
    err = take_socket(nft);
    if (err) {
        (void)snprintf(why, TC_NF_WHY_MAX, "the socket of libnftables: %s",
                       strerrordesc_np(-err));
        goto out;
    }
    /* Whether the kernel answers, and us. */
    err = tc_nf_nft_run(nft, "list tables arp", why);
out:
    if (err)
        tc_nf_nft_close(nft);
    return err;
}

void tc_nf_nft_close(struct tc_nf_nft *nft)
{
    if (nft->context)
        nft_ctx_free(nft->context);
    *nft = (struct tc_nf_nft){.fd = -1};
}
