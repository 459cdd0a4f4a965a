/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of addresses as the kernel reads it: the program at what arrives is run on
 * made-up SYNs (BPF_PROG_TEST_RUN, no network), and has to agree with the indicators
 * about who may come in, before and after some have expired.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nf_lists.h"
#include "tests/support/skip.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "nf_load.h"
#include "nf_skeleton.h"

#define ENTRIES 3000
#define ASKED 100000
#define LATER_S (NOW_S + 200)

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Of few networks, so that entries lie within others and many addresses match. */
static void choose(uint32_t *seed, bool v4, uint8_t address[16])
{
    memset(address, 0, 16);
    if (v4) {
        address[10] = address[11] = 0xff;
        address[12] = 10;
        for (int i = 13; i < 16; i++)
            address[i] = (uint8_t)(next(seed) % (i < 15 ? 6 : 256));
        return;
    }
    address[0] = 0xfd;
    for (int i = 5; i < 16; i++)
        address[i] = (uint8_t)(next(seed) % 3);
}

static struct tc_nf_indicators *make_indicators(void)
{
    static const char *const actions[] = {"block", "block", "audit", "allow"};
    struct tc_nf_indicators *indicators;
    struct lists lists;
    uint8_t address[16];
    uint32_t seed = 3;
    char *content, text[INET6_ADDRSTRLEN];
    size_t len;
    FILE *f = open_memstream(&content, &len);

    assert_non_null(f);
    fputs("value,action,expires\n", f);
    for (int i = 0; i < ENTRIES; i++) {
        bool v4 = next(&seed) % 2;
        unsigned length = v4 ? 12 + next(&seed) % 21 : 36 + next(&seed) % 93;

        choose(&seed, v4, address);
        inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address + 12 : address, text,
                  sizeof(text));
        fprintf(f, "%s/%u,%s,", text, length, actions[next(&seed) % 4]);
        if (next(&seed) % 3 == 0)
            fprintf(f, "%u", NOW_S + 100);
        fputc('\n', f);
    }
    assert_int_equal(fclose(f), 0);
    indicators = list_load(&lists, "block", "list.csv", content);
    free(content);
    return indicators;
}

static void fill(struct tc_nf_programs *programs, struct tc_nf_indicators *indicators)
{
    struct tc_nf_addresses head;
    struct tc_nf_slot *slots;

    assert_int_equal(
        tc_nf_addresses_begin(programs, tc_nf_indicators_slots(indicators), &slots), 0);
    assert_int_equal(tc_nf_indicators_fill(indicators, slots, &head), 0);
    assert_int_equal(tc_nf_addresses_commit(programs, &head), 0);
    programs->control->enforcement = TC_NF_BLOCKS;
}

/* Ethernet's header, IP's, and a SYN from `address`. */
static uint32_t make_syn(uint8_t packet[14 + 40 + 20], const uint8_t address[16], bool v4)
{
    uint32_t at = 14;

    memset(packet, 0, 14 + 40 + 20);
    packet[12] = v4 ? 0x08 : 0x86;
    packet[13] = v4 ? 0x00 : 0xdd;
    if (v4) {
        packet[at] = 0x45;
        packet[at + 3] = 40;
        packet[at + 9] = 6;
        memcpy(packet + at + 12, address + 12, 4);
        at += 20;
    } else {
        packet[at] = 0x60;
        packet[at + 5] = 20;
        packet[at + 6] = 6;
        memcpy(packet + at + 8, address, 16);
        at += 40;
    }
    packet[at + 1] = 99; /* from this port */
    packet[at + 3] = 22; /* to that one */
    packet[at + 12] = 0x50;
    packet[at + 13] = 0x02;
    return at + 20;
}

/* Whether the kernel lets it come in. */
static bool comes_in(int program, const uint8_t address[16], bool v4)
{
    uint8_t packet[14 + 40 + 20];
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet,
                .data_size_in = make_syn(packet, address, v4), .repeat = 1);
    int err = bpf_prog_test_run_opts(program, &options);

    if (err)
        fail_msg("BPF_PROG_TEST_RUN: %s", strerror(errno));
    return options.retval & 1;
}

static void agree(int program, const struct tc_nf_indicators *indicators, uint64_t now_s)
{
    struct tc_nf_match match;
    uint8_t address[16];
    uint32_t seed = 11;
    int denied = 0;

    for (int i = 0; i < ASKED; i++) {
        bool v4 = next(&seed) % 2, deny;

        choose(&seed, v4, address);
        deny = tc_nf_indicators_address(indicators, address, now_s, &match) &&
               match.action == TC_NF_BLOCK;
        if (comes_in(program, address, v4) == deny)
            fail_msg("%d: the kernel %s it", i, deny ? "allows" : "denies");
        denied += deny;
    }
    print_message("%d of %d are denied\n", denied, ASKED);
    assert_true(denied > ASKED / 20 && denied < ASKED - ASKED / 20);
}

static void kernel_and_plugin_agree_about_every_address(void **state)
{
    struct tc_nf_programs programs;
    struct tc_nf_indicators *indicators = make_indicators();
    char why[256];
    int program;

    (void)state;
    if (tc_nf_load(&programs, 65536, NULL, why)) {
        print_message("skipped: %s\n", why);
        tc_nf_indicators_unref(indicators);
        skip();
    }
    program = bpf_program__fd(programs.skeleton->progs.nf_arrive);
    fill(&programs, indicators);
    agree(program, indicators, NOW_S);
    assert_true(tc_nf_indicators_expire(indicators, LATER_S,
                                        tc_nf_addresses_slots(&programs)) > 0);
    agree(program, indicators, LATER_S);
    /* In other slots, as after the programs were loaded again. */
    fill(&programs, indicators);
    tc_nf_indicators_expire(indicators, LATER_S, tc_nf_addresses_slots(&programs));
    agree(program, indicators, LATER_S);
    tc_nf_unload(&programs);
    tc_nf_indicators_unref(indicators);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_and_plugin_agree_about_every_address),
    };

    if (geteuid() != 0) {
        print_message("skipped: only root loads programs into the kernel\n");
        return test_skipped();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
