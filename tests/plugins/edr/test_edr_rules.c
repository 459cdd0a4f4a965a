/* SPDX-License-Identifier: Apache-2.0 */
/* Plugin edr and hard cases of rules: many, hostile, changing while events flow. */
#include "test_edr_util.h"

#define MANY 3000 /* rules, in files of a hundred */

static void put_many(const struct edr *edr)
{
    char name[32], *text = NULL;
    size_t len = 0;
    FILE *file;

    for (int i = 0; i < MANY; i += 100) {
        file = open_memstream(&text, &len);
        assert_non_null(file);
        for (int k = i; k < i + 100; k++)
            fprintf(file,
                    "---\ntitle: Rule %d\n"
                    "logsource: {category: process_creation}\n"
                    "detection:\n  s: {CommandLine|contains: 'word%d '}\n"
                    "  condition: s\n",
                    k, k);
        assert_int_equal(fclose(file), 0);
        snprintf(name, sizeof(name), "rules%04d.yml", i);
        put_file(edr, name, text);
        free(text);
    }
}

static size_t count_items(const struct tocsin_event *page, const char *state)
{
    struct tocsin_value items, item;
    struct tocsin_iter it;
    size_t n = 0;

    assert_true(tocsin_find(page->data, page->len, "items", &items));
    tocsin_iter_init(&it, &items);
    while (tocsin_iter_next(&it, NULL, &item))
        n += tocsin_str_is(tocsin_find_str(item.start, tocsin_value_size(&item), "state"),
                           state);
    return n;
}

static void edr_lists_thousands_of_rules_page_by_page(void **state)
{
    struct edr *edr = *state;
    const struct tocsin_event *page;
    int64_t next = 0, pages = 0;
    struct tc_harness *h;
    size_t n = 0;

    put_many(edr);
    put_file(edr, "zz.yml", "title: [\n");
    h = run_edr(edr, NULL);
    do {
        page = ask_edr(h, "rpc.edr.definitions", "offset", (uint64_t)next);
        assert_int_equal(tocsin_event_int(page, "rules", -1), MANY);
        assert_int_equal(tocsin_event_int(page, "generation", -1), 1);
        assert_true(page->len < TOCSIN_EVENT_MAX_BYTES);
        n += count_items(page, "runs");
        next = tocsin_event_int(page, "next", 0);
        pages++;
    } while (next);
    assert_int_equal(n, MANY);
    assert_int_equal(count_items(page, "refused"), 1);
    assert_true(pages > 1);
    publish_started(h, 100, "/bin/x", "word2999 ");
    assert_string_equal(tc_harness_text(h, await_alert(h), "alert.title"), "Rule 2999");
}

static void edr_definitions_beyond_the_end_are_empty(void **state)
{
    struct edr *edr = *state;
    const struct tocsin_event *page;
    struct tc_harness *h;

    put_rule(edr, "nc.yml", "Netcat", "{Image|endswith: /nc}");
    h = run_edr(edr, NULL);
    page = ask_edr(h, "rpc.edr.definitions", "offset", INT64_MAX);
    assert_int_equal(count_items(page, "runs"), 0);
    assert_int_equal(tocsin_event_int(page, "next", 0), 0);
    page = ask_edr(h, "rpc.edr.definitions", "offset", UINT64_MAX);
    assert_int_equal(count_items(page, "runs"), 1);
}

/* Events come all the while; each is judged by one set or the other. */
static void edr_loses_no_event_while_rules_are_swapped(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h;
    uint64_t n = 0;

    put_rule(edr, "nc.yml", "Netcat", "{Image|endswith: /nc}");
    h = run_edr(edr, "suppress=0s");
    for (uint64_t loads = 1; loads < 6; loads = stat_of(h, "reloads")) {
        put_rule(edr, "other.yml", "Other", "{Image|endswith: /other}");
        tc_harness_publish(h, "rpc.edr.reload", 0, -1, NULL);
        for (int i = 0; i < 20; i++, n++)
            publish_started(h, 1000 + (int)n, "/usr/bin/nc", "nc -l 1");
    }
    assert_int_equal(stat_of(h, "matches"), n);
    assert_int_equal(stat_of(h, "unjudged"), 0);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), n);
}

/* A file of `bytes`, each of the same character, behind `head`. */
static void put_bulk(const struct edr *edr, const char *name, const char *head, char c,
                     size_t bytes)
{
    char *text = malloc(strlen(head) + bytes + 1);
    size_t n = strlen(head);

    assert_non_null(text);
    memcpy(text, head, n);
    memset(text + n, c, bytes);
    text[n + bytes] = 0;
    put_file(edr, name, text);
    free(text);
}

static void edr_bounds_hostile_rule_files_and_runs_the_others(void **state)
{
    static const char bomb[] = "a: &a [x,x,x,x,x,x,x,x,x]\n"
                               "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                               "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                               "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                               "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
                               "f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
                               "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    struct edr *edr = *state;
    struct tc_harness *h;
    char path[128];

    put_bulk(edr, "deep.yml", "title: ", '[', 100000);
    put_bulk(edr, "huge.yml", "title: ", 'x', 5u << 20);
    put_file(edr, "bomb.yml", bomb);
    put_rule(edr, "slow.yml", "Slow", "{CommandLine|re: '(a+)+$'}");
    put_rule(edr, "nc.yml", "Netcat", "{Image|endswith: /nc}");
    snprintf(path, sizeof(path), "%s/pipe.yml", edr->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/self", edr->dir);
    assert_int_equal(symlink(edr->dir, path), 0);
    h = run_edr(edr, NULL);
    /* A pipe, and a link that leads back, too. */
    assert_int_equal(stat_of(h, "rules_refused"), 5);
    assert_non_null(tc_harness_reported(h, "rules_4"));
    assert_null(tc_harness_reported(h, "rules_5"));
    publish_started(h, 100, "/bin/x",
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
    publish_started(h, 101, "/usr/bin/nc", "nc -l 1");
    assert_string_equal(tc_harness_text(h, await_alert(h), "alert.title"), "Netcat");
}

static void edr_goes_on_judging_while_hostile_files_appear(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h;
    uint64_t end;
    int n = 0;

    put_rule(edr, "nc.yml", "Netcat", "{Image|endswith: /nc}");
    h = run_edr(edr, "suppress=0s");
    put_bulk(edr, "deep.yml", "title: ", '{', 64u << 10);
    put_bulk(edr, "huge.yml", "title: ", 'x', 5u << 20);
    put_bulk(edr, "bytes.yml", "title: ", '\1', 1000);
    end = uv_hrtime() + 2 * TC_HARNESS_WAIT_MS * UINT64_C(1000000);
    for (; stat_of(h, "rules_refused") < 3 && uv_hrtime() < end; n++) {
        publish_started(h, 100 + n, "/usr/bin/nc", "nc -l 1");
        tc_harness_run_for(h, 5);
    }
    assert_int_equal(stat_of(h, "rules_refused"), 3);
    assert_int_equal(stat_of(h, "matches"), n);
    assert_int_equal(stat_of(h, "unjudged"), 0);
}

static void edr_shows_some_broken_files_in_health_and_counts_the_rest(void **state)
{
    struct edr *edr = *state;
    const struct tc_harness_report *last;
    struct tc_harness *h;
    char name[32];

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "broken%d.yml", i);
        put_file(edr, name, "title: [\n");
    }
    h = run_edr(edr, NULL);
    last = tc_harness_reported(h, "rules_15");
    assert_non_null(last);
    assert_non_null(strstr(last->text, "25 more"));
    assert_null(tc_harness_reported(h, "rules_16"));
    assert_int_equal(count_items(ask_edr(h, "rpc.edr.definitions", NULL, 0), "refused"),
                     40);
}

static void edr_stops_while_rules_are_being_loaded(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h;

    put_many(edr);
    h = run_edr(edr, NULL);
    tc_harness_publish(h, "rpc.edr.reload", 0, -1, NULL);
    tc_harness_publish(h, "rpc.edr.reload", 0, -1, NULL); /* waits behind the first */
    tc_harness_settle(h);
    assert_int_equal(tc_harness_stop(h), 0);
}

static void edr_stops_before_it_has_its_first_rules(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h = &edr->h;
    char rules[128];
    const char *const options[] = {rules, NULL};

    put_many(edr);
    snprintf(rules, sizeof(rules), "rules=%s", edr->dir);
    assert_int_equal(tc_harness_load(h, PLUGIN, options), 0);
    assert_int_equal(tc_plugin_start(h->plugin), 0);
    assert_int_equal(tc_harness_stop(h), 0);
}

static void edr_runs_again_after_each_stop(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h;

    put_rule(edr, "nc.yml", "Netcat", "{Image|endswith: /nc}");
    h = run_edr(edr, NULL);
    for (int i = 0; i < 3; i++) {
        publish_started(h, 100 + i, "/usr/bin/nc", "nc -l 1");
        await_alert(h);
        assert_int_equal(tc_harness_stop(h), 0);
        assert_int_equal(tc_harness_start(h), 0);
    }
}

static void edr_takes_other_rules_from_its_configuration_while_it_runs(void **state)
{
    struct edr *edr = *state;
    const char *options[] = {"rules=/nonexistent", NULL};
    char rules[128], folder[96];
    bool restart = true;
    struct tc_harness *h;

    put_rule(edr, "nc.yml", "Netcat", "{Image|endswith: /nc}");
    snprintf(folder, sizeof(folder), "%s/more", edr->dir);
    assert_int_equal(mkdir(folder, 0755), 0);
    put_rule(edr, "more/curl.yml", "Curl", "{Image|endswith: /curl}");
    h = run_edr(edr, NULL);
    assert_int_equal(stat_of(h, "rules"), 2);
    snprintf(rules, sizeof(rules), "rules=%s", folder);
    options[0] = rules;
    assert_int_equal(tc_harness_reconfigure(h, options, &restart), 0);
    assert_false(restart);
    await_rules(h, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, edr_setup, edr_teardown)
    const struct CMUnitTest tests[] = {
        TEST(edr_lists_thousands_of_rules_page_by_page),
        TEST(edr_definitions_beyond_the_end_are_empty),
        TEST(edr_loses_no_event_while_rules_are_swapped),
        TEST(edr_bounds_hostile_rule_files_and_runs_the_others),
        TEST(edr_goes_on_judging_while_hostile_files_appear),
        TEST(edr_shows_some_broken_files_in_health_and_counts_the_rest),
        TEST(edr_stops_while_rules_are_being_loaded),
        TEST(edr_stops_before_it_has_its_first_rules),
        TEST(edr_runs_again_after_each_stop),
        TEST(edr_takes_other_rules_from_its_configuration_while_it_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
