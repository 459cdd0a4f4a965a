/* SPDX-License-Identifier: Apache-2.0 */
/* The journal when any one allocation or system call of ours fails. What SQLite makes of
 * a full or broken disk: test_journal_failures.c. */
#include "tests/support/journal_fixture.h"

#include "tests/support/fault.h"
#include "tests/support/harness.h"

#define EVENTS 20

static void make(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/tocsin-journal-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(uv_timer_init(&f->loop, &f->deadline), 0);
    f->topics = tc_topics_new();
    assert_non_null(f->topics);
}

static void discard(struct fixture *f)
{
    if (f->journal)
        close_journal(f);
    uv_close((uv_handle_t *)&f->deadline, NULL);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    tc_topics_free(f->topics);
    free(f->result);
    tc_harness_remove_folder(f->dir);
}

static void opens_or_says_why(unsigned calls, int err)
{
    bool hit = true;
    unsigned n;

    for (n = 1; hit; n++) {
        char why[256] = "";
        struct fixture f;
        int r;

        make(&f);
        tc_fault_arm(calls, n, err);
        r = tc_journal_open(&f.loop, f.dir, on_health, &f, &f.journal, why);
        hit = tc_fault_disarm();
        assert_true(hit || !r);
        assert_true(!r || why[0]);
        if (r)
            f.journal = NULL;
        discard(&f);
    }
    assert_true(n > 2);
}

static void journal_opens_or_says_why_not(void **state)
{
    (void)state;
    opens_or_says_why(TC_FAULT_MEMORY, 0);
    opens_or_says_why(TC_FAULT_FILES, EIO);
}

/* What was handed over is stored, or counted as lost: never neither. */
static void journal_counts_what_it_has_no_memory_for(void **state)
{
    bool hit = true;

    (void)state;
    for (unsigned n = 1; hit; n++) {
        struct tc_journal_counters counters;
        struct tc_event *events[EVENTS];
        struct tocsin_writer w;
        struct fixture f;
        uint8_t buf[64];

        make(&f);
        open_journal(&f);
        tocsin_writer_init(&w, buf, sizeof(buf));
        tocsin_begin_map(&w, NULL);
        tocsin_put_uint(&w, "n", n);
        tocsin_end(&w);
        for (unsigned i = 0; i < EVENTS; i++)
            events[i] = make_event(&f, "agent.ready", i + 1, &w, -1);
        tc_fault_arm(TC_FAULT_MEMORY, n, 0);
        for (unsigned i = 0; i < EVENTS; i++)
            tc_journal_store(f.journal, events[i]);
        f.answered = false;
        f.status = tc_journal_sync(f.journal, on_stored, &f);
        if (!f.status)
            wait_until(&f, &f.answered);
        hit = tc_fault_disarm();
        for (unsigned i = 0; i < EVENTS; i++)
            tc_event_unref(events[i]);
        (void)sync_journal(&f);
        tc_journal_counters(f.journal, &counters);
        assert_int_equal(counters.stored + counters.lost, EVENTS);
        assert_true(hit || !counters.lost);
        discard(&f);
    }
}

static void on_threats(void *arg, int status, const void *result, size_t len)
{
    struct fixture *f = arg;
    struct tocsin_value items;

    f->status = status;
    f->answered = true;
    if (!status)
        assert_true(tocsin_find(result, len, "items", &items) && items.count == 1);
}

static void journal_answers_or_says_that_it_cannot(void **state)
{
    static const uint8_t no_params = 0x80;
    struct fixture f;
    bool hit = true;

    (void)state;
    make(&f);
    open_journal(&f);
    detect(&f, 1, "0f0e0d0c-0000-8000-8000-000000000001", "/tmp/a");
    assert_int_equal(sync_journal(&f), 0);
    for (unsigned n = 1; hit; n++) {
        f.answered = false;
        tc_fault_arm(TC_FAULT_MEMORY, n, 0);
        f.status = tc_journal_query(f.journal, "threats", &no_params, 1, on_threats, &f);
        if (!f.status)
            wait_until(&f, &f.answered);
        hit = tc_fault_disarm();
        assert_true(hit || !f.status);
    }
    discard(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(journal_opens_or_says_why_not),
        cmocka_unit_test(journal_counts_what_it_has_no_memory_for),
        cmocka_unit_test(journal_answers_or_says_that_it_cannot),
    };

    return cmocka_run_group_tests_name("journal_faults", tests, NULL, NULL);
}
