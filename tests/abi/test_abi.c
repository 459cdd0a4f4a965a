/* SPDX-License-Identifier: Apache-2.0 */
/* An agent of this minor, with a plugin of each released one, and with one of the next.
 */
#include "promise_v1_0.h"

#include <stdio.h>
#include <string.h>

static void abi_plugin_of_the_next_minor_is_refused_and_both_are_named(void **state)
{
    struct tc_harness h;
    char sentence[128];

    (void)state;
    (void)snprintf(sentence, sizeof(sentence),
                   "was built for plugin ABI %d.%d and this agent has %d.%d: update the "
                   "agent",
                   TOCSIN_ABI_MAJOR, TOCSIN_ABI_MINOR + 1, TOCSIN_ABI_MAJOR,
                   TOCSIN_ABI_MINOR);
    tc_harness_init(&h);
    assert_int_equal(tc_harness_load(&h, TEST_FIXTURES "/tocsin_abi_next.so", NULL),
                     -EPROTO);
    if (!strstr(h.why, sentence))
        fail_msg("\"%s\" does not say \"%s\"", h.why, sentence);
    tc_harness_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abi_plugin_of_1_0_still_does_all_it_could),
        cmocka_unit_test(abi_plugin_of_the_next_minor_is_refused_and_both_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
