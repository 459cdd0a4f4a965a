/* SPDX-License-Identifier: Apache-2.0 */
#include "es_canary.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sensor_clock.h"
#include "sensor_memory_file.h"

#define NS_PER_MS 1000000ull
#define BUSY_NS 1000000 /* between attempts while a fork of ours holds the file open */
#define PREFIX "canary-"

/* A program for this machine, elf(5): one segment, entered behind the headers. */
struct program {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    uint8_t code[8];
};

#if defined(__x86_64__) && defined(__LP64__)
#define PROGRAM_RUNS true
#define PROGRAM_AT 0x400000u /* where ld puts programs that are not relocated */

static const struct program program = {
    .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                           EV_CURRENT},
               .e_type = ET_EXEC,
               .e_machine = EM_X86_64,
               .e_version = EV_CURRENT,
               .e_entry = PROGRAM_AT + sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
               .e_phoff = sizeof(Elf64_Ehdr),
               .e_ehsize = sizeof(Elf64_Ehdr),
               .e_phentsize = sizeof(Elf64_Phdr),
               .e_phnum = 1},
    .segment = {.p_type = PT_LOAD,
                .p_flags = PF_R | PF_X,
                .p_vaddr = PROGRAM_AT,
                .p_paddr = PROGRAM_AT,
                .p_filesz = sizeof(struct program),
                .p_memsz = sizeof(struct program),
                .p_align = 0x1000},
    /* push 60 (exit); pop rax; xor edi, edi; syscall */
    .code = {0x6a, 0x3c, 0x58, 0x31, 0xff, 0x0f, 0x05},
};
#else
#define PROGRAM_RUNS false /* opened only */

static const struct program program;
#endif

static const char *const operations[] = {
    [TC_ES_CANARY_OPEN] = "opened", [TC_ES_CANARY_EXEC] = "executed"};

void tc_es_canary_init(struct tc_es_canary *canary)
{
    memset(canary, 0, sizeof(*canary));
    canary->fd = -1;
}

/* What a reader may look at meanwhile stays: it is not `made`. */
static void remove_file(struct tc_es_canary *canary)
{
    if (canary->fd >= 0)
        close(canary->fd);
    if (canary->path && !canary->in_memory)
        unlink(canary->path);
    free(canary->path);
    canary->fd = -1;
    canary->path = NULL;
}

void tc_es_canary_done(struct tc_es_canary *canary)
{
    remove_file(canary);
    tc_es_canary_init(canary);
}

/* Those of runs that had no time to. */
static void remove_old(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL)
        if (!strncmp(entry->d_name, PREFIX, strlen(PREFIX)))
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static int link_flags(const struct tc_es_canary *canary)
{
    return canary->in_memory ? 0 : O_NOFOLLOW;
}

/* Fills the file and opens it anew, for reading: one that is open for writing does not
 * run. */
static int fill(struct tc_es_canary *canary, int fd)
{
    errno = ENOSPC; /* of a short write */
    if (write(fd, &program, sizeof(program)) != (ssize_t)sizeof(program) ||
        fchmod(fd, 0700))
        return -errno;
    canary->fd = open(canary->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return canary->fd < 0 ? -errno : 0;
}

static int make_on_disk(struct tc_es_canary *canary, const char *state_dir)
{
    char *folder = NULL, *path = NULL;
    int err = -ENOMEM, fd;

    if (asprintf(&folder, "%s/es", state_dir) < 0)
        return -ENOMEM;
    if (asprintf(&path, "%s/" PREFIX "XXXXXX", folder) < 0) {
        path = NULL;
        goto out;
    }
    err = mkdir(folder, 0700) && errno != EEXIST ? -errno : 0;
    if (err)
        goto out;
    remove_old(folder);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        err = -errno;
        goto out;
    }
    canary->path = path;
    path = NULL;
    err = fill(canary, fd);
    close(fd);
out:
    free(folder);
    free(path);
    return err;
}

bool tc_es_canary_has(const struct tc_es_canary *canary, uint64_t device, uint64_t inode)
{
    return atomic_load(&canary->made) && inode == canary->inode &&
           device == canary->device;
}

bool tc_es_canary_is(const struct tc_es_canary *canary, int fd)
{
    struct stat st;

    return atomic_load(&canary->made) && !fstat(fd, &st) &&
           tc_es_canary_has(canary, st.st_dev, st.st_ino);
}

bool tc_es_canary_lies_in(const struct tc_es_canary *canary, int folder)
{
    struct stat st;

    return atomic_load(&canary->made) &&
           !fstatat(folder, strrchr(canary->path, '/') + 1, &st, AT_SYMLINK_NOFOLLOW) &&
           tc_es_canary_has(canary, st.st_dev, st.st_ino);
}

int tc_es_canary_make(struct tc_es_canary *canary, const char *state_dir)
{
    int err = make_on_disk(canary, state_dir);
    struct statvfs fs;
    struct stat st;

    if (err) {
        remove_file(canary);
        err = tc_sensor_memory_file("tocsin-canary", &program, sizeof(program),
                                    &canary->fd, &canary->path);
        canary->in_memory = !err;
    }
    if (err)
        return err;
    if (fstat(canary->fd, &st) || fstatvfs(canary->fd, &fs))
        return -errno;
    canary->device = st.st_dev;
    canary->inode = st.st_ino;
    canary->runs = PROGRAM_RUNS && !(fs.f_flag & ST_NOEXEC);
    atomic_store(&canary->made, true);
    return 0;
}

bool tc_es_canary_asked(struct tc_es_canary *canary, int fd, uint64_t mask, bool own,
                        uint64_t now, bool *ret_allow)
{
    unsigned int operation =
        mask & FAN_OPEN_EXEC_PERM ? TC_ES_CANARY_EXEC : TC_ES_CANARY_OPEN;

    if (!tc_es_canary_is(canary, fd))
        return false;
    *ret_allow = true;
    /* What executes it is our child, which is not known as one yet. */
    if (operation == TC_ES_CANARY_OPEN && !own)
        return true;
    *ret_allow = !(atomic_fetch_and(&canary->refuse, ~operation) & operation);
    if (!*ret_allow)
        atomic_store(&canary->seen_ns, now);
    atomic_fetch_or(&canary->asked, operation);
    return true;
}

static int open_it(const struct tc_es_canary *canary)
{
    int fd = open(canary->path, O_RDONLY | O_CLOEXEC | link_flags(canary));

    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

/* 0 when it ran and ended as it should. */
static int execute_it(const struct tc_es_canary *canary)
{
    char *const args[] = {canary->path, NULL}, *const environment[] = {NULL};
    int err, status = 0;
    pid_t pid;

    err = posix_spawn(&pid, canary->path, NULL, NULL, args, environment);
    if (err)
        return -err;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status ? -ECHILD : 0;
}

/* A process that this one forks just now holds for a moment what was open for writing. */
static int execute_when_free(const struct tc_es_canary *canary, uint64_t until_ns)
{
    const struct timespec moment = {.tv_nsec = BUSY_NS};
    int err = execute_it(canary);

    while (err == -ETXTBSY && tc_sensor_clock_ns(CLOCK_MONOTONIC) < until_ns) {
        nanosleep(&moment, NULL);
        err = execute_it(canary);
    }
    return err;
}

static int say(char why[256], int err, const char *sentence, const char *detail)
{
    (void)snprintf(why, 256, "the canary %s%s", sentence, detail);
    return err;
}

void tc_es_canary_unmarking(struct tc_es_canary *canary)
{
    atomic_fetch_add(&canary->unmarked, 1);
}

void tc_es_canary_marked(struct tc_es_canary *canary)
{
    atomic_fetch_add(&canary->unmarked, 1);
}

/* Whether the mark was away since `before` was read, so that nothing has been shown. */
static bool was_unmarked(struct tc_es_canary *canary, unsigned before)
{
    return before & 1 || atomic_load(&canary->unmarked) != before;
}

static int attempt_once(struct tc_es_canary *canary,
                        enum tc_es_canary_operation operation, bool refuse, char why[256])
{
    uint64_t until_ns = atomic_load(&canary->begun_ns) + TC_ES_CANARY_WAIT_MS * NS_PER_MS;
    int err;

    atomic_store(&canary->asked, 0);
    atomic_store(&canary->refuse, refuse ? operation : 0);
    err = operation == TC_ES_CANARY_OPEN ? open_it(canary)
                                         : execute_when_free(canary, until_ns);
    atomic_store(&canary->refuse, 0);
    if (tc_sensor_clock_ns(CLOCK_MONOTONIC) >= until_ns)
        return say(why, -ETIMEDOUT, "was not answered within two seconds", "");
    if (!(atomic_load(&canary->asked) & operation))
        return say(why, -EIO, "was not asked about when it was ", operations[operation]);
    if (refuse && err != -EPERM)
        return say(why, -EIO, "was refused and all the same ", operations[operation]);
    if (!refuse && err)
        return say(why, err, "was allowed and still failed: ", strerror(-err));
    return 0;
}

static int attempt(struct tc_es_canary *canary, enum tc_es_canary_operation operation,
                   bool refuse, char why[256])
{
    const struct timespec moment = {.tv_nsec = BUSY_NS};

    for (;;) {
        unsigned before = atomic_load(&canary->unmarked);
        int err = attempt_once(canary, operation, refuse, why);

        if (err != -EIO || !was_unmarked(canary, before))
            return err;
        nanosleep(&moment, NULL);
    }
}

int tc_es_canary_prove(struct tc_es_canary *canary, char why[256])
{
    int err;

    atomic_store(&canary->begun_ns, tc_sensor_clock_ns(CLOCK_MONOTONIC));
    atomic_store(&canary->proving, true);
    err = attempt(canary, TC_ES_CANARY_OPEN, true, why);
    if (!err)
        err = attempt(canary, TC_ES_CANARY_OPEN, false, why);
    if (!err && canary->runs)
        err = attempt(canary, TC_ES_CANARY_EXEC, true, why);
    if (!err && canary->runs)
        err = attempt(canary, TC_ES_CANARY_EXEC, false, why);
    atomic_store(&canary->proving, false);
    atomic_store(&canary->begun_ns, 0);
    return err;
}

static bool is_refused(struct tc_es_canary *canary)
{
    int err;

    atomic_store(&canary->refuse, TC_ES_CANARY_OPEN);
    err = open_it(canary);
    return !atomic_exchange(&canary->refuse, 0) && err == -EPERM;
}

bool tc_es_canary_check(struct tc_es_canary *canary, bool by_loop)
{
    const struct timespec moment = {.tv_nsec = BUSY_NS};
    unsigned before;
    bool refused;

    atomic_store(&canary->by_loop, by_loop);
    for (;;) {
        before = atomic_load(&canary->unmarked);
        refused = is_refused(canary);
        if (refused || !was_unmarked(canary, before))
            break;
        nanosleep(&moment, NULL);
    }
    atomic_store(&canary->by_loop, false);
    return refused;
}

bool tc_es_canary_overdue(struct tc_es_canary *canary, uint64_t now)
{
    uint64_t begun_ns = atomic_load(&canary->begun_ns);

    return begun_ns && now > begun_ns + TC_ES_CANARY_WAIT_MS * NS_PER_MS;
}
