/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What trace reports of what processes do: each act done for real, by this program run
 * once more with the name of the act as its argument. Reports come in order, so once the
 * end of a process was reported, so was all that it did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/skip.h"
#include "tests/support/trace_scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define MEMFD_NAME "tc-act"
#define MODULES "/vm/modules/*-loop.ko" /* where a guest of tests/vm has it */

/* ---- The acts: each with up to one more argument; 0: it went as it should. ---- */

static int become_nobody(const char *argument)
{
    (void)argument;
    return setresuid(NOBODY, NOBODY, NOBODY);
}

static int become_the_same(const char *argument)
{
    (void)argument;
    return setresuid(0, 0, 0) || setuid(0) || setgid(getgid());
}

static int lose_groups(const char *argument)
{
    (void)argument;
    return syscall(SYS_setresgid, -1, NOBODY, -1) != 0;
}

static void *sit(void *arg)
{
    pthread_barrier_wait(arg);
    pthread_barrier_wait(arg);
    return NULL;
}

/* The C library has each thread do it. */
static int become_nobody_with_threads(const char *argument)
{
    pthread_barrier_t barrier;
    pthread_t threads[4];
    int err;

    (void)argument;
    pthread_barrier_init(&barrier, NULL, 5);
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, sit, &barrier))
            return 1;
    pthread_barrier_wait(&barrier);
    err = setresuid(NOBODY, NOBODY, NOBODY);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return err;
}

/* Waits to be ended, as who the argument says. */
static int wait_as(const char *argument)
{
    if (setresuid((uid_t)atoi(argument), (uid_t)atoi(argument), (uid_t)atoi(argument)))
        return 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
    pause();
    return 0;
}

static int seize(const char *argument)
{
    return ptrace(PTRACE_SEIZE, (pid_t)atoi(argument), 0, 0) != 0;
}

static int seize_as_nobody(const char *argument)
{
    if (setresuid(NOBODY, NOBODY, NOBODY))
        return 1;
    return ptrace(PTRACE_SEIZE, (pid_t)atoi(argument), 0, 0) != -1 || errno != EPERM;
}

static int write_memory(const char *argument)
{
    static int mine = 1; /* in a fork, at the same place */
    struct iovec iov = {.iov_base = &mine, .iov_len = sizeof(mine)};
    pid_t pid = fork();
    ssize_t n;

    (void)argument;
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(0);
    }
    n = process_vm_writev(pid, &iov, 1, &iov, 1, 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return n != sizeof(mine);
}

static int send_signal(const char *argument)
{
    return kill((pid_t)atoi(argument), SIGTERM);
}

static int send_thread_signal(const char *argument)
{
    return syscall(SYS_tgkill, atoi(argument), atoi(argument), SIGKILL) != 0;
}

static int load_nonsense(const char *argument)
{
    int fd = open(argument, O_RDONLY | O_CLOEXEC);

    return fd < 0 || !syscall(SYS_finit_module, fd, "", 0);
}

static int reload_module(const char *argument)
{
    int fd = open(argument, O_RDONLY | O_CLOEXEC);

    return fd < 0 || syscall(SYS_delete_module, "loop", O_NONBLOCK) ||
           syscall(SYS_finit_module, fd, "", 0);
}

static int load_bpf(const char *argument)
{
    struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, /* r0 = 0; exit */
                              {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attr;

    (void)argument;
    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attr.insns = (uintptr_t)code;
    attr.insn_cnt = 2;
    attr.license = (uintptr_t) "GPL";
    memcpy(attr.prog_name, "tc_act", sizeof("tc_act"));
    return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)) < 0;
}

/* Becomes what the argument names, from memory alone. */
static int run_from_memory(const char *argument)
{
    char *const argv[] = {(char[]){"shadow"}, NULL}, *const envp[] = {NULL};
    int memory = memfd_create(MEMFD_NAME, MFD_CLOEXEC), fd = open(argument, O_RDONLY);
    char buf[4096];
    ssize_t n = read(fd, buf, sizeof(buf));

    close(fd);
    if (n <= 0 || write(memory, buf, (size_t)n) != n)
        return 1;
    fexecve(memory, argv, envp);
    return 1;
}

static int own_mounts(void)
{
    return unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* The argument is a folder, with one named m in it. */
static int mount_there(const char *argument)
{
    return own_mounts() || chdir(argument) ||
           mount("scratch", "./m/../m", "tmpfs", MS_NOSUID | MS_NODEV, NULL) ||
           umount2("m", MNT_DETACH);
}

static int mount_by_descriptor(const char *argument)
{
    int fs, fd;

    if (own_mounts() || chdir(argument))
        return 1;
    fs = fsopen("tmpfs", 0);
    if (fsconfig(fs, FSCONFIG_SET_STRING, "source", "scratch", 0) ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
        return 1;
    fd = fsmount(fs, 0, 0);
    return move_mount(fd, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH) != 0;
}

static const struct {
    const char *name;
    int (*act)(const char *argument);
} acts[] = {{"nobody", become_nobody},
            {"same", become_the_same},
            {"groups", lose_groups},
            {"threads", become_nobody_with_threads},
            {"wait", wait_as},
            {"seize", seize},
            {"seize_as_nobody", seize_as_nobody},
            {"write_memory", write_memory},
            {"signal", send_signal},
            {"thread_signal", send_thread_signal},
            {"nonsense", load_nonsense},
            {"module", reload_module},
            {"bpf", load_bpf},
            {"memory", run_from_memory},
            {"mount", mount_there},
            {"move_mount", mount_by_descriptor}};

static int act(const char *name, const char *argument)
{
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        if (!strcmp(acts[i].name, name))
            return acts[i].act(argument) ? 1 : 0;
    return 2;
}

/* ---- The tests. ---- */

static int start(const char *name, const char *argument)
{
    const char *const argv[] = {"actor", name, argument, NULL};

    return tc_trace_spawn("/proc/self/exe", argv);
}

/* Waits for it, and until all that it did was reported. */
static void finish(struct tc_trace_scratch *s, int pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_non_null(tc_trace_await(s, "process.exited", pid));
}

static int run(struct tc_trace_scratch *s, const char *name, const char *argument)
{
    int pid = start(name, argument);

    finish(s, pid);
    return pid;
}

/* The one event of that topic about that process. */
static const struct tocsin_event *only(struct tc_trace_scratch *s, const char *topic,
                                       int pid, const char *action, const char *outcome)
{
    const struct tocsin_event *event = tc_trace_await(s, topic, pid);

    assert_non_null(event);
    assert_int_equal(tc_trace_count(s, topic, pid), 1);
    assert_string_equal(tc_harness_text(&s->h, event, "event.action"), action);
    assert_string_equal(tc_harness_text(&s->h, event, "event.outcome"), outcome);
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PARENT_PID, -1), getpid());
    return event;
}

static int number(const struct tocsin_event *event, const char *field)
{
    return (int)tocsin_event_int(event, field, -1);
}

/* Somebody to do something to, who is who they are to be. */
static int start_target(struct tc_trace_scratch *s, const char *uid)
{
    int pid = start("wait", uid);

    assert_non_null(tc_trace_await(s, "process.started", pid));
    if (strcmp(uid, "0"))
        assert_non_null(tc_trace_await(s, "process.credentials_changed", pid));
    return pid;
}

static void end_target(int pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void check_target(struct tc_trace_scratch *s, const struct tocsin_event *event,
                         int pid, const char *command_line)
{
    assert_int_equal(number(event, "target.process.pid"), pid);
    assert_true(tocsin_event_int(event, "target.process.start", 0) > 0);
    assert_non_null(
        strstr(tc_harness_text(&s->h, event, "target.process.executable"), "test_trace"));
    assert_string_equal(tc_harness_text(&s->h, event, "target.process.command_line"),
                        command_line);
}

static void trace_reports_who_becomes_another_user(void **state)
{
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event = only(
        s, "process.credentials_changed", run(s, "nobody", NULL), "setresuid", "success");

    assert_int_equal(number(event, "process.user.id"), NOBODY);
    assert_int_equal(number(event, "process.user.effective.id"), NOBODY);
    assert_int_equal(number(event, "process.user.saved.id"), NOBODY);
    assert_int_equal(number(event, "previous.user.id"), 0);
    assert_int_equal(number(event, "previous.user.effective.id"), 0);
    assert_int_equal(number(event, "previous.group.id"), 0);
    assert_string_equal(tc_harness_text(&s->h, event, "process.command_line"),
                        "actor nobody");
}

static void trace_reports_which_of_the_groups_has_changed(void **state)
{
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event = only(
        s, "process.credentials_changed", run(s, "groups", NULL), "setresgid", "success");

    assert_int_equal(number(event, "process.group.id"), 0);
    assert_int_equal(number(event, "process.group.effective.id"), NOBODY);
    assert_int_equal(number(event, "previous.group.effective.id"), 0);
}

static void trace_is_silent_about_who_stays_the_same(void **state)
{
    struct tc_trace_scratch *s = *state;
    int pid = run(s, "same", NULL);

    assert_int_equal(tc_trace_count(s, "process.credentials_changed", pid), 0);
}

static void trace_reports_all_threads_of_a_process_once(void **state)
{
    struct tc_trace_scratch *s = *state;

    only(s, "process.credentials_changed", run(s, "threads", NULL), "setresuid",
         "success");
}

static void trace_reports_who_traces_whom(void **state)
{
    struct tc_trace_scratch *s = *state;
    int target = start_target(s, "0");
    const struct tocsin_event *event;
    char argument[16];

    snprintf(argument, sizeof(argument), "%d", target);
    event = only(s, "process.traced", run(s, "seize", argument), "ptrace", "success");
    check_target(s, event, target, "actor wait 0");
    assert_string_equal(tc_harness_text(&s->h, event, "ptrace.request"), "seize");
    end_target(target);
}

static void trace_reports_an_attempt_to_trace(void **state)
{
    struct tc_trace_scratch *s = *state;
    int target = start_target(s, "0");
    const struct tocsin_event *event;
    char argument[16];

    snprintf(argument, sizeof(argument), "%d", target);
    event = only(s, "process.traced", run(s, "seize_as_nobody", argument), "ptrace",
                 "failure");
    check_target(s, event, target, "actor wait 0");
    assert_string_equal(tc_harness_text(&s->h, event, "error.code"), "EPERM");
    assert_int_equal(number(event, "process.user.id"), NOBODY);
    end_target(target);
}

static void trace_reports_who_writes_into_another(void **state)
{
    struct tc_trace_scratch *s = *state;
    int pid = run(s, "write_memory", NULL);
    const struct tocsin_event *event =
        only(s, "process.traced", pid, "process_vm_writev", "success");

    assert_true(number(event, "target.process.pid") > 0);
    assert_int_not_equal(number(event, "target.process.pid"), pid);
}

static void trace_reports_a_signal_to_another_user(void **state)
{
    struct tc_trace_scratch *s = *state;
    int target = start_target(s, "65534");
    const struct tocsin_event *event;
    char argument[16];

    snprintf(argument, sizeof(argument), "%d", target);
    event = only(s, "process.signalled", run(s, "signal", argument), "kill", "success");
    check_target(s, event, target, "actor wait 65534");
    assert_int_equal(number(event, "signal.number"), SIGTERM);
    assert_string_equal(tc_harness_text(&s->h, event, "signal.name"), "TERM");
    assert_int_equal(number(event, "target.process.user.id"), NOBODY);
    assert_int_equal(waitpid(target, NULL, 0), target);

    target = start_target(s, "65534");
    snprintf(argument, sizeof(argument), "%d", target);
    event = only(s, "process.signalled", run(s, "thread_signal", argument), "tgkill",
                 "success");
    assert_int_equal(number(event, "signal.number"), SIGKILL);
    assert_int_equal(waitpid(target, NULL, 0), target);
}

static void trace_is_silent_about_a_signal_to_the_same_user(void **state)
{
    struct tc_trace_scratch *s = *state;
    int target = start_target(s, "0"), pid;
    char argument[16];

    snprintf(argument, sizeof(argument), "%d", target);
    pid = run(s, "signal", argument);
    assert_int_equal(tc_trace_count(s, "process.signalled", pid), 0);
    assert_int_equal(waitpid(target, NULL, 0), target);
}

static void trace_reports_an_attempt_to_load_a_module(void **state)
{
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event =
        only(s, "kernel.module_loaded", run(s, "nonsense", s->program), "finit_module",
             "failure");

    assert_string_equal(tc_harness_text(&s->h, event, "file.path"), s->program);
    assert_true(strlen(tc_harness_text(&s->h, event, "error.code")) > 0);
}

static void trace_reports_which_module_is_loaded(void **state)
{
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event;
    glob_t found;
    int pid;

    if (glob(MODULES, 0, NULL, &found)) {
        print_message("not here: it takes a guest's kernel, with a module at hand\n");
        return;
    }
    pid = run(s, "module", found.gl_pathv[0]);
    event = only(s, "kernel.module_unloaded", pid, "delete_module", "success");
    assert_string_equal(tc_harness_text(&s->h, event, "module.name"), "loop");
    event = only(s, "kernel.module_loaded", pid, "finit_module", "success");
    assert_string_equal(tc_harness_text(&s->h, event, "module.name"), "loop");
    assert_string_equal(tc_harness_text(&s->h, event, "file.path"), found.gl_pathv[0]);
    globfree(&found);
}

static void trace_reports_who_loads_a_program_into_the_kernel(void **state)
{
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event =
        only(s, "kernel.bpf_loaded", run(s, "bpf", NULL), "bpf", "success");

    assert_string_equal(tc_harness_text(&s->h, event, "bpf.program.type"),
                        "socket_filter");
    assert_string_equal(tc_harness_text(&s->h, event, "bpf.program.name"), "tc_act");
}

static void trace_is_silent_about_what_the_agent_loads(void **state)
{
    struct tc_trace_scratch *s = *state;

    assert_int_equal(load_bpf(NULL), 0);
    run(s, "same", NULL);
    assert_int_equal(tc_trace_count(s, "kernel.bpf_loaded", getpid()), 0);
}

static void trace_reports_a_program_that_is_in_memory_only(void **state)
{
    struct tc_trace_scratch *s = *state;
    int pid = run(s, "memory", s->program);
    const struct tocsin_event *event =
        only(s, "process.memfd_created", pid, "memfd_create", "success");

    assert_string_equal(tc_harness_text(&s->h, event, "file.name"), "memfd:" MEMFD_NAME);
    event = tc_trace_await(s, "process.exited", pid);
    assert_string_equal(tc_harness_text(&s->h, event, "process.executable"),
                        "/memfd:" MEMFD_NAME);
    assert_true(
        tocsin_find_bool(event->data, event->len, "process.executable_memfd", false));
}

/* The event of that topic about that process and that path. */
static const struct tocsin_event *at_path(struct tc_trace_scratch *s, const char *topic,
                                          int pid, const char *path)
{
    const struct tocsin_event *event, *found = NULL;

    for (size_t at = 0; (event = tc_trace_next(&s->h, topic, &at)) != NULL;) {
        if (number(event, TOCSIN_FIELD_PROCESS_PID) != pid ||
            strcmp(tc_harness_text(&s->h, event, "file.path"), path))
            continue;
        assert_null(found);
        found = event;
    }
    assert_non_null(found);
    return found;
}

static void trace_reports_what_is_mounted_where(void **state)
{
    struct tc_trace_scratch *s = *state;
    const struct tocsin_event *event;
    char path[128];
    int pid;

    snprintf(path, sizeof(path), "%s/m", s->h.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    pid = run(s, "mount", s->h.dir);
    event = at_path(s, "filesystem.mounted", pid, path);
    assert_string_equal(tc_harness_text(&s->h, event, "event.action"), "mount");
    assert_string_equal(tc_harness_text(&s->h, event, "mount.source"), "scratch");
    assert_string_equal(tc_harness_text(&s->h, event, "mount.type"), "tmpfs");
    assert_int_equal(number(event, "mount.flags"), MS_NOSUID | MS_NODEV);
    event = at_path(s, "filesystem.unmounted", pid, path);
    assert_string_equal(tc_harness_text(&s->h, event, "event.action"), "umount2");
    assert_int_equal(number(event, "mount.flags"), MNT_DETACH);

    pid = run(s, "move_mount", s->h.dir);
    event = at_path(s, "filesystem.mounted", pid, path);
    assert_string_equal(tc_harness_text(&s->h, event, "event.action"), "move_mount");
    assert_string_equal(tc_harness_text(&s->h, event, "mount.source"), "scratch");
    assert_string_equal(tc_harness_text(&s->h, event, "mount.type"), "tmpfs");
}

static void trace_reports_no_act_when_acts_are_off(void **state)
{
    static const char *const options[] = {"acts=none", NULL};
    struct tc_trace_scratch scratch;
    int pid;

    (void)state;
    tc_trace_scratch_init(&scratch, options);
    pid = run(&scratch, "nobody", NULL);
    assert_int_equal(tc_trace_count(&scratch, "process.credentials_changed", pid), 0);
    assert_int_equal(tc_trace_stat(&scratch, "acts"), 0);
    tc_trace_scratch_done(&scratch);
}

static int setup(void **state)
{
    static const char *const options[] = {"acts=auto", NULL};
    static struct tc_trace_scratch scratch;

    tc_trace_scratch_init(&scratch, options);
    *state = &scratch;
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trace_reports_who_becomes_another_user),
        cmocka_unit_test(trace_reports_which_of_the_groups_has_changed),
        cmocka_unit_test(trace_is_silent_about_who_stays_the_same),
        cmocka_unit_test(trace_reports_all_threads_of_a_process_once),
        cmocka_unit_test(trace_reports_who_traces_whom),
        cmocka_unit_test(trace_reports_an_attempt_to_trace),
        cmocka_unit_test(trace_reports_who_writes_into_another),
        cmocka_unit_test(trace_reports_a_signal_to_another_user),
        cmocka_unit_test(trace_is_silent_about_a_signal_to_the_same_user),
        cmocka_unit_test(trace_reports_an_attempt_to_load_a_module),
        cmocka_unit_test(trace_reports_which_module_is_loaded),
        cmocka_unit_test(trace_reports_who_loads_a_program_into_the_kernel),
        cmocka_unit_test(trace_is_silent_about_what_the_agent_loads),
        cmocka_unit_test(trace_reports_a_program_that_is_in_memory_only),
        cmocka_unit_test(trace_reports_what_is_mounted_where),
    };
    const struct CMUnitTest without[] = {
        cmocka_unit_test(trace_reports_no_act_when_acts_are_off),
    };

    if (argc > 1)
        return act(argv[1], argc > 2 ? argv[2] : NULL);
    if (!tc_trace_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, setup, tc_trace_scratch_teardown) +
           cmocka_run_group_tests(without, NULL, NULL);
}
