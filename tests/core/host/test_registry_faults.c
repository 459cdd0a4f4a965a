/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry when any one allocation or system call fails while it starts, changes and
 * stops plugins: every operation ends, once; what runs after it is what the registry says
 * runs; and at the end nothing is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/fault.h"
#include "tests/support/registry_rig.h"

#include <errno.h>
#include <string.h>

#define PLUGINS "plugins: {good: {word: old}, netstub: {}}\n"

typedef void (*operation_fn)(struct tc_rig *rig, struct tc_rig_outcome *outcome);

static void boot(struct tc_rig *rig, struct tc_rig_outcome *outcome)
{
    char why[256] = "";
    int err = tc_rig_boot(rig, PLUGINS, why);

    tc_rig_ended(outcome, err, why);
}

static void reload(struct tc_rig *rig, struct tc_rig_outcome *outcome)
{
    tc_registry_reload(rig->registry, "good", tc_rig_ended, outcome);
}

static void disable(struct tc_rig *rig, struct tc_rig_outcome *outcome)
{
    tc_registry_disable(rig->registry, "good", tc_rig_ended, outcome);
}

static void configure(struct tc_rig *rig, struct tc_rig_outcome *outcome)
{
    tc_rig_apply(rig, "plugins: {good: {word: new}, late_ready: {}}\n", false, outcome);
}

static bool good_runs(const struct tc_rig *rig)
{
    const struct tc_plugin *good = tc_registry_plugin(rig->registry, "good");

    return good && tc_plugin_state(good) == TC_PLUGIN_RUNNING;
}

/* Each n-th call of the operation fails, in a registry of its own. Returns how many calls
 * it has. */
static unsigned each_call_fails(unsigned calls, int err, operation_fn operation)
{
    static struct tc_rig rig; /* too large for some stacks */
    bool hit = true;
    unsigned n;

    for (n = 1; hit; n++) {
        struct tc_rig_outcome outcome = {0};

        assert_int_equal(tc_rig_init(&rig), 0);
        assert_int_equal(tc_rig_make(&rig), 0);
        if (operation != boot)
            assert_int_equal(tc_rig_boot(&rig, PLUGINS, outcome.why), 0);
        tc_fault_arm(calls, n, err);
        operation(&rig, &outcome);
        tc_rig_wait(&rig, &outcome);
        hit = tc_fault_disarm();
        assert_true(hit || !outcome.status);
        assert_true(!outcome.status || outcome.why[0]);
        if (!outcome.status && operation == configure)
            assert_string_equal(rig.word, "new");
        assert_int_equal(tc_rig_ask(&rig), good_runs(&rig));
        tc_rig_done(&rig);
    }
    return n - 2;
}

static void registry_boots_as_far_as_it_can(void **state)
{
    (void)state;
    assert_true(each_call_fails(TC_FAULT_MEMORY, 0, boot) > 0);
    assert_true(each_call_fails(TC_FAULT_FILES, EMFILE, boot) > 0);
}

static void registry_ends_a_reload_for_which_something_is_missing(void **state)
{
    (void)state;
    assert_true(each_call_fails(TC_FAULT_MEMORY, 0, reload) > 0);
    assert_true(each_call_fails(TC_FAULT_FILES, EIO, reload) > 0);
}

static void registry_needs_no_memory_to_disable(void **state)
{
    (void)state;
    assert_int_equal(each_call_fails(TC_FAULT_MEMORY, 0, disable), 0);
}

static void registry_ends_a_configuration_for_which_something_is_missing(void **state)
{
    (void)state;
    assert_true(each_call_fails(TC_FAULT_MEMORY, 0, configure) > 0);
    assert_true(each_call_fails(TC_FAULT_FILES, EIO, configure) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_boots_as_far_as_it_can),
        cmocka_unit_test(registry_ends_a_reload_for_which_something_is_missing),
        cmocka_unit_test(registry_needs_no_memory_to_disable),
        cmocka_unit_test(registry_ends_a_configuration_for_which_something_is_missing),
    };

    return cmocka_run_group_tests_name("registry_faults", tests, NULL, NULL);
}
