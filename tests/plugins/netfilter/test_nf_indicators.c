/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of every format, which of the indicators counts, and the kernel's slots. */
#include "nf_lists.h"

#include <errno.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Formats ---- */

static void plain_lists_have_a_value_a_line(void **state)
{
    struct lists lists;
    struct tc_nf_indicators *i = list_load(&lists, "block", "list",
                                           "\xef\xbb\xbf# a comment\r\n"
                                           "192.0.2.1\r\n"
                                           "\n"
                                           "  2001:db8::/32 # with a comment\n"
                                           "203.0.113.0/24 ; as Spamhaus writes them\n"
                                           "Evil.Example\n"
                                           "https://host.example/path#fragment");
    struct tc_nf_view view;

    (void)state;
    assert_int_equal(lists.report.taken, 5);
    assert_int_equal(lists.report.refused, 0);
    assert_int_equal(asked(i, "192.0.2.1", NOW_S, &view), TC_NF_BLOCK);
    assert_string_equal(view.value, "192.0.2.1");
    assert_string_equal(view.reason, "");
    assert_non_null(strstr(view.source, "/list"));
    assert_int_equal(action_of(i, "192.0.2.2"), TC_NF_NONE);
    assert_int_equal(action_of(i, "2001:db8:ffff::1"), TC_NF_BLOCK);
    assert_int_equal(action_of(i, "203.0.113.200"), TC_NF_BLOCK);
    assert_int_equal(action_of(i, "a.b.evil.EXAMPLE."), TC_NF_BLOCK);
    assert_int_equal(action_of(i, "host.example"), TC_NF_BLOCK);
    assert_int_equal(action_of(i, "www.host.example"), TC_NF_NONE);
    tc_nf_indicators_unref(i);
}

static void lists_like_etc_hosts_name_hosts(void **state)
{
    struct lists lists;
    struct tc_nf_indicators *i = list_load(&lists, "block", "hosts",
                                           "127.0.0.1 localhost\n"
                                           "::1 ip6-localhost ip6-loopback\n"
                                           "255.255.255.255 broadcasthost\n"
                                           "0.0.0.0 0.0.0.0\n"
                                           "0.0.0.0 evil.example\tworse.example # both\n"
                                           "192.0.2.1 server.example\n");

    (void)state;
    assert_int_equal(lists.report.taken, 2);
    assert_int_equal(lists.report.refused, 1);
    assert_non_null(strstr(lists.report.problem[0], "/hosts:6: there is more than one"));
    assert_int_equal(action_of(i, "evil.example"), TC_NF_BLOCK);
    assert_int_equal(action_of(i, "worse.example"), TC_NF_BLOCK);
    assert_int_equal(action_of(i, "www.evil.example"), TC_NF_NONE);
    assert_int_equal(action_of(i, "localhost"), TC_NF_NONE);
    assert_int_equal(action_of(i, "server.example"), TC_NF_NONE);
    tc_nf_indicators_unref(i);
}

static void csv_names_its_columns(void **state)
{
    struct lists lists;
    struct tc_nf_indicators *i =
        list_load(&lists, "block", "feed", /* no extension: the comma says it */
                  "# as of today\r\n"
                  "Severity,\"Indicator\",other,expires,Description,action,type\r\n"
                  "high,evil.example,1,2030-01-01T00:00:00Z,\"a \"\"C2\"\", seen\r\n"
                  "twice\",,domain\r\n"
                  "# another comment\r\n"
                  ",192.0.2.1,,,,Allow,\r\n"
                  ",old.example,,2020-01-01T00:00:00Z,,,\r\n"
                  "dire,x.example,,,,,\r\n"
                  ",\"y.example,,,,,\r\n"
                  ",z.example\r\n");
    struct tc_nf_view view;

    (void)state;
    assert_int_equal(asked(i, "www.evil.example", NOW_S, &view), TC_NF_BLOCK);
    assert_string_equal(view.reason, "a \"C2\", seen  twice");
    assert_int_equal(view.severity, TC_NF_HIGH);
    assert_int_equal(view.expires_s, 1893456000);
    assert_int_equal(action_of(i, "192.0.2.1"), TC_NF_ALLOW);
    assert_int_equal(action_of(i, "z.example"), TC_NF_BLOCK);
    assert_int_equal(action_of(i, "old.example"), TC_NF_NONE);
    assert_int_equal(lists.report.taken, 3);
    assert_int_equal(lists.report.expired, 1);
    assert_int_equal(lists.report.refused, 2);
    assert_non_null(strstr(lists.report.problem[0], "/feed:8: \"dire\" is no severity"));
    assert_non_null(strstr(lists.report.problem[1], "/feed:9: a quoted field"));
    tc_nf_indicators_unref(i);
}

#define INDICATOR(id, rest)                                                              \
    "{\"type\":\"indicator\",\"id\":\"indicator--" id "\"," rest "}"
#define PATTERN(text) "\"pattern_type\":\"stix\",\"pattern\":\"" text "\""

static void stix_bundles_are_taken_as_far_as_they_can_be(void **state)
{
    static const char bundle[] =
        "{\"type\": \"bundle\", \"id\": \"bundle--1\", \"n\": 12, \"none\": null,\n"
        " \"objects\": [\n"
        "{\"type\":\"identity\",\"name\":\"somebody\"},\n" INDICATOR(
            "1", "\"name\":\"C2\",\"valid_until\":\"2030-01-01T00:00:00.5Z\"," PATTERN(
                     "[ipv4-addr:value = '192.0.2.1' OR domain-name:value = "
                     "'evil.example']")) ",\n" //
        INDICATOR("2", "\"description\":\"nets\"," PATTERN(
                           "[ipv6-addr:value ISSUBSET '2001:db8::/32']")) ",\n" //
        INDICATOR(
            "3",
            "\"revoked\":true," PATTERN(
                "[url:value = 'http://a.example/']")) ",\n" INDICATOR("4",
                                                                      "\"pattern_"
                                                                      "type\":"
                                                                      "\"yara\","
                                                                      "\"pattern\":"
                                                                      "\"rule r "
                                                                      "{}\"") ",\n" //
        INDICATOR("5", PATTERN("[file:name = 'x']")) ",\n"                          //
        INDICATOR("6", PATTERN("[domain-name:value LIKE '%x']")) ",\n"              //
        INDICATOR("7", "\"indicator_types\":[null,\"benign\"]," PATTERN(
                           "[domain-name:value = 'good.example']")) ",\n" //
        INDICATOR("8", "\"valid_from\":\"2040-01-01T00:00:00Z\"," PATTERN(
                           "[domain-name:value = 'later.example']")) ",\n" //
        INDICATOR("9",
                  PATTERN("[url:value = 'https://host.example/x']")) "\n, null, 7]}\n";
    struct lists lists;
    struct tc_nf_indicators *i = list_load(&lists, "block", "feed.json", bundle);
    struct tc_nf_view view;

    (void)state;
    assert_int_equal(asked(i, "www.evil.example", NOW_S, &view), TC_NF_BLOCK);
    assert_string_equal(view.reason, "C2");
    assert_int_equal(view.expires_s, 1893456000);
    assert_int_equal(asked(i, "2001:db8::1", NOW_S, &view), TC_NF_BLOCK);
    assert_string_equal(view.reason, "nets");
    assert_int_equal(action_of(i, "192.0.2.1"), TC_NF_BLOCK);
    assert_int_equal(action_of(i, "host.example"), TC_NF_BLOCK);
    assert_int_equal(action_of(i, "a.example"), TC_NF_NONE);
    assert_int_equal(action_of(i, "good.example"), TC_NF_NONE);
    assert_int_equal(lists.report.taken, 4);
    assert_int_equal(lists.report.expired, 1);
    assert_int_equal(lists.report.refused, 5);
    assert_non_null(strstr(lists.report.problem[0],
                           "/feed.json:7: indicator--4: its pattern is not"));
    assert_non_null(strstr(lists.report.problem[1], "indicator--5: type \"file:name\""));
    assert_non_null(strstr(lists.report.problem[2], "indicator--6: the pattern cannot"));
    assert_non_null(
        strstr(lists.report.problem[3], "indicator--7: it is of type benign"));
    assert_non_null(strstr(lists.report.problem[4], "indicator--8: it is not valid yet"));
    tc_nf_indicators_unref(i);
}

/* Larger than what is read at once, so that objects and lines go over the edge. */
static void long_files_are_read_in_pieces(void **state)
{
    enum { ENTRIES = 20000 };
    struct tc_nf_indicators *i;
    struct lists lists;
    char *text = malloc(ENTRIES * 160 + 100), *at = text, name[64];

    (void)state;
    assert_non_null(text);
    at += sprintf(at, "{\"objects\":[");
    for (unsigned n = 0; n < ENTRIES; n++)
        at += sprintf(
            at, "%s\n" INDICATOR("1", PATTERN("[domain-name:value = 'h%u.example']")),
            n ? "," : "", n);
    sprintf(at, "]}");
    i = list_load(&lists, "block", "feed.json", text);
    assert_int_equal(lists.report.taken, ENTRIES);
    tc_nf_indicators_unref(i);
    at = text;
    for (unsigned n = 0; n < ENTRIES; n++)
        at += sprintf(at, "host-%0*u.example\n", (int)(n % 30 + 1), n);
    i = list_load(&lists, "block", "list", text);
    assert_int_equal(lists.report.taken, ENTRIES);
    for (unsigned n = 0; n < ENTRIES; n += 777) {
        (void)snprintf(name, sizeof(name), "host-%0*u.example", (int)(n % 30 + 1), n);
        assert_int_equal(action_of(i, name), TC_NF_BLOCK);
    }
    tc_nf_indicators_unref(i);
    free(text);
}

static void bad_lines_are_counted_and_the_first_named(void **state)
{
    struct tc_nf_indicators *i;
    struct lists lists;
    char *text = malloc(TC_NF_LINE_BYTES_MAX * 3), *at = text;

    (void)state;
    assert_non_null(text);
    for (int n = 0; n < 20; n++)
        at += sprintf(at, "no value here\n");
    memset(at, 'x', TC_NF_LINE_BYTES_MAX * 2);
    strcpy(at + (size_t)TC_NF_LINE_BYTES_MAX * 2, "\nevil.example");
    i = list_load(&lists, "block", "list", text);
    assert_int_equal(lists.report.refused, 21);
    assert_int_equal(lists.report.problems, TC_NF_PROBLEMS_MAX);
    assert_non_null(strstr(lists.report.problem[7], "/list:8: "));
    assert_int_equal(lists.report.taken, 1);
    assert_int_equal(action_of(i, "evil.example"), TC_NF_BLOCK);
    tc_nf_indicators_unref(i);
    free(text);
}

/* ---- What fails as a whole ---- */

static void files_that_are_not_whole_fail_the_load(void **state)
{
    static const struct {
        const char *name, *content, *says;
    } cases[] = {
        {"a.json", "{\"objects\":[{\"type\":\"indicator\"",
         "a.json:1: the JSON ends too early"},
        {"a.json", "{\"objects\":[", "the JSON ends too early"},
        {"a.json", "{\"objects\"", "the JSON ends too early"},
        {"a.json", "", "the JSON ends too early"},
        {"a.json", "{\"objects\":[1 2]}", "']' is missing"},
        {"a.json", "{objects:[]}", "'\"' is missing"},
        {"a.json", "{\"objects\":[tru]}", "this is no JSON"},
        {"a.json", "{\"objects\":[]} x", "something follows"},
        {"a.json", "{\"type\":\"bundle\"}", "there is no array \"objects\""},
        {"a.json", "{\"objects\":7}", "there is no array \"objects\""},
        {"a.stix", "evil.example", "'{' is missing"},
        {"a.csv", "evil.example\n", "a.csv:1: no column is named value"},
        {"a.csv", "\"open\n", "a quoted field has no end"},
        {"a", "first,second\n1,2\n", "a:1: no column is named value"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tc_nf_indicators *indicators = NULL;
        struct lists lists;

        lists_init(&lists);
        lists_put(&lists, "block", cases[i].name, cases[i].content);
        assert_int_equal(lists_load(&lists, &indicators), -EINVAL);
        assert_null(indicators);
        if (!strstr(lists.why, cases[i].says))
            fail_msg("%s: %s", cases[i].content, lists.why);
        lists_done(&lists);
    }
}

static void an_object_that_is_too_large_fails_the_load(void **state)
{
    struct tc_nf_indicators *indicators = NULL;
    struct lists lists;
    size_t len = 2u * TC_NF_OBJECT_BYTES_MAX;
    char *text = malloc(len + 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', len);
    memcpy(text, "{\"objects\":[\"", 13);
    text[len] = '\0';
    lists_init(&lists);
    lists_put(&lists, "block", "a.json", text);
    assert_int_equal(lists_load(&lists, &indicators), -E2BIG);
    assert_non_null(strstr(lists.why, "larger than 1 MiB"));
    lists_done(&lists);
    free(text);
}

static void sources_that_cannot_be_read_fail_the_load(void **state)
{
    static const struct {
        const char *source;
        int r;
        const char *says;
    } cases[] = {
        {"block:/nowhere/list", -ENOENT, "/nowhere/list: No such file"},
        {"block:/dev/null", -EINVAL, "neither a file nor a folder"},
        {"block:list", -EINVAL, "write allow:, audit: or block:"},
        {"deny:/etc/hosts", -EINVAL, "write allow:, audit: or block:"},
        {"/etc/hosts", -EINVAL, "write allow:, audit: or block:"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tc_nf_indicators *indicators = NULL;
        struct tc_nf_sources sources = {.texts = &cases[i].source, .count = 1};
        struct tc_nf_report report;
        char why[TC_NF_WHY_MAX] = "";

        assert_int_equal(
            tc_nf_indicators_load(&sources, NOW_S, &indicators, &report, why),
            cases[i].r);
        assert_non_null(strstr(why, cases[i].says));
        assert_null(indicators);
        assert_int_equal(tc_nf_source_check(cases[i].source, why), i < 2 ? 0 : -EINVAL);
    }
}

/* One that is not there yet is as good as empty; any other is not to be left out. */
static void a_store_that_cannot_be_reached_fails_the_load(void **state)
{
    struct tc_nf_sources sources = {.own = TEST_SOURCE_DIR "/LICENSE/indicators.csv"};
    struct tc_nf_indicators *indicators = NULL;
    struct tc_nf_report report;
    char why[TC_NF_WHY_MAX] = "";

    (void)state;
    assert_int_equal(tc_nf_indicators_load(&sources, NOW_S, &indicators, &report, why),
                     -ENOTDIR);
    assert_non_null(strstr(why, "/LICENSE/indicators.csv: "));
    assert_null(indicators);
}

static void a_file_above_the_bound_fails_the_load(void **state)
{
    struct tc_nf_indicators *indicators = NULL;
    struct lists lists;
    char path[128];

    (void)state;
    lists_init(&lists);
    lists_put(&lists, "block", "list", "evil.example\n");
    (void)snprintf(path, sizeof(path), "%s/list", lists.dir);
    /* a hole, which takes no room on the disk */
    assert_int_equal(truncate(path, (off_t)TC_NF_LIST_BYTES_MAX + 1), 0);
    assert_int_equal(lists_load(&lists, &indicators), -EFBIG);
    assert_non_null(strstr(lists.why, "larger than 1024 MiB"));
    lists_done(&lists);
}

static void a_folder_is_all_its_files(void **state)
{
    struct tc_nf_indicators *i = NULL;
    struct lists lists;
    struct tc_nf_view view;
    char path[128];

    (void)state;
    lists_init(&lists);
    lists_put(&lists, "block", "b.csv", "value,reason\nevil.example,second\n");
    lists_put(&lists, "block", "a.csv", "value,reason\nevil.example,first\n");
    lists_put(&lists, "block", ".hidden", "hidden.example\n");
    (void)snprintf(path, sizeof(path), "%s/folder", lists.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(lists.text[0], LISTS_TEXT_MAX, "audit:%s", lists.dir);
    lists.count = 1;
    assert_int_equal(lists_load(&lists, &i), 0);
    assert_int_equal(lists.report.files, 2);
    assert_int_equal(asked(i, "evil.example", NOW_S, &view), TC_NF_AUDIT);
    assert_string_equal(view.reason, "first");
    assert_int_equal(action_of(i, "hidden.example"), TC_NF_NONE);
    lists_done(&lists);
    tc_nf_indicators_unref(i);
}

/* ---- Which counts ---- */

static void the_most_specific_counts(void **state)
{
    struct lists lists;
    struct tc_nf_indicators *i =
        list_load(&lists, "block", "a.csv",
                  "value,action,type\n"
                  "0.0.0.0/0,audit,\n192.0.2.0/24,block,\n192.0.2.128/25,allow,\n"
                  "192.0.2.129,block,\n"
                  "::/0,audit,\n2001:db8::/32,allow,\n2001:db8::/48,block,\n"
                  "example,audit,\nevil.example,block,\ngood.evil.example,allow,\n"
                  "good.evil.example,block,host\n");
    static const struct {
        const char *what;
        enum tc_nf_action action;
    } cases[] = {
        {"198.51.100.1", TC_NF_AUDIT},
        {"192.0.2.1", TC_NF_BLOCK},
        {"192.0.2.200", TC_NF_ALLOW},
        {"192.0.2.129", TC_NF_BLOCK},
        {"::1", TC_NF_AUDIT},
        {"2001:db8:1::1", TC_NF_ALLOW},
        {"2001:db8::1", TC_NF_BLOCK},
        {"other.example", TC_NF_AUDIT},
        {"evil.example", TC_NF_BLOCK},
        {"x.evil.example", TC_NF_BLOCK},
        {"x.good.evil.example", TC_NF_ALLOW},
        {"good.evil.example", TC_NF_BLOCK},
        {"notevil.example", TC_NF_AUDIT},
        {"evil.example.test", TC_NF_NONE},
        {"odd name!.evil.example", TC_NF_BLOCK},
        {".", TC_NF_NONE},
        {"", TC_NF_NONE},
        {"xexample", TC_NF_NONE},
    };

    (void)state;
    for (size_t n = 0; n < COUNT(cases); n++)
        if (action_of(i, cases[n].what) != cases[n].action)
            fail_msg("%s", cases[n].what);
    tc_nf_indicators_unref(i);
}

static void at_the_same_place_allow_wins_over_block_over_audit(void **state)
{
    struct tc_nf_indicators *i = NULL;
    struct lists lists;
    struct tc_nf_view view;

    (void)state;
    lists_init(&lists);
    lists_put(&lists, "audit", "1.csv", "value,reason\na.example,1\n192.0.2.1,1\n");
    lists_put(&lists, "block", "2.csv",
              "value,reason\na.example,2\n192.0.2.1,2\nb.example,2\n");
    lists_put(&lists, "block", "3.csv", "value,reason\na.example,3\nb.example,3\n");
    lists_put(&lists, "allow", "4.csv", "value,reason\na.example,4\n");
    assert_int_equal(lists_load(&lists, &i), 0);
    assert_int_equal(asked(i, "a.example", NOW_S, &view), TC_NF_ALLOW);
    assert_string_equal(view.reason, "4");
    assert_int_equal(asked(i, "b.example", NOW_S, &view), TC_NF_BLOCK);
    assert_string_equal(view.reason, "2");
    assert_int_equal(asked(i, "192.0.2.1", NOW_S, &view), TC_NF_BLOCK);
    assert_string_equal(view.reason, "2");
    lists_done(&lists);
    tc_nf_indicators_unref(i);
}

/* ---- Slots, and expiry ---- */

/* As the kernel looks an address up. */
static const struct tc_nf_slot *probe(const struct tc_nf_slot *slots,
                                      const struct tc_nf_addresses *addresses,
                                      const uint8_t address[16])
{
    bool v4 = tc_nf_is_mapped(address, 128);
    uint8_t network[16];

    for (uint32_t n = v4 ? 0 : addresses->lengths4,
                  end = v4 ? addresses->lengths4 : addresses->lengths_count;
         n < end; n++) {
        uint8_t length = addresses->lengths[n];
        uint32_t at;

        tc_nf_mask(address, length, network);
        at = tc_nf_network_hash(network, length, addresses->seed);
        for (int i = 0; i < TC_NF_PROBES_MAX; i++, at++) {
            const struct tc_nf_slot *slot = &slots[at & addresses->mask];

            if (slot->action == TC_NF_NONE)
                break;
            if (slot->length == length && !memcmp(slot->address, network, 16)) {
                if (slot->action != TC_NF_EXPIRED)
                    return slot;
                break;
            }
        }
    }
    return NULL;
}

static void assert_same(const struct tc_nf_indicators *indicators,
                        const struct tc_nf_slot *slots,
                        const struct tc_nf_addresses *addresses,
                        const uint8_t address[16], uint64_t now_s)
{
    const struct tc_nf_slot *slot = probe(slots, addresses, address);
    struct tc_nf_match match;
    bool found = tc_nf_indicators_address(indicators, address, now_s, &match);

    assert_int_equal(found, slot != NULL);
    if (found) {
        assert_int_equal(slot->action, match.action);
        assert_int_equal(slot->id, match.id);
    }
}

/* xorshift32, Marsaglia 2003 */
static uint32_t random32(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* A few bits of it, so that networks lie within each other and are met. */
static void random_address(uint32_t *seed, uint8_t ret_address[16])
{
    uint32_t n = random32(seed);

    memset(ret_address, 0, 16);
    if (n & 1)
        memset(ret_address + 10, 0xff, 2);
    else
        memcpy(ret_address, "\x20\x01\x0d\xb8", 4);
    ret_address[12] = (uint8_t)(n >> 8 & 3);
    ret_address[13] = (uint8_t)(n >> 10 & 3);
    ret_address[14] = (uint8_t)(n >> 12);
    ret_address[15] = (uint8_t)(n >> 20);
}

static void slots_say_what_user_space_says_before_and_after_expiry(void **state)
{
    enum { ENTRIES = 5000, DAYS = 5 };
    uint32_t seed = 1, expired = 0;
    char *text = malloc(ENTRIES * 100 + 100), *at = text;
    struct tc_nf_addresses addresses;
    struct tc_nf_counts counts;
    struct tc_nf_indicators *i;
    struct tc_nf_slot *slots;
    struct lists lists;
    uint32_t used = 0, n_slots;
    uint8_t address[16];

    (void)state;
    assert_non_null(text);
    at += sprintf(at, "value,action,expires\n::/0,audit,%u\n", NOW_S + 86400 * 3);
    for (int n = 0; n < ENTRIES; n++) {
        static const char *const actions[] = {"allow", "audit", "block"};
        struct tc_nf_value value = {.kind = TC_NF_NETWORK};
        char written[TC_NF_NAME_MAX];

        random_address(&seed, value.address);
        value.length = (uint8_t)(128 - random32(&seed) % 30);
        tc_nf_mask(value.address, value.length, value.address);
        tc_nf_value_text(&value, written);
        at += sprintf(at, "%s,%s,%u\n", written, actions[random32(&seed) % 3],
                      random32(&seed) % 3 ? NOW_S + 86400u * (random32(&seed) % DAYS + 1)
                                          : UINT32_MAX);
    }
    i = list_load(&lists, "block", "a.csv", text);
    assert_int_equal(lists.report.refused, 0);
    n_slots = tc_nf_indicators_slots(i);
    slots = malloc(n_slots * sizeof(*slots));
    assert_non_null(slots);
    memset(slots, 0xa5, n_slots * sizeof(*slots));
    assert_int_equal(tc_nf_indicators_fill(i, slots, &addresses), 0);
    assert_int_equal(addresses.mask, n_slots - 1);
    for (uint32_t n = 0; n < n_slots; n++)
        used += slots[n].action != TC_NF_NONE;
    assert_true(used * 10ull <= n_slots * 6ull);
    assert_true(used * 10ull > n_slots * 2ull);
    for (uint64_t now_s = NOW_S; now_s <= NOW_S + 86400u * (DAYS + 1); now_s += 86400) {
        expired += tc_nf_indicators_expire(i, now_s, slots);
        assert_int_equal(tc_nf_indicators_expire(i, now_s, slots), 0);
        assert_true(tc_nf_indicators_next_expiry_s(i) > now_s);
        for (int n = 0; n < 20000; n++) {
            random_address(&seed, address);
            assert_same(i, slots, &addresses, address, now_s);
        }
    }
    tc_nf_indicators_counts(i, &counts);
    assert_int_equal(counts.expired, expired);
    assert_true(expired > ENTRIES / 3);
    assert_int_equal(tc_nf_indicators_next_expiry_s(i), UINT32_MAX);
    free(slots);
    free(text);
    tc_nf_indicators_unref(i);
}

static void what_expires_uncovers_what_it_was_in_front_of(void **state)
{
    struct lists lists;
    struct tc_nf_indicators *i =
        list_load(&lists, "block", "a.csv",
                  "value,action,expires,reason\n"
                  "evil.example,block,,for ever\n"
                  "evil.example,allow,1800000100,an exception\n"
                  "evil.example,allow,1800000050,a shorter one\n"
                  "192.0.2.1,block,1800000100,\n192.0.2.0/24,audit,,\n"
                  "late.example,block,1800000100,\nlate.example,block,,\n");
    struct tc_nf_addresses addresses;
    struct tc_nf_slot slots[4];
    struct tc_nf_view view;

    (void)state;
    assert_int_equal(tc_nf_indicators_slots(i), 4);
    assert_int_equal(tc_nf_indicators_fill(i, slots, &addresses), 0);
    assert_int_equal(tc_nf_indicators_next_expiry_s(i), 1800000100);
    assert_int_equal(asked(i, "evil.example", 1800000099, &view), TC_NF_ALLOW);
    assert_string_equal(view.reason, "an exception");
    assert_int_equal(asked(i, "192.0.2.1", 1800000099, &view), TC_NF_BLOCK);
    /* at its second it does not count any more, whether it was marked or not */
    assert_int_equal(asked(i, "evil.example", 1800000100, &view), TC_NF_BLOCK);
    assert_string_equal(view.reason, "for ever");
    assert_int_equal(asked(i, "192.0.2.1", 1800000100, &view), TC_NF_AUDIT);
    assert_int_equal(asked(i, "late.example", 1800000100, &view), TC_NF_BLOCK);
    assert_int_equal(tc_nf_indicators_expire(i, 1800000100, slots), 2);
    assert_int_equal(tc_nf_indicators_next_expiry_s(i), UINT64_MAX);
    tc_nf_indicators_unref(i);
}

static void no_indicators_are_a_table_that_matches_nothing(void **state)
{
    struct tc_nf_sources sources = {.own = "/nowhere/indicators.csv"};
    struct tc_nf_addresses addresses;
    struct tc_nf_indicators *i = NULL;
    struct tc_nf_report report;
    struct tc_nf_counts counts;
    struct tc_nf_view view;
    struct tc_nf_slot slot;
    char why[TC_NF_WHY_MAX];

    (void)state;
    assert_int_equal(tc_nf_indicators_load(&sources, NOW_S, &i, &report, why), 0);
    assert_int_equal(action_of(i, "192.0.2.1"), TC_NF_NONE);
    assert_int_equal(action_of(i, "example.com"), TC_NF_NONE);
    assert_int_equal(tc_nf_indicators_slots(i), 1);
    assert_int_equal(tc_nf_indicators_fill(i, &slot, &addresses), 0);
    assert_int_equal(slot.action, TC_NF_NONE);
    assert_int_equal(addresses.lengths_count, 0);
    assert_int_equal(tc_nf_indicators_expire(i, UINT64_MAX - 1, &slot), 0);
    assert_false(tc_nf_indicators_view(i, 0, &view));
    tc_nf_indicators_counts(i, &counts);
    assert_int_equal(counts.kinds[TC_NF_ADDRESS], 0);
    tc_nf_indicators_unref(tc_nf_indicators_ref(i));
    assert_int_equal(action_of(i, "192.0.2.1"), TC_NF_NONE);
    tc_nf_indicators_unref(i);
    tc_nf_indicators_unref(NULL);
}

/* The bench measures a million; this is the same reckoning with fewer. */
static void an_indicator_takes_less_than_a_hundred_bytes(void **state)
{
    enum { ENTRIES = 60000 }; /* 2^17 slots, 46 % of them in use */
    char *text = malloc(ENTRIES * 40), *at = text;
    struct tc_nf_counts counts;
    struct tc_nf_indicators *i;
    struct lists lists;

    (void)state;
    assert_non_null(text);
    for (unsigned n = 0; n < ENTRIES; n++)
        at += sprintf(at, "198.%u.%u.%u\n", n >> 16, n >> 8 & 255, n & 255);
    i = list_load(&lists, "block", "list", text);
    tc_nf_indicators_counts(i, &counts);
    assert_int_equal(counts.kinds[TC_NF_ADDRESS], ENTRIES);
    assert_true(counts.bytes + tc_nf_indicators_slots(i) * sizeof(struct tc_nf_slot) <
                ENTRIES * 100ull);
    tc_nf_indicators_unref(i);
    free(text);
}

static void the_samples_load(void **state)
{
    const char *texts[] = {"block:" TEST_SOURCE_DIR "/config/indicators"};
    struct tc_nf_sources sources = {.texts = texts, .count = 1};
    struct tc_nf_indicators *i = NULL;
    struct tc_nf_report report;
    char why[TC_NF_WHY_MAX] = "";

    (void)state;
    if (tc_nf_indicators_load(&sources, NOW_S, &i, &report, why))
        fail_msg("%s", why);
    assert_int_equal(report.refused, 0);
    assert_true(report.files >= 3);
    tc_nf_indicators_unref(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lists_have_a_value_a_line),
        cmocka_unit_test(lists_like_etc_hosts_name_hosts),
        cmocka_unit_test(csv_names_its_columns),
        cmocka_unit_test(stix_bundles_are_taken_as_far_as_they_can_be),
        cmocka_unit_test(long_files_are_read_in_pieces),
        cmocka_unit_test(bad_lines_are_counted_and_the_first_named),
        cmocka_unit_test(files_that_are_not_whole_fail_the_load),
        cmocka_unit_test(an_object_that_is_too_large_fails_the_load),
        cmocka_unit_test(sources_that_cannot_be_read_fail_the_load),
        cmocka_unit_test(a_store_that_cannot_be_reached_fails_the_load),
        cmocka_unit_test(a_file_above_the_bound_fails_the_load),
        cmocka_unit_test(a_folder_is_all_its_files),
        cmocka_unit_test(the_most_specific_counts),
        cmocka_unit_test(at_the_same_place_allow_wins_over_block_over_audit),
        cmocka_unit_test(slots_say_what_user_space_says_before_and_after_expiry),
        cmocka_unit_test(what_expires_uncovers_what_it_was_in_front_of),
        cmocka_unit_test(no_indicators_are_a_table_that_matches_nothing),
        cmocka_unit_test(an_indicator_takes_less_than_a_hundred_bytes),
        cmocka_unit_test(the_samples_load),
    };

    return cmocka_run_group_tests_name("nf_indicators", tests, NULL, NULL);
}
