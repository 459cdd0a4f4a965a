/* SPDX-License-Identifier: Apache-2.0 */
/* The vendor's way, as docs/vendor/guide.md has it: installed headers, one compiler
 * call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf/config.h"
#include "core/host/last_error.h"
#include "core/host/loader.h"
#include "tests/support/skip.h"

/* The line of the guide, to the letter; the test says where pkg-config finds tocsin.pc.
 */
#define THE_CALL                                                                         \
    "cc -shared -fPIC -o tocsin_acme.so tocsin_acme.c $(pkg-config --cflags tocsin)"

static void shell(const char *command)
{
    int status = system(command);

    if (status)
        fail_msg("%s: status %d", command, status);
}

/* Installs the vendor's part into h->dir/root and builds the template there. */
static void build_template(struct tc_harness *h, const char *flags)
{
    char command[2048];

    (void)snprintf(command, sizeof(command),
                   "DESTDIR=%s/root '%s' --install '%s' --component devel >/dev/null",
                   h->dir, TEST_CMAKE, TEST_BUILD_DIR);
    shell(command);
    (void)snprintf(command, sizeof(command),
                   "cd %s && cp '%s/docs/vendor/template/tocsin_acme.c' . && "
                   "export PKG_CONFIG_PATH=%s/root'%s/%s/pkgconfig' && %s %s",
                   h->dir, TEST_SOURCE_DIR, h->dir, TEST_PREFIX, TEST_DATADIR, THE_CALL,
                   flags);
    shell(command);
}

static uint64_t publish_path(struct tc_harness *h, const char *path)
{
    struct tocsin_writer w;
    uint8_t buf[512];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", path);
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_put_int(&w, "pid", 42);
    tocsin_end(&w);
    tocsin_end(&w);
    return tc_harness_publish(h, TOCSIN_TOPIC_FILE_CREATED, 0, -1, &w);
}

/* A file with a wanted name is one alert, however often it is seen. */
static void raises_one_alert(struct tc_harness *h, const char *so)
{
    const char *const options[] = {"names=*.exe,evil*", "quiet=1h", NULL};
    const struct tocsin_event *alert;
    uint64_t id;

    if (tc_harness_load(h, so, options))
        fail_msg("%s", h->why);
    assert_int_equal(tc_harness_start(h), 0);
    assert_int_equal(tc_plugin_voter(h->plugin), 0);
    (void)publish_path(h, "/home/ann/letter.txt");
    id = publish_path(h, "/home/ann/evil \xff name");
    (void)publish_path(h, "/home/ann/evil \xff name");
    (void)publish_path(h, "/evil.d/harmless");
    alert = tc_harness_await(h, TOCSIN_TOPIC_ALERT_RAISED, id);
    assert_non_null(alert);
    assert_string_equal(tc_harness_text(h, alert, "alert.severity"), "low");
    assert_string_equal(tc_harness_text(h, alert, "alert.detected_from"), "acme");
    assert_string_equal(tc_harness_text(h, alert, "file.path"),
                        "/home/ann/evil \xff name");
    assert_int_equal(tocsin_event_int(alert, "process.pid", -1), 42);
    tc_harness_settle(h);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 1);
    (void)publish_path(h, "/tmp/second.exe");
    tc_harness_settle(h);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 2);
}

static void vendor_template_is_one_compiler_call_from_an_alert(void **state)
{
    struct tc_harness h;
    char so[96];

    (void)state;
    tc_harness_init(&h);
    build_template(&h, "");
    (void)snprintf(so, sizeof(so), "%s/tocsin_acme.so", h.dir);
    raises_one_alert(&h, so);
    tc_harness_done(&h);
}

static void vendor_headers_compile_clean_under_strict_warnings(void **state)
{
    struct tc_harness h;

    (void)state;
    tc_harness_init(&h);
    build_template(&h, "-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion "
                       "-Wno-sign-conversion -Wcast-qual -Wundef -Werror");
    tc_harness_done(&h);
}

static bool there_is(const char *program)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
    return system(command) == 0;
}

/* By every compiler and standard; the last file that was built is tried. */
static void vendor_template_in_cplusplus_is_clean_and_raises_the_alert_too(void **state)
{
    static const char *const compilers[] = {"clang++", "g++ -fno-gnu-unique"};
    static const char *const standards[] = {"c++20", "c++17", "c++11"};
    struct tc_harness h;
    char command[1024], so[96];

    (void)state;
    if (!there_is("g++") || !there_is("clang++")) {
        test_skip("g++ and clang++ are not both there");
    }
    tc_harness_init(&h);
    build_template(&h, "");
    for (size_t i = 0; i < 6; i++) {
        (void)snprintf(
            command, sizeof(command),
            "cd %s && %s -std=%s -Wall -Wextra -pedantic -Wshadow -Wconversion "
            "-Werror -shared -fPIC -fvisibility=hidden -o acme.so "
            "'%s/docs/vendor/template/tocsin_acme.cpp' -I root'%s/include'",
            h.dir, compilers[i / 3], standards[i % 3], TEST_SOURCE_DIR, TEST_PREFIX);
        shell(command);
    }
    (void)snprintf(so, sizeof(so), "%s/acme.so", h.dir);
    raises_one_alert(&h, so);
    tc_harness_done(&h);
}

/* A class that throws wherever it can. */
static const char throwing[] =
    "#include <tocsin/plugin.hpp>\n"
    "struct bad : tocsin::plugin {\n"
    "  const tocsin_host *host;\n"
    "  explicit bad(const tocsin_host *h) : host(h) {\n"
    "    if (h->option_bool(h, \"in_init\")) throw std::bad_alloc(); }\n"
    "  void event(const tocsin_event &) { throw std::string(\"x\"); }\n"
    "  int stop() { throw std::exception(); }\n"
    "};\n"
    "const char *const topics[] = {\"file.*\", nullptr};\n"
    "const tocsin_option options[] = {tocsin::option(\"in_init\", TOCSIN_OPTION_BOOL,\n"
    "  \"false\", \"Throw at once.\"), tocsin::end_of_options()};\n"
    "TOCSIN_DESCRIPTOR = tocsin::describe<bad>(TOCSIN_KIND_DETECTOR, \"bad\", \"1\",\n"
    "  \"Throws\", nullptr, topics, options);\n";

static void vendor_exception_ends_in_the_plugin_as_an_error(void **state)
{
    const char *const in_init[] = {"in_init=true", NULL};
    struct tc_last_error last;
    struct tc_harness h;
    char path[96], command[512];
    FILE *source;

    (void)state;
    if (!there_is("g++")) {
        test_skip("g++ is not there");
    }
    tc_harness_init(&h);
    (void)snprintf(path, sizeof(path), "%s/bad.cpp", h.dir);
    source = fopen(path, "we");
    assert_non_null(source);
    assert_true(fputs(throwing, source) >= 0);
    assert_int_equal(fclose(source), 0);
    (void)snprintf(command, sizeof(command),
                   "cd %s && g++ -shared -fPIC -fvisibility=hidden -fno-gnu-unique -o "
                   "bad.so bad.cpp -I '%s/include'",
                   h.dir, TEST_SOURCE_DIR);
    shell(command);
    (void)snprintf(path, sizeof(path), "%s/bad.so", h.dir);
    assert_int_equal(tc_harness_load(&h, path, in_init), -ENOMEM);
    assert_int_equal(tc_harness_load(&h, path, NULL), 0);
    assert_null(tc_plugin_module(h.plugin)->plugin->reload);
    assert_int_equal(tc_harness_start(&h), 0);
    (void)publish_path(&h, "/x");
    tc_harness_settle(&h);
    tc_plugin_last_error(h.plugin, &last);
    assert_string_equal(last.text, "event throws");
    assert_int_equal(tc_harness_stop(&h), 0);
    tc_plugin_last_error(h.plugin, &last);
    assert_string_equal(last.text, "stop failed: Input/output error");
    tc_harness_done(&h);
}

/* What the guide prints is what is tested. */
static void vendor_guide_has_the_call(void **state)
{
    (void)state;
    shell("grep -qF '" THE_CALL "' '" TEST_SOURCE_DIR "/docs/vendor/guide.md'");
}

/* The text between the lines ```yaml and ``` of the guide, for the caller to free. */
static char *yaml_of_the_guide(void)
{
    FILE *guide = fopen(TEST_SOURCE_DIR "/docs/vendor/guide.md", "re");
    char *text = NULL, line[512];
    bool inside = false;
    size_t len = 0;
    FILE *out;

    assert_non_null(guide);
    out = open_memstream(&text, &len);
    assert_non_null(out);
    while (fgets(line, sizeof(line), guide)) {
        if (!strncmp(line, "```", 3))
            inside = !strcmp(line, "```yaml\n");
        else if (inside)
            (void)fputs(line, out);
    }
    (void)fclose(out);
    (void)fclose(guide);
    return text;
}

static void vendor_guide_configures_the_template(void **state)
{
    char *yaml = yaml_of_the_guide();
    struct tc_options *options = NULL;
    struct tc_option_table table;
    struct tc_config *config;
    struct tc_harness h;
    char so[96];

    (void)state;
    tc_harness_init(&h);
    build_template(&h, "");
    (void)snprintf(so, sizeof(so), "%s/tocsin_acme.so", h.dir);
    assert_int_equal(tc_harness_load(&h, so, NULL), 0);
    table.first = tc_plugin_module(h.plugin)->plugin->options;
    table.stride = tc_plugin_module(h.plugin)->plugin->option_size;
    if (tc_config_read_text("guide.md", yaml, &config, h.why) ||
        tc_config_bind(config, "acme", table, &options, h.why))
        fail_msg("%s", h.why);
    assert_string_equal(tc_options_item(options, "names", 1), "invoice*.exe");
    assert_int_equal(tc_options_int(options, "quiet"), 600000);
    tc_options_free(options);
    tc_config_free(config);
    free(yaml);
    tc_harness_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vendor_template_is_one_compiler_call_from_an_alert),
        cmocka_unit_test(vendor_headers_compile_clean_under_strict_warnings),
        cmocka_unit_test(vendor_template_in_cplusplus_is_clean_and_raises_the_alert_too),
        cmocka_unit_test(vendor_exception_ends_in_the_plugin_as_an_error),
        cmocka_unit_test(vendor_guide_has_the_call),
        cmocka_unit_test(vendor_guide_configures_the_template),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
