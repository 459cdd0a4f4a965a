/* SPDX-License-Identifier: Apache-2.0 */
#include "kext_canary.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kext_load.h"
#include "sensor_clock.h"
#include "sensor_memory_file.h"

#define LOAD_AT 0x400000u
#define NONCE_BYTES 16

/* exit(0), and nothing else. */
static const uint8_t code[] = {
#if defined(__x86_64__)
    0xb8, 0x3c, 0x00, 0x00, 0x00, /* mov $60, %eax */
    0x31, 0xff,                   /* xor %edi, %edi */
    0x0f, 0x05,                   /* syscall */
#elif defined(__aarch64__)
    0xa8, 0x0b, 0x80, 0xd2, /* mov x8, #93 */
    0x00, 0x00, 0x80, 0xd2, /* mov x0, #0 */
    0x01, 0x00, 0x00, 0xd4, /* svc #0 */
#else
#error "the canary needs a few instructions for this processor"
#endif
};

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif

/* A whole program: header, one segment, code; the nonce behind makes it like no other. */
struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    uint8_t code[sizeof(code)];
    uint8_t nonce[NONCE_BYTES];
};

static int image_make(struct image *image)
{
    memset(image, 0, sizeof(*image));
    memcpy(image->header.e_ident, ELFMAG, SELFMAG);
    image->header.e_ident[EI_CLASS] = ELFCLASS64;
    image->header.e_ident[EI_DATA] = ELFDATA2LSB;
    image->header.e_ident[EI_VERSION] = EV_CURRENT;
    image->header.e_type = ET_EXEC;
    image->header.e_machine = MACHINE;
    image->header.e_version = EV_CURRENT;
    image->header.e_entry = LOAD_AT + offsetof(struct image, code);
    image->header.e_phoff = offsetof(struct image, segment);
    image->header.e_ehsize = sizeof(image->header);
    image->header.e_phentsize = sizeof(image->segment);
    image->header.e_phnum = 1;
    image->segment.p_type = PT_LOAD;
    image->segment.p_flags = PF_R | PF_X;
    image->segment.p_vaddr = LOAD_AT;
    image->segment.p_filesz = image->segment.p_memsz = sizeof(*image);
    image->segment.p_align = 0x1000;
    memcpy(image->code, code, sizeof(code));
    return getrandom(image->nonce, sizeof(image->nonce), 0) < 0 ? -errno : 0;
}

static int write_image(const char *path, const struct image *image)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0700);
    int err = 0;
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = write(fd, image, sizeof(*image));
    if (n != (ssize_t)sizeof(*image))
        err = n < 0 ? -errno : -EIO;
    close(fd);
    return err;
}

static int make_on_disk(struct tc_kext_canary *canary, const char *state_dir,
                        const struct image *image)
{
    char folder[4096];

    snprintf(folder, sizeof(folder), "%s/kext", state_dir);
    if (mkdir(folder, 0700) && errno != EEXIST)
        return -errno;
    if (asprintf(&canary->path, "%s/canary", folder) < 0) {
        canary->path = NULL;
        return -ENOMEM;
    }
    unlink(canary->path); /* of a run that was killed */
    return write_image(canary->path, image);
}

int tc_kext_canary_init(struct tc_kext_canary *canary, const char *state_dir)
{
    struct image image;
    struct stat st;
    int err;

    canary->memory = -1;
    err = image_make(&image);
    if (!err && make_on_disk(canary, state_dir, &image)) {
        tc_kext_canary_done(canary);
        err = tc_sensor_memory_file("tocsin-canary", &image, sizeof(image),
                                    &canary->memory, &canary->path);
    }
    if (!err && stat(canary->path, &st))
        err = -errno;
    if (err)
        tc_kext_canary_done(canary);
    else
        canary->key =
            tc_kext_key_of(st.st_dev, st.st_ino, tc_sensor_timespec_ns(&st.st_ctim));
    return err;
}

void tc_kext_canary_done(struct tc_kext_canary *canary)
{
    if (canary->path && canary->memory >= 0)
        close(canary->memory);
    else if (canary->path)
        unlink(canary->path);
    free(canary->path);
    canary->path = NULL;
    canary->memory = -1;
}

/* No signal of the agent's is blocked in the child, and none handled. */
static int spawn(const struct tc_kext_canary *canary,
                 const posix_spawn_file_actions_t *actions, pid_t *ret_pid)
{
    char *argv[] = {canary->path, NULL}, *envp[] = {NULL};
    posix_spawnattr_t attributes;
    sigset_t none;
    int err;

    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    err = posix_spawn(ret_pid, canary->path, actions, &attributes, argv, envp);
    posix_spawnattr_destroy(&attributes);
    return -err;
}

static int wait_for(pid_t pid, int *ret_status)
{
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

int tc_kext_canary_execute(const struct tc_kext_canary *canary,
                           enum tc_kext_ended *ret_ended)
{
    int err, status;
    pid_t pid;

    err = spawn(canary, NULL, &pid);
    if (err == -EPERM) {
        *ret_ended = TC_KEXT_ENDED_REFUSED;
        return 0;
    }
    if (!err)
        err = wait_for(pid, &status);
    if (err)
        return err;
    *ret_ended = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? TC_KEXT_ENDED_KILLED
                                                                    : TC_KEXT_ENDED_RAN;
    return 0;
}

/* posix_spawn reports how the opening in the child went; if it went well, the execution
 * of what the child then is, which is refused as well, says so in its place. */
int tc_kext_canary_open(const struct tc_kext_canary *canary)
{
    posix_spawn_file_actions_t actions;
    int err, status;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, canary->path, O_RDONLY | O_CLOEXEC, 0);
    err = spawn(canary, &actions, &pid);
    posix_spawn_file_actions_destroy(&actions);
    if (!err)
        wait_for(pid, &status);
    return err;
}
