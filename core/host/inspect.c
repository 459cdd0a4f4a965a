/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see inspect.h. */
#include "core/host/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/why.h"
#include "core/host/descriptor_view.h"
#include "core/host/loader.h"
#include "ipc/frame.h"
#include "ipc/pack.h"

/* ---- The child ---- */

static void put_descriptor(const struct tc_module *module, struct tc_pack *p)
{
    const struct tocsin_plugin *plugin = module->plugin;
    char abi[16];

    (void)snprintf(abi, sizeof(abi), "%u.%u", plugin->abi_major, plugin->abi_minor);
    tc_pack_str(p, "name", plugin->name);
    tc_pack_str(p, "version", plugin->version);
    tc_pack_str(p, "summary", plugin->summary);
    tc_pack_str(p, "kind", tc_descriptor_kind(plugin->kind));
    tc_pack_bool(p, "votes", tc_descriptor_votes(plugin));
    tc_pack_str(p, "abi", abi);
    tc_descriptor_put(plugin, p);
    tc_pack_str(p, "sha256", module->sha256);
}

/* The loader's copy in memory, by its name there. */
static bool is_mapped(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    bool found = false;
    char *line = NULL;
    size_t room = 0;

    while (maps && !found && getline(&line, &room, maps) >= 0)
        found = strstr(line, "/memfd:" TC_MODULE_MEMORY_NAME) != NULL;
    free(line);
    if (maps)
        (void)fclose(maps);
    return found;
}

/* Unloads it, which runs its destructors: they are the agent's trouble, too. */
static void put_warnings(const char *path, struct tc_module *module, struct tc_pack *p)
{
    char why[TC_WHY_MAX], text[TC_WHY_MAX];

    tc_module_close(module);
    tc_pack_begin_array(p, "warnings");
    if (geteuid() != 0 && tc_module_check_owner(path, 0, why)) {
        tc_why(text, "an agent that runs as root would refuse it: %.200s", why);
        tc_pack_str(p, NULL, text);
    }
    if (is_mapped())
        tc_pack_str(p, NULL,
                    "it cannot be unloaded, so that each reload leaves a copy in memory: "
                    "compile C++ with -fno-gnu-unique, and link without -z nodelete");
    tc_pack_end(p);
}

static void look(const char *path, struct tc_pack *p)
{
    struct tc_module *module = NULL;
    char why[TC_WHY_MAX] = "";
    int rc = tc_module_open(path, NULL, &module, why);

    tc_pack_begin_map(p, NULL);
    tc_pack_bool(p, "ok", !rc);
    if (rc) {
        tc_pack_str(p, "why", why);
    } else {
        put_descriptor(module, p);
        put_warnings(path, module, p);
    }
    tc_pack_end(p);
}

static void write_all(int fd, const char *data, size_t len)
{
    ssize_t n;

    while (len) {
        n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return; /* the parent misses it, and says so */
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

/* What constructors print is not the answer; where they crash the signal is, and no core
 * is wanted. */
static void child(const char *path, int fd)
{
    static const int crashes[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS};
    const struct rlimit none = {0, 0};
    struct tc_pack p;

    for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
        (void)signal(crashes[i], SIG_DFL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    tc_pack_init(&p);
    look(path, &p);
    if (!p.error)
        write_all(fd, p.bytes.data, p.bytes.size);
    _exit(p.error ? 1 : 0);
}

/* ---- The parent ---- */

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct answer {
    char *data; /* for free() */
    size_t len;
    bool late;
};

/* Reads to the end, which is the child's, or until the limit. */
static int read_answer(int fd, uint64_t limit_ms, struct answer *ret)
{
    const uint64_t end = now_ms() + limit_ms;
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    char buf[4096], *grown;
    ssize_t n = 1;
    uint64_t now;

    while (n) {
        now = now_ms();
        if (now >= end || !poll(&polled, 1, (int)(end - now))) {
            ret->late = true;
            return 0;
        }
        n = read(fd, buf, sizeof(buf));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n <= 0)
            continue;
        grown = realloc(ret->data, ret->len + (size_t)n);
        if (!grown)
            return -ENOMEM;
        ret->data = grown;
        memcpy(ret->data + ret->len, buf, (size_t)n);
        ret->len += (size_t)n;
    }
    return 0;
}

/* A child that has ended without a word, or has not ended. */
static void put_end(const char *path, bool late, int status, uint64_t limit_ms,
                    struct tc_pack *p)
{
    char why[TC_WHY_MAX];

    if (late)
        tc_why(why,
               "%s: was not loaded after %llu ms: its constructors do not come to an end",
               path, (unsigned long long)limit_ms);
    else if (WIFSIGNALED(status))
        tc_why(why,
               "%s: crashes when it is loaded: a constructor or destructor of it "
               "ends in signal %d (%s)",
               path, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        tc_why(why,
               "%s: ends the process that loads it, with status %d: a constructor or "
               "destructor of it exits",
               path, WEXITSTATUS(status));
    tc_pack_begin_map(p, NULL);
    tc_pack_bool(p, "ok", false);
    tc_pack_str(p, "why", why);
    tc_pack_end(p);
}

/* False: what the child wrote is no answer, or not all of it. */
static bool put_answer(const struct answer *answer, struct tc_pack *p)
{
    if (!answer->len || tc_frame_check(answer->data, answer->len))
        return false;
    tc_pack_encoded(p, NULL, answer->data, answer->len);
    return true;
}

int tc_inspect(const char *path, uint64_t limit_ms, struct tc_pack *p)
{
    struct answer answer = {0};
    int ends[2], status = 0, rc;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    pid = fork();
    if (pid < 0) {
        rc = -errno;
        close(ends[0]);
        close(ends[1]);
        return rc;
    }
    if (!pid)
        child(path, ends[1]);
    close(ends[1]);
    rc = read_answer(ends[0], limit_ms, &answer);
    close(ends[0]);
    if (rc || answer.late)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!rc && (answer.late || !put_answer(&answer, p)))
        put_end(path, answer.late, status, limit_ms, p);
    free(answer.data);
    return rc;
}
