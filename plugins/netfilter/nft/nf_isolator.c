/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: isolation's table in the kernel. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft/nf_batch.h"
#include "nft/nf_isolation.h"

#define REMOVE "delete table inet " TC_NF_ISOLATION_TABLE "\n"

/* What is there under this name, if anything, is found out by trying. */
static int replace(struct tc_nf_nft *nft, const char *text, char why[TC_NF_WHY_MAX])
{
    /* None, or ours. One without an owner takes no `flags owner` later, but can be
     * removed. */
    static const char *const before[] = {
        "add table inet " TC_NF_ISOLATION_TABLE " { flags owner; }\n" REMOVE, REMOVE};
    char second[TC_NF_WHY_MAX];
    int err = 0;

    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        size_t len = strlen(before[i]) + strlen(text) + 1;
        char *commands = malloc(len);

        if (!commands) {
            (void)snprintf(why, TC_NF_WHY_MAX, "no memory");
            return -ENOMEM;
        }
        (void)snprintf(commands, len, "%s%s", before[i], text);
        err = tc_nf_nft_run(nft, commands, i ? second : why);
        free(commands);
        if (!err)
            break;
    }
    return err;
}

/* What is in the kernel from now on. */
static void set(struct tc_nf_isolator *isolator, char *text)
{
    free(isolator->text);
    isolator->text = text;
    isolator->digest = 0;
}

int tc_nf_isolator_init(struct tc_nf_isolator *isolator, struct tc_nf_nft *nft,
                        char why[TC_NF_WHY_MAX])
{
    *isolator = (struct tc_nf_isolator){.nft = nft, .socket = tc_nf_batch_socket()};
    if (!isolator->socket) {
        int err = -errno;

        (void)snprintf(why, TC_NF_WHY_MAX, "no netlink socket for nftables: %s",
                       strerrordesc_np(-err));
        return err;
    }
    return 0;
}

int tc_nf_isolator_apply(struct tc_nf_isolator *isolator,
                         const struct tc_nf_isolation *isolation, char why[TC_NF_WHY_MAX])
{
    char *text;
    int err;

    if (!isolation->on)
        return tc_nf_isolator_lift(isolator, why);
    err = tc_nf_isolation_text(isolation, &text);
    if (err) {
        (void)snprintf(why, TC_NF_WHY_MAX, "no memory");
        return err;
    }
    if (isolator->text && !strcmp(text, isolator->text) &&
        !tc_nf_isolator_verify(isolator, NULL, why)) {
        free(text);
        return 0;
    }
    err = replace(isolator->nft, text, why);
    if (err) {
        free(text);
        return err;
    }
    set(isolator, text);
    /* Without it the table is made all the same, and the next verify says so. */
    (void)tc_nf_digest(isolator->socket, &isolator->sequence, TC_NF_ISOLATION_TABLE,
                       &isolator->digest);
    return 0;
}

int tc_nf_isolator_lift(struct tc_nf_isolator *isolator, char why[TC_NF_WHY_MAX])
{
    int err;

    if (!isolator->text)
        return 0;
    err = tc_nf_nft_run(isolator->nft, REMOVE, why);
    if (err && err != -ENOENT)
        return err;
    set(isolator, NULL);
    return 0;
}

static int read_counts(struct tc_nf_isolator *isolator,
                       struct tc_nf_isolation_counts *ret_counts, char why[TC_NF_WHY_MAX])
{
    static const char *const names[] = {"cut_out", "cut_in", "cut_forward"};
    uint64_t packets[3];

    for (size_t i = 0; i < 3; i++) {
        int err = tc_nf_batch_counter(isolator->socket, &isolator->sequence,
                                      TC_NF_ISOLATION_TABLE, names[i], &packets[i]);

        if (err) {
            (void)snprintf(why, TC_NF_WHY_MAX, "nftables: counter %s: %s", names[i],
                           strerrordesc_np(-err));
            return err;
        }
    }
    *ret_counts = (struct tc_nf_isolation_counts){
        .out = packets[0], .in = packets[1], .forwarded = packets[2]};
    return 0;
}

int tc_nf_isolator_verify(struct tc_nf_isolator *isolator,
                          struct tc_nf_isolation_counts *ret_counts,
                          char why[TC_NF_WHY_MAX])
{
    uint64_t now;
    int err =
        tc_nf_digest(isolator->socket, &isolator->sequence, TC_NF_ISOLATION_TABLE, &now);

    if (!err && (!isolator->text || now != isolator->digest))
        err = -ESTALE;
    if (err)
        (void)snprintf(why, TC_NF_WHY_MAX, "table inet " TC_NF_ISOLATION_TABLE " %s",
                       err == -ENOENT   ? "is not there"
                       : err == -ESTALE ? "is not as it was made"
                                        : strerrordesc_np(-err));
    if (!err && ret_counts)
        err = read_counts(isolator, ret_counts, why);
    return err;
}

void tc_nf_isolator_done(struct tc_nf_isolator *isolator)
{
    set(isolator, NULL);
    if (isolator->socket)
        mnl_socket_close(isolator->socket);
    *isolator = (struct tc_nf_isolator){0};
}
