/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/sensor_scratch.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

bool tc_scratch_possible(void)
{
    alarm(TC_SCRATCH_ALARM_S);
    if (!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return true;
    print_message("skipped: mounts: %s\n", strerror(errno));
    return false;
}

static bool decide(struct tc_harness *h, const struct tocsin_event *event)
{
    struct tc_scratch *s = (struct tc_scratch *)(void *)h;
    bool allow =
        !s->deny || !strstr(tc_harness_text(h, event, TOCSIN_FIELD_FILE_PATH), s->deny);

    s->asked++;
    /* The harness answers once more, uncacheable: too late to count. */
    tc_harness_answer(h, event, allow, !allow || s->cacheable);
    return allow;
}

void tc_scratch_load(struct tc_scratch *s, const char *plugin, const char *so,
                     const char *const *options)
{
    char watch[96], built[256];
    const char *all[16] = {watch};
    size_t n = 1;

    memset(s, 0, sizeof(*s));
    s->plugin = plugin;
    snprintf(s->root, sizeof(s->root), "/tmp/tocsin-%s-XXXXXX", plugin);
    assert_non_null(mkdtemp(s->root));
    assert_int_equal(mount("tocsin-test", s->root, "tmpfs", 0, NULL), 0);
    snprintf(s->in, sizeof(s->in), "%s/in", s->root);
    snprintf(s->out, sizeof(s->out), "%s/out", s->root);
    assert_int_equal(mkdir(s->in, 0777), 0);
    assert_int_equal(mkdir(s->out, 0777), 0);
    tc_harness_init(&s->h);
    s->h.decide = decide;
    snprintf(watch, sizeof(watch), "watch=%s", s->in);
    while (options && *options)
        all[n++] = *options++;
    snprintf(built, sizeof(built), "%s/tocsin_%s.so", TEST_PLUGIN_DIR, plugin);
    assert_int_equal(tc_harness_load(&s->h, so ? so : built, all), 0);
}

void tc_scratch_start(struct tc_scratch *s, const char *plugin, const char *so,
                      const char *const *options)
{
    tc_scratch_load(s, plugin, so, options);
    if (!tc_harness_start(&s->h))
        return;
    for (size_t i = 0; i < s->h.report_count; i++)
        print_message("%s: %s\n", s->h.reports[i].key, s->h.reports[i].text);
    fail_msg("%s did not start: %s", plugin, s->h.why);
}

void tc_scratch_done(struct tc_scratch *s)
{
    tc_harness_done(&s->h);
    assert_int_equal(umount2(s->root, MNT_DETACH), 0);
    assert_int_equal(rmdir(s->root), 0);
}

int tc_scratch_teardown(void **state)
{
    tc_scratch_done(*state);
    return 0;
}

static const char *below(const char *folder, const char *name)
{
    static char texts[8][160];
    static unsigned next;
    char *text = texts[next++ % 8];

    snprintf(text, sizeof(texts[0]), "%s/%s", folder, name);
    return text;
}

const char *tc_scratch_in(struct tc_scratch *s, const char *name)
{
    return below(s->in, name);
}

const char *tc_scratch_out(struct tc_scratch *s, const char *name)
{
    return below(s->out, name);
}

static void child_over(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    *(bool *)poll->data = true;
    (void)uv_poll_stop(poll);
}

int tc_scratch_child_end(struct tc_scratch *s, pid_t pid)
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
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int tc_scratch_child(struct tc_scratch *s, tc_child_fn fn, const char *path,
                     const char *other)
{
    return tc_scratch_child_end(s, tc_child_begin(fn, path, other));
}

int64_t tc_scratch_stat(struct tc_scratch *s, const char *name)
{
    const struct tocsin_event *reply;
    char method[64];
    uint64_t id;

    snprintf(method, sizeof(method), "rpc.%s.stats", s->plugin);
    id = tc_harness_publish(&s->h, method, 0, -1, NULL);
    reply = tc_harness_await(&s->h, TOCSIN_TOPIC_RPC_REPLY, id);
    assert_non_null(reply);
    return tocsin_event_int(reply, name, -1);
}
