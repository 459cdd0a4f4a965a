/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the tests of indicators share: a folder of lists, and loading from it. */
#ifndef TC_TESTS_NF_LISTS_H
#define TC_TESTS_NF_LISTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "indicators/nf_index.h"

#define NOW_S 1800000000u /* 2027-01-15T08:00:00Z */

#define LISTS_TEXT_MAX 128

struct lists {
    char dir[64];
    char text[8][LISTS_TEXT_MAX]; /* sources */
    size_t count;
    struct tc_nf_report report;
    char why[TC_NF_WHY_MAX];
};

static inline void lists_init(struct lists *lists)
{
    *lists = (struct lists){.dir = "/tmp/tocsin-lists-XXXXXX"};
    assert_non_null(mkdtemp(lists->dir));
}

static inline void lists_done(struct lists *lists)
{
    DIR *dir = opendir(lists->dir);
    const struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (unlinkat(dirfd(dir), entry->d_name, 0))
            (void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
    closedir(dir);
    assert_int_equal(rmdir(lists->dir), 0);
}

/* Writes the file and makes it a source. */
static inline void lists_put(struct lists *lists, const char *action, const char *name,
                             const char *content)
{
    char text[LISTS_TEXT_MAX];
    FILE *out;

    (void)snprintf(text, sizeof(text), "%s:%s/%s", action, lists->dir, name);
    memcpy(lists->text[lists->count++], text, sizeof(text));
    out = fopen(strchr(text, '/'), "we");
    assert_non_null(out);
    (void)fputs(content, out);
    assert_int_equal(fclose(out), 0);
}

static inline int lists_load(struct lists *lists, struct tc_nf_indicators **ret)
{
    const char *texts[8];
    struct tc_nf_sources sources = {.texts = texts, .count = lists->count};

    for (size_t i = 0; i < lists->count; i++)
        texts[i] = lists->text[i];
    lists->why[0] = '\0';
    return tc_nf_indicators_load(&sources, NOW_S, ret, &lists->report, lists->why);
}

/* One list, which loads. */
static inline struct tc_nf_indicators *list_load(struct lists *lists, const char *action,
                                                 const char *name, const char *content)
{
    struct tc_nf_indicators *indicators = NULL;

    lists_init(lists);
    lists_put(lists, action, name, content);
    if (lists_load(lists, &indicators))
        fail_msg("%s", lists->why);
    lists_done(lists);
    return indicators;
}

static inline struct tc_nf_text text_of(const char *text)
{
    return (struct tc_nf_text){text, strlen(text)};
}

/* The action for an address or name, TC_NF_NONE when nothing matches. */
static inline enum tc_nf_action asked(const struct tc_nf_indicators *indicators,
                                      const char *what, uint64_t now_s,
                                      struct tc_nf_view *ret_view)
{
    char why[TC_NF_WHY_MAX];
    struct tc_nf_match match;
    struct tc_nf_value value;
    bool found;

    if (!tc_nf_value_read(text_of(what), &value, why) && value.kind == TC_NF_ADDRESS)
        found = tc_nf_indicators_address(indicators, value.address, now_s, &match);
    else
        found = tc_nf_indicators_name(indicators, what, strlen(what), now_s, &match);
    if (!found)
        return TC_NF_NONE;
    assert_true(tc_nf_indicators_view(indicators, match.id, ret_view));
    assert_int_equal(ret_view->action, match.action);
    return match.action;
}

static inline enum tc_nf_action action_of(const struct tc_nf_indicators *indicators,
                                          const char *what)
{
    struct tc_nf_view view;

    return asked(indicators, what, NOW_S, &view);
}

#endif
