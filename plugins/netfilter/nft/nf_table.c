/* SPDX-License-Identifier: Apache-2.0 */
#include "nft/nf_table.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft/nf_batch.h"

#define XT_ALIGNMENT                                                                     \
    8 /* of what a target is given: XT_ALIGN of linux/netfilter/x_tables.h */

int tc_nf_table_init(struct tc_nf_table *table, struct tc_nf_nft *nft,
                     char why[TC_NF_WHY_MAX])
{
    *table = (struct tc_nf_table){.nft = nft};
    table->socket = tc_nf_batch_socket();
    if (!table->socket) {
        int err = -errno;

        (void)snprintf(why, TC_NF_WHY_MAX, "no netlink socket for nftables: %s",
                       strerrordesc_np(-err));
        return err;
    }
    table->portid = mnl_socket_get_portid(table->socket);
    return 0;
}

void tc_nf_table_done(struct tc_nf_table *table)
{
    if (table->socket)
        mnl_socket_close(table->socket);
    *table = (struct tc_nf_table){0};
}

/* The target NFQUEUE, as the one expression of a rule. */
static int add_target(struct nftnl_rule *rule, uint16_t queue)
{
    const struct xt_NFQ_info_v3 info = {
        .queuenum = queue, .queues_total = 1, .flags = NFQ_FLAG_BYPASS};
    const uint32_t size = (sizeof info + XT_ALIGNMENT - 1) / XT_ALIGNMENT * XT_ALIGNMENT;
    struct nftnl_expr *target = nftnl_expr_alloc("target");
    void *data = calloc(1, size);

    if (!target || !data) {
        nftnl_expr_free(target);
        free(data);
        return -ENOMEM;
    }
    memcpy(data, &info, sizeof info);
    nftnl_expr_set_str(target, NFTNL_EXPR_TG_NAME, "NFQUEUE");
    nftnl_expr_set_u32(target, NFTNL_EXPR_TG_REV, 3);
    nftnl_expr_set(target, NFTNL_EXPR_TG_INFO, data, size); /* which it frees */
    nftnl_rule_add_expr(rule, target);
    return 0;
}

static int put_target(struct tc_nf_table *table, uint16_t queue)
{
    struct nftnl_rule *rule = nftnl_rule_alloc();
    struct tc_nf_batch *batch = malloc(sizeof *batch);
    int err = -ENOMEM;

    if (!rule || !batch)
        goto out;
    nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
    nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, TC_NF_TABLE);
    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, "ask");
    err = add_target(rule, queue);
    if (err)
        goto out;
    tc_nf_batch_begin(batch, &table->sequence);
    nftnl_rule_nlmsg_build_payload(
        tc_nf_batch_add(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND), rule);
    err = tc_nf_batch_run(batch, table->socket, &table->sequence);
out:
    if (rule)
        nftnl_rule_free(rule);
    free(batch);
    return err;
}

static int make_by(struct tc_nf_table *table, const struct tc_nf_table_config *config,
                   enum tc_nf_table_means means, char why[TC_NF_WHY_MAX])
{
    char *text, ignored[TC_NF_WHY_MAX];
    int err = tc_nf_table_text(config, means, &text);

    if (err) {
        (void)snprintf(why, TC_NF_WHY_MAX, "no memory");
        return err;
    }
    err = tc_nf_nft_run(table->nft, text, why);
    free(text);
    if (err || means != TC_NF_TABLE_XT || config->observe)
        return err;
    err = put_target(table, config->queue);
    if (err) {
        (void)snprintf(why, TC_NF_WHY_MAX,
                       "the kernel has neither nft's queue nor the target NFQUEUE: %s",
                       strerrordesc_np(-err));
        table->made = false;
        (void)tc_nf_table_remove(table, ignored);
    }
    return err;
}

/* The kernel is asked by trying: modules come and go, and a version says little. */
static int make(struct tc_nf_table *table, const struct tc_nf_table_config *config,
                char why[TC_NF_WHY_MAX])
{
    char instead[TC_NF_WHY_MAX];
    int err, second;

    if (config->observe || table->means != TC_NF_TABLE_UNTRIED)
        return make_by(table, config, table->means, why);
    err = make_by(table, config, TC_NF_TABLE_NATIVE, why);
    if (!err) {
        table->means = TC_NF_TABLE_NATIVE;
        return 0;
    }
    second = make_by(table, config, TC_NF_TABLE_XT, instead);
    if (second)
        return err;
    table->means = TC_NF_TABLE_XT;
    return 0;
}

int tc_nf_table_make(struct tc_nf_table *table, const struct tc_nf_table_config *config,
                     char why[TC_NF_WHY_MAX])
{
    char ignored[TC_NF_WHY_MAX];
    int err = make(table, config, why);

    if (err)
        return err;
    table->made = true;
    table->observe = config->observe;
    err = tc_nf_digest(table->socket, &table->sequence, TC_NF_TABLE, &table->digest);
    if (err) {
        (void)snprintf(why, TC_NF_WHY_MAX, "table inet " TC_NF_TABLE " was not kept: %s",
                       strerrordesc_np(-err));
        (void)tc_nf_table_remove(table, ignored);
    }
    return err;
}

int tc_nf_table_remove(struct tc_nf_table *table, char why[TC_NF_WHY_MAX])
{
    int err = tc_nf_nft_run(
        table->nft, "add table inet " TC_NF_TABLE "\ndelete table inet " TC_NF_TABLE "\n",
        why);

    if (!err)
        table->made = false;
    return err;
}

int tc_nf_table_forgive(struct tc_nf_table *table, char why[TC_NF_WHY_MAX])
{
    return tc_nf_nft_run(table->nft,
                         "flush set inet " TC_NF_TABLE " denied4\n"
                         "flush set inet " TC_NF_TABLE " denied6\n",
                         why);
}

int tc_nf_table_check(struct tc_nf_table *table, char why[TC_NF_WHY_MAX])
{
    uint64_t now;
    int err = tc_nf_digest(table->socket, &table->sequence, TC_NF_TABLE, &now);

    if (!err && (!table->made || now != table->digest))
        err = -ESTALE;
    if (err)
        (void)snprintf(why, TC_NF_WHY_MAX, "table inet " TC_NF_TABLE " %s",
                       err == -ENOENT   ? "has been removed"
                       : err == -ESTALE ? "is not as it was made"
                                        : strerrordesc_np(-err));
    return err;
}
