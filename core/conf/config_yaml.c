/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how the configuration uses the reader of YAML: what its files may have, and its
 * sentences, which begin with file, line and column.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/conf/config_priv.h"

#define NAME_SHOWN_MAX 120 /* of a file's name in a sentence; the end says more */

static const struct tc_yaml_limits limits = {
    .text_bytes = TC_CONFIG_TEXT_BYTES_MAX,
    .arena_bytes = 16 << 20,
    .nodes = 1 << 18,
    .documents = 1,
    .depth = 16,
    .too_large = "with its aliases written out the file needs more than 16 MiB: "
                 "shorten it",
    .too_many_keys = "this map has more than 1024 keys",
};

const struct tc_yaml_limits *tc_config_yaml_limits(void)
{
    return &limits;
}

/* Returns its length. */
static size_t write_place(const char *name, struct tc_yaml_place place, char why[256])
{
    size_t len = strlen(name);
    bool cut = len > NAME_SHOWN_MAX;

    return (size_t)snprintf(why, 256, "%s%s:%u:%u: ", cut ? "..." : "",
                            name + (cut ? len - NAME_SHOWN_MAX : 0), place.line,
                            place.column);
}

int tc_config_refuse(const struct tc_yaml *yaml, struct tc_yaml_place place,
                     char why[256], const char *format, ...)
{
    size_t len = write_place(yaml->name, place, why);
    va_list args;

    va_start(args, format);
    vsnprintf(why + len, 256 - len, format, args);
    va_end(args);
    tc_yaml_printable(why);
    return -EINVAL;
}

int tc_config_parse(const char *name, const char *text, size_t len,
                    struct tc_yaml **ret_yaml, char why[256])
{
    struct tc_yaml_error error;
    int r = tc_yaml_parse(name, text, len, &limits, ret_yaml, &error);
    size_t begun;

    if (r < 0) {
        begun = write_place(name, error.place, why);
        snprintf(why + begun, 256 - begun, "%s", error.why);
        tc_yaml_printable(why);
    }
    return r;
}
