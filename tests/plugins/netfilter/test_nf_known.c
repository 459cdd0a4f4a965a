/* SPDX-License-Identifier: Apache-2.0 */
/* What addresses stand for, by the answers of name servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "nf_names.h"

#define S UINT64_C(1000000000)
#define NETNS 4
#define PID 70

static const uint8_t address[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};

static struct tc_nf_name_key key_of(uint32_t who)
{
    struct tc_nf_name_key key = {.netns = NETNS, .who = who};

    memcpy(key.address, address, sizeof(key.address));
    return key;
}

static void learn(struct tc_nf_names *names, uint32_t who, const char *name,
                  uint32_t ttl_s, uint64_t now_ns)
{
    const struct tc_nf_name_key key = key_of(who);

    assert_non_null(tc_nf_names_learn(names, &key, name, ttl_s, now_ns));
}

static const char *found(struct tc_nf_names *names, uint32_t pid, uint64_t now_ns)
{
    return tc_nf_names_find(names, address, NETNS, pid, now_ns);
}

static void name_lasts_as_long_as_its_time_to_live_within_bounds(void **state)
{
    struct tc_nf_names names = {.by_key = NULL};

    (void)state;
    learn(&names, PID, "short.example", 0, S);
    assert_string_equal(found(&names, PID, S + TC_NF_TTL_MIN_S * S - 1), "short.example");
    assert_null(found(&names, PID, S + TC_NF_TTL_MIN_S * S));
    learn(&names, PID, "long.example", UINT32_MAX, S);
    assert_string_equal(found(&names, PID, TC_NF_TTL_MAX_S * S), "long.example");
    assert_null(found(&names, PID, S + TC_NF_TTL_MAX_S * S));
    tc_nf_names_done(&names);
}

static void own_answer_counts_before_everybodys_and_for_nobody_else(void **state)
{
    struct tc_nf_names names = {.by_key = NULL};

    (void)state;
    learn(&names, PID, "own.example", 60, S);
    assert_null(found(&names, PID + 1, S));
    learn(&names, TC_NF_EVERYBODY, "all.example", 60, S);
    assert_string_equal(found(&names, PID, S), "own.example");
    assert_string_equal(found(&names, PID + 1, S), "all.example");
    assert_null(tc_nf_names_find(&names, address, NETNS + 1, PID, S));
    tc_nf_names_done(&names);
}

static void daemons_ask_for_everybody_and_root_does_not(void **state)
{
    (void)state;
    assert_int_equal(tc_nf_names_whose(PID, 0), PID);
    assert_int_equal(tc_nf_names_whose(PID, 101), TC_NF_EVERYBODY);
    assert_int_equal(tc_nf_names_whose(PID, TC_NF_SYSTEM_UIDS), PID);
}

static void the_latest_names_are_kept_each_once(void **state)
{
    const struct tc_nf_named_address *known;
    struct tc_nf_names names = {.by_key = NULL};
    char name[32];

    (void)state;
    for (int i = 0; i < TC_NF_NAMES_EACH_MAX + 2; i++) {
        snprintf(name, sizeof(name), "n%d.example", i);
        learn(&names, PID, name, 60, S);
        learn(&names, PID, name, 60, S);
    }
    known = tc_nf_names_of(&names, address, NETNS, PID, S);
    assert_non_null(known);
    assert_int_equal(known->count, TC_NF_NAMES_EACH_MAX);
    assert_string_equal(known->names[0].text, "n5.example");
    assert_string_equal(known->names[3].text, "n2.example");
    tc_nf_names_done(&names);
}

static void name_that_is_too_long_is_not_kept(void **state)
{
    const struct tc_nf_name_key key = key_of(PID);
    struct tc_nf_names names = {.by_key = NULL};
    char name[TC_NF_NAME_TEXT_MAX + 1];

    (void)state;
    memset(name, 'a', sizeof(name));
    name[TC_NF_NAME_TEXT_MAX] = '\0';
    assert_null(tc_nf_names_learn(&names, &key, name, 60, S));
    name[TC_NF_NAME_TEXT_MAX - 1] = '\0';
    assert_non_null(tc_nf_names_learn(&names, &key, name, 60, S));
    tc_nf_names_done(&names);
}

static void addresses_are_bounded_and_the_longest_unused_goes(void **state)
{
    struct tc_nf_name_key key = key_of(PID);
    struct tc_nf_names names = {.by_key = NULL};

    (void)state;
    learn(&names, PID, "first.example", 600, S);
    for (uint32_t i = 1; i < TC_NF_NAMES_MAX; i++) {
        memcpy(key.address, &i, sizeof(i));
        assert_non_null(tc_nf_names_learn(&names, &key, "x.example", 600, S));
    }
    assert_string_equal(found(&names, PID, S), "first.example"); /* used */
    key.who++;
    assert_non_null(tc_nf_names_learn(&names, &key, "x.example", 600, S));
    assert_int_equal(names.evicted, 1);
    assert_string_equal(found(&names, PID, S), "first.example");
    tc_nf_names_done(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_lasts_as_long_as_its_time_to_live_within_bounds),
        cmocka_unit_test(own_answer_counts_before_everybodys_and_for_nobody_else),
        cmocka_unit_test(daemons_ask_for_everybody_and_root_does_not),
        cmocka_unit_test(the_latest_names_are_kept_each_once),
        cmocka_unit_test(name_that_is_too_long_is_not_kept),
        cmocka_unit_test(addresses_are_bounded_and_the_longest_unused_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
