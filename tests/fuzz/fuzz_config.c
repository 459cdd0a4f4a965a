/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a configuration: it is refused with a place, or it can be bound, asked,
 * shown, and what is shown reads back as the same configuration. Any YAML can have a key
 * changed, or that is refused; what comes out says what was asked for, and a second time
 * changes nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/config.h"
#include "yaml/edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tocsin_option keys[] = {
    {.name = "watch", .type = TOCSIN_OPTION_LIST, .fallback = "/a,/b", .help = "h"},
    {.name = "depth", .type = TOCSIN_OPTION_INT, .fallback = "3", .help = "h"},
    {.name = "fast", .type = TOCSIN_OPTION_BOOL, .fallback = "false", .help = "h"},
    {.name = "limit", .type = TOCSIN_OPTION_SIZE, .fallback = "64k", .help = "h"},
    {.name = NULL},
};

static void require(int holds)
{
    if (!holds)
        abort();
}

static void use(const struct tc_config *config)
{
    struct tc_option_table table = {keys, sizeof(keys[0])};
    struct tc_plugin_settings settings;
    struct tc_options *options;
    const char *name;
    char why[256];

    for (size_t i = 0; (name = tc_config_plugin(config, i)); i++) {
        require(tc_config_plugin_settings(config, name, &settings) == 0);
        if (tc_config_bind(config, name, table, &options, why) == 0)
            tc_options_free(options);
        else
            require(strchr(why, ':') != NULL);
        tc_config_excluded(config, name, "/srv/a/b/c.log", "/usr/bin/rsync");
    }
}

static void read_back(const struct tc_config *config)
{
    char *first = tc_config_show(config, NULL, NULL), *second;
    struct tc_config *again = NULL;
    char why[256];

    require(first != NULL);
    require(tc_config_read_text("shown", first, &again, why) == 0);
    second = tc_config_show(again, NULL, NULL);
    require(second && !strcmp(first, second));
    tc_config_free(again);
    free(first);
    free(second);
}

static const struct tc_yaml_limits limits = {
    .text_bytes = 1 << 20,
    .arena_bytes = 16 << 20,
    .nodes = 1 << 18,
    .documents = 1,
    .depth = 16,
    .too_large = "too large",
    .too_many_keys = "too many keys",
};

static void edit(const char *text, size_t len, enum tc_yaml_change change,
                 const char *const *path, const char *value)
{
    char *once = NULL, *twice = NULL;
    struct tc_yaml_error error;
    struct tc_yaml *yaml;

    require(tc_yaml_parse("value", value, strlen(value), &limits, &yaml, &error) == 0);
    if (tc_yaml_edit(text, len, &limits, change, path, yaml->documents, &once) == 0 &&
        change != TC_YAML_REMOVE) {
        require(tc_yaml_edit(once, strlen(once), &limits, change, path, yaml->documents,
                             &twice) == 0);
        require(!strcmp(once, twice));
    }
    tc_yaml_free(yaml);
    free(once);
    free(twice);
}

/* One change of many, by what the bytes are: all of them would make a run slow. */
static void edit_one(const char *text, size_t len)
{
    static const char *const paths[][4] = {{"mode", NULL},
                                           {"exclusions", NULL},
                                           {"plugins", "es", NULL},
                                           {"plugins", "es", "watch", NULL}};
    static const char *const values[] = {"passive", "[/a, \"b c\"]", "{path: /x}"};
    unsigned pick = 0;

    for (size_t i = 0; i < len; i++)
        pick = pick * 31 + (unsigned char)text[i];
    edit(text, len, (enum tc_yaml_change)(TC_YAML_SET + pick / 12 % 4), paths[pick % 4],
         values[pick / 4 % 3]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tc_config *config = NULL;
    char why[256] = "";
    char *text = malloc(size + 1);

    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (tc_config_read_text("fuzz", text, &config, why) == 0) {
        use(config);
        read_back(config);
    } else {
        require(!strncmp(why, "fuzz:", 5));
    }
    edit_one(text, size);
    tc_config_free(config);
    free(text);
    return 0;
}
