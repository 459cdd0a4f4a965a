/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/host/loader.h"
#include "core/lone/lone.h"
#include "tests/support/harness.h"

struct rig {
    uv_loop_t loop;
    struct tc_lone *lone;
    char dir[64], copies[80];
    enum tc_plugin_state state;
    char why[256];
    char topic[64], decision[16], word[64], fact[64];
    uint64_t reply_to;
    size_t published;
};

static void copy_text(char *to, size_t cap, struct tocsin_str s)
{
    (void)snprintf(to, cap, "%.*s", (int)s.len, s.ptr ? s.ptr : "");
}

static int on_publish(void *arg, const struct tocsin_event *draft, uint64_t *ret_id)
{
    struct rig *rig = arg;

    (void)snprintf(rig->topic, sizeof(rig->topic), "%s", draft->topic);
    copy_text(rig->decision, sizeof(rig->decision), tocsin_event_str(draft, "decision"));
    copy_text(rig->word, sizeof(rig->word), tocsin_event_str(draft, "word"));
    rig->reply_to = draft->reply_to;
    rig->published++;
    if (ret_id)
        *ret_id = rig->published;
    return 0;
}

static void on_report(void *arg, uint32_t what, const char *key, const char *text,
                      const char *fix)
{
    struct rig *rig = arg;

    (void)fix;
    if (what == TOCSIN_REPORT_FACT && !strcmp(key, "word"))
        (void)snprintf(rig->fact, sizeof(rig->fact), "%s", text);
}

static void on_changed(void *arg, enum tc_plugin_state state, const char *why)
{
    struct rig *rig = arg;

    rig->state = state;
    (void)snprintf(rig->why, sizeof(rig->why), "%s", why);
}

static void load(struct rig *rig, const char *name)
{
    struct tc_lone_options options = {.loop = &rig->loop,
                                      .state_dir = rig->dir,
                                      .sink = {.publish = on_publish,
                                               .report = on_report,
                                               .changed = on_changed,
                                               .arg = rig}};
    struct tc_module *module;
    char path[512], why[256] = "";

    memset(rig, 0, sizeof(*rig));
    (void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/tocsin-lone-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    (void)snprintf(rig->copies, sizeof(rig->copies), "%s/plugins", rig->dir);
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    assert_int_equal(tc_lone_new(&options, &rig->lone), 0);
    (void)snprintf(path, sizeof(path), "%s/tocsin_%s.so", TEST_FIXTURES, name);
    assert_int_equal(tc_module_open(path, rig->copies, &module, why), 0);
    assert_int_equal(tc_lone_take(rig->lone, module, why), 0);
}

static void done(struct rig *rig)
{
    (void)tc_lone_stop(rig->lone);
    while (tc_lone_busy(rig->lone))
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    tc_lone_free(rig->lone);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    tc_harness_remove_folder(rig->dir);
}

static int show(struct rig *rig, const char *topic, uint64_t id, uint32_t flags, int fd,
                const char *path)
{
    struct tocsin_event event = {.size = sizeof(event),
                                 .flags = flags,
                                 .id = id,
                                 .fd = fd,
                                 .topic = topic,
                                 .source = "test"};
    struct tocsin_writer w;
    uint8_t buf[512];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", path);
    tocsin_end(&w);
    tocsin_end(&w);
    assert_int_equal(w.error, 0);
    event.data = w.buf;
    event.len = w.len;
    return tc_lone_show(rig->lone, &event);
}

static void a_lone_plugin_has_its_options_and_says_what_it_would_to_an_agent(void **state)
{
    struct rig rig;
    char why[256];

    (void)state;
    load(&rig, "good");
    assert_int_equal(tc_lone_set(rig.lone, "word", "alone", why), 0);
    assert_int_equal(tc_lone_set(rig.lone, "wrod", "alone", why), -ENOENT);
    assert_int_equal(tc_lone_start(rig.lone, why), 0);
    assert_int_equal(rig.state, TC_PLUGIN_RUNNING);
    assert_string_equal(rig.fact, "alone");
    assert_int_equal(show(&rig, "test.in", 7, 0, -1, "/a"), 0);
    assert_string_equal(rig.topic, "test.out");
    assert_string_equal(rig.word, "alone");
    assert_int_equal(rig.reply_to, 7);
    done(&rig);
    assert_int_equal(rig.state, TC_PLUGIN_STOPPED);
}

static void a_lone_plugin_votes_and_the_descriptor_is_closed_after_it(void **state)
{
    struct rig rig;
    char why[256];
    int fd;

    (void)state;
    load(&rig, "good");
    assert_int_equal(show(&rig, "file.open", 8, TOCSIN_EVENT_AUTH, -1, "/a"), -ESHUTDOWN);
    assert_int_equal(tc_lone_start(rig.lone, why), 0);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(show(&rig, "file.open", 9, TOCSIN_EVENT_AUTH, fd, "/deny/a"), 0);
    assert_string_equal(rig.topic, "verdict");
    assert_string_equal(rig.decision, "deny");
    assert_int_equal(rig.reply_to, 9);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(show(&rig, "file.open", 10, TOCSIN_EVENT_AUTH, -1, "/a"), 0);
    assert_string_equal(rig.decision, "allow");
    done(&rig);
}

static void a_lone_plugin_is_not_shown_what_it_does_not_subscribe_to(void **state)
{
    struct rig rig;
    char why[256];

    (void)state;
    load(&rig, "good");
    assert_int_equal(tc_lone_start(rig.lone, why), 0);
    assert_int_equal(show(&rig, "file.renamed", 7, 0, -1, "/a"), -ENOMSG);
    assert_int_equal(rig.published, 0);
    done(&rig);
}

static void a_lone_plugin_that_does_not_start_says_why(void **state)
{
    struct rig rig;
    char why[256] = "";

    (void)state;
    load(&rig, "init_fails");
    assert_true(tc_lone_start(rig.lone, why) < 0);
    assert_non_null(strstr(why, "init failed"));
    done(&rig);
    load(&rig, "start_fails");
    assert_int_equal(tc_lone_start(rig.lone, why), 0);
    while (rig.state != TC_PLUGIN_FAILED)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    assert_non_null(strstr(rig.why, "start failed"));
    done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_lone_plugin_has_its_options_and_says_what_it_would_to_an_agent),
        cmocka_unit_test(a_lone_plugin_votes_and_the_descriptor_is_closed_after_it),
        cmocka_unit_test(a_lone_plugin_is_not_shown_what_it_does_not_subscribe_to),
        cmocka_unit_test(a_lone_plugin_that_does_not_start_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
