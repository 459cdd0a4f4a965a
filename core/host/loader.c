/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file is opened once, by way of its folder; every check is of that descriptor, and
 * the bytes that are hashed are the bytes that are mapped.
 */
#include "core/host/loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <link.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/why.h"

#define FILE_MAX_BYTES ((off_t)256 * 1024 * 1024)

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#error "name this machine's ELF constant"
#endif

static int fail(char why[256], int rc, const char *path, const char *doing)
{
    tc_why(why, "%s: %s: %s", path, doing, strerror(-rc));
    return rc;
}

/* For an agent that runs as user `agent`. */
static bool trusted(const struct stat *st, uid_t agent)
{
    return (st->st_uid == 0 || st->st_uid == agent) &&
           !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* Says who else could have written a file or folder, and how to end that. */
static int refuse_writers(const struct stat *st, uid_t agent, const char *path,
                          char why[256])
{
    if (st->st_uid != 0 && st->st_uid != agent)
        tc_why(why, "%s: belongs to user %u, who could replace it: chown root '%s'", path,
               (unsigned)st->st_uid, path);
    else
        tc_why(why, "%s: can be written by group or others: chmod go-w '%s'", path, path);
    return -EACCES;
}

static int check_file(int fd, uid_t agent, const char *path, char why[256])
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return fail(why, -errno, path, "cannot look at it");
    if (!S_ISREG(st.st_mode)) {
        tc_why(why, "%s: is no regular file", path);
        return -EACCES;
    }
    if (!trusted(&st, agent))
        return refuse_writers(&st, agent, path, why);
    if (st.st_size > FILE_MAX_BYTES) {
        tc_why(why, "%s: is larger than %jd bytes", path, (intmax_t)FILE_MAX_BYTES);
        return -EFBIG;
    }
    return 0;
}

/* Opens the folder of `path` and then the file in it, having checked both. */
static int open_trusted(const char *path, uid_t agent, int *ret_fd, char why[256])
{
    char path_for_dirname[4096], path_for_basename[4096];
    const char *folder, *name;
    int dir = -1, fd = -1, rc;
    struct stat st;

    if (strlen(path) >= sizeof(path_for_dirname)) {
        tc_why(why, "%.32s...: is a path too long for the agent", path);
        return -ENAMETOOLONG;
    }
    memcpy(path_for_dirname, path, strlen(path) + 1);
    memcpy(path_for_basename, path, strlen(path) + 1);
    folder = dirname(path_for_dirname);
    name = basename(path_for_basename);
    dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || fstat(dir, &st) < 0) {
        rc = fail(why, -errno, path, "cannot open its folder");
        goto out;
    }
    if (!trusted(&st, agent)) {
        rc = refuse_writers(&st, agent, folder, why);
        goto out;
    }
    /* O_NONBLOCK: a FIFO is to be refused, not waited for. */
    fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ELOOP) {
        tc_why(why, "%s: is a symbolic link: name the file itself", path);
        rc = -ELOOP;
        goto out;
    }
    if (fd < 0) {
        rc = fail(why, -errno, path, "cannot open");
        goto out;
    }
    rc = check_file(fd, agent, path, why);
    if (rc)
        goto out;
    *ret_fd = fd;
    fd = -1;
out:
    if (fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
    return rc;
}

static int open_any(const char *path, int *ret_fd, char why[256])
{
    if (strlen(path) >= sizeof(((struct tc_module *)0)->path)) {
        tc_why(why, "%.32s...: is too long a path", path);
        return -ENAMETOOLONG;
    }
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return *ret_fd < 0 ? fail(why, -errno, path, "cannot open") : 0;
}

/*
 * Checks what dlopen(3) takes on trust: that this is a shared object for this machine and
 * that it holds all it says it does; mapping one cut short ends in SIGBUS. elf(5).
 */
static int check_elf(int fd, const char *path, char why[256])
{
    ElfW(Ehdr) head;
    ElfW(Phdr) part;
    struct stat st;
    uint64_t size;

    if (fstat(fd, &st) < 0)
        return fail(why, -errno, path, "cannot look at its copy");
    size = (uint64_t)st.st_size;
    if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0) {
        tc_why(why, "%s: is no ELF file", path);
        return -ENOEXEC;
    }
    if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB ||
        head.e_type != ET_DYN || head.e_machine != MACHINE ||
        head.e_phentsize != sizeof(part)) {
        tc_why(
            why,
            "%s: is no shared object for this machine (ELF type %u, machine %u; wanted "
            "%d and %d)",
            path, head.e_type, head.e_machine, ET_DYN, MACHINE);
        return -ENOEXEC;
    }
    for (unsigned i = 0; i < head.e_phnum; i++) {
        off_t at = (off_t)(head.e_phoff + i * sizeof(part));

        if (pread(fd, &part, sizeof(part), at) != (ssize_t)sizeof(part) ||
            part.p_offset > size || part.p_filesz > size - part.p_offset) {
            tc_why(why, "%s: is cut short: copy it anew", path);
            return -ENOEXEC;
        }
    }
    return 0;
}

/* Reads a file from its start, into `copy` too unless that is -1, and hashes it. */
static int hash(int fd, int copy, char ret_hex[65])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char buf[65536], sum[32];
    ssize_t n, written;
    off_t at = 0;
    int rc = -ENOMEM;

    if (!md || !EVP_DigestInit_ex(md, EVP_sha256(), NULL))
        goto out;
    while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
        EVP_DigestUpdate(md, buf, (size_t)n);
        written = copy < 0 ? n : write(copy, buf, (size_t)n);
        if (written != n) {
            rc = written < 0 ? -errno : -ENOSPC;
            goto out;
        }
        at += n;
    }
    if (n < 0) {
        rc = -errno;
        goto out;
    }
    EVP_DigestFinal_ex(md, sum, NULL);
    for (size_t i = 0; i < sizeof(sum); i++)
        (void)snprintf(ret_hex + 2 * i, 3, "%02x", sum[i]);
    rc = 0;
out:
    EVP_MD_CTX_free(md);
    return rc;
}

static int open_private_dir(const char *dir, int *ret_fd, char why[256])
{
    struct stat st;
    int fd;

    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return fail(why, -errno, dir, "cannot make the folder for plugin copies");
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int rc = fail(why, -errno, dir, "cannot open the folder for plugin copies");

        if (fd >= 0)
            close(fd);
        return rc;
    }
    if (st.st_uid != geteuid() || (st.st_mode & 077)) {
        tc_why(why, "%s: is not the agent's alone: chown %u '%s' && chmod 700 '%s'", dir,
               (unsigned)geteuid(), dir, dir);
        close(fd);
        return -EACCES;
    }
    *ret_fd = fd;
    return 0;
}

/* Whether the copy of that name is there and still has the bytes that its name says. */
static bool copy_is_whole(int dir, const char *name, const char *sha256)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    char now[65] = "";
    struct stat st;
    bool whole;

    if (fd < 0)
        return false;
    whole = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && trusted(&st, geteuid()) &&
            hash(fd, -1, now) == 0 && !strcmp(now, sha256);
    close(fd);
    return whole;
}

/* <name>-<sha256>.so for a file <name>.so */
static void name_copy(const char *path, const char *sha256, char ret_name[256])
{
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t stem = strcspn(base, ".");

    (void)snprintf(ret_name, 256, "%.*s-%s.so", (int)(stem < 128 ? stem : 128), base,
                   sha256);
}

/*
 * Copies the open file, if it is a shared object, into the private folder and hashes what
 * it copied. A copy that is there already, and whole, is kept: a running plugin may have
 * it mapped.
 */
static int copy_to_disk(int fd, struct tc_module *module, const char *private_dir,
                        char why[256])
{
    char name[256], draft[32];
    int dir = -1, copy = -1, rc;

    rc = open_private_dir(private_dir, &dir, why);
    if (rc)
        return rc;
    /* Of a process that was killed, and had the id that is ours now: there is no other.
     */
    (void)snprintf(draft, sizeof(draft), TC_MODULE_DRAFT "%ld-%d", (long)getpid(), fd);
    (void)unlinkat(dir, draft, 0);
    copy = openat(dir, draft, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0500);
    if (copy < 0) {
        rc = fail(why, -errno, private_dir, "cannot copy a plugin there");
        goto out;
    }
    rc = hash(fd, copy, module->sha256);
    if (rc) {
        rc = fail(why, rc, module->path, "cannot copy");
        goto out;
    }
    rc = check_elf(copy, module->path, why);
    if (rc)
        goto out;
    name_copy(module->path, module->sha256, name);
    (void)snprintf(module->private_path, sizeof(module->private_path), "%s/%s",
                   private_dir, name);
    if (!copy_is_whole(dir, name, module->sha256) && renameat(dir, draft, dir, name) < 0)
        rc = fail(why, -errno, module->path, "cannot keep a private copy");
out:
    if (copy >= 0) {
        close(copy);
        (void)unlinkat(dir, draft, 0); /* gone already if it was renamed */
    }
    close(dir);
    return rc;
}

/*
 * The same, in memory. It stays open for as long as the module is loaded: dlopen(3) takes
 * two files of one name for one, and the descriptor's number is its name.
 */
static int copy_to_memory(int fd, struct tc_module *module, char why[256])
{
    int rc;

    module->memory = memfd_create(TC_MODULE_MEMORY_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (module->memory < 0)
        return fail(why, -errno, module->path, "cannot copy into memory");
    rc = hash(fd, module->memory, module->sha256);
    if (rc)
        return fail(why, rc, module->path, "cannot copy into memory");
    (void)snprintf(module->private_path, sizeof(module->private_path), "/proc/self/fd/%d",
                   module->memory);
    return check_elf(module->memory, module->path, why);
}

/* Whether the folder's file system lets code be mapped. */
static bool may_run(const char *folder)
{
    struct statvfs fs;

    return statvfs(folder, &fs) || !(fs.f_flag & ST_NOEXEC);
}

/* A disk that is full, cannot be written or holds no programs never costs protection. */
static int make_copy(int fd, struct tc_module *module, const char *private_dir,
                     char why[256])
{
    int rc;

    if (!private_dir || !may_run(private_dir))
        return copy_to_memory(fd, module, why);
    rc = copy_to_disk(fd, module, private_dir, why);

    if (rc == -ENOSPC || rc == -EDQUOT || rc == -EROFS)
        rc = copy_to_memory(fd, module, why);
    return rc;
}

/*
 * Finds the descriptor and reads it. Its size is first held against the symbol's own,
 * since a vendor's number is no reason to read beyond.
 */
static int find_descriptor(struct tc_module *module, char why[256])
{
    const struct tocsin_plugin *found;
    ElfW(Sym) *symbol = NULL;
    Dl_info info;
    int rc;

    found = dlsym(module->handle, "tocsin_plugin");
    if (!found || !dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol) {
        tc_why(why, "%s: exports no symbol tocsin_plugin: see tocsin/plugin.h",
               module->path);
        return -ENOEXEC;
    }
    if (symbol->st_size < TC_DESCRIPTOR_PREFIX) {
        tc_why(why, "%s: its symbol tocsin_plugin is no descriptor (%lu bytes)",
               module->path, (unsigned long)symbol->st_size);
        return -ENOEXEC;
    }
    if (found->magic == TOCSIN_PLUGIN_MAGIC && found->size > symbol->st_size) {
        tc_why(why, "%s: its descriptor says %u bytes and has %lu", module->path,
               found->size, (unsigned long)symbol->st_size);
        return -EINVAL;
    }
    rc = tc_descriptor_read(found, module->path, &module->copy, &module->options, why);
    if (!rc)
        module->plugin = &module->copy;
    return rc;
}

int tc_module_check_owner(const char *path, uid_t agent, char why[256])
{
    int fd = -1, rc = open_trusted(path, agent, &fd, why);

    if (fd >= 0)
        close(fd);
    return rc;
}

static int load(struct tc_module *module, char why[256])
{
    module->handle = dlopen(module->private_path, RTLD_NOW | RTLD_LOCAL);
    if (module->handle)
        return find_descriptor(module, why);
    tc_why(why, "%s: cannot be loaded: %s", module->path, dlerror());
    return -ENOEXEC;
}

static int new_module(const char *path, struct tc_module **ret_module, char why[256])
{
    struct tc_module *module = calloc(1, sizeof(*module));

    if (!module) {
        tc_why(why, "%s: out of memory", path);
        return -ENOMEM;
    }
    module->memory = -1;
    (void)snprintf(module->path, sizeof(module->path), "%s", path);
    *ret_module = module;
    return 0;
}

int tc_module_copy(const char *path, int *ret_fd, char ret_sha256[65], char why[256])
{
    struct tc_module *module;
    int fd = -1, rc;

    rc = new_module(path, &module, why);
    if (rc)
        return rc;
    rc = open_trusted(path, geteuid(), &fd, why);
    if (!rc)
        rc = copy_to_memory(fd, module, why);
    if (!rc && fcntl(module->memory, F_ADD_SEALS,
                     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        rc = fail(why, -errno, path, "cannot keep its copy from being written");
    if (!rc) {
        memcpy(ret_sha256, module->sha256, sizeof(module->sha256));
        *ret_fd = module->memory;
        module->memory = -1;
    }
    if (fd >= 0)
        close(fd);
    tc_module_close(module);
    return rc;
}

int tc_module_adopt(int fd, const char *path, struct tc_module **ret_module,
                    char why[256])
{
    struct tc_module *module;
    int rc;

    rc = new_module(path, &module, why);
    if (rc)
        return rc;
    (void)snprintf(module->private_path, sizeof(module->private_path), "/proc/self/fd/%d",
                   fd);
    rc = load(module, why);
    if (rc) {
        tc_module_close(module);
        return rc;
    }
    module->memory = fd;
    *ret_module = module;
    return 0;
}

static int open_module(const char *path, const char *private_dir, bool anyones,
                       struct tc_module **ret_module, char why[256])
{
    struct tc_module *module;
    int fd = -1, rc;

    rc = new_module(path, &module, why);
    if (rc)
        return rc;
    rc = anyones ? open_any(path, &fd, why) : open_trusted(path, geteuid(), &fd, why);
    if (!rc)
        rc = make_copy(fd, module, private_dir, why);
    if (!rc)
        rc = load(module, why);
    if (fd >= 0)
        close(fd);
    if (rc) {
        tc_module_close(module);
        return rc;
    }
    *ret_module = module;
    return 0;
}

int tc_module_open(const char *path, const char *private_dir,
                   struct tc_module **ret_module, char why[256])
{
    return open_module(path, private_dir, false, ret_module, why);
}

int tc_module_open_any(const char *path, const char *private_dir,
                       struct tc_module **ret_module, char why[256])
{
    return open_module(path, private_dir, true, ret_module, why);
}

void tc_module_close(struct tc_module *module)
{
    if (!module)
        return;
    if (module->gone)
        module->gone(module);
    if (module->handle)
        (void)dlclose(module->handle);
    if (module->memory >= 0)
        close(module->memory);
    free(module->options);
    free(module);
}
