/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of `tocsin tap --read`, and of what --record writes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/pack.h"
#include "tests/support/cli_run.h"
#include "tests/support/scripted_agent.h"

#define SECOND UINT64_C(1000000000)
#define BEGIN (UINT64_C(1700000000) * SECOND) /* 2023-11-14 22:13:20 UTC */

struct recorded {
    const char *topic, *source;
    uint64_t id, seconds, reply_to; /* `seconds` after BEGIN */
    uint64_t pid, parent, took_ns;
};

/* An event as `tocsin tap --record` writes it; `old`: as it did before it had a time. */
static void put_event(struct tc_pack *p, const struct recorded *event, bool old)
{
    tc_pack_begin_array(p, NULL);
    tc_pack_str(p, NULL, event->topic);
    tc_pack_str(p, NULL, event->source);
    tc_pack_uint(p, NULL, event->id);
    tc_pack_begin_map(p, NULL);
    if (event->took_ns)
        tc_pack_uint(p, "took_ns", event->took_ns);
    tc_pack_begin_map(p, "process");
    tc_pack_uint(p, "pid", event->pid);
    if (event->parent) {
        tc_pack_begin_map(p, "parent");
        tc_pack_uint(p, "pid", event->parent);
        tc_pack_end(p);
    }
    tc_pack_end(p);
    tc_pack_end(p);
    if (!old) {
        tc_pack_uint(p, NULL, BEGIN + event->seconds * SECOND);
        tc_pack_uint(p, NULL, event->reply_to);
    }
    tc_pack_end(p);
}

static const struct recorded events[] = {
    {"process.forked", "trace", 1, 0, 0, 20, 10, 0},
    {"file.open", "es", 2, 1, 0, 20, 0, 0},
    {"verdict.final", "core", 3, 2, 2, 20, 0, 1500000},
    {"file.open", "es", 4, 3, 0, 30, 0, 0},
    {"verdict.final", "core", 5, 4, 4, 30, 0, 500000},
};

/* A folder with a recording, `tail` behind it. */
struct place {
    char folder[64], file[96], other[96];
};

static void make(struct place *place, bool old, const char *tail)
{
    struct tc_pack p;
    int fd;

    snprintf(place->folder, sizeof(place->folder), "/tmp/tocsin-recording-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->file, sizeof(place->file), "%s/a", place->folder);
    snprintf(place->other, sizeof(place->other), "%s/b", place->folder);
    fd = open(place->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
        tc_pack_init(&p);
        put_event(&p, &events[i], old);
        assert_int_equal(p.error, 0);
        assert_int_equal(write(fd, p.bytes.data, p.bytes.size), p.bytes.size);
        tc_pack_done(&p);
    }
    assert_int_equal(write(fd, tail, strlen(tail)), strlen(tail));
    close(fd);
}

static void clear(const struct place *place)
{
    unlink(place->file);
    unlink(place->other);
    assert_int_equal(rmdir(place->folder), 0);
}

/* Runs `tocsin tap --read FILE` with more words; there is no agent. */
static void run_read(const struct place *place, const char *words, struct cli_run *run)
{
    char line[1280];

    snprintf(line, sizeof(line), "tap --read %s %s", place->file, words);
    cli_run_line(run, "/nonexistent", line);
}

/* The ids that it printed, as "2 4". */
static void expect_ids(const struct place *place, const char *words, const char *ids)
{
    char line[1024], found[128] = "";
    struct cli_run run;

    assert_true(snprintf(line, sizeof(line), "--output json %s", words) > 0);
    run_read(place, line, &run);
    if (run.status)
        fail_msg("%s: %d %s", words, run.status, run.err);
    for (const char *at = run.out; (at = strstr(at, "\"id\":")) != NULL; at++)
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%d",
                 *found ? " " : "", atoi(at + 5));
    if (strcmp(found, ids) != 0)
        fail_msg("%s: %s, not %s", words, found, ids);
}

static void a_recording_is_printed_as_if_it_came_now(void **state)
{
    struct place place;
    struct cli_run run;

    (void)state;
    make(&place, false, "");
    run_read(&place, "verdict.final --filter took_ns>1ms", &run);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.out,
                        "2023-11-14 22:13:22.000 verdict.final     -[20] took=1.5ms id=3 "
                        "reply_to=2 source=core\n");
    assert_string_equal(run.err, "");
    run_read(&place, "--output json --count 1 file.*", &run);
    assert_string_equal(run.out,
                        "{\"topic\":\"file.open\",\"source\":\"es\",\"id\":2,\"time_ns\":"
                        "1700000001000000000,\"event\":{\"process\":{\"pid\":20}}}\n");
    clear(&place);
}

static void a_recording_is_cut_by_topic_filter_time_process_and_number(void **state)
{
    struct place place;

    (void)state;
    make(&place, false, "");
    expect_ids(&place, "", "1 2 3 4 5");
    expect_ids(&place, "verdict.*", "3 5");
    expect_ids(&place, "--filter reply_to=2", "3");
    expect_ids(&place, "--filter source!=es", "1 3 5");
    expect_ids(&place, "--since 2023-11-14T22:13:21Z", "2 3 4 5");
    expect_ids(&place, "--since 2023-11-14T22:13:21Z --until 2023-11-14T22:13:23Z",
               "2 3 4");
    expect_ids(&place, "--since 1d", "");
    expect_ids(&place, "--follow-process 10", "1 2 3");
    expect_ids(&place, "--sample 2", "1 3 5");
    expect_ids(&place, "--count 2", "1 2");
    clear(&place);
    make(&place, true, ""); /* one of an older agent: without times */
    expect_ids(&place, "verdict.*", "3 5");
    clear(&place);
}

static void a_recording_in_which_nothing_is_asked_for_says_so(void **state)
{
    struct place place;
    struct cli_run run;

    (void)state;
    make(&place, false, "");
    run_read(&place, "verdict.finl", &run);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.err, "tocsin: none of the 5 events is asked for\n"
                                 "tocsin: there is no topic verdict.finl; did you mean "
                                 "verdict.final?\n");
    clear(&place);
}

static void what_is_no_event_is_told_and_the_rest_is_read(void **state)
{
    struct place place;
    struct cli_run run;

    (void)state;
    make(&place, false, "\x91\x01");
    run_read(&place, "--count 9", &run);
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.out, "id=5"));
    assert_non_null(strstr(run.err, "number 6 is no recorded event"));
    clear(&place);
    make(&place, false, "\x96\xa1x"); /* cut in the middle */
    run_read(&place, "", &run);
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.err, "number 6 is no recorded event"));
    clear(&place);
    snprintf(place.file, sizeof(place.file), "/nonexistent/file");
    run_read(&place, "", &run);
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.err, "No such file"));
}

static void a_part_of_a_recording_is_one_too_and_overwrites_nothing(void **state)
{
    char words[256];
    struct place place;
    struct cli_run run;
    struct stat st;

    (void)state;
    make(&place, false, "");
    snprintf(words, sizeof(words), "verdict.* --record %s", place.other);
    run_read(&place, words, &run);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.err, "tocsin: recorded 2 events\n");
    run_read(&place, words, &run);
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.err, "/b is there already; --overwrite replaces it"));
    snprintf(words, sizeof(words), "file.* --record %s --overwrite", place.other);
    run_read(&place, words, &run);
    assert_int_equal(run.status, 0);
    unlink(place.file);
    assert_int_equal(rename(place.other, place.file), 0);
    expect_ids(&place, "", "2 4");
    /* Not beyond a size. */
    snprintf(words, sizeof(words), "--record %s --max-size 50", place.other);
    run_read(&place, words, &run);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.err, "tocsin: recorded 1 events, up to --max-size\n");
    assert_int_equal(stat(place.other, &st), 0);
    assert_true(st.st_size > 0 && st.st_size <= 50);
    /* And never into what is read. */
    snprintf(words, sizeof(words), "--record %s --overwrite", place.file);
    run_read(&place, words, &run);
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.err, "is what is read"));
    expect_ids(&place, "", "2 4");
    clear(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recording_is_printed_as_if_it_came_now),
        cmocka_unit_test(a_recording_is_cut_by_topic_filter_time_process_and_number),
        cmocka_unit_test(a_recording_in_which_nothing_is_asked_for_says_so),
        cmocka_unit_test(what_is_no_event_is_told_and_the_rest_is_read),
        cmocka_unit_test(a_part_of_a_recording_is_one_too_and_overwrites_nothing),
    };

    setenv("TZ", "UTC", 1);
    alarm(100);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
