/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent of the next minor, which there is not yet: its headers are this minor's with a
 * member more at the end of each structure (next_minor.py), and the parts of the agent
 * that a plugin meets are compiled with them.
 */
#include "promise_v1_0.h"

#include "core/conf/options.h"
#include "core/host/loader.h"

static void abi_what_an_older_plugin_does_not_know_is_zero(void **state)
{
    const struct tocsin_plugin *plugin;
    struct tc_harness h;
    size_t n = 0;

    (void)state;
    tc_harness_init(&h);
    if (tc_harness_load(&h, TEST_FIXTURES "/tocsin_abi_v1_0.so", NULL))
        fail_msg("%s", h.why);
    plugin = tc_plugin_module(h.plugin)->plugin;
    assert_int_equal(plugin->size, sizeof(*plugin));
    assert_int_equal(plugin->option_size, sizeof(struct tocsin_option));
    assert_null(plugin->made_up);
    assert_string_equal(plugin->options[6].name, "list");
    for (const struct tocsin_option *option = plugin->options; option->name;
         option++, n++)
        assert_int_equal(option->made_up, 0);
    assert_int_equal(n, 7);
    tc_harness_done(&h);
}

static void abi_plugin_of_the_agents_minor_has_what_it_added(void **state)
{
    const struct tocsin_plugin *plugin;
    struct tc_harness h;

    (void)state;
    tc_harness_init(&h);
    if (tc_harness_load(&h, TEST_FIXTURES "/tocsin_abi_next.so", NULL) ||
        tc_harness_start(&h))
        fail_msg("%s", h.why);
    plugin = tc_plugin_module(h.plugin)->plugin;
    assert_non_null(plugin->made_up);
    assert_int_equal(plugin->made_up(NULL), 11);
    assert_int_equal(plugin->options[1].made_up, 12);
    assert_non_null(tc_harness_await(&h, "abi.done", 0));
    tc_harness_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abi_plugin_of_1_0_still_does_all_it_could),
        cmocka_unit_test(abi_what_an_older_plugin_does_not_know_is_zero),
        cmocka_unit_test(abi_plugin_of_the_agents_minor_has_what_it_added),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
