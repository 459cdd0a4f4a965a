/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/empty_host.h"

#include <tocsin/plugin.h>
#include <unistd.h>

#include "core/host/plugin.h"

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

static int on_excluded(void *arg, const char *plugin, const char *path,
                       const char *executable)
{
    (void)arg;
    (void)plugin;
    (void)path;
    (void)executable;
    return TOCSIN_NOT_EXCLUDED;
}

static bool on_passive(void *arg)
{
    (void)arg;
    return false;
}

static bool on_is_agent(void *arg, int32_t pid)
{
    (void)arg;
    return pid == getpid();
}

static void on_changed(void *arg, struct tc_plugin *plugin)
{
    (void)arg;
    (void)plugin;
}

static void on_entering(void *arg, const char *plugin)
{
    (void)arg;
    (void)plugin;
}

void tc_empty_host(struct tc_plugin_env *env)
{
    if (!env->report)
        env->report = on_report;
    if (!env->excluded)
        env->excluded = on_excluded;
    if (!env->passive)
        env->passive = on_passive;
    if (!env->is_agent)
        env->is_agent = on_is_agent;
    if (!env->changed)
        env->changed = on_changed;
    if (!env->entering)
        env->entering = on_entering;
}
