/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the effective configuration as YAML that reads back as the same configuration.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/config_priv.h"

static bool is_harmless(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("/._-", *c))
            return false;
    return *text;
}

/* Texts that a reader of YAML would take for something else, or cannot take at all. */
static bool needs_quotes(const char *text)
{
    return !is_harmless(text) || *text == '-' || *text == '.' || !strcmp(text, "true") ||
           !strcmp(text, "false") || !strcmp(text, "null") ||
           strspn(text, "0123456789.-") == strlen(text);
}

static void show_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if ((unsigned char)*c < ' ' || *c == 0x7f)
            fprintf(out, "\\x%02x", (unsigned char)*c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

static void show_text(FILE *out, const char *text)
{
    if (needs_quotes(text))
        show_quoted(out, text);
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
    fputc('\n', out);
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

/* A plugin's value as it was given: only its table knows the type. */
static void show_node(FILE *out, const struct tc_yaml_node *node)
{
    const char *ends = node->kind == TC_YAML_LIST ? "[]" : "{}";

    if (node->kind == TC_YAML_NULL) {
        fputs("null", out);
        return;
    }
    if (node->kind == TC_YAML_TEXT) {
        /* What stood there without quotes means the same without them. */
        if (!node->quoted && is_harmless(node->text))
            fputs(node->text, out);
        else
            show_quoted(out, node->text);
        return;
    }
    fputc(ends[0], out);
    for (const struct tc_yaml_node *at = node->first; at; at = at->next) {
        fputs(at == node->first ? "" : ", ", out);
        if (at->key) {
            show_text(out, at->key);
            fputs(": ", out);
        }
        show_node(out, at);
    }
    fputc(ends[1], out);
}

static void show_plugins(FILE *out, const struct tc_config *config)
{
    fputs(config->plugin_count ? "plugins:\n" : "plugins: {}\n", out);
    for (size_t i = 0; i < config->plugin_count; i++) {
        const struct tc_config_plugin *plugin = &config->plugins[i];
        const char *file = tc_options_text(plugin->common, "file");

        fprintf(out, "  %s:\n    enabled: %s\n", plugin->name,
                tc_options_bool(plugin->common, "enabled") ? "true" : "false");
        if (*file) {
            fputs("    file: ", out);
            show_text(out, file);
            fputc('\n', out);
        }
        for (size_t j = 0; j < plugin->setting_count; j++) {
            fputs("    ", out);
            show_text(out, plugin->settings[j].node->key);
            fputs(": ", out);
            show_node(out, plugin->settings[j].node);
            fputc('\n', out);
        }
    }
}

char *tc_config_show(const struct tc_config *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool failed;

    if (!out)
        return NULL;
    show_core(out, config);
    show_exclusions(out, config);
    show_plugins(out, config);
    failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
