/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_ALARM_S 20

bool tc_es_scratch_possible(void)
{
    int group;

    alarm(TC_ES_SCRATCH_ALARM_S);
    group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
    if (group < 0 || unshare(CLONE_NEWNS) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
        print_message("skipped: fanotify permission events or mounts: %s\n",
                      strerror(errno));
        return false;
    }
    close(group);
    return true;
}

static bool decide(struct tc_harness *h, const struct tocsin_event *event)
{
    struct tc_es_scratch *s = (struct tc_es_scratch *)(void *)h;
    bool allow =
        !s->deny || !strstr(tc_harness_text(h, event, TOCSIN_FIELD_FILE_PATH), s->deny);

    /* The harness answers once more, uncacheable: too late to count. */
    tc_harness_answer(h, event, allow, s->cacheable);
    s->asked++;
    return allow;
}

void tc_es_scratch_init(struct tc_es_scratch *s, const char *so,
                        const char *const *options)
{
    const char *all[16] = {NULL};
    char watch[96];
    size_t n = 0;

    memset(s, 0, sizeof(*s));
    strcpy(s->root, "/tmp/tocsin-es-XXXXXX");
    assert_non_null(mkdtemp(s->root));
    assert_int_equal(mount("tocsin-es", s->root, "tmpfs", 0, NULL), 0);
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
    assert_int_equal(tc_harness_load(&s->h, so, all), 0);
    if (tc_harness_start(&s->h))
        fail_msg("es did not start: %s", s->h.why);
}

int tc_es_scratch_setup(void **state)
{
    static struct tc_es_scratch scratch;

    tc_es_scratch_init(&scratch, TEST_PLUGIN_DIR "/tocsin_es.so", NULL);
    *state = &scratch;
    return 0;
}

int tc_es_scratch_teardown(void **state)
{
    tc_es_scratch_done(*state);
    return 0;
}

void tc_es_scratch_done(struct tc_es_scratch *s)
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

const char *tc_es_in(struct tc_es_scratch *s, const char *name)
{
    return below(s->in, name);
}

const char *tc_es_out(struct tc_es_scratch *s, const char *name)
{
    return below(s->out, name);
}

void tc_es_put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

int tc_es_child_begin(struct tc_es_scratch *s, tc_es_deed_fn deed, const char *path,
                      const char *other)
{
    pid_t pid = fork();

    (void)s;
    assert_true(pid >= 0);
    if (!pid) {
        alarm(CHILD_ALARM_S);
        close_range(3, ~0u,
                    0); /* the groups must close with the parent, whatever ends it */
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

int tc_es_child_end(struct tc_es_scratch *s, int pid)
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
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int tc_es_child(struct tc_es_scratch *s, tc_es_deed_fn deed, const char *path,
                const char *other)
{
    return tc_es_child_end(s, tc_es_child_begin(s, deed, path, other));
}

int64_t tc_es_stat(struct tc_es_scratch *s, const char *name)
{
    uint64_t id = tc_harness_publish(&s->h, "rpc.es.stats", 0, -1, NULL);
    const struct tocsin_event *reply =
        tc_harness_await(&s->h, TOCSIN_TOPIC_RPC_REPLY, id);

    assert_non_null(reply);
    return tocsin_event_int(reply, name, -1);
}

int tc_es_open(const char *path, const char *other)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    (void)other;
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

int tc_es_execute(const char *path, const char *other)
{
    pid_t pid = fork();
    int status;

    (void)other;
    if (!pid) {
        alarm(CHILD_ALARM_S); /* fork has cleared it */
        execl(path, path, (char *)NULL);
        _exit(errno);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 255;
    return WEXITSTATUS(status);
}

int tc_es_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0)
        return errno;
    return write(fd, text, strlen(text)) < 0 ? errno : close(fd);
}
