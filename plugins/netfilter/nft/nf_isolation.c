/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what of isolation is text: the allow list and the commands. Pure. */
#include "nft/nf_isolation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft/nf_address.h"

__attribute__((format(printf, 2, 3))) static int refuse(char *why, const char *format,
                                                        ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, TC_NF_WHY_MAX, format, args);
    va_end(args);
    return -EINVAL;
}

/* A number of decimal digits up to `max` at *text, which moves behind it; else -1. */
static long take_number(const char **text, long max)
{
    long number = 0;
    const char *at = *text;

    while (*at >= '0' && *at <= '9' && number <= max)
        number = number * 10 + (*at++ - '0');
    if (at == *text || number > max)
        return -1;
    *text = at;
    return number;
}

/* The address that `text` begins with; *ret_rest is what follows it. */
static int take_address(const char *text, struct tc_nf_allow *allow,
                        const char **ret_rest)
{
    const bool brackets = *text == '[';
    const char *start = text + brackets;
    size_t len = strcspn(start, brackets ? "]" : "/");
    const char *colon = memchr(start, ':', len);
    char address[INET6_ADDRSTRLEN];

    if (brackets && start[len] != ']')
        return -EINVAL;
    /* One colon is a port's; an IPv6 address has more. */
    if (!brackets && colon && !memchr(colon + 1, ':', len - (size_t)(colon + 1 - start)))
        len = (size_t)(colon - start);
    if (len >= sizeof address)
        return -EINVAL;
    memcpy(address, start, len);
    address[len] = '\0';
    *ret_rest = start + len + brackets;
    memcpy(allow->address, (uint8_t[12]){[10] = 0xff, [11] = 0xff}, 12);
    if (!brackets && inet_pton(AF_INET, address, allow->address + 12) == 1)
        return 0;
    return inet_pton(AF_INET6, address, allow->address) == 1 ? 0 : -EINVAL;
}

static void clear_behind(uint8_t address[16], unsigned length)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = length > i * 8 ? length - i * 8 : 0;

        if (kept < 8)
            address[i] &= (uint8_t)(0xff00U >> kept);
    }
}

int tc_nf_allow_parse(const char *text, struct tc_nf_allow *ret_allow,
                      char why[TC_NF_WHY_MAX])
{
    static const uint8_t zero[16];
    struct tc_nf_allow allow = {.length = 128};
    const char *rest;
    unsigned base;
    long number;

    if (take_address(text, &allow, &rest))
        return refuse(
            why,
            "\"%.80s\" does not begin with an IPv4 or IPv6 address; the form is "
            "ADDR[/N][:PORT][/tcp|udp], with an IPv6 address in brackets where "
            "a port follows",
            text);
    base = tc_nf_address_is_mapped(allow.address) ? TC_NF_MAPPED_BITS : 0;
    if (rest[0] == '/' && rest[1] >= '0' && rest[1] <= '9') {
        rest++;
        number = take_number(&rest, 128 - base);
        if (number < 0)
            return refuse(why, "\"%.80s\": the length of the network goes up to %u", text,
                          128 - base);
        if (!number)
            return refuse(why, "\"%.80s\" is every address: that isolates from nothing",
                          text);
        allow.length = (uint8_t)(base + (unsigned)number);
    }
    if (*rest == ':') {
        rest++;
        number = take_number(&rest, UINT16_MAX);
        if (number <= 0)
            return refuse(why, "\"%.80s\": a port is a number from 1 to 65535", text);
        allow.port = (uint16_t)number;
    }
    if (!strcmp(rest, "/tcp"))
        allow.protocol = IPPROTO_TCP;
    else if (!strcmp(rest, "/udp"))
        allow.protocol = IPPROTO_UDP;
    else if (allow.port && rest[0] == '/' && rest[1] >= '0' && rest[1] <= '9')
        return refuse(why, "\"%.80s\": the length of the network stands before the port",
                      text);
    else if (*rest)
        return refuse(why,
                      "\"%.80s\": \"%.40s\" was not understood; the form is "
                      "ADDR[/N][:PORT][/tcp|udp]",
                      text, rest);
    clear_behind(allow.address, allow.length);
    if (!memcmp(allow.address + (base ? 12 : 0), zero, base ? 4 : 16))
        return refuse(why, "\"%.80s\" is no address of a host or network", text);
    *ret_allow = allow;
    return 0;
}

void tc_nf_allow_text(const struct tc_nf_allow *allow, char text[TC_NF_ALLOW_TEXT_MAX])
{
    const bool brackets =
        allow->port && tc_nf_net_family(allow->address, allow->length) == 6;
    const char *protocol = allow->protocol == IPPROTO_TCP   ? "/tcp"
                           : allow->protocol == IPPROTO_UDP ? "/udp"
                                                            : "";
    char net[TC_NF_NET_TEXT_MAX], port[8] = "";
    int address_len;

    tc_nf_net_text(allow->address, allow->length, net);
    address_len = (int)strcspn(net, "/");
    if (allow->port)
        (void)snprintf(port, sizeof port, ":%u", allow->port);
    (void)snprintf(text, TC_NF_ALLOW_TEXT_MAX, "%s%.*s%s%s%s%s", brackets ? "[" : "",
                   address_len, net, brackets ? "]" : "",
                   allow->length < 128 ? net + address_len : "", port, protocol);
}

bool tc_nf_isolation_over(const struct tc_nf_isolation *isolation, int64_t now)
{
    return isolation->on && isolation->until && now >= isolation->until;
}

/* The end `side` ("saddr", "daddr") is on the allow list. */
static void put_allow(FILE *f, const struct tc_nf_isolation *isolation, const char *side)
{
    for (size_t i = 0; i < isolation->allow_count; i++) {
        const struct tc_nf_allow *allow = &isolation->allow[i];
        char net[TC_NF_NET_TEXT_MAX], protocol[32] = "";

        tc_nf_net_text(allow->address, allow->length, net);
        if (allow->protocol)
            (void)snprintf(protocol, sizeof protocol, "meta l4proto %u ",
                           allow->protocol);
        else if (allow->port)
            (void)snprintf(protocol, sizeof protocol, "meta l4proto { %d, %d } ",
                           IPPROTO_TCP, IPPROTO_UDP);
        for (int end = 0; end < (allow->port ? 2 : 1); end++) {
            fprintf(f, "\t\t%s %s %s %s",
                    tc_nf_net_family(allow->address, allow->length) == 4 ? "ip" : "ip6",
                    side, net, protocol);
            if (allow->port)
                fprintf(f, "th %s %u ", end ? "sport" : "dport", allow->port);
            fputs("accept\n", f);
        }
    }
}

/* RFC 4861: neighbour discovery has hop limit 255, which no router lets through; RFC
 * 2710, 3810: without its reports switches keep multicast, and so neighbours, away. */
static const char neighbours[] =
    "\t\tip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-router-advert, "
    "nd-neighbor-solicit, nd-neighbor-advert } accept\n"
    "\t\tip6 hoplimit 1 icmpv6 type { mld-listener-query, mld-listener-report, "
    "mld-listener-done, mld2-listener-report } accept\n";

int tc_nf_isolation_text(const struct tc_nf_isolation *isolation, char **ret_text)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (!f)
        return -ENOMEM;
    fputs("table inet " TC_NF_ISOLATION_TABLE " {\n"
          "\tflags owner\n"
          "\tcomment \"Tocsin has isolated this host; tocsin isolate off ends it\"\n"
          "\tcounter cut_out { }\n\tcounter cut_in { }\n\tcounter cut_forward { }\n"
          "\tchain input {\n"
          "\t\ttype filter hook input priority -300; policy accept;\n"
          "\t\tiif lo accept\n",
          f);
    put_allow(f, isolation, "saddr");
    fprintf(f,
            "\t\tudp sport 67 udp dport 68 accept\n"
            "\t\tudp sport 547 udp dport 546 accept\n"
            "%s"
            "\t\ticmp type destination-unreachable icmp code frag-needed accept\n"
            "\t\ticmpv6 type packet-too-big accept\n"
            "\t\tcounter name cut_in drop\n\t}\n"
            "\tchain output {\n"
            "\t\ttype filter hook output priority -300; policy accept;\n"
            "\t\toif lo accept\n",
            neighbours);
    put_allow(f, isolation, "daddr");
    fprintf(f,
            "\t\tudp sport 68 udp dport 67 accept\n"
            "\t\tudp sport 546 udp dport 547 accept\n"
            "%s"
            "\t\tcounter name cut_out\n"
            "\t\tmeta l4proto %d reject with tcp reset\n"
            "\t\treject with icmpx type admin-prohibited\n\t}\n"
            "\tchain forward {\n"
            "\t\ttype filter hook forward priority -300; policy accept;\n"
            "\t\tcounter name cut_forward drop\n\t}\n}\n",
            neighbours, IPPROTO_TCP);
    if (fclose(f)) {
        free(text);
        return -ENOMEM;
    }
    *ret_text = text;
    return 0;
}
