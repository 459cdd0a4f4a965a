/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the tests of plugin edr share: rule folders, and events of processes. */
#ifndef TEST_EDR_UTIL_H
#define TEST_EDR_UTIL_H

#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>
#include <tocsin/event.h>

#include "tests/support/harness.h"

#define PLUGIN TEST_PLUGIN_DIR "/tocsin_edr.so"
#define SECOND_NS UINT64_C(1000000000)

/* A plugin with rules of its own in `dir`. */
struct edr {
    struct tc_harness h;
    char dir[64];
};

static inline int edr_remove_(const char *path, const struct stat *st, int type,
                              struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void remove_tree(const char *path)
{
    nftw(path, edr_remove_, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int edr_setup(void **state)
{
    struct edr *edr = calloc(1, sizeof(*edr));

    assert_non_null(edr);
    snprintf(edr->dir, sizeof(edr->dir), "/tmp/tocsin-edr-XXXXXX");
    assert_non_null(mkdtemp(edr->dir));
    tc_harness_init(&edr->h);
    *state = edr;
    return 0;
}

static inline int edr_teardown(void **state)
{
    struct edr *edr = *state;

    tc_harness_done(&edr->h);
    remove_tree(edr->dir);
    free(edr);
    return 0;
}

/* A file in the rule folder, there all at once as editors and packages do it. */
static inline void put_file(const struct edr *edr, const char *name, const char *text)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", edr->dir, name);
    snprintf(fresh, sizeof(fresh), "%s/.fresh", edr->dir);
    file = fopen(fresh, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(fresh, path), 0);
}

static inline void remove_file(const struct edr *edr, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", edr->dir, name);
    assert_int_equal(unlink(path), 0);
}

/* A rule of process_creation for Linux; `detection` is that of one selection. */
static inline void put_rule(const struct edr *edr, const char *name, const char *title,
                            const char *detection)
{
    char text[2048];

    snprintf(text, sizeof(text),
             "title: %s\n"
             "logsource: {category: process_creation, product: linux}\n"
             "detection:\n  selection: %s\n  condition: selection\n"
             "level: high\n",
             title, detection);
    put_file(edr, name, text);
}

/* Runs the plugin with the rules in the folder and `more` options (NULL: none). */
static inline struct tc_harness *run_edr(struct edr *edr, const char *more)
{
    char rules[128];
    const char *const options[] = {rules, more, NULL};

    snprintf(rules, sizeof(rules), "rules=%s", edr->dir);
    if (tc_harness_load(&edr->h, PLUGIN, options) || tc_harness_start(&edr->h))
        fail_msg("%s", edr->h.why);
    return &edr->h;
}

/* process.started as plugin trace reports it; its id. */
static inline uint64_t publish_started(struct tc_harness *h, int pid,
                                       const char *executable, const char *command_line)
{
    struct tocsin_writer w;
    uint8_t buf[4096];
    uint64_t start = (UINT64_C(1700000000) + (uint64_t)pid) * SECOND_NS;

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "@timestamp", start);
    tocsin_begin_map(&w, "process");
    tocsin_put_int(&w, "pid", pid);
    tocsin_put_uint(&w, "start", start);
    tocsin_put_str(&w, "name", strrchr(executable, '/') + 1);
    tocsin_put_str(&w, "executable", executable);
    tocsin_put_str(&w, "command_line", command_line);
    tocsin_begin_map(&w, "user");
    tocsin_put_int(&w, "id", 1000);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_end(&w);
    assert_int_equal(w.error, 0);
    return tc_harness_publish(h, "process.started", 0, -1, &w);
}

static inline const struct tocsin_event *await_alert(struct tc_harness *h)
{
    const struct tocsin_event *event = tc_harness_await(h, TOCSIN_TOPIC_ALERT_RAISED, 0);

    assert_non_null(event);
    return event;
}

/* Calls a method with at most one number as its parameter. */
static inline const struct tocsin_event *ask_edr(struct tc_harness *h, const char *topic,
                                                 const char *key, uint64_t value)
{
    const struct tocsin_event *event;
    struct tocsin_writer w;
    uint8_t buf[128];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    if (key)
        tocsin_put_uint(&w, key, value);
    tocsin_end(&w);
    event = tc_harness_await(h, TOCSIN_TOPIC_RPC_REPLY,
                             tc_harness_publish(h, topic, 0, -1, &w));
    assert_non_null(event);
    return event;
}

static inline uint64_t stat_of(struct tc_harness *h, const char *name)
{
    int64_t n = tocsin_event_int(ask_edr(h, "rpc.edr.stats", NULL, 0), name, -1);

    assert_true(n >= 0);
    return (uint64_t)n;
}

/* Waits until a counter of rpc.edr.stats is from `least` to `most`. */
static inline void await_stat_in(struct tc_harness *h, const char *name, uint64_t least,
                                 uint64_t most)
{
    uint64_t end = uv_hrtime() + TC_HARNESS_WAIT_MS * UINT64_C(1000000), n;

    for (n = stat_of(h, name); n < least || n > most; n = stat_of(h, name)) {
        if (uv_hrtime() > end)
            fail_msg("%s stays %llu", name, (unsigned long long)n);
        tc_harness_run_for(h, 5);
    }
}

static inline void await_stat(struct tc_harness *h, const char *name, uint64_t least)
{
    await_stat_in(h, name, least, UINT64_MAX);
}

static inline void await_rules(struct tc_harness *h, uint64_t n)
{
    await_stat_in(h, "rules", n, n);
}

#endif
