/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What detectors share, on a host of the test's own: its pool is a list that the test
 * runs, its timer one that the test fires. Folders and inotify are real.
 */
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "detector_defs.h"
#include "detector_event.h"

#define PIECES 8

struct piece {
    tocsin_call_fn run;
    tocsin_done_fn done;
    void *arg;
};

struct fake {
    struct tocsin_host host; /* first: the functions get it */
    struct piece pieces[PIECES];
    size_t pieces_n;
    int work_error, watch_error;
    char unwatched[64]; /* the issue rules_watch; "" is none */
    tocsin_call_fn timer;
    void *timer_arg;
    tocsin_watch_fn watch;
    void *watch_arg;
    int refs, completes, completed, releases;
    char issues[4][64]; /* by number; "" is none */
    uint64_t answered;  /* the request that was last */
    char answer[128];   /* its error's sentence, or "" */

    struct tc_detector_work work;
    struct tc_detector_defs defs;
    char dir[64];
    int jobs, loads, adopted, load_error;
    const char *kept;
    unsigned wrong; /* issues that adopt reports */
    bool cancelled;
};

static struct fake *fake_of(const struct tocsin_host *host)
{
    return (struct fake *)(uintptr_t)host;
}

static int fake_work(const struct tocsin_host *host, tocsin_call_fn run,
                     tocsin_done_fn done, void *arg)
{
    struct fake *fake = fake_of(host);

    if (fake->work_error)
        return fake->work_error;
    assert_true(fake->pieces_n < PIECES);
    fake->pieces[fake->pieces_n++] = (struct piece){run, done, arg};
    return 0;
}

static int fake_timer_start(const struct tocsin_host *host, uint64_t after_ms,
                            uint64_t repeat_ms, tocsin_call_fn fn, void *arg,
                            struct tocsin_timer **ret_timer)
{
    struct fake *fake = fake_of(host);

    assert_null(fake->timer);
    assert_true(after_ms > 0 && !repeat_ms);
    fake->timer = fn;
    fake->timer_arg = arg;
    *ret_timer = (void *)fake;
    return 0;
}

static void fake_timer_stop(const struct tocsin_host *host, struct tocsin_timer *timer)
{
    if (timer)
        fake_of(host)->timer = NULL;
}

static int fake_watch_fd(const struct tocsin_host *host, int fd, uint32_t events,
                         tocsin_watch_fn fn, void *arg, struct tocsin_watch **ret_watch)
{
    struct fake *fake = fake_of(host);

    assert_null(fake->watch);
    assert_true(fd >= 0 && events == TOCSIN_READABLE);
    if (fake->watch_error)
        return fake->watch_error;
    fake->watch = fn;
    fake->watch_arg = arg;
    *ret_watch = (void *)fake;
    return 0;
}

static void fake_watch_stop(const struct tocsin_host *host, struct tocsin_watch *watch)
{
    if (watch)
        fake_of(host)->watch = NULL;
}

static void fake_report(const struct tocsin_host *host, uint32_t what, const char *key,
                        const char *text, const char *fix)
{
    struct fake *fake = fake_of(host);
    unsigned i;

    (void)fix;
    if (!strcmp(key, "rules_watch"))
        snprintf(fake->unwatched, sizeof(fake->unwatched), "%s",
                 what == TOCSIN_REPORT_ISSUE ? text : "");
    if (sscanf(key, "rules_%u", &i) != 1)
        return;
    assert_true(i < 4);
    snprintf(fake->issues[i], sizeof(fake->issues[i]), "%s",
             what == TOCSIN_REPORT_ISSUE ? text : "");
}

static int fake_publish(const struct tocsin_host *host, const struct tocsin_event *event,
                        const struct tocsin_event **ret_event)
{
    struct fake *fake = fake_of(host);
    struct tocsin_str message = tocsin_event_str(event, "error");

    assert_null(ret_event);
    fake->answered = event->reply_to;
    snprintf(fake->answer, sizeof(fake->answer), "%.*s", (int)message.len,
             message.ptr ? message.ptr : "");
    return 0;
}

static void fake_ref(const struct tocsin_host *host, const struct tocsin_event *event)
{
    assert_non_null(event);
    fake_of(host)->refs++;
}

static void fake_unref(const struct tocsin_host *host, const struct tocsin_event *event)
{
    if (event)
        fake_of(host)->refs--;
}

static void fake_complete(const struct tocsin_host *host, int status)
{
    fake_of(host)->completes++;
    fake_of(host)->completed = status;
}

/* Runs the oldest piece in the pool. */
static void run_one(struct fake *fake, int status)
{
    struct piece piece = fake->pieces[0];

    assert_true(fake->pieces_n > 0);
    memmove(fake->pieces, fake->pieces + 1, --fake->pieces_n * sizeof(piece));
    if (!status)
        piece.run(piece.arg);
    piece.done(piece.arg, status);
}

/* ---- What the plugin does ---- */

struct job {
    struct fake *fake;
    bool first, loaded;
};

static void *prepare(void *owner, bool first)
{
    struct fake *fake = owner;
    struct job *job = calloc(1, sizeof(*job));

    assert_non_null(job);
    *job = (struct job){.fake = fake, .first = first};
    fake->jobs++;
    return job;
}

static int load(void *arg, struct tc_detector_watch *watch, const atomic_bool *cancelled)
{
    struct job *job = arg;

    job->fake->loads++;
    job->fake->cancelled = atomic_load(cancelled);
    tc_detector_watch_folder(watch, job->fake->dir);
    job->loaded = true;
    return job->fake->load_error;
}

static const char *adopt(void *owner, void *arg, const char *reason, int error)
{
    struct fake *fake = owner;
    struct job *job = arg;
    char text[24];

    assert_ptr_equal(job->fake, fake);
    assert_true(*reason);
    assert_true(error || job->loaded);
    assert_int_equal(job->first, fake->completes == 0);
    fake->adopted += !error;
    for (unsigned i = 0; !error && i < fake->wrong; i++) {
        snprintf(text, sizeof(text), "wrong %u", i);
        tc_detector_defs_issue(&fake->defs, text, NULL);
    }
    return fake->kept;
}

static void answer(void *owner, struct tocsin_writer *w)
{
    tocsin_put_int(w, "loads", ((struct fake *)owner)->loads);
}

static void discard(void *arg)
{
    struct job *job = arg;

    job->fake->jobs--;
    free(job);
}

static void release(void *owner)
{
    ((struct fake *)owner)->releases++;
}

static const char *const suffixes[] = {".rule", NULL};

static const struct tc_detector_defs_ops ops = {.suffixes = suffixes,
                                                .prepare = prepare,
                                                .load = load,
                                                .adopt = adopt,
                                                .answer = answer,
                                                .discard = discard};

static int setup(void **state)
{
    struct fake *fake = calloc(1, sizeof(*fake));

    assert_non_null(fake);
    fake->host = (struct tocsin_host){.size = sizeof(fake->host),
                                      .work = fake_work,
                                      .timer_start = fake_timer_start,
                                      .timer_stop = fake_timer_stop,
                                      .watch_fd = fake_watch_fd,
                                      .watch_stop = fake_watch_stop,
                                      .report = fake_report,
                                      .publish = fake_publish,
                                      .event_ref = fake_ref,
                                      .event_unref = fake_unref,
                                      .complete = fake_complete};
    fake->work =
        (struct tc_detector_work){.host = &fake->host, .release = release, .owner = fake};
    tc_detector_defs_init(&fake->defs, &fake->work, &ops, fake);
    snprintf(fake->dir, sizeof(fake->dir), "/tmp/tocsin-detector-XXXXXX");
    assert_non_null(mkdtemp(fake->dir));
    *state = fake;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    struct fake *fake = *state;

    tc_detector_defs_stop(&fake->defs);
    while (fake->pieces_n)
        run_one(fake, -ECANCELED);
    assert_int_equal(fake->jobs, 0);
    assert_int_equal(fake->refs, 0);
    assert_null(fake->timer);
    assert_null(fake->watch);
    nftw(fake->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(fake);
    return 0;
}

static void put(const struct fake *fake, const char *name)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", fake->dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

/* One that has started. */
static struct fake *started(void **state)
{
    struct fake *fake = *state;

    assert_int_equal(tc_detector_defs_load(&fake->defs, "start", NULL), 0);
    run_one(fake, 0);
    assert_int_equal(fake->completes, 1);
    assert_int_equal(fake->completed, 0);
    return fake;
}

static const struct tocsin_event one = {.size = sizeof(one), .id = 1, .fd = -1},
                                 two = {.size = sizeof(two), .id = 2, .fd = -1},
                                 three = {.size = sizeof(three), .id = 3, .fd = -1};

/* ---- Work ---- */

static void nothing(void *arg)
{
    (void)arg;
}

static void count(void *arg, int status)
{
    (void)status;
    ++*(int *)arg;
}

static void work_is_released_after_its_last_piece(void **state)
{
    struct fake *fake = *state;
    int done = 0;

    for (int i = 0; i < 2; i++)
        assert_int_equal(tc_detector_work_submit(&fake->work, nothing, count, &done), 0);
    assert_int_equal(tc_detector_work_stop(&fake->work), TOCSIN_PENDING);
    run_one(fake, 0);
    assert_int_equal(fake->releases, 0);
    run_one(fake, -ECANCELED);
    assert_int_equal(done, 2);
    assert_int_equal(fake->releases, 1);
    assert_int_equal(fake->completes, 1);
    assert_int_equal(fake->completed, 0);
}

static void work_is_released_at_once_when_there_is_none(void **state)
{
    struct fake *fake = *state;

    assert_int_equal(tc_detector_work_stop(&fake->work), 0);
    assert_int_equal(fake->releases, 1);
    assert_int_equal(fake->completes, 0);
}

static void work_is_refused_while_stopping_and_by_the_host(void **state)
{
    struct fake *fake = *state;
    int done = 0;

    fake->work_error = -EAGAIN;
    assert_int_equal(tc_detector_work_submit(&fake->work, nothing, count, &done),
                     -EAGAIN);
    assert_int_equal(tc_detector_work_stop(&fake->work), 0);
    assert_int_equal(tc_detector_work_submit(&fake->work, nothing, count, &done),
                     -ECANCELED);
    assert_int_equal(done, 0);
}

/* ---- Definitions ---- */

static void defs_first_load_ends_the_start(void **state)
{
    struct fake *fake = started(state);

    assert_int_equal(fake->adopted, 1);
    assert_non_null(fake->watch);
    assert_int_equal(tc_detector_defs_load(&fake->defs, "asked to reload", &one), 0);
    run_one(fake, 0);
    assert_int_equal(fake->completes, 1);
    assert_int_equal(fake->answered, 1);
    assert_string_equal(fake->answer, "");
}

static void defs_first_load_that_fails_fails_the_start(void **state)
{
    struct fake *fake = *state;

    fake->load_error = -ENOMEM;
    assert_int_equal(tc_detector_defs_load(&fake->defs, "start", NULL), 0);
    assert_int_equal(tc_detector_defs_load(&fake->defs, "asked to reload", &one), 0);
    run_one(fake, 0);
    assert_int_equal(fake->completed, -ENOMEM);
    assert_int_equal(fake->answered, 1);
    assert_int_equal(fake->pieces_n, 0);
    assert_int_equal(fake->adopted, 0);
    assert_null(fake->watch);
}

static void defs_one_load_waits_and_a_later_one_takes_its_place(void **state)
{
    struct fake *fake = started(state);

    assert_int_equal(tc_detector_defs_load(&fake->defs, "asked to reload", &one), 0);
    assert_int_equal(tc_detector_defs_load(&fake->defs, "asked to reload", &two), 0);
    assert_int_equal(fake->pieces_n, 1);
    assert_int_equal(fake->answered, 0);
    assert_int_equal(tc_detector_defs_load(&fake->defs, "asked to reload", &three), 0);
    assert_int_equal(fake->answered, 2);
    assert_string_equal(fake->answer, "the rules could not be loaded: another reload "
                                      "was asked for meanwhile");
    run_one(fake, 0);
    assert_int_equal(fake->answered, 1);
    run_one(fake, 0);
    assert_int_equal(fake->answered, 3);
    assert_string_equal(fake->answer, "");
    assert_int_equal(fake->loads, 3);
}

static void defs_says_why_what_is_in_force_stays(void **state)
{
    struct fake *fake = started(state);

    fake->kept = "they are worse";
    assert_int_equal(tc_detector_defs_load(&fake->defs, "asked to reload", &one), 0);
    run_one(fake, 0);
    assert_string_equal(fake->answer, "the rules could not be loaded: they are worse");
}

static void defs_clears_the_issues_that_are_over(void **state)
{
    struct fake *fake = *state;

    fake->wrong = 3;
    started(state);
    assert_string_equal(fake->issues[2], "wrong 2");
    fake->wrong = 1;
    fake->load_error = -ENOMEM; /* nothing new is known */
    assert_int_equal(tc_detector_defs_load(&fake->defs, "rules changed", NULL), 0);
    run_one(fake, 0);
    assert_string_equal(fake->issues[2], "wrong 2");
    fake->load_error = 0;
    assert_int_equal(tc_detector_defs_load(&fake->defs, "rules changed", NULL), 0);
    run_one(fake, 0);
    assert_string_equal(fake->issues[0], "wrong 0");
    assert_string_equal(fake->issues[1], "");
    assert_string_equal(fake->issues[2], "");
}

static void defs_says_so_when_the_host_does_not_watch(void **state)
{
    struct fake *fake = *state;

    fake->watch_error = -ENOSPC;
    started(state);
    assert_string_equal(fake->unwatched,
                        "not all rule folders are watched: No space left on device");
    fake->watch_error = 0;
    assert_int_equal(tc_detector_defs_load(&fake->defs, "asked", NULL), 0);
    run_one(fake, 0);
    assert_string_equal(fake->unwatched, "");
}

static void defs_many_changes_are_one_load(void **state)
{
    struct fake *fake = started(state);

    put(fake, "a.rule");
    fake->watch(fake->watch_arg, 0, TOCSIN_READABLE);
    put(fake, "b.rule");
    fake->watch(fake->watch_arg, 0, TOCSIN_READABLE);
    assert_int_equal(fake->pieces_n, 0);
    assert_non_null(fake->timer);
    fake->timer(fake->timer_arg);
    assert_null(fake->timer);
    run_one(fake, 0);
    assert_int_equal(fake->loads, 2);
    assert_int_equal(fake->pieces_n, 0);
}

/* Its watch is there before it reads, so the next load comes whatever this one has read.
 */
static void defs_a_change_during_a_load_is_not_missed(void **state)
{
    struct fake *fake = started(state);

    assert_int_equal(tc_detector_defs_load(&fake->defs, "asked to reload", NULL), 0);
    fake->pieces[0].run(fake->pieces[0].arg);
    put(fake, "a.rule");
    fake->pieces_n = 0;
    fake->pieces[0].done(fake->pieces[0].arg, 0);
    fake->watch(fake->watch_arg, 0, TOCSIN_READABLE);
    assert_non_null(fake->timer);
}

static void defs_stop_lets_the_load_that_runs_end(void **state)
{
    struct fake *fake = started(state);

    assert_int_equal(tc_detector_defs_load(&fake->defs, "asked to reload", &one), 0);
    assert_int_equal(tc_detector_defs_load(&fake->defs, "asked to reload", &two), 0);
    tc_detector_defs_stop(&fake->defs);
    assert_null(fake->watch);
    assert_int_equal(tc_detector_work_stop(&fake->work), TOCSIN_PENDING);
    run_one(fake, 0);
    assert_true(fake->cancelled);
    assert_int_equal(fake->answered, 1);
    assert_int_equal(fake->pieces_n, 0);
    assert_int_equal(fake->releases, 1);
    assert_int_equal(fake->completes, 2);
    assert_null(fake->watch);
}

/* ---- What is watched ---- */

static bool sees(const struct tc_detector_watch *watch)
{
    return tc_detector_watch_changed(watch, suffixes);
}

static void watch_sees_rule_files_and_folders_only(void **state)
{
    const struct fake *fake = *state;
    struct tc_detector_watch watch;
    char path[PATH_MAX];

    tc_detector_watch_open(&watch);
    tc_detector_watch_folder(&watch, fake->dir);
    assert_int_equal(watch.error, 0);
    put(fake, "notes.txt");
    put(fake, ".hidden.rule");
    assert_false(sees(&watch));
    put(fake, "a.rule");
    assert_true(sees(&watch));
    snprintf(path, sizeof(path), "%s/folder", fake->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_true(sees(&watch));
    assert_false(sees(&watch));
    tc_detector_watch_close(&watch);
}

static void watch_sees_an_entry_of_any_name(void **state)
{
    const struct fake *fake = *state;
    struct tc_detector_watch watch;
    char path[PATH_MAX];

    put(fake, "list");
    snprintf(path, sizeof(path), "%s/list", fake->dir);
    tc_detector_watch_open(&watch);
    tc_detector_watch_entry(&watch, path);
    tc_detector_watch_entry(&watch, "");
    assert_int_equal(watch.error, 0);
    put(fake, "other");
    assert_false(sees(&watch));
    put(fake, "list");
    assert_true(sees(&watch));
    tc_detector_watch_close(&watch);
}

static void watch_sees_a_folder_that_comes_later(void **state)
{
    const struct fake *fake = *state;
    struct tc_detector_watch watch;
    char path[PATH_MAX];

    tc_detector_watch_open(&watch);
    snprintf(path, sizeof(path), "%s/a/b/c", fake->dir);
    tc_detector_watch_entry(&watch, path);
    assert_int_equal(watch.error, 0);
    assert_false(sees(&watch));
    snprintf(path, sizeof(path), "%s/a", fake->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_true(sees(&watch));
    tc_detector_watch_close(&watch);
}

/* ---- Lists, texts ---- */

static void list_copy_outlives_the_list(void **state)
{
    struct tc_detector_list list = {.items = NULL}, copy;

    (void)state;
    assert_int_equal(tc_detector_list_add(&list, "a"), 0);
    assert_int_equal(tc_detector_list_add(&list, "b"), 0);
    assert_int_equal(tc_detector_list_copy(&list, &copy), 0);
    tc_detector_list_free(&list);
    assert_int_equal(list.n, 0);
    assert_int_equal(copy.n, 2);
    assert_string_equal(copy.items[1], "b");
    tc_detector_list_free(&copy);
}

static void text_fits_or_is_none(void **state)
{
    struct tocsin_event event = {.size = sizeof(event), .fd = -1};
    struct tocsin_writer w;
    uint8_t buf[64];
    char text[4] = "?";

    (void)state;
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "fits", "abc");
    tocsin_put_str(&w, "long", "abcd");
    tocsin_put_strn(&w, "cut", "a\0b", 3);
    tocsin_put_int(&w, "number", 1);
    tocsin_end(&w);
    event.data = w.buf;
    event.len = w.len;
    assert_false(tc_detector_text(&event, "long", text, sizeof(text)));
    assert_false(tc_detector_text(&event, "cut", text, sizeof(text)));
    assert_false(tc_detector_text(&event, "number", text, sizeof(text)));
    assert_false(tc_detector_text(&event, "missing", text, sizeof(text)));
    assert_string_equal(text, "?");
    assert_true(tc_detector_text(&event, "fits", text, sizeof(text)));
    assert_string_equal(text, "abc");
}

/* Excludes /spared and who is /spared. */
static int fake_excluded(const struct tocsin_host *host, const char *path,
                         const char *executable)
{
    (void)host;
    if (path && !strcmp(path, "/spared"))
        return TOCSIN_EXCLUDED_BY_PATH;
    return executable && !strcmp(executable, "/spared") ? TOCSIN_EXCLUDED_BY_PROCESS
                                                        : TOCSIN_NOT_EXCLUDED;
}

/* What an event of that topic is excluded by; `file` and `process`: a field of each that
 * is true. */
static int excluded_by(const char *topic, const char *path, const char *file,
                       const char *executable, const char *process)
{
    struct tocsin_host host = {.size = sizeof(host), .excluded = fake_excluded};
    struct tocsin_event event = {.size = sizeof(event), .fd = -1, .topic = topic};
    struct tocsin_writer w;
    uint8_t buf[256];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", path);
    tocsin_put_bool(&w, file, true);
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_put_str(&w, "executable", executable);
    tocsin_put_bool(&w, process, true);
    tocsin_end(&w);
    tocsin_end(&w);
    event.data = w.buf;
    event.len = w.len;
    return tc_detector_excluded(&host, &event);
}

static void regress_nothing_is_excluded_by_what_the_agent_does_not_see(void **state)
{
    static const struct {
        const char *topic, *path, *file, *executable, *process;
        int why;
    } rows[] = {
        {TOCSIN_TOPIC_FILE_OPEN, "/spared", "x", "/b", "x", TOCSIN_EXCLUDED_BY_PATH},
        {TOCSIN_TOPIC_FILE_OPEN, "/spared", "path_unverified", "/b", "x", 0},
        {TOCSIN_TOPIC_FILE_OPEN, "/spared", "path_truncated", "/b", "x", 0},
        {TOCSIN_TOPIC_FILE_OPEN, "/f", "x", "/spared", "x", TOCSIN_EXCLUDED_BY_PROCESS},
        {TOCSIN_TOPIC_FILE_OPEN, "/f", "x", "/spared", "executable_unverified", 0},
        /* Who executes a file is the program of before. */
        {TOCSIN_TOPIC_FILE_EXEC, "/f", "x", "/spared", "x", 0},
        {TOCSIN_TOPIC_FILE_EXEC, "/spared", "x", "/b", "x", TOCSIN_EXCLUDED_BY_PATH},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(excluded_by(rows[i].topic, rows[i].path, rows[i].file,
                                     rows[i].executable, rows[i].process),
                         rows[i].why);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(work_is_released_after_its_last_piece),
        TEST(work_is_released_at_once_when_there_is_none),
        TEST(work_is_refused_while_stopping_and_by_the_host),
        TEST(defs_first_load_ends_the_start),
        TEST(defs_first_load_that_fails_fails_the_start),
        TEST(defs_one_load_waits_and_a_later_one_takes_its_place),
        TEST(defs_says_why_what_is_in_force_stays),
        TEST(defs_clears_the_issues_that_are_over),
        TEST(defs_says_so_when_the_host_does_not_watch),
        TEST(defs_many_changes_are_one_load),
        TEST(defs_a_change_during_a_load_is_not_missed),
        TEST(defs_stop_lets_the_load_that_runs_end),
        TEST(watch_sees_rule_files_and_folders_only),
        TEST(watch_sees_an_entry_of_any_name),
        TEST(watch_sees_a_folder_that_comes_later),
        TEST(list_copy_outlives_the_list),
        TEST(text_fits_or_is_none),
        TEST(regress_nothing_is_excluded_by_what_the_agent_does_not_see),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
