/* SPDX-License-Identifier: Apache-2.0 */
/* A scan that comes by a file system whose server does not answer. */
#include "test_av_util.h"

#include <linux/fuse.h>
#include <tocsin/event.h>

#include "tests/support/fuse_server.h"
#include "tests/support/harness.h"
#include "tests/support/sensor_scratch.h"
#include "tests/support/skip.h"

struct fixture {
    struct tc_harness h;
    char *dir;
    struct tc_fuse_server fuse;
};

static int set_up(void **state)
{
    static const char *const options[] = {"rules=" TEST_SOURCE_DIR "/config/rules/yara",
                                          NULL};
    static struct fixture fixture;
    struct fixture *f = &fixture;
    char path[PATH_MAX];

    f->dir = scratch_new();
    mkdir(in(path, f->dir, "far"), 0755);
    put_text(in(path, f->dir, "near"), "clean");
    tc_fuse_start(&f->fuse, in(path, f->dir, "far"));
    tc_harness_init(&f->h);
    if (tc_harness_load(&f->h, TEST_PLUGIN_DIR "/tocsin_av.so", options) ||
        tc_harness_start(&f->h))
        fail_msg("%s", f->h.why);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    tc_fuse_end(&f->fuse);
    tc_harness_done(&f->h);
    scratch_free(f->dir);
    return 0;
}

static void scan_passes_by(struct fixture *f, uint32_t silent)
{
    const struct tocsin_event *reply;
    struct tocsin_writer w;
    uint8_t buf[PATH_MAX + 64];

    atomic_store(&f->fuse.shared->silent, silent);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "path", f->dir);
    tocsin_end(&w);
    reply = tc_harness_await(&f->h, TOCSIN_TOPIC_RPC_REPLY,
                             tc_harness_publish(&f->h, "rpc.av.scan", 0, -1, &w));
    assert_non_null(reply);
    assert_int_equal(tocsin_event_int(reply, "files", -1), 1);
    assert_int_equal(tocsin_event_int(reply, "skipped", -1), 1);
    assert_int_equal(tocsin_event_int(reply, "errors", -1), 0);
    assert_int_equal(atomic_load(&f->fuse.shared->unanswered), 0);
}

static void scan_passes_by_a_server_that_does_not_answer_opendir(void **state)
{
    scan_passes_by(*state, FUSE_OPENDIR);
}

static void scan_passes_by_a_server_that_does_not_answer_getattr(void **state)
{
    scan_passes_by(*state, FUSE_GETATTR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            scan_passes_by_a_server_that_does_not_answer_opendir, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            scan_passes_by_a_server_that_does_not_answer_getattr, set_up, tear_down),
    };

    if (!tc_scratch_possible() || !tc_fuse_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
