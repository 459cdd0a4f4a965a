/* SPDX-License-Identifier: Apache-2.0 */
/* The filter's table and the monitor in a real kernel, in networks of the tests' own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nf_network.h"
#include "nft/nf_batch.h"
#include "nft/nf_monitor.h"
#include "nft/nf_table.h"
#include "tests/support/skip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define QUEUE 7
#define OPEN_PORT 4000 /* TCP and UDP, not inspected */
#define WEB_PORT 8080  /* inspected */
#define PASS_PORT 88

struct scratch {
    struct nf_network network;
    struct tc_nf_nft nft;
    struct tc_nf_table table;
    struct nf_asker asker;
    char why[TC_NF_WHY_MAX];
};

static const uint16_t inspected[] = {WEB_PORT};
static const struct tc_nf_port passes[] = {{IPPROTO_TCP, PASS_PORT},
                                           {IPPROTO_UDP, PASS_PORT}};
static const struct tc_nf_table_config everything = {
    .queue = QUEUE,
    .queue_new = true,
    .forward = true,
    .tcp_inspected = inspected,
    .tcp_inspected_count = 1,
    .udp_inspected = inspected,
    .udp_inspected_count = 1,
    .pass_ports = passes,
    .pass_ports_count = 2,
    .canary = {127, 9, 8, 7},
    .canary_port = 4321,
};
static const char *const servers[] = {NF_NETWORK_SERVER4, NF_NETWORK_SERVER6};
static const int families[] = {AF_INET, AF_INET6};

static void make(struct scratch *s, const struct tc_nf_table_config *config)
{
    int err = tc_nf_table_make(&s->table, config, s->why);

    if (err)
        print_message("%s\n", s->why);
    assert_int_equal(err, 0);
}

static void remove_table(struct scratch *s)
{
    assert_int_equal(tc_nf_table_remove(&s->table, s->why), 0);
}

static struct tc_nf_tuple tuple_of(int fd, uint8_t protocol, uint16_t port)
{
    struct tc_nf_tuple tuple = {.protocol = protocol,
                                .source_port = nf_network_port(fd),
                                .destination_port = port};
    struct sockaddr_storage end = {0};
    socklen_t len = sizeof end;

    for (int i = 0; i < 2; i++) {
        uint8_t *address = i ? tuple.destination : tuple.source;

        len = sizeof end;
        assert_int_equal(i ? getpeername(fd, (struct sockaddr *)&end, &len)
                           : getsockname(fd, (struct sockaddr *)&end, &len),
                         0);
        if (end.ss_family == AF_INET) {
            address[10] = address[11] = 0xff;
            memcpy(address + 12, &((const struct sockaddr_in *)&end)->sin_addr, 4);
        } else {
            memcpy(address, &((const struct sockaddr_in6 *)&end)->sin6_addr, 16);
        }
    }
    return tuple;
}

/* As tuple_of, of one that is still connecting: it has no peer yet. */
static struct tc_nf_tuple tuple_to(int fd, const char *server, uint16_t port)
{
    struct tc_nf_tuple tuple = {.protocol = IPPROTO_TCP,
                                .source_port = nf_network_port(fd),
                                .destination_port = port};
    const bool four = !strchr(server, ':');

    if (four) {
        memset(tuple.source + 10, 0xff, 2);
        memset(tuple.destination + 10, 0xff, 2);
    }
    assert_int_equal(inet_pton(four ? AF_INET : AF_INET6,
                               four ? NF_NETWORK_CLIENT4 : NF_NETWORK_CLIENT6,
                               tuple.source + (four ? 12 : 0)),
                     1);
    assert_int_equal(
        inet_pton(four ? AF_INET : AF_INET6, server, tuple.destination + (four ? 12 : 0)),
        1);
    return tuple;
}

/* Takes the question and lets it pass. */
static void pass_next(struct scratch *s, uint8_t protocol, uint16_t port)
{
    struct nf_question question;

    nf_asker_next(&s->asker, &question);
    assert_int_equal(question.protocol, protocol);
    assert_int_equal(question.destination_port, port);
    nf_asker_answer(&s->asker, question.id, NF_ACCEPT);
}

static void table_is_made_and_whole_and_removed(void **state)
{
    struct scratch *s = *state;

    assert_int_equal(tc_nf_table_check(&s->table, s->why), -ENOENT);
    make(s, &everything);
    assert_int_equal(tc_nf_table_check(&s->table, s->why), 0);
    make(s, &everything);
    assert_int_equal(tc_nf_table_check(&s->table, s->why), 0);
    remove_table(s);
    assert_int_equal(tc_nf_table_check(&s->table, s->why), -ENOENT);
    remove_table(s);
    assert_int_equal(nf_network_shell("test -z \"$(nft list ruleset)\""), 0);
}

static void table_with_every_option_is_taken_by_the_kernel(void **state)
{
    struct scratch *s = *state;
    static const struct tc_nf_net networks[] = {
        {{[10] = 0xff, [11] = 0xff, 10}, 104},
        {{[10] = 0xff, [11] = 0xff, 10, 1}, 112}, /* inside of that */
        {{[10] = 0xff, [11] = 0xff, 10}, 104},    /* that again */
        {{0x20, 1, 0xd, 0xb8}, 32},
    };
    static const uint16_t ports[] = {80, 443, 80};
    static const uint32_t users[] = {0, 4294967294u, 0};
    struct tc_nf_table_config config = everything;

    config.pass_networks = networks;
    config.pass_networks_count = 4;
    config.tcp_inspected = config.udp_inspected = ports;
    config.tcp_inspected_count = config.udp_inspected_count = 3;
    config.pass_users = users;
    config.pass_users_count = 3;
    for (unsigned i = 0; i < 16; i++) {
        config.queue_new = i & 1;
        config.loopback = i & 2;
        config.observe = i & 4;
        config.tcp_inspected_count = config.udp_inspected_count = i & 8 ? 3 : 0;
        make(s, &config);
        assert_int_equal(tc_nf_table_check(&s->table, s->why), 0);
    }
    remove_table(s);
}

static void run_of_commands_is_all_or_nothing(void **state)
{
    struct scratch *s = *state;

    assert_int_equal(tc_nf_nft_run(&s->nft,
                                   "add table inet x\nadd chain inet x y\n"
                                   "add rule inet x nowhere accept\n",
                                   s->why),
                     -ENOENT);
    assert_string_equal(s->why,
                        "nftables: Could not process rule: No such file or directory");
    assert_int_equal(
        tc_nf_nft_run(&s->nft, "add table inet x\nad table inet y\n", s->why), -EINVAL);
    /* Which words it expects instead differs from version to version. */
    assert_non_null(strstr(s->why, "nftables: syntax error, unexpected table"));
    assert_int_equal(nf_network_shell("test -z \"$(nft list ruleset)\""), 0);
}

static void table_of_another_owner_is_left_as_it_is(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_nft other;

    assert_int_equal(tc_nf_nft_open(&other, s->why), 0);
    assert_int_equal(
        tc_nf_nft_run(&other, "add table inet tocsin { flags owner; }\n", s->why), 0);
    assert_int_equal(tc_nf_table_make(&s->table, &everything, s->why), -EPERM);
    assert_string_equal(s->why,
                        "nftables: Could not process rule: Operation not permitted");
    tc_nf_nft_close(&other);
    make(s, &everything);
    remove_table(s);
}

static const char foreign[] =
    "nft -f - <<END\n"
    "table inet firewall {\n"
    "  map ports { type inet_service : verdict; elements = { 22 : accept, 80 : drop } }\n"
    "  set blocked { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }\n"
    "  chain input { type filter hook input priority filter; policy accept;\n"
    "    ip saddr @blocked counter drop; tcp dport vmap @ports; }\n"
    "}\n"
    "table ip other { chain post { type filter hook postrouting priority srcnat;\n"
    "    ip saddr 172.17.0.0/16 counter accept; }; }\n"
    "END\n";

static void table_leaves_a_foreign_ruleset_byte_for_byte_as_it_was(void **state)
{
    struct scratch *s = *state;
    char *before, *with, *after;

    assert_int_equal(nf_network_shell(foreign), 0);
    before = nf_network_output("nft -a list ruleset");
    assert_non_null(strstr(before, "172.17.0.0/16"));
    make(s, &everything);
    make(s, &everything);
    /* What is in front of ours. */
    with = nf_network_output("nft -a list ruleset 2>/dev/null");
    assert_memory_equal(with, before, strlen(before));
    remove_table(s);
    after = nf_network_output("nft -a list ruleset");
    assert_string_equal(after, before);
    free(before);
    free(with);
    free(after);
    assert_int_equal(nf_network_shell("nft flush ruleset"), 0);
}

static void left_over_is_taken_over(void **state)
{
    struct scratch *s = *state;

    assert_int_equal(
        nf_network_shell("nft add table inet tocsin; nft add chain inet tocsin old "
                         "'{ type filter hook output priority 0; policy drop; }'"),
        0);
    make(s, &everything);
    assert_int_equal(tc_nf_table_check(&s->table, s->why), 0);
    assert_int_equal(nf_network_shell("nft list ruleset 2>&1 | grep -q 'chain old'"), 1);
    remove_table(s);
}

static void without_a_reader_everything_passes(void **state)
{
    struct scratch *s = *state;

    make(s, &everything);
    for (int i = 0; i < 2; i++) {
        int listener = nf_network_serve(&s->network, families[i], SOCK_STREAM, WEB_PORT);
        int udp = nf_network_serve(&s->network, families[i], SOCK_DGRAM, OPEN_PORT);
        int client =
            nf_network_connect(families[i], SOCK_STREAM, servers[i], 0, WEB_PORT);
        int sender =
            nf_network_connect(families[i], SOCK_DGRAM, servers[i], 0, OPEN_PORT);

        assert_int_equal(nf_network_connected(client), 0);
        assert_int_equal(send(sender, "x", 1, 0), 1);
        assert_true(nf_network_readable(udp, 50000));
        close(listener);
        close(udp);
        close(client);
        close(sender);
    }
    remove_table(s);
}

static void denied_flow_is_refused_at_once(void **state)
{
    struct scratch *s = *state;

    make(s, &everything);
    nf_asker_open(&s->asker, QUEUE);
    for (int i = 0; i < 2; i++) {
        int listener = nf_network_serve(&s->network, families[i], SOCK_STREAM, OPEN_PORT);
        int client =
            nf_network_connect(families[i], SOCK_STREAM, servers[i], 0, OPEN_PORT);
        struct tc_nf_tuple tuple = tuple_to(client, servers[i], OPEN_PORT);
        struct nf_question question;
        struct tcp_info info;
        socklen_t len = sizeof info;

        nf_asker_next(&s->asker, &question);
        assert_int_equal(question.source_port, tuple.source_port);
        assert_int_equal(tc_nf_table_deny(&s->table, &tuple), 0);
        assert_int_equal(tc_nf_table_deny(&s->table, &tuple), 0);
        nf_asker_answer(&s->asker, question.id, NF_REPEAT);
        assert_int_equal(nf_network_connected(client), ECONNREFUSED);
        assert_int_equal(getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
        assert_int_equal(info.tcpi_total_retrans, 0);
        close(client);
        /* And so is the next SYN from there, without a question. */
        client = nf_network_connect(families[i], SOCK_STREAM, servers[i],
                                    tuple.source_port, OPEN_PORT);
        assert_true(client < 0 ? errno == ECONNREFUSED
                               : nf_network_connected(client) == ECONNREFUSED);
        assert_true(nf_asker_idle(&s->asker));
        if (client >= 0)
            close(client);
        close(listener);
    }
    nf_asker_close(&s->asker);
    remove_table(s);
}

static void denied_datagrams_are_refused(void **state)
{
    struct scratch *s = *state;

    make(s, &everything);
    nf_asker_open(&s->asker, QUEUE);
    for (int i = 0; i < 2; i++) {
        int server = nf_network_serve(&s->network, families[i], SOCK_DGRAM, OPEN_PORT);
        int client =
            nf_network_connect(families[i], SOCK_DGRAM, servers[i], 0, OPEN_PORT);
        struct tc_nf_tuple tuple = tuple_of(client, IPPROTO_UDP, OPEN_PORT);
        struct nf_question question;

        assert_int_equal(send(client, "x", 1, 0), 1);
        nf_asker_next(&s->asker, &question);
        assert_int_equal(tc_nf_table_deny(&s->table, &tuple), 0);
        nf_asker_answer(&s->asker, question.id, NF_REPEAT);
        assert_int_equal(send(client, "x", 1, 0), -1);
        assert_true(nf_asker_idle(&s->asker));
        assert_false(nf_network_readable(server, 0));
        close(client);
        close(server);
    }
    nf_asker_close(&s->asker);
    remove_table(s);
}

static void first_datagram_alone_is_asked(void **state)
{
    struct scratch *s = *state;
    char byte;

    make(s, &everything);
    nf_asker_open(&s->asker, QUEUE);
    for (int i = 0; i < 2; i++) {
        int server = nf_network_serve(&s->network, families[i], SOCK_DGRAM, OPEN_PORT);
        int client =
            nf_network_connect(families[i], SOCK_DGRAM, servers[i], 0, OPEN_PORT);

        assert_int_equal(send(client, "1", 1, 0), 1);
        pass_next(s, IPPROTO_UDP, OPEN_PORT);
        assert_int_equal(send(client, "2", 1, 0), 1);
        assert_true(nf_asker_idle(&s->asker));
        for (int expected = '1'; expected <= '2'; expected++) {
            assert_true(nf_network_readable(server, 50000));
            assert_int_equal(recv(server, &byte, 1, 0), 1);
            assert_int_equal(byte, expected);
        }
        close(client);
        close(server);
    }
    nf_asker_close(&s->asker);
    remove_table(s);
}

/* With and without a question about the flow itself. */
static void inspected_flow_is_asked_until_enough(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_table_config config = everything;

    nf_asker_open(&s->asker, QUEUE);
    for (int i = 0; i < 4; i++) {
        const int family = families[i & 1];
        int listener, client, server;
        struct tc_nf_tuple tuples[2];

        config.queue_new = i & 2;
        make(s, &config);
        listener = nf_network_serve(&s->network, family, SOCK_STREAM, WEB_PORT);
        client = nf_network_connect(family, SOCK_STREAM, servers[i & 1], 0, WEB_PORT);
        if (config.queue_new)
            pass_next(s, IPPROTO_TCP, WEB_PORT);
        pass_next(s, IPPROTO_TCP, WEB_PORT); /* the last of the handshake */
        assert_int_equal(nf_network_connected(client), 0);
        server = nf_network_accept(listener);
        assert_int_equal(send(client, "GET", 3, 0), 3);
        pass_next(s, IPPROTO_TCP, WEB_PORT);
        assert_true(nf_network_readable(server, 50000));
        tuples[0] = tuples[1] = tuple_of(client, IPPROTO_TCP, WEB_PORT);
        tuples[0].source_port ^= 1; /* one that is not there */
        assert_int_equal(tc_nf_table_enough(&s->table, tuples, 2), 0);
        assert_int_equal(tc_nf_table_enough(&s->table, tuples, 2), 0);
        assert_int_equal(send(client, "GET", 3, 0), 3);
        assert_int_equal(send(server, "200", 3, 0), 3);
        assert_true(nf_network_readable(client, 50000));
        assert_true(nf_asker_idle(&s->asker));
        close(client);
        close(server);
        close(listener);
    }
    nf_asker_close(&s->asker);
    remove_table(s);
}

static void enough_takes_more_than_one_transaction_holds(void **state)
{
    struct scratch *s = *state;
    static struct tc_nf_tuple tuples[TC_NF_TABLE_ENOUGH_MAX * 2 + 44];
    const size_t count = sizeof tuples / sizeof *tuples;

    make(s, &everything);
    assert_int_equal(
        nf_network_shell("{ for i in $(seq 1000 1555); do echo add element inet tocsin "
                         "fresh4 \"{ 1.2.3.4 . 5.6.7.8 . 6 . $i . 80 }\"; done; } | "
                         "nft -f -"),
        0);
    for (size_t i = 0; i < count; i++) {
        tuples[i] = (struct tc_nf_tuple){
            .source = {[10] = 0xff, [11] = 0xff, 1, 2, 3, 4},
            .destination = {[10] = 0xff, [11] = 0xff, 5, 6, 7, 8},
            .protocol = IPPROTO_TCP,
            .source_port = (uint16_t)(1000 + i),
            .destination_port = 80,
        };
    }
    tuples[3].source_port = tuples[400].source_port = 1;
    assert_int_equal(tc_nf_table_enough(&s->table, tuples, count), 0);
    assert_int_equal(nf_network_shell("test $(nft list set inet tocsin fresh4 | "
                                      "grep -o '1\\.2\\.3\\.4' | wc -l) = 2"),
                     0);
    /* As on a kernel that cannot delete what is not there. */
    s->table.no_destroy = true;
    tuples[3].source_port = 1003;
    assert_int_equal(tc_nf_table_enough(&s->table, tuples, count), 0);
    assert_int_equal(nf_network_shell("test $(nft list set inet tocsin fresh4 | "
                                      "grep -o '1\\.2\\.3\\.4' | wc -l) = 1"),
                     0);
    s->table.no_destroy = false;
    remove_table(s);
    assert_int_equal(tc_nf_table_enough(&s->table, tuples, 1), -ENOENT);
    assert_int_equal(tc_nf_table_deny(&s->table, tuples), -ENOENT);
}

static void what_is_on_the_pass_list_is_not_asked(void **state)
{
    struct scratch *s = *state;
    static const uint16_t ports[] = {PASS_PORT, 53, OPEN_PORT};
    struct tc_nf_table_config config = everything;
    const struct tc_nf_net networks[] = {{{[10] = 0xff, [11] = 0xff, 10, 77}, 112},
                                         {{0xfd, 0x77}, 16}};
    const uint32_t user = geteuid();

    nf_asker_open(&s->asker, QUEUE);
    for (int i = 0; i < 12; i++) {
        const int family = families[i & 1], type = i & 2 ? SOCK_STREAM : SOCK_DGRAM;
        int server, client;

        /* The third port is no reason: once its network is, once its user. */
        if (i == 8) {
            config.pass_networks = networks;
            config.pass_networks_count = 2;
        }
        make(s, &config);
        server = nf_network_serve(&s->network, family, type, ports[i / 4]);
        client = nf_network_connect(family, type, servers[i & 1], 0, ports[i / 4]);
        if (type == SOCK_STREAM)
            assert_int_equal(nf_network_connected(client), 0);
        else
            assert_int_equal(send(client, "x", 1, 0), 1);
        assert_true(nf_network_readable(server, 50000));
        assert_true(nf_asker_idle(&s->asker));
        close(client);
        close(server);
        if (i >= 10) {
            config.pass_networks_count = 0;
            config.pass_users = &user;
            config.pass_users_count = 1;
        }
    }
    nf_asker_close(&s->asker);
    remove_table(s);
}

static void loopback_is_asked_only_if_wanted_and_the_canary_always(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_table_config config = everything;

    nf_asker_open(&s->asker, QUEUE);
    for (int i = 0; i < 2; i++) {
        int canary, other, listener = nf_network_bind(AF_INET, SOCK_DGRAM, 4321);

        config.loopback = i;
        make(s, &config);
        canary = nf_network_connect(AF_INET, SOCK_DGRAM, "127.9.8.7", 0, 4321);
        other = nf_network_connect(AF_INET, SOCK_DGRAM, "127.0.0.11", 0, OPEN_PORT);
        for (int n = 0; n < 2; n++) {
            assert_int_equal(send(canary, "x", 1, 0), 1);
            pass_next(s, IPPROTO_UDP, 4321);
        }
        assert_int_equal(send(other, "x", 1, 0), 1);
        if (config.loopback)
            pass_next(s, IPPROTO_UDP, OPEN_PORT);
        assert_true(nf_asker_idle(&s->asker));
        close(other);
        /* Docker's and systemd's resolvers. */
        other = nf_network_connect(AF_INET, SOCK_DGRAM, "127.0.0.53", 0, 53);
        assert_int_equal(send(other, "x", 1, 0), 1);
        assert_true(nf_asker_idle(&s->asker));
        close(other);
        close(canary);
        close(listener);
    }
    nf_asker_close(&s->asker);
    remove_table(s);
}

static void forwarded_flow_is_asked_and_refused(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_nft nft;
    struct tc_nf_table table;
    struct tc_nf_tuple tuple;
    struct nf_question question;
    int listener = nf_network_serve(&s->network, AF_INET, SOCK_STREAM, OPEN_PORT);
    int client;

    nf_network_enter(&s->network, NF_ROUTER);
    assert_int_equal(tc_nf_nft_open(&nft, s->why), 0);
    assert_int_equal(tc_nf_table_init(&table, &nft, s->why), 0);
    assert_int_equal(tc_nf_table_make(&table, &everything, s->why), 0);
    nf_asker_open(&s->asker, QUEUE);
    nf_network_enter(&s->network, NF_CLIENT);
    client = nf_network_connect(AF_INET, SOCK_STREAM, NF_NETWORK_SERVER4, 0, OPEN_PORT);
    tuple = tuple_to(client, NF_NETWORK_SERVER4, OPEN_PORT);
    nf_asker_next(&s->asker, &question);
    assert_int_equal(question.source_port, tuple.source_port);
    assert_int_equal(tc_nf_table_deny(&table, &tuple), 0);
    nf_asker_answer(&s->asker, question.id, NF_REPEAT);
    assert_int_equal(nf_network_connected(client), ECONNREFUSED);
    nf_asker_close(&s->asker);
    assert_int_equal(tc_nf_table_remove(&table, s->why), 0);
    tc_nf_table_done(&table);
    tc_nf_nft_close(&nft);
    close(client);
    close(listener);
}

/* One that only observes; there is nobody who reads the log. */
static void observing_table_lets_everything_pass(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_table_config config = everything;
    struct tc_nf_tuple tuple;
    int listener = nf_network_serve(&s->network, AF_INET, SOCK_STREAM, WEB_PORT);
    int client;

    config.observe = true;
    config.log_group = 9;
    make(s, &config);
    client = nf_network_connect(AF_INET, SOCK_STREAM, NF_NETWORK_SERVER4, 0, WEB_PORT);
    assert_int_equal(nf_network_connected(client), 0);
    tuple = tuple_of(client, IPPROTO_TCP, WEB_PORT);
    assert_int_equal(tc_nf_table_deny(&s->table, &tuple), -EOPNOTSUPP);
    assert_int_equal(tc_nf_table_enough(&s->table, &tuple, 1), 0);
    close(client);
    close(listener);
    remove_table(s);
}

static void full_set_lets_the_flow_pass_and_is_counted(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_table_config config = everything;
    int listener = nf_network_serve(&s->network, AF_INET, SOCK_STREAM, WEB_PORT);
    int client, server;
    uint64_t packets = 99;
    char line[512];

    config.queue_new = false;
    make(s, &config);
    assert_int_equal(tc_nf_table_overflows(&s->table, &packets), 0);
    assert_int_equal(packets, 0);
    snprintf(line, sizeof line,
             "awk 'BEGIN { printf \"add element inet tocsin fresh4 { \"; "
             "for (i = 0; i < %d; i++) printf \"%%s10.0.0.1 . 10.0.0.2 . 6 . %%d . 80 "
             "timeout 1h\", i ? \", \" : \"\", i; print \" }\" }' | nft -f -",
             TC_NF_TABLE_FRESH_MAX);
    assert_int_equal(nf_network_shell(line), 0);
    nf_asker_open(&s->asker, QUEUE);
    client = nf_network_connect(AF_INET, SOCK_STREAM, NF_NETWORK_SERVER4, 0, WEB_PORT);
    assert_int_equal(nf_network_connected(client), 0);
    server = nf_network_accept(listener);
    assert_int_equal(send(client, "GET", 3, 0), 3);
    assert_true(nf_network_readable(server, 50000));
    assert_true(nf_asker_idle(&s->asker));
    assert_int_equal(tc_nf_table_overflows(&s->table, &packets), 0);
    assert_int_equal(packets, 1);
    /* Elements are no part of what is checked. */
    assert_int_equal(tc_nf_table_check(&s->table, s->why), 0);
    nf_asker_close(&s->asker);
    close(client);
    close(server);
    close(listener);
    remove_table(s);
}

static void denial_fails_when_the_set_is_full(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_tuple tuple = {.source = {1}, .destination = {2}, .protocol = 6};
    char line[512];

    make(s, &everything);
    snprintf(line, sizeof line,
             "awk 'BEGIN { printf \"add element inet tocsin denied6 { \"; "
             "for (i = 0; i < %d; i++) printf \"%%s::1 . ::2 . 6 . %%d . 80 "
             "timeout 1h\", i ? \", \" : \"\", i; print \" }\" }' | nft -f -",
             TC_NF_TABLE_DENIED_MAX);
    assert_int_equal(nf_network_shell(line), 0);
    assert_int_equal(tc_nf_table_deny(&s->table, &tuple), -ENFILE);
    remove_table(s);
}

struct transfer {
    int client, server;
    atomic_bool stop;
    uint64_t bytes, longest_ns;
    int err;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* As fast as it goes, until it is stopped. */
static void *transfer(void *arg)
{
    struct transfer *t = arg;
    static char buffer[65536];
    uint64_t last_ns = now_ns();

    while (!t->stop && !t->err) {
        ssize_t sent = send(t->client, buffer, sizeof buffer, MSG_NOSIGNAL);
        ssize_t got;

        if (sent < 0 && errno != EAGAIN)
            t->err = errno;
        while ((got = recv(t->server, buffer, sizeof buffer, 0)) > 0) {
            uint64_t at_ns = now_ns();

            if (at_ns - last_ns > t->longest_ns)
                t->longest_ns = at_ns - last_ns;
            last_ns = at_ns;
            t->bytes += (uint64_t)got;
        }
        if (!got || (got < 0 && errno != EAGAIN))
            t->err = got ? errno : EPIPE;
    }
    return NULL;
}

/* Counts what is sent to WEB_PORT and what comes from there before and after the hooks of
 * the table, which lie between -300 and -150; ours is what differs. */
#define WITNESS                                                                          \
    "nft -f - <<END\n"                                                                   \
    "table inet witness {\n"                                                             \
    "  counter sent_before { }\n"                                                        \
    "  counter sent_after { }\n"                                                         \
    "  counter received_before { }\n"                                                    \
    "  counter received_after { }\n"                                                     \
    "  chain sent_before { type filter hook output priority -400;\n"                     \
    "    tcp dport 8080 counter name sent_before; }\n"                                   \
    "  chain sent_after { type filter hook output priority 100;\n"                       \
    "    tcp dport 8080 counter name sent_after; }\n"                                    \
    "  chain received_before { type filter hook input priority -400;\n"                  \
    "    tcp sport 8080 counter name received_before; }\n"                               \
    "  chain received_after { type filter hook input priority 100;\n"                    \
    "    tcp sport 8080 counter name received_after; }\n"                                \
    "}\nEND\n"

/* As many before as after, of both; and some. */
#define WITNESSED                                                                        \
    "nft list counters table inet witness | awk '"                                       \
    "/counter/ { name = $2 } /packets/ { packets[name] = $2 } "                          \
    "END { exit !(packets[\"sent_before\"] && packets[\"received_before\"] && "          \
    "packets[\"sent_before\"] == packets[\"sent_after\"] && "                            \
    "packets[\"received_before\"] == packets[\"received_after\"]) }'"

/* To an inspected port, made before the table is: no question about it, no packet lost.
 */
static void established_flow_notices_no_table(void **state)
{
    struct scratch *s = *state;
    struct transfer t = {.stop = false};
    int listener = nf_network_serve(&s->network, AF_INET, SOCK_STREAM, WEB_PORT);
    const struct linger at_once = {.l_onoff = 1};
    pthread_t thread;

    assert_int_equal(nf_network_shell(WITNESS), 0);
    t.client = nf_network_connect(AF_INET, SOCK_STREAM, NF_NETWORK_SERVER4, 0, WEB_PORT);
    assert_int_equal(nf_network_connected(t.client), 0);
    t.server = nf_network_accept(listener);
    nf_asker_open(&s->asker, QUEUE);
    assert_int_equal(pthread_create(&thread, NULL, transfer, &t), 0);
    for (int i = 0; i < 10; i++) {
        make(s, &everything);
        make(s, &everything);
        assert_int_equal(tc_nf_table_check(&s->table, s->why), 0);
        remove_table(s);
    }
    t.stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(nf_asker_idle(&s->asker));
    nf_asker_close(&s->asker);
    assert_int_equal(t.err, 0);
    print_message("%lu MB, longest stall %lu us\n", (unsigned long)(t.bytes >> 20),
                  (unsigned long)(t.longest_ns / 1000));
    /* Reset, so that nothing is on its way while the witness is asked. */
    assert_int_equal(
        setsockopt(t.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(t.client);
    close(t.server);
    assert_int_equal(nf_network_shell(WITNESSED), 0);
    assert_int_equal(nf_network_shell("nft delete table inet witness"), 0);
    close(listener);
}

static void marks_of_packets_are_as_others_made_them(void **state)
{
    struct scratch *s = *state;
    int listener = nf_network_serve(&s->network, AF_INET, SOCK_STREAM, WEB_PORT);
    int client;

    assert_int_equal(
        nf_network_shell(
            "nft -f - <<END\n"
            "table inet marks {\n"
            "  chain before { type filter hook output priority -200; policy accept;\n"
            "    tcp dport 8080 meta mark set 0x4d41524b; }\n"
            "  chain after { type filter hook output priority 100; policy accept;\n"
            "    tcp dport 8080 meta mark 0x4d41524b counter\n"
            "    tcp dport 8080 meta mark != 0x4d41524b counter comment other; }\n"
            "}\nEND\n"),
        0);
    make(s, &everything);
    nf_asker_open(&s->asker, QUEUE);
    client = nf_network_connect(AF_INET, SOCK_STREAM, NF_NETWORK_SERVER4, 0, WEB_PORT);
    pass_next(s, IPPROTO_TCP, WEB_PORT);
    pass_next(s, IPPROTO_TCP, WEB_PORT);
    assert_int_equal(nf_network_connected(client), 0);
    assert_int_equal(send(client, "x", 1, 0), 1);
    pass_next(s, IPPROTO_TCP, WEB_PORT);
    nf_asker_close(&s->asker);
    remove_table(s);
    assert_int_equal(nf_network_shell("nft list table inet marks | grep -q "
                                      "'0x4d41524b counter packets 3 bytes'"),
                     0);
    assert_int_equal(nf_network_shell("nft list table inet marks | grep -q "
                                      "'packets 0 bytes 0 comment \"other\"'"),
                     0);
    assert_int_equal(nf_network_shell("nft delete table inet marks"), 0);
    close(client);
    close(listener);
}

static void check_notices_what_others_changed(void **state)
{
    struct scratch *s = *state;
    static const char *const changes[] = {
        "nft insert rule inet tocsin ask accept",
        "nft delete chain inet tocsin forward",
        "nft flush chain inet tocsin output",
        "nft add set inet tocsin more '{ type ipv4_addr; }'",
    };

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        make(s, &everything);
        assert_int_equal(nf_network_shell(changes[i]), 0);
        assert_int_equal(tc_nf_table_check(&s->table, s->why), -ESTALE);
        assert_string_equal(s->why, "table inet tocsin is not as it was made");
    }
    make(s, &everything);
    assert_int_equal(nf_network_shell("nft add table ip other"), 0);
    assert_int_equal(tc_nf_table_check(&s->table, s->why), 0);
    assert_int_equal(nf_network_shell("nft flush ruleset"), 0);
    assert_int_equal(tc_nf_table_check(&s->table, s->why), -ENOENT);
    assert_string_equal(s->why, "table inet tocsin has been removed");
}

static void monitor_names_the_intruder(void **state)
{
    struct scratch *s = *state;
    static const char *const tables[] = {TC_NF_TABLE, NULL};
    struct tc_nf_monitor monitor;
    struct tc_nf_monitor_report report;
    const struct tc_nf_tuple tuple = {.source = {1}, .destination = {2}, .protocol = 6};

    assert_int_equal(tc_nf_monitor_open(&monitor, tables, s->why), 0);
    tc_nf_monitor_own(&monitor, s->nft.portid);
    tc_nf_monitor_own(&monitor, s->table.portid);

    make(s, &everything);
    assert_int_equal(tc_nf_table_deny(&s->table, &tuple), 0);
    assert_int_equal(tc_nf_table_enough(&s->table, &tuple, 1), 0);
    assert_int_equal(tc_nf_monitor_read(&monitor, &report), 0);
    assert_int_equal(report.changes, 0);
    assert_false(report.touched);

    assert_int_equal(nf_network_shell("nft add table inet firewall"), 0);
    assert_true(nf_network_readable(monitor.fd, 0));
    assert_int_equal(tc_nf_monitor_read(&monitor, &report), 0);
    assert_int_equal(report.changes, 1);
    assert_false(report.touched);
    assert_string_equal(report.name, "nft");

    assert_int_equal(nf_network_shell("nft insert rule inet tocsin ask accept"), 0);
    assert_int_equal(nf_network_shell("nft add table inet firewall2"), 0);
    assert_int_equal(tc_nf_monitor_read(&monitor, &report), 0);
    assert_int_equal(report.changes, 2);
    assert_true(report.touched);
    assert_false(report.removed);
    assert_true(report.pid > 1);

    assert_int_equal(nf_network_shell("cp $(command -v nft) /tmp/tocsin-intruder.$$; "
                                      "/tmp/tocsin-intruder.$$ flush ruleset; "
                                      "rm /tmp/tocsin-intruder.$$"),
                     0);
    assert_int_equal(tc_nf_monitor_read(&monitor, &report), 0);
    assert_true(report.touched);
    assert_true(report.removed);
    assert_memory_equal(report.name, "tocsin-intruder", 15);
    assert_false(report.lost);
    tc_nf_monitor_close(&monitor);
}

static void monitor_reports_that_reports_were_lost(void **state)
{
    struct scratch *s = *state;
    static const char *const tables[] = {TC_NF_TABLE, NULL};
    struct tc_nf_monitor monitor;
    struct tc_nf_monitor_report report;
    const int small = 1;

    assert_int_equal(tc_nf_monitor_open(&monitor, tables, s->why), 0);
    assert_int_equal(setsockopt(monitor.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small),
                     0);
    assert_int_equal(nf_network_shell(foreign), 0);
    assert_int_equal(nf_network_shell("nft flush ruleset"), 0);
    assert_int_equal(tc_nf_monitor_read(&monitor, &report), 0);
    assert_true(report.lost);
    tc_nf_monitor_close(&monitor);
}

/* libnftables would end the process. */
static void context_without_descriptors_is_an_error(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_nft nft;
    struct rlimit limit, none;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(tc_nf_nft_open(&nft, s->why), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_string_equal(s->why, "no netlink socket for nftables: Too many open files");
}

static void socket_of_the_context_is_ours_alone(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_nft second;

    assert_true(fcntl(s->nft.fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(tc_nf_nft_open(&second, s->why), 0);
    assert_int_not_equal(second.fd, s->nft.fd);
    assert_int_not_equal(second.portid, s->nft.portid);
    assert_int_not_equal(second.portid, 0);
    tc_nf_nft_close(&second);
    assert_int_equal(fcntl(second.fd, F_GETFD), -1);
    tc_nf_nft_close(&second);
}

static int setup(void **state)
{
    struct scratch *s = *state;

    if (tc_nf_nft_open(&s->nft, s->why) || tc_nf_table_init(&s->table, &s->nft, s->why)) {
        print_message("%s\n", s->why);
        return -1;
    }
    return 0;
}

/* The next test finds nothing, whatever became of this one. */
static int teardown(void **state)
{
    struct scratch *s = *state;

    tc_nf_table_done(&s->table);
    tc_nf_nft_close(&s->nft);
    nf_network_enter(&s->network, NF_ROUTER);
    (void)nf_network_shell("nft flush ruleset");
    nf_network_enter(&s->network, NF_CLIENT);
    return nf_network_shell("nft flush ruleset");
}

#define TEST(name)                                                                       \
    cmocka_unit_test_prestate_setup_teardown(name, setup, teardown, &scratch)

int main(void)
{
    static struct scratch scratch;
    const struct CMUnitTest tests[] = {
        TEST(table_is_made_and_whole_and_removed),
        TEST(table_with_every_option_is_taken_by_the_kernel),
        TEST(run_of_commands_is_all_or_nothing),
        TEST(table_of_another_owner_is_left_as_it_is),
        TEST(table_leaves_a_foreign_ruleset_byte_for_byte_as_it_was),
        TEST(left_over_is_taken_over),
        TEST(without_a_reader_everything_passes),
        TEST(denied_flow_is_refused_at_once),
        TEST(denied_datagrams_are_refused),
        TEST(first_datagram_alone_is_asked),
        TEST(inspected_flow_is_asked_until_enough),
        TEST(enough_takes_more_than_one_transaction_holds),
        TEST(what_is_on_the_pass_list_is_not_asked),
        TEST(loopback_is_asked_only_if_wanted_and_the_canary_always),
        TEST(forwarded_flow_is_asked_and_refused),
        TEST(observing_table_lets_everything_pass),
        TEST(full_set_lets_the_flow_pass_and_is_counted),
        TEST(denial_fails_when_the_set_is_full),
        TEST(established_flow_notices_no_table),
        TEST(marks_of_packets_are_as_others_made_them),
        TEST(check_notices_what_others_changed),
        TEST(monitor_names_the_intruder),
        TEST(monitor_reports_that_reports_were_lost),
        TEST(context_without_descriptors_is_an_error),
        TEST(socket_of_the_context_is_ours_alone),
    };

    if (!nf_network_init(&scratch.network))
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
