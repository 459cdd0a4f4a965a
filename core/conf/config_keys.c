/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the agent's own keys: names, types, defaults, help, and what else must hold of
 * their texts. config/tocsin.yaml and tocsin.yaml(5) explain the same keys to people;
 * test_config compares all three.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/conf/config_priv.h"

#define SECOND_MS 1000
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * INT64_C(3600000))
#define MIB (INT64_C(1) << 20)
/* unix(7): sun_path has 108 bytes with its NUL; "/tocsin.sock" goes into it. */
#define RUNTIME_BYTES_MAX 95
#define RINGS "current|preview|beta"

#define TEXT(name_, fallback_, flags_, help_)                                            \
    {                                                                                    \
        .name = (name_), .type = TOCSIN_OPTION_TEXT, .flags = (flags_),                  \
        .fallback = (fallback_), .help = (help_)                                         \
    }
#define LIST(name_, fallback_, flags_, help_)                                            \
    {                                                                                    \
        .name = (name_), .type = TOCSIN_OPTION_LIST, .flags = (flags_),                  \
        .fallback = (fallback_), .help = (help_)                                         \
    }
#define BOOL(name_, fallback_, help_)                                                    \
    {                                                                                    \
        .name = (name_), .type = TOCSIN_OPTION_BOOL, .fallback = (fallback_),            \
        .help = (help_)                                                                  \
    }
#define CHOICE(name_, fallback_, flags_, choices_, help_)                                \
    {                                                                                    \
        .name = (name_), .type = TOCSIN_OPTION_CHOICE, .flags = (flags_),                \
        .fallback = (fallback_), .help = (help_), .choices = (choices_)                  \
    }
#define DURATION(name_, fallback_, min_, max_, help_)                                    \
    {                                                                                    \
        .name = (name_), .type = TOCSIN_OPTION_DURATION, .fallback = (fallback_),        \
        .help = (help_), .min = (min_), .max = (max_)                                    \
    }

#define SIZE(name_, fallback_, min_, max_, help_)                                        \
    {                                                                                    \
        .name = (name_), .type = TOCSIN_OPTION_SIZE, .fallback = (fallback_),            \
        .help = (help_), .min = (min_), .max = (max_)                                    \
    }

static const struct tocsin_option core_keys[] = {
    TEXT("paths.state", "/var/lib/tocsin", TOCSIN_OPTION_RESTART,
         "journal, quarantine, private copies of plugins"),
    TEXT("paths.runtime", "/run/tocsin", TOCSIN_OPTION_RESTART, "the control socket"),
    LIST("paths.plugins", "/usr/lib/tocsin/plugins", TOCSIN_OPTION_RESTART,
         "folders that tocsin_<name>.so is looked for in, first found"),
    TEXT("paths.managed", "/etc/tocsin/managed.d", TOCSIN_OPTION_RESTART,
         "managed profiles (*.mobileconfig)"),
    CHOICE("release_ring", "current", TOCSIN_OPTION_RESTART, RINGS,
           "which releases this machine takes; read at start"),
    CHOICE("mode", "block", 0, "block|passive",
           "passive: detect and report, refuse and move nothing"),
    TEXT("sensor.primary", "es", TOCSIN_OPTION_RESTART,
         "the plugin that holds the slot once approved"),
    LIST("sensor.fallback", "kext", TOCSIN_OPTION_RESTART,
         "the plugins that hold it otherwise, in order"),
    BOOL("approval.required", "true", "ask the operator before a system extension runs"),
    DURATION("approval.timeout", "60s", 10 * SECOND_MS, HOUR_MS,
             "how long the fallback waits for the answer"),
    BOOL("approval.bridge", "true", "the fallback protects while the answer is awaited"),
    CHOICE("approval.late", "swap", 0, "swap|restart_required",
           "what a grant after the timeout does"),
    CHOICE("approval.policy", "all_gates", 0, "all_gates|per_sensor",
           "which gates a sensor needs"),
    TEXT("prerequisites.os_version", "5.10", 0, "the oldest kernel"),
    TEXT("prerequisites.product_version", "0.1.0", 0, "the oldest agent"),
    LIST("prerequisites.release_rings", "current,preview,beta", 0,
         "the release rings that may run"),
    TEXT("identity.team", "TOCSIN", TOCSIN_OPTION_RESTART, "team in managed profiles"),
    TEXT("identity.agent", "org.tocsin.agent", TOCSIN_OPTION_RESTART,
         "the agent in managed profiles"),
    TEXT("identity.es", "org.tocsin.es", TOCSIN_OPTION_RESTART,
         "the system extension in managed profiles"),
    TEXT("identity.netfilter", "org.tocsin.netfilter", TOCSIN_OPTION_RESTART,
         "the network extension in managed profiles"),
    TEXT("identity.kext", "org.tocsin.kext", TOCSIN_OPTION_RESTART,
         "the kernel extension in managed profiles"),
    CHOICE("verdict.on_timeout", "allow", 0, "allow|deny",
           "the answer when no detector gave one in time"),
    DURATION("verdict.budget", "10s", 100, MINUTE_MS,
             "how long the detectors may take together"),
    SIZE("journal.max_size", "1G", 16 * MIB, MIB *MIB,
         "what the journal takes of the disk; then whoever takes most of it loses its "
         "oldest"),
    DURATION("journal.max_age", "365d", 0, 36500 * DAY_MS,
             "how long the journal keeps what; 0s: as long as there is room"),
    BOOL("privacy.mask_secrets", "true",
         "passwords and tokens on command lines are shown as ***"),
    CHOICE("log.level", "info", 0, "error|warning|notice|info|debug",
           "how much the agent says"),
    {.name = NULL},
};

/* What may stand at the top of the file beside the keys without a dot. */
static const char *const sections[] = {
    "paths",   "sensor",  "approval", "prerequisites", "identity", "verdict",
    "journal", "privacy", "log",      "exclusions",    "plugins",  NULL,
};

static const struct tocsin_option common_keys[] = {
    BOOL("enabled", "true", "whether the plugin runs"),
    TEXT("file", "", 0, "where it is, when not in paths.plugins"),
    BOOL("isolate", "false", "whether it runs in a process of its own"),
    {.name = NULL},
};

struct tc_option_table tc_config_core_table(void)
{
    return (struct tc_option_table){core_keys, sizeof(core_keys[0])};
}

struct tc_option_table tc_config_common_table(void)
{
    return (struct tc_option_table){common_keys, sizeof(common_keys[0])};
}

const char *const *tc_config_sections(void)
{
    return sections;
}

bool tc_config_is_plugin_name(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= TC_PLUGIN_NAME_BYTES_MAX && islower((unsigned char)*name) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len &&
           strcmp(name, TC_EXCLUSION_ALL) != 0;
}

/* The checks return NULL, or what the text must be. */

static const char *check_absolute(const char *text)
{
    return *text == '/' ? NULL : "must be an absolute path";
}

static const char *check_runtime(const char *text)
{
    if (*text != '/')
        return "must be an absolute path";
    if (strlen(text) > RUNTIME_BYTES_MAX)
        return "is too long: the path of a socket has at most 107 bytes";
    return NULL;
}

static const char *check_plugin(const char *text)
{
    return tc_config_is_plugin_name(text) ? NULL : "must be the name of a plugin";
}

static const char *check_version(const char *text)
{
    bool ok = isdigit((unsigned char)*text);

    for (const char *c = text; ok && *c; c++)
        ok = isdigit((unsigned char)*c) ||
             (*c == '.' && isdigit((unsigned char)c[1]) && c > text);
    return ok ? NULL : "must be numbers with dots between them, as in 5.10";
}

static const char *check_ring(const char *text)
{
    const char *found = strstr("|" RINGS "|", text);

    /* A whole word of the list: a | on either side. */
    if (found && *text && found[-1] == '|' && found[strlen(text)] == '|')
        return NULL;
    return "must be current, preview or beta";
}

static const char *check_identifier(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(".-_", *c))
            return "must have letters, digits, dots and hyphens only";
    return *text ? NULL : "must not be empty";
}

static const struct rule {
    const char *key; /* or, with a dot at its end, all keys of the section */
    const char *(*check)(const char *text);
} rules[] = {
    {"paths.runtime", check_runtime},
    {"paths.", check_absolute},
    {"file", check_absolute},
    {"sensor.", check_plugin},
    {"prerequisites.release_rings", check_ring},
    {"prerequisites.", check_version},
    {"identity.", check_identifier},
};

int tc_config_check_text(const char *key, const char *text, char why[256])
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        size_t len = strlen(rules[i].key);
        bool section = rules[i].key[len - 1] == '.';
        const char *wrong;

        if (section ? strncmp(key, rules[i].key, len) : strcmp(key, rules[i].key))
            continue;
        wrong = rules[i].check(text);
        if (!wrong)
            return 0;
        snprintf(why, 256, "%s: \"%.64s\" %s", key, text, wrong);
        return -EINVAL;
    }
    return 0;
}
