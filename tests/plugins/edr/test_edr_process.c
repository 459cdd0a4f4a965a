/* SPDX-License-Identifier: Apache-2.0 */
/* Who descends from whom: from an event, and from those that were taken in before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "process/edr_process.h"

#define STARTED "process.started"
#define EXITED "process.exited"

/* ---- A host that counts references, and events. ---- */

struct counted {
    struct tocsin_event event;
    int refs;
    uint8_t data[];
};

static int alive;

static void ref(const struct tocsin_host *host, const struct tocsin_event *event)
{
    (void)host;
    ((struct counted *)(uintptr_t)event)->refs++;
}

static void unref(const struct tocsin_host *host, const struct tocsin_event *event)
{
    struct counted *counted = (struct counted *)(uintptr_t)event;

    (void)host;
    if (!counted || --counted->refs)
        return;
    alive--;
    free(counted);
}

static const struct tocsin_host host = {.event_ref = ref, .event_unref = unref};

struct who {
    int64_t pid, start;
    const char *executable, *command_line;
    int64_t user; /* 0: not said */
};

static void put_who(struct tocsin_writer *w, const struct who *who)
{
    tocsin_put_int(w, "pid", who->pid);
    if (who->start)
        tocsin_put_int(w, "start", who->start);
    if (who->executable)
        tocsin_put_str(w, "executable", who->executable);
    if (who->command_line)
        tocsin_put_str(w, "command_line", who->command_line);
    if (who->user) {
        tocsin_begin_map(w, "user");
        tocsin_put_int(w, "id", who->user);
        tocsin_end(w);
    }
}

/*
 * An event about chain[0], whose parent is chain[1]; `listed` more are in the list of
 * ancestors, which has no command line. As trace does; es lists none, so 0.
 */
static const struct tocsin_event *make(const char *topic, const struct who *chain,
                                       size_t count, size_t listed, size_t ballast)
{
    struct counted *counted;
    struct tocsin_writer w;
    struct who who;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "process");
    put_who(&w, &chain[0]);
    if (count > 1) {
        tocsin_begin_map(&w, "parent");
        put_who(&w, &chain[1]);
        tocsin_end(&w);
    }
    if (listed) {
        tocsin_begin_array(&w, "ancestors");
        for (size_t i = 1; i <= listed; i++) {
            who = chain[i];
            who.command_line = NULL;
            who.user = 0;
            tocsin_begin_map(&w, NULL);
            put_who(&w, &who);
            tocsin_end(&w);
        }
        tocsin_end(&w);
    }
    tocsin_end(&w);
    if (ballast) {
        char *bytes = calloc(1, ballast);

        assert_non_null(bytes);
        tocsin_put_bin(&w, "ballast", bytes, ballast);
        free(bytes);
    }
    tocsin_end(&w);
    assert_int_equal(w.error, 0);
    counted = calloc(1, sizeof(*counted) + w.len);
    assert_non_null(counted);
    memcpy(counted->data, w.buf, w.len);
    counted->event = (struct tocsin_event){.size = sizeof(counted->event),
                                           .topic = topic,
                                           .data = counted->data,
                                           .len = w.len,
                                           .fd = -1};
    counted->refs = 1;
    alive++;
    tocsin_writer_done(&w);
    return &counted->event;
}

static void take(struct tc_edr_processes *processes, const char *topic,
                 const struct who *chain, size_t count, size_t listed)
{
    const struct tocsin_event *event = make(topic, chain, count, listed, 0);

    tc_edr_processes_take(processes, event);
    unref(&host, event);
}

static struct tc_edr_processes *new_table(void)
{
    struct tc_edr_processes *processes;

    alive = 0;
    assert_int_equal(tc_edr_processes_new(&host, &processes), 0);
    return processes;
}

static void end_table(struct tc_edr_processes *processes)
{
    tc_edr_processes_free(processes);
    assert_int_equal(alive, 0);
}

/* The chain as text: "pid executable [command line] user; " each. */
static const char *chain_of(struct tc_edr_processes *processes,
                            const struct tocsin_event *event)
{
    struct tc_edr_link links[1 + TC_EDR_CHAIN_MAX];
    static char text[4096];
    size_t n = tc_edr_processes_chain(processes, event, links), at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(
            text + at, sizeof(text) - at, "%lld %.*s [%.*s] %lld; ",
            (long long)links[i].pid, (int)links[i].executable.len,
            links[i].executable.ptr ? links[i].executable.ptr : "",
            links[i].command_line.ptr ? (int)links[i].command_line.len : 1,
            links[i].command_line.ptr ? links[i].command_line.ptr : "-",
            (long long)links[i].user);
    return text;
}

/* sh, started by bash, by sshd, by systemd, which were there before us. */
static const struct who chain[] = {
    {40, 400, "/bin/sh", "sh -c id", 1000},
    {30, 300, "/bin/bash", "-bash", 0},
    {20, 200, "/usr/sbin/sshd", "sshd: root", 0},
    {1, 10, "/sbin/init", "init", 0},
};

static void chain_is_what_the_event_says(void **state)
{
    struct tc_edr_processes *processes = new_table();
    const struct tocsin_event *event = make(STARTED, chain, 4, 3, 0);

    (void)state;
    assert_string_equal(chain_of(processes, event),
                        "40 /bin/sh [sh -c id] 1000; 30 /bin/bash [-bash] -1; "
                        "20 /usr/sbin/sshd [-] -1; 1 /sbin/init [-] -1; ");
    unref(&host, event);
    event = make(STARTED, chain, 2, 0, 0); /* its parent alone */
    assert_string_equal(chain_of(processes, event),
                        "40 /bin/sh [sh -c id] 1000; 30 /bin/bash [-bash] -1; ");
    unref(&host, event);
    event = make(STARTED, chain, 1, 0, 0);
    assert_string_equal(chain_of(processes, event), "40 /bin/sh [sh -c id] 1000; ");
    unref(&host, event);
    end_table(processes);
}

static void chain_has_the_command_lines_of_those_that_were_taken_in(void **state)
{
    struct tc_edr_processes *processes = new_table();
    const struct who late[] = {
        {50, 500, "/bin/id", "id", 1000}, chain[0], chain[1], chain[2], chain[3]};
    const struct tocsin_event *event;

    (void)state;
    take(processes, STARTED, &chain[2], 2, 1);
    take(processes, STARTED, &chain[0], 4, 3);
    event = make(STARTED, late, 5, 4, 0);
    /* init and bash were the parent of somebody once. */
    assert_string_equal(chain_of(processes, event),
                        "50 /bin/id [id] 1000; 40 /bin/sh [sh -c id] 1000; "
                        "30 /bin/bash [-bash] -1; 20 /usr/sbin/sshd [sshd: root] -1; "
                        "1 /sbin/init [init] -1; ");
    unref(&host, event);
    end_table(processes);
}

static void chain_goes_on_from_what_a_process_was_started_with(void **state)
{
    struct tc_edr_processes *processes = new_table();
    /* As a file event of es: no ancestors, and less of everything. */
    const struct who writer[] = {{40, 400, NULL, NULL, 0}};
    const struct who child[] = {{60, 600, "/bin/cp", NULL, 0}, {40, 400, NULL, NULL, 0}};
    const struct tocsin_event *event;

    (void)state;
    take(processes, STARTED, chain, 4, 3);
    event = make("file.written", writer, 1, 0, 0);
    assert_string_equal(chain_of(processes, event),
                        "40 /bin/sh [sh -c id] 1000; 30 /bin/bash [-bash] -1; "
                        "20 /usr/sbin/sshd [-] -1; 1 /sbin/init [-] -1; ");
    unref(&host, event);
    event = make("file.written", child, 2, 0, 0);
    assert_string_equal(chain_of(processes, event),
                        "60 /bin/cp [-] -1; 40 /bin/sh [sh -c id] 1000; "
                        "30 /bin/bash [-bash] -1; 20 /usr/sbin/sshd [-] -1; "
                        "1 /sbin/init [-] -1; ");
    unref(&host, event);
    end_table(processes);
}

static void chain_ends_at_eight_ancestors_even_in_a_circle(void **state)
{
    struct tc_edr_processes *processes = new_table();
    const struct who a[] = {{2, 2, "/a", "a", 0}, {3, 3, "/b", "b", 0}};
    const struct who b[] = {{3, 3, "/b", "b", 0}, {2, 2, "/a", "a", 0}};
    struct tc_edr_link links[1 + TC_EDR_CHAIN_MAX];
    const struct tocsin_event *event;

    (void)state;
    take(processes, STARTED, a, 2, 0);
    take(processes, STARTED, b, 2, 0);
    event = make("file.written", a, 2, 1, 0);
    assert_int_equal(tc_edr_processes_chain(processes, event, links),
                     1 + TC_EDR_CHAIN_MAX);
    unref(&host, event);
    end_table(processes);
}

static void chain_of_an_event_without_a_process_is_empty(void **state)
{
    struct tc_edr_processes *processes = new_table();
    struct tc_edr_link links[1 + TC_EDR_CHAIN_MAX];
    const uint8_t empty[] = {0x80};
    const struct tocsin_event event = {.topic = STARTED, .data = empty, .len = 1};
    const struct who unnamed[] = {{0, 0, "/a", NULL, 0}};
    const struct tocsin_event *other = make(STARTED, unnamed, 1, 0, 0);

    (void)state;
    assert_int_equal(tc_edr_processes_chain(processes, &event, links), 0);
    assert_int_equal(tc_edr_processes_chain(processes, other, links), 0);
    assert_null(tc_edr_processes_find(processes, &event));
    tc_edr_processes_take(processes, &event);
    tc_edr_processes_take(processes, other);
    unref(&host, other);
    end_table(processes);
}

static void find_gives_the_last_exec_of_that_very_process(void **state)
{
    struct tc_edr_processes *processes = new_table();
    const struct who first = {7, 70, "/bin/sh", "sh", 0};
    const struct who second = {7, 70, "/bin/ls", "ls", 0};
    const struct who reused = {7, 71, "/bin/cp", "cp", 0};
    const struct who startless = {7, 0, NULL, NULL, 0};
    const struct who parent_only = {1, 10, NULL, NULL, 0};
    const struct tocsin_event *event = make("file.written", &second, 1, 0, 0), *found;

    (void)state;
    take(processes, STARTED, &first, 1, 0);
    take(processes, STARTED, &second, 1, 0);
    found = tc_edr_processes_find(processes, event);
    assert_non_null(found);
    assert_true(tocsin_str_is(tocsin_event_str(found, "process.command_line"), "ls"));

    take(processes, EXITED, &second, 1, 0);
    found = tc_edr_processes_find(processes, event); /* late events of it still come */
    assert_true(tocsin_str_is(tocsin_event_str(found, "process.command_line"), "ls"));
    take(processes, STARTED, &reused, 1, 0);
    found = tc_edr_processes_find(processes, event);
    assert_true(tocsin_str_is(tocsin_event_str(found, "process.command_line"), "ls"));
    unref(&host, event);
    event = make("file.written", &startless, 1, 0, 0);
    found = tc_edr_processes_find(processes, event);
    assert_true(tocsin_str_is(tocsin_event_str(found, "process.command_line"), "cp"));
    unref(&host, event);

    take(processes, STARTED, chain, 4, 3);
    event = make("file.written", &chain[1], 1, 0, 0);
    assert_null(tc_edr_processes_find(processes, event)); /* seen as a parent only */
    unref(&host, event);
    event = make("file.written", &parent_only, 1, 0, 0);
    assert_null(tc_edr_processes_find(processes, event));
    unref(&host, event);
    end_table(processes);
}

static void table_forgets_who_has_ended_first(void **state)
{
    struct tc_edr_processes *processes = new_table();
    struct tc_edr_process_counters counters;
    struct who who = {.start = 5, .executable = "/bin/x", .command_line = "x"};
    const struct tocsin_event *event;

    (void)state;
    for (who.pid = 1; who.pid <= TC_EDR_PROCESSES_MAX; who.pid++)
        take(processes, STARTED, &who, 1, 0);
    who.pid = 100;
    take(processes, EXITED, &who, 1, 0);
    who.pid = TC_EDR_PROCESSES_MAX + 1;
    take(processes, STARTED, &who, 1, 0);
    tc_edr_processes_counters(processes, &counters);
    assert_int_equal(counters.held, TC_EDR_PROCESSES_MAX);
    assert_int_equal(counters.evicted, 1);
    who.pid = 100;
    event = make("file.written", &who, 1, 0, 0);
    assert_null(tc_edr_processes_find(processes, event));
    unref(&host, event);

    who.pid = 1; /* is used, so that 2 is the longest unused */
    event = make("file.written", &who, 1, 0, 0);
    assert_non_null(tc_edr_processes_find(processes, event));
    who.pid = TC_EDR_PROCESSES_MAX + 2;
    take(processes, STARTED, &who, 1, 0);
    assert_non_null(tc_edr_processes_find(processes, event));
    unref(&host, event);
    who.pid = 2;
    event = make("file.written", &who, 1, 0, 0);
    assert_null(tc_edr_processes_find(processes, event));
    unref(&host, event);
    end_table(processes);
}

static void table_remembers_only_so_many_that_have_ended(void **state)
{
    struct tc_edr_processes *processes = new_table();
    struct who who = {.start = 5, .executable = "/bin/x"};
    struct tc_edr_process_counters counters;

    (void)state;
    for (who.pid = 1; who.pid <= TC_EDR_ENDED_MAX + 10; who.pid++) {
        take(processes, STARTED, &who, 1, 0);
        take(processes, EXITED, &who, 1, 0);
    }
    tc_edr_processes_counters(processes, &counters);
    assert_int_equal(counters.held, TC_EDR_ENDED_MAX);
    assert_int_equal(counters.evicted, 0);
    end_table(processes);
}

static void table_is_bounded_by_bytes(void **state)
{
    struct tc_edr_processes *processes = new_table();
    struct who who = {.start = 5, .executable = "/bin/x"};
    struct tc_edr_process_counters counters;
    const struct tocsin_event *event;

    (void)state;
    for (who.pid = 1; who.pid <= 200; who.pid++) {
        event = make(STARTED, &who, 1, 0, 200000);
        tc_edr_processes_take(processes, event);
        unref(&host, event);
        tc_edr_processes_counters(processes, &counters);
        assert_true(counters.bytes <= TC_EDR_PROCESS_BYTES_MAX);
    }
    assert_true(counters.evicted > 0);
    assert_int_equal(counters.held + counters.evicted, 200);
    assert_int_equal(alive, counters.held);
    end_table(processes);
}

static void below_are_those_who_run_and_descend_from_that_very_process(void **state)
{
    /* A child, its child, one of another start, one of nobody's, one that has ended. */
    static const struct who child[] = {{40, 400, NULL, NULL, 0},
                                       {30, 300, NULL, NULL, 0}};
    static const struct who grandchild[] = {
        {50, 500, NULL, NULL, 0}, {40, 400, NULL, NULL, 0}, {30, 300, NULL, NULL, 0}};
    static const struct who other[] = {{60, 600, NULL, NULL, 0},
                                       {30, 299, NULL, NULL, 0}};
    static const struct who ended[] = {{70, 700, NULL, NULL, 0},
                                       {30, 300, NULL, NULL, 0}};
    struct tc_edr_processes *processes = new_table();
    struct tc_edr_id below[4];

    (void)state;
    take(processes, STARTED, child, 2, 1);
    take(processes, STARTED, grandchild, 3, 2);
    take(processes, STARTED, other, 2, 1);
    take(processes, STARTED, ended, 2, 1);
    take(processes, EXITED, ended, 2, 1);
    assert_int_equal(
        tc_edr_processes_below(processes, (struct tc_edr_id){30, 300}, below, 4), 2);
    assert_int_equal(below[0].pid + below[1].pid, 40 + 50);
    assert_int_equal(below[0].start + below[1].start, 400 + 500);
    assert_int_equal(
        tc_edr_processes_below(processes, (struct tc_edr_id){30, 0}, below, 4), 3);
    assert_int_equal(
        tc_edr_processes_below(processes, (struct tc_edr_id){30, 300}, below, 1), 1);
    assert_int_equal(
        tc_edr_processes_below(processes, (struct tc_edr_id){50, 500}, below, 4), 0);
    end_table(processes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_is_what_the_event_says),
        cmocka_unit_test(chain_has_the_command_lines_of_those_that_were_taken_in),
        cmocka_unit_test(chain_goes_on_from_what_a_process_was_started_with),
        cmocka_unit_test(chain_ends_at_eight_ancestors_even_in_a_circle),
        cmocka_unit_test(chain_of_an_event_without_a_process_is_empty),
        cmocka_unit_test(find_gives_the_last_exec_of_that_very_process),
        cmocka_unit_test(table_forgets_who_has_ended_first),
        cmocka_unit_test(table_remembers_only_so_many_that_have_ended),
        cmocka_unit_test(table_is_bounded_by_bytes),
        cmocka_unit_test(below_are_those_who_run_and_descend_from_that_very_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
