/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_hooks.h"

#include <bpf/libbpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "trace_skeleton.h"

/* What the kernel's functions for system calls are called: arch/.../syscall_wrapper.h. */
#if defined(__x86_64__)
#define CALL_PREFIX "__x64_sys_"
#else
#define CALL_PREFIX "__arm64_sys_"
#endif

/* Calls that this machine has not, or that its headers do not know yet. */
#ifndef SYS_chmod
#define SYS_chmod TC_TRACE_CALL_NUMBERS
#define SYS_chown TC_TRACE_CALL_NUMBERS
#define SYS_lchown TC_TRACE_CALL_NUMBERS
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452 /* since Linux 6.6, the same on all machines */
#endif

static const struct {
    const char *program, *function;
    uint32_t number;
    enum tc_trace_call call;
} calls[] = {
#define HOOKED(name, function)                                                           \
    {"trace_end_" #name, CALL_PREFIX #function, SYS_##name, TC_TRACE_CALL_##name},
#define NAMED(name, function) {NULL, NULL, SYS_##name, TC_TRACE_CALL_##name},
    TC_TRACE_CREDENTIAL_CALLS(NAMED) TC_TRACE_HOOKED_CALLS(HOOKED)
        TC_TRACE_MODE_CALLS(NAMED) TC_TRACE_OWNER_CALLS(NAMED)
            TC_TRACE_NAMED_CALLS(NAMED)};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

const char *tc_trace_hooks_name(enum tc_trace_hooks_by by)
{
    static const char *const names[TC_TRACE_HOOKS_LEVELS] = {"function", "exit", "none",
                                                             "required"};

    return names[by];
}

bool tc_trace_hooks_required(const struct bpf_program *program)
{
    static const char *const required[] = {"trace_fork", "trace_exec", "trace_exit"};

    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
        if (!strcmp(bpf_program__name(program), required[i]))
            return true;
    return false;
}

/* The name of what it hooks: of the functions of calls it depends on the machine. */
static const char *target_of(const struct bpf_program *program)
{
    const char *slash = strchr(bpf_program__section_name(program), '/');

    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].program && !strcmp(calls[i].program, bpf_program__name(program)))
            return calls[i].function;
    return slash ? slash + 1 : "";
}

bool tc_trace_hooks_at_function(const struct bpf_program *program)
{
    enum bpf_attach_type type = bpf_program__expected_attach_type(program);

    return type == BPF_TRACE_FENTRY || type == BPF_TRACE_FEXIT;
}

static bool is_wanted(const struct trace_bpf *skeleton, const struct bpf_program *program,
                      enum tc_trace_hooks_by by, bool acts)
{
    if (tc_trace_hooks_required(program))
        return true;
    if (program == skeleton->progs.trace_signal ||
        program == skeleton->progs.trace_module_load)
        return acts && by != TC_TRACE_HOOKS_REQUIRED;
    if (tc_trace_hooks_at_function(program))
        return by == TC_TRACE_HOOKS_BY_FUNCTION;
    if (program == skeleton->progs.trace_sys_exit)
        return by == TC_TRACE_HOOKS_BY_EXIT;
    return by != TC_TRACE_HOOKS_REQUIRED;
}

void tc_trace_hooks_miss(struct tc_trace_hooks *hooks, const struct bpf_program *program)
{
    size_t at = strlen(hooks->unseen);

    snprintf(hooks->unseen + at, sizeof(hooks->unseen) - at, "%s%s", at ? " " : "",
             target_of(program));
}

void tc_trace_hooks_choose(struct tc_trace_hooks *hooks, struct trace_bpf *skeleton,
                           enum tc_trace_hooks_by by, bool acts)
{
    struct bpf_program *program;
    bool wanted;

    hooks->by = by;
    hooks->unseen[0] = '\0';
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].number < TC_TRACE_CALL_NUMBERS)
            skeleton->rodata->calls[calls[i].number] = (uint8_t)calls[i].call;
    bpf_object__for_each_program(program, skeleton->obj)
    {
        wanted = is_wanted(skeleton, program, by, acts);
        /* It looks for the hook among the kernel's types, and fails when there is none.
         */
        if (wanted && bpf_program__set_attach_target(program, 0, target_of(program))) {
            tc_trace_hooks_miss(hooks, program);
            wanted = tc_trace_hooks_required(program);
        }
        bpf_program__set_autoload(program, wanted);
    }
}
