/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "ipc/pack.h"
#include "ipc/unpack.h"
#include "portal/link.h"
#include "tests/support/rpc_server.h"

struct seen {
    uv_loop_t loop;
    struct tc_link *link;
    unsigned ups, answers, notified;
    int gone;
    char code[32], text[64];
};

static void on_up(void *arg)
{
    ((struct seen *)arg)->ups++;
}

static void on_gone(void *arg, int err)
{
    ((struct seen *)arg)->gone = err;
}

static void on_notified(void *arg, const char *method, const msgpack_object *params)
{
    struct seen *seen = arg;

    assert_string_equal(method, "tap.event");
    assert_true(params->via.array.size >= 4);
    seen->notified++;
}

static void on_answer(void *arg, const struct tc_link_answer *answer)
{
    struct seen *seen = arg;
    struct tocsin_str text =
        answer->result ? tc_unpack_str(answer->result, "text") : (struct tocsin_str){0};

    seen->answers++;
    snprintf(seen->code, sizeof(seen->code), "%s", answer->code);
    snprintf(seen->text, sizeof(seen->text), "%.*s", (int)text.len,
             text.ptr ? text.ptr : "");
}

static void begin(struct seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    assert_int_equal(uv_loop_init(&seen->loop), 0);
}

static void end(struct seen *seen)
{
    tc_link_close(seen->link);
    assert_int_equal(uv_run(&seen->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&seen->loop), 0);
}

static void open_at(struct seen *seen, const char *path)
{
    const struct tc_link_handlers handlers = {on_up, on_gone, on_notified, seen};

    assert_int_equal(tc_link_open(&seen->loop, path, &handlers, &seen->link), 0);
    while (!seen->ups && !seen->gone)
        uv_run(&seen->loop, UV_RUN_ONCE);
}

static void call(struct seen *seen, const char *method, const char *text)
{
    struct tc_pack p;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    if (text)
        tc_pack_str(&p, "text", text);
    tc_pack_end(&p);
    assert_int_equal(tc_link_call(seen->link, method, &p, on_answer, seen), 0);
    tc_pack_done(&p);
}

static void await_answers(struct seen *seen, unsigned count)
{
    while (seen->answers < count)
        uv_run(&seen->loop, UV_RUN_ONCE);
}

static void calls_are_answered_whatever_their_order(void **state)
{
    struct rpc_server server;
    struct seen seen;

    (void)state;
    rpc_server_start(&server);
    begin(&seen);
    open_at(&seen, server.path);
    assert_int_equal(seen.ups, 1);
    call(&seen, "echo", "hello");
    await_answers(&seen, 1);
    assert_string_equal(seen.text, "hello");
    call(&seen, "fail", NULL);
    await_answers(&seen, 2);
    assert_true(seen.code[0]);
    call(&seen, "hold", NULL);
    call(&seen, "hold", NULL);
    call(&seen, "release", NULL);
    await_answers(&seen, 5);
    end(&seen);
    rpc_server_stop(&server);
}

/* Closing answers those that wait, and an agent that goes does. */
static void calls_that_wait_are_answered_at_the_end(void **state)
{
    struct rpc_server server;
    struct seen seen;

    (void)state;
    rpc_server_start(&server);
    begin(&seen);
    open_at(&seen, server.path);
    call(&seen, "hold", NULL);
    end(&seen);
    assert_int_equal(seen.answers, 1);
    assert_string_equal(seen.code, "gone");
    assert_int_equal(seen.gone, 0);
    rpc_server_stop(&server);

    rpc_server_start(&server);
    begin(&seen);
    open_at(&seen, server.path);
    call(&seen, "hold", NULL);
    call(&seen, "echo", "x"); /* the one before has arrived */
    await_answers(&seen, 1);
    rpc_server_stop(&server);
    while (!seen.gone)
        uv_run(&seen.loop, UV_RUN_ONCE);
    assert_int_equal(seen.answers, 2);
    assert_string_equal(seen.code, "gone");
    assert_int_equal(tc_link_call(seen.link, "echo", NULL, on_answer, &seen), -ENOTCONN);
    end(&seen);
}

static void agent_that_is_not_there_is_said(void **state)
{
    struct seen seen;

    (void)state;
    begin(&seen);
    open_at(&seen, "/nonexistent/agent.sock");
    assert_int_equal(seen.gone, -ENOENT);
    end(&seen);
}

/* What no agent sends ends the connection, and nothing else. */
static void nonsense_ends_the_connection(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } nonsense[] = {{"\xc1", 1},                  /* no msgpack */
                    {"\x01", 1},                  /* no array */
                    {"\x94\x01\x05\xc0\x80", 5},  /* an answer to nothing */
                    {"\x93\x02\xa1x\x80", 5},     /* params that are no array */
                    {"\xdd\xff\xff\xff\xff", 5}}; /* four thousand million entries */

    (void)state;
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        struct seen seen;
        const struct tc_link_handlers handlers = {on_up, on_gone, on_notified, &seen};
        int ends[2];

        begin(&seen);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        assert_int_equal(tc_link_adopt(&seen.loop, ends[0], &handlers, &seen.link), 0);
        assert_int_equal(write(ends[1], nonsense[i].bytes, nonsense[i].len),
                         nonsense[i].len);
        while (!seen.gone)
            uv_run(&seen.loop, UV_RUN_ONCE);
        end(&seen);
        close(ends[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_answered_whatever_their_order),
        cmocka_unit_test(calls_that_wait_are_answered_at_the_end),
        cmocka_unit_test(agent_that_is_not_there_is_said),
        cmocka_unit_test(nonsense_ends_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
