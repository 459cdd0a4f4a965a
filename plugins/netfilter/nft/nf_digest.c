/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <string.h>

#include "common/hash.h"
#include "nft/nf_batch.h"

#define TABLE_ATTRIBUTE 1      /* in every kind of message: what table it belongs to */
#define SET_COUNT_ATTRIBUTE 20 /* NFTA_SET_COUNT of newer kernels: its elements now */
#define TRIES_MAX 16

struct reading {
    const char *table;
    uint64_t digest;
    unsigned found; /* messages that belong to it */
    bool interrupted;
};

static void take(struct reading *reading, const struct nlmsghdr *message)
{
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
    const bool set = NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWSET;
    const struct nlattr *attribute;
    uint64_t digest = tc_hash(reading->digest, &message->nlmsg_type, 2);
    bool ours = false;

    if (header->nfgen_family != NFPROTO_INET)
        return;
    mnl_attr_for_each(attribute, message, sizeof *header)
    {
        if (mnl_attr_get_type(attribute) == TABLE_ATTRIBUTE)
            ours = mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 &&
                   !strcmp(mnl_attr_get_str(attribute), reading->table);
        if (!set || mnl_attr_get_type(attribute) != SET_COUNT_ATTRIBUTE)
            digest = tc_hash(digest, attribute, attribute->nla_len);
    }
    if (!ours)
        return;
    reading->digest = digest;
    reading->found++;
}

/* 1: there is more; 0: that was the end; or a negative errno. */
static int take_all(struct reading *reading, const struct nlmsghdr *message, int len,
                    uint32_t sequence)
{
    for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len)) {
        if (message->nlmsg_seq != sequence)
            continue;
        if (message->nlmsg_flags & NLM_F_DUMP_INTR)
            reading->interrupted = true;
        if (message->nlmsg_type == NLMSG_DONE)
            return 0;
        if (message->nlmsg_type == NLMSG_ERROR)
            return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error;
        if (mnl_nlmsg_get_payload_len(message) >= sizeof(struct nfgenmsg))
            take(reading, message);
    }
    return 1;
}

/* Everything of one kind; the kernel leaves out other tables for most. */
static int read_kind(struct reading *reading, struct mnl_socket *socket, uint16_t type,
                     uint32_t sequence)
{
    union {
        char bytes[32768];
        struct nlmsghdr aligned;
    } buffer;
    struct nlmsghdr *request =
        nftnl_nlmsg_build_hdr(buffer.bytes, type, NFPROTO_INET, NLM_F_DUMP, sequence);
    int more = 1;

    if (type != NFT_MSG_GETTABLE)
        mnl_attr_put_strz(request, TABLE_ATTRIBUTE, reading->table);
    if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
        return -errno;
    while (more > 0) {
        ssize_t got = mnl_socket_recvfrom(socket, buffer.bytes, sizeof buffer);

        if (got >= 0)
            more = take_all(reading, &buffer.aligned, (int)got, sequence);
        else if (errno != EINTR)
            more = -errno;
    }
    return more;
}

int tc_nf_digest(struct mnl_socket *socket, uint32_t *sequence, const char *table,
                 uint64_t *ret_digest)
{
    static const uint16_t kinds[] = {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETSET,
                                     NFT_MSG_GETRULE};

    for (int i = 0; i < TRIES_MAX; i++) {
        struct reading reading = {.table = table, .digest = TC_HASH_START};

        for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
            int err = read_kind(&reading, socket, kinds[kind], ++*sequence);

            if (err)
                return err;
            if (!reading.found)
                return -ENOENT; /* no table */
        }
        if (!reading.interrupted) {
            *ret_digest = reading.digest;
            return 0;
        }
    }
    return -EAGAIN;
}
