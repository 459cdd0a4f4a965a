/* SPDX-License-Identifier: Apache-2.0 */
#include "core/daemon/trial_portal.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIES 300 /* of TRY_US each: a slow machine's agent takes its time */
#define TRY_US 100000

_Noreturn static void run_portal(const char *runtime, const char *prefix, int input)
{
    char program[4096], control[4096], login[4096];

    snprintf(program, sizeof(program), "%s/sbin/tocsin-portal", prefix);
    if (access(program, X_OK)) /* not installed: all programs are in one folder */
        snprintf(program, sizeof(program), "%s/bin/tocsin-portal", prefix);
    snprintf(control, sizeof(control), "%s/tocsin.sock", runtime);
    snprintf(login, sizeof(login), "%s/portal.sock", runtime);
    dup2(input, STDIN_FILENO);
    close_range(3, ~0u, 0);
    execl(program, program, "--socket", control, "--login", login, "--until-eof",
          (char *)NULL);
    fprintf(stderr, "tocsin-portal cannot be started\n");
    _exit(1);
}

/* What `tocsin portal login` prints on its standard output; why it cannot, nobody needs
 * to read before the agent is there. */
static ssize_t ask(const char *prefix, char *link, size_t cap)
{
    posix_spawn_file_actions_t actions;
    char program[4096], portal[] = "portal", login[] = "login";
    char *argv[] = {program, portal, login, NULL};
    int ends[2], err;
    ssize_t n = 0;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC))
        return -1;
    snprintf(program, sizeof(program), "%s/bin/tocsin", prefix);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    err = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!err) {
        n = read(ends[0], link, cap - 1);
        waitpid(pid, NULL, 0);
    }
    close(ends[0]);
    link[n > 0 ? n : 0] = '\0';
    return n;
}

static bool print_link(const char *prefix)
{
    char link[256];

    if (ask(prefix, link, sizeof(link)) <= 0)
        return false;
    printf("The page of this machine; the link works once, within two minutes (for "
           "another:\ntocsin portal login):\n\n  %s\n",
           link);
    fflush(stdout);
    return true;
}

_Noreturn static void greet(const char *runtime, const char *prefix)
{
    char socket[4096];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(socket, sizeof(socket), "%s/tocsin.sock", runtime);
    setenv("TOCSIN_SOCKET", socket, 1);
    snprintf(socket, sizeof(socket), "%s/portal.sock", runtime);
    setenv("TOCSIN_PORTAL", socket, 1);
    for (int i = 0; i < TRIES && !print_link(prefix); i++)
        usleep(TRY_US);
    _exit(0);
}

void tc_trial_portal_start(struct tc_trial_portal *portal, const char *runtime,
                           const char *prefix)
{
    int ends[2];

    portal->alive = -1;
    if (pipe2(ends, O_CLOEXEC))
        return;
    portal->alive = ends[1];
    portal->portal = fork();
    if (!portal->portal)
        run_portal(runtime, prefix, ends[0]);
    close(ends[0]);
    portal->greeter = fork();
    if (!portal->greeter)
        greet(runtime, prefix);
}

static void end(pid_t pid, int signal)
{
    if (pid > 0 && !kill(pid, signal))
        waitpid(pid, NULL, 0);
}

void tc_trial_portal_stop(struct tc_trial_portal *portal)
{
    end(portal->greeter, SIGKILL);
    end(portal->portal, SIGTERM);
    if (portal->alive >= 0)
        close(portal->alive);
}
