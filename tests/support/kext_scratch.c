/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/kext_scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_ALARM_S 30
#define ENVIRONMENT                                                                      \
    (char *[])                                                                           \
    {                                                                                    \
        NULL                                                                             \
    }

bool tc_kext_scratch_possible(void)
{
    alarm(TC_KEXT_SCRATCH_ALARM_S);
    if (geteuid() || access("/sys/kernel/btf/vmlinux", R_OK) || unshare(CLONE_NEWNS) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
        print_message("skipped: BPF with type information, or mounts: %s\n",
                      strerror(errno));
        return false;
    }
    return true;
}

static bool decide(struct tc_harness *h, const struct tocsin_event *event)
{
    struct tc_kext_scratch *s = (struct tc_kext_scratch *)(void *)h;
    bool allow =
        !s->deny || !strstr(tc_harness_text(h, event, TOCSIN_FIELD_FILE_PATH), s->deny);

    s->asked++;
    /* The harness answers once more, uncacheable: too late to count. */
    tc_harness_answer(h, event, allow, s->cacheable);
    return allow;
}

void tc_kext_scratch_open(struct tc_kext_scratch *s, const char *const *options)
{
    const char *all[16] = {NULL};
    char watch[96];
    size_t n = 0;

    memset(s, 0, sizeof(*s));
    strcpy(s->root, "/tmp/tocsin-kext-XXXXXX");
    assert_non_null(mkdtemp(s->root));
    assert_int_equal(mount("tocsin-kext", s->root, "tmpfs", 0, NULL), 0);
    snprintf(s->in, sizeof(s->in), "%s/in", s->root);
    snprintf(s->out, sizeof(s->out), "%s/out", s->root);
    assert_int_equal(mkdir(s->in, 0777), 0);
    assert_int_equal(mkdir(s->out, 0777), 0);
    tc_harness_init(&s->h);
    s->h.decide = decide;
    snprintf(watch, sizeof(watch), "watch=%s", s->in);
    all[n++] = watch;
    while (options && *options)
        all[n++] = *options++;
    assert_int_equal(tc_harness_load(&s->h, TEST_PLUGIN_DIR "/tocsin_kext.so", all), 0);
}

void tc_kext_scratch_init(struct tc_kext_scratch *s, const char *const *options)
{
    tc_kext_scratch_open(s, options);
    if (tc_harness_start(&s->h))
        fail_msg("kext did not start: %s", s->h.why);
    s->lsm = !strcmp(tc_harness_reported(&s->h, "sensor_mechanism")->text, "bpf_lsm");
}

int tc_kext_scratch_setup(void **state)
{
    static struct tc_kext_scratch scratch;

    tc_kext_scratch_init(&scratch, NULL);
    *state = &scratch;
    return 0;
}

int tc_kext_scratch_teardown(void **state)
{
    tc_kext_scratch_done(*state);
    return 0;
}

void tc_kext_scratch_done(struct tc_kext_scratch *s)
{
    tc_harness_done(&s->h);
    assert_int_equal(umount2(s->root, MNT_DETACH), 0);
    assert_int_equal(rmdir(s->root), 0);
}

static const char *below(const char *folder, const char *name)
{
    static char texts[8][160];
    static unsigned next;
    char *text = texts[next++ % 8];

    snprintf(text, sizeof(texts[0]), "%s/%s", folder, name);
    return text;
}

const char *tc_kext_in(struct tc_kext_scratch *s, const char *name)
{
    return below(s->in, name);
}

const char *tc_kext_out(struct tc_kext_scratch *s, const char *name)
{
    return below(s->out, name);
}

void tc_kext_put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

void tc_kext_copy(const char *path, const char *program)
{
    int from = open(program, O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    char buf[65536];
    ssize_t n;

    assert_true(from >= 0 && to >= 0);
    while ((n = read(from, buf, sizeof(buf))) > 0)
        assert_int_equal(write(to, buf, (size_t)n), n);
    close(from);
    close(to);
}

int tc_kext_child_begin(tc_kext_deed_fn deed, const char *path, const char *other)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid) {
        alarm(CHILD_ALARM_S);
        close_range(3, ~0u,
                    0); /* the programs must go with the parent, whatever ends it */
        _exit(deed(path, other));
    }
    return pid;
}

static void child_over(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    *(bool *)poll->data = true;
    (void)uv_poll_stop(poll);
}

int tc_kext_child_end(struct tc_kext_scratch *s, int pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), status;
    bool over = false;
    uv_poll_t poll;

    assert_true(fd >= 0);
    poll.data = &over;
    assert_int_equal(uv_poll_init(&s->h.loop, &poll, fd), 0);
    assert_int_equal(uv_poll_start(&poll, UV_READABLE, child_over), 0);
    while (!over)
        (void)uv_run(&s->h.loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&poll, NULL);
    (void)uv_run(&s->h.loop, UV_RUN_NOWAIT);
    close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    tc_harness_settle(&s->h);
    if (WIFSIGNALED(status))
        return -WTERMSIG(status) == -9 ? TC_KEXT_CHILD_KILLED : -WTERMSIG(status);
    return WEXITSTATUS(status);
}

int tc_kext_child(struct tc_kext_scratch *s, tc_kext_deed_fn deed, const char *path,
                  const char *other)
{
    return tc_kext_child_end(s, tc_kext_child_begin(deed, path, other));
}

int64_t tc_kext_stat(struct tc_kext_scratch *s, const char *name)
{
    uint64_t id = tc_harness_publish(&s->h, "rpc.kext.stats", 0, -1, NULL);
    const struct tocsin_event *reply =
        tc_harness_await(&s->h, TOCSIN_TOPIC_RPC_REPLY, id);

    assert_non_null(reply);
    return tocsin_event_int(reply, name, -1);
}

struct wait {
    struct tc_harness *h;
    const char *name;
    int64_t least;
};

static bool count_reached(struct tc_harness *h)
{
    const struct wait *wait = h->arg;

    return tc_harness_count(h, wait->name) >= (size_t)wait->least;
}

bool tc_kext_await_stat(struct tc_kext_scratch *s, const char *name, int64_t least)
{
    uint64_t until_ns = uv_hrtime() + TC_HARNESS_WAIT_MS * 1000000ull;

    while (tc_kext_stat(s, name) < least) {
        if (uv_hrtime() >= until_ns)
            return false;
        tc_harness_run_for(&s->h, 1);
    }
    return true;
}

bool tc_kext_await_count(struct tc_kext_scratch *s, const char *topic, size_t least)
{
    struct wait wait = {&s->h, topic, (int64_t)least};

    s->h.arg = &wait;
    return tc_harness_run(&s->h, count_reached, TC_HARNESS_WAIT_MS);
}

void tc_kext_make_bad(struct tc_kext_scratch *s, const char *path)
{
    tc_harness_publish_file(&s->h, TOCSIN_TOPIC_THREAT_DETECTED, 0, path);
    tc_harness_settle(&s->h);
}

int tc_kext_open(const char *path, const char *other)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    (void)other;
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

int tc_kext_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

    if (fd < 0)
        return errno;
    return write(fd, text, strlen(text)) < 0 ? errno : close(fd);
}

int tc_kext_copy_to(const char *path, const char *to)
{
    tc_kext_copy(to, path);
    return 0;
}

int tc_kext_become(const char *path, const char *other)
{
    execle(path, path, other, (char *)NULL, ENVIRONMENT);
    return errno;
}
