/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of ipc/event.h. */
#include "ipc/event.h"
#include "ipc/topic.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HANDS 4
#define PASSES 20000

static const struct tc_topic topic = {.name = "file.open"};

static struct tocsin_event draft_with(int fd)
{
    static const uint8_t empty_map[] = {0x80};
    struct tocsin_event draft = {.size = sizeof(draft), .fd = fd};

    draft.data = empty_map;
    draft.len = sizeof(empty_map);
    return draft;
}

static int open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd > 2);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static void event_carries_the_draft_and_what_its_maker_adds(void **state)
{
    struct tocsin_event draft = draft_with(-7);
    struct tc_event *event;
    char source[] = "acme";
    uint8_t data[] = {0x81, 0xa1, 'a', 5};

    (void)state;
    draft.id = 77;
    draft.source = "somebody else";
    draft.topic = "another.topic";
    draft.flags = TOCSIN_EVENT_AUTH;
    draft.reply_to = 5;
    draft.time_ns = 6;
    draft.deadline_ns = 7;
    draft.data = data;
    draft.len = sizeof(data);
    assert_int_equal(tc_event_new(&draft, &topic, source, 9, &event), 0);
    memset(data, 0, sizeof(data));
    assert_int_equal(event->pub.size, sizeof(struct tocsin_event));
    assert_int_equal(event->pub.id, 9);
    assert_int_equal(event->pub.flags, TOCSIN_EVENT_AUTH);
    assert_int_equal(event->pub.reply_to, 5);
    assert_int_equal(event->pub.time_ns, 6);
    assert_int_equal(event->pub.deadline_ns, 7);
    assert_int_equal(event->pub.fd, -1);
    assert_ptr_equal(event->pub.topic, topic.name);
    assert_ptr_equal(event->pub.source, source);
    assert_ptr_equal(event->topic, &topic);
    assert_int_equal(tocsin_event_int(&event->pub, "a", 0), 5);
    assert_ptr_equal(tc_event_of(&event->pub), event);
    tc_event_unref(event);
    tc_event_unref(NULL);
}

static void event_refused_leaves_the_descriptor_to_the_caller(void **state)
{
    struct tocsin_event draft = draft_with(open_null());
    struct tc_event *event = NULL;

    (void)state;
    draft.len = 0;
    assert_int_equal(tc_event_new(&draft, &topic, "es", 1, &event), -EINVAL);
    assert_null(event);
    assert_true(is_open(draft.fd));
    close(draft.fd);
}

static void event_takes_no_standard_stream_for_a_descriptor(void **state)
{
    struct tc_event *event = NULL;

    (void)state;
    for (int fd = 0; fd <= 2; fd++) {
        struct tocsin_event draft = draft_with(fd);

        assert_int_equal(tc_event_new(&draft, &topic, "es", 1, &event), -EBADF);
        assert_null(event);
    }
}

static void event_closes_its_descriptor_with_the_last_reference(void **state)
{
    struct tocsin_event draft = draft_with(open_null());
    struct tc_event *event;

    (void)state;
    assert_int_equal(tc_event_new(&draft, &topic, "es", 1, &event), 0);
    tc_event_ref(event);
    tc_event_ref_many(event, 2);
    for (int i = 0; i < 3; i++) {
        tc_event_unref(event);
        assert_true(is_open(draft.fd));
    }
    tc_event_unref(event);
    assert_false(is_open(draft.fd));
}

static void *take_and_give(void *arg)
{
    struct tc_event *event = arg;

    for (int i = 0; i < PASSES; i++) {
        tc_event_ref(event);
        tc_event_unref(event);
    }
    tc_event_unref(event);
    return NULL;
}

static void event_references_may_be_counted_on_any_thread(void **state)
{
    struct tocsin_event draft = draft_with(open_null());
    struct tc_event *event;
    pthread_t threads[HANDS];

    (void)state;
    assert_int_equal(tc_event_new(&draft, &topic, "es", 1, &event), 0);
    tc_event_ref_many(event, HANDS);
    for (int i = 0; i < HANDS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, event), 0);
    tc_event_unref(event);
    for (int i = 0; i < HANDS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_false(is_open(draft.fd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_carries_the_draft_and_what_its_maker_adds),
        cmocka_unit_test(event_refused_leaves_the_descriptor_to_the_caller),
        cmocka_unit_test(event_takes_no_standard_stream_for_a_descriptor),
        cmocka_unit_test(event_closes_its_descriptor_with_the_last_reference),
        cmocka_unit_test(event_references_may_be_counted_on_any_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
