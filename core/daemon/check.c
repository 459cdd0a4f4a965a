/* SPDX-License-Identifier: Apache-2.0 */
#include "core/daemon/check.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/log.h"
#include "core/base/why.h"
#include "core/conf/config.h"
#include "core/host/loader.h"
#include "core/host/registry.h"
#include "core/isolate/isolate.h"
#include "ipc/bus.h"

struct check {
    uv_loop_t loop;
    struct tc_bus *bus; /* that nobody publishes on */
    struct tc_registry *registry;
    struct tc_config *config;
    struct tc_config *nothing; /* what is in force: no plugins */
    char private_dir[64];      /* for the loader's copies */
    int status;
    char *why; /* the caller's */
};

/* ---- what a registry asks for; no plugin is started, so that none of this tells much
 * ---- */

static void on_event(void *arg, const char *what, const char *name, const char *why,
                     const struct tc_plugin *plugin)
{
    (void)arg;
    (void)what;
    (void)name;
    (void)why;
    (void)plugin;
}

static void on_voters(void *arg, uint64_t set)
{
    (void)arg;
    (void)set;
}

static void on_ended(void *arg, int status, const char *why)
{
    (void)arg;
    (void)status;
    (void)why;
}

static int excluded(void *arg, const char *plugin, const char *path,
                    const char *executable)
{
    (void)arg;
    (void)plugin;
    (void)path;
    (void)executable;
    return TOCSIN_NOT_EXCLUDED;
}

static bool passive(void *arg)
{
    const struct check *check = arg;

    return !strcmp(tc_options_text(tc_config_core(check->config), "mode"), "passive");
}

static bool is_agent(void *arg, int32_t pid)
{
    (void)arg;
    return pid == getpid();
}

static void on_report(void *arg, const char *plugin, uint32_t what, const char *key,
                      const char *text, const char *fix)
{
    (void)arg;
    (void)plugin;
    (void)what;
    (void)key;
    (void)text;
    (void)fix;
}

static void wake(void *arg)
{
    (void)arg;
}

static void entering(void *arg, const char *plugin)
{
    (void)arg;
    (void)plugin;
}

/* To see its options no process of its own is needed. */
static int open_isolated(void *arg, const char *name, const char *path,
                         struct tc_module **ret_module, char why[256])
{
    const struct check *check = arg;
    struct tc_module *module;
    int err = tc_module_open(path, check->private_dir, &module, why);

    if (!err)
        err = tc_isolate_check(name, module->plugin->kind, why);
    if (!err)
        *ret_module = module;
    else if (err == -ENOTSUP)
        tc_module_close(module);
    return err;
}

/* ---- the check ---- */

static void print_warnings(const char *lines)
{
    while (*lines) {
        int n = (int)strcspn(lines, "\n");

        fprintf(stderr, "warning: %.*s\n", n, lines);
        lines += n + (lines[n] == '\n');
    }
}

static void on_checked(void *arg, int status, const char *why)
{
    struct check *check = arg;

    check->status = status;
    if (status)
        tc_why(check->why, "%s", why);
    else
        print_warnings(why);
    tc_registry_stop(check->registry, on_ended, check);
}

static int make_registry(struct check *check, const char *plugin_dir)
{
    const struct tc_options *core = tc_config_core(check->config);
    struct tc_registry_options options = {.env.loop = &check->loop,
                                          .env.bus = check->bus,
                                          .env.state_dir = check->private_dir,
                                          .env.arg = check,
                                          .env.excluded = excluded,
                                          .env.passive = passive,
                                          .env.is_agent = is_agent,
                                          .env.report = on_report,
                                          .env.entering = entering,
                                          .private_dir = check->private_dir,
                                          .isolate = open_isolated,
                                          .isolate_arg = check,
                                          .event = on_event,
                                          .voters = on_voters,
                                          .arg = check};
    const char *dir;
    size_t n = 0;

    while (n < TC_REGISTRY_DIRS_MAX - 2 &&
           (dir = tc_options_item(core, "paths.plugins", n)))
        options.dirs[n++] = dir;
    options.dirs[n] = plugin_dir;
    return tc_registry_new(&options, &check->registry);
}

static void remove_folder(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    (void)rmdir(path);
}

static int check_plugins(struct check *check, const char *plugin_dir)
{
    int err = -ENOMEM;

    check->bus = tc_bus_new(wake, check);
    if (check->bus)
        err = make_registry(check, plugin_dir);
    if (!err)
        err = tc_config_read_text("(nothing)", "", &check->nothing, check->why);
    if (!err)
        err = tc_registry_boot(check->registry, check->nothing, on_ended, check,
                               check->why);
    if (err) {
        tc_why(check->why, "out of memory");
        return err;
    }
    tc_registry_apply(check->registry, check->config, true, on_checked, check);
    (void)uv_run(&check->loop, UV_RUN_DEFAULT);
    return check->status;
}

int tc_check_config(const char *path, const char *plugin_dir, char why[256])
{
    const char *tmp = getenv("TMPDIR");
    struct check check = {.why = why};
    int err = tc_config_read(path, &check.config, why);

    if (err)
        return err;
    snprintf(check.private_dir, sizeof(check.private_dir), "%s/tocsin-check-XXXXXX",
             tmp && strlen(tmp) < 32 ? tmp : "/tmp");
    if (!mkdtemp(check.private_dir)) {
        err = -errno;
        tc_why(why, "%s: %s", check.private_dir, strerror(errno));
        tc_config_free(check.config);
        return err;
    }
    uv_loop_init(&check.loop);
    tc_log_set_level(-1); /* what a plugin says is in the sentence */
    err = check_plugins(&check, plugin_dir);
    if (check.registry)
        tc_registry_free(check.registry);
    (void)uv_run(&check.loop, UV_RUN_DEFAULT);
    tc_bus_free(check.bus);
    (void)uv_loop_close(&check.loop);
    tc_config_free(check.nothing);
    tc_config_free(check.config);
    remove_folder(check.private_dir);
    return err;
}
