/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "es_gate.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <unistd.h>

struct fixture {
    struct tc_es_gate gate;
    int answers[2]; /* a pipe in the kernel's place */
};

static int setup(void **state)
{
    static struct fixture f;

    assert_int_equal(pipe2(f.answers, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(tc_es_gate_init(&f.gate, f.answers[1], 2), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tc_es_gate_done(&f->gate);
    close(f->answers[0]);
    close(f->answers[1]);
    return 0;
}

/* The next answer's descriptor, negative for a denial; 0: there is none. */
static int next_answer(struct fixture *f)
{
    struct fanotify_response response;

    if (read(f->answers[0], &response, sizeof(response)) != sizeof(response))
        return 0;
    return response.response == FAN_ALLOW ? response.fd : -response.fd;
}

static void a_question_is_answered_once(void **state)
{
    struct fixture *f = *state;
    uint32_t slot;

    assert_int_equal(tc_es_gate_open(&f->gate, 7, 100, &slot), 0);
    assert_int_equal(tc_es_gate_expire(&f->gate, 100, false), 1);
    assert_int_equal(tc_es_gate_expire(&f->gate, 200, true), 0);
    assert_false(tc_es_gate_answer(&f->gate, slot, true));
    assert_int_equal(next_answer(f), -7);
    assert_int_equal(next_answer(f), 0);
}

static void nothing_is_answered_before_it_is_due(void **state)
{
    struct fixture *f = *state;
    uint32_t a, b;

    assert_int_equal(tc_es_gate_open(&f->gate, 7, 100, &a), 0);
    assert_int_equal(tc_es_gate_open(&f->gate, 8, 300, &b), 0);
    assert_int_equal(tc_es_gate_next_ns(&f->gate), 100);
    tc_es_gate_extend(&f->gate, a, 200);
    tc_es_gate_extend(&f->gate, a, 150); /* never less */
    assert_int_equal(tc_es_gate_expire(&f->gate, 199, true), 0);
    assert_int_equal(tc_es_gate_next_ns(&f->gate), 200);
    assert_int_equal(tc_es_gate_expire(&f->gate, 200, true), 1);
    assert_int_equal(next_answer(f), 7);
    assert_int_equal(tc_es_gate_next_ns(&f->gate), 300);
    assert_true(tc_es_gate_answer(&f->gate, b, false));
    assert_int_equal(next_answer(f), -8);
}

static void a_slot_stays_taken_until_the_loop_gives_it_back(void **state)
{
    struct fixture *f = *state;
    uint32_t a, b, c;

    assert_int_equal(tc_es_gate_open(&f->gate, 7, 100, &a), 0);
    assert_int_equal(tc_es_gate_open(&f->gate, 8, 100, &b), 0);
    assert_int_equal(tc_es_gate_open(&f->gate, 9, 100, &c), -ENOSPC);
    assert_int_equal(tc_es_gate_answer_all(&f->gate, true), 2);
    assert_int_equal(tc_es_gate_open(&f->gate, 9, 100, &c), -ENOSPC);
    tc_es_gate_answer(&f->gate, a, true);
    assert_int_equal(tc_es_gate_used(&f->gate), 1);
    assert_int_equal(tc_es_gate_open(&f->gate, 9, 100, &c), 0);
    assert_int_equal(c, a);
}

static void answers_given_together_are_given_once_each(void **state)
{
    struct fixture *f = *state;
    struct tc_es_gate_answer answers[2];
    uint32_t again;

    assert_int_equal(tc_es_gate_open(&f->gate, 7, 100, &answers[0].slot), 0);
    assert_int_equal(tc_es_gate_open(&f->gate, 8, 200, &answers[1].slot), 0);
    answers[0].allow = answers[1].allow = true;
    assert_int_equal(tc_es_gate_expire(&f->gate, 100, false), 1);
    tc_es_gate_answer_many(&f->gate, answers, 2);
    assert_false(answers[0].given); /* it had been */
    assert_true(answers[1].given);
    assert_int_equal(next_answer(f), -7);
    assert_int_equal(next_answer(f), 8);
    assert_int_equal(next_answer(f), 0);
    assert_int_equal(tc_es_gate_used(&f->gate), 0);
    assert_int_equal(tc_es_gate_waiting(&f->gate), 0);
    assert_int_equal(tc_es_gate_open(&f->gate, 9, 100, &again), 0);
    assert_int_equal(tc_es_gate_open(&f->gate, 9, 100, &again), 0);
}

static void what_is_decided_is_answered_so_when_it_is_due(void **state)
{
    struct fixture *f = *state;
    uint32_t a, b;

    assert_int_equal(tc_es_gate_open(&f->gate, 7, 100, &a), 0);
    assert_int_equal(tc_es_gate_open(&f->gate, 8, 100, &b), 0);
    tc_es_gate_decide(&f->gate, a, false);
    assert_int_equal(tc_es_gate_expire(&f->gate, 100, true), 2);
    assert_int_equal(next_answer(f), -7);
    assert_int_equal(next_answer(f), 8);
    tc_es_gate_answer(&f->gate, a, false);
    assert_int_equal(tc_es_gate_open(&f->gate, 9, 100, &a), 0); /* the slot's next */
    assert_int_equal(tc_es_gate_answer_all(&f->gate, true), 1);
    assert_int_equal(next_answer(f), 9);
}

static void an_idle_gate_has_no_deadline(void **state)
{
    struct fixture *f = *state;
    uint32_t slot;

    assert_int_equal(tc_es_gate_open(&f->gate, 7, 100, &slot), 0);
    tc_es_gate_answer(&f->gate, slot, true);
    assert_int_equal(tc_es_gate_expire(&f->gate, 100, true), 0);
    assert_true(tc_es_gate_next_ns(&f->gate) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(a_question_is_answered_once),
        TEST(nothing_is_answered_before_it_is_due),
        TEST(a_slot_stays_taken_until_the_loop_gives_it_back),
        TEST(answers_given_together_are_given_once_each),
        TEST(what_is_decided_is_answered_so_when_it_is_due),
        TEST(an_idle_gate_has_no_deadline),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
