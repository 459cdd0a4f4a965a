/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the command line of tocsind. The supervisor runs the agent; this only says which
 * one. */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/why.h"
#include "core/daemon/agent.h"
#include "core/daemon/check.h"
#include "core/daemon/supervisor.h"
#include "core/daemon/trial.h"
#include "core/host/inspect.h"
#include "ipc/pack.h"

#define DEFAULT_CONFIG "/etc/tocsin/tocsin.yaml"

static const char usage[] =
    "usage: tocsind [--config FILE]   run the agent (default " DEFAULT_CONFIG ")\n"
    "       tocsind --check [--config FILE]   check FILE and all that it names\n"
    "       tocsind --inspect FILE    look at a plugin, for `tocsin plugin check`\n"
    "       tocsind --try DIR         run with all its files under DIR, and say what to "
    "try\n"
    "       tocsind --version | --help\n";

/* The folder that holds bin/ and lib/: of the build, or of the installation. */
static int find_prefix(char *prefix, size_t cap)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

    if (n < 0)
        return -1;
    exe[n] = '\0';
    snprintf(prefix, cap, "%s", dirname(dirname(exe)));
    return 0;
}

static int run_core(struct tc_pulse *pulse, void *arg)
{
    return tc_agent_run(pulse, arg);
}

static int check(const char *path, const char *plugin_dir)
{
    char why[TC_WHY_MAX];

    if (tc_check_config(path, plugin_dir, why)) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    printf("%s: the configuration is valid\n", path);
    return 0;
}

/* One map on standard output (core/host/inspect.h). */
static int inspect(const char *path)
{
    struct tc_pack p;
    int err;

    tc_pack_init(&p);
    err = tc_inspect(path, TC_INSPECT_LIMIT_MS, &p);
    err = err ? err : p.error;
    if (!err &&
        (fwrite(p.bytes.data, 1, p.bytes.size, stdout) != p.bytes.size || fflush(stdout)))
        err = -EIO;
    tc_pack_done(&p);
    if (err)
        fprintf(stderr, "tocsind: %s: %s\n", path, strerror(-err));
    return err ? 1 : 0;
}

static int try_in(const char *dir, const char *prefix, struct tc_agent_options *options)
{
    struct tc_trial trial;
    char why[TC_WHY_MAX];
    int status;

    if (tc_trial_init(&trial, dir, prefix, why)) {
        fprintf(stderr, "tocsind: %s\n", why);
        return 1;
    }
    tc_trial_explain(&trial, prefix);
    options->config_path = NULL;
    options->config_text = trial.config;
    status = tc_supervise(run_core, options);
    tc_trial_done(&trial);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
                                          {"check", no_argument, NULL, 'k'},
                                          {"try", required_argument, NULL, 't'},
                                          {"version", no_argument, NULL, 'v'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"inspect", required_argument, NULL, 'i'},
                                          {NULL, 0, NULL, 0}};
    struct tc_agent_options options = {.config_path = DEFAULT_CONFIG};
    char prefix[2048], plugin_dir[4096];
    const char *trial = NULL;
    bool only_check = false;
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            options.config_path = optarg;
            break;
        case 'k':
            only_check = true;
            break;
        case 't':
            trial = optarg;
            break;
        case 'i':
            return inspect(optarg);
        case 'v':
            puts("tocsind " TOCSIN_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return 2;
    }
    if (find_prefix(prefix, sizeof(prefix)))
        return 1;
    snprintf(plugin_dir, sizeof(plugin_dir), "%s/lib/tocsin/plugins", prefix);
    options.plugin_dir = plugin_dir;
    if (only_check)
        return check(options.config_path, plugin_dir);
    if (trial)
        return try_in(trial, prefix, &options);
    return tc_supervise(run_core, &options);
}
