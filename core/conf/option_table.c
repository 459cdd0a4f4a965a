/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is right and wrong about an option table that a vendor wrote. Nothing in the
 * table is trusted here; after this, options.c may.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "core/base/why.h"
#include "core/conf/option_value.h"
#include "core/conf/options.h"

/* What every plugin's section may say already; see struct tc_plugin_settings. */
static const char *const reserved[] = {"enabled", "file", "isolate"};

static int check_name(const char *name, char why[256])
{
    size_t len = strnlen(name, TC_OPTION_NAME_BYTES_MAX + 1);

    if (len == 0 || len > TC_OPTION_NAME_BYTES_MAX)
        return tc_why_refuse(why,
                             "the name of an option must have 1 to %d letters, not %s",
                             TC_OPTION_NAME_BYTES_MAX, len ? "more" : "none");
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
        return tc_why_refuse(
            why,
            "the option name \"%s\" may have lower-case letters, digits and "
            "underscores only",
            name);
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (!strcmp(name, reserved[i]))
            return tc_why_refuse(
                why, "the option name \"%s\" is the agent's own: choose another", name);
    return 0;
}

static int check_choices(const struct tocsin_option *option, char why[256])
{
    const char *choices = option->choices;

    if (!choices || !*choices)
        return tc_why_refuse(
            why, "%s: a choice must say what can be chosen, as in off|on", option->name);
    if (choices[0] == '|' || choices[strlen(choices) - 1] == '|' || strstr(choices, "||"))
        return tc_why_refuse(why, "%s: one of the choices \"%.64s\" is empty",
                             option->name, choices);
    return 0;
}

static int check_range(const struct tocsin_option *option, char why[256])
{
    if (option->min > option->max)
        return tc_why_refuse(why, "%s: min %" PRId64 " is above max %" PRId64,
                             option->name, option->min, option->max);
    if (option->type != TOCSIN_OPTION_INT && option->min < 0)
        return tc_why_refuse(why,
                             "%s: min %" PRId64 " is negative, which nobody can write",
                             option->name, option->min);
    return 0;
}

static int check_default(const struct tocsin_option *option, char why[256])
{
    struct tc_option_value value = {0};
    char reason[256];
    int r = tc_option_value_default(option, &value, reason);

    tc_option_value_clear(&value);
    if (r == -EINVAL)
        return tc_why_refuse(why, "the default of %.200s", reason);
    if (r < 0)
        tc_why_refuse(why, "%s: out of memory", option->name);
    return r;
}

static int check_option(const struct tocsin_option *option, char why[256])
{
    int r = check_name(option->name, why);

    if (r < 0)
        return r;
    if (option->type < TOCSIN_OPTION_BOOL || option->type > TOCSIN_OPTION_LIST)
        return tc_why_refuse(why, "%s: the type %" PRIu32 " is not known to this agent",
                             option->name, option->type);
    if (!option->help || !*option->help)
        return tc_why_refuse(why, "%s: there is no help for it", option->name);
    if (option->type == TOCSIN_OPTION_CHOICE || option->flags & TOCSIN_OPTION_PAIRS)
        r = check_choices(option, why);
    else if (option->type == TOCSIN_OPTION_INT ||
             option->type == TOCSIN_OPTION_DURATION || option->type == TOCSIN_OPTION_SIZE)
        r = check_range(option, why);
    return r < 0 ? r : check_default(option, why);
}

int tc_option_table_check(struct tc_option_table table, char why[256])
{
    const struct tocsin_option *option, *earlier;
    size_t i;
    int r;

    if (!table.first)
        return 0;
    if (table.stride < sizeof(*option) || table.stride % alignof(struct tocsin_option))
        return tc_why_refuse(why,
                             "option_size is %zu, which cannot be: it is %zu or more",
                             table.stride, sizeof(*option));
    for (i = 0; (option = tc_option_table_at(table, i)); i++) {
        r = check_option(option, why);
        if (r < 0)
            return r;
        for (size_t j = 0; j < i; j++) {
            earlier = tc_option_table_at(table, j);
            if (!strcmp(earlier->name, option->name))
                return tc_why_refuse(why, "the option \"%s\" is in the table twice",
                                     option->name);
        }
    }
    if (i == TC_OPTIONS_MAX)
        return tc_why_refuse(why, "the option table has %d entries and no end",
                             TC_OPTIONS_MAX);
    return 0;
}
