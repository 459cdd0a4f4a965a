/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a configuration when any one allocation or system call fails: a whole one, or
 * none and a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf/config.h"
#include "tests/support/fault.h"
#include "tests/support/harness.h"

struct files {
    char dir[64], path[96], more[96], again[112];
};

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make(struct files *f)
{
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/tocsin-config-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/tocsin.yaml", f->dir);
    (void)snprintf(f->more, sizeof(f->more), "%s/conf.d", f->dir);
    (void)snprintf(f->again, sizeof(f->again), "%s/50.yaml", f->more);
    put(f->path, "mode: passive\n"
                 "approval: {timeout: 90s}\n"
                 "exclusions: [{path: \"/srv/**\"}, {process: /bin/tar, scope: av}]\n"
                 "plugins: {av: {rules: [/one, /two]}}\n");
    assert_int_equal(mkdir(f->more, 0755), 0);
    put(f->again, "approval: {timeout: 30s}\nplugins: {acme: {file: /opt/acme.so}}\n");
}

static void check_whole(const struct tc_config *config)
{
    const struct tc_options *core = tc_config_core(config);
    struct tc_plugin_settings settings;

    assert_string_equal(tc_options_text(core, "mode"), "passive");
    assert_int_equal(tc_options_int(core, "approval.timeout"), 30000);
    assert_string_equal(tc_config_plugin(config, 0), "av");
    assert_int_equal(tc_config_plugin_settings(config, "acme", &settings), 0);
    assert_string_equal(settings.file, "/opt/acme.so");
    assert_int_equal(tc_config_excluded(config, "av", "/srv/a/b", NULL),
                     tc_config_excluded(config, "es", "/srv/c", NULL));
    assert_true(tc_config_has_exclusions(config, "av"));
}

static void each_call_fails(unsigned calls, int err)
{
    struct tc_config *config;
    struct files f;
    bool hit = true;
    unsigned n;
    int r;

    make(&f);
    for (n = 1; hit; n++) {
        char why[256] = "";

        config = NULL;
        tc_fault_arm(calls, n, err);
        r = tc_config_read(f.path, &config, why);
        hit = tc_fault_disarm();
        if (r) {
            assert_true(hit);
            assert_true(why[0] != '\0');
            assert_null(config);
            continue;
        }
        check_whole(config);
        tc_config_free(config);
    }
    assert_true(n > 2);
    tc_harness_remove_folder(f.dir);
}

static void config_without_memory_is_refused_or_whole(void **state)
{
    (void)state;
    each_call_fails(TC_FAULT_MEMORY, 0);
}

static void config_that_cannot_be_read_is_refused_or_whole(void **state)
{
    (void)state;
    each_call_fails(TC_FAULT_FILES, EIO);
    each_call_fails(TC_FAULT_FILES, EMFILE);
}

static void config_is_shown_whole_or_not_at_all(void **state)
{
    char why[256] = "", *whole, *shown;
    struct tc_config *config;
    struct files f;
    bool hit = true;

    (void)state;
    make(&f);
    assert_int_equal(tc_config_read(f.path, &config, why), 0);
    whole = tc_config_show(config, NULL, NULL);
    assert_non_null(whole);
    for (unsigned n = 1; hit; n++) {
        tc_fault_arm(TC_FAULT_MEMORY, n, 0);
        shown = tc_config_show(config, NULL, NULL);
        hit = tc_fault_disarm();
        if (shown)
            assert_string_equal(shown, whole);
        else
            assert_true(hit);
        free(shown);
    }
    free(whole);
    tc_config_free(config);
    tc_harness_remove_folder(f.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_without_memory_is_refused_or_whole),
        cmocka_unit_test(config_that_cannot_be_read_is_refused_or_whole),
        cmocka_unit_test(config_is_shown_whole_or_not_at_all),
    };

    return cmocka_run_group_tests_name("config_faults", tests, NULL, NULL);
}
