/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin plugin check` and `tocsin call`: what vendors of plugins need. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/jsonpack.h"
#include "cli/print.h"
#include "ipc/frame.h"

/* ---- plugin check ---- */

/* The agent's program beside this one, or where it is installed: the loader is its. */
static bool find_agent(char *ret, size_t cap)
{
    static const char *const places[] = {"tocsind", "../sbin/tocsind"};
    char own[4096];
    ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
    char *slash;

    own[n > 0 ? n : 0] = '\0';
    slash = strrchr(own, '/');
    if (!slash)
        return false;
    *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        snprintf(ret, cap, "%s/%s", own, places[i]);
        if (!access(ret, X_OK))
            return true;
    }
    return false;
}

/* Runs it, with its standard output at *ret_fd. */
static int start(const char *program, const char *path, pid_t *ret_pid, int *ret_fd)
{
    posix_spawn_file_actions_t actions;
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--inspect",
                    (char *)(uintptr_t)path, NULL};
    int ends[2], err;

    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    err = posix_spawn(ret_pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (err)
        close(ends[0]);
    *ret_fd = ends[0];
    return -err;
}

static int read_all(int fd, char *buf, size_t cap, size_t *ret_len)
{
    ssize_t n;

    *ret_len = 0;
    while ((n = read(fd, buf + *ret_len, cap - *ret_len)) != 0) {
        if (n < 0 && errno != EINTR)
            return -errno;
        *ret_len += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* What `tocsind --inspect` says of the file: one map. */
static int inspect(const char *path, char *buf, size_t cap, size_t *ret_len)
{
    char program[4200];
    int fd = -1, err;
    pid_t pid = 0;

    if (!find_agent(program, sizeof(program)))
        return -ENOENT;
    err = start(program, path, &pid, &fd);
    if (err)
        return err;
    err = read_all(fd, buf, cap, ret_len);
    close(fd);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return err ? err : tc_frame_check(buf, *ret_len) ? -EPROTO : 0;
}

static int print_inspected(struct tc_cli *cli, const msgpack_object *found)
{
    struct tocsin_str why = tc_unpack_str(found, "why");
    bool ok = tc_unpack_bool(found, "ok", false);
    int r = cli->json ? tc_general_json(found) : TC_EXIT_DONE;

    if (!ok)
        return cli->json ? TC_EXIT_FAILED : tc_call_failed("%.*s", (int)why.len, why.ptr);
    if (!cli->json)
        tc_print_record(stdout, NULL, found);
    return r;
}

int tc_run_plugin_check(struct tc_cli *cli)
{
    static char buf[TOCSIN_EVENT_MAX_BYTES + 1];
    msgpack_unpacked found;
    char *path = NULL;
    size_t len;
    int r, err;

    r = tc_general_path(cli->args[0], &path);
    if (r)
        return r;
    msgpack_unpacked_init(&found);
    err = inspect(path, buf, sizeof(buf), &len);
    if (!err)
        err = tc_unpack(&found, buf, len);
    r = err ? tc_call_failed("no look at the file: %s",
                             err == -ENOENT ? "tocsind is not installed" : strerror(-err))
            : print_inspected(cli, &found.data);
    msgpack_unpacked_destroy(&found);
    free(path);
    return r;
}

/* ---- call ---- */

/* The argument as an event's map: an object, since the fields of a call have names. */
static int read_params(struct tc_cli *cli, struct tc_pack *p)
{
    const char *text = cli->arg_count > 1 ? cli->args[1] : "{}";
    char why[128];
    int error = tc_json_pack_text(p, text, strlen(text), why);

    if (error)
        return tc_args_wrong(cli, "the parameters: %s", why);
    return TC_EXIT_DONE;
}

int tc_run_call(struct tc_cli *cli)
{
    const char *method = cli->args[0];
    struct tc_answer answer;
    struct tc_pack p;
    int r;

    if (!strchr(method, '.'))
        return tc_args_wrong(cli, "%s names no method: say PLUGIN.METHOD", method);
    tc_pack_init(&p);
    r = read_params(cli, &p);
    if (!r)
        r = tc_call(cli, method, &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    return r ? r : tc_general_json(answer.result);
}
