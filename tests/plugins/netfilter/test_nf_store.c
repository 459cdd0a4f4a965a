/* SPDX-License-Identifier: Apache-2.0 */
/* The command line's own indicators: what is set is there after a crash, or is not. */
#include "nf_lists.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "indicators/nf_store.h"
#include "tests/support/fault.h"

static struct tc_nf_row row_of(const char *value, const char *action, const char *expires,
                               const char *reason)
{
    return (struct tc_nf_row){.value = text_of(value),
                              .action = text_of(action),
                              .expires = text_of(expires),
                              .reason = text_of(reason)};
}

static struct tc_nf_store *reopen(const char *dir, struct tc_nf_store *store)
{
    char why[TC_NF_WHY_MAX];

    tc_nf_store_close(store);
    if (tc_nf_store_open(dir, &store, why))
        fail_msg("%s", why);
    return store;
}

static void add(struct tc_nf_store *store, const char *value, const char *action,
                const char *expires, const char *reason)
{
    struct tc_nf_row row = row_of(value, action, expires, reason);
    char why[TC_NF_WHY_MAX];

    if (tc_nf_store_add(store, &row, "root", NOW_S, why))
        fail_msg("%s", why);
}

static void join(void *arg, const struct tc_nf_stored *stored)
{
    char *joined = arg, value[TC_NF_NAME_MAX];

    tc_nf_value_text(&stored->entry.value, value);
    (void)sprintf(joined + strlen(joined), "%s %s;",
                  tc_nf_action_name(stored->entry.action), value);
}

static void assert_holds(const struct tc_nf_store *store, const char *wanted)
{
    struct tc_nf_filter filter = {.kind = -1, .limit = 100};
    char joined[1024] = "";

    (void)tc_nf_store_list(store, &filter, join, joined);
    assert_string_equal(joined, wanted);
}

static void take_first(void *arg, const struct tc_nf_stored *stored)
{
    *(struct tc_nf_stored *)arg = *stored;
}

static void what_is_added_is_there_after_a_start(void **state)
{
    struct tc_nf_filter filter = {.kind = -1, .limit = 1};
    struct tc_nf_store *store;
    struct tc_nf_stored first;
    struct lists lists;

    (void)state;
    lists_init(&lists);
    store = reopen(lists.dir, NULL);
    assert_holds(store, "");
    add(store, "Evil.Example", "", "2030-01-01T00:00:00Z", "called \"x\", a, b");
    add(store, "https://good.example/", "allow", "", "");
    add(store, "192.0.2.0/24", "audit", "", "");
    store = reopen(lists.dir, store);
    assert_holds(store, "block evil.example;allow good.example;audit 192.0.2.0/24;");
    assert_int_equal(tc_nf_store_list(store, &filter, take_first, &first), 3);
    assert_string_equal(first.entry.reason, "called \"x\", a, b");
    assert_string_equal(first.who, "root");
    assert_int_equal(first.when_s, NOW_S);
    assert_int_equal(first.entry.expires_s, 1893456000);
    filter = (struct tc_nf_filter){.kind = TC_NF_HOST, .limit = 1};
    assert_int_equal(tc_nf_store_list(store, &filter, take_first, &first), 1);
    tc_nf_store_close(store);
    lists_done(&lists);
}

static void the_same_value_is_replaced_and_removed(void **state)
{
    char why[TC_NF_WHY_MAX] = "";
    struct tc_nf_store *store;
    struct lists lists;

    (void)state;
    lists_init(&lists);
    store = reopen(lists.dir, NULL);
    add(store, "evil.example", "block", "", "");
    add(store, "192.0.2.1", "block", "", "");
    add(store, "http://evil.example/x", "audit", "", "");
    add(store, "*.EVIL.example", "allow", "", "");
    assert_holds(store, "block 192.0.2.1;audit evil.example;allow evil.example;");
    assert_int_equal(tc_nf_store_remove(store, text_of("evil.example."), why), 0);
    assert_holds(store, "block 192.0.2.1;");
    assert_int_equal(tc_nf_store_remove(store, text_of("evil.example"), why), -ENOENT);
    assert_non_null(strstr(why, "not among the indicators set here"));
    assert_int_equal(tc_nf_store_remove(store, text_of("a b"), why), -EINVAL);
    store = reopen(lists.dir, store);
    assert_holds(store, "block 192.0.2.1;");
    tc_nf_store_close(store);
    lists_done(&lists);
}

static void bad_input_is_refused_with_a_sentence_and_changes_nothing(void **state)
{
    static const struct {
        const char *value, *action, *expires, *says;
    } cases[] = {
        {"a b", "", "", "with nothing around it"},
        {"a.example", "deny", "", "write allow, audit or block"},
        {"a.example", "", "soon", "is no time"},
        {"a.example", "", "1700000000", "expired already"},
    };
    struct tc_nf_store *store;
    struct lists lists;

    (void)state;
    lists_init(&lists);
    store = reopen(lists.dir, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tc_nf_row row =
            row_of(cases[i].value, cases[i].action, cases[i].expires, "");
        char why[TC_NF_WHY_MAX] = "";

        assert_int_equal(tc_nf_store_add(store, &row, "root", NOW_S, why), -EINVAL);
        assert_non_null(strstr(why, cases[i].says));
        assert_holds(store, "");
        assert_int_equal(access(tc_nf_store_path(store), F_OK), -1);
    }
    tc_nf_store_close(store);
    lists_done(&lists);
}

static void what_has_expired_goes_with_the_next_change(void **state)
{
    struct tc_nf_row row = row_of("b.example", "", "", "");
    char why[TC_NF_WHY_MAX];
    struct tc_nf_store *store;
    struct lists lists;

    (void)state;
    lists_init(&lists);
    store = reopen(lists.dir, NULL);
    add(store, "a.example", "", "1800000100", "");
    assert_int_equal(tc_nf_store_add(store, &row, "root", 1800000100, why), 0);
    assert_holds(store, "block b.example;");
    tc_nf_store_close(store);
    lists_done(&lists);
}

static void the_list_is_filtered_and_paged(void **state)
{
    static const struct {
        struct tc_nf_filter filter;
        size_t count;
        const char *listed;
    } cases[] = {
        {{.kind = -1, .limit = 2}, 4, "block a.example;allow b.example;"},
        {{.kind = -1, .skip = 3, .limit = 2}, 4, "block 192.0.2.1;"},
        {{.kind = -1, .limit = 0}, 4, ""},
        {{.kind = TC_NF_DOMAIN, .limit = 9},
         3,
         "block a.example;allow b.example;block c.test;"},
        {{.kind = -1, .action = TC_NF_ALLOW, .limit = 9}, 1, "allow b.example;"},
        {{.kind = -1, .text = "EXAMPLE", .limit = 9},
         2,
         "block a.example;allow b.example;"},
        {{.kind = -1, .text = "phish", .limit = 9}, 1, "block c.test;"},
    };
    struct tc_nf_store *store;
    struct lists lists;

    (void)state;
    lists_init(&lists);
    store = reopen(lists.dir, NULL);
    add(store, "a.example", "", "", "");
    add(store, "b.example", "allow", "", "");
    add(store, "c.test", "", "", "Phishing");
    add(store, "192.0.2.1", "", "", "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char joined[1024] = "";

        assert_int_equal(tc_nf_store_list(store, &cases[i].filter, join, joined),
                         cases[i].count);
        assert_string_equal(joined, cases[i].listed);
    }
    tc_nf_store_close(store);
    lists_done(&lists);
}

static void a_store_that_somebody_broke_is_not_written_over(void **state)
{
    static const struct {
        const char *content, *says;
    } cases[] = {
        {"value,action\na.example,block\nno value,block\n", "indicators.csv:3: "},
        {"value,action\na.example,deny\n", "correct the line or remove it"},
        {"value,action,when\na.example,block,noon\n", "is no time"},
        {"value\n\"a.example\n", "a quoted field"},
        {"nothing\n", "indicators.csv:1: no column is named value"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tc_nf_store *store = NULL;
        char why[TC_NF_WHY_MAX] = "";
        struct lists lists;

        lists_init(&lists);
        lists_put(&lists, "block", TC_NF_STORE_FILE, cases[i].content);
        assert_int_equal(tc_nf_store_open(lists.dir, &store, why), -EINVAL);
        if (!strstr(why, cases[i].says))
            fail_msg("%s", why);
        assert_null(store);
        lists_done(&lists);
    }
}

static void the_store_is_loaded_before_all_lists(void **state)
{
    struct tc_nf_indicators *indicators = NULL;
    struct tc_nf_sources sources = {.count = 1};
    char why[TC_NF_WHY_MAX];
    struct tc_nf_report report;
    struct tc_nf_store *store;
    struct tc_nf_view view;
    const char *texts[1];
    struct lists lists;

    (void)state;
    lists_init(&lists);
    store = reopen(lists.dir, NULL);
    add(store, "evil.example", "block", "", "mine");
    add(store, "https://host.example/", "block", "", "");
    lists_put(&lists, "block", "a.csv", "value,reason\nevil.example,theirs\n");
    texts[0] = lists.text[0];
    sources.own = tc_nf_store_path(store);
    sources.texts = texts;
    assert_int_equal(tc_nf_indicators_load(&sources, NOW_S, &indicators, &report, why),
                     0);
    assert_int_equal(report.refused, 0);
    assert_int_equal(asked(indicators, "evil.example", NOW_S, &view), TC_NF_BLOCK);
    assert_string_equal(view.reason, "mine");
    assert_string_equal(view.source, tc_nf_store_path(store));
    assert_int_equal(action_of(indicators, "x.host.example"), TC_NF_NONE);
    tc_nf_indicators_unref(indicators);
    tc_nf_store_close(store);
    lists_done(&lists);
}

static void the_store_has_a_bound(void **state)
{
    struct tc_nf_row row = row_of("one-more.example", "", "", "");
    char why[TC_NF_WHY_MAX], *text = malloc(TC_NF_STORE_MAX * 32), *at = text;
    struct tc_nf_store *store;
    struct lists lists;

    (void)state;
    assert_non_null(text);
    at += sprintf(at, "value\n");
    for (int i = 0; i < TC_NF_STORE_MAX; i++)
        at += sprintf(at, "host-%d.example\n", i);
    lists_init(&lists);
    lists_put(&lists, "block", TC_NF_STORE_FILE, text);
    store = reopen(lists.dir, NULL);
    assert_int_equal(tc_nf_store_add(store, &row, "root", NOW_S, why), -ENOSPC);
    assert_non_null(strstr(why, "put more into a list"));
    add(store, "host-5.example", "allow", "", "in place of what is there");
    assert_int_equal(tc_nf_store_remove(store, text_of("host-7.example"), why), 0);
    add(store, "one-more.example", "", "", "");
    tc_nf_store_close(store);
    lists_done(&lists);
    free(text);
}

/* ---- Faults ---- */

#define BEFORE "block a.example;block b.example;"
#define ADDED BEFORE "allow c.example;"
#define REMOVED "block b.example;"

static int change(struct tc_nf_store *store, bool adding, char why[TC_NF_WHY_MAX])
{
    struct tc_nf_row row = row_of("c.example", "allow", "", "");

    return adding ? tc_nf_store_add(store, &row, "root", NOW_S, why)
                  : tc_nf_store_remove(store, text_of("a.example"), why);
}

static struct tc_nf_store *prepare(struct lists *lists)
{
    struct tc_nf_store *store;

    lists_init(lists);
    store = reopen(lists->dir, NULL);
    add(store, "a.example", "", "", "");
    add(store, "b.example", "", "", "");
    return store;
}

static void each_call_fails(unsigned calls, int err, bool adding)
{
    bool hit = true;
    unsigned n;

    for (n = 1; hit; n++) {
        char why[TC_NF_WHY_MAX] = "";
        struct lists lists;
        struct tc_nf_store *store = prepare(&lists);
        const char *wanted;
        int r;

        tc_fault_arm(calls, n, err);
        r = change(store, adding, why);
        hit = tc_fault_disarm();
        assert_true(hit || !r);
        assert_true(!r || why[0]);
        wanted = r ? BEFORE : adding ? ADDED : REMOVED;
        assert_holds(store, wanted);
        store = reopen(lists.dir, store);
        assert_holds(store, wanted);
        tc_nf_store_close(store);
        lists_done(&lists);
    }
    assert_true(n > 2);
}

static void a_change_that_fails_changes_nothing(void **state)
{
    (void)state;
    for (int adding = 0; adding < 2; adding++) {
        each_call_fails(TC_FAULT_MEMORY, 0, adding);
        each_call_fails(TC_FAULT_FILES, EIO, adding);
        each_call_fails(TC_FAULT_FILES, ENOSPC, adding);
    }
}

/* Killed before any of its calls: the file is the old one or the new one. */
static void a_crash_leaves_the_old_file_or_the_new_one(void **state)
{
    (void)state;
    for (int adding = 0; adding < 2; adding++) {
        int status = 1, n, before = 0, after = 0;

        for (n = 1; status; n++) {
            char why[TC_NF_WHY_MAX], joined[1024] = "";
            struct tc_nf_filter filter = {.kind = -1, .limit = 100};
            struct lists lists;
            struct tc_nf_store *store = prepare(&lists);
            pid_t child = fork();

            assert_true(child >= 0);
            if (!child) {
                tc_fault_arm(TC_FAULT_FILES, (unsigned)n, TC_FAULT_KILL);
                _exit(change(store, adding, why) != 0);
            }
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(!status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
            store = reopen(lists.dir, store);
            (void)tc_nf_store_list(store, &filter, join, joined);
            before += !strcmp(joined, BEFORE);
            after += !strcmp(joined, adding ? ADDED : REMOVED);
            assert_int_equal(before + after, n);
            add(store, "d.example", "", "", "");
            tc_nf_store_close(store);
            lists_done(&lists);
        }
        assert_true(before > 3 && after > 1);
    }
}

static void an_open_that_fails_says_why(void **state)
{
    static const struct {
        unsigned calls;
        int err;
    } cases[] = {{TC_FAULT_MEMORY, 0}, {TC_FAULT_FILES, EIO}};
    struct lists lists;
    struct tc_nf_store *store = prepare(&lists);

    (void)state;
    tc_nf_store_close(store);
    for (size_t i = 0; i < 2; i++) {
        bool hit = true;

        for (unsigned n = 1; hit; n++) {
            char why[TC_NF_WHY_MAX] = "";
            int r;

            store = NULL;
            tc_fault_arm(cases[i].calls, n, cases[i].err);
            r = tc_nf_store_open(lists.dir, &store, why);
            hit = tc_fault_disarm();
            assert_int_equal(hit, r != 0);
            assert_int_equal(!r, store != NULL);
            assert_true(!r || why[0]);
            tc_nf_store_close(store);
        }
    }
    lists_done(&lists);
}

/* The load, too: all of it, or none and why. */
static void a_load_that_fails_says_why(void **state)
{
    struct tc_nf_indicators *indicators;
    struct lists lists;

    (void)state;
    lists_init(&lists);
    lists_put(&lists, "block", "a.csv", "value,reason,expires\na.example,x,1900000000\n");
    lists_put(&lists, "block", "b.json",
              "{\"objects\":[{\"type\":\"indicator\",\"pattern\":"
              "\"[ipv4-addr:value='192.0.2.1']\"}]}");
    for (int files = 0; files < 2; files++) {
        bool hit = true;

        for (unsigned n = 1; hit; n++) {
            int r;

            indicators = NULL;
            tc_fault_arm(files ? TC_FAULT_FILES : TC_FAULT_MEMORY, n, EIO);
            r = lists_load(&lists, &indicators);
            hit = tc_fault_disarm();
            assert_true(hit || !r);
            assert_true(r ? !indicators && lists.why[0] : indicators != NULL);
            if (!r)
                assert_int_equal(action_of(indicators, "a.example"), TC_NF_BLOCK);
            tc_nf_indicators_unref(indicators);
        }
    }
    lists_done(&lists);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_there_after_a_start),
        cmocka_unit_test(the_same_value_is_replaced_and_removed),
        cmocka_unit_test(bad_input_is_refused_with_a_sentence_and_changes_nothing),
        cmocka_unit_test(what_has_expired_goes_with_the_next_change),
        cmocka_unit_test(the_list_is_filtered_and_paged),
        cmocka_unit_test(a_store_that_somebody_broke_is_not_written_over),
        cmocka_unit_test(the_store_is_loaded_before_all_lists),
        cmocka_unit_test(the_store_has_a_bound),
        cmocka_unit_test(a_change_that_fails_changes_nothing),
        cmocka_unit_test(a_crash_leaves_the_old_file_or_the_new_one),
        cmocka_unit_test(an_open_that_fails_says_why),
        cmocka_unit_test(a_load_that_fails_says_why),
    };

    return cmocka_run_group_tests_name("nf_store", tests, NULL, NULL);
}
