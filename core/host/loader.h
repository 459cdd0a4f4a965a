/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the way from a file name to a checked descriptor: who may have written the file,
 * what it exports, which ABI it wants. Opens the file once, hashes it, maps a private
 * copy named by the hash, so that replacing the original never touches a running plugin.
 * Must not: call into the plugin (dlopen runs its constructors, nothing else), log, or
 * need a loop.
 */
#ifndef TC_CORE_LOADER_H
#define TC_CORE_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <tocsin/plugin.h>

/* The bytes of a descriptor that are the same in every major. */
#define TC_DESCRIPTOR_PREFIX (offsetof(struct tocsin_plugin, kind) + sizeof(uint32_t))

#define TC_MODULE_MEMORY_NAME "tocsin-plugin" /* of a copy in memory */

#define TC_MODULE_DRAFT ".draft-" /* begins the name of a copy that is being made */

struct tc_pack;

/* A loaded plugin file. */
struct tc_module {
    void *handle;                       /* of dlopen */
    const struct tocsin_plugin *plugin; /* as wide as the agent knows, as its options */
    struct tocsin_plugin copy;          /* tc_descriptor_read: both are the module's */
    struct tocsin_option *options;
    char path[4096];         /* the file that was asked for */
    char private_path[4096]; /* the copy that is mapped */
    int memory;              /* the copy's descriptor when no disk took it, or -1 */
    char sha256[65];
    /* Of one that runs in a process of its own (core/isolate), or NULL: */
    void (*put)(const struct tc_module *module, struct tc_pack *p); /* facts of it */
    void (*gone)(struct tc_module *module); /* before it is freed */
};

/*
 * Opens, checks, copies to <private_dir>/<name>-<sha256>.so (into memory when that disk
 * is full or read-only, or is NULL), and loads. Refusals are one
 * sentence in `why`, naming the file and, of a version, both. Blocks: use a pool thread
 * once sensors run. The file and its folder must be owned by root or by the effective
 * user and not be writable by group or others. Errors: -EACCES ownership or mode;
 * -ENOEXEC no ELF shared object, no symbol, no descriptor; -EPROTO wrong magic or ABI;
 * -EINVAL a descriptor that contradicts itself; or an errno of the file.
 */
int tc_module_open(const char *path, const char *private_dir,
                   struct tc_module **ret_module, char why[256]);
/* The same, whoever may have written the file: for a program that runs it with no more
 * rights than its own user has. */
int tc_module_open_any(const char *path, const char *private_dir,
                       struct tc_module **ret_module, char why[256]);

void tc_module_close(struct tc_module *module);

/*
 * Removes drafts from the folder, and the copies that `used` says no to. For an agent
 * that has loaded what it needs and has loads under way no more.
 */
void tc_module_sweep(const char *private_dir, bool (*used)(void *arg, const char *name),
                     void *arg);

/* Whether an agent that runs as that user would take the file, by who may write it; it is
 * not loaded. As tc_module_open. */
int tc_module_check_owner(const char *path, uid_t agent, char why[256]);

/*
 * Reads and checks a descriptor that was built for any minor of this major up to the
 * agent's: *ret_plugin and its options, which the caller frees, are as wide as the agent
 * knows them, with zeros for what came later than the plugin. `found` has at least the
 * bytes that its `size` says; of anything but this magic and major, the first
 * TC_DESCRIPTOR_PREFIX. Errors: -EPROTO, -EINVAL as
 * tc_module_open; -ENOMEM.
 */
int tc_descriptor_read(const struct tocsin_plugin *found, const char *path,
                       struct tocsin_plugin *ret_plugin,
                       struct tocsin_option **ret_options, char why[256]);

/*
 * The two halves of it, for a plugin that another process loads. Copy: checks the file
 * and copies it into memory that nobody can write any more, *ret_fd, which is the
 * caller's; its hash goes to ret_sha256. Adopt: loads such a copy; fd stays open for as
 * long, and is the module's on success.
 */
int tc_module_copy(const char *path, int *ret_fd, char ret_sha256[65], char why[256]);
int tc_module_adopt(int fd, const char *path, struct tc_module **ret_module,
                    char why[256]);

#endif
