/* SPDX-License-Identifier: Apache-2.0 */
/* What plugin edr does about a match, to real processes and files. */
#include "test_edr_util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "ipc/bus.h"
#include "sensor_proc.h"
#include "tests/support/child.h"

#define RULE_ID "11111111-2222-3333-4444-555555555555"
#define OTHER_HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* A process, and what is reported of it. */
struct victim {
    int pid;
    uint64_t start;
    const char *executable, *exec_path, *folder, *hash;
    const char *command_line; /* NULL: one that the rule matches */
    const struct victim *parent;
};

/* Its state and its start as events have it; 0: it is not there. */
static char state_of(int pid, uint64_t *ret_start)
{
    char state = tc_child_state(pid, ret_start);

    if (state)
        *ret_start += tc_sensor_proc_boot_ns();
    return state;
}

/* Ends what a test that has failed has left. */
static int teardown(void **state)
{
    char text[4096], *at = text;
    int r = edr_teardown(state), pid;

    if (tc_sensor_proc_read(text, sizeof(text), "/proc/self/task/%d/children", getpid()) >
        0)
        while ((pid = (int)strtol(at, &at, 10)) > 0)
            kill(pid, SIGKILL);
    tc_child_reap_all();
    return r;
}

/* Runs a program with one argument, or a shell script, and waits for its first byte. */
static struct victim run(const char *program, const char *argument)
{
    bool is_shell = !strcmp(program, "/bin/sh");
    struct victim victim = {.executable = program, .exec_path = program};

    victim.pid = is_shell ? tc_child_spawn(program, "-c", argument, 1)
                          : tc_child_spawn(program, argument, NULL, 0);
    assert_true(state_of(victim.pid, &victim.start) != 0);
    return victim;
}

static const char *path_in(const struct edr *edr, const char *name, char ret[PATH_MAX])
{
    snprintf(ret, PATH_MAX, "%s/%s", edr->dir, name);
    return ret;
}

static struct tc_harness *start(struct edr *edr, const char *responses)
{
    char option[512];

    put_file(edr, "rule.yml",
             "title: Something odd\n"
             "id: " RULE_ID "\n"
             "logsource: {category: process_creation, product: linux}\n"
             "detection:\n  selection: {CommandLine: odd}\n  condition: selection\n"
             "level: high\n");
    snprintf(option, sizeof(option), "responses=%s", responses);
    return run_edr(edr, option);
}

/* Reports to edr that the process was started, in a way that the rule matches. */
static void notify_start(struct tc_harness *h, const struct victim *victim)
{
    struct tocsin_event event = {
        .size = sizeof(event), .fd = -1, .topic = "process.started"};
    struct tocsin_writer w;
    uint8_t buf[8192];
    struct timespec now;

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "process");
    tocsin_put_int(&w, "pid", victim->pid);
    tocsin_put_uint(&w, "start", victim->start);
    tocsin_put_str(&w, "executable", victim->executable);
    tocsin_put_str(&w, "command_line",
                   victim->command_line ? victim->command_line : "odd");
    tocsin_begin_array(&w, "ancestors");
    if (victim->parent) {
        tocsin_begin_map(&w, NULL);
        tocsin_put_int(&w, "pid", victim->parent->pid);
        tocsin_put_uint(&w, "start", victim->parent->start);
        tocsin_end(&w);
    }
    tocsin_end(&w);
    if (victim->exec_path)
        tocsin_put_str(&w, "exec_path", victim->exec_path);
    if (victim->folder)
        tocsin_put_str(&w, "working_directory", victim->folder);
    if (victim->hash) {
        tocsin_begin_map(&w, "hash");
        tocsin_put_str(&w, "sha256", victim->hash);
        tocsin_end(&w);
    }
    tocsin_end(&w);
    tocsin_end(&w);
    assert_int_equal(w.error, 0);
    clock_gettime(CLOCK_REALTIME, &now);
    event.time_ns = (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
    event.data = w.buf;
    event.len = w.len;
    assert_int_equal(tc_bus_publish(h->bus, &event, "test", NULL, NULL), 0);
}

static const struct tocsin_event *await_response(struct tc_harness *h, const char *action,
                                                 const char *status, const char *reason)
{
    const struct tocsin_event *event =
        tc_harness_await(h, TOCSIN_TOPIC_ALERT_RESPONSE, 0);

    assert_non_null(event);
    assert_string_equal(tc_harness_text(h, event, "response.action"), action);
    if (strcmp(tc_harness_text(h, event, "response.status"), status) != 0)
        fail_msg("%s: %s", tc_harness_text(h, event, "response.status"),
                 tc_harness_text(h, event, "response.reason"));
    if (!strstr(tc_harness_text(h, event, "response.reason"), reason))
        fail_msg("%s", tc_harness_text(h, event, "response.reason"));
    return event;
}

static const struct tocsin_event *respond(struct tc_harness *h,
                                          const struct victim *victim, const char *action,
                                          const char *status, const char *reason)
{
    notify_start(h, victim);
    return await_response(h, action, status, reason);
}

/* ---- Processes ---- */

static void edr_kills_a_process_with_all_below_it(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=kill");
    struct victim victim = run("/bin/sh", "(sleep 100 & sleep 100 & echo; wait) & wait");
    const struct tocsin_event *event = respond(h, &victim, "kill", "done", ""), *alert;

    alert = tc_harness_event(h, TOCSIN_TOPIC_ALERT_RAISED, 0);
    assert_non_null(alert);
    assert_string_equal(tc_harness_text(h, event, "alert.id"),
                        tc_harness_text(h, alert, "alert.id"));
    assert_string_equal(tc_harness_text(h, event, "rule.id"), RULE_ID);
    assert_string_equal(tc_harness_text(h, event, "rule.name"), "Something odd");
    assert_int_equal(tocsin_event_int(event, "process.pid", 0), victim.pid);
    assert_int_equal(tocsin_event_int(event, "process.start", 0), victim.start);
    assert_string_equal(tc_harness_text(h, event, "process.executable"), "/bin/sh");
    assert_int_equal(tocsin_event_int(event, "response.processes", 0), 4);
    assert_int_equal(tc_child_reap_all(), 4);
    assert_int_equal(stat_of(h, "responses_done"), 1);
}

static void edr_kills_who_forks_all_the_time(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=kill");
    struct victim victim = run(
        "/bin/sh", "echo; i=0; while [ $i -lt 2000 ]; do sleep 100 & i=$((i+1)); done; "
                   "wait");
    const struct tocsin_event *event = respond(h, &victim, "kill", "done", "");

    assert_int_equal(tocsin_event_int(event, "response.processes", 0),
                     tc_child_reap_all());
}

static int child_of(int pid)
{
    char text[64];

    assert_true(tc_sensor_proc_read(text, sizeof(text), "/proc/%d/task/%d/children", pid,
                                    pid) > 0);
    return (int)strtol(text, NULL, 10);
}

static void edr_suspends_a_process_with_all_below_it_and_resumes_it(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=suspend");
    struct victim victim = run("/bin/sh", "sleep 100 & echo; wait");
    const struct tocsin_event *event = respond(h, &victim, "suspend", "done", "");
    int child = child_of(victim.pid);

    assert_int_equal(tocsin_event_int(event, "response.processes", 0), 2);
    tc_child_await_state(victim.pid, 'T');
    tc_child_await_state(child, 'T');
    assert_int_equal(
        tocsin_event_int(ask_edr(h, "rpc.edr.resume", "pid", (uint64_t)victim.pid),
                         "processes", 0),
        2);
    tc_child_await_state(victim.pid, 'S'); /* it waits for its child again */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(tc_child_reap_all(), 1); /* now it has ended by itself */
    event = ask_edr(h, "rpc.edr.resume", "pid", (uint64_t)victim.pid);
    assert_string_equal(tc_harness_text(h, event, "code"), "not_found");
    event = ask_edr(h, "rpc.edr.resume", "pid", 1);
    assert_string_equal(tc_harness_text(h, event, "code"), "refused");
    event = ask_edr(h, "rpc.edr.resume", NULL, 0);
    assert_string_equal(tc_harness_text(h, event, "code"), "usage");
}

/* Who has left its parent behind is known by what was reported when it was started. */
static void edr_kills_those_whose_parents_have_ended(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=kill");
    struct victim victim = run("/bin/sh", "(sleep 100 &); echo; exec sleep 100");
    struct victim orphan = {.executable = "/usr/bin/sleep", .command_line = "sleep 100"};
    struct victim other = run("/bin/sh", "echo; exec sleep 100");
    const struct tocsin_event *event;
    uint64_t started;
    char text[64], *at = text;

    orphan.parent = other.parent = &victim;
    other.command_line = "sleep 100";
    assert_true(tc_sensor_proc_read(text, sizeof(text), "/proc/self/task/%d/children",
                                    getpid()) > 0);
    while ((orphan.pid = (int)strtol(at, &at, 10)) != 0)
        if (orphan.pid != victim.pid && orphan.pid != other.pid)
            break;
    assert_true(state_of(orphan.pid, &orphan.start) != 0);
    notify_start(h, &orphan);
    victim.start += 1; /* of another process of the same number */
    notify_start(h, &other);
    victim.start -= 1;
    assert_int_equal(kill(victim.pid, SIGKILL), 0);
    tc_child_await_state(victim.pid, 'Z');
    event = respond(h, &victim, "kill", "done", "it had ended; these descend from it");
    assert_int_equal(tocsin_event_int(event, "response.processes", 0), 1);
    tc_child_await_state(orphan.pid, 'Z');
    assert_true(strchr("SR", state_of(other.pid, &started)) != NULL);
    assert_int_equal(kill(other.pid, SIGKILL), 0);
    assert_int_equal(tc_child_reap_all(), 3);
}

static void edr_touches_nobody_who_has_a_pid_but_another_start(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=kill");
    struct victim victim = run("/bin/sh", "echo; exec sleep 100"), other = victim;
    uint64_t start;

    other.start -= SECOND_NS;
    respond(h, &other, "kill", "failed", "it had ended");
    assert_true(strchr("SR", state_of(victim.pid, &start)) != NULL);
    respond(h, &victim, "kill", "done", "");
    tc_child_reap_all();
}

static void edr_says_so_when_it_had_ended(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=kill");
    struct victim victim = run("/bin/sh", "echo");

    tc_child_await_state(victim.pid, 'Z');
    respond(h, &victim, "kill", "failed", "it had ended");
    tc_child_reap_all();
}

static bool agent_is_also(struct tc_harness *h, int32_t pid)
{
    return pid == getpid() || pid == *(const int *)h->arg;
}

static void edr_never_touches_the_agent_or_init(void **state)
{
    struct edr *edr = *state;
    struct victim victim = run("/bin/sh", "echo; exec sleep 100");
    struct victim init = {.pid = 1, .executable = "/sbin/init"};
    struct tc_harness *h = &edr->h;
    uint64_t start_ns;

    h->arg = &victim.pid;
    h->is_agent = agent_is_also;
    start(edr, RULE_ID "=kill," RULE_ID "=quarantine");
    respond(h, &victim, "kill", "refused", "the agent's");
    await_response(h, "quarantine", "refused", "the agent's");
    assert_true(state_of(1, &init.start) != 0);
    respond(h, &init, "kill", "refused", "process 1");
    assert_true(strchr("SR", state_of(victim.pid, &start_ns)) != NULL);
    kill(victim.pid, SIGKILL);
    tc_child_reap_all();
}

/* ---- Modes and wishes ---- */

static void edr_does_nothing_in_passive_mode_and_says_so_once_an_alert(void **state)
{
    struct edr *edr = *state;
    struct victim victim = run("/bin/sh", "echo; exec sleep 100");
    struct tc_harness *h = &edr->h;
    uint64_t started;

    h->passive = true;
    start(edr, RULE_ID "=kill");
    respond(h, &victim, "kill", "passive", "mode is passive");
    assert_true(strchr("SR", state_of(victim.pid, &started)) != NULL);
    kill(victim.pid, SIGKILL);
    tc_child_reap_all();
}

static void edr_does_nothing_unless_it_is_asked_to(void **state)
{
    struct tc_harness *h = start(*state, "other-rule=kill");
    struct victim victim = run("/bin/sh", "echo; exec sleep 100");
    const struct tc_harness_report *issue = tc_harness_reported(h, "responses_0");
    uint64_t started;

    assert_non_null(issue);
    assert_string_equal(
        issue->text, "responses: \"other-rule=kill\" is for a rule that is not loaded");
    notify_start(h, &victim);
    assert_non_null(await_alert(h));
    assert_int_equal(stat_of(h, "responses"), 0);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RESPONSE), 0);
    assert_true(strchr("SR", state_of(victim.pid, &started)) != NULL);
    kill(victim.pid, SIGKILL);
    tc_child_reap_all();
}

static void edr_takes_a_changed_wish_at_once(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h = start(edr, "other-rule=kill");
    struct victim victim = run("/bin/sh", "echo; exec sleep 100");
    char rules[128];
    const char *const options[] = {rules, "responses=" RULE_ID "=kill", NULL};
    bool restart;

    snprintf(rules, sizeof(rules), "rules=%s", edr->dir);
    assert_int_equal(tc_harness_reconfigure(h, options, &restart), 0);
    assert_false(restart);
    await_stat(h, "reloads", 2);
    assert_null(tc_harness_reported(h, "responses_0"));
    respond(h, &victim, "kill", "done", "");
    tc_child_reap_all();
}

/* ---- Files. What av does, test_av_request.c tests; here its answer is given. ---- */

static const struct tocsin_event *await_request(struct tc_harness *h)
{
    const struct tocsin_event *event =
        tc_harness_await(h, TOCSIN_TOPIC_QUARANTINE_REQUESTED, 0);

    if (!event)
        fail_msg("no request: %s",
                 tc_harness_text(h, tc_harness_event(h, TOCSIN_TOPIC_ALERT_RESPONSE, 0),
                                 "response.reason"));
    return event;
}

static void answer_with(struct tc_harness *h, const struct tocsin_event *request,
                        const char *topic, const char *status, const char *key,
                        const char *reason)
{
    struct tocsin_event event = {
        .size = sizeof(event), .fd = -1, .reply_to = request->id, .topic = topic};
    struct tocsin_writer w;
    uint8_t buf[256];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "status", status);
    if (reason)
        tocsin_put_str(&w, key, reason);
    tocsin_end(&w);
    event.data = w.buf;
    event.len = w.len;
    assert_int_equal(tc_bus_publish(h->bus, &event, "test", NULL, NULL), 0);
}

static void answer(struct tc_harness *h, const struct tocsin_event *request,
                   const char *status, const char *reason)
{
    answer_with(h, request, TOCSIN_TOPIC_QUARANTINE_DONE, status, "reason", reason);
}

static void assert_is_file(const struct tocsin_event *request, const char *path)
{
    struct stat its, ours;

    assert_true(request->fd >= 0);
    assert_int_equal(fstat(request->fd, &its), 0);
    assert_int_equal(stat(path, &ours), 0);
    assert_int_equal(its.st_ino, ours.st_ino);
    assert_int_equal(its.st_dev, ours.st_dev);
}

static void end(const struct victim *victim)
{
    kill(victim->pid, SIGKILL);
    tc_child_reap_all();
}

static void edr_asks_for_the_quarantine_of_the_program_that_runs(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=quarantine," RULE_ID ": kill");
    const struct tocsin_event *request, *event;
    char path[PATH_MAX];
    struct victim victim;

    tc_child_put_program(path_in(*state, "program", path), "/bin/sleep");
    victim = run(path, "100");
    notify_start(h, &victim);
    await_response(h, "kill", "done", "");
    request = await_request(h);
    assert_is_file(request, path);
    assert_string_equal(tc_harness_text(h, request, "file.path"), path);
    assert_string_equal(tc_harness_text(h, request, "file.hash.sha256"), "");
    assert_string_equal(tc_harness_text(h, request, "rule.name"), "Something odd");
    assert_string_equal(tc_harness_text(h, request, "alert.severity"), "high");
    answer(h, request, "quarantined", NULL);
    event = await_response(h, "quarantine", "done", "");
    assert_string_equal(tc_harness_text(h, event, "file.path"), path);
    tc_child_reap_all();
}

static void edr_reports_why_a_file_was_not_quarantined(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=quarantine");
    char path[PATH_MAX];
    struct victim victim;

    tc_child_put_program(path_in(*state, "program", path), "/bin/sleep");
    victim = run(path, "100");
    notify_start(h, &victim);
    answer(h, await_request(h), "refused", "the operator has excluded it");
    await_response(h, "quarantine", "refused", "the operator has excluded it");
    end(&victim);
}

static void edr_asks_for_the_script_and_not_its_interpreter(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h = start(edr, RULE_ID "=quarantine");
    char path[PATH_MAX], shell[PATH_MAX];
    struct victim victim;

    put_file(edr, "script", "#!/bin/sh\nexec sleep 100\n");
    assert_int_equal(chmod(path_in(edr, "script", path), 0755), 0);
    assert_non_null(realpath("/bin/sh", shell));
    victim = run(path, "");
    victim.executable = shell;
    victim.exec_path = "./script";
    victim.folder = edr->dir;
    notify_start(h, &victim);
    assert_is_file(await_request(h), path);
    answer(h, tc_harness_event(h, TOCSIN_TOPIC_QUARANTINE_REQUESTED, 0), "quarantined",
           NULL);
    await_response(h, "quarantine", "done", "");
    end(&victim);
}

/* Files carry the time of the kernel's last tick: what is written from now on is later
 * than what has happened until now only when there has been one. */
static void pass_tick(void)
{
    struct timespec now, tick;

    clock_gettime(CLOCK_REALTIME, &now);
    do
        clock_gettime(CLOCK_REALTIME_COARSE, &tick);
    while (tick.tv_sec < now.tv_sec ||
           (tick.tv_sec == now.tv_sec && tick.tv_nsec <= now.tv_nsec));
}

static void edr_leaves_a_script_that_has_changed_since(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h = start(edr, RULE_ID "=quarantine");
    struct victim victim = run("/bin/sh", "echo; exec sleep 100");
    char path[PATH_MAX];

    victim.exec_path = path_in(edr, "script", path);
    notify_start(h, &victim);
    pass_tick();
    put_file(edr, "script", "#!/bin/sh\nanother one, of somebody else\n");
    await_response(h, "quarantine", "failed", "it was changed since");
    end(&victim);
}

static void edr_refuses_the_quarantine_of_a_program_of_the_system(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=quarantine");
    char sleep[PATH_MAX];
    struct victim victim;

    assert_non_null(realpath("/bin/sleep", sleep));
    victim = run(sleep, "100");
    respond(h, &victim, "quarantine", "refused", "is a program of the system");
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_QUARANTINE_REQUESTED), 0);
    end(&victim);
}

static void edr_goes_by_the_hash_where_the_process_has_ended(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=quarantine");
    struct victim victim = run("/bin/sh", "echo");
    const struct tocsin_event *request;
    char path[PATH_MAX];

    tc_child_put_program(path_in(*state, "program", path), "/bin/sleep");
    victim.executable = victim.exec_path = path;
    tc_child_reap_all();
    respond(h, &victim, "quarantine", "failed", "nothing proves");
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_QUARANTINE_REQUESTED), 0);
    victim.hash = OTHER_HASH;
    victim.start += SECOND_NS; /* another process */
    notify_start(h, &victim);
    request = await_request(h);
    assert_string_equal(tc_harness_text(h, request, "file.hash.sha256"), OTHER_HASH);
    answer(h, request, "failed", "the file is another one");
    await_response(h, "quarantine", "failed", "the file is another one");
}

static void edr_follows_no_link_to_the_program(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h = start(edr, RULE_ID "=quarantine");
    char path[PATH_MAX], link[PATH_MAX];
    struct victim victim;

    tc_child_put_program(path_in(edr, "program", path), "/bin/sleep");
    assert_int_equal(symlink(path, path_in(edr, "link", link)), 0);
    victim = run(path, "100");
    victim.executable = victim.exec_path = link;
    respond(h, &victim, "quarantine", "failed", strerror(ELOOP));
    end(&victim);
}

static void edr_ends_what_av_has_not_answered_when_it_stops(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=quarantine");
    char path[PATH_MAX];
    struct victim victim;

    tc_child_put_program(path_in(*state, "program", path), "/bin/sleep");
    victim = run(path, "100");
    notify_start(h, &victim);
    await_request(h);
    assert_int_equal(tc_harness_stop(h), 0);
    await_response(h, "quarantine", "failed", "stopped before it was answered");
    end(&victim);
}

/* ---- The network. What netfilter does is its tests'; here its answer is given. ---- */

/* What netfilter is asked about a process that this machine need not have. */
static const struct tocsin_event *await_isolation(struct tc_harness *h)
{
    const struct tocsin_event *event =
        tc_harness_await(h, TOCSIN_TOPIC_ISOLATION_REQUESTED, 0);

    assert_non_null(event);
    return event;
}

static void answer_isolation(struct tc_harness *h, const struct tocsin_event *request,
                             const char *status, const char *text)
{
    answer_with(h, request, TOCSIN_TOPIC_ISOLATION_DONE, status, "text", text);
}

static const struct victim somebody = {
    .pid = INT32_MAX, .start = 1, .executable = "/x", .exec_path = "/x"};

static void edr_asks_for_the_isolation_of_the_host(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=isolate");
    const struct tocsin_event *request, *event, *alert;

    assert_null(tc_harness_reported(h, "responses_0"));
    notify_start(h, &somebody);
    request = await_isolation(h);
    alert = tc_harness_event(h, TOCSIN_TOPIC_ALERT_RAISED, 0);
    assert_string_equal(tc_harness_text(h, request, "alert.id"),
                        tc_harness_text(h, alert, "alert.id"));
    assert_string_equal(tc_harness_text(h, request, "reason"),
                        "rule Something odd (" RULE_ID ")");
    assert_int_equal(tocsin_event_int(request, "for_s", -1), 0);
    answer_isolation(h, request, "done", "until it is released");
    event = await_response(h, "isolate", "done", "until it is released");
    assert_string_equal(tc_harness_text(h, event, "alert.id"),
                        tc_harness_text(h, alert, "alert.id"));
    answer_isolation(h, request, "failed", "again"); /* which nobody waits for */
    tc_harness_settle(h);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RESPONSE), 1);
}

static void edr_asks_for_as_long_as_the_operator_wants(void **state)
{
    struct edr *edr = *state;
    struct tc_harness *h = start(edr, RULE_ID "=isolate");
    char rules[128];
    const char *const options[] = {rules, "responses=" RULE_ID "=isolate",
                                   "isolate_for=90m", NULL};
    bool restart;

    snprintf(rules, sizeof(rules), "rules=%s", edr->dir);
    assert_int_equal(tc_harness_reconfigure(h, options, &restart), 0);
    assert_false(restart);
    notify_start(h, &somebody);
    assert_int_equal(tocsin_event_int(await_isolation(h), "for_s", -1), 5400);
}

static void edr_reports_why_the_host_was_not_isolated(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=isolate");

    notify_start(h, &somebody);
    answer_isolation(h, await_isolation(h), "failed", "no nftables in this kernel");
    await_response(h, "isolate", "failed", "no nftables in this kernel");
}

static void edr_reports_that_nobody_is_there_to_isolate_the_host(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=isolate");

    respond(h, &somebody, "isolate", "failed", "plugin netfilter is not running");
}

/* Neither waits for the other. */
static void edr_kills_and_isolates_for_one_match(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=isolate," RULE_ID "=kill");
    struct victim victim = run("/bin/sh", "echo; exec sleep 100");
    const struct tocsin_event *request;

    notify_start(h, &victim);
    request = await_isolation(h);
    await_response(h, "kill", "done", "");
    answer_isolation(h, request, "done", NULL);
    await_response(h, "isolate", "done", "");
    tc_child_reap_all();
}

/* Which process it was is no matter. */
static void edr_isolates_for_an_event_that_names_no_process(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=isolate," RULE_ID "=kill");
    struct victim victim = somebody;

    victim.start = 0;
    respond(h, &victim, "kill", "failed", "does not say which process it was");
    answer_isolation(h, await_isolation(h), "done", NULL);
    await_response(h, "isolate", "done", "");
}

static void edr_ends_what_netfilter_has_not_answered_when_it_stops(void **state)
{
    struct tc_harness *h = start(*state, RULE_ID "=isolate");

    notify_start(h, &somebody);
    await_isolation(h);
    assert_int_equal(tc_harness_stop(h), 0);
    await_response(h, "isolate", "failed", "stopped before it was answered");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, edr_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(edr_kills_a_process_with_all_below_it),
        TEST(edr_kills_who_forks_all_the_time),
        TEST(edr_suspends_a_process_with_all_below_it_and_resumes_it),
        TEST(edr_kills_those_whose_parents_have_ended),
        TEST(edr_touches_nobody_who_has_a_pid_but_another_start),
        TEST(edr_says_so_when_it_had_ended),
        TEST(edr_never_touches_the_agent_or_init),
        TEST(edr_does_nothing_in_passive_mode_and_says_so_once_an_alert),
        TEST(edr_does_nothing_unless_it_is_asked_to),
        TEST(edr_takes_a_changed_wish_at_once),
        TEST(edr_asks_for_the_quarantine_of_the_program_that_runs),
        TEST(edr_reports_why_a_file_was_not_quarantined),
        TEST(edr_asks_for_the_script_and_not_its_interpreter),
        TEST(edr_leaves_a_script_that_has_changed_since),
        TEST(edr_refuses_the_quarantine_of_a_program_of_the_system),
        TEST(edr_goes_by_the_hash_where_the_process_has_ended),
        TEST(edr_follows_no_link_to_the_program),
        TEST(edr_ends_what_av_has_not_answered_when_it_stops),
        TEST(edr_asks_for_the_isolation_of_the_host),
        TEST(edr_asks_for_as_long_as_the_operator_wants),
        TEST(edr_reports_why_the_host_was_not_isolated),
        TEST(edr_reports_that_nobody_is_there_to_isolate_the_host),
        TEST(edr_kills_and_isolates_for_one_match),
        TEST(edr_isolates_for_an_event_that_names_no_process),
        TEST(edr_ends_what_netfilter_has_not_answered_when_it_stops),
    };

    alarm(110);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
