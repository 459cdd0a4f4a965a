/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal when its disk is full, read-only or lies, and when the agent is killed. In
 * a mount namespace of its own where it may, for the disks it fills.
 */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/support/journal_fixture.h"

/* Writes to `path` until its disk is full. */
static void fill_disk(const char *path)
{
    char block[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    memset(block, 1, sizeof(block));
    while (write(fd, block, sizeof(block)) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
    (void)close(fd);
}

static void journal_waits_out_a_full_disk_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct tc_journal_counters counters;
    char filler[400];

    mount_disk(f, "size=4m");
    open_journal(f);
    store_number(f, "sensor.gap", 1, 100);
    assert_int_equal(sync_journal(f), 0);
    (void)snprintf(filler, sizeof(filler), "%s/filler", f->dir);
    fill_disk(filler);

    for (uint64_t n = 2; n <= 20; n++)
        store_number(f, "sensor.gap", n, 20000);
    assert_int_equal(sync_journal(f), -ENOSPC);
    assert_non_null(strstr(f->why, "the disk is full"));
    assert_non_null(strstr(f->fix, "free space"));
    tc_journal_counters(f->journal, &counters);
    assert_int_equal(counters.pending, 19);
    assert_true(counters.failed_writes >= 1);
    /* What is on disk can still be read. */
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);

    assert_int_equal(unlink(filler), 0);
    assert_int_equal(sync_journal(f), 0);
    assert_string_equal(f->why, "");
    tc_journal_counters(f->journal, &counters);
    assert_int_equal(counters.pending, 0);
    assert_int_equal(counters.lost, 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 20);
}

static void journal_tries_again_by_itself(void **state)
{
    struct fixture *f = *state;
    char filler[400];

    mount_disk(f, "size=4m");
    open_journal(f);
    (void)snprintf(filler, sizeof(filler), "%s/filler", f->dir);
    fill_disk(filler);
    for (uint64_t n = 1; n <= 20; n++)
        store_number(f, "sensor.gap", n, 20000);
    assert_int_equal(sync_journal(f), -ENOSPC);
    assert_int_equal(unlink(filler), 0);
    wait_for_health(f, false); /* no sync has asked: the first batch is on disk */
    assert_true(sql_int(f, "SELECT count(*) FROM events") > 0);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 20);
}

static void journal_loses_the_oldest_and_counts_them_when_too_many_wait(void **state)
{
    struct fixture *f = *state;
    struct tc_journal_counters counters;
    char filler[400];

    mount_disk(f, "size=64m");
    open_journal(f);
    assert_int_equal(sync_journal(f), 0);
    (void)snprintf(filler, sizeof(filler), "%s/filler", f->dir);
    fill_disk(filler);
    for (uint64_t n = 1; n <= 2000; n++)
        store_number(f, "sensor.gap", n, 100);
    assert_int_equal(sync_journal(f), -ENOSPC);
    for (uint64_t n = 2001; n <= TC_JOURNAL_PENDING_MAX + 100; n++)
        store_number(f, "sensor.gap", n, 100);
    tc_journal_counters(f->journal, &counters);
    assert_int_equal(counters.pending, TC_JOURNAL_PENDING_MAX);
    assert_int_equal(counters.lost, 100);

    assert_int_equal(unlink(filler), 0);
    assert_int_equal(sync_journal(f), -ENOBUFS); /* reported once */
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events WHERE topic = 'sensor.gap'"),
                     TC_JOURNAL_PENDING_MAX);
    assert_int_equal(
        sql_int(f, "SELECT max(time_ns) FROM events WHERE topic = 'sensor.gap'"),
        TC_JOURNAL_PENDING_MAX + 100);
    /* The record itself says where something is missing. */
    assert_int_equal(ask(f, "events", "topic", "journal.lost", 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    assert_int_equal(item_int(f, 0, "event.lost"), 100);
}

static void journal_starts_on_a_read_only_disk_and_stores_when_it_may(void **state)
{
    struct fixture *f = *state;

    mount_disk(f, "size=4m");
    assert_int_equal(mount(NULL, f->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    open_journal(f);
    wait_for_health(f, true);
    assert_non_null(strstr(f->why, "read-only"));
    assert_int_equal(tc_journal_add_crash(f->journal, "acme", 1), -EROFS);
    store_number(f, "sensor.gap", 1, 10);
    assert_int_equal(sync_journal(f), -EROFS);
    assert_int_equal(ask(f, "events", NULL, NULL, 0), -EROFS);

    assert_int_equal(mount(NULL, f->dir, NULL, MS_REMOUNT, NULL), 0);
    wait_for_health(f, false);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
}

static void journal_sets_a_corrupt_file_aside_at_the_start(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    store_number(f, "sensor.gap", 1, 10);
    close_journal(f);
    overwrite(f->db, 0, 4096);

    open_journal(f);
    wait_for_health(f, true);
    assert_non_null(strstr(f->why, "journal.db.corrupt-"));
    assert_non_null(strstr(f->fix, ".recover"));
    store_number(f, "sensor.gap", 2, 10);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    assert_int_equal(count_files(f, "journal.db.corrupt-"), 1);
}

static void journal_sets_a_file_aside_that_is_corrupt_inside(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    for (uint64_t n = 1; n <= 200; n++)
        store_number(f, "sensor.gap", n, 1000);
    close_journal(f);
    overwrite(f->db, 4096, 300000); /* all but the schema: it opens */

    open_journal(f);
    detect(f, 1, "t1", "/tmp/a");
    assert_int_equal(sync_journal(f), 0);
    assert_non_null(strstr(f->why, "journal.db.corrupt-"));
    assert_int_equal(count_files(f, "journal.db.corrupt-"), 1);
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
}

static void journal_sets_a_file_aside_that_is_no_database_of_ours(void **state)
{
    struct fixture *f = *state;

    (void)sql_int(f, "CREATE TABLE other (x)");
    (void)sql_int(f, "PRAGMA user_version = 1");
    open_journal(f);
    wait_for_health(f, true);
    store_number(f, "sensor.gap", 1, 10);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(count_files(f, "journal.db.corrupt-"), 1);
}

static void journal_puts_back_a_file_that_is_deleted_with_all_it_held(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    detect(f, 1, "t1", "/tmp/a");
    store_number(f, "sensor.gap", 2, 10);
    assert_int_equal(sync_journal(f), 0);
    remove_files(f);
    store_number(f, "sensor.gap", 3, 10);
    assert_int_equal(sync_journal(f), 0);
    assert_non_null(strstr(f->why, "put back whole"));
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 3);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM threats"), 1);
    /* Said once: nothing is wrong any more. */
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_string_equal(f->why, "");
    restart(f);
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 3);
    assert_int_equal(count_files(f, "journal.db.back"), 0);
}

static void journal_sets_aside_a_file_put_in_the_place_of_its_own(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    store_number(f, "sensor.gap", 1, 10);
    assert_int_equal(sync_journal(f), 0);
    remove_files(f);
    (void)sql_int(f, "CREATE TABLE other (x)");
    store_number(f, "sensor.gap", 2, 10);
    assert_int_equal(sync_journal(f), 0);
    assert_non_null(strstr(f->why, "journal.db.replaced-"));
    assert_int_equal(count_files(f, "journal.db.replaced-"), 1);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 2);
}

static void journal_keeps_what_it_held_while_its_folder_is_gone(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    store_number(f, "sensor.gap", 1, 10);
    assert_int_equal(sync_journal(f), 0);
    remove_files(f);
    assert_int_equal(rmdir(f->dir), 0);
    store_number(f, "sensor.gap", 2, 10);
    assert_int_equal(sync_journal(f), -ENOENT);
    assert_non_null(strstr(f->fix, "create the state folder again"));
    assert_int_equal(mkdir(f->dir, 0700), 0);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 2);
}

static void journal_empties_a_log_whose_name_is_gone(void **state)
{
    struct fixture *f = *state;
    char log[320];

    open_journal(f);
    store_number(f, "sensor.gap", 1, 10);
    assert_int_equal(sync_journal(f), 0);
    (void)snprintf(log, sizeof(log), "%s-wal", f->db);
    assert_int_equal(unlink(log), 0);
    store_number(f, "sensor.gap", 2, 10);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(access(log, F_OK), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 2);
}

/* Reads without end, as a forgotten sqlite3(1) does, until killed. */
static pid_t start_reader(const char *path)
{
    char byte = 0;
    int fds[2];
    pid_t pid;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        sqlite3 *db;

        if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
            sqlite3_exec(db, "BEGIN; SELECT count(*) FROM events", NULL, NULL, NULL) !=
                SQLITE_OK ||
            write(fds[1], &byte, 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    (void)close(fds[0]);
    return pid;
}

static void journal_names_who_reads_it_without_end(void **state)
{
    struct fixture *f = *state;
    char name[32];
    pid_t reader;

    open_journal(f);
    store_number(f, "sensor.gap", 1, 10);
    assert_int_equal(sync_journal(f), 0);
    reader = start_reader(f->db);
    for (uint64_t n = 2; n <= 1 + TC_JOURNAL_LOG_BYTES / 100000 + 8; n++)
        store_number(f, "sensor.gap", n, 100000);
    assert_int_equal(sync_journal(f), 0);
    (void)snprintf(name, sizeof(name), "(pid %d)", (int)reader);
    if (!strstr(f->why, name))
        fail_msg("%s", f->why);
    (void)snprintf(name, sizeof(name), "end it: kill %d", (int)reader);
    assert_string_equal(f->fix, name);

    assert_int_equal(kill(reader, SIGKILL), 0);
    assert_int_equal(waitpid(reader, NULL, 0), reader);
    store_number(f, "sensor.gap", 9999, 10);
    assert_int_equal(sync_journal(f), 0);
    assert_string_equal(f->why, "");
}

/* One source floods while nothing can be written: what others say is not lost for it. */
static void journal_loses_events_of_the_source_that_floods(void **state)
{
    struct fixture *f = *state;
    char filler[400];

    mount_disk(f, "size=64m");
    open_journal(f);
    assert_int_equal(sync_journal(f), 0);
    (void)snprintf(filler, sizeof(filler), "%s/filler", f->dir);
    fill_disk(filler);
    f->source = "core";
    store_number(f, "approval.granted", 1, 100);
    f->source = "acme";
    for (uint64_t n = 2; n <= TC_JOURNAL_PENDING_MAX + 100; n++)
        store_number(f, "alert.noise", n, 100);
    f->source = "core";
    store_number(f, "approval.denied", TC_JOURNAL_PENDING_MAX + 101, 100);
    assert_int_equal(unlink(filler), 0);
    assert_int_equal(sync_journal(f), -ENOBUFS);
    assert_int_equal(
        sql_int(f, "SELECT count(*) FROM events WHERE topic LIKE 'approval.%'"), 2);
    assert_int_equal(sql_int(f, "SELECT min(id) = (SELECT id FROM events WHERE topic ="
                                " 'approval.granted') FROM events WHERE topic <>"
                                " 'journal.lost'"),
                     1);
    assert_non_null(strstr(f->why, "events of acme were not recorded"));
    assert_string_equal(f->fix, "tocsin plugin disable acme");
}

static void journal_leaves_a_newer_database_alone_and_works_in_memory(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    store_number(f, "sensor.gap", 1, 10);
    close_journal(f);
    (void)sql_int(f, "PRAGMA user_version = 99");

    open_journal(f);
    wait_for_health(f, true);
    assert_non_null(strstr(f->why, "schema 99"));
    assert_non_null(strstr(f->fix, "install the newer Tocsin"));
    detect(f, 1, "t1", "/tmp/a");
    assert_int_equal(sync_journal(f), -EPROTONOSUPPORT);
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    close_journal(f);
    assert_int_equal(sql_int(f, "PRAGMA user_version"), 99);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 1);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM threats"), 0);
}

static void journal_refuses_a_state_folder_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    char why[256] = "";

    assert_int_equal(
        tc_journal_open(&f->loop, "/nonexistent/state", on_health, f, &f->journal, why),
        -ENOENT);
    assert_non_null(strstr(why, "/nonexistent/state"));
    assert_null(f->journal);
}

static void journal_holds_no_descriptor_of_an_event(void **state)
{
    struct fixture *f = *state;
    struct tocsin_writer w;
    struct tc_event *event;
    uint8_t buf[16];
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    mount_disk(f, "size=256k"); /* too small: the event waits */
    open_journal(f);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_end(&w);
    for (uint64_t n = 1; n <= 40; n++)
        store_number(f, "sensor.gap", n, 10000);
    event = make_event(f, "sensor.gap", 1, &w, fd);
    tc_journal_store(f->journal, event);
    tc_event_unref(event);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

struct child {
    struct fixture *f;
    uint64_t next, acknowledged;
    int out;
};

static void store_and_sync(struct child *child);

static void on_acknowledged(void *arg, int status)
{
    struct child *child = arg;

    if (status || write(child->out, &child->acknowledged, sizeof(uint64_t)) < 0)
        _exit(1);
    store_and_sync(child);
}

/* Hands over some events and asks for a notice when they are on disk. */
static void store_and_sync(struct child *child)
{
    uint64_t until = child->next + 1 + child->next % 7;

    while (child->next < until)
        store_number(child->f, "sensor.gap", child->next++, 300);
    child->acknowledged = child->next - 1;
    if (tc_journal_sync(child->f->journal, on_acknowledged, child))
        _exit(1);
}

/* In the child: stores events numbered from `first`, writing each number up to which all
 * are acknowledged, until killed. */
static void run_child(struct fixture *f, uint64_t first, int out)
{
    struct child child = {.f = f, .next = first, .out = out};
    uv_loop_t loop;
    char why[256];

    if (uv_loop_init(&loop) ||
        tc_journal_open(&loop, f->dir, NULL, NULL, &f->journal, why))
        _exit(1);
    store_and_sync(&child);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    _exit(1);
}

/* Kills the child after `count` acknowledgements; returns the last one it got out. */
static uint64_t kill_after(pid_t pid, int in, unsigned count)
{
    uint64_t number, last = 0;
    int status;

    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(read(in, &number, sizeof(number)), sizeof(number));
        last = number;
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (read(in, &number, sizeof(number)) == sizeof(number))
        last = number;
    return last;
}

static void journal_keeps_every_acknowledged_event_across_kill_9(void **state)
{
    struct fixture *f = *state;
    uint64_t first = 1, last;
    unsigned seed = 20;
    char sql[160];
    int fds[2];
    pid_t pid;

    for (int round = 0; round < 20; round++) {
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (!pid)
            run_child(f, first, fds[1]);
        (void)close(fds[1]);
        last = kill_after(pid, fds[0], 1 + (unsigned)rand_r(&seed) % 40);
        (void)close(fds[0]);
        (void)snprintf(sql, sizeof(sql),
                       "SELECT count(*) FROM events WHERE time_ns BETWEEN %llu AND %llu",
                       (unsigned long long)first, (unsigned long long)last);
        assert_int_equal(sql_int(f, sql), last - first + 1);
        first = (uint64_t)sql_int(f, "SELECT max(time_ns) FROM events") + 1;
    }
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), first - 1);
    open_journal(f);
    store_number(f, "sensor.gap", first, 10);
    assert_int_equal(sync_journal(f), 0);
    assert_string_equal(f->why, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(journal_holds_no_descriptor_of_an_event),
        TEST(journal_waits_out_a_full_disk_and_loses_nothing),
        TEST(journal_tries_again_by_itself),
        TEST(journal_loses_the_oldest_and_counts_them_when_too_many_wait),
        TEST(journal_starts_on_a_read_only_disk_and_stores_when_it_may),
        TEST(journal_sets_a_corrupt_file_aside_at_the_start),
        TEST(journal_sets_a_file_aside_that_is_corrupt_inside),
        TEST(journal_sets_a_file_aside_that_is_no_database_of_ours),
        TEST(journal_puts_back_a_file_that_is_deleted_with_all_it_held),
        TEST(journal_sets_aside_a_file_put_in_the_place_of_its_own),
        TEST(journal_keeps_what_it_held_while_its_folder_is_gone),
        TEST(journal_empties_a_log_whose_name_is_gone),
        TEST(journal_names_who_reads_it_without_end),
        TEST(journal_loses_events_of_the_source_that_floods),
        TEST(journal_leaves_a_newer_database_alone_and_works_in_memory),
        TEST(journal_refuses_a_state_folder_that_is_not_there),
        TEST(journal_keeps_every_acknowledged_event_across_kill_9),
    };

    leave_mount_namespace();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
