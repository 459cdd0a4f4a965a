/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promises about one profile: what it states of the gates, what it is refused for and
 * where, and that published profiles are understood.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <plist/plist.h>

#include "core/profile/profile.h"
#include "tests/support/profile_text.h"
#include "tests/support/skip.h"

#define PROFILES TEST_SOURCE_DIR "/config/profiles/"
#define PUBLISHED TEST_SOURCE_DIR "/../shared/data/profiles/rtrouton"

static const struct tc_identity us = {
    .team = "TOCSIN",
    .agent = "org.tocsin.agent",
    .es = "org.tocsin.es",
    .netfilter = "org.tocsin.netfilter",
    .kext = "org.tocsin.kext",
    .program = "/usr/sbin/tocsind",
};

static const struct tc_identity defender = {
    .team = "UBF8T346G9",
    .agent = "com.microsoft.wdav",
    .es = "com.microsoft.wdav.epsext",
    .netfilter = "com.microsoft.wdav.netext",
    .kext = "com.microsoft.wdavkext",
};

static struct tc_profile *parse_bytes(const char *name, const void *data, size_t len)
{
    struct tc_profile *profile = NULL;
    char why[256] = "";
    int r = tc_profile_parse(name, data, len, &profile, why);

    if (r)
        print_error("%s\n", why);
    assert_int_equal(r, 0);
    return profile;
}

static struct tc_profile *parse(const char *text)
{
    return parse_bytes("p", text, strlen(text));
}

static char *read_file(const char *path, size_t *ret_len)
{
    char *data = malloc(TC_PROFILE_BYTES_MAX);
    FILE *file = fopen(path, "r");

    assert_non_null(data);
    assert_non_null(file);
    *ret_len = fread(data, 1, TC_PROFILE_BYTES_MAX, file);
    fclose(file);
    return data;
}

static struct tc_profile *parse_file(const char *path)
{
    struct tc_profile *profile;
    char *data;
    size_t len;

    data = read_file(path, &len);
    profile = parse_bytes(path, data, len);
    free(data);
    return profile;
}

static enum tc_profile_says says(const struct tc_profile *profile,
                                 const struct tc_identity *identity,
                                 enum tc_profile_gate gate)
{
    return tc_profile_conclude(tc_profile_state(profile, identity, gate));
}

/* What a profile of this text states of a gate. */
static unsigned state_of(const char *text, enum tc_profile_gate gate)
{
    struct tc_profile *profile = parse(text);
    unsigned state = tc_profile_state(profile, &us, gate);

    tc_profile_free(profile);
    return state;
}

static enum tc_profile_says says_of(const char *text, enum tc_profile_gate gate)
{
    return tc_profile_conclude(state_of(text, gate));
}

/* Checks that the text is refused with a sentence that has `part` in it. */
static void assert_refused_bytes(const void *data, size_t len, const char *part)
{
    struct tc_profile *profile = NULL;
    char why[256] = "";

    assert_int_equal(tc_profile_parse("p", data, len, &profile, why), -EINVAL);
    assert_null(profile);
    if (!strstr(why, part))
        print_error("expected: %s\ngot:      %s\n", part, why);
    assert_non_null(strstr(why, part));
}

static void assert_refused(const char *text, const char *part)
{
    assert_refused_bytes(text, strlen(text), part);
}

/* ---- System extensions. ---- */

static void profile_that_lists_an_extension_allows_its_gate(void **state)
{
    (void)state;
    assert_int_equal(says_of(PROFILE("a", EXTENSIONS(LISTS_ES)), TC_PROFILE_ES_EXTENSION),
                     TC_PROFILE_ALLOWS);
    assert_int_equal(
        says_of(PROFILE("a", EXTENSIONS(LISTS_ES)), TC_PROFILE_NETWORK_EXTENSION),
        TC_PROFILE_NOTHING);
}

static void profile_that_lists_the_team_allows_both_extensions(void **state)
{
    static const char text[] =
        PROFILE("a", EXTENSIONS(TEAM("AllowedTeamIdentifiers", ITEM("TOCSIN"))));

    (void)state;
    assert_int_equal(says_of(text, TC_PROFILE_ES_EXTENSION), TC_PROFILE_ALLOWS);
    assert_int_equal(says_of(text, TC_PROFILE_NETWORK_EXTENSION), TC_PROFILE_ALLOWS);
    assert_int_equal(says_of(text, TC_PROFILE_NETWORK_FILTER), TC_PROFILE_NOTHING);
    assert_int_equal(says_of(text, TC_PROFILE_FULL_DISK_ACCESS), TC_PROFILE_NOTHING);
    assert_int_equal(says_of(text, TC_PROFILE_KERNEL_EXTENSION), TC_PROFILE_NOTHING);
}

static void extension_of_another_team_is_not_allowed(void **state)
{
    static const char text[] =
        PROFILE("a", EXTENSIONS("<key>AllowedSystemExtensions</key><dict>" TEAM(
                         "OTHER", ITEM("org.tocsin.es")) "</dict>"));

    (void)state;
    assert_int_equal(state_of(text, TC_PROFILE_ES_EXTENSION), TC_PROFILE_OTHER_TEAM);
    assert_int_equal(says_of(text, TC_PROFILE_ES_EXTENSION), TC_PROFILE_NOTHING);
}

static void closed_list_forbids_what_it_does_not_list(void **state)
{
    static const char text[] = PROFILE("a", EXTENSIONS(CLOSED LISTS_ES));

    (void)state;
    assert_int_equal(says_of(text, TC_PROFILE_ES_EXTENSION), TC_PROFILE_ALLOWS);
    assert_int_equal(says_of(text, TC_PROFILE_NETWORK_EXTENSION), TC_PROFILE_FORBIDS);
    assert_int_equal(says_of(text, TC_PROFILE_NETWORK_FILTER), TC_PROFILE_NOTHING);
    assert_int_equal(says_of(text, TC_PROFILE_FULL_DISK_ACCESS), TC_PROFILE_NOTHING);
}

static void types_of_the_team_deny_a_type_that_they_leave_out(void **state)
{
    static const char text[] =
        PROFILE("a", EXTENSIONS(TEAM("AllowedTeamIdentifiers", ITEM("TOCSIN")) //
                                "<key>AllowedSystemExtensionTypes</key><dict>" TEAM(
                                    "TOCSIN", ITEM("NetworkExtension")) //
                                TEAM("OTHER", "") "</dict>"));

    (void)state;
    assert_int_equal(says_of(text, TC_PROFILE_ES_EXTENSION), TC_PROFILE_DENIES);
    assert_int_equal(says_of(text, TC_PROFILE_NETWORK_EXTENSION), TC_PROFILE_ALLOWS);
}

static void types_of_another_team_change_nothing(void **state)
{
    static const char text[] = PROFILE(
        "a", EXTENSIONS(LISTS_ES "<key>AllowedSystemExtensionTypes</key><dict>" TEAM(
                 "OTHER", ITEM("DriverExtension")) "</dict>"));

    (void)state;
    assert_int_equal(says_of(text, TC_PROFILE_ES_EXTENSION), TC_PROFILE_ALLOWS);
}

static void extension_that_may_not_be_removed_is_pinned(void **state)
{
    static const char text[] = PROFILE(
        "a", EXTENSIONS(LISTS_ES "<key>NonRemovableSystemExtensions</key><dict>" TEAM(
                 "TOCSIN", ITEM("org.tocsin.es")) "</dict>"));

    (void)state;
    assert_int_equal(state_of(text, TC_PROFILE_ES_EXTENSION),
                     TC_PROFILE_LISTED | TC_PROFILE_PINNED);
}

static void team_in_both_allowed_keys_is_rejected(void **state)
{
    (void)state;
    assert_refused(
        PROFILE("a", EXTENSIONS(LISTS_ES "\n" TEAM("AllowedTeamIdentifiers",
                                                   ITEM("OTHER") "\n" ITEM("TOCSIN")))),
        "p:6:1: team TOCSIN is in AllowedTeamIdentifiers and in "
        "AllowedSystemExtensions: remove it from one");
}

/* ---- Kernel extension, filter, disk. ---- */

static void kernel_extensions_are_closed_unless_a_profile_opens_them(void **state)
{
    (void)state;
    assert_int_equal(says_of(PROFILE("a", KERNEL("")), TC_PROFILE_KERNEL_EXTENSION),
                     TC_PROFILE_FORBIDS);
    assert_int_equal(says_of(PROFILE("a", KERNEL("<key>AllowUserOverrides</key><true/>")),
                             TC_PROFILE_KERNEL_EXTENSION),
                     TC_PROFILE_NOTHING);
    assert_int_equal(
        says_of(PROFILE("a", KERNEL(TEAM("AllowedTeamIdentifiers", ITEM("TOCSIN")))),
                TC_PROFILE_KERNEL_EXTENSION),
        TC_PROFILE_ALLOWS);
    assert_int_equal(says_of(PROFILE("a", KERNEL("")), TC_PROFILE_ES_EXTENSION),
                     TC_PROFILE_NOTHING);
}

#define FILTER_OF(type, plugin, provider, switches)                                      \
    PROFILE("f",                                                                         \
            FILTER(STRING("FilterType", type) STRING("PluginBundleID", plugin)           \
                       STRING("FilterDataProviderBundleIdentifier", provider) switches))

static void filter_allows_with_all_its_parts_alone(void **state)
{
    static const struct {
        const char *text;
        unsigned state;
    } rows[] = {
        {FILTER_OF("Plugin", "org.tocsin.agent", "org.tocsin.netfilter",
                   "<key>FilterSockets</key><true/>"),
         TC_PROFILE_LISTED},
        {FILTER_OF("Plugin", "org.tocsin.agent", "org.tocsin.netfilter",
                   "<key>FilterPackets</key><integer>1</integer>"),
         TC_PROFILE_LISTED},
        {FILTER_OF("Plugin", "org.tocsin.agent", "org.tocsin.netfilter", ""),
         TC_PROFILE_FILTER_OFF},
        {FILTER_OF("Plugin", "org.tocsin.agent", "org.tocsin.netfilter",
                   "<key>FilterSockets</key><false/>"),
         TC_PROFILE_FILTER_OFF},
        {FILTER_OF("Plugin", "com.example", "org.tocsin.netfilter",
                   "<key>FilterSockets</key><true/>"),
         TC_PROFILE_OTHER_PLUGIN},
        {FILTER_OF("Plugin", "org.tocsin.agent", "com.example",
                   "<key>FilterSockets</key><true/>"),
         0},
        {FILTER_OF("BuiltIn", "org.tocsin.agent", "org.tocsin.netfilter",
                   "<key>FilterSockets</key><true/>"),
         0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(state_of(rows[i].text, TC_PROFILE_NETWORK_FILTER),
                         rows[i].state);
}

static void disk_access_may_be_allowed_in_every_spelling(void **state)
{
    static const struct {
        const char *text;
        enum tc_profile_says says;
    } rows[] = {
        {PROFILE("a", ALL_FILES(ACCESS("org.tocsin.es", "<key>Allowed</key><true/>"))),
         TC_PROFILE_ALLOWS},
        {PROFILE("a", ALL_FILES(ACCESS("org.tocsin.agent",
                                       "<key>Allowed</key><integer>1</integer>"))),
         TC_PROFILE_ALLOWS},
        {PROFILE("a", ALL_FILES(ACCESS("org.tocsin.es",
                                       "<key>Allowed</key><integer>0</integer>"))),
         TC_PROFILE_DENIES},
        {PROFILE("a", ALL_FILES(ACCESS("org.tocsin.es", "<key>Allowed</key><false/>"))),
         TC_PROFILE_DENIES},
        {PROFILE("a",
                 ALL_FILES(ACCESS("org.tocsin.es", STRING("Authorization", "Allow")))),
         TC_PROFILE_ALLOWS},
        {PROFILE("a",
                 ALL_FILES(ACCESS("org.tocsin.es", STRING("Authorization", "Deny")))),
         TC_PROFILE_DENIES},
        {PROFILE("a", ALL_FILES(ACCESS("org.tocsin.es",
                                       STRING("Authorization",
                                              "AllowStandardUserToSetSystemService")))),
         TC_PROFILE_NOTHING},
        {PROFILE("a", ALL_FILES(ACCESS("com.example", "<key>Allowed</key><false/>"))),
         TC_PROFILE_NOTHING},
        {PROFILE("a", ALL_FILES("<dict>" STRING("Identifier", "/usr/sbin/tocsind")
                                    STRING("IdentifierType", "path") //
                                "<key>Allowed</key><true/></dict>")),
         TC_PROFILE_ALLOWS},
        {PROFILE("a", ALL_FILES("<dict>" STRING("Identifier", "/usr/sbin/other")
                                    STRING("IdentifierType", "path") //
                                "<key>Allowed</key><true/></dict>")),
         TC_PROFILE_NOTHING},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(says_of(rows[i].text, TC_PROFILE_FULL_DISK_ACCESS),
                         rows[i].says);
}

static void most_restrictive_entry_wins(void **state)
{
    (void)state;
    assert_int_equal(
        says_of(
            PROFILE("a",
                    ALL_FILES(ACCESS("org.tocsin.es", "<key>Allowed</key><true/>") ACCESS(
                        "org.tocsin.agent", STRING("Authorization", "Deny")))),
            TC_PROFILE_FULL_DISK_ACCESS),
        TC_PROFILE_DENIES);
    assert_int_equal(
        says_of(
            PROFILE("a",
                    ALL_FILES(ACCESS("org.tocsin.es", "<key>Allowed</key><true/>") ACCESS(
                        "org.tocsin.es", STRING("Authorization", "Deny")))),
            TC_PROFILE_FULL_DISK_ACCESS),
        TC_PROFILE_DENIES);
}

/* ---- Ring. ---- */

static void channel_is_a_ring_under_its_old_and_new_name(void **state)
{
    static const struct {
        const char *text, *ring;
    } rows[] = {
        {PROFILE("r", CHANNEL("Beta")), "beta"},
        {PROFILE("r", CHANNEL("Preview")), "preview"},
        {PROFILE("r", CHANNEL("Current")), "current"},
        {PROFILE("r", CHANNEL("InsiderFast")), "beta"},
        {PROFILE("r", CHANNEL("External")), "preview"},
        {PROFILE("r", CHANNEL("Production")), "current"},
        {PROFILE("r", CHANNEL("Beta") CHANNEL("Production")), "current"},
    };
    struct tc_profile *profile;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        profile = parse(rows[i].text);
        assert_string_equal(tc_profile_ring_name(tc_profile_ring(profile)), rows[i].ring);
        assert_null(tc_profile_warning(profile));
        tc_profile_free(profile);
    }
}

static void channel_that_is_no_ring_is_a_warning(void **state)
{
    struct tc_profile *profile =
        parse(PROFILE("r", CHANNEL("Curent") EXTENSIONS(LISTS_ES)));

    (void)state;
    assert_int_equal(tc_profile_ring(profile), TC_PROFILE_RING_NONE);
    assert_non_null(strstr(tc_profile_warning(profile), "the channel Curent is none of"));
    assert_int_equal(says(profile, &us, TC_PROFILE_ES_EXTENSION), TC_PROFILE_ALLOWS);
    tc_profile_free(profile);
}

/* ---- The rule. ---- */

static void rule_is_the_table_of_the_header(void **state)
{
    static const struct {
        unsigned statements, decisive;
        enum tc_profile_says says;
    } rows[] = {
        {0, 0, TC_PROFILE_NOTHING},
        {TC_PROFILE_OTHER_TEAM | TC_PROFILE_FILTER_OFF, 0, TC_PROFILE_NOTHING},
        {TC_PROFILE_TYPE_IN, 0, TC_PROFILE_NOTHING},
        {TC_PROFILE_LISTED, TC_PROFILE_LISTED, TC_PROFILE_ALLOWS},
        {TC_PROFILE_LISTED | TC_PROFILE_CLOSED, TC_PROFILE_LISTED, TC_PROFILE_ALLOWS},
        {TC_PROFILE_CLOSED, TC_PROFILE_CLOSED, TC_PROFILE_FORBIDS},
        {TC_PROFILE_LISTED | TC_PROFILE_DENIED, TC_PROFILE_DENIED, TC_PROFILE_DENIES},
        {TC_PROFILE_LISTED | TC_PROFILE_TYPE_OUT, TC_PROFILE_TYPE_OUT, TC_PROFILE_DENIES},
        {TC_PROFILE_LISTED | TC_PROFILE_TYPE_OUT | TC_PROFILE_TYPE_IN, TC_PROFILE_LISTED,
         TC_PROFILE_ALLOWS},
        {TC_PROFILE_CLOSED | TC_PROFILE_DENIED, TC_PROFILE_DENIED, TC_PROFILE_DENIES},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(tc_profile_conclude(rows[i].statements), rows[i].says);
        assert_int_equal(tc_profile_decisive(rows[i].statements), rows[i].decisive);
    }
}

/* ---- Refusals. ---- */

static void wrong_values_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {PROFILE("a", EXTENSIONS("<key>AllowUserOverrides</key>\n<string>no</string>")),
         "p:5:1: AllowUserOverrides is <true/> or <false/>"},
        {PROFILE("a", EXTENSIONS("<key>AllowUserOverrides</key><integer>2</integer>")),
         "AllowUserOverrides is <true/>"},
        {PROFILE("a", EXTENSIONS(STRING("AllowedTeamIdentifiers", "TOCSIN"))),
         "AllowedTeamIdentifiers wants an <array>"},
        {PROFILE("a", EXTENSIONS("<key>AllowedTeamIdentifiers</key><array><true/>"
                                 "</array>")),
         "AllowedTeamIdentifiers holds strings"},
        {PROFILE("a", EXTENSIONS(TEAM("AllowedSystemExtensions", ITEM("a")))),
         "AllowedSystemExtensions is a <dict> with a key for each team"},
        {PROFILE("a", EXTENSIONS("<key>AllowedSystemExtensionTypes</key><dict>" TEAM(
                          "T", ITEM("Endpoint")) "</dict>")),
         "AllowedSystemExtensionTypes is one of EndpointSecurityExtension|Net"},
        {PROFILE("a", EXTENSIONS("<key>AllowedSystemExtensions</key><dict>" TEAM("T", "")
                                     TEAM("T", "") "</dict>")),
         "<key>T</key> is there twice: remove one"},
        {PROFILE("a", EXTENSIONS(CLOSED "<key>AllowUserOverrides</key><true/>")),
         "<key>AllowUserOverrides</key> is there twice"},
        {PROFILE("a", FILTER(STRING("FilterType", "plugin"))),
         "FilterType is one of BuiltIn|Plugin, not plugin"},
        {PROFILE("a", ALL_FILES(ACCESS("x", ""))), "neither Allowed nor Authorization"},
        {PROFILE("a", ALL_FILES(ACCESS("x", "<key>Allowed</key><true/>"
                                            "<key>Authorization</key>"
                                            "<string>Allow</string>"))),
         "has Allowed and Authorization"},
        {PROFILE("a", ALL_FILES("<dict><key>Allowed</key><true/></dict>")),
         "no Identifier"},
        {PROFILE("a", ALL_FILES(ACCESS("x", STRING("Authorization", "allow")))),
         "Authorization is one of"},
        {PROFILE("a", ALL_FILES("<true/>")), "an array of <dict>"},
        {PROFILE("a", PAYLOAD("com.apple.TCC.configuration-profile-policy",
                              "<key>Services</key><array/>")),
         "Services is a <dict>"},
        {PROFILE("a", "<dict/>"), "p:4:1: this payload has no PayloadType"},
        {PROFILE("a", "<string>x</string>"), "p:4:1: a payload is a <dict>"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_refused(rows[i].text, rows[i].why);
}

static void what_is_no_profile_is_refused_with_what_it_is(void **state)
{
    static const uint8_t cms[] = {0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48,
                                  0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02, 0xa0};

    (void)state;
    assert_refused("", "the file is empty");
    assert_refused("{}", "no XML or binary property list");
    assert_refused_bytes(cms, sizeof(cms), "is signed: take it out of its wrapper");
    assert_refused("-----BEGIN PKCS7-----\n", "is signed");
    assert_refused("\xff\xfe<", "UTF-16");
    assert_refused("<plist><array/></plist>", "p:1:8: a profile is a <dict>");
    assert_refused("<plist><dict/></plist>", "its PayloadType is not Configuration");
    assert_refused("<plist><dict>" STRING("PayloadType", "Configuration") //
                   "</dict></plist>",
                   "no array PayloadContent");
    assert_refused(
        "<plist><dict><key>EncryptedPayloadContent</key><data/></dict></plist>",
        "encrypted");
}

static void xml_that_is_not_well_formed_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"<plist>\n <dict>\n</array></plist>", "p:3:1: </array> is where </dict>"},
        {"<plist><dict><key>a</key></dict></plist>", "the last <key> has no value"},
        {"<plist><dict><string>a</string></dict></plist>",
         "p:1:14: <string> is where a <key> must be"},
        {"<plist><array><key>a</key></array></plist>", "<key> is where a value"},
        {"<plist><array></array><array/></plist>", "a second <array>"},
        {"<plist><array>", "p:1:15: the file ends before </array>"},
        {"<plist><array", "this tag has no end"},
        {"<plist></plist>", "the property list is empty"},
        {"<plist/>", "the property list is empty"},
        {"<dict/>", "<dict> is outside of <plist>"},
        {"<plist><array/></plist><plist>", "<plist> is behind </plist>"},
        {"<plist><array/></plist></plist>", "</plist> is where the end must be"},
        {"<plist><table/></plist>", "<table> is no element of a property list"},
        {"<plist><array id='1'/></plist>", "<array> takes no attributes"},
        {"<plist><array>text</array></plist>", "p:1:15: text is outside"},
        {"<plist><string>a&b;</string></plist>", "p:1:17: & begins no entity"},
        {"<plist><string>&#x110000;</string></plist>", "no character"},
        {"<plist><string>&#0;</string></plist>", "no character"},
        {"<plist><string>&#;</string></plist>", "no number"},
        {"<plist><string><true/></string></plist>", "<true> is inside of <string>"},
        {"<plist><true><array/></true></plist>", "<true> holds something"},
        {"<plist><!-- <array/></plist>", "this comment has no end"},
        {"<plist><!--></plist>", "this is no comment"},
        {"<plist><![CDATA[]]></plist>", "this does not belong here"},
        {"<!DOCTYPE plist [<!ENTITY a \"b\">]><plist><array/></plist>",
         "p:1:1: the document type has contents of its own (entities)"},
        {"<?xml version=\"1.0\"?>", "there is no <plist> in it"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_refused(rows[i].text, rows[i].why);
    assert_refused_bytes("<plist>\0", 8, "p:1:8: there is a NUL byte here");
}

/* A property list of `depth` arrays in each other. */
static char *nested(size_t depth)
{
    char *text = malloc(16 * depth + 64), *p = text;

    assert_non_null(text);
    p += sprintf(p, "<plist>");
    for (size_t i = 0; i < depth; i++)
        p += sprintf(p, "<array>");
    for (size_t i = 0; i < depth; i++)
        p += sprintf(p, "</array>");
    sprintf(p, "</plist>");
    return text;
}

static void xml_is_bounded_in_depth_and_size(void **state)
{
    char *text = nested(TC_PROFILE_DEPTH_MAX), *p;

    (void)state;
    assert_refused(text, "a profile is a <dict>"); /* deep enough for anybody */
    free(text);
    text = nested(TC_PROFILE_DEPTH_MAX + 1);
    assert_refused(text, "nested deeper than 32");
    free(text);
    text = nested(60000);
    assert_refused(text, "nested deeper than 32");
    free(text);
    text = calloc(1, TC_PROFILE_BYTES_MAX + 2);
    assert_non_null(text);
    p = text + sprintf(text, "<plist><array>");
    for (int i = 0; i < TC_PROFILE_NODES_MAX; i++)
        p += sprintf(p, "<true/>");
    assert_refused(text, "more than 16384 values");
    memset(text, ' ', TC_PROFILE_BYTES_MAX + 1);
    assert_refused(text, "larger than 1 MiB");
    free(text);
}

/* ---- Binary. ---- */

static char *to_binary(const char *xml, size_t len, uint32_t *ret_len)
{
    plist_t root = NULL;
    char *data = NULL;

    plist_from_xml(xml, (uint32_t)len, &root);
    assert_non_null(root);
    plist_to_bin(root, &data, ret_len);
    plist_free(root);
    assert_non_null(data);
    return data;
}

static void binary_form_says_the_same(void **state)
{
    struct tc_profile *xml, *binary;
    char *text, *data;
    uint32_t bytes;
    size_t len;

    (void)state;
    text = read_file(PROFILES "tocsin.mobileconfig", &len);
    data = to_binary(text, len, &bytes);
    xml = parse_bytes("x", text, len);
    binary = parse_bytes("b", data, bytes);
    assert_string_equal(tc_profile_name(binary), tc_profile_name(xml));
    assert_string_equal(tc_profile_identifier(binary), tc_profile_identifier(xml));
    assert_int_equal(tc_profile_ring(binary), TC_PROFILE_RING_CURRENT);
    for (int gate = 0; gate < TC_PROFILE_GATES; gate++)
        assert_int_equal(tc_profile_state(binary, &us, (enum tc_profile_gate)gate),
                         TC_PROFILE_LISTED);
    tc_profile_free(xml);
    tc_profile_free(binary);
    free(data); /* libplist has renamed its own for it, which does this */
    free(text);
}

static void binary_is_refused_with_the_path_of_the_value(void **state)
{
    static const char text[] =
        PROFILE("a", EXTENSIONS(STRING("AllowUserOverrides", "no")));
    uint32_t bytes;
    char *data;

    (void)state;
    data = to_binary(text, strlen(text), &bytes);
    assert_refused_bytes(data, bytes,
                         "p: PayloadContent[0].AllowUserOverrides: AllowUserOverrides is "
                         "<true/> or <false/>");
    free(data); /* libplist has renamed its own for it, which does this */
}

/* A binary property list with one-byte offsets and references. */
static size_t make_binary(uint8_t *buf, const uint8_t *const objects[],
                          const size_t sizes[], size_t count)
{
    size_t at = 8, table;
    uint8_t offsets[256];

    memcpy(buf, "bplist00", 8);
    for (size_t i = 0; i < count; i++) {
        offsets[i] = (uint8_t)at;
        memcpy(buf + at, objects[i], sizes[i]);
        at += sizes[i];
    }
    table = at;
    memcpy(buf + at, offsets, count);
    at += count;
    memset(buf + at, 0, 32);
    buf[at + 6] = 1;
    buf[at + 7] = 1;
    buf[at + 15] = (uint8_t)count;
    buf[at + 31] = (uint8_t)table;
    return at + 32;
}

/* An object of ASCII text; `buf` holds it. */
static size_t ascii(uint8_t *buf, const char *text)
{
    size_t n = strlen(text), head = n < 15 ? 1 : 3;

    buf[0] = (uint8_t)(0x50 | (n < 15 ? n : 15));
    buf[1] = 0x10; /* an integer of one byte: the count */
    buf[2] = (uint8_t)n;
    memcpy(buf + head, text, n);
    return head + n;
}

static void binary_key_that_stands_twice_is_refused(void **state)
{
    static const uint8_t root[] = {0xd2, 1, 2, 3, 4}, list[] = {0xa1, 5};
    static const uint8_t payload[] = {0xd3, 1, 7, 7, 6, 8, 9}, no[] = {8}, yes[] = {9};
    uint8_t texts[5][64], buf[512];
    const uint8_t *const objects[] = {root,    texts[0], texts[1], texts[2], list,
                                      payload, texts[3], texts[4], no,       yes};
    size_t sizes[] = {sizeof(root), 0, 0, 0, sizeof(list), sizeof(payload), 0, 0, 1, 1};

    (void)state;
    sizes[1] = ascii(texts[0], "PayloadType");
    sizes[2] = ascii(texts[1], "PayloadContent");
    sizes[3] = ascii(texts[2], "Configuration");
    sizes[6] = ascii(texts[3], "com.apple.system-extension-policy");
    sizes[7] = ascii(texts[4], "AllowUserOverrides");
    assert_refused_bytes(buf, make_binary(buf, objects, sizes, 10),
                         "AllowUserOverrides is there twice: remove one");
}

/* libplist asserts that there is none. */
static void regress_nul_in_a_binary_key_is_refused(void **state)
{
    static const uint8_t root[] = {0xd1, 1, 1}, nul[] = {0x52, 'a', 0};
    static const uint8_t wide[] = {0x62, 0, 'a', 0, 0};
    const uint8_t *objects[] = {root, nul};
    size_t sizes[] = {sizeof(root), sizeof(nul)};
    uint8_t buf[128];

    (void)state;
    assert_refused_bytes(buf, make_binary(buf, objects, sizes, 2),
                         "there is a NUL in a string");
    objects[1] = wide;
    sizes[1] = sizeof(wide);
    assert_refused_bytes(buf, make_binary(buf, objects, sizes, 2),
                         "there is a NUL in a string");
}

static void byte_order_mark_and_blank_lines_may_come_first(void **state)
{
    (void)state;
    assert_int_equal(says_of("\xef\xbb\xbf\r\n " PROFILE("a", EXTENSIONS(LISTS_ES)),
                             TC_PROFILE_ES_EXTENSION),
                     TC_PROFILE_ALLOWS);
    assert_refused("\xef\xbb\xbf", "no XML or binary");
    assert_refused("\xef\xbb\xbf\n <plist><dict>", "p:2:15: the file ends");
}

/* A key whose entities make it shorter than it is written. */
static void entities_are_read_in_keys_and_strings(void **state)
{
    (void)state;
    assert_int_equal(
        says_of(
            PROFILE("a",
                    EXTENSIONS("<key>a&amp;b&lt;&#228;</key><true/>"
                               "<key>Allowed&#83;ystemExtensions</key><dict>" TEAM(
                                   "TOCS&#x49;N", ITEM("org&#46;tocsin.es")) "</dict>")),
            TC_PROFILE_ES_EXTENSION),
        TC_PROFILE_ALLOWS);
}

static void binary_that_grows_when_written_out_is_refused(void **state)
{
    /* Thirty arrays, each holding the next one eight times: 8^30 values. */
    uint8_t arrays[31][9], buf[1024];
    const uint8_t *objects[31];
    size_t sizes[31];

    (void)state;
    for (size_t i = 0; i < 30; i++) {
        /* The offsets of the test fit one byte: two references in the later ones. */
        sizes[i] = i < 2 ? 9 : 3;
        arrays[i][0] = (uint8_t)(0xa0 | (sizes[i] - 1));
        memset(arrays[i] + 1, (int)i + 1, 8);
        objects[i] = arrays[i];
    }
    arrays[30][0] = 0x09;
    objects[30] = arrays[30];
    sizes[30] = 1;
    assert_refused_bytes(buf, make_binary(buf, objects, sizes, 31),
                         "more than 16384 values");
}

static void binary_that_holds_itself_is_refused(void **state)
{
    static const uint8_t self[] = {0xa1, 0x00};
    const uint8_t *const objects[] = {self};
    const size_t sizes[] = {sizeof(self)};
    uint8_t buf[128];

    (void)state;
    assert_refused_bytes(buf, make_binary(buf, objects, sizes, 1), "nested too deep");
}

static void binary_that_is_cut_or_points_outside_is_refused(void **state)
{
    static const uint8_t wild[] = {0xa1, 0x07}, endless[] = {0x5f, 0x11, 0xff, 0xff};
    const uint8_t *objects[] = {wild};
    size_t sizes[] = {sizeof(wild)}, n;
    uint8_t buf[128];

    (void)state;
    n = make_binary(buf, objects, sizes, 1);
    assert_refused_bytes(buf, n, "damaged");
    for (size_t i = 8; i < n; i++)
        assert_refused_bytes(buf, i, "damaged");
    objects[0] = endless;
    sizes[0] = sizeof(endless);
    assert_refused_bytes(buf, make_binary(buf, objects, sizes, 1), "damaged");
    memset(buf + 40, 0xff, 32);
    assert_refused_bytes(buf, 72, "damaged");
}

/* ---- Files. ---- */

static void our_samples_grant_what_they_say(void **state)
{
    enum { ES = 1, NET = 2, FILTER = 4, DISK = 8, KEXT = 16 };
    static const struct {
        const char *file;
        unsigned allowed;
    } rows[] = {
        {"system-extensions", ES | NET},
        {"network-filter", FILTER},
        {"full-disk-access", DISK},
        {"kernel-extension", KEXT},
        {"release-ring", 0},
        {"tocsin", ES | NET | FILTER | DISK | KEXT},
    };
    struct tc_profile *profile;
    char path[512];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        snprintf(path, sizeof(path), PROFILES "%s.mobileconfig", rows[i].file);
        profile = parse_file(path);
        for (int gate = 0; gate < TC_PROFILE_GATES; gate++)
            assert_int_equal(says(profile, &us, (enum tc_profile_gate)gate),
                             rows[i].allowed & 1u << gate ? TC_PROFILE_ALLOWS
                                                          : TC_PROFILE_NOTHING);
        tc_profile_free(profile);
    }
}

static int is_mobileconfig(const struct dirent *entry)
{
    return strstr(entry->d_name, ".mobileconfig") != NULL;
}

static void published_profiles_parse_and_grant_us_nothing(void **state)
{
    struct dirent **entries = NULL;
    struct tc_profile *profile;
    char path[1024];
    int n;

    (void)state;
    n = scandir(PUBLISHED, &entries, is_mobileconfig, alphasort);
    if (n <= 0)
        test_skip("the published profiles are not here: " PUBLISHED);
    assert_in_range(n, 90, 200);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), PUBLISHED "/%s", entries[i]->d_name);
        profile = parse_file(path);
        for (int gate = 0; gate < TC_PROFILE_GATES; gate++)
            assert_int_equal(says(profile, &us, (enum tc_profile_gate)gate),
                             TC_PROFILE_NOTHING);
        assert_non_null(tc_profile_identifier(profile));
        tc_profile_free(profile);
        free(entries[i]);
    }
    free(entries);
}

#define MS(id)                                                                           \
    "identifier &quot;" id "&quot; and anchor apple generic and certificate "            \
    "1[field.1.2.840.113635.100.6.2.6] /* exists */ and certificate "                    \
    "leaf[subject.OU] = UBF8T346G9"
#define MS_ACCESS(id)                                                                    \
    "<dict><key>Allowed</key><integer>1</integer>" STRING("CodeRequirement", MS(id))     \
        STRING("Identifier", id)                                                         \
            STRING("IdentifierType",                                                     \
                   "bundleID") "<key>StaticCode</key><integer>0</integer></dict>"
#define MS_EXTENSIONS                                                                    \
    TEAM("UBF8T346G9",                                                                   \
         ITEM("com.microsoft.wdav.epsext") ITEM("com.microsoft.wdav.netext"))

/* The three that Microsoft publishes for Defender, in their shape. */
static const char *const defender_profiles[] = {
    PROFILE("Defender - System Extensions",
            EXTENSIONS("<key>AllowUserOverrides</key><true/>"
                       "<key>AllowedSystemExtensions</key><dict>" MS_EXTENSIONS "</dict>"
                       "<key>NonRemovableSystemExtensions</key><dict>" MS_EXTENSIONS
                       "</dict><key>PayloadDescription</key><string/>"
                       "<key>PayloadEnabled</key><true/>")),
    PROFILE("Defender - Full Disk Access",
            ALL_FILES(MS_ACCESS("com.microsoft.wdav")
                          MS_ACCESS("com.microsoft.wdav.epsext"))),
    PROFILE(
        "Defender - Network Filter",
        FILTER(STRING("FilterDataProviderBundleIdentifier", "com.microsoft.wdav.netext")
                   STRING("FilterDataProviderDesignatedRequirement",
                          MS("com.microsoft.wdav.netext"))
                       STRING("FilterGrade", "inspector") //
               "<key>FilterPackets</key><false/><key>FilterSockets</key><true/>" STRING(
                   "FilterType", "Plugin") STRING("PluginBundleID", "com.microsoft.wdav")
                   STRING("UserDefinedName", "Content Filter"))),
};

static void defender_profiles_grant_all_gates_to_its_identity(void **state)
{
    static const enum tc_profile_says expected[3][4] = {
        {TC_PROFILE_ALLOWS, TC_PROFILE_ALLOWS, TC_PROFILE_NOTHING, TC_PROFILE_NOTHING},
        {TC_PROFILE_NOTHING, TC_PROFILE_NOTHING, TC_PROFILE_NOTHING, TC_PROFILE_ALLOWS},
        {TC_PROFILE_NOTHING, TC_PROFILE_NOTHING, TC_PROFILE_ALLOWS, TC_PROFILE_NOTHING},
    };
    struct tc_profile *profile;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        profile = parse(defender_profiles[i]);
        for (int gate = 0; gate < TC_PROFILE_KERNEL_EXTENSION; gate++) {
            assert_int_equal(says(profile, &defender, (enum tc_profile_gate)gate),
                             expected[i][gate]);
            assert_int_equal(says(profile, &us, (enum tc_profile_gate)gate),
                             TC_PROFILE_NOTHING);
        }
        tc_profile_free(profile);
    }
}

static void old_defender_kernel_profile_allows_by_team(void **state)
{
    struct tc_profile *profile =
        parse(PROFILE("Defender - KEXT",
                      KERNEL(CLOSED "<key>AllowNonAdminUserApprovals</key><false/>" TEAM(
                          "AllowedTeamIdentifiers", ITEM("UBF8T346G9")))));

    (void)state;
    assert_int_equal(says(profile, &defender, TC_PROFILE_KERNEL_EXTENSION),
                     TC_PROFILE_ALLOWS);
    assert_int_equal(says(profile, &us, TC_PROFILE_KERNEL_EXTENSION), TC_PROFILE_FORBIDS);
    assert_int_equal(says(profile, &us, TC_PROFILE_ES_EXTENSION), TC_PROFILE_NOTHING);
    tc_profile_free(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profile_that_lists_an_extension_allows_its_gate),
        cmocka_unit_test(profile_that_lists_the_team_allows_both_extensions),
        cmocka_unit_test(extension_of_another_team_is_not_allowed),
        cmocka_unit_test(closed_list_forbids_what_it_does_not_list),
        cmocka_unit_test(types_of_the_team_deny_a_type_that_they_leave_out),
        cmocka_unit_test(types_of_another_team_change_nothing),
        cmocka_unit_test(extension_that_may_not_be_removed_is_pinned),
        cmocka_unit_test(team_in_both_allowed_keys_is_rejected),
        cmocka_unit_test(kernel_extensions_are_closed_unless_a_profile_opens_them),
        cmocka_unit_test(filter_allows_with_all_its_parts_alone),
        cmocka_unit_test(disk_access_may_be_allowed_in_every_spelling),
        cmocka_unit_test(most_restrictive_entry_wins),
        cmocka_unit_test(channel_is_a_ring_under_its_old_and_new_name),
        cmocka_unit_test(channel_that_is_no_ring_is_a_warning),
        cmocka_unit_test(rule_is_the_table_of_the_header),
        cmocka_unit_test(wrong_values_are_refused_with_their_place),
        cmocka_unit_test(what_is_no_profile_is_refused_with_what_it_is),
        cmocka_unit_test(xml_that_is_not_well_formed_is_refused_with_its_place),
        cmocka_unit_test(xml_is_bounded_in_depth_and_size),
        cmocka_unit_test(binary_form_says_the_same),
        cmocka_unit_test(binary_is_refused_with_the_path_of_the_value),
        cmocka_unit_test(binary_key_that_stands_twice_is_refused),
        cmocka_unit_test(regress_nul_in_a_binary_key_is_refused),
        cmocka_unit_test(byte_order_mark_and_blank_lines_may_come_first),
        cmocka_unit_test(entities_are_read_in_keys_and_strings),
        cmocka_unit_test(binary_that_grows_when_written_out_is_refused),
        cmocka_unit_test(binary_that_holds_itself_is_refused),
        cmocka_unit_test(binary_that_is_cut_or_points_outside_is_refused),
        cmocka_unit_test(our_samples_grant_what_they_say),
        cmocka_unit_test(published_profiles_parse_and_grant_us_nothing),
        cmocka_unit_test(defender_profiles_grant_all_gates_to_its_identity),
        cmocka_unit_test(old_defender_kernel_profile_allows_by_team),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
