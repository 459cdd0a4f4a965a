/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the configuration: one YAML file and conf.d beside it, merged key by key, every
 * key checked against a table, every error with file:line:column. A struct tc_config is
 * immutable and whole: the agent builds the new one beside the old, and swaps it in or
 * throws it away. Must not: log, act on anything, or open a file after tc_config_read has
 * returned.
 */
#ifndef TC_CORE_CONFIG_H
#define TC_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/conf/options.h"

struct tc_config;

/*
 * Reads `path`, then conf.d (the folder of that name beside it), every *.yaml there in
 * name order, later wins; the agent's own keys are checked at once, those of plugins by
 * tc_config_bind. Blocks: not on the loop. -EINVAL or what open(2) gave; `why` is one
 * sentence beginning "file:line:column: ".
 */
int tc_config_read(const char *path, struct tc_config **ret_config, char why[256]);

/* The same from text; `name` stands in for the file in errors. NUL-terminated. */
int tc_config_read_text(const char *name, const char *text, struct tc_config **ret_config,
                        char why[256]);
void tc_config_free(struct tc_config *config);

/* The agent's keys under their dotted names: "paths.state", "verdict.budget", "mode". */
const struct tc_options *tc_config_core(const struct tc_config *config);
struct tc_option_table tc_config_core_table(void);

/* The names under `plugins:`, in the order of the file; NULL past the end. */
const char *tc_config_plugin(const struct tc_config *config, size_t index);

/* What every plugin's section may say whatever its own table has. */
struct tc_plugin_settings {
    bool enabled;      /* default true */
    bool isolate;      /* default false: it runs in a process of its own */
    const char *file;  /* NULL: tocsin_<name>.so in paths.plugins */
    const char *place; /* "file:line:column" of the section, for messages */
};
/* -ENOENT when the configuration does not name the plugin (settings are then the
 * defaults). */
int tc_config_plugin_settings(const struct tc_config *config, const char *name,
                              struct tc_plugin_settings *ret_settings);

/* Whether the plugin is sensor.primary or among sensor.fallback. */
bool tc_config_is_sensor(const struct tc_config *config, const char *name);

/* Checks the plugin's section against its table. The result is the caller's. */
int tc_config_bind(const struct tc_config *config, const char *name,
                   struct tc_option_table table, struct tc_options **ret_options,
                   char why[256]);

/*
 * enum tocsin_exclusion for a file and the process that uses it; either may be NULL.
 * `scope` is a plugin's name; entries for "all" count too. `**` matches across folders,
 * `*` and `?` within one.
 */
int tc_config_excluded(const struct tc_config *config, const char *scope,
                       const char *path, const char *executable);
bool tc_config_has_exclusions(const struct tc_config *config, const char *scope);

/* As tc_exclusions_cover. */
bool tc_config_excludes_all(const struct tc_config *config, const char *scope,
                            const char *folder);

/* The entry that does so by itself, as it would be written on one line; malloc'ed. NULL:
 * none does, or out of memory. */
char *tc_config_excluding(const struct tc_config *config, const char *scope,
                          const char *folder);

/*
 * Names the keys whose values differ, as "mode, exclusions, plugins.es.watch", as many as
 * fit whole; a plugin that only one of them has is "plugins.acme". Returns how many there
 * are. Of a plugin's own options it knows the text alone: 1m is not 60s, and a default
 * that is now written out is a change.
 */
size_t tc_config_changed_keys(const struct tc_config *old_config,
                              const struct tc_config *new_config, char *buf, size_t cap);

/* The same of the agent's own keys that take effect only at its next start. */
size_t tc_config_restart_keys(const struct tc_config *old_config,
                              const struct tc_config *new_config, char *buf, size_t cap);

/*
 * Gives `config` the values of `old` for these keys: what runs goes on by them until the
 * agent starts again. -ENOMEM.
 */
int tc_config_keep_restart_keys(struct tc_config *config, const struct tc_config *old);

/* What a new configuration changes, as these two name it. */
struct tc_config_changes {
    char changed[4096];
    char restart[512]; /* those that wait for the next start of the agent */
    char file[4096];   /* the file that was edited, or "" */
    char also[4096];   /* another that has the key as well, or "" */
};

/* The option table of a plugin; `first` NULL when nobody knows it. */
typedef struct tc_option_table (*tc_config_table_fn)(void *arg, const char *plugin);

/*
 * The effective configuration as YAML text, malloc'ed; NULL when out of memory. Plugins
 * whose tables are known have their defaults, too; of others it has what the file says.
 * `table` may be NULL: of none.
 */
char *tc_config_show(const struct tc_config *config, tc_config_table_fn table, void *arg);

/* That text as one map, with lists, numbers and truths as such; durations and sizes stay
 * texts. -EINVAL when it is no YAML; -ENOMEM. */
struct tc_pack;
int tc_config_put_shown(const char *yaml, const char *key, struct tc_pack *p);

/* Who knows what the configuration itself does not. */
struct tc_config_view {
    tc_config_table_fn table;
    bool (*enabled)(void *arg, const char *plugin); /* now, by whatever command */
    void *arg;
};

/*
 * Each value in force as {key, value, from}, in an array `key` of the open map: `value`
 * as in YAML, `from` "FILE:LINE", "default", "command", or "the agent's start" for one
 * that the files change and the next start will. Exclusions have an entry each.
 */
void tc_config_put_values(const struct tc_config *config,
                          const struct tc_config_view *view, const char *key,
                          struct tc_pack *p);

#endif
