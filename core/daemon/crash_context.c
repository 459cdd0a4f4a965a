/* SPDX-License-Identifier: Apache-2.0 */
#include "core/daemon/crash_context.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/base/pulse.h"

/* A signal handler has no argument: these are the exception to "no globals". */
static struct tc_pulse *volatile page;
static atomic_bool dying; /* the page is final */
static _Thread_local const char *volatile running;
static _Thread_local bool on_loop;

/* Async-signal-safe, as it is called from the handler too. */
static void write_down(const char *plugin)
{
    size_t i = 0;

    for (; plugin && plugin[i] && i < sizeof(page->plugin) - 1; i++)
        page->plugin[i] = plugin[i];
    page->plugin[i] = '\0';
}

static void on_fatal(int sig)
{
    atomic_store(&dying, true);
    write_down(running);
    /* SA_RESETHAND: this time it is the end, whether a fault or somebody's kill(2) came
     * first. */
    raise(sig);
}

void tc_crash_context_start(struct tc_pulse *pulse)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_handler = on_fatal, .sa_flags = SA_RESETHAND};

    page = pulse;
    on_loop = true;
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        sigaction(fatal[i], &action, NULL);
}

void tc_crash_context_enter(const char *plugin)
{
    running = plugin;
    /* The loop goes on for a moment while another thread dies. */
    if (on_loop && !atomic_load(&dying))
        write_down(plugin);
}
