/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of bench/idle: what the agent's libraries, rules and two timers cost with no
 * agent around them. A child whose loop turns every TC_PULSE_EVERY_MS and holds the
 * rules of a folder compiled, and a parent that wakes as often as the supervisor. Usage:
 * floor_idle FOLDER
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include <yara.h>

#include "core/daemon/supervisor.h"

#define LOOK_S ((TC_PULSE_STALE_MS - TC_PULSE_EVERY_MS) / 1000)

static void add_file(YR_COMPILER *compiler, const char *folder, const char *name)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "r");
    if (!file)
        return;
    if (yr_compiler_add_file(compiler, file, NULL, name))
        exit(EXIT_FAILURE);
    fclose(file);
}

static YR_RULES *compile(const char *folder)
{
    YR_COMPILER *compiler;
    struct dirent *entry;
    YR_RULES *rules;
    DIR *dir = opendir(folder);

    if (!dir || yr_initialize() || yr_compiler_create(&compiler))
        exit(EXIT_FAILURE);
    while ((entry = readdir(dir)))
        if (strstr(entry->d_name, ".yar"))
            add_file(compiler, folder, entry->d_name);
    closedir(dir);
    if (yr_compiler_get_rules(compiler, &rules))
        exit(EXIT_FAILURE);
    yr_compiler_destroy(compiler);
    return rules;
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

static int run_core(const char *folder)
{
    YR_RULES *rules = compile(folder);
    uv_timer_t timer;
    uv_loop_t loop;

    uv_loop_init(&loop);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_timer, 0, TC_PULSE_EVERY_MS);
    uv_run(&loop, UV_RUN_DEFAULT);
    yr_rules_destroy(rules);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const struct timespec every = {.tv_sec = LOOK_S};
    sigset_t signals;
    pid_t child;

    if (argc != 2)
        return EXIT_FAILURE;
    child = fork();
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        return run_core(argv[1]);
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    while (child > 0 && sigtimedwait(&signals, NULL, &every) < 0)
        ;
    return EXIT_SUCCESS;
}
