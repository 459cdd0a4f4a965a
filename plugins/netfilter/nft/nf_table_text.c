/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the words of the filter's table. Pure. Protocols are numbers, since a host may
 * have no /etc/protocols. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft/nf_address.h"
#include "nft/nf_table.h"

#define DNS_PORT 53
#define PRIVILEGED_PORTS 1024
#define SYN_BYTES_MAX 120 /* without data: both headers with all options */

/* What a set's key is made of; family 4 has "ip", 6 has "ip6". */
static void put_key(FILE *f, int family)
{
    const char *ip = family == 4 ? "ip" : "ip6";

    fprintf(f, "%s saddr . %s daddr . meta l4proto . th sport . th dport", ip, ip);
}

static void put_sets(FILE *f, const char *name, unsigned max, unsigned timeout_s)
{
    for (int family = 4; family <= 6; family += 2)
        fprintf(f,
                "\tset %s%d {\n"
                "\t\ttype ipv%d_addr . ipv%d_addr . inet_proto . inet_service . "
                "inet_service\n"
                "\t\tsize %u\n\t\tflags dynamic,timeout\n\t\ttimeout %us\n\t}\n",
                name, family, family, family, max, timeout_s);
}

/* For a packet whose flow is in the set: `then`. */
static void put_known(FILE *f, const char *set, const char *then)
{
    for (int family = 4; family <= 6; family += 2) {
        fputs("\t\t", f);
        put_key(f, family);
        fprintf(f, " @%s%d %s\n", set, family, then);
    }
}

/* Takes the packet's flow into the set (and another); a rule ends where one is full. */
static void put_update(FILE *f, const char *set, const char *other, const char *then)
{
    for (int family = 4; family <= 6; family += 2) {
        fprintf(f, "\t\tupdate @%s%d { ", set, family);
        put_key(f, family);
        if (other) {
            fprintf(f, " } update @%s%d { ", other, family);
            put_key(f, family);
        }
        fprintf(f, " } %s\n", then);
    }
    fputs("\t\tcounter name overflows\n", f);
}

/* What a set has, for so long again. */
static void put_renewed(FILE *f, const char *set, unsigned timeout_s, const char *what)
{
    for (int family = 4; family <= 6; family += 2) {
        fputs("\t\t", f);
        put_key(f, family);
        fprintf(f, " @%s%d update @%s%d { ", set, family, set, family);
        put_key(f, family);
        fprintf(f, " timeout %us } %s\n", timeout_s, what);
    }
}

/* A set's elements, each once: nft refuses a set that names one twice. */
struct list {
    FILE *f;
    const char *before, *after;
    uint32_t named[65536 / 32];
    unsigned count;
};

static void put_port(struct list *list, uint16_t port)
{
    if (list->named[port / 32] & UINT32_C(1) << port % 32)
        return;
    list->named[port / 32] |= UINT32_C(1) << port % 32;
    fprintf(list->f, "%s%u", list->count++ ? ", " : list->before, port);
}

static void put_end(const struct list *list)
{
    if (list->count)
        fputs(list->after, list->f);
}

static void put_ports(FILE *f, const uint16_t *ports, size_t count, const char *before,
                      const char *after)
{
    struct list list = {.f = f, .before = before, .after = after};

    for (size_t i = 0; i < count; i++)
        put_port(&list, ports[i]);
    put_end(&list);
}

/* Ports of the pass list that belong to a protocol and are below `end`, and DNS. */
static void put_pass_ports(FILE *f, const struct tc_nf_table_config *c, uint8_t protocol,
                           uint32_t end, const char *before)
{
    struct list list = {.f = f, .before = before, .after = " } accept\n"};

    if (protocol != IPPROTO_SCTP)
        put_port(&list, DNS_PORT);
    for (size_t i = 0; i < c->pass_ports_count; i++) {
        const struct tc_nf_port *port = &c->pass_ports[i];

        if (port->protocol == protocol && port->port < end)
            put_port(&list, port->port);
    }
    put_end(&list);
}

static void put_pass_set(FILE *f, const struct tc_nf_table_config *c, int family)
{
    unsigned count = 0;

    for (size_t i = 0; i < c->pass_networks_count; i++) {
        char text[TC_NF_NET_TEXT_MAX];

        if (tc_nf_net_family(c->pass_networks[i].address, c->pass_networks[i].length) !=
            family)
            continue;
        if (!count++)
            fprintf(f,
                    "\tset pass%d {\n\t\ttype ipv%d_addr\n\t\tflags interval\n"
                    "\t\tauto-merge\n\t\telements = { ",
                    family, family);
        tc_nf_net_text(c->pass_networks[i].address, c->pass_networks[i].length, text);
        fprintf(f, "%s%s", count > 1 ? ", " : "", text);
    }
    if (count)
        fputs(" }\n\t}\n", f);
}

/* What passes for its network or user. */
static void put_passes(FILE *f, const struct tc_nf_table_config *c)
{
    bool families[7] = {false};

    for (size_t i = 0; i < c->pass_networks_count; i++)
        families[tc_nf_net_family(c->pass_networks[i].address,
                                  c->pass_networks[i].length)] = true;
    if (families[4])
        fputs("\t\tip daddr @pass4 accept\n", f);
    if (families[6])
        fputs("\t\tip6 daddr @pass6 accept\n", f);
    for (size_t i = 0; i < c->pass_users_count; i++)
        fprintf(f, "\t\tmeta skuid %u accept\n", c->pass_users[i]);
}

static void put_ask(FILE *f, const struct tc_nf_table_config *c,
                    enum tc_nf_table_means means)
{
    fputs("\tchain ask {\n", f);
    if (c->observe)
        fprintf(f, "\t\tlog group %u\n", c->log_group);
    else if (means != TC_NF_TABLE_XT)
        fprintf(f, "\t\tqueue num %u bypass\n", c->queue);
    fputs("\t}\n", f);
}

/* A SYN, and what the client sends after it. */
static void put_tcp(FILE *f, const struct tc_nf_table_config *c)
{
    const bool inspect = c->tcp_inspected_count > 0;

    fputs("\tchain tcp_new {\n", f);
    if (!c->observe)
        put_known(f, "denied", "reject with tcp reset");
    put_pass_ports(f, c, IPPROTO_TCP, UINT16_MAX + 1, "\t\ttcp dport { ");
    put_passes(f, c);
    put_ports(f, c->tcp_inspected, c->tcp_inspected_count, "\t\ttcp dport { ",
              " } goto tcp_inspected\n");
    if (c->queue_new)
        fputs("\t\tgoto ask\n", f);
    fputs("\t}\n", f);

    fputs("\tchain tcp_flow {\n"
          "\t\ttcp flags & (fin | syn | rst | ack) == syn goto tcp_new\n",
          f);
    if (inspect) {
        if (!c->observe)
            put_known(f, "denied", "reject with tcp reset");
        put_known(f, "fresh", "goto ask");
    }
    fputs("\t}\n", f);
}

static void put_tcp_inspected(FILE *f, const struct tc_nf_table_config *c)
{
    const char *then = c->queue_new ? "goto ask" : "goto tcp_syn_data";

    if (!c->tcp_inspected_count)
        return;
    /* Data in a SYN, of TCP fast open: there may be no more. */
    if (!c->queue_new)
        fprintf(f, "\tchain tcp_syn_data {\n\t\tmeta length > %d goto ask\n\t}\n",
                SYN_BYTES_MAX);
    fputs("\tchain tcp_inspected {\n", f);
    put_update(f, "fresh", NULL, then);
    fprintf(f, "\t\t%s\n\t}\n", then);
}

static void put_udp(FILE *f, const struct tc_nf_table_config *c)
{
    if (c->udp_inspected_count) {
        fputs("\tchain udp_inspected {\n", f);
        put_update(f, "fresh", "seen", "goto ask");
        fputs("\t}\n", f);
    }
    fputs("\tchain udp_flow {\n", f);
    put_pass_ports(f, c, IPPROTO_UDP, UINT16_MAX + 1, "\t\tudp dport { ");
    put_pass_ports(f, c, IPPROTO_UDP, PRIVILEGED_PORTS, "\t\tudp sport { ");
    if (!c->queue_new)
        put_ports(f, c->udp_inspected, c->udp_inspected_count, "\t\tudp dport != { ",
                  " } accept\n");
    /* No datagram begins anew, as a SYN does: it is denied for as long as any comes. */
    if (!c->observe)
        put_renewed(f, "denied", TC_NF_TABLE_DENIED_LONG_S,
                    "reject with icmpx type admin-prohibited");
    if (c->udp_inspected_count)
        put_known(f, "fresh", "goto ask");
    put_renewed(f, "seen", TC_NF_TABLE_SEEN_S, "accept");
    put_passes(f, c);
    put_ports(f, c->udp_inspected, c->udp_inspected_count, "\t\tudp dport { ",
              " } goto udp_inspected\n");
    if (c->queue_new)
        put_update(f, "seen", NULL, "goto ask");
    fputs("\t}\n", f);
}

/* An INIT is a packet of its own: its first chunk has type 1 (RFC 9260, 3.2). */
static void put_sctp(FILE *f, const struct tc_nf_table_config *c)
{
    fputs("\tchain sctp_flow {\n\t\t@th,96,8 != 1 accept\n", f);
    if (!c->observe)
        put_known(f, "denied", "reject with icmpx type admin-prohibited");
    put_pass_ports(f, c, IPPROTO_SCTP, UINT16_MAX + 1, "\t\tsctp dport { ");
    put_passes(f, c);
    fputs("\t\tgoto ask\n\t}\n", f);
}

/* Most packets go on a flow that nothing is looked for in: one rule is all they pay. */
static void put_established(FILE *f, const struct tc_nf_table_config *c)
{
    fputs("\t\ttcp flags & (fin | syn | rst | ack) != syn", f);
    put_ports(f, c->tcp_inspected, c->tcp_inspected_count, " tcp dport != { ", " }");
    fputs(" accept\n", f);
}

static void put_hooks(FILE *f, const struct tc_nf_table_config *c)
{
    const bool udp = c->queue_new || c->udp_inspected_count;

    fprintf(f, "\tchain begin {\n\t\tmeta l4proto vmap { %d : goto tcp_flow",
            IPPROTO_TCP);
    if (udp)
        fprintf(f, ", %d : goto udp_flow", IPPROTO_UDP);
    if (c->queue_new)
        fprintf(f, ", %d : goto sctp_flow", IPPROTO_SCTP);
    fputs(" }\n\t}\n"
          "\tchain output {\n"
          "\t\ttype filter hook output priority -150; policy accept;\n",
          f);
    put_established(f, c);
    if (c->canary_port)
        fprintf(f, "\t\toif lo ip daddr %u.%u.%u.%u udp dport %u goto ask\n",
                c->canary[0], c->canary[1], c->canary[2], c->canary[3], c->canary_port);
    if (!c->loopback)
        fputs("\t\toif lo accept\n", f);
    fputs("\t\tgoto begin\n\t}\n", f);
    if (!c->forward)
        return;
    fputs("\tchain forward {\n"
          "\t\ttype filter hook forward priority -150; policy accept;\n",
          f);
    put_established(f, c);
    fputs("\t\tgoto begin\n\t}\n", f);
}

int tc_nf_table_text(const struct tc_nf_table_config *config,
                     enum tc_nf_table_means means, char **ret_text)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (!f)
        return -ENOMEM;
    /* The first two: another of this name, whoever left it, goes in the same transaction.
     */
    fputs("add table inet " TC_NF_TABLE "\n"
          "delete table inet " TC_NF_TABLE "\n"
          "table inet " TC_NF_TABLE " {\n"
          "\tcomment \"Tocsin's network filter; tocsin network-filter disable removes "
          "it\"\n"
          "\tcounter overflows { }\n",
          f);
    put_sets(f, "denied", TC_NF_TABLE_DENIED_MAX, TC_NF_TABLE_DENIED_S);
    put_sets(f, "fresh", TC_NF_TABLE_FRESH_MAX, TC_NF_TABLE_FRESH_S);
    put_sets(f, "seen", TC_NF_TABLE_SEEN_MAX, TC_NF_TABLE_SEEN_S);
    put_pass_set(f, config, 4);
    put_pass_set(f, config, 6);
    put_ask(f, config, means);
    put_tcp_inspected(f, config);
    put_tcp(f, config);
    if (config->queue_new || config->udp_inspected_count)
        put_udp(f, config);
    if (config->queue_new)
        put_sctp(f, config);
    put_hooks(f, config);
    fputs("}\n", f);
    if (fclose(f)) {
        free(text);
        return -ENOMEM;
    }
    *ret_text = text;
    return 0;
}
