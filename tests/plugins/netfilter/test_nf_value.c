/* SPDX-License-Identifier: Apache-2.0 */
/* What an indicator, a time, a record of CSV and a pattern of STIX can look like. */
#include "nf_lists.h"

#include <errno.h>

#include "indicators/nf_csv.h"
#include "indicators/nf_pattern.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void values_are_read_and_written(void **state)
{
    static const struct {
        const char *text;
        enum tc_nf_kind kind;
        const char *written;
    } cases[] = {
        {"192.0.2.1", TC_NF_ADDRESS, "192.0.2.1"},
        {" 192.0.2.1\r", TC_NF_ADDRESS, "192.0.2.1"},
        {"2001:DB8::1", TC_NF_ADDRESS, "2001:db8::1"},
        {"::ffff:192.0.2.1", TC_NF_ADDRESS, "192.0.2.1"},
        {"::", TC_NF_ADDRESS, "::"},
        {"192.0.2.1/32", TC_NF_ADDRESS, "192.0.2.1"},
        {"198.51.100.0/24", TC_NF_NETWORK, "198.51.100.0/24"},
        {"198.51.100.77/24", TC_NF_NETWORK, "198.51.100.0/24"},
        {"0.0.0.0/0", TC_NF_NETWORK, "0.0.0.0/0"},
        {"255.255.255.255/1", TC_NF_NETWORK, "128.0.0.0/1"},
        {"2001:db8::ffff/33", TC_NF_NETWORK, "2001:db8::/33"},
        {"::/0", TC_NF_NETWORK, "::/0"},
        {"Example.COM", TC_NF_DOMAIN, "example.com"},
        {"example.com.", TC_NF_DOMAIN, "example.com"},
        {"*.example.com", TC_NF_DOMAIN, "example.com"},
        {"_dmarc.xn--bcher-kva.example", TC_NF_DOMAIN, "_dmarc.xn--bcher-kva.example"},
        {"test", TC_NF_DOMAIN, "test"},
        {"1e100.example", TC_NF_DOMAIN, "1e100.example"},
        {"https://Example.com/a?b#c", TC_NF_HOST, "example.com"},
        {"http://user:pw@example.com:8080/x", TC_NF_HOST, "example.com"},
        {"http://example.org?x@example.com", TC_NF_HOST, "example.org"},
        {"http://example.org\\@example.com", TC_NF_HOST, "example.org"},
        {"ftp://example.com", TC_NF_HOST, "example.com"},
        {"https://192.0.2.7:8443/", TC_NF_ADDRESS, "192.0.2.7"},
        {"https://[2001:db8::7]:8443/", TC_NF_ADDRESS, "2001:db8::7"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char why[TC_NF_WHY_MAX] = "", text[TC_NF_NAME_MAX];
        struct tc_nf_value value;

        if (tc_nf_value_read(text_of(cases[i].text), &value, why))
            fail_msg("%s: %s", cases[i].text, why);
        tc_nf_value_text(&value, text);
        assert_string_equal(text, cases[i].written);
        assert_int_equal(value.kind, cases[i].kind);
    }
}

static void what_is_no_value_is_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "there is no value"},
        {" \t", "there is no value"},
        {"192.0.2.256", "neither an address nor a name"},
        {"192.0.2", "neither an address nor a name"},
        {"192.0.2.1:443", "without port or zone"},
        {"fe80::1%eth0", "without port or zone"},
        {"192.0.2.0/33", "the length is 0 to 32"},
        {"192.0.2.0/", "the length is 0 to 32"},
        {"192.0.2.0/-1", "the length is 0 to 32"},
        {"192.0.2.0/4294967297", "the length is 0 to 32"},
        {"2001:db8::/129", "the length is 0 to 128"},
        {"example.com/path", "a URL with its scheme"},
        {"b\xc3\xbc"
         "cher.example",
         "is not ASCII"},
        {"evil[.]example", "with nothing around it"},
        {"two words", "with nothing around it"},
        {"a..example", "check its dots"},
        {".example", "check its dots"},
        {"*.", "with nothing around it"},
        {"http:///path", "without a host"},
        {"http://[2001:db8::1/", "without a host"},
        {"http://%65xample.com/", "with nothing around it"},
        {"a123456789012345678901234567890123456789012345678901234567890123.example",
         "check its dots"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char why[TC_NF_WHY_MAX] = "";
        struct tc_nf_value value = {.length = 77};

        assert_int_equal(tc_nf_value_read(text_of(cases[i].text), &value, why), -EINVAL);
        if (!strstr(why, cases[i].says))
            fail_msg("%s: %s", cases[i].text, why);
        assert_int_equal(value.length, 77);
    }
}

static void a_name_has_253_bytes_at_most(void **state)
{
    char name[300], why[TC_NF_WHY_MAX];
    struct tc_nf_value value;

    (void)state;
    memset(name, 'a', sizeof(name));
    for (size_t i = 50; i < sizeof(name); i += 51)
        name[i] = '.';
    assert_int_equal(
        tc_nf_value_read((struct tc_nf_text){name, TC_NF_NAME_MAX - 1}, &value, why), 0);
    assert_int_equal(
        tc_nf_value_read((struct tc_nf_text){name, TC_NF_NAME_MAX}, &value, why),
        -EINVAL);
}

static void times_are_rfc_3339_or_seconds(void **state)
{
    static const struct {
        const char *text;
        uint32_t s; /* 0: refused */
    } cases[] = {
        {"2027-01-15T08:00:00Z", NOW_S},
        {"2027-01-15t08:00:00z", NOW_S},
        {"2027-01-15 08:00:00.123456Z", NOW_S},
        {"2027-01-15T09:30:00+01:30", NOW_S},
        {"2027-01-14T22:00:00-10:00", NOW_S},
        {"1800000000", NOW_S},
        {"0", 1},
        {"1960-01-01T00:00:00Z", 1},
        {"9999-12-31T23:59:59Z", UINT32_MAX},
        {"99999999999999999999999", UINT32_MAX},
        {"2016-12-31T23:59:60Z", 1483228799},
        {"2027-01-15", 0},
        {"2027-01-15T08:00:00", 0},
        {"2027-04-31T08:00:00Z", 0},
        {"2027-1-15T08:00:00Z", 0},
        {"2027-01-15T08:00Z", 0},
        {"2027-01-15T08:00:00+0100", 0},
        {"tomorrow", 0},
        {"", 0},
        {"-5", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char why[TC_NF_WHY_MAX] = "";
        uint32_t s = 0;
        int r = tc_nf_time_read(text_of(cases[i].text), &s, why);

        assert_int_equal(s, cases[i].s);
        assert_int_equal(r, cases[i].s ? 0 : -EINVAL);
        assert_true(!r || strstr(why, "2030-12-31T23:59:59Z"));
    }
}

static void a_type_has_to_be_the_values(void **state)
{
    static const struct {
        const char *value, *type;
        int r;
        enum tc_nf_kind kind;
    } cases[] = {
        {"example.com", "domain", 0, TC_NF_DOMAIN},
        {"example.com", "HOSTNAME", 0, TC_NF_HOST},
        {"example.com", "url", 0, TC_NF_HOST},
        {"https://example.com/", "domain", 0, TC_NF_DOMAIN},
        {"192.0.2.1", "url", 0, TC_NF_ADDRESS},
        {"192.0.2.0/24", "ip", 0, TC_NF_NETWORK},
        {"192.0.2.1", "domain", -EINVAL, 0},
        {"example.com", "ipv4", -EINVAL, 0},
        {"d41d8cd98f00b204e9800998ecf8427e", "md5", -ENOTSUP, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tc_nf_row row = {.value = text_of(cases[i].value),
                                .type = text_of(cases[i].type)};
        char why[TC_NF_WHY_MAX] = "";
        struct tc_nf_entry entry;

        assert_int_equal(tc_nf_entry_read(&row, TC_NF_BLOCK, &entry, why), cases[i].r);
        assert_true(cases[i].r ? why[0] != '\0' : entry.value.kind == cases[i].kind);
    }
}

static void a_reason_is_one_line_of_utf8(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {" seen\tin\nthe wild ", "seen in the wild"},
        {"sch\xc3\xb6n", "sch\xc3\xb6n"},
        {"\xff\xc3", "??"},
        {"\xed\xa0\x80", "???"},
        {"\xf4\x90\x80\x80 \xe0\x80\x80", "???? ???"},
        {"\xf0\x9f\x94\xa5", "\xf0\x9f\x94\xa5"},
    };
    char reason[TC_NF_REASON_MAX], longer[2 * TC_NF_REASON_MAX] = "x";

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        tc_nf_reason_copy(text_of(cases[i].text), reason);
        assert_string_equal(reason, cases[i].reason);
    }
    /* a character that does not fit is left out whole */
    for (size_t i = 1; i + 2 < sizeof(longer); i += 2)
        memcpy(longer + i, "\xc3\xb6", 3);
    tc_nf_reason_copy(text_of(longer), reason);
    assert_int_equal(strlen(reason), TC_NF_REASON_MAX - 1);
    tc_nf_reason_copy(text_of(longer + 1), reason);
    assert_int_equal(strlen(reason), TC_NF_REASON_MAX - 2);
}

static void csv_is_split_as_rfc_4180_has_it(void **state)
{
    static const struct {
        const char *line, *fields; /* joined by | */
    } cases[] = {
        {"a,b,c", "a|b|c"},
        {" a , b ,", "a|b|"},
        {"\"a,b\",\"c\"\"d\"", "a,b|c\"d"},
        {"\"a\" , \"\",x", "a||x"},
        {"\"two\nlines\",x", "two\nlines|x"},
        {"\"\"\"\"", "\""},
        {",", "|"},
        {"5\" disk,x", "5\" disk|x"},
        {"\"open", NULL},
        {"\"a\"b,c", NULL},
        {"\"a\"\"", NULL},
    };
    struct tc_nf_csv csv;

    (void)state;
    assert_int_equal(tc_nf_csv_init(&csv), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char why[TC_NF_WHY_MAX] = "", joined[64] = "";
        int r = tc_nf_csv_split(&csv, text_of(cases[i].line), why);

        assert_int_equal(r, cases[i].fields ? 0 : -EINVAL);
        assert_true(!r || why[0]);
        for (size_t f = 0; !r && f < csv.count; f++) {
            strcat(joined, f ? "|" : "");
            strncat(joined, csv.fields[f].at, csv.fields[f].len);
        }
        assert_true(r || !strcmp(joined, cases[i].fields));
    }
    tc_nf_csv_done(&csv);
}

static int join(void *arg, struct tc_nf_text type, struct tc_nf_text value)
{
    char *joined = arg;

    (void)sprintf(joined + strlen(joined), "%.*s=%.*s;", (int)type.len, type.at,
                  (int)value.len, value.at);
    return 0;
}

static void patterns_that_are_a_choice_of_values_are_read(void **state)
{
    static const struct {
        const char *pattern, *values; /* NULL: refused, and nothing of it taken */
    } cases[] = {
        {"[ipv4-addr:value = '192.0.2.1']", "ipv4-addr=192.0.2.1;"},
        {"[ipv4-addr:value='192.0.2.1' OR domain-name:value = 'a.example']",
         "ipv4-addr=192.0.2.1;domain-name=a.example;"},
        {"[ipv6-addr:value ISSUBSET '2001:db8::/32']", "ipv6-addr=2001:db8::/32;"},
        {"[url:value = 'http://x.example/\\'\\\\'] OR [domain-name:value = 'b']",
         "url=http://x.example/'\\;domain-name=b;"},
        {"[ ipv4-addr:value IN ('192.0.2.1','192.0.2.2') ]",
         "ipv4-addr=192.0.2.1;ipv4-addr=192.0.2.2;"},
        {"[file:hashes.MD5 = 'x' OR domain-name:value = 'a']",
         "file:hashes.MD5=x;domain-name=a;"},
        {"[ipv4-addr:value = '192.0.2.1' AND domain-name:value = 'a']", NULL},
        {"[ipv4-addr:value = '192.0.2.1'] AND [domain-name:value = 'a']", NULL},
        {"[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [domain-name:value = 'a']", NULL},
        {"[ipv4-addr:value = '192.0.2.1'] WITHIN 5 SECONDS", NULL},
        {"[domain-name:value LIKE '%.example']", NULL},
        {"[domain-name:value != 'a']", NULL},
        {"[domain-name:value = 'a]", NULL},
        {"[domain-name:value = 'a'", NULL},
        {"[domain-name:value IN ('a'", NULL},
        {"[domain-name:value = 'a\\", NULL},
        {"[= 'a']", NULL},
        {"domain-name:value = 'a'", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char why[TC_NF_WHY_MAX] = "", joined[256] = "";
        int r = tc_nf_pattern_read(text_of(cases[i].pattern), join, joined, why);

        assert_int_equal(r, cases[i].values ? 0 : -EINVAL);
        assert_string_equal(joined, cases[i].values ? cases[i].values : "");
        assert_true(!r || why[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_and_written),
        cmocka_unit_test(what_is_no_value_is_refused_with_a_sentence),
        cmocka_unit_test(a_name_has_253_bytes_at_most),
        cmocka_unit_test(times_are_rfc_3339_or_seconds),
        cmocka_unit_test(a_type_has_to_be_the_values),
        cmocka_unit_test(a_reason_is_one_line_of_utf8),
        cmocka_unit_test(csv_is_split_as_rfc_4180_has_it),
        cmocka_unit_test(patterns_that_are_a_choice_of_values_are_read),
    };

    return cmocka_run_group_tests_name("nf_value", tests, NULL, NULL);
}
