/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of ipc/topic.h. */
#include "ipc/topic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void topic_takes_lower_case_words_joined_by_dots(void **state)
{
    static const struct {
        const char *name;
        int want;
    } table[] = {
        {"verdict", 0},
        {"file.open", 0},
        {"rpc.acme-av.scan_now", 0},
        {"a.b.c.d.e.f", 0},
        {"0.9", 0},
        {"", -EINVAL},
        {".", -EINVAL},
        {".file", -EINVAL},
        {"file.", -EINVAL},
        {"file..open", -EINVAL},
        {"File.open", -EINVAL},
        {"file open", -EINVAL},
        {"file.*", -EINVAL},
        {"file/open", -EINVAL},
        {"f\xc3\xbcr", -EINVAL},
        {NULL, -EINVAL},
    };
    struct tc_topics *topics = tc_topics_new();
    const struct tc_topic *topic;

    (void)state;
    assert_non_null(topics);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        topic = NULL;
        assert_int_equal(tc_topic_intern(topics, table[i].name, &topic), table[i].want);
        assert_int_equal(topic != NULL, table[i].want == 0);
        if (topic)
            assert_string_equal(topic->name, table[i].name);
    }
    tc_topics_free(topics);
}

static void topic_takes_a_name_of_the_longest_length_and_no_more(void **state)
{
    struct tc_topics *topics = tc_topics_new();
    const struct tc_topic *topic;
    char name[TC_TOPIC_MAX_LEN + 2];

    (void)state;
    memset(name, 'a', sizeof(name));
    name[TC_TOPIC_MAX_LEN + 1] = '\0';
    assert_int_equal(tc_topic_intern(topics, name, &topic), -EINVAL);
    name[TC_TOPIC_MAX_LEN] = '\0';
    assert_int_equal(tc_topic_intern(topics, name, &topic), 0);
    assert_string_equal(topic->name, name);
    tc_topics_free(topics);
}

static void topic_interns_a_name_once(void **state)
{
    struct tc_topics *topics = tc_topics_new();
    const struct tc_topic *first, *second, *other;
    char copy[] = "file.open";

    (void)state;
    assert_int_equal(tc_topic_intern(topics, "file.open", &first), 0);
    assert_int_equal(tc_topic_intern(topics, copy, &second), 0);
    assert_int_equal(tc_topic_intern(topics, "file.opened", &other), 0);
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, other);
    memset(copy, 'x', sizeof(copy) - 1);
    assert_string_equal(first->name, "file.open");
    tc_topics_free(topics);
}

static void topic_pointers_and_indices_outlive_the_growth_of_the_table(void **state)
{
    static const struct tc_topic *seen[TC_TOPICS_MAX];
    struct tc_topics *topics = tc_topics_new();
    const struct tc_topic *topic;
    char name[32];

    (void)state;
    for (uint32_t i = 0; i < TC_TOPICS_MAX; i++) {
        snprintf(name, sizeof(name), "acme.topic-%u", i);
        assert_int_equal(tc_topic_intern(topics, name, &seen[i]), 0);
        assert_int_equal(seen[i]->index, i);
    }
    for (uint32_t i = 0; i < TC_TOPICS_MAX; i++) {
        snprintf(name, sizeof(name), "acme.topic-%u", i);
        assert_int_equal(tc_topic_intern(topics, name, &topic), 0);
        assert_ptr_equal(topic, seen[i]);
        assert_string_equal(topic->name, name);
    }
    tc_topics_free(topics);
}

static void topic_table_that_is_full_refuses_new_names_and_knows_the_old(void **state)
{
    struct tc_topics *topics = tc_topics_new();
    const struct tc_topic *topic;
    char name[32];

    (void)state;
    for (int i = 0; i < TC_TOPICS_MAX; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        assert_int_equal(tc_topic_intern(topics, name, &topic), 0);
    }
    assert_int_equal(tc_topic_intern(topics, "one.more", &topic), -ENOSPC);
    assert_int_equal(tc_topic_intern(topics, "t0", &topic), 0);
    tc_topics_free(topics);
}

static void topic_keeps_what_must_never_be_lost(void **state)
{
    static const struct {
        const char *name;
        bool keep;
    } table[] = {
        {"threat.detected", true},
        {"alert.raised", true},
        {"approval.timeout", true},
        {"sensor.gap", true},
        {"sensor.a.b", true},
        {"sensors.gap", false},
        {"sensor", false},
        {"file.open", false},
        {"verdict", false},
        {"acme.threat.seen", false},
        {"bus.dropped", false},
        {"isolation.changed", true},
        {"network_filter.gate", true},
        {"network.flow", false},
    };
    struct tc_topics *topics = tc_topics_new();
    const struct tc_topic *topic;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        assert_int_equal(tc_topic_intern(topics, table[i].name, &topic), 0);
        assert_int_equal(topic->keep, table[i].keep);
    }
    tc_topics_free(topics);
}

static void topic_pattern_is_a_name_a_family_or_all(void **state)
{
    static const struct {
        const char *pattern;
        bool valid;
    } table[] = {
        {"*", true},       {"file.*", true}, {"rpc.av.*", true}, {"file.open", true},
        {"", false},       {".*", false},    {"**", false},      {"file*", false},
        {"*.open", false}, {"a.*.b", false}, {"file.**", false}, {"file..*", false},
        {"A.*", false},    {"file.", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        assert_int_equal(tc_topic_pattern_valid(table[i].pattern), table[i].valid);
}

static void topic_pattern_covers_what_it_says(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool match;
    } table[] = {
        {"*", "file.open", true},
        {"file.*", "file.open", true},
        {"a.*", "a.b.c", true},
        {"a.*", "a", false},
        {"a.*", "ab.c", false},
        {"a.b.*", "a.c", false},
        {"file.open", "file.open", true},
        {"file.open", "file.opened", false},
        {"file.opened", "file.open", false},
        {"verdict", "verdict.final", false},
        {"verdict.*", "verdict.final", true},
        {"verdict.*", "verdict", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        assert_int_equal(tc_topic_match(table[i].pattern, table[i].name), table[i].match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topic_takes_lower_case_words_joined_by_dots),
        cmocka_unit_test(topic_takes_a_name_of_the_longest_length_and_no_more),
        cmocka_unit_test(topic_interns_a_name_once),
        cmocka_unit_test(topic_pointers_and_indices_outlive_the_growth_of_the_table),
        cmocka_unit_test(topic_table_that_is_full_refuses_new_names_and_knows_the_old),
        cmocka_unit_test(topic_keeps_what_must_never_be_lost),
        cmocka_unit_test(topic_pattern_is_a_name_a_family_or_all),
        cmocka_unit_test(topic_pattern_covers_what_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
