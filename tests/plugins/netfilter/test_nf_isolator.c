/* SPDX-License-Identifier: Apache-2.0 */
/* Isolation's table in a real kernel, in networks of the tests' own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nf_network.h"
#include "nft/nf_isolation.h"
#include "nft/nf_monitor.h"
#include "tests/support/skip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 4000
#define ALLOWED_PORT 4443

struct scratch {
    struct nf_network network;
    struct tc_nf_nft nft;
    struct tc_nf_isolator isolator;
    struct tc_nf_isolation isolation;
    char why[TC_NF_WHY_MAX];
};

static const char *const servers[] = {NF_NETWORK_SERVER4, NF_NETWORK_SERVER6};
static const int families[] = {AF_INET, AF_INET6};

static void allow(struct scratch *s, const char *text)
{
    assert_int_equal(
        tc_nf_allow_parse(text, &s->isolation.allow[s->isolation.allow_count++], s->why),
        0);
}

static void apply(struct scratch *s)
{
    int err = tc_nf_isolator_apply(&s->isolator, &s->isolation, s->why);

    if (err)
        print_message("%s\n", s->why);
    assert_int_equal(err, 0);
}

/* Connects to the server: 0 or an errno. */
static int try(struct scratch *s, int i, uint16_t port)
{
    int listener = nf_network_serve(&s->network, families[i], SOCK_STREAM, port);
    int fd = nf_network_connect(families[i], SOCK_STREAM, servers[i], 0, port);
    int err = fd < 0 ? errno : nf_network_connected(fd);

    if (fd >= 0)
        close(fd);
    close(listener);
    return err;
}

static void isolation_cuts_and_lets_pass_what_is_allowed(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_isolation_counts counts;

    allow(s, NF_NETWORK_SERVER4 ":4443/tcp");
    allow(s, "[fd77:2::]/64:4443");
    for (int i = 0; i < 2; i++)
        assert_int_equal(try(s, i, PORT), 0);
    apply(s);
    for (int i = 0; i < 2; i++) {
        int udp = nf_network_connect(families[i], SOCK_DGRAM, servers[i], 0, PORT);

        assert_int_equal(try(s, i, PORT), ECONNREFUSED);
        assert_int_equal(try(s, i, ALLOWED_PORT), 0);
        assert_int_equal(send(udp, "x", 1, 0), -1);
        close(udp);
    }
    assert_int_equal(tc_nf_isolator_verify(&s->isolator, &counts, s->why), 0);
    assert_true(counts.out >= 4);
    assert_int_equal(counts.in, 0);
    assert_int_equal(counts.forwarded, 0);
    assert_int_equal(tc_nf_isolator_lift(&s->isolator, s->why), 0);
    assert_int_equal(tc_nf_isolator_lift(&s->isolator, s->why), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(try(s, i, PORT), 0);
    assert_int_equal(nf_network_shell("test -z \"$(nft list ruleset)\""), 0);
}

/* The other end may call, too, and nobody else. */
static void what_comes_in_is_dropped_unless_allowed(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_isolation_counts counts;

    apply(s);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            int listener = nf_network_bind(families[i], SOCK_STREAM, PORT), fd;

            assert_int_equal(listen(listener, 1), 0);
            nf_network_enter(&s->network, NF_SERVER);
            fd = nf_network_connect(families[i], SOCK_STREAM,
                                    i ? NF_NETWORK_CLIENT6 : NF_NETWORK_CLIENT4, 0, PORT);
            nf_network_enter(&s->network, NF_CLIENT);
            if (round)
                assert_int_equal(nf_network_connected(fd), 0);
            else
                assert_false(nf_network_readable(listener, 0));
            close(fd);
            close(listener);
        }
        if (!round) {
            assert_int_equal(tc_nf_isolator_verify(&s->isolator, &counts, s->why), 0);
            assert_int_equal(counts.in, 2);
            allow(s, NF_NETWORK_SERVER4);
            allow(s, NF_NETWORK_SERVER6 "/tcp");
            apply(s);
        }
    }
}

static void loopback_passes(void **state)
{
    struct scratch *s = *state;
    int listener = nf_network_bind(AF_INET, SOCK_STREAM, PORT), fd;

    assert_int_equal(listen(listener, 1), 0);
    apply(s);
    fd = nf_network_connect(AF_INET, SOCK_STREAM, "127.0.0.1", 0, PORT);
    assert_int_equal(nf_network_connected(fd), 0);
    close(fd);
    close(listener);
}

static void established_flow_is_cut(void **state)
{
    struct scratch *s = *state;
    int listener = nf_network_serve(&s->network, AF_INET, SOCK_STREAM, PORT);
    int client = nf_network_connect(AF_INET, SOCK_STREAM, NF_NETWORK_SERVER4, 0, PORT);
    int server;
    char byte;

    assert_int_equal(nf_network_connected(client), 0);
    server = nf_network_accept(listener);
    apply(s);
    assert_int_equal(send(client, "x", 1, 0), 1);
    assert_true(nf_network_readable(client, 50000));
    assert_int_equal(recv(client, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    assert_false(nf_network_readable(server, 0));
    close(client);
    close(server);
    close(listener);
}

static void router_forwards_nothing(void **state)
{
    struct scratch *s = *state;
    struct tc_nf_nft nft;
    struct tc_nf_isolator isolator;
    struct tc_nf_isolation_counts counts;
    int fd;

    nf_network_enter(&s->network, NF_ROUTER);
    assert_int_equal(tc_nf_nft_open(&nft, s->why), 0);
    assert_int_equal(tc_nf_isolator_init(&isolator, &nft, s->why), 0);
    assert_int_equal(tc_nf_isolator_apply(&isolator, &s->isolation, s->why), 0);
    nf_network_enter(&s->network, NF_CLIENT);
    fd = nf_network_connect(AF_INET, SOCK_STREAM, NF_NETWORK_SERVER4, 0, PORT);
    assert_int_equal(tc_nf_isolator_verify(&isolator, &counts, s->why), 0);
    assert_int_equal(counts.forwarded, 1);
    close(fd);
    tc_nf_isolator_done(&isolator);
    tc_nf_nft_close(&nft);
}

static void nobody_else_can_remove_or_change_it(void **state)
{
    struct scratch *s = *state;
    static const char *const tables[] = {TC_NF_ISOLATION_TABLE, NULL};
    struct tc_nf_monitor monitor;
    struct tc_nf_monitor_report report;

    assert_int_equal(nf_network_shell("nft add table inet firewall"), 0);
    apply(s);
    assert_int_equal(tc_nf_monitor_open(&monitor, tables, s->why), 0);
    assert_int_equal(nf_network_shell("nft flush ruleset"), 0);
    assert_int_equal(
        nf_network_shell("nft delete table inet tocsin_isolation 2>/dev/null"), 1);
    assert_int_equal(
        nf_network_shell("nft flush table inet tocsin_isolation 2>/dev/null"), 1);
    assert_int_equal(
        nf_network_shell(
            "nft insert rule inet tocsin_isolation output accept 2>/dev/null"),
        1);
    assert_int_equal(tc_nf_isolator_verify(&s->isolator, NULL, s->why), 0);
    assert_int_equal(try(s, 0, PORT), ECONNREFUSED);
    assert_int_equal(tc_nf_monitor_read(&monitor, &report), 0);
    assert_int_equal(report.changes, 1);
    assert_false(report.touched);
    tc_nf_monitor_close(&monitor);
}

/* It could be an attempt to be in our way: without an owner it is no isolation. */
static void table_of_the_same_name_is_replaced(void **state)
{
    struct scratch *s = *state;

    assert_int_equal(nf_network_shell("nft add table inet tocsin_isolation"), 0);
    apply(s);
    assert_int_equal(try(s, 0, PORT), ECONNREFUSED);
    assert_int_equal(
        nf_network_shell("nft delete table inet tocsin_isolation 2>/dev/null"), 1);
}

static void it_goes_with_its_owner(void **state)
{
    struct scratch *s = *state;

    apply(s);
    tc_nf_nft_close(&s->nft);
    assert_int_equal(nf_network_shell("test -z \"$(nft list ruleset)\""), 0);
    assert_int_equal(tc_nf_isolator_verify(&s->isolator, NULL, s->why), -ENOENT);
    assert_string_equal(s->why, "table inet tocsin_isolation is not there");
    assert_int_equal(tc_nf_nft_open(&s->nft, s->why), 0);
    apply(s);
    assert_int_equal(try(s, 0, PORT), ECONNREFUSED);
}

static void the_same_again_is_nothing_and_off_is_lift(void **state)
{
    struct scratch *s = *state;
    static const char *const tables[] = {TC_NF_ISOLATION_TABLE, NULL};
    struct tc_nf_monitor monitor;
    struct tc_nf_monitor_report report;

    apply(s);
    assert_int_equal(tc_nf_monitor_open(&monitor, tables, s->why), 0);
    s->isolation.until = 12345; /* is nothing of the kernel's */
    apply(s);
    assert_int_equal(tc_nf_monitor_read(&monitor, &report), 0);
    assert_int_equal(report.changes, 0);
    allow(s, "192.0.2.1");
    apply(s);
    assert_int_equal(tc_nf_monitor_read(&monitor, &report), 0);
    assert_int_equal(report.changes, 1);
    s->isolation.on = false;
    apply(s);
    apply(s);
    assert_int_equal(try(s, 0, PORT), 0);
    tc_nf_monitor_close(&monitor);
}

static int setup(void **state)
{
    struct scratch *s = *state;

    s->isolation = (struct tc_nf_isolation){.on = true};
    if (tc_nf_nft_open(&s->nft, s->why) ||
        tc_nf_isolator_init(&s->isolator, &s->nft, s->why)) {
        print_message("%s\n", s->why);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    struct scratch *s = *state;

    tc_nf_isolator_done(&s->isolator);
    tc_nf_nft_close(&s->nft);
    nf_network_enter(&s->network, NF_CLIENT);
    return nf_network_shell("nft flush ruleset; test -z \"$(nft list ruleset)\"");
}

#define TEST(name)                                                                       \
    cmocka_unit_test_prestate_setup_teardown(name, setup, teardown, &scratch)

int main(void)
{
    static struct scratch scratch;
    const struct CMUnitTest tests[] = {
        TEST(isolation_cuts_and_lets_pass_what_is_allowed),
        TEST(what_comes_in_is_dropped_unless_allowed),
        TEST(loopback_passes),
        TEST(established_flow_is_cut),
        TEST(router_forwards_nothing),
        TEST(nobody_else_can_remove_or_change_it),
        TEST(table_of_the_same_name_is_replaced),
        TEST(it_goes_with_its_owner),
        TEST(the_same_again_is_nothing_and_off_is_lift),
    };

    if (!nf_network_init(&scratch.network))
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
