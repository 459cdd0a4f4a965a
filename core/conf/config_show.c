/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the effective configuration as YAML that reads back as the same configuration.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/config_priv.h"
#include "ipc/pack.h"
#include "yaml/write.h"

/* Texts that a reader of YAML would take for something else, or cannot take at all. */
static bool needs_quotes(const char *text)
{
    return !tc_yaml_is_harmless(text) || *text == '-' || *text == '.' ||
           !strcmp(text, "true") || !strcmp(text, "false") || !strcmp(text, "null") ||
           strspn(text, "0123456789.-") == strlen(text);
}

static void show_text(FILE *out, const char *text)
{
    if (needs_quotes(text))
        tc_yaml_write_quoted(out, text);
    else
        fputs(text, out);
}

static void show_list(FILE *out, const struct tc_options *options, const char *key)
{
    const char *item;

    fputc('[', out);
    for (size_t i = 0; (item = tc_options_item(options, key, i)); i++) {
        fputs(i ? ", " : "", out);
        show_text(out, item);
    }
    fputc(']', out);
}

static void show_option(FILE *out, const struct tc_options *options,
                        const struct tocsin_option *option)
{
    char number[TC_OPTION_NUMBER_BYTES];

    switch (option->type) {
    case TOCSIN_OPTION_BOOL:
        fputs(tc_options_bool(options, option->name) ? "true" : "false", out);
        break;
    case TOCSIN_OPTION_LIST:
        show_list(out, options, option->name);
        break;
    case TOCSIN_OPTION_TEXT:
    case TOCSIN_OPTION_CHOICE:
        show_text(out, tc_options_text(options, option->name));
        break;
    default:
        tc_option_format(option->type, tc_options_int(options, option->name), number);
        fputs(number, out);
        break;
    }
}

static void show_core(FILE *out, const struct tc_config *config)
{
    const struct tocsin_option *option;
    const char *section = "";

    for (size_t i = 0; (option = tc_option_table_at(tc_config_core_table(), i)); i++) {
        const char *dot = strchr(option->name, '.');

        if (!dot) {
            fprintf(out, "%s: ", option->name);
        } else {
            size_t len = (size_t)(dot - option->name);

            /* The keys of a section stand together in the table. */
            if (strncmp(section, option->name, len + 1) != 0)
                fprintf(out, "%.*s:\n", (int)len, option->name);
            section = option->name;
            fprintf(out, "  %s: ", dot + 1);
        }
        show_option(out, config->core, option);
        fputc('\n', out);
    }
}

static void show_exclusions(FILE *out, const struct tc_config *config)
{
    struct tc_exclusion entry;
    size_t count = 0;

    for (; tc_exclusions_get(config->exclusions, count, &entry); count++) {
        fprintf(out, "%s  - %s: ", count ? "" : "exclusions:\n",
                entry.by_process ? "process" : "path");
        show_text(out, entry.pattern);
        fputs("\n    scope: ", out);
        show_text(out, entry.scope);
        fputs(entry.reason ? "\n    reason: " : "", out);
        if (entry.reason)
            show_text(out, entry.reason);
        fputc('\n', out);
    }
    if (!count)
        fputs("exclusions: []\n", out);
}

static void show_settings(FILE *out, const struct tc_config_plugin *plugin)
{
    for (size_t i = 0; i < plugin->setting_count; i++) {
        fputs("    ", out);
        show_text(out, plugin->settings[i].node->key);
        fputs(": ", out);
        tc_yaml_write(out, plugin->settings[i].node);
        fputc('\n', out);
    }
}

/* All of its options, those that it has from others included. False: they are not known.
 */
static bool show_options(FILE *out, const struct tc_config *config, const char *name,
                         struct tc_option_table table)
{
    const struct tocsin_option *option;
    struct tc_options *options;
    char why[256];

    if (!table.first || tc_config_bind(config, name, table, &options, why))
        return false;
    for (size_t i = 0; (option = tc_option_table_at(table, i)); i++) {
        fprintf(out, "    %s: ", option->name);
        show_option(out, options, option);
        fputc('\n', out);
    }
    tc_options_free(options);
    return true;
}

static void show_plugins(FILE *out, const struct tc_config *config,
                         tc_config_table_fn table, void *arg)
{
    static const struct tc_option_table unknown = {NULL, 0};

    fputs(config->plugin_count ? "plugins:\n" : "plugins: {}\n", out);
    for (size_t i = 0; i < config->plugin_count; i++) {
        const struct tc_config_plugin *plugin = &config->plugins[i];
        const char *file = tc_options_text(plugin->common, "file");

        fprintf(out, "  %s:\n    enabled: %s\n", plugin->name,
                tc_options_bool(plugin->common, "enabled") ? "true" : "false");
        if (tc_options_bool(plugin->common, "isolate"))
            fputs("    isolate: true\n", out);
        if (*file) {
            fputs("    file: ", out);
            show_text(out, file);
            fputc('\n', out);
        }
        if (!show_options(out, config, plugin->name,
                          table ? table(arg, plugin->name) : unknown))
            show_settings(out, plugin);
    }
}

char *tc_config_show(const struct tc_config *config, tc_config_table_fn table, void *arg)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool failed;

    if (!out)
        return NULL;
    show_core(out, config);
    show_exclusions(out, config);
    show_plugins(out, config, table, arg);
    failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- one value ---- */

char *tc_config_value_text(const struct tc_options *options,
                           const struct tocsin_option *option)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    show_option(out, options, option);
    return fclose(out) ? (free(text), NULL) : text;
}

char *tc_config_node_text(const struct tc_yaml_node *node)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    tc_yaml_write(out, node);
    return fclose(out) ? (free(text), NULL) : text;
}

/* ---- the same as a map ---- */

static void put_text(const char *key, const struct tc_yaml_node *node, struct tc_pack *p)
{
    const char *digits = node->text + (*node->text == '-');
    bool number = *digits && strspn(digits, "0123456789") == strlen(digits) &&
                  strlen(digits) < 19; /* within 64 bits */

    if (!node->quoted && (!strcmp(node->text, "true") || !strcmp(node->text, "false")))
        tc_pack_bool(p, key, *node->text == 't');
    else if (!node->quoted && number)
        tc_pack_int(p, key, strtoll(node->text, NULL, 10));
    else
        tc_pack_str(p, key, node->text);
}

static void put_node(const char *key, const struct tc_yaml_node *node, struct tc_pack *p)
{
    if (node->kind == TC_YAML_TEXT) {
        put_text(key, node, p);
    } else if (node->kind == TC_YAML_NULL) {
        tc_pack_nil(p, key);
    } else {
        if (node->kind == TC_YAML_MAP)
            tc_pack_begin_map(p, key);
        else
            tc_pack_begin_array(p, key);
        for (const struct tc_yaml_node *at = node->first; at; at = at->next)
            put_node(node->kind == TC_YAML_MAP ? at->key : NULL, at, p);
        tc_pack_end(p);
    }
}

int tc_config_put_shown(const char *yaml, const char *key, struct tc_pack *p)
{
    struct tc_yaml *tree = NULL;
    char why[256];
    int r = tc_config_parse("(shown)", yaml, strlen(yaml), &tree, why);

    if (r < 0)
        return r;
    put_node(key, tree->documents, p);
    tc_yaml_free(tree);
    return 0;
}
