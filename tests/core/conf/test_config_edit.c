/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of one key in the files of the configuration: the file that counts is changed,
 * it is read with the others before it is written, and written whole or not at all. How a
 * text is changed is tested with tc_yaml_edit.
 */
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
#include "core/conf/config_edit.h"

struct place {
    char dir[128], path[160], drop_in[192];
};

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static char *read_text(const char *path)
{
    char *text = calloc(1, 4096);
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    assert_true(fread(text, 1, 4095, f) < 4095);
    fclose(f);
    return text;
}

static void assert_file(const char *path, const char *expected)
{
    char *text = read_text(path);

    assert_string_equal(text, expected);
    free(text);
}

/* A main file and, unless it is NULL, one in conf.d. */
static void make(struct place *p, const char *text, const char *drop_in)
{
    char folder[160];

    snprintf(p->dir, sizeof(p->dir), "/tmp/tocsin-edit-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof(p->path), "%s/tocsin.yaml", p->dir);
    snprintf(folder, sizeof(folder), "%s/conf.d", p->dir);
    snprintf(p->drop_in, sizeof(p->drop_in), "%s/50-site.yaml", folder);
    write_text(p->path, text);
    assert_int_equal(mkdir(folder, 0755), 0);
    if (drop_in)
        write_text(p->drop_in, drop_in);
}

/* Nothing but what was made is left. */
static void done(struct place *p)
{
    char path[192];

    snprintf(path, sizeof(path), "%s/conf.d", p->dir);
    (void)unlink(p->drop_in);
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof(path), "%s/real", p->dir);
    (void)unlink(path);
    (void)unlink(p->path);
    assert_int_equal(rmdir(p->dir), 0);
}

static struct tc_config_edit *edit(const struct place *p, enum tc_config_verb verb,
                                   const char *key, const char *value)
{
    struct tc_config_edit *made = NULL;
    char why[256] = "";

    if (tc_config_edit_make(p->path, verb, key, value, &made, why))
        fail_msg("%s", why);
    return made;
}

static void refused(const struct place *p, enum tc_config_verb verb, const char *key,
                    const char *value, int error, const char *says)
{
    struct tc_config_edit *made = NULL;
    char why[256] = "";

    assert_int_equal(tc_config_edit_make(p->path, verb, key, value, &made, why), error);
    assert_null(made);
    if (!strstr(why, says))
        fail_msg("%s", why);
}

static void the_file_that_has_the_key_is_changed(void **state)
{
    struct tc_config_edit *made;
    struct place p;
    char why[256];

    (void)state;
    make(&p, "mode: block # here\nlog: {level: info}\n", "log: {level: debug}\n");
    made = edit(&p, TC_CONFIG_SET, "log.level", "error");
    assert_string_equal(made->path, p.drop_in);
    assert_string_equal(made->also, p.path);
    assert_int_equal(tc_config_edit_write(made, why), 0);
    tc_config_edit_free(made);
    assert_file(p.drop_in, "log: {level: error}\n");
    made = edit(&p, TC_CONFIG_SET, "verdict.budget", "5s"); /* no file has it */
    assert_string_equal(made->path, p.path);
    assert_null(made->also);
    assert_int_equal(tc_config_edit_write(made, why), 0);
    tc_config_edit_free(made);
    assert_file(p.path,
                "mode: block # here\nlog: {level: info}\nverdict: {budget: 5s}\n");
    made = edit(&p, TC_CONFIG_SET, "mode", "block");
    assert_true(tc_config_edit_is_none(made));
    tc_config_edit_free(made);
    done(&p);
}

static void it_is_read_before_it_is_written(void **state)
{
    struct tc_config *config = NULL;
    struct tc_config_edit *made;
    struct place p;
    char why[256], *shown;

    (void)state;
    make(&p, "mode: block\n", "verdict: {budget: 3s}\n");
    made = edit(&p, TC_CONFIG_SET, "mode", "passive");
    assert_int_equal(tc_config_read_edited(p.path, made, &config, why), 0);
    assert_string_equal(tc_options_text(tc_config_core(config), "mode"), "passive");
    assert_int_equal(tc_options_int(tc_config_core(config), "verdict.budget"), 3000);
    tc_config_free(config);
    tc_config_edit_free(made);
    assert_file(p.path, "mode: block\n");
    made = edit(&p, TC_CONFIG_SET, "mode", "loose");
    assert_int_equal(tc_config_read_edited(p.path, made, &config, why), -EINVAL);
    shown = strstr(why, "tocsin.yaml:1:7: mode");
    assert_non_null(shown);
    tc_config_edit_free(made);
    made = edit(&p, TC_CONFIG_SET, "mdoe", "block");
    assert_int_equal(tc_config_read_edited(p.path, made, &config, why), -EINVAL);
    assert_non_null(strstr(why, "did you mean \"mode\"?"));
    tc_config_edit_free(made);
    done(&p);
}

static void owner_mode_and_link_stay(void **state)
{
    struct tc_config_edit *made;
    char link[192], why[256];
    struct stat st;
    struct place p;

    (void)state;
    make(&p, "mode: block\n", NULL);
    snprintf(link, sizeof(link), "%s/real", p.dir);
    assert_int_equal(rename(p.path, link), 0);
    assert_int_equal(symlink("real", p.path), 0);
    assert_int_equal(chmod(link, 0640), 0);
    made = edit(&p, TC_CONFIG_SET, "mode", "passive");
    assert_int_equal(tc_config_edit_write(made, why), 0);
    assert_int_equal(lstat(p.path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(p.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_file(p.path, "mode: passive\n");
    assert_int_equal(tc_config_edit_undo(made, why), 0);
    assert_file(p.path, "mode: block\n");
    tc_config_edit_free(made);
    done(&p);
}

static void a_file_that_somebody_else_has_changed_is_left(void **state)
{
    struct tc_config_edit *made;
    struct place p;
    char why[256];

    (void)state;
    make(&p, "mode: block\n", NULL);
    made = edit(&p, TC_CONFIG_SET, "mode", "passive");
    write_text(p.path, "mode: block # mine\n");
    assert_int_equal(tc_config_edit_write(made, why), -ESTALE);
    assert_non_null(strstr(why, "try again"));
    assert_file(p.path, "mode: block # mine\n");
    tc_config_edit_free(made);
    done(&p);
}

static void what_cannot_be_meant_is_refused_with_a_sentence(void **state)
{
    struct place p;

    (void)state;
    make(&p, "mode: block\nexclusions: []\na: &x {b: 1}\nc: *x\n", NULL);
    refused(&p, TC_CONFIG_SET, "plugins..watch", "x", -EINVAL, "is no key");
    refused(&p, TC_CONFIG_SET, "", "x", -EINVAL, "is no key");
    refused(&p, TC_CONFIG_SET, "mode", "", -EINVAL, "config unset");
    refused(&p, TC_CONFIG_SET, "mode", "[", -EINVAL, "(value):");
    refused(&p, TC_CONFIG_SET, "mode", "a: b\nc: d: e", -EINVAL, "(value):");
    refused(&p, TC_CONFIG_SET, "mode.x", "1", -EINVAL, "a value of its own");
    refused(&p, TC_CONFIG_ADD, "plugins.es.watch", "/x", -ENOENT, "has no list");
    refused(&p, TC_CONFIG_REMOVE, "exclusions", "{path: /x}", -ENOENT, "no such item");
    refused(&p, TC_CONFIG_SET, "a.b", "2", -ENOTSUP, "edit it by hand");
    assert_int_equal(unlink(p.path), 0);
    refused(&p, TC_CONFIG_SET, "mode", "block", -ENOENT, "No such file");
    done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_that_has_the_key_is_changed),
        cmocka_unit_test(it_is_read_before_it_is_written),
        cmocka_unit_test(owner_mode_and_link_stay),
        cmocka_unit_test(a_file_that_somebody_else_has_changed_is_left),
        cmocka_unit_test(what_cannot_be_meant_is_refused_with_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
