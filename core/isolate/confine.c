/* SPDX-License-Identifier: Apache-2.0 */
#include "core/isolate/confine.h"

#include <stdbool.h>
#include <sys/resource.h>

#include "sandbox/sandbox.h"

/* What libc and libraries look at, whatever the plugin is. */
static const char *const readable[] = {
    "/usr",           "/lib",         "/lib64",     "/etc/ld.so.cache",
    "/etc/localtime", "/dev/null",    "/dev/zero",  "/dev/urandom",
    "/dev/random",    "/etc/ssl",     "/proc/self", "/sys/devices/system/cpu",
    "/proc/cpuinfo",  "/proc/meminfo"};

/* A limit that cannot be lowered to this is lower already. */
static void limit(int what, uint64_t most)
{
    struct rlimit now, wanted = {.rlim_cur = most, .rlim_max = most};

    if (getrlimit(what, &now) == 0 && now.rlim_max < most)
        wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
    (void)setrlimit(what, &wanted);
}

/* The sanitizers map more address space than any limit would leave. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMIT_MEMORY false
#else
#define LIMIT_MEMORY true
#endif

int tc_confine_begin(struct tc_confine *c)
{
    int err = tc_sandbox_files(&c->files);

    for (size_t i = 0; !err && i < sizeof(readable) / sizeof(*readable); i++)
        tc_sandbox_read(c->files, readable[i]);
    return err;
}

int tc_confine_end(struct tc_confine *c)
{
    int err, files_err;

    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, TC_CONFINE_FILES_MAX);
    if (c->memory_bytes && LIMIT_MEMORY)
        limit(RLIMIT_AS, c->memory_bytes);
    err = tc_sandbox_user(c->uid, c->gid, NULL, 0);
    files_err = tc_sandbox_files_close(c->files);
    if (!err)
        err = files_err;
    return err ? err : tc_confine_calls();
}
