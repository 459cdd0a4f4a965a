/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/version.h"

static void versions_compare_by_number(void **state)
{
    static const struct {
        const char *older, *newer;
    } pairs[] = {
        {"101.03.73", "101.10.1"},
        {"5.9.16", "5.10"},
        {"6.1.0-18-cloud-amd64", "6.18.44-custom-v7"},
        {"6.18.43-zz", "6.18.44-aa"},
        {"1.2", "1.2.1"},
        {"9", "10"},
        {"0.9.9", "1"},
        {"", "0.0.1"},
        {"18446744073709551615", "18446744073709551616"},
        {"1.99999999999999999999999999999999999999998",
         "1.99999999999999999999999999999999999999999"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        assert_true(tc_version_compare(pairs[i].older, pairs[i].newer) < 0);
        assert_true(tc_version_compare(pairs[i].newer, pairs[i].older) > 0);
    }
}

static void versions_are_equal_whatever_they_are_padded_with(void **state)
{
    static const struct {
        const char *a, *b;
    } pairs[] = {
        {"101.03.73", "101.3.73"},
        {"1", "1.0.0"},
        {"0", "00.000"},
        {"6.1.0-18-cloud-amd64", "6.1.0"},
        {"6.1.0-18", "6.1.0-19"},
        {"6.1.0.rc4", "6.1"},
        {"2.", "2"},
        {"", ""},
        {"10.000000000000000000000000000001", "10.1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        assert_int_equal(tc_version_compare(pairs[i].a, pairs[i].b), 0);
        assert_int_equal(tc_version_compare(pairs[i].b, pairs[i].a), 0);
    }
}

static void version_begins_with_a_number(void **state)
{
    (void)state;
    assert_true(tc_version_valid("6.18.44-custom-v7"));
    assert_true(tc_version_valid("0"));
    assert_false(tc_version_valid(""));
    assert_false(tc_version_valid("v6.1"));
    assert_false(tc_version_valid("-1"));
    assert_false(tc_version_valid(".1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_compare_by_number),
        cmocka_unit_test(versions_are_equal_whatever_they_are_padded_with),
        cmocka_unit_test(version_begins_with_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
