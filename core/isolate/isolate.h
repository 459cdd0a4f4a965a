/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: plugins that run in a process of their own (`isolate: true`). What is made here
 * is a module like the loader's, whose descriptor is what the process has said of the
 * real plugin, and whose callbacks pass on what they are called with: registry, ledger,
 * judge and bus know no difference. A process that dies or hangs is replaced; what it was
 * asked is answered with an abstention at once.
 *
 *     registry --callbacks--> proxy ==frames==> tocsin-host --callbacks--> plugin
 */
#ifndef TC_CORE_ISOLATE_H
#define TC_CORE_ISOLATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/isolate/blame.h"

struct tc_module;

#define TC_ISOLATE_MAX 64            /* processes at once, as there are voters */
#define TC_ISOLATE_LOOK_MS 5000      /* from the start of a process to its HELLO */
#define TC_ISOLATE_HANG_MS 2000      /* an event waits, and nothing was finished */
#define TC_ISOLATE_CRASHES_MAX 3     /* then it is left out ... */
#define TC_ISOLATE_CRASHES_MS 600000 /* ... when they came within this */
#define TC_ISOLATE_RETRY_MS 1000     /* before it is started again; doubles */
#define TC_ISOLATE_EVENTS_MAX 1024   /* on their way to a process, or in it */
#define TC_ISOLATE_MEMORY (UINT64_C(1) << 30) /* bytes of address space */

#define TC_ISOLATE_USER "tocsin-host"
#define TC_ISOLATE_NOBODY 65534 /* where there is no such user */

/* In the caller's memory. */
struct tc_isolate {
    char program[4096];              /* tocsin-host */
    const char *state_dir;           /* borrowed: paths.state */
    pid_t supervisor;                /* 0: none */
    uint64_t retry_ms;               /* TC_ISOLATE_RETRY_MS; tests set it */
    uint64_t memory_bytes;           /* TC_ISOLATE_MEMORY; tests set it */
    uint32_t uid, gid;               /* of its processes, when the agent is root */
    bool nobody;                     /* there is no user tocsin-host */
    struct tc_blame blame;           /* loop thread */
    atomic_int pids[TC_ISOLATE_MAX]; /* that run now; 0: a free place */
};

/* `state_dir` is borrowed. Reads the user data base: at the agent's start only. */
void tc_isolate_init(struct tc_isolate *isolate, const char *program,
                     const char *state_dir, pid_t supervisor);

/*
 * As tc_module_open: checks the file, and has a process load it to say what it is. `arg`
 * is a struct tc_isolate. -ENOTSUP: what cannot run so: sensors, and plugins that need
 * the agent's rights. Blocks, at most TC_ISOLATE_LOOK_MS for a file that hangs. Any
 * thread.
 */
int tc_isolate_open(void *arg, const char *name, const char *path,
                    struct tc_module **ret_module, char why[256]);

/* Whether a plugin of that name and kind can run so; -ENOTSUP and why. Any thread. */
int tc_isolate_check(const char *name, uint32_t kind, char why[256]);

/* Whether it is a process of an isolated plugin. Any thread. */
bool tc_isolate_has(const struct tc_isolate *isolate, pid_t pid);

#endif
