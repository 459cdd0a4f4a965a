/* SPDX-License-Identifier: Apache-2.0 */
/* The options: what is read, and a sentence for each value that cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "nf_options.h"

#define ITEMS_MAX 80

/* One list, or one text, is other than its default. */
struct fake {
    struct tocsin_host host;
    const char *option;
    const char *items[ITEMS_MAX + 1];
    char said[256];
    int lines;
};

static const char *fallback_of(const char *name)
{
    for (const struct tocsin_option *option = tc_nf_option_table; option->name; option++)
        if (!strcmp(option->name, name))
            return option->fallback;
    fail_msg("no option %s", name);
    return NULL;
}

static const char *option_text(const struct tocsin_host *host, const char *name)
{
    const struct fake *fake = (const struct fake *)host;

    return fake->option && !strcmp(fake->option, name) ? fake->items[0]
                                                       : fallback_of(name);
}

static const char *option_item(const struct tocsin_host *host, const char *name, size_t i)
{
    const struct fake *fake = (const struct fake *)host;

    (void)fallback_of(name);
    return fake->option && !strcmp(fake->option, name) && i < ITEMS_MAX ? fake->items[i]
                                                                        : NULL;
}

static bool option_bool(const struct tocsin_host *host, const char *name)
{
    return !strcmp(option_text(host, name), "true");
}

static int64_t option_int(const struct tocsin_host *host, const char *name)
{
    (void)host;
    (void)fallback_of(name);
    return 1;
}

static void take_line(const struct tocsin_host *host, int level, const char *format, ...)
{
    struct fake *fake = (struct fake *)(uintptr_t)host;
    va_list args;

    (void)level;
    va_start(args, format);
    vsnprintf(fake->said, sizeof(fake->said), format, args);
    va_end(args);
    fake->lines++;
}

static void make(struct fake *fake, const char *option)
{
    memset(fake, 0, sizeof(*fake));
    fake->host.size = sizeof(fake->host);
    fake->host.option_text = option_text;
    fake->host.option_item = option_item;
    fake->host.option_bool = option_bool;
    fake->host.option_int = option_int;
    fake->host.log = take_line;
    fake->option = option;
}

static void bad_value_is_one_sentence_that_names_it(void **state)
{
    static const struct {
        const char *option, *item;
    } rows[] = {
        {"pass", ""},
        {"pass", "ports=88"},
        {"pass", "port="},
        {"pass", "port=0"},
        {"pass", "port=-1"},
        {"pass", "port= 1"},
        {"pass", "port=65536"},
        {"pass", "port=99999999999999999999"},
        {"pass", "port=88/sctp"},
        {"pass", "port=88x"},
        {"pass", "network="},
        {"pass", "network=192.0.2"},
        {"pass", "network=192.0.2.0/33"},
        {"pass", "network=192.0.2.0/"},
        {"pass", "network=192.0.2.0/8x"},
        {"pass", "network=::/129"},
        {"pass", "network=example.org"},
        {"pass", "network=0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"},
        {"pass", "process="},
        {"pass", "process=curl"},
        {"pass", "user="},
        {"pass", "user=root"},
        {"pass", "user=4294967295"},
        {"pass", "user=1x"},
        {"inspect_tcp", "https"},
        {"inspect_tcp", "0"},
        {"inspect_tcp", "443/tcp"},
        {"inspect_udp", "65536"},
        {"indicators", "/etc/list"},
        {"indicators", "block:list"},
        {"indicators", "deny:/etc/list"},
    };
    struct tc_nf_options options;
    struct fake fake;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        make(&fake, rows[i].option);
        fake.items[0] = rows[i].item;
        if (!tc_nf_options_read(&fake.host, &options))
            fail_msg("%s: \"%s\" was taken", rows[i].option, rows[i].item);
        assert_int_equal(fake.lines, 1);
        assert_non_null(strstr(fake.said, rows[i].option));
        assert_non_null(strstr(fake.said, rows[i].item));
    }
}

static void too_many_are_one_sentence(void **state)
{
    static const char *const items[][2] = {
        {"pass", "port=1024"},         {"pass", "network=::1"},
        {"pass", "process=/bin/true"}, {"pass", "user=1"},
        {"inspect_tcp", "443"},        {"indicators", "block:/etc/list"}};
    struct tc_nf_options options;
    struct fake fake;

    (void)state;
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        make(&fake, items[i][0]);
        for (int k = 0; k < ITEMS_MAX; k++)
            fake.items[k] = items[i][1];
        assert_int_not_equal(tc_nf_options_read(&fake.host, &options), 0);
        assert_int_equal(fake.lines, 1);
        assert_non_null(strstr(fake.said, "too many"));
    }
}

static bool passes_port(const struct tc_nf_options *options, uint8_t protocol,
                        uint16_t port)
{
    for (size_t i = 0; i < options->pass_ports_count; i++)
        if (options->pass_ports[i].protocol == protocol &&
            options->pass_ports[i].port == port)
            return true;
    return false;
}

static void what_is_passed_is_read_beside_what_always_is(void **state)
{
    static const uint8_t v4[16] = {[10] = 0xff, 0xff, 192, 0};
    struct tc_nf_options options;
    struct fake fake;

    (void)state;
    make(&fake, "pass");
    fake.items[0] = "port=1024/udp";
    fake.items[1] = "network=192.0.2.1/17";
    fake.items[2] = "network=2001:db8::1";
    fake.items[3] = "process=/usr/bin/openvpn";
    fake.items[4] = "user=4294967294";
    assert_int_equal(tc_nf_options_read(&fake.host, &options), 0);
    assert_true(passes_port(&options, IPPROTO_UDP, 1024));
    assert_false(passes_port(&options, IPPROTO_TCP, 1024));
    assert_true(passes_port(&options, IPPROTO_TCP, 88));
    assert_true(passes_port(&options, IPPROTO_UDP, 547));
    assert_int_equal(options.pass_networks[0].length, 96 + 17);
    assert_memory_equal(options.pass_networks[0].address, v4, 16);
    assert_int_equal(options.pass_networks[1].length, 128);
    assert_string_equal(options.pass_processes[0], "/usr/bin/openvpn");
    assert_int_equal(options.pass_users[0], UINT32_MAX - 1);
    assert_int_equal(options.enforcement, TC_NF_BLOCKS);
    assert_true(options.ebpf && options.nflog);
    assert_false(options.on_timeout_deny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_value_is_one_sentence_that_names_it),
        cmocka_unit_test(too_many_are_one_sentence),
        cmocka_unit_test(what_is_passed_is_read_beside_what_always_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
