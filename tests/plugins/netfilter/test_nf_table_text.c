/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the filter's table, against tables/NAME.nft. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nft/nf_table.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Writes what it has instead, where TEST_NF_TABLES_WRITE is set: to be read before it is
 * committed. */
static void same_as_file(const struct tc_nf_table_config *config,
                         enum tc_nf_table_means means, const char *name)
{
    const bool write = getenv("TEST_NF_TABLES_WRITE") != NULL;
    char path[4096], *expected = NULL, *text;
    size_t len = 0;
    FILE *f;

    assert_int_equal(tc_nf_table_text(config, means, &text), 0);
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/plugins/netfilter/tables/%s.nft",
             name);
    f = fopen(path, write ? "we" : "re");
    assert_non_null(f);
    if (write) {
        assert_true(fputs(text, f) >= 0);
    } else {
        assert_true(getdelim(&expected, &len, '\0', f) > 0);
        assert_string_equal(text, expected);
    }
    fclose(f);
    free(expected);
    free(text);
}

static const uint16_t tcp[] = {80, 443, 443}, udp[] = {443};
static const struct tc_nf_port ports[] = {
    {IPPROTO_TCP, 88}, {IPPROTO_UDP, 88},    {IPPROTO_UDP, 67},    {IPPROTO_UDP, 5246},
    {IPPROTO_UDP, 88}, {IPPROTO_SCTP, 2905}, {IPPROTO_TCP, 65535},
};
static const struct tc_nf_net networks[] = {
    {{[10] = 0xff, [11] = 0xff, 10}, 104},
    {{[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}, 128},
    {{0x20, 1, 0xd, 0xb8}, 32},
};
static const uint32_t users[] = {7, 4294967294u};

static void indicators_that_name_a_domain_ask_about_everything(void **state)
{
    const struct tc_nf_table_config config = {
        .queue = 5,
        .queue_new = true,
        .forward = true,
        .tcp_inspected = tcp,
        .tcp_inspected_count = COUNT(tcp),
        .udp_inspected = udp,
        .udp_inspected_count = COUNT(udp),
        .pass_networks = networks,
        .pass_networks_count = COUNT(networks),
        .pass_ports = ports,
        .pass_ports_count = COUNT(ports),
        .pass_users = users,
        .pass_users_count = COUNT(users),
        .canary = {127, 9, 8, 7},
        .canary_port = 4321,
    };

    (void)state;
    same_as_file(&config, TC_NF_TABLE_NATIVE, "everything");
}

static void inspection_alone_asks_about_inspected_ports(void **state)
{
    const struct tc_nf_table_config config = {
        .queue = 65535,
        .tcp_inspected = tcp,
        .tcp_inspected_count = COUNT(tcp),
        .udp_inspected = udp,
        .udp_inspected_count = COUNT(udp),
    };

    (void)state;
    same_as_file(&config, TC_NF_TABLE_NATIVE, "inspected");
}

static void votes_alone_ask_about_new_flows(void **state)
{
    const struct tc_nf_table_config config = {.queue_new = true, .loopback = true};

    (void)state;
    same_as_file(&config, TC_NF_TABLE_NATIVE, "new");
}

/* Chain `ask` is for the caller to fill. */
static void kernel_without_queue_has_an_empty_chain(void **state)
{
    const struct tc_nf_table_config config = {.queue = 5};

    (void)state;
    same_as_file(&config, TC_NF_TABLE_XT, "xt");
}

static void lower_rung_logs_and_refuses_nothing(void **state)
{
    const struct tc_nf_table_config config = {
        .queue = 5,
        .observe = true,
        .log_group = 12,
        .queue_new = true,
        .tcp_inspected = tcp,
        .tcp_inspected_count = COUNT(tcp),
        .udp_inspected = udp,
        .udp_inspected_count = COUNT(udp),
    };

    (void)state;
    same_as_file(&config, TC_NF_TABLE_XT, "observe");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indicators_that_name_a_domain_ask_about_everything),
        cmocka_unit_test(inspection_alone_asks_about_inspected_ports),
        cmocka_unit_test(votes_alone_ask_about_new_flows),
        cmocka_unit_test(kernel_without_queue_has_an_empty_chain),
        cmocka_unit_test(lower_rung_logs_and_refuses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
