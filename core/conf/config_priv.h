/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the files of the configuration share: what one is made of, and the steps it
 * is made in. For config*.c alone.
 */
#ifndef TC_CORE_CONFIG_PRIV_H
#define TC_CORE_CONFIG_PRIV_H

#include "core/conf/config.h"
#include "core/conf/exclusions.h"
#include "yaml/yaml.h"

#define TC_CONFIG_TEXT_BYTES_MAX (1 << 20)    /* of one file */
#define TC_CONFIG_FILES_MAX 256               /* with those of conf.d */
#define TC_CONFIG_PLUGINS_MAX 64              /* each may be a voter, one bit of 64 */
#define TC_CONFIG_SETTINGS_MAX TC_OPTIONS_MAX /* in one plugin's section */
#define TC_PLUGIN_NAME_BYTES_MAX 32

/* One key and the file it is from; the last file that has it wins. */
struct tc_config_setting {
    const struct tc_yaml *yaml;
    const struct tc_yaml_node *node;
};

struct tc_config_plugin {
    const char *name;
    char *place;               /* "file:line:column" of the section that came last */
    struct tc_options *common; /* enabled, file, isolate */
    struct tc_config_setting *settings;
    size_t setting_count;
};

struct tc_config {
    struct tc_options *core;
    struct tc_exclusions *exclusions;
    /* Their nodes are NULL when no file has any. */
    struct tc_config_setting exclusions_from, primary_from, fallback_from;
    struct tc_config_plugin *plugins;
    size_t plugin_count;
    uint64_t kept;          /* by place in the core's table: the value of the start */
    struct tc_yaml **files; /* everything above borrows from them */
    size_t file_count;
};

/* config_keys.c */

/* What every plugin's section may have, for a table of its own. */
struct tc_option_table tc_config_common_table(void);

/* The names of all sections, ended by NULL. */
const char *const *tc_config_sections(void);

/*
 * What the agent asks of a text beyond its type: paths are absolute, versions are
 * numbers. `key` is of the core table or the common one; for a list, of every item.
 */
int tc_config_check_text(const char *key, const char *text, char why[256]);
bool tc_config_is_plugin_name(const char *name);

/* config_yaml.c */

/*
 * Parses one file. `name` stands for it in every sentence. -EINVAL, -ENOMEM and why,
 * which begins "name:line:column: ". The tree is for tc_yaml_free().
 */
int tc_config_parse(const char *name, const char *text, size_t len,
                    struct tc_yaml **ret_yaml, char why[256]);

/* What such a file may have. */
const struct tc_yaml_limits *tc_config_yaml_limits(void);

/* Writes the place and the sentence into `why`, made printable. Returns -EINVAL. */
int tc_config_refuse(const struct tc_yaml *yaml, struct tc_yaml_place place,
                     char why[256], const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* config_apply.c */

/* Adds one file to `config`, which takes it over on success. -EINVAL, -ENOMEM and why. */
int tc_config_apply(struct tc_config *config, struct tc_yaml *yaml, char why[256]);

/*
 * Sets `key` of `options` from a node of `yaml`; the sentence begins with the place.
 * -ENOENT: no such key in the table, `why` untouched.
 */
int tc_config_set(struct tc_options *options, const char *key, const struct tc_yaml *yaml,
                  const struct tc_yaml_node *node, char why[256]);

const struct tc_config_plugin *tc_config_find_plugin(const struct tc_config *config,
                                                     const char *name);

/* config.c: which option of the primary sensor gives `key` of the plugin its value, where
 * its own section has none; NULL: its default does. */
const char *tc_config_inherits(const struct tc_config *config, const char *plugin,
                               const char *key);

/* config_show.c: one value as in YAML, malloc'ed; NULL: out of memory. */
char *tc_config_value_text(const struct tc_options *options,
                           const struct tocsin_option *option);
char *tc_config_node_text(const struct tc_yaml_node *node);

/* config_files.c */

/* One file of the configuration; `text` has no NUL behind it, and is gone afterwards. */
typedef int (*tc_config_file_fn)(void *arg, const char *path, const char *text,
                                 size_t len, char why[256]);

/* Calls it for `path` and for the files of conf.d beside it, in their order, until it
 * fails. What it gave, or what open(2) did, and why. */
int tc_config_each_file(const char *path, tc_config_file_fn fn, void *arg, char why[256]);

#endif
