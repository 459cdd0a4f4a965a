/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of the verifier's limit our programs take. It grows from kernel to kernel for
 * the same program, until that one can no longer be loaded: so each program that this
 * kernel loads is printed with what the verifier has processed, and half is the most.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/skip.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>

#include "kext_load.h"
#include "kext_skeleton.h"
#include "nf_skeleton.h"
#include "trace_hooks.h"
#include "trace_skeleton.h"

#define LIMIT_INSNS 1000000 /* the kernel's BPF_COMPLEXITY_LIMIT_INSNS */

static uint32_t verified_insns(const struct bpf_program *program)
{
    struct bpf_prog_info info = {0};
    __u32 size = sizeof(info);

    assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size), 0);
    return info.verified_insns;
}

static void check(const struct bpf_object *object)
{
    struct bpf_program *program;
    int loaded = 0, above = 0;

    bpf_object__for_each_program(program, object)
    {
        uint32_t insns;

        if (!bpf_program__autoload(program))
            continue;
        insns = verified_insns(program);
        print_message("%8u  %s\n", insns, bpf_program__name(program));
        loaded++;
        above += insns == 0 || insns > LIMIT_INSNS / 2;
    }
    assert_true(loaded > 0);
    assert_int_equal(above, 0);
}

/* Some kernels refuse a type of program as such. Not those of the guests. */
static void not_here(const char *programs, int err)
{
    if (err != -EPERM || getenv("TOCSIN_VM_KERNEL"))
        fail_msg("%s: %s", programs, strerror(-err));
    print_message("not here: this kernel does not let %s be loaded\n", programs);
}

static void check_kext(enum tc_kext_level level, const char *programs)
{
    const struct tc_kext_sizes sizes = {.ring_bytes = 4096, .known = 1};
    struct tc_kext_programs kext;
    char why[256];
    int err = tc_kext_load(&kext, level, &sizes, NULL, why);

    if (err) {
        not_here(programs, err);
        return;
    }
    check(kext.skeleton->obj);
    tc_kext_unload(&kext);
}

static void check_trace(enum tc_trace_hooks_by by, const char *programs)
{
    struct trace_bpf *skeleton = trace_bpf__open();
    struct tc_trace_hooks hooks;
    int err;

    if (!skeleton) {
        not_here(programs, -errno);
        return;
    }
    tc_trace_hooks_choose(&hooks, skeleton, by, true);
    err = trace_bpf__load(skeleton);
    if (err)
        not_here(programs, err);
    else
        check(skeleton->obj);
    trace_bpf__destroy(skeleton);
}

static void kext_takes_at_most_half_of_it_with_lsm(void **state)
{
    (void)state;
    check_kext(TC_KEXT_LEVEL_LSM, "kext's BPF LSM programs");
}

static void kext_takes_at_most_half_of_it_with_tracing(void **state)
{
    (void)state;
    check_kext(TC_KEXT_LEVEL_TRACING, "kext's tracing programs");
}

static void trace_takes_at_most_half_of_it_at_functions(void **state)
{
    (void)state;
    check_trace(TC_TRACE_HOOKS_BY_FUNCTION, "trace's programs at functions (fexit)");
}

static void trace_takes_at_most_half_of_it_at_the_end_of_calls(void **state)
{
    (void)state;
    check_trace(TC_TRACE_HOOKS_BY_EXIT, "trace's program at the end of all calls");
}

static void netfilter_takes_at_most_half_of_it(void **state)
{
    struct netfilter_bpf *skeleton = netfilter_bpf__open();
    int err;

    (void)state;
    if (!skeleton) {
        not_here("netfilter's programs at cgroups", -errno);
        return;
    }
    err = netfilter_bpf__load(skeleton);
    if (err)
        not_here("netfilter's programs at cgroups", err);
    else
        check(skeleton->obj);
    netfilter_bpf__destroy(skeleton);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kext_takes_at_most_half_of_it_with_lsm),
        cmocka_unit_test(kext_takes_at_most_half_of_it_with_tracing),
        cmocka_unit_test(trace_takes_at_most_half_of_it_at_functions),
        cmocka_unit_test(trace_takes_at_most_half_of_it_at_the_end_of_calls),
        cmocka_unit_test(netfilter_takes_at_most_half_of_it),
    };

    if (geteuid() != 0) {
        print_message("skipped: only root loads programs into the kernel\n");
        return test_skipped();
    }
    libbpf_set_print(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
