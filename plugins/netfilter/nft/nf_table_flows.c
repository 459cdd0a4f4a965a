/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the elements of the filter's sets, which are flows, and its counter. */
#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft/nf_address.h"
#include "nft/nf_batch.h"
#include "nft/nf_table.h"

/* A key is its parts one after the other, each filled up to 4 bytes. */
#define KEY_MAX 44

static uint32_t put_key(uint8_t key[KEY_MAX], const struct tc_nf_tuple *tuple, int family)
{
    const uint32_t len = family == 4 ? 4 : 16, skip = 16 - len;
    const uint16_t ports[2] = {htons(tuple->source_port), htons(tuple->destination_port)};

    memset(key, 0, KEY_MAX);
    memcpy(key, tuple->source + skip, len);
    memcpy(key + len, tuple->destination + skip, len);
    key[2 * len] = tuple->protocol;
    memcpy(key + 2 * len + 4, &ports[0], 2);
    memcpy(key + 2 * len + 8, &ports[1], 2);
    return 2 * len + 12;
}

/* Adds a message that names one element, to be added or deleted. timeout_s 0: the set's.
 */
static int add_element(struct tc_nf_batch *batch, uint16_t type, uint16_t flags,
                       const char *name, const struct tc_nf_tuple *tuple,
                       unsigned timeout_s)
{
    const int family = tc_nf_address_is_mapped(tuple->source) ? 4 : 6;
    struct nftnl_set *set = nftnl_set_alloc();
    struct nftnl_set_elem *element = nftnl_set_elem_alloc();
    char full_name[NFT_SET_MAXNAMELEN];
    uint8_t key[KEY_MAX];

    if (!set || !element) {
        if (set)
            nftnl_set_free(set);
        if (element)
            nftnl_set_elem_free(element);
        return -ENOMEM;
    }
    (void)snprintf(full_name, sizeof full_name, "%s%d", name, family);
    nftnl_set_set_str(set, NFTNL_SET_TABLE, TC_NF_TABLE);
    nftnl_set_set_str(set, NFTNL_SET_NAME, full_name);
    nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, key, put_key(key, tuple, family));
    if (timeout_s)
        nftnl_set_elem_set_u64(element, NFTNL_SET_ELEM_TIMEOUT,
                               timeout_s * UINT64_C(1000));
    nftnl_set_elem_add(set, element); /* which is the set's now */
    nftnl_set_elems_nlmsg_build_payload(tc_nf_batch_add(batch, type, flags), set);
    nftnl_set_free(set);
    return 0;
}

int tc_nf_table_deny(struct tc_nf_table *table, const struct tc_nf_tuple *tuple)
{
    struct tc_nf_batch *batch;
    int err;

    if (table->observe)
        return -EOPNOTSUPP;
    batch = malloc(sizeof *batch);
    if (!batch)
        return -ENOMEM;
    tc_nf_batch_begin(batch, &table->sequence);
    err = add_element(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, "denied", tuple,
                      tuple->protocol == IPPROTO_TCP ? 0 : TC_NF_TABLE_DENIED_LONG_S);
    if (!err)
        err = tc_nf_batch_run(batch, table->socket, &table->sequence);
    free(batch);
    return err;
}

/* NFT_MSG_DESTROYSETELEM, since 6.3: deletes what may not be there. (Older ones refuse
 * it.) */
#define DESTROY_ELEMENT 30

/* Deletes those of at most TC_NF_BATCH_MESSAGES_MAX tuples that `gone` does not name, and
 * notes there those that the kernel does not have. -EAGAIN: there were such, and nothing
 * was deleted. */
static int delete_fresh(struct tc_nf_table *table, struct tc_nf_batch *batch,
                        const struct tc_nf_tuple *tuples, size_t count, bool *gone)
{
    size_t missing = 0, n = 0;
    int err = 0;

    tc_nf_batch_begin(batch, &table->sequence);
    for (size_t i = 0; i < count && !err; i++)
        if (!gone[i])
            err = add_element(batch,
                              table->no_destroy ? NFT_MSG_DELSETELEM : DESTROY_ELEMENT, 0,
                              "fresh", &tuples[i], 0);
    if (err || !batch->count)
        return err;
    err = tc_nf_batch_run(batch, table->socket, &table->sequence);
    if (err == -EINVAL && !table->no_destroy) {
        table->no_destroy = true;
        return -EAGAIN;
    }
    if (err != -ENOENT)
        return err;
    for (size_t i = 0; i < count; i++) {
        if (gone[i])
            continue;
        gone[i] = batch->errors[n++] == -ENOENT;
        missing += gone[i];
    }
    return missing ? -EAGAIN : -ENOENT;
}

_Static_assert(TC_NF_TABLE_ENOUGH_MAX <= TC_NF_BATCH_MESSAGES_MAX, "one transaction");

int tc_nf_table_enough(struct tc_nf_table *table, const struct tc_nf_tuple *tuples,
                       size_t count)
{
    struct tc_nf_batch *batch;
    int err = 0;

    if (!table->made)
        return -ENOENT;
    batch = malloc(sizeof *batch);
    if (!batch)
        return -ENOMEM;
    while (count && !err) {
        size_t some = count < TC_NF_TABLE_ENOUGH_MAX ? count : TC_NF_TABLE_ENOUGH_MAX;
        bool gone[TC_NF_TABLE_ENOUGH_MAX] = {false};

        /* Each further one is of fewer. */
        do
            err = delete_fresh(table, batch, tuples, some, gone);
        while (err == -EAGAIN);
        tuples += some;
        count -= some;
    }
    free(batch);
    return err;
}

int tc_nf_table_overflows(struct tc_nf_table *table, uint64_t *ret_packets)
{
    return tc_nf_batch_counter(table->socket, &table->sequence, TC_NF_TABLE, "overflows",
                               ret_packets);
}
