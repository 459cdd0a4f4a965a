/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: records of the kernel's, whole and malformed, and who has gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nf_process.h"

#define GONE 0x7ffffff0 /* more than pid_max can be */

struct whole {
    struct tc_nf_process_record record;
    char texts[128];
};

/* Names upwards, each with its NUL. */
static size_t make(struct whole *whole)
{
    static const char exe[] = "curl\0bin\0usr", parent[] = "sh\0bin",
                      cgroup[] = "ssh.service\0system.slice", args[] = "curl\0-s\0a b";
    const char *const texts[] = {exe, parent, cgroup, args};
    const size_t lens[] = {sizeof(exe), sizeof(parent), sizeof(cgroup), sizeof(args)};
    uint32_t end = 0;

    memset(whole, 0, sizeof(*whole));
    whole->record.kind = TC_NF_PROCESS;
    whole->record.pid = GONE;
    whole->record.start_ns = 77;
    whole->record.uid = 1000;
    memcpy(whole->record.comm, "0123456789abcdef", 16); /* without a NUL */
    for (int i = 0; i < TC_NF_TEXTS; i++) {
        memcpy(whole->texts + end, texts[i], lens[i]);
        end += (uint32_t)lens[i];
        whole->record.end[i] = end;
    }
    return sizeof(whole->record) + end;
}

static void process_is_what_the_kernel_reported(void **state)
{
    struct tc_nf_processes processes;
    struct tc_nf_process *process;
    struct whole whole;
    size_t len = make(&whole);

    (void)state;
    tc_nf_processes_init(&processes);
    tc_nf_processes_record(&processes, &whole.record, len);
    process = tc_nf_processes_find(&processes, GONE, 77);
    assert_non_null(process);
    assert_string_equal(process->executable, "/usr/bin/curl");
    assert_string_equal(process->parent_executable, "/bin/sh");
    assert_string_equal(process->cgroup, "/system.slice/ssh.service");
    assert_string_equal(process->command_line, "curl -s a b");
    assert_string_equal(process->name, "0123456789abcdef");
    assert_int_equal(process->uid, 1000);
    tc_nf_process_unref(process);
    tc_nf_processes_done(&processes);
}

static void malformed_records_are_counted_and_nothing_else(void **state)
{
    struct tc_nf_processes processes;
    struct whole whole;
    size_t len = make(&whole);

    (void)state;
    tc_nf_processes_init(&processes);
    tc_nf_processes_record(&processes, &whole.record, sizeof(whole.record) - 1);
    tc_nf_processes_record(&processes, &whole.record, len - 1);
    for (int i = 0; i < TC_NF_TEXTS; i++) {
        make(&whole);
        whole.record.end[i] = UINT32_MAX;
        tc_nf_processes_record(&processes, &whole.record, len);
    }
    make(&whole);
    whole.record.end[TC_NF_PARENT] = whole.record.end[TC_NF_EXECUTABLE] - 1;
    tc_nf_processes_record(&processes, &whole.record, len);
    assert_int_equal(processes.malformed, 3 + TC_NF_TEXTS);
    assert_null(processes.by_pid);
    tc_nf_processes_done(&processes);
}

static void process_without_texts_has_none(void **state)
{
    struct tc_nf_process_record record = {.kind = TC_NF_PROCESS, .pid = GONE};
    struct tc_nf_processes processes;

    (void)state;
    tc_nf_processes_init(&processes);
    tc_nf_processes_record(&processes, &record, sizeof(record));
    assert_non_null(processes.by_pid);
    assert_null(processes.by_pid->executable);
    assert_null(processes.by_pid->command_line);
    tc_nf_processes_done(&processes);
}

static void another_start_is_another_process(void **state)
{
    struct tc_nf_processes processes;
    struct whole whole;
    size_t len = make(&whole);

    (void)state;
    tc_nf_processes_init(&processes);
    tc_nf_processes_record(&processes, &whole.record, len);
    assert_null(tc_nf_processes_find(&processes, GONE, UINT64_C(9000000000)));
    assert_int_equal(processes.gone, 1);
    tc_nf_processes_done(&processes);
}

static void process_that_was_not_reported_is_read(void **state)
{
    struct tc_nf_processes processes;
    struct tc_nf_process *process;
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    (void)state;
    assert_true(n > 0);
    path[n] = '\0';
    tc_nf_processes_init(&processes);
    process = tc_nf_processes_find(&processes, getpid(), 0);
    assert_non_null(process);
    assert_string_equal(process->executable, path);
    assert_int_equal(process->parent_pid, getppid());
    tc_nf_process_unref(process);
    tc_nf_processes_done(&processes);
}

static void flow_names_a_process_of_which_nothing_else_is_known(void **state)
{
    struct tc_nf_flow_record record = {.pid = GONE, .start_ns = 5, .uid = 7};
    struct tc_nf_process *process;

    (void)state;
    memcpy(record.comm, "worker", 7);
    process = tc_nf_process_of(&record);
    assert_non_null(process);
    assert_int_equal(process->pid, GONE);
    assert_string_equal(process->name, "worker");
    assert_int_equal(process->uid, 7);
    assert_null(process->executable);
    tc_nf_process_unref(process);
}

static void processes_are_bounded_and_the_longest_unused_goes(void **state)
{
    struct tc_nf_process_record record = {.kind = TC_NF_PROCESS, .start_ns = 1};
    struct tc_nf_processes processes;
    struct tc_nf_process *process;

    (void)state;
    tc_nf_processes_init(&processes);
    for (uint32_t i = 0; i < TC_NF_PROCESSES_MAX; i++) {
        record.pid = GONE - i;
        tc_nf_processes_record(&processes, &record, sizeof(record));
    }
    process = tc_nf_processes_find(&processes, GONE, 1); /* the oldest, used again */
    assert_non_null(process);
    tc_nf_process_unref(process);
    record.pid = GONE + 1;
    tc_nf_processes_record(&processes, &record, sizeof(record));
    assert_int_equal(processes.evicted, 1);
    process = tc_nf_processes_find(&processes, GONE, 1);
    assert_non_null(process);
    tc_nf_process_unref(process);
    assert_null(tc_nf_processes_find(&processes, GONE - 1, 1));
    tc_nf_processes_done(&processes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(process_is_what_the_kernel_reported),
        cmocka_unit_test(malformed_records_are_counted_and_nothing_else),
        cmocka_unit_test(process_without_texts_has_none),
        cmocka_unit_test(another_start_is_another_process),
        cmocka_unit_test(process_that_was_not_reported_is_read),
        cmocka_unit_test(flow_names_a_process_of_which_nothing_else_is_known),
        cmocka_unit_test(processes_are_bounded_and_the_longest_unused_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
