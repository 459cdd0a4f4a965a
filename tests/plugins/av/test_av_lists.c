/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict cache and the hash lists. */
#include "test_av_util.h"

#include "base/av_cache.h"
#include "base/av_lists.h"

#define HASH_A "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824"
#define HASH_B "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7"

static struct tc_av_key key(uint64_t ino, int64_t ctime_ns, uint64_t size)
{
    return (struct tc_av_key){.dev = 7, .ino = ino, .ctime_ns = ctime_ns, .size = size};
}

static void cache_answers_for_the_same_state_of_the_file_only(void **state)
{
    struct tc_av_cache *cache = tc_av_cache_new(0);
    struct tc_av_key a = key(1, 10, 100), touched = key(1, 11, 100);
    struct tc_av_key longer = key(1, 10, 101), other = key(2, 10, 100);
    const char *reason = "unset";

    (void)state;
    assert_false(tc_av_cache_find(cache, &a, 0, &reason));
    tc_av_cache_put(cache, &a, 1, NULL);
    assert_true(tc_av_cache_find(cache, &a, 0, &reason));
    assert_null(reason);
    assert_false(tc_av_cache_find(cache, &touched, 0, &reason));
    assert_false(tc_av_cache_find(cache, &longer, 0, &reason));
    assert_false(tc_av_cache_find(cache, &other, 0, &reason));
    tc_av_cache_put(cache, &touched, 1, "matches rule x");
    assert_true(tc_av_cache_find(cache, &touched, 0, &reason));
    assert_string_equal(reason, "matches rule x");
    assert_false(tc_av_cache_find(cache, &a, 0, &reason)); /* one inode, one state */
    tc_av_cache_free(cache);
}

/* A mapping may have changed what its state does not tell. */
static void cache_answers_by_what_was_read_since_an_event_only(void **state)
{
    struct tc_av_cache *cache = tc_av_cache_new(0);
    struct tc_av_key a = {.dev = 1, .ino = 2, .size = 3, .ctime_ns = 4};
    const char *reason;

    (void)state;
    tc_av_cache_put(cache, &a, 7, NULL);
    assert_true(tc_av_cache_find(cache, &a, 0, &reason));
    assert_true(tc_av_cache_find(cache, &a, 7, &reason));
    assert_false(tc_av_cache_find(cache, &a, 8, &reason));
    tc_av_cache_put(cache, &a, 9, "denied");
    assert_true(tc_av_cache_find(cache, &a, 8, &reason));
    assert_string_equal(reason, "denied");
    tc_av_cache_free(cache);
}

static void cache_forgets_all_when_the_rules_change(void **state)
{
    struct tc_av_cache *cache = tc_av_cache_new(0);
    struct tc_av_key a = key(1, 10, 100);
    const char *reason;

    (void)state;
    tc_av_cache_put(cache, &a, 1, "denied");
    tc_av_cache_reset(cache);
    assert_false(tc_av_cache_find(cache, &a, 0, &reason));
    tc_av_cache_put(cache, &a, 1, NULL);
    assert_true(tc_av_cache_find(cache, &a, 0, &reason));
    tc_av_cache_free(cache);
}

static void cache_drops_the_longest_unused_when_full(void **state)
{
    struct tc_av_cache *cache = tc_av_cache_new(1000);
    struct tc_av_cache_counters counters;
    const char *reason;

    (void)state;
    for (uint64_t i = 1; i <= 1000; i++) {
        struct tc_av_key k = key(i, 1, i);

        tc_av_cache_put(cache, &k, 1, i % 3 ? NULL : "denied");
    }
    for (uint64_t i = 1; i <= 500; i++) { /* use the older half again */
        struct tc_av_key k = key(i, 1, i);

        assert_true(tc_av_cache_find(cache, &k, 0, &reason));
        assert_true((reason == NULL) == (i % 3 != 0));
    }
    for (uint64_t i = 1001; i <= 1500; i++) {
        struct tc_av_key k = key(i, 1, i);

        tc_av_cache_put(cache, &k, 1, NULL);
    }
    for (uint64_t i = 1; i <= 1500; i++) {
        struct tc_av_key k = key(i, 1, i);

        assert_int_equal(tc_av_cache_find(cache, &k, 0, &reason), i <= 500 || i > 1000);
    }
    tc_av_cache_counters(cache, &counters);
    assert_int_equal(counters.entries, 1000);
    assert_int_equal(counters.evicted, 500);
    tc_av_cache_free(cache);
}

static int setup(void **state)
{
    *state = scratch_new();
    return 0;
}

static int teardown(void **state)
{
    scratch_free(*state);
    return 0;
}

static void lists_take_sha256sum_output_and_name_bad_lines(void **state)
{
    char path[PATH_MAX];
    struct tc_av_lists *lists;
    uint8_t a[TC_AV_HASH_BYTES], b[TC_AV_HASH_BYTES];

    assert_true(tc_av_hash_read(HASH_A, 64, a));
    assert_true(tc_av_hash_read(HASH_B, 64, b));
    put_text(in(path, *state, "list"),
             "# comment\n\n  " HASH_A "  ./file\r\nnonsense\n" HASH_B "#x");
    assert_int_equal(tc_av_lists_load(NULL, path, AT_FDCWD, NULL, &lists), 0);
    assert_int_equal(tc_av_lists_find(lists, a), TC_AV_BLOCKED);
    assert_int_equal(tc_av_lists_find(lists, b), TC_AV_BLOCKED);
    assert_non_null(strstr(tc_av_lists_issue(lists, 0), "/list:4: "));
    assert_null(tc_av_lists_issue(lists, 1));
    tc_av_lists_unref(lists);
}

static void lists_allow_wins_over_block(void **state)
{
    char path[PATH_MAX];
    struct tc_av_lists *lists;
    uint8_t a[TC_AV_HASH_BYTES];

    tc_av_hash_read(HASH_A, 64, a);
    put_text(in(path, *state, "list"), HASH_A);
    assert_int_equal(tc_av_lists_load(path, path, AT_FDCWD, NULL, &lists), 0);
    assert_int_equal(tc_av_lists_find(lists, a), TC_AV_ALLOWED);
    tc_av_lists_unref(lists);
}

static void lists_missing_file_is_an_issue_and_missing_own_list_is_not(void **state)
{
    struct tc_av_lists *lists;

    (void)state;
    assert_int_equal(
        tc_av_lists_load(NULL, "/nonexistent/list", AT_FDCWD, "/nonexistent", &lists), 0);
    assert_non_null(tc_av_lists_issue(lists, 0));
    assert_null(tc_av_lists_issue(lists, 1));
    assert_true(tc_av_lists_empty(lists));
    tc_av_lists_unref(lists);
}

static void lists_append_keeps_what_is_there(void **state)
{
    struct tc_av_lists *lists;
    uint8_t a[TC_AV_HASH_BYTES], b[TC_AV_HASH_BYTES];
    int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    tc_av_hash_read(HASH_A, 64, a);
    tc_av_hash_read(HASH_B, 64, b);
    assert_int_equal(tc_av_lists_append(dir, "allowed", a, "one"), 0);
    assert_int_equal(tc_av_lists_append(dir, "allowed", b, "two"), 0);
    assert_int_equal(tc_av_lists_append(dir, "allowed", b, "two"), 0);
    assert_int_equal(tc_av_lists_load(NULL, NULL, dir, "allowed", &lists), 0);
    assert_int_equal(tc_av_lists_find(lists, a), TC_AV_ALLOWED);
    assert_int_equal(tc_av_lists_find(lists, b), TC_AV_ALLOWED);
    assert_null(tc_av_lists_issue(lists, 0));
    tc_av_lists_unref(lists);
    close(dir);
}

static void lists_append_gives_a_hash_a_line_of_its_own(void **state)
{
    static const char old[] = "# " HASH_B "\nno line end";
    struct tc_av_lists *lists;
    uint8_t a[TC_AV_HASH_BYTES], b[TC_AV_HASH_BYTES];
    int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    tc_av_hash_read(HASH_A, 64, a);
    tc_av_hash_read(HASH_B, 64, b);
    assert_int_equal(tc_av_write_durable(dir, "edited", old, sizeof(old) - 1), 0);
    assert_int_equal(tc_av_lists_append(dir, "edited", a, "name\n" HASH_B), 0);
    assert_int_equal(tc_av_lists_load(NULL, NULL, dir, "edited", &lists), 0);
    assert_int_equal(tc_av_lists_find(lists, a), TC_AV_ALLOWED);
    assert_int_equal(tc_av_lists_find(lists, b), TC_AV_UNLISTED);
    tc_av_lists_unref(lists);
    assert_int_equal(tc_av_lists_append(dir, "edited", b, "b"), 0);
    assert_int_equal(tc_av_lists_load(NULL, NULL, dir, "edited", &lists), 0);
    assert_int_equal(tc_av_lists_find(lists, b), TC_AV_ALLOWED);
    tc_av_lists_unref(lists);
    close(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_answers_for_the_same_state_of_the_file_only),
        cmocka_unit_test(cache_answers_by_what_was_read_since_an_event_only),
        cmocka_unit_test(cache_forgets_all_when_the_rules_change),
        cmocka_unit_test(cache_drops_the_longest_unused_when_full),
        cmocka_unit_test_setup_teardown(lists_take_sha256sum_output_and_name_bad_lines,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(lists_allow_wins_over_block, setup, teardown),
        cmocka_unit_test_setup_teardown(
            lists_missing_file_is_an_issue_and_missing_own_list_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_append_keeps_what_is_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(lists_append_gives_a_hash_a_line_of_its_own,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
