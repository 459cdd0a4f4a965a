/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the proof that a guest is what the other tests believe: the kernel that was asked
 * for, with BPF LSM programs that act and fanotify events that wait for an answer. First
 * in the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALARM_S 30
#define PLACE "/tmp/vm-kernel"

static const char *wanted;

static void kernel_is_the_one_asked_for(void **state)
{
    struct utsname name;

    (void)state;
    assert_int_equal(uname(&name), 0);
    print_message("%s\n", name.release);
    assert_int_equal(strncmp(name.release, wanted, strlen(wanted)), 0);
    /* 6.1 is not 6.12; what follows may be a patch level, or the flavour at once */
    assert_false(isdigit((unsigned char)name.release[strlen(wanted)]));
}

static void bpf_lsm_program_refuses(void **state)
{
    /* return -EPERM; */
    const struct bpf_insn refuse[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -EPERM},
        {.code = BPF_JMP | BPF_EXIT},
    };
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_LSM_MAC);
    int type = libbpf_find_vmlinux_btf_id("inode_mkdir", BPF_LSM_MAC);
    int program, link;

    (void)state;
    assert_true(type > 0);
    options.attach_btf_id = (__u32)type;
    program = bpf_prog_load(BPF_PROG_TYPE_LSM, "refuse", "GPL", refuse,
                            sizeof(refuse) / sizeof(*refuse), &options);
    assert_true(program >= 0);
    link = bpf_raw_tracepoint_open(NULL, program);
    assert_true(link >= 0);
    assert_int_equal(mkdir(PLACE "/refused", 0700), -1);
    assert_int_equal(errno, EPERM);
    close(link);
    close(program);
    assert_int_equal(mkdir(PLACE "/allowed", 0700), 0);
}

/* Another process, since a listener must not ask about itself. */
static pid_t open_elsewhere(const char *path)
{
    pid_t child = fork();

    if (child == 0) {
        alarm(ALARM_S);
        _exit(open(path, O_RDONLY) < 0 ? errno : 0);
    }
    return child;
}

static int answer_next(int group, uint32_t decision)
{
    struct fanotify_event_metadata event;
    struct fanotify_response response;

    if (read(group, &event, sizeof(event)) != (ssize_t)sizeof(event))
        return -1;
    response = (struct fanotify_response){.fd = event.fd, .response = decision};
    if (write(group, &response, sizeof(response)) != (ssize_t)sizeof(response))
        return -1;
    return close(event.fd);
}

static void fanotify_asks_before_an_open(void **state)
{
    static const struct {
        uint32_t decision;
        int error;
    } cases[] = {{FAN_DENY, EPERM}, {FAN_ALLOW, 0}};
    int file = open(PLACE "/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);

    (void)state;
    assert_true(file >= 0 && group >= 0);
    close(file);
    assert_int_equal(
        fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM, -1, PLACE), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pid_t child = open_elsewhere(PLACE "/file");
        int status;

        assert_true(child > 0);
        assert_int_equal(answer_next(group, cases[i].decision), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), cases[i].error);
    }
    close(group);
}

static int make_place(void **state)
{
    (void)state;
    alarm(ALARM_S);
    return mkdir(PLACE, 0700) || mount("vm-kernel", PLACE, "tmpfs", 0, NULL);
}

static int remove_place(void **state)
{
    (void)state;
    return umount(PLACE) || rmdir(PLACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_is_the_one_asked_for),
        cmocka_unit_test_setup_teardown(bpf_lsm_program_refuses, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(fanotify_asks_before_an_open, make_place,
                                        remove_place),
    };

    wanted = getenv("TOCSIN_VM_KERNEL");
    if (!wanted) {
        print_message("TOCSIN_VM_KERNEL is not set: to be run in a guest of tests/vm\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
