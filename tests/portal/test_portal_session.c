/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "portal/session.h"

static uv_loop_t loop;

static struct tc_sessions *begin(void)
{
    struct tc_sessions *sessions;

    assert_int_equal(uv_loop_init(&loop), 0);
    sessions = tc_sessions_new(&loop);
    assert_non_null(sessions);
    return sessions;
}

static void end(struct tc_sessions *sessions)
{
    tc_sessions_free(sessions);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void token_opens_one_session_once(void **state)
{
    struct tc_sessions *sessions = begin();
    char token[TC_SESSION_SECRET], secret[TC_SESSION_SECRET];
    struct tc_session *s;

    (void)state;
    snprintf(token, sizeof(token), "%s",
             tc_sessions_add(sessions, TC_ROLE_VIEWER, 1000, "me", -1)->secret);
    assert_null(tc_sessions_find(sessions, token)); /* no session yet */
    s = tc_sessions_open(sessions, token);
    assert_non_null(s);
    assert_string_not_equal(s->secret, token);
    snprintf(secret, sizeof(secret), "%s", s->secret);
    assert_null(tc_sessions_open(sessions, token));
    assert_null(tc_sessions_open(sessions, secret));
    assert_ptr_equal(tc_sessions_find(sessions, secret), s);
    tc_sessions_close(sessions, s);
    assert_null(tc_sessions_find(sessions, secret));
    end(sessions);
}

static void secrets_are_compared_whole(void **state)
{
    char a[TC_SESSION_SECRET], b[TC_SESSION_SECRET];

    (void)state;
    memset(a, 'a', sizeof(a));
    a[sizeof(a) - 1] = '\0';
    memcpy(b, a, sizeof(b));
    assert_true(tc_session_secret_is(a, b));
    b[sizeof(b) - 2] = 'b';
    assert_false(tc_session_secret_is(a, b));
    b[sizeof(b) - 2] = '\0';
    assert_false(tc_session_secret_is(a, b));
    assert_false(tc_session_secret_is("", ""));
}

/* An empty cookie, and places that are free, are nobody. */
static void nobody_is_found_where_nobody_is(void **state)
{
    struct tc_sessions *sessions = begin();

    (void)state;
    assert_null(tc_sessions_find(sessions, ""));
    assert_null(tc_sessions_open(sessions, ""));
    end(sessions);
}

static void one_more_makes_the_oldest_go(void **state)
{
    struct tc_sessions *sessions = begin();
    char first[TC_SESSION_SECRET], last[TC_SESSION_SECRET] = "";

    (void)state;
    snprintf(first, sizeof(first), "%s",
             tc_sessions_add(sessions, TC_ROLE_VIEWER, 0, "x", -1)->secret);
    for (int i = 0; i < TC_SESSIONS_MAX; i++)
        snprintf(last, sizeof(last), "%s",
                 tc_sessions_add(sessions, TC_ROLE_VIEWER, 0, "x", -1)->secret);
    assert_null(tc_sessions_open(sessions, first));
    assert_non_null(tc_sessions_open(sessions, last));
    end(sessions);
}

static void who_logs_in_often_logs_out_nobody_else(void **state)
{
    struct tc_sessions *sessions = begin();
    char others[TC_SESSION_SECRET], own[TC_SESSION_SECRET];

    (void)state;
    snprintf(others, sizeof(others), "%s",
             tc_sessions_add(sessions, TC_ROLE_VIEWER, 0, "x", -1)->secret);
    snprintf(own, sizeof(own), "%s",
             tc_sessions_add(sessions, TC_ROLE_VIEWER, 1000, "y", -1)->secret);
    for (int i = 0; i < 2 * TC_SESSIONS_MAX; i++)
        assert_non_null(tc_sessions_add(sessions, TC_ROLE_VIEWER, 1000, "y", -1));
    assert_null(tc_sessions_open(sessions, own));
    assert_non_null(tc_sessions_open(sessions, others));
    end(sessions);
}

static void operators_are_the_last_to_make_room(void **state)
{
    struct tc_sessions *sessions = begin();
    char operator[TC_SESSION_SECRET], viewer[TC_SESSION_SECRET];

    (void)state;
    snprintf(operator, sizeof(operator), "%s",
             tc_sessions_add(sessions, TC_ROLE_OPERATOR, 0, "x", -1)->secret);
    snprintf(viewer, sizeof(viewer), "%s",
             tc_sessions_add(sessions, TC_ROLE_VIEWER, 1, "y", -1)->secret);
    for (uid_t uid = 2; uid < 2 + TC_SESSIONS_MAX; uid++)
        assert_non_null(tc_sessions_add(sessions, TC_ROLE_VIEWER, uid, "z", -1));
    assert_null(tc_sessions_open(sessions, viewer));
    assert_non_null(tc_sessions_open(sessions, operator));
    end(sessions);
}

/* The agent that an operator was known to has gone. */
static void operator_whose_agent_has_gone_changes_nothing(void **state)
{
    struct tc_sessions *sessions = begin();
    struct tc_session *s;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    s = tc_sessions_open(
        sessions,
        tc_sessions_add(sessions, TC_ROLE_OPERATOR, 0, "root", ends[0])->secret);
    assert_non_null(s);
    assert_non_null(s->link);
    close(ends[1]);
    while (s->link)
        uv_run(&loop, UV_RUN_ONCE);
    assert_ptr_equal(tc_sessions_find(sessions, s->secret), s);
    end(sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_opens_one_session_once),
        cmocka_unit_test(secrets_are_compared_whole),
        cmocka_unit_test(nobody_is_found_where_nobody_is),
        cmocka_unit_test(one_more_makes_the_oldest_go),
        cmocka_unit_test(who_logs_in_often_logs_out_nobody_else),
        cmocka_unit_test(operators_are_the_last_to_make_room),
        cmocka_unit_test(operator_whose_agent_has_gone_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
