/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: for the tests of sigma/: rules from text, events from JSON, and what was found as
 * one line of text. An event is read as `tocsin rule test` reads it.
 */
#ifndef TEST_SIGMA_UTIL_H
#define TEST_SIGMA_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/jsonevent.h"
#include "sigma/base/sigma.h"

#define UTIL_TEXT_MAX 65536

/* Rules, and all that was said of them: "file:line:column: sentence\n" each. */
struct bench {
    struct tc_sigma_loader *loader;
    struct tc_sigma_set *set;
    struct tc_sigma_scratch *scratch;
    unsigned refused, reported;
    char problems[UTIL_TEXT_MAX];
    char found[UTIL_TEXT_MAX];  /* of the last event: titles, a blank after each */
    char fields[UTIL_TEXT_MAX]; /* and its fields: name=value; */
    uint64_t count;
};

static inline void bench_problem(void *arg, const struct tc_sigma_problem *problem)
{
    struct bench *bench = arg;
    size_t len = strlen(bench->problems);

    bench->refused += problem->refused;
    bench->reported++;
    snprintf(bench->problems + len, sizeof(bench->problems) - len, "%s:%u:%u: %s\n",
             problem->file, problem->line, problem->column, problem->text);
}

static inline const char *bench_placeholder(void *arg, const char *name, size_t i)
{
    static const char *const servers[] = {"srv*", "db01"};

    (void)arg;
    return !strcmp(name, "Servers") && i < 2 ? servers[i] : NULL;
}

static inline void bench_open_with(struct bench *bench, bool filters_are_joined)
{
    const struct tc_sigma_options options = {.problem = bench_problem,
                                             .arg = bench,
                                             .placeholder = bench_placeholder,
                                             .filters_are_joined = filters_are_joined};

    memset(bench, 0, sizeof(*bench));
    assert_int_equal(tc_sigma_loader_new(&options, &bench->loader), 0);
}

static inline void bench_open(struct bench *bench)
{
    bench_open_with(bench, false);
}

static inline void bench_add(struct bench *bench, const char *yaml)
{
    assert_int_equal(tc_sigma_loader_add_text(bench->loader, "t.yml", yaml, strlen(yaml)),
                     0);
}

static inline void bench_ready(struct bench *bench)
{
    assert_int_equal(tc_sigma_loader_finish(bench->loader, &bench->set), 0);
    assert_int_equal(tc_sigma_scratch_new(bench->set, &bench->scratch), 0);
}

/* Rules from one text. */
static inline void bench_load(struct bench *bench, const char *yaml)
{
    bench_open(bench);
    bench_add(bench, yaml);
    bench_ready(bench);
}

/* A rule titled "r" with this detection, which may have several lines, indented by 4. */
static inline void bench_detection(struct bench *bench, const char *detection)
{
    char yaml[UTIL_TEXT_MAX + 256];

    snprintf(yaml, sizeof(yaml),
             "title: r\nlogsource:\n    product: linux\ndetection:\n%s\n", detection);
    bench_load(bench, yaml);
}

static inline void bench_done(struct bench *bench)
{
    tc_sigma_scratch_free(bench->scratch);
    tc_sigma_set_free(bench->set);
}

static inline void bench_match(void *arg, const struct tc_sigma_match *match)
{
    struct bench *bench = arg;
    const struct tc_sigma_rule *rule = tc_sigma_rule(bench->set, match->rule);
    size_t len = strlen(bench->found);

    snprintf(bench->found + len, sizeof(bench->found) - len, "%s ", rule->title);
    bench->count = match->count;
    for (size_t i = 0; i < match->field_count; i++) {
        len = strlen(bench->fields);
        snprintf(bench->fields + len, sizeof(bench->fields) - len, "%s=%.*s;",
                 match->fields[i].name, (int)match->fields[i].value.len,
                 match->fields[i].value.ptr);
    }
}

/* The titles of the rules that match. */
static inline const char *bench_event(struct bench *bench, const char *json)
{
    const struct tc_sigma_event *record;
    struct tc_json_event event;
    char why[128] = "";

    bench->found[0] = bench->fields[0] = '\0';
    if (tc_json_event_read(&event, json, strlen(json), 0, why) != 0)
        fail_msg("%s: %s", json, why);
    for (size_t i = 0; (record = tc_json_event_record(&event, i)) != NULL; i++)
        tc_sigma_evaluate(bench->set, bench->scratch, record, bench_match, bench);
    tc_json_event_done(&event);
    return bench->found;
}

#endif
