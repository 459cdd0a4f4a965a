/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known bad stays refused while an agent that was killed is started again: not
 * for ever, not after an orderly stop, and without a moment in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/kext_holder.h"
#include "tests/support/kext_scratch.h"

#include "plugins/kext/bpf/kext_abi.h"
#include "tests/support/skip.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGENTS TC_KEXT_BPF_FOLDER "/tocsin_kext_*"
#define NS_PER_S 1000000000ull
#define LONG_S 600 /* as long as the option lets it be */

static const char *const longest[] = {"keep_refusing=10m", NULL};

/* ---- What is pinned. ---- */

/* How many names there are that match, and the first. */
static size_t count_of(const char *pattern, char ret_first[256])
{
    glob_t found;
    size_t count = 0;

    if (!glob(pattern, 0, NULL, &found)) {
        count = found.gl_pathc;
        if (ret_first)
            snprintf(ret_first, 256, "%s", found.gl_pathv[0]);
        globfree(&found);
    }
    return count;
}

static size_t lives(void)
{
    return count_of(AGENTS "/*", NULL);
}

static int open_control(void)
{
    char path[256];
    int fd;

    assert_int_equal(count_of(AGENTS "/*/control", path), 1);
    fd = bpf_obj_get(path);
    assert_true(fd >= 0);
    return fd;
}

/* Until when the programs of the one life refuse; and has it be `until_ns`. */
static uint64_t refuse_until(void)
{
    struct tc_kext_control control;
    uint32_t zero = 0;
    int fd = open_control();

    assert_int_equal(bpf_map_lookup_elem(fd, &zero, &control), 0);
    close(fd);
    return control.refuse_until_ns;
}

static void set_refuse_until(uint64_t until_ns)
{
    struct tc_kext_control control;
    uint32_t zero = 0;
    int fd = open_control();

    assert_int_equal(bpf_map_lookup_elem(fd, &zero, &control), 0);
    control.refuse_until_ns = until_ns;
    assert_int_equal(bpf_map_update_elem(fd, &zero, &control, BPF_ANY), 0);
    close(fd);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- Two lives. ---- */

static void kill_holder(const struct tc_kext_holder *holder)
{
    assert_int_equal(kill(holder->pid, SIGKILL), 0);
    assert_int_equal(waitpid(holder->pid, NULL, 0), holder->pid);
}

/* The next agent, with the state folder of one that was killed. */
static void start_again(struct tc_scratch *s, const struct tc_kext_holder *before,
                        const char *const *options)
{
    char watch[128];
    const char *const all[] = {watch, options[0], NULL};

    tc_scratch_load(s, "kext", NULL, options);
    tc_harness_unload(&s->h);
    snprintf(watch, sizeof(watch), "watch=%s", s->in);
    assert_int_equal(mount(before->at.dir, s->h.dir, NULL, MS_BIND, NULL), 0);
    assert_int_equal(tc_harness_load(&s->h, TEST_PLUGIN_DIR "/tocsin_kext.so", all), 0);
    if (tc_harness_start(&s->h))
        fail_msg("kext did not start: %s", s->h.why);
}

static void end_again(struct tc_scratch *s, struct tc_kext_holder *before)
{
    tc_harness_unload(&s->h);
    assert_int_equal(umount2(s->h.dir, MNT_DETACH), 0);
    tc_scratch_done(s);
    tc_kext_holder_end(before);
}

static void kext_refuses_what_is_bad_after_its_agent_was_killed(void **state)
{
    struct tc_kext_holder holder;
    uint64_t until_ns;

    (void)state;
    tc_kext_holder_start(&holder, longest);
    kill_holder(&holder);
    for (int i = 0; i < 20; i++)
        assert_false(tc_kext_runs(holder.at.known));
    assert_true(tc_kext_runs(holder.at.unknown));
    until_ns = refuse_until();
    assert_true(until_ns > now_ns());
    assert_true(until_ns <= now_ns() + LONG_S * NS_PER_S);
    set_refuse_until(now_ns());
    assert_true(tc_kext_runs(holder.at.known));
    tc_kext_holder_end(&holder);
    assert_int_equal(umount2(TC_KEXT_BPF_FOLDER, MNT_DETACH), 0);
    assert_int_equal(mount("tocsin-test", TC_KEXT_BPF_FOLDER, "bpf", 0, NULL), 0);
}

/* Executes it again and again, until there is `until`: 1 as soon as it has run. */
static int execute_until(const char *path, const char *until)
{
    while (access(until, F_OK))
        if (tc_kext_runs(path))
            return 1;
    return 0;
}

static void the_next_agent_takes_over_without_a_moment_in_between(void **state)
{
    struct tc_kext_holder holder;
    static struct tc_scratch s;
    char until[96];
    pid_t runner;

    (void)state;
    tc_kext_holder_start(&holder, longest);
    snprintf(until, sizeof(until), "%s/until", holder.at.root);
    runner = tc_child_begin(execute_until, holder.at.known, until);
    kill_holder(&holder);
    start_again(&s, &holder, longest);
    assert_int_equal(lives(), 1);
    assert_int_equal(tc_scratch_stat(&s, "inherited"), 2); /* and the canary */
    assert_true(tc_kext_await_stat(
        &s, tc_kext_has_lsm(&s) ? "kernel.refused" : "kernel.killed", 3));
    tc_child_put(until, "");
    assert_int_equal(tc_scratch_child_end(&s, runner), 0);
    end_again(&s, &holder);
    assert_int_equal(lives(), 0);
}

static bool has_run(struct tc_harness *h)
{
    return tc_kext_runs(h->arg);
}

/* The kernel takes its time until a program that has lost its names has ended. */
static void comes_to_run(struct tc_scratch *s, char *path)
{
    s->h.arg = path;
    assert_true(tc_harness_run(&s->h, has_run, TC_HARNESS_WAIT_MS));
}

static void what_was_inherited_ends_with_the_next_agents_own_verdicts(void **state)
{
    struct tc_kext_holder holder;
    static struct tc_scratch s;

    (void)state;
    tc_kext_holder_start(&holder, longest);
    kill_holder(&holder);
    start_again(&s, &holder, longest);
    assert_false(tc_kext_runs(holder.at.known));
    tc_harness_publish(&s.h, TOCSIN_TOPIC_VERDICT_RESET, 0, -1, NULL);
    comes_to_run(&s, holder.at.known);
    end_again(&s, &holder);
}

/* False: its time was over when the next agent came. */
static bool inherited_for_a_while(uint64_t seconds)
{
    struct tc_kext_holder holder;
    static struct tc_scratch s;
    bool inherited;

    tc_kext_holder_start(&holder, longest);
    kill_holder(&holder);
    set_refuse_until(now_ns() + seconds * NS_PER_S);
    start_again(&s, &holder, longest);
    inherited = tc_scratch_stat(&s, "inherited") > 0;
    comes_to_run(&s, holder.at.known);
    end_again(&s, &holder);
    return inherited;
}

static void what_was_inherited_ends_when_its_agent_would_have_ended_it(void **state)
{
    uint64_t seconds = 4; /* longer than a start, wherever this runs */

    (void)state;
    while (!inherited_for_a_while(seconds))
        seconds *= 2;
}

static void nothing_is_inherited_of_what_is_over(void **state)
{
    struct tc_kext_holder holder;
    static struct tc_scratch s;

    (void)state;
    tc_kext_holder_start(&holder, longest);
    kill_holder(&holder);
    set_refuse_until(now_ns());
    start_again(&s, &holder, longest);
    assert_int_equal(tc_scratch_stat(&s, "inherited"), 0);
    assert_int_equal(lives(), 1);
    comes_to_run(&s, holder.at.known);
    end_again(&s, &holder);
}

/* ---- One life. ---- */

static void an_orderly_stop_leaves_nothing_pinned(void **state)
{
    struct tc_scratch *s = *state;
    char agent[256];
    struct stat st;

    assert_int_equal(count_of(AGENTS, agent), 1);
    assert_int_equal(stat(agent, &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(lives(), 1);
    assert_int_equal(count_of(AGENTS "/*/kext_*", NULL), tc_kext_has_lsm(s) ? 3 : 1);
    assert_int_equal(tc_scratch_stat(s, "pinned"), 1);
    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_int_equal(count_of(AGENTS, NULL), 0);
}

static void a_folder_that_somebody_else_has_made_there_is_not_believed(void **state)
{
    struct tc_scratch *s = *state;
    char agent[256], life[300];
    struct stat st;

    assert_int_equal(tc_harness_start(&s->h), 0);
    assert_int_equal(count_of(AGENTS, agent), 1);
    assert_int_equal(tc_harness_stop(&s->h), 0);
    snprintf(life, sizeof(life), "%s/theirs", agent);
    assert_int_equal(mkdir(agent, 0777), 0);
    assert_int_equal(chown(agent, 65534, 65534), 0);
    assert_int_equal(mkdir(life, 0777), 0);
    assert_int_equal(tc_harness_start(&s->h), 0);
    assert_int_equal(stat(agent, &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(access(life, F_OK), -1);
    assert_int_equal(tc_scratch_stat(s, "pinned"), 1);
    assert_int_equal(tc_harness_stop(&s->h), 0);
}

static void kext_starts_where_there_is_no_bpf_file_system(void **state)
{
    struct tc_scratch *s = *state;

    assert_int_equal(mount("tocsin-test", TC_KEXT_BPF_FOLDER, "tmpfs", 0, NULL), 0);
    assert_int_equal(tc_harness_start(&s->h), 0);
    assert_int_equal(tc_scratch_stat(s, "pinned"), 0);
    assert_int_equal(lives(), 0);
    assert_int_equal(umount2(TC_KEXT_BPF_FOLDER, MNT_DETACH), 0);
}

#if defined(__SANITIZE_THREAD__)
/* The agent that is killed is a fork of this process, which has threads by then. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}
#endif

int main(void)
{
    const struct CMUnitTest one[] = {
        cmocka_unit_test(an_orderly_stop_leaves_nothing_pinned),
        cmocka_unit_test(a_folder_that_somebody_else_has_made_there_is_not_believed),
        cmocka_unit_test(kext_starts_where_there_is_no_bpf_file_system),
    };
    const struct CMUnitTest two[] = {
        cmocka_unit_test(kext_refuses_what_is_bad_after_its_agent_was_killed),
        cmocka_unit_test(the_next_agent_takes_over_without_a_moment_in_between),
        cmocka_unit_test(what_was_inherited_ends_with_the_next_agents_own_verdicts),
        cmocka_unit_test(what_was_inherited_ends_when_its_agent_would_have_ended_it),
        cmocka_unit_test(nothing_is_inherited_of_what_is_over),
    };

    if (!tc_kext_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(one, tc_kext_scratch_setup, tc_scratch_teardown) +
           cmocka_run_group_tests(two, NULL, NULL);
}
