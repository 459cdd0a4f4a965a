/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration's promises: what is refused, where and why; how files add up; what a
 * reload can change; and that table, sample file and manual know the same keys.
 */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/conf/config.h"
#include "ipc/pack.h"

#define SAMPLE TEST_SOURCE_DIR "/config/tocsin.yaml"
#define MANUAL TEST_SOURCE_DIR "/docs/man/tocsin.yaml.5"

static const struct tocsin_option acme_keys[] = {
    {.name = "watch", .type = TOCSIN_OPTION_LIST, .fallback = "/a, /b", .help = "x"},
    {.name = "depth",
     .type = TOCSIN_OPTION_INT,
     .fallback = "3",
     .help = "x",
     .min = -5,
     .max = 9},
    {.name = "fast", .type = TOCSIN_OPTION_BOOL, .fallback = "false", .help = "x"},
    {.name = "limit", .type = TOCSIN_OPTION_SIZE, .fallback = "64k", .help = "x"},
    {.name = NULL},
};
static const struct tc_option_table acme_table = {acme_keys, sizeof(acme_keys[0])};

static struct tc_config *read_good(const char *text)
{
    struct tc_config *config = NULL;
    char why[256] = "";

    if (tc_config_read_text("t.yaml", text, &config, why) < 0)
        fail_msg("refused: %s\n%s", why, text);
    return config;
}

/* `text` must be refused at `place` with a sentence that has `fragment`. */
static void check_refused(const char *text, const char *place, const char *fragment)
{
    struct tc_config *config = NULL;
    char why[256] = "", start[64];
    int r = tc_config_read_text("t.yaml", text, &config, why);

    snprintf(start, sizeof(start), "t.yaml:%s: ", place);
    if (r == 0)
        fail_msg("taken: %s", text);
    if (r != -EINVAL || strncmp(why, start, strlen(start)) || !strstr(why, fragment))
        fail_msg("of %s\n  got  %d \"%s\"\n  want \"%s\" and \"%s\"", text, r, why, start,
                 fragment);
    assert_null(config);
    assert_null(strchr(why, '\n'));
}

struct refusal {
    const char *text, *place, *fragment;
};

static void check_all_refused(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_refused(cases[i].text, cases[i].place, cases[i].fragment);
}

#define CHECK_ALL_REFUSED(cases)                                                         \
    check_all_refused(cases, sizeof(cases) / sizeof(cases[0]))

static void config_of_an_empty_file_is_the_defaults(void **state)
{
    static const char *const texts[] = {
        "",
        "# nothing\n",
        "---\n",
        "~\n",
        "paths:\nlog:\nplugins:\nexclusions:\n",
        "{}\n",
        "\xef\xbb\xbf# a byte order mark\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct tc_config *config = read_good(texts[i]);
        const struct tc_options *core = tc_config_core(config);

        assert_string_equal(tc_options_text(core, "paths.state"), "/var/lib/tocsin");
        assert_string_equal(tc_options_item(core, "sensor.fallback", 0), "kext");
        assert_null(tc_options_item(core, "sensor.fallback", 1));
        assert_int_equal(tc_options_int(core, "approval.timeout"), 60000);
        assert_true(tc_options_bool(core, "approval.bridge"));
        assert_null(tc_config_plugin(config, 0));
        tc_config_free(config);
    }
}

static void config_reads_every_type(void **state)
{
    struct tc_config *config = read_good("mode: passive\n"
                                         "approval: {timeout: 90s, bridge: false}\n"
                                         "prerequisites:\n"
                                         "  os_version: 5.10\n"
                                         "paths:\n"
                                         "  plugins:\n"
                                         "    - /a\n"
                                         "    - \"/b c\"\n");
    const struct tc_options *core = tc_config_core(config);

    (void)state;
    assert_string_equal(tc_options_text(core, "mode"), "passive");
    assert_int_equal(tc_options_int(core, "approval.timeout"), 90000);
    assert_false(tc_options_bool(core, "approval.bridge"));
    assert_string_equal(tc_options_text(core, "prerequisites.os_version"), "5.10");
    assert_string_equal(tc_options_item(core, "paths.plugins", 1), "/b c");
    assert_string_equal(tc_options_text(core, "verdict.on_timeout"), "allow");
    tc_config_free(config);
}

static void config_names_the_place_of_an_unknown_key(void **state)
{
    static const struct refusal cases[] = {
        {"mode: block\nmoed: block\n", "2:1", "did you mean \"mode\"?"},
        {"approval:\n  tiemout: 5s\n", "2:3", "did you mean \"timeout\"?"},
        {"aproval: {timeout: 60s}\n", "1:1", "did you mean \"approval\"?"},
        {"plugin: {}\n", "1:1", "did you mean \"plugins\"?"},
        {"budget: 10s\n", "1:1", "it belongs under \"verdict:\""},
        {"approval.timeout: 60s\n", "1:1", "a map within a map"},
        {"paths: {zzzzzzzz: /x}\n", "1:9", "unknown key \"paths.zzzzzzzz\""},
        {"<<: {mode: block}\n", "1:1", "unknown key \"<<\""},
        {"\"a\\nb\": 1\n", "1:1", "unknown key \"a?b\""},
    };

    (void)state;
    CHECK_ALL_REFUSED(cases);
}

static void config_says_what_a_value_should_have_been(void **state)
{
    static const struct refusal cases[] = {
        {"mode: blok\n", "1:7", "mode: \"blok\" is not one of block, passive"},
        {"mode:\n", "1:1", "there is no value"},
        {"approval: {timeout: , bridge: true}\n", "1:12", "there is no value"},
        {"log:\n  level: # none\n", "2:3", "there is no value"},
        {"exclusions:\n  -\n", "2:3", "an exclusion must be a map of keys"},
        {"mode: !!str\n", "1:1", "tags"},
        {"mode: ~\n", "1:7", "there is no value"},
        {"mode: [block]\n", "1:7", "must be one value, not a list"},
        {"mode: {a: b}\n", "1:7", "must be one value, not a map"},
        {"approval:\n  bridge: yes\n", "2:11", "neither true nor false"},
        {"approval:\n  bridge: 'true'\n", "2:11", "write true without them"},
        {"approval:\n  bridge: 'yes'\n", "2:11", "must be true or false, without quotes"},
        {"approval: {timeout: 60}\n", "1:21", "is not a duration"},
        {"approval: {timeout: 9s}\n", "1:21", "out of range: 10s to 1h"},
        {"approval: {timeout: 61m}\n", "1:21", "out of range: 10s to 1h"},
        {"approval: {timeout: 99999999999999999999s}\n", "1:21", "out of range"},
        {"verdict: {budget: 99ms}\n", "1:19", "out of range: 100ms to 1m"},
        {"verdict: {budget: -1s}\n", "1:19", "out of range: 100ms to 1m"},
        {"paths: {state: lib}\n", "1:16", "\"lib\" must be an absolute path"},
        {"paths: {plugins: /a}\n", "1:18", "must be a list, as in [/a]"},
        {"paths: {plugins: {a: b}}\n", "1:18", "must be a list, not a map"},
        {"paths: {plugins: [/a, b]}\n", "1:23", "\"b\" must be an absolute path"},
        {"paths: {plugins: [/a, [b]]}\n", "1:23", "item 2 of the list must be a text"},
        {"paths: {plugins: ['']}\n", "1:19", "must be an absolute path"},
        {"paths: {runtime: /"
         "12345678901234567890123456789012345678901234567890"
         "123456789012345678901234567890123456789012345}\n",
         "1:18", "is too long"},
        {"paths: /var\n", "1:8", "paths must be a map of keys, not one value"},
        {"prerequisites: {os_version: five}\n", "1:29", "must be numbers with dots"},
        {"prerequisites: {os_version: 5.}\n", "1:29", "must be numbers with dots"},
        {"prerequisites: {release_rings: [current, rent]}\n", "1:42",
         "\"rent\" must be current, preview or beta"},
        {"identity: {team: \"a b\"}\n", "1:18", "letters, digits"},
        {"sensor: {primary: ES}\n", "1:19", "must be the name of a plugin"},
        {"log: {level: loud}\n", "1:14",
         "not one of error, warning, notice, info, debug"},
        {"[1, 2]\n", "1:1", "the file must be a map of keys, not a list"},
        {"hello\n", "1:1", "the file must be a map of keys, not one value"},
    };

    (void)state;
    CHECK_ALL_REFUSED(cases);
}

static void config_passes_on_the_reason_of_the_yaml_parser(void **state)
{
    static const struct refusal cases[] = {
        {"log:\n\tlevel: info\n", "2:1", "tab character"},
        {"log:\n  level: info\n mode: block\n", "3:2", "indentation"},
        {"mode: 'block\n", "1:8", "quote"},
        {"paths: {plugins: [/a\n", "", "bracket"},
        {"mode: @block\n", "1:7", "'@'"},
        {"mode: block: x\n", "1:12", "mapping"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tc_config *config = NULL;
        char why[256] = "";

        assert_int_equal(tc_config_read_text("t.yaml", cases[i].text, &config, why),
                         -EINVAL);
        if (!strstr(why, cases[i].fragment) || strncmp(why, "t.yaml:", 7))
            fail_msg("of %s: \"%s\" without \"%s\"", cases[i].text, why,
                     cases[i].fragment);
        if (*cases[i].place)
            check_refused(cases[i].text, cases[i].place, cases[i].fragment);
    }
}

static void config_refuses_what_yaml_allows(void **state)
{
    static const struct refusal cases[] = {
        {"mode: block\nmode: passive\n", "2:1", "already at line 1"},
        {"paths: {state: /a, \"state\": /b}\n", "1:20", "already at line 1"},
        {"mode: |\n  block\n", "2:1", "texts in blocks"},
        {"log:\n  level: >-\n  info: x\n", "3:1", "texts in blocks"},
        {"mode: |\n", "2:1", "texts in blocks"},
        {"mode: block\n---\nmode: passive\n", "2:1", "a second document"},
        {"mode: !!str block\n", "1:13", "tags"},
        {"? [mode]\n: block\n", "1:3", "a key must be a plain text"},
        {": block\n", "1:1", "there is no key"},
        {"mode: \"blo\\0ck\"\n", "1:7", "NUL"},
        {"mode: block\nlog: \x01\n", "2:6", "0x01"},
        {"mode: block\n# \xff\xfe\n", "2:1", "UTF-8"},
        {"mode: *other\n", "1:7", "there is no anchor &other"},
        {"paths: &p {plugins: *p}\n", "1:21", "there is no anchor &p"},
    };

    (void)state;
    CHECK_ALL_REFUSED(cases);
}

/* libfyaml's own reading has a quote too many where four stand in a row. */
static void regress_config_reads_four_quotes_as_two(void **state)
{
    struct tc_config *config = read_good("paths: {state: '/a''''b', plugins: ['/''''']}\n"
                                         "plugins: {acme: {watch: ['/x''''''y''z']}}\n");
    const struct tc_options *core = tc_config_core(config);
    struct tc_options *options = NULL;
    char why[256];

    (void)state;
    assert_string_equal(tc_options_text(core, "paths.state"), "/a''b");
    assert_string_equal(tc_options_item(core, "paths.plugins", 0), "/''");
    assert_int_equal(tc_config_bind(config, "acme", acme_table, &options, why), 0);
    assert_string_equal(tc_options_item(options, "watch", 0), "/x'''y'z");
    tc_options_free(options);
    tc_config_free(config);
}

static void config_follows_aliases(void **state)
{
    struct tc_config *config = read_good("paths: {state: &s /var/x, managed: *s}\n"
                                         "plugins:\n"
                                         "  a: &a {watch: [/x, /y], depth: 4}\n"
                                         "  b: *a\n");
    struct tc_options *options = NULL;
    char why[256];

    (void)state;
    assert_string_equal(tc_options_text(tc_config_core(config), "paths.managed"),
                        "/var/x");
    assert_int_equal(tc_config_bind(config, "b", acme_table, &options, why), 0);
    assert_string_equal(tc_options_item(options, "watch", 1), "/y");
    assert_int_equal(tc_options_int(options, "depth"), 4);
    tc_options_free(options);
    tc_config_free(config);
}

static void config_fallback_watches_what_the_primary_does(void **state)
{
    static const struct {
        const char *own, *watch;
    } cases[] = {{"{depth: 2}", "/x"}, {"{watch: [/z]}", "/z"}};
    char text[256], why[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tc_options *options = NULL;
        struct tc_config *config;

        snprintf(text, sizeof(text),
                 "sensor: {primary: es, fallback: [kext]}\n"
                 "plugins:\n  es: {watch: [/x], depth: 9}\n  kext: %s\n",
                 cases[i].own);
        config = read_good(text);
        assert_int_equal(tc_config_bind(config, "kext", acme_table, &options, why), 0);
        assert_string_equal(tc_options_item(options, "watch", 0), cases[i].watch);
        assert_null(tc_options_item(options, "watch", 1));
        assert_int_not_equal(tc_options_int(options, "depth"), 9);
        tc_options_free(options);
        tc_config_free(config);
    }
}

static void config_leaves_to_the_primary_what_it_watches(void **state)
{
    static const struct tocsin_option own[] = {
        {.name = "told_elsewhere", .type = TOCSIN_OPTION_LIST, .fallback = "/d"},
        {.name = NULL}};
    static const struct {
        const char *text, *elsewhere;
    } cases[] = {{"es: {watch: [/x]}\n  trace: {}\n", "/x"},
                 {"es: {watch: [/x]}\n  trace: {told_elsewhere: [/z]}\n", "/z"},
                 {"es: {}\n  trace: {}\n", "/d"}};
    char text[256], why[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tc_options *options = NULL;
        struct tc_config *config;

        snprintf(text, sizeof(text), "sensor: {primary: es}\nplugins:\n  %s",
                 cases[i].text);
        config = read_good(text);
        assert_int_equal(tc_config_bind(config, "trace",
                                        (struct tc_option_table){own, sizeof(own[0])},
                                        &options, why),
                         0);
        assert_string_equal(tc_options_item(options, "told_elsewhere", 0),
                            cases[i].elsewhere);
        assert_null(tc_options_item(options, "told_elsewhere", 1));
        tc_options_free(options);
        tc_config_free(config);
    }
}

static void config_bounds_what_aliases_grow_into(void **state)
{
    char text[4096];
    size_t len = 0;

    (void)state;
    len += (size_t)snprintf(text, sizeof(text), "plugins:\n  a:\n    k0: &k0 [x, x]\n");
    for (int i = 1; i <= 12; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "    k%d: &k%d [*k%d, *k%d, *k%d, *k%d, *k%d]\n", i, i,
                                i - 1, i - 1, i - 1, i - 1, i - 1);
    check_refused(text, "10:29", "with its aliases written out");
}

static void config_bounds_how_deep_values_nest(void **state)
{
    char text[4096] = "plugins: {a: {k: ";
    size_t len;

    (void)state;
    for (int i = 0; i < 40; i++)
        strcat(text, "[");
    for (int i = 0; i < 40; i++)
        strcat(text, "]");
    strcat(text, "}}\n");
    check_refused(text, "1:31", "more than 16 deep");

    len = (size_t)snprintf(text, sizeof(text), "plugins:\n  a:\n    k0: &k0 [x]\n");
    for (int i = 1; i <= 30; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "    k%d: &k%d [*k%d]\n",
                                i, i, i - 1);
    {
        struct tc_config *config = NULL;
        char why[256];

        assert_int_equal(tc_config_read_text("t", text, &config, why), -EINVAL);
        assert_non_null(strstr(why, "more than 16 deep"));
    }
}

static void config_bounds_the_size_of_a_file(void **state)
{
    size_t size = (1 << 20) + 1;
    char *text = malloc(size + 1);

    (void)state;
    assert_non_null(text);
    memset(text, '#', size);
    text[size] = '\0';
    check_refused(text, "1:1", "larger than 1 MiB");
    free(text);
}

/* `count` times `line` with a number, after `head` and before `tail`, is refused. */
static void check_too_many(const char *head, const char *line, size_t count,
                           const char *tail, const char *fragment)
{
    size_t cap = 64 + count * 32;
    char *text = malloc(cap), why[256] = "";
    struct tc_config *config = NULL;
    size_t len;

    assert_non_null(text);
    /* One less is taken, so that it is this bound and no other. */
    for (size_t extra = 0; extra < 2; extra++) {
        int r;

        len = (size_t)snprintf(text, cap, "%s", head);
        for (size_t i = 0; i < count - 1 + extra; i++) {
            len += (size_t)snprintf(text + len, cap - len, "%s", line);
            len += (size_t)snprintf(text + len, cap - len, "%zu%s", i, tail);
        }
        r = tc_config_read_text("t", text, &config, why);
        if (extra ? r != -EINVAL || !strstr(why, fragment) : r != 0)
            fail_msg("%zu: %d \"%s\"", count - 1 + extra, r, why);
        if (r == 0)
            tc_config_free(config);
    }
    free(text);
}

static void config_bounds_how_many_there_may_be(void **state)
{
    (void)state;
    check_too_many("plugins:\n", "  p", 65, ":\n", "more than 64 plugins");
    check_too_many("plugins:\n  a:\n", "    k", 257, ": 1\n", "more than 256 keys");
    check_too_many("plugins:\n  a:\n    k:\n", "      k", 1025, ": 1\n", "1024 keys");
    check_too_many("exclusions:\n", "- path: /a", 4097, "\n",
                   "more than 4096 exclusions");
    check_too_many("exclusions:\n", "- path: &x", 65, " /a\n", "more than 64 anchors");
    check_too_many("paths:\n plugins:\n", " - /", 4097, "\n", "longer than 4096");
}

static void config_lists_plugins_in_order_with_their_settings(void **state)
{
    struct tc_config *config = read_good("plugins:\n"
                                         "  zeta: {enabled: false}\n"
                                         "  acme:\n"
                                         "    file: /opt/acme.so\n"
                                         "    isolate: false\n"
                                         "    depth: 5\n"
                                         "  bare:\n");
    struct tc_plugin_settings settings;

    (void)state;
    assert_string_equal(tc_config_plugin(config, 0), "zeta");
    assert_string_equal(tc_config_plugin(config, 1), "acme");
    assert_string_equal(tc_config_plugin(config, 2), "bare");
    assert_null(tc_config_plugin(config, 3));
    assert_int_equal(tc_config_plugin_settings(config, "zeta", &settings), 0);
    assert_false(settings.enabled);
    assert_null(settings.file);
    assert_int_equal(tc_config_plugin_settings(config, "acme", &settings), 0);
    assert_true(settings.enabled);
    assert_string_equal(settings.file, "/opt/acme.so");
    assert_string_equal(settings.place, "t.yaml:3:3");
    assert_int_equal(tc_config_plugin_settings(config, "none", &settings), -ENOENT);
    assert_true(settings.enabled);
    assert_null(settings.file);
    tc_config_free(config);
}

static void config_refuses_wrong_plugin_sections(void **state)
{
    static const struct refusal cases[] = {
        {"plugins: {Acme: {}}\n", "1:11", "cannot be a plugin's name"},
        {"plugins: {all: {}}\n", "1:11", "cannot be a plugin's name"},
        {"plugins: {../x: {}}\n", "1:11", "cannot be a plugin's name"},
        {"plugins: {acme: 5}\n", "1:17", "acme must be a map of keys"},
        {"plugins: [acme]\n", "1:10", "plugins must be a map of keys"},
        {"plugins: {acme: {enabled: on}}\n", "1:27", "neither true nor false"},
        {"plugins: {acme: {file: acme.so}}\n", "1:24", "must be an absolute path"},
        {"plugins:\n  acme:\n    isolate: on\n", "3:14", "neither true nor false"},
    };

    (void)state;
    CHECK_ALL_REFUSED(cases);
}

static void config_binds_a_plugin_to_its_table(void **state)
{
    struct tc_config *config =
        read_good("plugins: {acme: {watch: [/x], depth: -5, limit: 10M, fast: true}}\n");
    struct tc_options *options = NULL;
    char why[256];

    (void)state;
    assert_int_equal(tc_config_bind(config, "acme", acme_table, &options, why), 0);
    assert_string_equal(tc_options_item(options, "watch", 0), "/x");
    assert_int_equal(tc_options_int(options, "depth"), -5);
    assert_int_equal(tc_options_int(options, "limit"), 10 << 20);
    assert_true(tc_options_bool(options, "fast"));
    tc_options_free(options);

    assert_int_equal(tc_config_bind(config, "unnamed", acme_table, &options, why), 0);
    assert_string_equal(tc_options_item(options, "watch", 1), "/b");
    tc_options_free(options);
    tc_config_free(config);
}

static void config_names_the_place_of_a_plugins_wrong_value(void **state)
{
    static const struct refusal cases[] = {
        {"plugins:\n  acme:\n    wacth: [/a]\n", "3:5", "did you mean \"watch\"?"},
        {"plugins:\n  acme:\n    enable: true\n", "3:5", "did you mean \"enabled\"?"},
        {"plugins:\n  acme:\n    colour: red\n", "3:5", "tocsin plugin info"},
        {"plugins:\n  acme:\n    depth: 10\n", "3:12", "out of range: -5 to 9"},
        {"plugins:\n  acme:\n    depth: \"1\"\n", "3:12", "write 1 without them"},
        {"plugins:\n  acme:\n    limit: 10MB\n", "3:12", "is not a size"},
        {"plugins:\n  acme:\n    watch: /a\n", "3:12", "must be a list"},
        {"plugins:\n  acme:\n    watch: {a: b}\n", "3:12", "must be a list, not a map"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tc_config *config = read_good(cases[i].text);
        struct tc_options *options = NULL;
        char why[256] = "", start[64];

        snprintf(start, sizeof(start), "t.yaml:%s: ", cases[i].place);
        assert_int_equal(tc_config_bind(config, "acme", acme_table, &options, why),
                         -EINVAL);
        if (strncmp(why, start, strlen(start)) || !strstr(why, cases[i].fragment))
            fail_msg("got \"%s\", want %s %s", why, start, cases[i].fragment);
        assert_null(options);
        tc_config_free(config);
    }
}

/* ---- Files ---- */

struct folder {
    char path[64];
    char main[128];
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    char sub[128];

    assert_non_null(folder);
    strcpy(folder->path, "/tmp/test_config.XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->main, sizeof(folder->main), "%s/tocsin.yaml", folder->path);
    snprintf(sub, sizeof(sub), "%s/conf.d", folder->path);
    assert_int_equal(mkdir(sub, 0755), 0);
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", folder->path);
    assert_int_equal(system(command), 0);
    free(folder);
    return 0;
}

static void write_file(const struct folder *folder, const char *name, const char *text)
{
    char path[256];
    FILE *out;

    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, 0644), 0);
}

static void config_merges_files_key_by_key_in_name_order(void **state)
{
    const struct folder *folder = *state;
    struct tc_config *config = NULL;
    struct tc_options *options = NULL;
    struct tc_plugin_settings settings;
    char why[256] = "";

    write_file(folder, "tocsin.yaml",
               "mode: block\napproval: {timeout: 20s, bridge: false}\n"
               "paths: {plugins: [/a, /b]}\n"
               "exclusions: [{path: /one}]\n"
               "plugins: {acme: {depth: 1, fast: true}, beta: {}}\n");
    write_file(folder, "conf.d/20-b.yaml",
               "approval: {timeout: 40s}\nplugins: {acme: {depth: 3}}\n");
    write_file(folder, "conf.d/10-a.yaml",
               "approval: {timeout: 30s}\npaths: {plugins: [/c]}\n"
               "exclusions: [{path: /two}]\n"
               "plugins: {acme: {depth: 2, enabled: false}, gamma: {}}\n");
    write_file(folder, "conf.d/30.yaml.bak", "nonsense");
    write_file(folder, "conf.d/.hidden.yaml", "nonsense");
    if (tc_config_read(folder->main, &config, why) < 0)
        fail_msg("%s", why);
    assert_int_equal(tc_options_int(tc_config_core(config), "approval.timeout"), 40000);
    assert_false(tc_options_bool(tc_config_core(config), "approval.bridge"));
    assert_string_equal(tc_options_item(tc_config_core(config), "paths.plugins", 0),
                        "/c");
    assert_null(tc_options_item(tc_config_core(config), "paths.plugins", 1));
    assert_int_equal(tc_config_excluded(config, "acme", "/one", NULL), 0);
    assert_int_equal(tc_config_excluded(config, "acme", "/two", NULL),
                     TOCSIN_EXCLUDED_BY_PATH);
    assert_string_equal(tc_config_plugin(config, 2), "gamma");
    assert_int_equal(tc_config_plugin_settings(config, "acme", &settings), 0);
    assert_false(settings.enabled);
    assert_non_null(strstr(settings.place, "/conf.d/20-b.yaml:2:11"));
    assert_int_equal(tc_config_bind(config, "acme", acme_table, &options, why), 0);
    assert_int_equal(tc_options_int(options, "depth"), 3);
    assert_true(tc_options_bool(options, "fast"));
    tc_options_free(options);
    tc_config_free(config);
}

static void config_names_the_file_of_conf_d_that_is_wrong(void **state)
{
    const struct folder *folder = *state;
    struct tc_config *config = NULL;
    char why[256] = "";

    write_file(folder, "tocsin.yaml", "mode: block\n");
    write_file(folder, "conf.d/10.yaml", "mode: passive\nmoed: x\n");
    assert_int_equal(tc_config_read(folder->main, &config, why), -EINVAL);
    assert_non_null(strstr(why, "/conf.d/10.yaml:2:1: unknown key"));
    assert_null(config);
}

static void config_needs_no_conf_d_but_a_file(void **state)
{
    const struct folder *folder = *state;
    struct tc_config *config = NULL;
    char sub[128], why[256] = "";

    snprintf(sub, sizeof(sub), "%s/conf.d", folder->path);
    assert_int_equal(rmdir(sub), 0);
    assert_int_equal(tc_config_read(folder->main, &config, why), -ENOENT);
    assert_non_null(strstr(why, "/tocsin.yaml:1:1: No such file"));
    write_file(folder, "tocsin.yaml", "");
    assert_int_equal(tc_config_read(folder->main, &config, why), 0);
    tc_config_free(config);
}

static void config_refuses_a_fifo_a_folder_and_a_file_all_may_write(void **state)
{
    const struct folder *folder = *state;
    struct tc_config *config = NULL;
    char path[128], why[256] = "";

    write_file(folder, "tocsin.yaml", "mode: block\n");
    snprintf(path, sizeof(path), "%s/conf.d/x.yaml", folder->path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(tc_config_read(folder->main, &config, why), -EINVAL);
    assert_non_null(strstr(why, "/x.yaml:1:1: this is not a regular file"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(tc_config_read(folder->main, &config, why), -EINVAL);
    assert_non_null(strstr(why, "not a regular file"));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(chmod(folder->main, 0666), 0);
    assert_int_equal(tc_config_read(folder->main, &config, why), -EINVAL);
    assert_non_null(strstr(why, "chmod o-w"));
}

/* ---- Exclusions ---- */

static void config_matches_exclusion_patterns(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool hit;
    } cases[] = {
        {"/a", "/a", true},
        {"/a", "/ab", false},
        {"/a", "/a/b", false},
        {"/a/**", "/a/b", true},
        {"/a/**", "/a/b/c", true},
        {"/a/**", "/a", false},
        {"/a/**", "/ab/c", false},
        {"/a/*", "/a/b", true},
        {"/a/*", "/a/b/c", false},
        {"/a/*/c", "/a/b/c", true},
        {"/a/*/c", "/a/b/d/c", false},
        {"/a/**/c", "/a/c", true},
        {"/a/**/c", "/a/b/c", true},
        {"/a/**/c", "/a/b/d/c", true},
        {"/a/**/c", "/a/bc", false},
        {"/a/**/c", "/a/c/d", false},
        {"/a/**/x*/y*", "/a/x1/z/x2/y", true},
        {"/a/**/x*/y*", "/a/x1/z/x2/z", false},
        {"/a**/c", "/abc/d/c", true},
        {"/a**/c", "/ac", false},
        {"**/*.log", "/var/log/x.log", true},
        {"**/*.log", "/x.log", true},
        {"**/*.log", "/x.logs", false},
        {"**/node_modules/**", "/home/u/node_modules/a/b.js", true},
        {"/a/?.txt", "/a/b.txt", true},
        {"/a/?.txt", "/a//.txt", false},
        {"/a/?", "/a/", false},
        {"/a\\*b", "/a*b", true},
        {"/a\\*b", "/axb", false},
        {"/x*a\\?b", "/x1a?b", true},
        {"/x*a\\?b", "/x1a1b", false},
        {"/*a*a*a*a*a*a*a*b", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
        {"/[a]", "/[a]", true},
        {"/[a]", "/a", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tc_config *config;
        char text[256];
        int found;

        snprintf(text, sizeof(text), "exclusions: [{path: '%s'}]\n", cases[i].pattern);
        config = read_good(text);
        found = tc_config_excluded(config, "av", cases[i].path, "/bin/x");
        if (found != (cases[i].hit ? TOCSIN_EXCLUDED_BY_PATH : TOCSIN_NOT_EXCLUDED))
            fail_msg("%s and %s: %d", cases[i].pattern, cases[i].path, found);
        tc_config_free(config);
    }
}

static void config_knows_exclusions_that_let_everything_in_a_folder_pass(void **state)
{
    static const struct {
        const char *exclusions;
        bool covers; /* /home, for av */
    } cases[] = {
        {"[{path: '/**'}]", true},
        {"[{path: '**/*'}]", true},
        {"[{path: '/home/**'}]", true},
        {"[{path: '/h*/**'}]", true},
        {"[{path: '/home/*'}, {path: '/home/*/**'}]", true},
        {"[{path: '/home/**', scope: av}]", true},
        {"[{process: '/**'}]", true},
        {"[{process: '**/*'}]", true},
        {"[{path: '/home/**', scope: edr}]", false},
        {"[{path: '/home/*'}]", false},
        {"[{path: '/home/ann/**'}]", false},
        {"[{path: '**/*.log'}]", false},
        {"[{path: '**/*.*'}]", false},
        {"[{path: '/home'}]", false},
        {"[{path: '/homes/**'}]", false},
        {"[{path: '/home/a?c/**'}]", false},
        {"[{process: '/usr/bin/**'}]", false},
        {"[]", false},
    };
    struct tc_config *config;
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), "plugins: {av: {}, edr: {}}\nexclusions: %s\n",
                 cases[i].exclusions);
        config = read_good(text);
        if (tc_config_excludes_all(config, "av", "/home") != cases[i].covers ||
            tc_config_excludes_all(config, "av", "/home/") != cases[i].covers)
            fail_msg("%s", cases[i].exclusions);
        tc_config_free(config);
    }
}

static void config_excludes_by_scope_path_and_process(void **state)
{
    struct tc_config *config =
        read_good("exclusions:\n"
                  "  - {process: /usr/bin/rsync, scope: all, reason: backups}\n"
                  "  - {path: \"/var/db/**\", scope: av}\n"
                  "plugins: {av: {}, es: {}}\n");

    (void)state;
    assert_int_equal(tc_config_excluded(config, "av", "/var/db/x", "/bin/sh"),
                     TOCSIN_EXCLUDED_BY_PATH);
    assert_int_equal(tc_config_excluded(config, "av", "/var/db/x", "/usr/bin/rsync"),
                     TOCSIN_EXCLUDED_BY_PATH);
    assert_int_equal(tc_config_excluded(config, "es", "/var/db/x", "/usr/bin/rsync"),
                     TOCSIN_EXCLUDED_BY_PROCESS);
    assert_int_equal(tc_config_excluded(config, "es", "/var/db/x", "/bin/sh"),
                     TOCSIN_NOT_EXCLUDED);
    assert_int_equal(tc_config_excluded(config, "es", NULL, NULL), TOCSIN_NOT_EXCLUDED);
    assert_int_equal(tc_config_excluded(config, "av", NULL, "/usr/bin/rsync"),
                     TOCSIN_EXCLUDED_BY_PROCESS);
    tc_config_free(config);
}

static void config_knows_who_has_exclusions(void **state)
{
    struct tc_config *config =
        read_good("exclusions: [{path: /x, scope: av}]\nplugins: {av: {}}\n");

    (void)state;
    assert_true(tc_config_has_exclusions(config, "av"));
    assert_false(tc_config_has_exclusions(config, "es"));
    tc_config_free(config);
}

static void config_refuses_wrong_exclusions(void **state)
{
    static const struct refusal cases[] = {
        {"exclusions: /a\n", "1:13", "must be a list"},
        {"exclusions: [/a]\n", "1:14", "an exclusion must be a map of keys"},
        {"exclusions: [{scope: all}]\n", "1:14", "must have a path or a process"},
        {"exclusions: [{path: /a, process: /b}]\n", "1:25", "make it two"},
        {"exclusions: [{paht: /a}]\n", "1:15", "unknown key \"paht\""},
        {"exclusions: [{path: [/a]}]\n", "1:21", "path: must be one text"},
        {"exclusions: [{path: a/b}]\n", "1:21", "must begin with / or **/"},
        {"exclusions: [{path: /a/}]\n", "1:21", "write \"/a/**\""},
        {"exclusions: [{path: '/a\\'}]\n", "1:21", "backslash"},
        {"exclusions: [{path: /a, scope: A!}]\n", "1:32", "name of a plugin"},
        {"exclusions: [{path: /a, scope: avv}]\nplugins: {av: {}}\n", "1:32",
         "not among the plugins"},
    };

    (void)state;
    CHECK_ALL_REFUSED(cases);
}

/* ---- Reload, show, documents ---- */

static void config_names_the_keys_that_wait_for_a_restart(void **state)
{
    struct tc_config *before = read_good("mode: block\n");
    struct tc_config *after = read_good("mode: passive\nrelease_ring: beta\n"
                                        "paths: {plugins: [/x]}\n");
    char buf[128], tight[8];

    (void)state;
    assert_int_equal(tc_config_restart_keys(before, after, buf, sizeof(buf)), 2);
    assert_string_equal(buf, "paths.plugins, release_ring");
    assert_int_equal(tc_config_restart_keys(before, after, tight, sizeof(tight)), 2);
    assert_string_equal(tight, "");
    assert_int_equal(tc_config_restart_keys(after, after, buf, sizeof(buf)), 0);
    assert_string_equal(buf, "");
    assert_int_equal(tc_config_restart_keys(before, after, NULL, 0), 2);
    tc_config_free(before);
    tc_config_free(after);
}

static void config_names_the_keys_that_have_changed(void **state)
{
    static const struct {
        const char *before, *after, *names;
    } cases[] = {
        {"mode: block\n", "{}\n", ""},
        {"mode: block\n", "mode: passive\nverdict: {budget: 9s}\n",
         "mode, verdict.budget"},
        {"verdict: {budget: 60s}\n", "verdict: {budget: 1m}\n", ""},
        {"exclusions: [{path: /a}]\n", "exclusions: [{path: /a, reason: slow}]\n",
         "exclusions"},
        {"exclusions: [{path: /a}]\n", "exclusions: [{path: /a}, {path: /b}]\n",
         "exclusions"},
        {"exclusions: [{path: /a}]\n", "exclusions: [{process: /a}]\n", "exclusions"},
        {"exclusions: [{path: /a}]\n", "exclusions:\n  - path: /a\n    scope: all\n", ""},
        {"plugins: {es: {watch: [/a]}}\n", "plugins: {es: {watch: [ '/a' ]}}\n", ""},
        {"plugins: {es: {watch: [/a]}}\n", "plugins: {es: {watch: [/a, /b]}}\n",
         "plugins.es.watch"},
        {"plugins: {es: {watch: [/a, /b]}}\n", "plugins: {es: {watch: [/a]}}\n",
         "plugins.es.watch"},
        {"plugins: {es: {x: 1}}\n", "plugins: {es: {enabled: false, y: 1}}\n",
         "plugins.es.enabled, plugins.es.y, plugins.es.x"},
        {"plugins: {es: {}}\n", "plugins: {av: {}}\n", "plugins.av, plugins.es"},
        {"plugins: {es: {}}\n", "plugins: {es: {enabled: true}}\n", ""},
    };
    struct tc_config *before, *after;
    char buf[128];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        before = read_good(cases[i].before);
        after = read_good(cases[i].after);
        tc_config_changed_keys(before, after, buf, sizeof(buf));
        assert_string_equal(buf, cases[i].names);
        tc_config_free(before);
        tc_config_free(after);
    }
}

static void config_names_of_changed_keys_are_whole_or_omitted(void **state)
{
    struct tc_config *before = read_good("mode: block\n");
    struct tc_config *after = read_good("mode: passive\nplugins: {es: {}}\n");
    char buf[10];

    (void)state;
    assert_int_equal(tc_config_changed_keys(before, after, buf, sizeof(buf)), 2);
    assert_string_equal(buf, "mode");
    assert_int_equal(tc_config_changed_keys(before, after, buf, 4), 2);
    assert_string_equal(buf, "");
    tc_config_free(before);
    tc_config_free(after);
}

static void config_shows_what_reads_back_the_same(void **state)
{
    struct tc_config *config = read_good(
        "approval: {timeout: 90s}\nprerequisites: {os_version: 5.10}\n"
        "exclusions:\n  - {path: \"/a b/\\\"c\\\"/**\", scope: acme, reason: 'it: is'}\n"
        "plugins:\n  acme: {depth: -5, fast: true, watch: [/x, 'true', \"a\\tb\"]}\n"
        "  beta: {enabled: false, file: /opt/b.so, note: {deep: [~, 5]}}\n");
    char *first = tc_config_show(config, NULL, NULL);
    struct tc_config *again = read_good(first);
    char *second = tc_config_show(again, NULL, NULL);
    struct tc_options *options = NULL;
    char why[256];

    (void)state;
    assert_string_equal(first, second);
    assert_non_null(strstr(first, "approval:\n  required: true\n  timeout: 90s\n"));
    assert_non_null(strstr(first, "os_version: \"5.10\""));
    assert_int_equal(tc_config_bind(again, "acme", acme_table, &options, why), 0);
    assert_int_equal(tc_options_int(options, "depth"), -5);
    assert_string_equal(tc_options_item(options, "watch", 2), "a\tb");
    assert_int_equal(tc_config_excluded(again, "acme", "/a b/\"c\"/d", NULL),
                     TOCSIN_EXCLUDED_BY_PATH);
    tc_options_free(options);
    tc_config_free(config);
    tc_config_free(again);
    free(first);
    free(second);
}

static struct tc_option_table table_of_acme(void *arg, const char *plugin)
{
    static const struct tc_option_table unknown = {NULL, 0};

    (void)arg;
    return strcmp(plugin, "acme") ? unknown : acme_table;
}

static void config_shows_the_defaults_of_plugins_that_are_known(void **state)
{
    struct tc_config *config =
        read_good("plugins:\n  acme: {fast: true}\n  beta: {note: 5}\n");
    char *shown = tc_config_show(config, table_of_acme, NULL);
    struct tc_config *again = read_good(shown);
    const struct tocsin_option *option;
    char line[128];

    (void)state;
    for (size_t i = 0; (option = tc_option_table_at(acme_table, i)); i++) {
        (void)snprintf(line, sizeof(line), "\n    %s: ", option->name);
        assert_non_null(strstr(shown, line));
    }
    assert_non_null(strstr(shown, "\n    fast: true\n"));
    assert_non_null(strstr(shown, "  beta:\n    enabled: true\n    note: 5\n"));
    tc_config_free(config);
    tc_config_free(again);
    free(shown);
}

static void config_that_is_shown_is_a_map_with_types(void **state)
{
    struct tc_config *config = read_good(
        "mode: passive\napproval: {timeout: 90s}\nprerequisites: {os_version: 5.10}\n"
        "plugins:\n  acme: {depth: -5, watch: [/x, 'true']}\n");
    char *shown = tc_config_show(config, table_of_acme, NULL);
    struct tc_pack p;
    struct tocsin_value v;

    (void)state;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    assert_int_equal(tc_config_put_shown(shown, "config", &p), 0);
    tc_pack_end(&p);
    assert_int_equal(p.error, 0);
    assert_true(tocsin_find(p.bytes.data, p.bytes.size, "config.plugins.acme.depth", &v));
    assert_int_equal(v.type, TOCSIN_INT);
    assert_true(tocsin_str_is(
        tocsin_find_str(p.bytes.data, p.bytes.size, "config.approval.timeout"), "90s"));
    assert_true(tocsin_str_is(
        tocsin_find_str(p.bytes.data, p.bytes.size, "config.prerequisites.os_version"),
        "5.10"));
    assert_true(
        tocsin_find_bool(p.bytes.data, p.bytes.size, "config.approval.required", false));
    assert_true(tocsin_find(p.bytes.data, p.bytes.size, "config.exclusions", &v));
    assert_int_equal(v.type, TOCSIN_ARRAY);
    tc_pack_done(&p);
    tc_config_free(config);
    free(shown);
}

static char *read_whole(const char *path)
{
    char *text = calloc(1, 1 << 18);
    FILE *in = fopen(path, "r");

    if (!in)
        fail_msg("%s: %s", path, strerror(errno));
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 18) - 1, in) > 0);
    assert_int_equal(fclose(in), 0);
    return text;
}

static void config_sample_is_the_defaults(void **state)
{
    struct tc_config *config = NULL;
    struct tc_config *defaults = read_good("");
    const struct tocsin_option *option;
    char why[256] = "";

    (void)state;
    if (tc_config_read(SAMPLE, &config, why) < 0)
        fail_msg("%s", why);
    for (size_t i = 0; (option = tc_option_table_at(tc_config_core_table(), i)); i++)
        if (!tc_options_same(tc_config_core(config), tc_config_core(defaults),
                             option->name))
            fail_msg("%s is not at its default in %s", option->name, SAMPLE);
    tc_config_free(config);
    tc_config_free(defaults);
}

static void config_sample_sections_fit_their_plugins(void **state)
{
    struct tc_config *config = NULL;
    const char *name;
    char why[256] = "";

    (void)state;
    assert_int_equal(tc_config_read(SAMPLE, &config, why), 0);
    for (size_t i = 0; (name = tc_config_plugin(config, i)); i++) {
        const struct tocsin_plugin *plugin;
        struct tc_options *options = NULL;
        struct tc_option_table table;
        char path[512];
        void *handle;

        snprintf(path, sizeof(path), "%s/tocsin_%s.so", TEST_PLUGIN_DIR, name);
        if (access(path, F_OK) < 0) {
            print_message("%s is not built: its section is not checked\n", name);
            continue;
        }
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle)
            fail_msg("%s", dlerror());
        plugin = dlsym(handle, "tocsin_plugin");
        assert_non_null(plugin);
        table = (struct tc_option_table){plugin->options, plugin->option_size};
        if (tc_option_table_check(table, why) < 0 ||
            tc_config_bind(config, name, table, &options, why) < 0)
            fail_msg("%s: %s", name, why);
        tc_options_free(options);
        dlclose(handle);
    }
    tc_config_free(config);
}

static void config_sample_and_manual_have_every_key(void **state)
{
    char *sample = read_whole(SAMPLE);
    char *manual = read_whole(MANUAL);
    const struct tocsin_option *option;
    char wanted[128];

    (void)state;
    for (size_t i = 0; (option = tc_option_table_at(tc_config_core_table(), i)); i++) {
        const char *dot = strchr(option->name, '.');
        const char *section = sample;

        if (dot) {
            snprintf(wanted, sizeof(wanted), "\n%.*s:\n", (int)(dot - option->name),
                     option->name);
            section = strstr(sample, wanted);
        }
        snprintf(wanted, sizeof(wanted), "\n%s%s: ", dot ? "  " : "",
                 dot ? dot + 1 : option->name);
        if (!section || !strstr(section, wanted))
            fail_msg("%s is not in %s", option->name, SAMPLE);
        snprintf(wanted, sizeof(wanted), "\n.B %s\n", option->name);
        if (!strstr(manual, wanted))
            fail_msg("%s is not in %s", option->name, MANUAL);
        if (!strstr(manual, option->fallback))
            fail_msg("the default of %s is not in %s", option->name, MANUAL);
    }
    free(sample);
    free(manual);
}

/* The options of the plugins that come with the agent, by what they themselves say. */
static void config_sample_and_manual_have_every_key_of_our_plugins(void **state)
{
    static const char *const names[] = {"es", "kext", "av", "netfilter"};
    char *sample = read_whole(SAMPLE);
    char *manual = read_whole(MANUAL);

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct tocsin_plugin *plugin;
        const char *section;
        char wanted[512];
        void *handle;

        snprintf(wanted, sizeof(wanted), "%s/tocsin_%s.so", TEST_PLUGIN_DIR, names[i]);
        handle = dlopen(wanted, RTLD_NOW | RTLD_LOCAL);
        if (!handle)
            fail_msg("%s", dlerror());
        plugin = dlsym(handle, "tocsin_plugin");
        assert_non_null(plugin);
        snprintf(wanted, sizeof(wanted), "\n  %s:\n", names[i]);
        section = strstr(sample, wanted);
        assert_non_null(section);
        for (const struct tocsin_option *o = plugin->options; o->name; o++) {
            snprintf(wanted, sizeof(wanted), "\n    %s: ", o->name);
            if (!strstr(section, wanted))
                fail_msg("plugins.%s.%s is not in %s", names[i], o->name, SAMPLE);
            snprintf(wanted, sizeof(wanted), "plugins.%s.%s\n", names[i], o->name);
            if (!strstr(manual, wanted))
                fail_msg("plugins.%s.%s is not in %s", names[i], o->name, MANUAL);
        }
        dlclose(handle);
    }
    free(sample);
    free(manual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_of_an_empty_file_is_the_defaults),
        cmocka_unit_test(config_reads_every_type),
        cmocka_unit_test(config_names_the_place_of_an_unknown_key),
        cmocka_unit_test(config_says_what_a_value_should_have_been),
        cmocka_unit_test(config_passes_on_the_reason_of_the_yaml_parser),
        cmocka_unit_test(config_refuses_what_yaml_allows),
        cmocka_unit_test(regress_config_reads_four_quotes_as_two),
        cmocka_unit_test(config_follows_aliases),
        cmocka_unit_test(config_fallback_watches_what_the_primary_does),
        cmocka_unit_test(config_leaves_to_the_primary_what_it_watches),
        cmocka_unit_test(config_bounds_what_aliases_grow_into),
        cmocka_unit_test(config_bounds_how_deep_values_nest),
        cmocka_unit_test(config_bounds_the_size_of_a_file),
        cmocka_unit_test(config_bounds_how_many_there_may_be),
        cmocka_unit_test(config_lists_plugins_in_order_with_their_settings),
        cmocka_unit_test(config_refuses_wrong_plugin_sections),
        cmocka_unit_test(config_binds_a_plugin_to_its_table),
        cmocka_unit_test(config_names_the_place_of_a_plugins_wrong_value),
        cmocka_unit_test_setup_teardown(config_merges_files_key_by_key_in_name_order,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(config_names_the_file_of_conf_d_that_is_wrong,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(config_needs_no_conf_d_but_a_file, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(
            config_refuses_a_fifo_a_folder_and_a_file_all_may_write, make_folder,
            remove_folder),
        cmocka_unit_test(config_matches_exclusion_patterns),
        cmocka_unit_test(config_knows_exclusions_that_let_everything_in_a_folder_pass),
        cmocka_unit_test(config_excludes_by_scope_path_and_process),
        cmocka_unit_test(config_knows_who_has_exclusions),
        cmocka_unit_test(config_refuses_wrong_exclusions),
        cmocka_unit_test(config_names_the_keys_that_wait_for_a_restart),
        cmocka_unit_test(config_names_the_keys_that_have_changed),
        cmocka_unit_test(config_names_of_changed_keys_are_whole_or_omitted),
        cmocka_unit_test(config_shows_what_reads_back_the_same),
        cmocka_unit_test(config_shows_the_defaults_of_plugins_that_are_known),
        cmocka_unit_test(config_that_is_shown_is_a_map_with_types),
        cmocka_unit_test(config_sample_is_the_defaults),
        cmocka_unit_test(config_sample_sections_fit_their_plugins),
        cmocka_unit_test(config_sample_and_manual_have_every_key),
        cmocka_unit_test(config_sample_and_manual_have_every_key_of_our_plugins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
