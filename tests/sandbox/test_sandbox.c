/* SPDX-License-Identifier: Apache-2.0 */
/* What a process gives up, tried in one of its own each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "tests/support/child.h"
#include "tests/support/harness.h"
#include "tests/support/skip.h"

#define SOMEBODY 4321

/* Which promise was broken, as the line that saw it; 0: none. */
#define EXPECT(what)                                                                     \
    do {                                                                                 \
        if (!(what))                                                                     \
            return __LINE__ % 255 + 1;                                                   \
    } while (0)

static void hold(tc_child_fn fn, const char *path, const char *other)
{
    pid_t pid = tc_child_begin(fn, path, other);
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status))
        fail_msg("the promise that ends on line %% 255 == %d", WEXITSTATUS(status) - 1);
}

static long calls_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* ---- the user ---- */

static int become(const char *path, const char *other)
{
    const gid_t group = SOMEBODY + 1;
    bool root = geteuid() == 0;
    cap_flag_value_t set = CAP_SET;
    gid_t groups[4];
    cap_t caps;

    (void)path;
    (void)other;
    EXPECT(tc_sandbox_user(SOMEBODY, SOMEBODY, &group, 1) == 0);
    caps = cap_get_proc();
    EXPECT(caps && !cap_get_flag(caps, CAP_SETUID, CAP_PERMITTED, &set));
    cap_free(caps);
    EXPECT(set == CAP_CLEAR);
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    if (root) {
        EXPECT(getuid() == SOMEBODY && getgid() == SOMEBODY);
        EXPECT(getgroups(4, groups) == 1 && groups[0] == group);
        EXPECT(setuid(0) == -1);
    }
    return 0;
}

static void sandbox_user_leaves_no_capability_and_no_other_group(void **state)
{
    (void)state;
    hold(become, NULL, NULL);
}

/* ---- files and ports ---- */

static int close_files(const char *readable, const char *writable)
{
    int ruleset, s = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr any = {.sa_family = AF_INET};
    char name[256];

    (void)snprintf(name, sizeof(name), "%s/new", writable);
    EXPECT(tc_sandbox_user(SOMEBODY, SOMEBODY, NULL, 0) == 0);
    EXPECT(tc_sandbox_files(&ruleset) == 0 && ruleset >= 0);
    tc_sandbox_read(ruleset, readable);
    tc_sandbox_write(ruleset, writable);
    tc_sandbox_read(ruleset, "/there/is/no/such/file");
    EXPECT(tc_sandbox_files_close(ruleset) == 0);
    EXPECT(open(readable, O_RDONLY) >= 0);
    EXPECT(open(readable, O_WRONLY) == -1 && errno == EACCES);
    EXPECT(open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES);
    EXPECT(open(name, O_WRONLY | O_CREAT, 0600) >= 0);
    if (calls_landlock() >= 4)
        EXPECT(s >= 0 && bind(s, &any, sizeof(any)) == -1 && errno == EACCES);
    return 0;
}

static void sandbox_files_are_those_that_were_named(void **state)
{
    char dir[] = "/tmp/tocsin-sandbox-XXXXXX", file[64], folder[64];

    (void)state;
    if (calls_landlock() < 1)
        test_skip("this kernel has no Landlock");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(file, sizeof(file), "%s/file", dir);
    (void)snprintf(folder, sizeof(folder), "%s/folder", dir);
    tc_child_put(file, "text");
    assert_int_equal(chmod(dir, 0755) | chmod(file, 0666), 0);
    assert_int_equal(mkdir(folder, 0700) | chmod(folder, 0777), 0);
    hold(close_files, file, folder);
    tc_harness_remove_folder(dir);
}

/* ---- system calls ---- */

/* A sanitizer makes calls of its own, and ends a process that it cannot make them in. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static int close_calls(const char *path, const char *other)
{
    static const struct tc_sandbox_call few[] = {
        TC_SANDBOX_CALL(exit),
        TC_SANDBOX_CALL(exit_group),
        TC_SANDBOX_CALL(munmap),
        {SCMP_SYS(mmap), 1, {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
        {SCMP_SYS(socket), 1, {0, SCMP_CMP_EQ, AF_UNIX, 0}},
    };
    const int map = MAP_PRIVATE | MAP_ANONYMOUS;

    (void)path;
    (void)other;
    EXPECT(tc_sandbox_calls(few, sizeof(few) / sizeof(*few)) == 0);
    EXPECT(syscall(SYS_getpid) == -1 && errno == EPERM);
    EXPECT(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
    EXPECT(syscall(SYS_io_uring_setup, 1, NULL) == -1 && errno == ENOSYS);
    EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    EXPECT(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EPERM);
    EXPECT(mmap(NULL, 4096, PROT_READ, map, -1, 0) != MAP_FAILED);
    EXPECT(mmap(NULL, 4096, PROT_READ | PROT_EXEC, map, -1, 0) == MAP_FAILED);
    return 0;
}

static void sandbox_calls_are_those_that_were_named(void **state)
{
    (void)state;
    hold(close_calls, NULL, NULL);
}
#endif

static int close_rings(const char *path, const char *other)
{
    (void)path;
    (void)other;
    EXPECT(tc_sandbox_no_uring() == 0);
    EXPECT(syscall(SYS_io_uring_setup, 1, NULL) == -1 && errno == ENOSYS);
    EXPECT(syscall(SYS_getpid) == getpid());
    return 0;
}

static void sandbox_rings_are_closed_before_anything_else_is(void **state)
{
    (void)state;
    hold(close_rings, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sandbox_user_leaves_no_capability_and_no_other_group),
        cmocka_unit_test(sandbox_files_are_those_that_were_named),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(sandbox_calls_are_those_that_were_named),
#endif
        cmocka_unit_test(sandbox_rings_are_closed_before_anything_else_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
