/* SPDX-License-Identifier: Apache-2.0 */
/* Isolation's texts and its file, without a kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nft/nf_isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void allow_is_read_and_written(void **state)
{
    static const struct {
        const char *text, *written; /* NULL: the same */
        uint8_t length, protocol;
        uint16_t port;
    } cases[] = {
        {"10.1.2.3", NULL, 128, 0, 0},
        {"10.1.2.3/32", "10.1.2.3", 128, 0, 0},
        {"10.1.2.3/8", "10.0.0.0/8", 104, 0, 0},
        {"10.1.2.3/25:443/udp", "10.1.2.0/25:443/udp", 121, IPPROTO_UDP, 443},
        {"10.1.2.3:443", NULL, 128, 0, 443},
        {"10.1.2.3:65535/tcp", NULL, 128, IPPROTO_TCP, 65535},
        {"10.1.2.3/tcp", NULL, 128, IPPROTO_TCP, 0},
        {"10.0.0.0/9/tcp", NULL, 105, IPPROTO_TCP, 0},
        {"2001:db8::1", NULL, 128, 0, 0},
        {"[2001:db8::1]", "2001:db8::1", 128, 0, 0},
        {"2001:db8::1/33", "2001:db8::/33", 33, 0, 0},
        {"2001:db8::/32/udp", NULL, 32, IPPROTO_UDP, 0},
        {"2001:db8::/32:53/udp", "[2001:db8::]/32:53/udp", 32, IPPROTO_UDP, 53},
        {"[2001:db8::]/32:443/tcp", NULL, 32, IPPROTO_TCP, 443},
        {"[fe80::1]:22", NULL, 128, 0, 22},
        {"::ffff:10.1.2.3", "10.1.2.3", 128, 0, 0},
        {"::1", NULL, 128, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[TC_NF_ALLOW_TEXT_MAX], why[TC_NF_WHY_MAX];
        struct tc_nf_allow allow, again;

        assert_int_equal(tc_nf_allow_parse(cases[i].text, &allow, why), 0);
        assert_int_equal(allow.length, cases[i].length);
        assert_int_equal(allow.protocol, cases[i].protocol);
        assert_int_equal(allow.port, cases[i].port);
        tc_nf_allow_text(&allow, text);
        assert_string_equal(text, cases[i].written ? cases[i].written : cases[i].text);
        assert_int_equal(tc_nf_allow_parse(text, &again, why), 0);
        assert_memory_equal(&again, &allow, sizeof allow);
    }
}

static void allow_that_cannot_be_gets_one_sentence(void **state)
{
#define FORM "ADDR[/N][:PORT][/tcp|udp]"
#define NO_ADDRESS                                                                       \
    " does not begin with an IPv4 or IPv6 address; the form is " FORM                    \
    ", with an IPv6 address in brackets where a port follows"
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "\"\"" NO_ADDRESS},
        {"edr.example.org", "\"edr.example.org\"" NO_ADDRESS},
        {"10.1.2", "\"10.1.2\"" NO_ADDRESS},
        {"10.1.2.3.4", "\"10.1.2.3.4\"" NO_ADDRESS},
        {"[10.1.2.3]:80", "\"[10.1.2.3]:80\"" NO_ADDRESS},
        {"[2001:db8::1", "\"[2001:db8::1\"" NO_ADDRESS},
        {"2001:db8::1::", "\"2001:db8::1::\"" NO_ADDRESS},
        {" 10.1.2.3", "\" 10.1.2.3\"" NO_ADDRESS},
        {"10.1.2.3 ", "\"10.1.2.3 \"" NO_ADDRESS},
        {"10.1.2.3/33", "\"10.1.2.3/33\": the length of the network goes up to 32"},
        {"::/129", "\"::/129\": the length of the network goes up to 128"},
        {"0.0.0.0/0", "\"0.0.0.0/0\" is every address: that isolates from nothing"},
        {"::/0", "\"::/0\" is every address: that isolates from nothing"},
        {"0.0.0.0", "\"0.0.0.0\" is no address of a host or network"},
        {"::", "\"::\" is no address of a host or network"},
        {"10.1.2.3:0", "\"10.1.2.3:0\": a port is a number from 1 to 65535"},
        {"10.1.2.3:65536", "\"10.1.2.3:65536\": a port is a number from 1 to 65535"},
        {"10.1.2.3:", "\"10.1.2.3:\": a port is a number from 1 to 65535"},
        {"10.1.2.3:https", "\"10.1.2.3:https\": a port is a number from 1 to 65535"},
        {"10.1.2.3/sctp",
         "\"10.1.2.3/sctp\": \"/sctp\" was not understood; the form is " FORM},
        {"10.1.2.3:443/8",
         "\"10.1.2.3:443/8\": the length of the network stands before the "
         "port"},
        {"10.1.2.3/8x", "\"10.1.2.3/8x\": \"x\" was not understood; the form is " FORM},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[TC_NF_WHY_MAX] = "";
        struct tc_nf_allow allow = {.port = 77};

        assert_int_equal(tc_nf_allow_parse(cases[i].text, &allow, why), -EINVAL);
        assert_string_equal(why, cases[i].why);
        assert_int_equal(allow.port, 77);
    }
}

static struct tc_nf_isolation sample(void)
{
    static const char *const texts[] = {"10.0.0.5:8443/tcp", "192.0.2.0/24",
                                        "[2001:db8::1]:22", "2001:db8:1::/48/udp"};
    struct tc_nf_isolation isolation = {.on = true,
                                        .since = 1790000000,
                                        .until = 1790003600,
                                        .reason = "ransomware on the file server",
                                        .who = "root"};
    char why[TC_NF_WHY_MAX];

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(tc_nf_allow_parse(texts[i], &isolation.allow[i], why), 0);
    isolation.allow_count = 4;
    return isolation;
}

static void text_of_the_rules(void **state)
{
    struct tc_nf_isolation isolation = sample();
    char *text;

    (void)state;
    assert_int_equal(tc_nf_isolation_text(&isolation, &text), 0);
    assert_string_equal(
        text, "table inet tocsin_isolation {\n"
              "\tflags owner\n"
              "\tcomment \"Tocsin has isolated this host; tocsin isolate off ends it\"\n"
              "\tcounter cut_out { }\n"
              "\tcounter cut_in { }\n"
              "\tcounter cut_forward { }\n"
              "\tchain input {\n"
              "\t\ttype filter hook input priority -300; policy accept;\n"
              "\t\tiif lo accept\n"
              "\t\tip saddr 10.0.0.5/32 meta l4proto 6 th dport 8443 accept\n"
              "\t\tip saddr 10.0.0.5/32 meta l4proto 6 th sport 8443 accept\n"
              "\t\tip saddr 192.0.2.0/24 accept\n"
              "\t\tip6 saddr 2001:db8::1/128 meta l4proto { 6, 17 } th dport 22 accept\n"
              "\t\tip6 saddr 2001:db8::1/128 meta l4proto { 6, 17 } th sport 22 accept\n"
              "\t\tip6 saddr 2001:db8:1::/48 meta l4proto 17 accept\n"
              "\t\tudp sport 67 udp dport 68 accept\n"
              "\t\tudp sport 547 udp dport 546 accept\n"
              "\t\tip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-router-advert, "
              "nd-neighbor-solicit, nd-neighbor-advert } accept\n"
              "\t\tip6 hoplimit 1 icmpv6 type { mld-listener-query, mld-listener-report, "
              "mld-listener-done, mld2-listener-report } accept\n"
              "\t\ticmp type destination-unreachable icmp code frag-needed accept\n"
              "\t\ticmpv6 type packet-too-big accept\n"
              "\t\tcounter name cut_in drop\n"
              "\t}\n"
              "\tchain output {\n"
              "\t\ttype filter hook output priority -300; policy accept;\n"
              "\t\toif lo accept\n"
              "\t\tip daddr 10.0.0.5/32 meta l4proto 6 th dport 8443 accept\n"
              "\t\tip daddr 10.0.0.5/32 meta l4proto 6 th sport 8443 accept\n"
              "\t\tip daddr 192.0.2.0/24 accept\n"
              "\t\tip6 daddr 2001:db8::1/128 meta l4proto { 6, 17 } th dport 22 accept\n"
              "\t\tip6 daddr 2001:db8::1/128 meta l4proto { 6, 17 } th sport 22 accept\n"
              "\t\tip6 daddr 2001:db8:1::/48 meta l4proto 17 accept\n"
              "\t\tudp sport 68 udp dport 67 accept\n"
              "\t\tudp sport 546 udp dport 547 accept\n"
              "\t\tip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-router-advert, "
              "nd-neighbor-solicit, nd-neighbor-advert } accept\n"
              "\t\tip6 hoplimit 1 icmpv6 type { mld-listener-query, mld-listener-report, "
              "mld-listener-done, mld2-listener-report } accept\n"
              "\t\tcounter name cut_out\n"
              "\t\tmeta l4proto 6 reject with tcp reset\n"
              "\t\treject with icmpx type admin-prohibited\n"
              "\t}\n"
              "\tchain forward {\n"
              "\t\ttype filter hook forward priority -300; policy accept;\n"
              "\t\tcounter name cut_forward drop\n"
              "\t}\n"
              "}\n");
    free(text);
}

static void isolation_is_over_at_its_time(void **state)
{
    struct tc_nf_isolation isolation = {.on = true, .until = 100};

    (void)state;
    assert_false(tc_nf_isolation_over(&isolation, 99));
    assert_true(tc_nf_isolation_over(&isolation, 100));
    isolation.until = 0;
    assert_false(tc_nf_isolation_over(&isolation, INT64_MAX));
    isolation = (struct tc_nf_isolation){.until = 100};
    assert_false(tc_nf_isolation_over(&isolation, 200));
}

static char above[32], folder[64], path[96];

static void put_file(const char *text, size_t len)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static size_t get_file(char *text, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t len;

    assert_non_null(f);
    len = fread(text, 1, size - 1, f);
    text[len] = '\0';
    fclose(f);
    return len;
}

static void state_survives_in_its_file(void **state)
{
    struct tc_nf_isolation isolation = sample(), read_back;
    char text[4096], why[TC_NF_WHY_MAX];
    struct stat st;

    (void)state;
    assert_int_equal(tc_nf_isolation_load(folder, &read_back, why), 0);
    assert_false(read_back.on);
    assert_int_equal(tc_nf_isolation_save(folder, &isolation, why), 0);
    get_file(text, sizeof text);
    assert_string_equal(text, "tocsin isolation 1\n"
                              "since 1790000000\n"
                              "until 1790003600\n"
                              "who root\n"
                              "reason ransomware on the file server\n"
                              "allow 10.0.0.5:8443/tcp\n"
                              "allow 192.0.2.0/24\n"
                              "allow [2001:db8::1]:22\n"
                              "allow 2001:db8:1::/48/udp\n"
                              "end\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(tc_nf_isolation_load(folder, &read_back, why), 0);
    assert_memory_equal(&read_back, &isolation, sizeof isolation);

    isolation.on = false;
    assert_int_equal(tc_nf_isolation_save(folder, &isolation, why), 0);
    assert_int_equal(tc_nf_isolation_save(folder, &isolation, why), 0);
    assert_int_equal(tc_nf_isolation_load(folder, &read_back, why), 0);
    assert_false(read_back.on);
    assert_int_equal(access(path, F_OK), -1);
}

static void reason_of_many_lines_is_kept_in_one(void **state)
{
    struct tc_nf_isolation isolation = {
        .on = true, .reason = "a\nend\nuntil 5", .who = ""};
    char why[TC_NF_WHY_MAX];

    (void)state;
    assert_int_equal(tc_nf_isolation_save(folder, &isolation, why), 0);
    assert_int_equal(tc_nf_isolation_load(folder, &isolation, why), 0);
    assert_true(isolation.on);
    assert_string_equal(isolation.reason, "a end until 5");
    assert_string_equal(isolation.who, "");
    assert_int_equal(isolation.until, 0);
}

static void longest_state_fits_its_file(void **state)
{
    struct tc_nf_isolation isolation = {.on = true}, read_back;
    char why[TC_NF_WHY_MAX];

    (void)state;
    memset(isolation.reason, 'r', sizeof isolation.reason - 1);
    memset(isolation.who, 'w', sizeof isolation.who - 1);
    for (int i = 0; i < TC_NF_ISOLATION_ALLOW_MAX; i++)
        assert_int_equal(
            tc_nf_allow_parse("[1111:2222:3333:4444:5555:6666:7777:8888]:65535/tcp",
                              &isolation.allow[isolation.allow_count++], why),
            0);
    assert_int_equal(tc_nf_isolation_save(folder, &isolation, why), 0);
    assert_int_equal(tc_nf_isolation_load(folder, &read_back, why), 0);
    assert_memory_equal(&read_back, &isolation, sizeof isolation);
}

/* Cut short anywhere, or with one byte that is another. */
static void damaged_file_is_off_and_says_so(void **state)
{
    struct tc_nf_isolation isolation = sample(), read_back;
    char text[4096], why[TC_NF_WHY_MAX], expected[TC_NF_WHY_MAX];
    size_t len;

    (void)state;
    assert_int_equal(tc_nf_isolation_save(folder, &isolation, why), 0);
    len = get_file(text, sizeof text);
    for (size_t cut = 0; cut < len; cut++) {
        put_file(text, cut);
        read_back.on = true;
        assert_int_equal(tc_nf_isolation_load(folder, &read_back, why), -EBADMSG);
        assert_false(read_back.on);
    }
    snprintf(expected, sizeof expected,
             "%s is damaged at line 10: the host is not isolated", path);
    assert_string_equal(why, expected);
    for (size_t i = 0; i < len; i++) {
        char kept = text[i];

        text[i] = '\0';
        put_file(text, len);
        assert_int_equal(tc_nf_isolation_load(folder, &read_back, why), -EBADMSG);
        text[i] = kept;
    }
    put_file("tocsin isolation 1\nsince -1\nuntil 0\nend\n", 39);
    assert_int_equal(tc_nf_isolation_load(folder, &read_back, why), -EBADMSG);
    put_file("tocsin isolation 2\nend\n", 23);
    assert_int_equal(tc_nf_isolation_load(folder, &read_back, why), -EBADMSG);
    put_file("tocsin isolation 1\nend\nmore\n", 28);
    assert_int_equal(tc_nf_isolation_load(folder, &read_back, why), -EBADMSG);
}

static void folder_that_cannot_be_is_an_error_with_its_name(void **state)
{
    struct tc_nf_isolation isolation = sample();
    char why[TC_NF_WHY_MAX];

    (void)state;
    assert_int_equal(tc_nf_isolation_save("/proc/none/netfilter", &isolation, why),
                     -ENOENT);
    assert_string_equal(why,
                        "cannot make the folder of /proc/none/netfilter/isolation: No "
                        "such file or directory");
}

static int setup(void **state)
{
    (void)state;
    strcpy(above, "/tmp/tocsin-isolation-XXXXXX");
    if (!mkdtemp(above))
        return -1;
    snprintf(folder, sizeof folder, "%s/netfilter", above);
    snprintf(path, sizeof path, "%s/isolation", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    rmdir(folder);
    return rmdir(above);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allow_is_read_and_written),
        cmocka_unit_test(allow_that_cannot_be_gets_one_sentence),
        cmocka_unit_test(text_of_the_rules),
        cmocka_unit_test(isolation_is_over_at_its_time),
        cmocka_unit_test_setup_teardown(state_survives_in_its_file, setup, teardown),
        cmocka_unit_test_setup_teardown(reason_of_many_lines_is_kept_in_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(longest_state_fits_its_file, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_file_is_off_and_says_so, setup, teardown),
        cmocka_unit_test(folder_that_cannot_be_is_an_error_with_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
