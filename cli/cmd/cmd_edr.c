/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: `tocsin edr selftest`: waits for the alert that the imitation of an attack
 * (selftest.h) must raise, and prints it. Must not: do anything suspicious itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/selftest.h"
#include "cli/tapline.h"

#define WAIT_DEFAULT_S 20
#define WAIT_AGAIN_S                                                                     \
    60 /* more, for an alert that is repeated: edr's default repeat                      \
        */
#define WAIT_MAX_S 3600
#define MS_PER_S 1000u
#define NS_PER_S UINT64_C(1000000000)
#define ALERT_ID_BYTES 64

struct waiting {
    struct tc_selftest selftest;
    uint64_t started_ns; /* since the epoch; 0: not yet */
    char id[ALERT_ID_BYTES];
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/*
 * Ours is the alert of the rule whose process has the folder in its command line. Where
 * the folder may hold no programs, runs look alike and are one alert, repeated with a
 * later last_seen.
 */
static bool is_ours(const struct waiting *waiting, const struct tc_tap_event *event)
{
    struct tocsin_str line = tc_unpack_str(event->map, TOCSIN_FIELD_PROCESS_COMMAND_LINE);
    int64_t last = tc_unpack_int(event->map, "alert.last_seen", 0);

    if (!waiting->started_ns ||
        !tc_unpack_is(tc_unpack_find(event->map, TOCSIN_FIELD_RULE_ID), TC_SELFTEST_RULE))
        return false;
    return (line.ptr && memmem(line.ptr, line.len, waiting->selftest.folder,
                               strlen(waiting->selftest.folder))) ||
           (last > 0 && (uint64_t)last >= waiting->started_ns);
}

static void take(void *arg, const struct tc_message *message)
{
    struct waiting *waiting = arg;
    struct tc_tap_event event;
    struct tocsin_str id;

    if (strcmp(message->method, "tap.event") != 0 ||
        tc_tapline_read(message->params, &event) || !is_ours(waiting, &event))
        return;
    id = tc_unpack_str(event.map, TOCSIN_FIELD_ALERT_ID);
    if (id.ptr && id.len < sizeof(waiting->id))
        snprintf(waiting->id, sizeof(waiting->id), "%.*s", (int)id.len, id.ptr);
}

static int open_tap(struct tc_cli *cli, struct waiting *waiting)
{
    struct tc_answer answer;
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_begin_array(&p, "topics");
    tc_pack_str(&p, NULL, TOCSIN_TOPIC_ALERT_RAISED);
    tc_pack_end(&p);
    tc_pack_str(&p, "filter", TOCSIN_FIELD_RULE_ID "=" TC_SELFTEST_RULE);
    tc_pack_end(&p);
    r = tc_call(cli, "tap.open", &p, take, waiting, &answer);
    tc_pack_done(&p);
    return r;
}

/* Takes what the tap brings, until it was our alert. -EAGAIN: not within the time. */
static int wait_for_alert(struct tc_client *client, uint64_t wait_s,
                          struct waiting *waiting)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC), end = now + wait_s * NS_PER_S, left;
    struct tc_message message;
    struct timeval timeout;
    int r = 0;

    for (; !r && !*waiting->id; now = clock_ns(CLOCK_MONOTONIC)) {
        left = now < end ? (end - now) / (NS_PER_S / MS_PER_S) + 1 : 0;
        if (!left)
            return -EAGAIN;
        timeout = (struct timeval){.tv_sec = (time_t)(left / MS_PER_S),
                                   .tv_usec = (suseconds_t)(left % MS_PER_S * 1000)};
        setsockopt(tc_client_fd(client), SOL_SOCKET, SO_RCVTIMEO, &timeout,
                   sizeof(timeout));
        r = tc_client_next(client, &message);
        if (!r)
            take(waiting, &message);
        else if (r == -EINTR || r == -EAGAIN)
            r = 0; /* the time says whether it goes on */
    }
    timeout = (struct timeval){.tv_sec = 0};
    setsockopt(tc_client_fd(client), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return r;
}

/* ---- What is wrong when no alert comes ---- */

static int say_missing(struct tc_cli *cli, uint64_t wait_s)
{
    static const char *const needed[] = {"trace", "edr"};
    struct tc_answer answer;
    struct tocsin_str state;
    int r = tc_call(cli, "plugin.list", NULL, NULL, NULL, &answer);

    for (size_t i = 0; !r && i < sizeof(needed) / sizeof(*needed); i++) {
        state = tc_unpack_str(tc_general_plugin(answer.result, needed[i]), "state");
        if (!state.ptr)
            return tc_call_failed(
                "no alert has come: the configuration does not name the "
                "plugin %s: write \"%s: {}\" below plugins: and run "
                "`tocsin config reload`",
                needed[i], needed[i]);
        if (!tocsin_str_is(state, "running"))
            return tc_call_failed(
                "no alert has come: the plugin %s is %.*s; `tocsin "
                "plugin enable %s` starts it, `tocsin health` says what "
                "is wrong",
                needed[i], (int)state.len, state.ptr, needed[i]);
    }
    if (r)
        return r;
    return tc_call_failed("no alert has come within %" PRIu64
                          " s: is the rule tocsin_selftest in `tocsin definitions "
                          "list`? `tocsin health` says what else is wrong",
                          wait_s);
}

/* ---- The whole ---- */

/* As `tocsin alert get ID` prints it. */
static int print_alert(struct tc_cli *cli, const char *id)
{
    const struct tc_command *command = cli->commands;

    while (command->path && strcmp(command->path, "alert get") != 0)
        command++;
    cli->command = command;
    cli->args = &id;
    cli->arg_count = 1;
    return command->run(cli);
}

/* The imitation, and the wait for its alert. *ret_error is 0, -EAGAIN when none has
 * come, or what became of the connection. */
static int run(struct tc_cli *cli, const struct tc_interrupt *interrupt, uint64_t wait_s,
               struct waiting *waiting, int *ret_error)
{
    char why[TC_SELFTEST_WHY_BYTES] = "";
    int r = tc_selftest_open(&waiting->selftest, why);

    if (r < 0)
        return tc_call_failed("the self-test could not begin: %s", why);
    waiting->started_ns = clock_ns(CLOCK_REALTIME);
    r = tc_selftest_run(&waiting->selftest, &interrupt->before, why);
    if (r > 0 && !tc_args_option(cli, "wait")) {
        fprintf(
            stderr,
            "tocsin: programs may not be run in %s, so that all self-tests look alike: "
            "if there was one in the last hour, the alert takes a minute\n",
            waiting->selftest.folder);
        wait_s += WAIT_AGAIN_S;
    }
    if (r >= 0)
        *ret_error = wait_for_alert(cli->client, wait_s, waiting);
    else
        tc_call_failed("the self-test could not run: %s", why);
    if (tc_selftest_close(&waiting->selftest, why) < 0)
        return tc_call_failed("the self-test's folder is left behind: %s", why);
    return r < 0 ? TC_EXIT_FAILED : TC_EXIT_DONE;
}

int tc_run_edr_selftest(struct tc_cli *cli)
{
    struct waiting waiting = {.started_ns = 0};
    struct tc_interrupt interrupt;
    uint64_t wait_s;
    int r, error = 0;

    r = tc_args_number(cli, "wait", WAIT_DEFAULT_S, &wait_s);
    if (!r && wait_s > WAIT_MAX_S)
        r = tc_args_wrong(cli, "--wait is at most %d seconds", WAIT_MAX_S);
    if (!r)
        r = open_tap(cli, &waiting);
    if (r)
        return r;
    error = tc_interrupt_start(&interrupt, cli->client);
    if (error)
        return tc_call_failed("cannot wait for Ctrl-C: %s", strerror(-error));
    r = run(cli, &interrupt, wait_s, &waiting, &error);
    if (tc_interrupt_stop(&interrupt) && !r)
        return tc_call_failed("interrupted");
    if (r)
        return r;
    if (error == -EAGAIN)
        return say_missing(cli, wait_s);
    if (error)
        return tc_call_check(error, "tap.open", NULL);
    return print_alert(cli, waiting.id);
}
