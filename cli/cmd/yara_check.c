/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see yara_check.h. */
#include "cli/cmd/yara_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yara.h>

struct check {
    const char *path;
    tc_yara_problem_fn problem;
    void *arg;
};

bool tc_yara_is(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot &&
           (!strcmp(dot, ".yar") || !strcmp(dot, ".yara") || !strcmp(dot, ".yarc"));
}

static void on_compile(int level, const char *file, int line, const YR_RULE *rule,
                       const char *message, void *arg)
{
    const struct check *check = arg;

    (void)file;
    (void)rule;
    if (level == YARA_ERROR_LEVEL_ERROR)
        check->problem(check->arg, check->path, line > 0 ? (unsigned)line : 0, message);
}

static unsigned count(YR_COMPILER *compiler)
{
    YR_RULES *rules = NULL;
    unsigned n = 0;

    if (yr_compiler_get_rules(compiler, &rules) != ERROR_SUCCESS)
        return 0;
    n = rules->num_rules;
    yr_rules_destroy(rules);
    return n;
}

static unsigned compile(struct check *check, FILE *file)
{
    YR_COMPILER *compiler = NULL;
    unsigned n = 0;

    if (yr_compiler_create(&compiler) != ERROR_SUCCESS) {
        check->problem(check->arg, check->path, 0, strerror(ENOMEM));
        return 0;
    }
    yr_compiler_set_include_callback(compiler, NULL, NULL, NULL);
    yr_compiler_set_callback(compiler, on_compile, check);
    if (!yr_compiler_add_file(compiler, file, NULL, check->path))
        n = count(compiler);
    yr_compiler_destroy(compiler);
    return n;
}

unsigned tc_yara_check(const char *path, tc_yara_problem_fn problem, void *arg)
{
    struct check check = {path, problem, arg};
    const char *dot = strrchr(path, '.');
    unsigned n = 0;
    FILE *file;

    if (dot && !strcmp(dot, ".yarc")) {
        problem(arg, path, 0,
                "compiled rules are for one version of YARA; check the source");
        return 0;
    }
    file = fopen(path, "re");
    if (!file) {
        problem(arg, path, 0, strerror(errno));
        return 0;
    }
    if (yr_initialize() == ERROR_SUCCESS) {
        n = compile(&check, file);
        yr_finalize();
    } else {
        problem(arg, path, 0, strerror(ENOMEM));
    }
    fclose(file);
    return n;
}
