/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the two maps that the agent and tocsin-host greet each other with: what to load
 * and how, and the descriptor of what was loaded. Written by one side, read with distrust
 * by the other. Pure.
 */
#ifndef TC_CORE_SETUP_H
#define TC_CORE_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/plugin.h>

struct tc_lone;

/* To the host. Texts of one that was read point into the bytes. */
struct tc_setup {
    const char *path;          /* of the file, for sentences */
    const char *state_dir;     /* that it may write to; "" while it is only looked at */
    bool look;                 /* say HELLO, and end */
    int32_t agent, supervisor; /* processes that are the agent, too */
    int32_t log_level;
    uint32_t uid, gid; /* to become, when it is root */
    uint64_t memory_bytes;
    const void *options; /* an encoded map: name to text, or to a list of texts */
    size_t options_len;
};

/* The writer is a growing one; errors are its own. `host` lends the options of `table`,
 * a descriptor's; NULL: none. */
void tc_setup_write(struct tocsin_writer *w, const struct tc_setup *setup,
                    const struct tocsin_host *host, const struct tocsin_plugin *table);

/* -EPROTO when it is none. The texts must be freed with tc_setup_done. */
int tc_setup_read(const void *data, size_t len, struct tc_setup *ret_setup);
void tc_setup_done(struct tc_setup *setup);

/* Sets the options of a plugin that was taken. */
int tc_setup_options(const struct tc_setup *setup, struct tc_lone *lone, char why[256]);

/* Calls fn with each text among the options that is an absolute path. */
void tc_setup_paths(const struct tc_setup *setup, void (*fn)(void *arg, const char *path),
                    void *arg);

/* A descriptor as it came over the wire, in memory of its own; its callbacks are NULL. */
struct tc_told {
    struct tocsin_plugin plugin;
    char *texts; /* that everything in it points to */
    const char **topics;
    struct tocsin_option *options;
};

void tc_told_write(struct tocsin_writer *w, const struct tocsin_plugin *plugin);

/* -EPROTO, -ENOMEM; ret_told is then empty. What it says is still to be checked
 * (tc_descriptor_read). */
int tc_told_read(const void *data, size_t len, struct tc_told *ret_told);
void tc_told_done(struct tc_told *told);

#endif
