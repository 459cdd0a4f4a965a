/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: `tocsin isolate`: cutting the machine off from others, and the way back, with the
 * agent or (--local) without one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/cmd/netfilter.h"
#include "cli/print.h"
#include "cli/when.h"

static int read_for(const struct tc_cli *cli, uint64_t *ret_s)
{
    const char *text = tc_args_option(cli, "for");

    *ret_s = 0;
    if (text && tc_when_duration(text, ret_s))
        return tc_args_wrong(cli, "--for is a duration as 30m, not %s", text);
    return TC_EXIT_DONE;
}

static int say(const struct tc_cli *cli, const msgpack_object *result)
{
    int64_t until = tc_unpack_int(result, "until_ns", 0);

    if (cli->json)
        return tc_general_json(result);
    if (!tc_unpack_bool(result, "isolated", false)) {
        puts("not isolated");
        return TC_EXIT_DONE;
    }
    fputs("isolated until ", stdout);
    if (until > 0)
        tc_print_time(stdout, (uint64_t)until, TC_TIME_ZONE);
    puts(until > 0 ? "" : "tocsin isolate off");
    return TC_EXIT_DONE;
}

int tc_run_isolate_on(struct tc_cli *cli)
{
    struct tc_answer answer;
    const char *allow;
    struct tc_pack p;
    uint64_t seconds;
    size_t at = 0;
    int r = read_for(cli, &seconds);

    if (r)
        return r;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_begin_array(&p, "allow");
    while ((allow = tc_args_next(cli, "allow", &at)) != NULL)
        tc_pack_str(&p, NULL, allow);
    tc_pack_end(&p);
    if (seconds)
        tc_pack_uint(&p, "for_s", seconds);
    tc_netfilter_pack_reason(cli, &p);
    tc_pack_end(&p);
    r = tc_netfilter_call(cli, &p, &answer);
    tc_pack_done(&p);
    return r ? r : say(cli, answer.result);
}

/* ---- The way back ---- */

/* Removes the record of the isolation, so that it holds after a crash, too. */
static int remove_record(const char *folder, const char *path, bool *ret_removed)
{
    int fd, err = 0;

    *ret_removed = !unlink(path);
    if (!*ret_removed)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        err = -errno;
    if (fd >= 0)
        close(fd);
    return err;
}

static int say_local(const struct tc_cli *cli, const char *path, bool removed)
{
    struct tc_pack p;
    int r;

    if (!cli->json) {
        tc_print_str(stdout, (struct tocsin_str){path, strlen(path)});
        puts(removed ? ": removed: the next agent starts without isolation"
                     : ": is not there: the next agent starts without isolation");
        puts("An agent that runs keeps the machine isolated until it ends: systemctl "
             "stop tocsind");
        return TC_EXIT_DONE;
    }
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_str(&p, "path", path);
    tc_pack_bool(&p, "removed", removed);
    tc_pack_end(&p);
    r = tc_general_json(tc_pack_read(&p));
    tc_pack_done(&p);
    return r;
}

static int release_locally(const struct tc_cli *cli)
{
    const char *state = tc_args_option(cli, "state");
    char folder[PATH_MAX], path[PATH_MAX];
    bool removed;
    int n, err;

    state = state ? state : TC_CLI_STATE;
    (void)snprintf(folder, sizeof(folder), "%s/netfilter", state);
    n = snprintf(path, sizeof(path), "%s/netfilter/isolation", state);
    err = n < (int)sizeof(path) ? remove_record(folder, path, &removed) : -ENAMETOOLONG;
    if (err)
        return tc_call_failed("%s: %s%s", path, strerror(-err),
                              err == -EACCES || err == -EPERM ? " (try sudo)" : "");
    return say_local(cli, path, removed);
}

int tc_run_isolate_off(struct tc_cli *cli)
{
    struct tc_answer answer;
    struct tc_pack p;
    int r;

    if (tc_args_option(cli, "local"))
        return release_locally(cli);
    if (tc_args_option(cli, "state"))
        return tc_args_wrong(cli, "--state goes with --local");
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_netfilter_pack_reason(cli, &p);
    tc_pack_end(&p);
    r = tc_netfilter_call(cli, &p, &answer);
    tc_pack_done(&p);
    if (r == TC_EXIT_NO_AGENT)
        fputs("tocsin: without an agent: tocsin isolate off --local\n", stderr);
    return r ? r : say(cli, answer.result);
}
