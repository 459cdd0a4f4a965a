/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the check of a plugin's descriptor: which ABI it was built for, whether it holds
 * together, and that it claims nothing that is the agent's to say. Pure. A vendor's
 * error ends here, in one sentence, before any of the plugin's code is called.
 */
#include "core/host/loader.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/why.h"
#include "core/conf/options.h"
#include "ipc/topic.h"

#define NAME_MAX_BYTES 32
#define TEXT_MAX_BYTES 256
#define TOPICS_MAX 64

/* What every plugin of this major has; those of later minors append. */
#define PLUGIN_SIZE_1_0                                                                  \
    (offsetof(struct tocsin_plugin, destroy) + sizeof(void (*)(void *)))
#define OPTION_SIZE_1_0 (offsetof(struct tocsin_option, max) + sizeof(int64_t))

#define DETECTOR (1u << TOCSIN_KIND_DETECTOR)
#define NETWORK (1u << TOCSIN_KIND_NETWORK_EXTENSION)
#define SENSORS                                                                          \
    (NETWORK | 1u << TOCSIN_KIND_SYSTEM_EXTENSION | 1u << TOCSIN_KIND_KERNEL_EXTENSION | \
     1u << TOCSIN_KIND_SUPPLEMENTARY)

/* Topics that only some kinds may publish, or none; `unless` is a part anybody may. */
static const struct {
    const char *pattern;
    unsigned kinds;
    const char *unless[2];
} guarded[] = {
    {"verdict", DETECTOR, {NULL}},
    {"verdict.reset", DETECTOR, {NULL}},
    {"verdict.final", 0, {NULL}},
    {"rpc.*", 0, {TOCSIN_TOPIC_RPC_REPLY, TOCSIN_TOPIC_RPC_PROGRESS}},
    {"sensor.*", 0, {TOCSIN_TOPIC_SENSOR_GAP, TOCSIN_TOPIC_SENSOR_DEGRADED}},
    {TOCSIN_TOPIC_SENSOR_GAP, SENSORS, {NULL}},
    {TOCSIN_TOPIC_SENSOR_DEGRADED, SENSORS, {NULL}},
    {"approval.*", 0, {NULL}},
    {"quarantine.*", DETECTOR, {NULL}},
    {TOCSIN_TOPIC_ISOLATION_REQUESTED, DETECTOR, {NULL}},
    {"isolation.*", NETWORK, {TOCSIN_TOPIC_ISOLATION_REQUESTED}},
    {TOCSIN_TOPIC_NETWORK_FILTER_GATE, 0, {NULL}},
    {TOCSIN_TOPIC_NETWORK_FILTER_CHANGED, NETWORK, {NULL}},
    {"plugin.*", 0, {NULL}},
    {"config.*", 0, {NULL}},
    {"agent.*", 0, {NULL}},
    {"bus.*", 0, {NULL}},
};

/* Names under which the agent itself speaks, or that mean every plugin. */
static const char *const reserved_names[] = {"core", "all", "agent", "tocsind"};

/* Whether a structure of that size is of some minor from 1.0 to the agent's. */
static bool size_ok(uint32_t size, size_t of_1_0, size_t of_agent)
{
    return size >= of_1_0 && size <= of_agent && size % alignof(void *) == 0;
}

static int check_prefix(const struct tocsin_plugin *plugin, const char *path,
                        char why[256])
{
    if (plugin->magic != TOCSIN_PLUGIN_MAGIC) {
        tc_why(why,
               "%s: is no Tocsin plugin: its descriptor begins with 0x%08x, not 0x%08x",
               path, plugin->magic, TOCSIN_PLUGIN_MAGIC);
        return -EPROTO;
    }
    if (plugin->abi_major != TOCSIN_ABI_MAJOR) {
        tc_why(why,
               "%s: was built for plugin ABI %u.%u and this agent has %d.%d: "
               "build it against this agent's tocsin/plugin.h",
               path, plugin->abi_major, plugin->abi_minor, TOCSIN_ABI_MAJOR,
               TOCSIN_ABI_MINOR);
        return -EPROTO;
    }
    if (plugin->abi_minor > TOCSIN_ABI_MINOR) {
        tc_why(why,
               "%s: was built for plugin ABI %u.%u and this agent has %d.%d: "
               "update the agent",
               path, plugin->abi_major, plugin->abi_minor, TOCSIN_ABI_MAJOR,
               TOCSIN_ABI_MINOR);
        return -EPROTO;
    }
    if (!size_ok(plugin->size, PLUGIN_SIZE_1_0, sizeof(*plugin))) {
        tc_why(why,
               "%s: its descriptor says %u bytes, which it has in no ABI from 1.0 to "
               "%d.%d: use TOCSIN_PLUGIN_HEADER",
               path, plugin->size, TOCSIN_ABI_MAJOR, TOCSIN_ABI_MINOR);
        return -EINVAL;
    }
    return 0;
}

/* What TOCSIN_PLUGIN_HEADER fills in after the prefix. */
static int check_filled_in(const struct tocsin_plugin *plugin, const char *path,
                           char why[256])
{
    if (!size_ok(plugin->option_size, OPTION_SIZE_1_0, sizeof(struct tocsin_option)) ||
        plugin->reserved) {
        tc_why(why,
               "%s: its option_size or reserved field is wrong: use TOCSIN_PLUGIN_HEADER",
               path);
        return -EINVAL;
    }
    return 0;
}

static bool name_ok(const char *name)
{
    size_t len = name ? strnlen(name, NAME_MAX_BYTES + 1) : 0;

    if (!len || len > NAME_MAX_BYTES ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
        return false;
    for (size_t i = 0; i < sizeof(reserved_names) / sizeof(*reserved_names); i++)
        if (!strcmp(name, reserved_names[i]))
            return false;
    return true;
}

static bool text_ok(const char *text)
{
    return text && *text && strnlen(text, TEXT_MAX_BYTES) < TEXT_MAX_BYTES;
}

static int check_identity(const struct tocsin_plugin *plugin, const char *path,
                          char why[256])
{
    const char *what = NULL;

    if (plugin->kind < TOCSIN_KIND_SYSTEM_EXTENSION ||
        plugin->kind > TOCSIN_KIND_DETECTOR)
        what = "its kind is none of enum tocsin_kind";
    else if (!name_ok(plugin->name))
        what = "its name is not 1 to 32 of a-z 0-9 _, or is one that the agent uses";
    else if (!text_ok(plugin->version))
        what = "it has no version of 1 to 255 bytes";
    else if (!text_ok(plugin->summary))
        what = "it has no summary of 1 to 255 bytes";
    if (what)
        tc_why(why, "%s: %s", path, what);
    return what ? -EINVAL : 0;
}

static int check_callbacks(const struct tocsin_plugin *plugin, const char *path,
                           char why[256])
{
    const char *missing = NULL;

    if (!plugin->init)
        missing = "init";
    else if (!plugin->start)
        missing = "start";
    else if (!plugin->stop)
        missing = "stop";
    else if (!plugin->destroy)
        missing = "destroy";
    else if (!plugin->event && plugin->subscribes && *plugin->subscribes)
        missing = "event";
    if (missing)
        tc_why(why, "%s: its required callback %s is missing", path, missing);
    return missing ? -EINVAL : 0;
}

static bool overlap(const char *a, const char *b)
{
    return !strcmp(a, b) || tc_topic_match(a, b) || tc_topic_match(b, a);
}

/* Whether a plugin of that kind may publish under the pattern. */
static bool may_claim(const char *pattern, uint32_t kind)
{
    for (size_t i = 0; i < sizeof(guarded) / sizeof(*guarded); i++) {
        bool open = (guarded[i].kinds & 1u << kind) != 0;

        for (size_t k = 0; k < 2 && guarded[i].unless[k]; k++)
            open = open || !strcmp(pattern, guarded[i].unless[k]);
        if (!open && overlap(pattern, guarded[i].pattern))
            return false;
    }
    return true;
}

static int check_topics(const struct tocsin_plugin *plugin, const char *const *list,
                        bool publishes, const char *path, char why[256])
{
    const char *word = publishes ? "publishes" : "subscribes";

    for (size_t i = 0; list && list[i]; i++) {
        if (i >= TOPICS_MAX) {
            tc_why(why, "%s: its %s has no NULL after at most %d topics", path, word,
                   TOPICS_MAX);
            return -EINVAL;
        }
        if (!tc_topic_pattern_valid(list[i]) || (publishes && !strcmp(list[i], "*"))) {
            tc_why(why, "%s: its %s names \"%.96s\", which is no topic", path, word,
                   list[i]);
            return -EINVAL;
        }
        if (publishes && !may_claim(list[i], plugin->kind)) {
            tc_why(
                why,
                "%s: it wants to publish \"%s\", which is not for a plugin of its kind",
                path, list[i]);
            return -EINVAL;
        }
    }
    return 0;
}

static int check(const struct tocsin_plugin *plugin, const char *path, char why[256])
{
    const struct tc_option_table table = {plugin->options, sizeof(*plugin->options)};
    char sentence[TC_WHY_MAX];
    int rc;

    rc = check_identity(plugin, path, why);
    if (!rc)
        rc = check_callbacks(plugin, path, why);
    if (!rc)
        rc = check_topics(plugin, plugin->publishes, true, path, why);
    if (!rc)
        rc = check_topics(plugin, plugin->subscribes, false, path, why);
    if (rc)
        return rc;
    rc = tc_option_table_check(table, sentence);
    if (rc)
        tc_why(why, "%s: %.150s", path, sentence);
    return rc;
}

int tc_descriptor_read(const struct tocsin_plugin *found, const char *path,
                       struct tocsin_plugin *ret_plugin,
                       struct tocsin_option **ret_options, char why[256])
{
    struct tocsin_option *options = NULL;
    struct tocsin_plugin plugin = {0};
    int rc;

    memcpy(&plugin, found, TC_DESCRIPTOR_PREFIX);
    rc = check_prefix(&plugin, path, why);
    if (rc)
        return rc;
    memcpy(&plugin, found, plugin.size);
    rc = check_filled_in(&plugin, path, why);
    if (rc)
        return rc;
    if (plugin.options) {
        const struct tc_option_table table = {plugin.options, plugin.option_size};

        options = tc_option_table_copy(table);
        if (!options) {
            tc_why(why, "%s: out of memory", path);
            return -ENOMEM;
        }
    }
    plugin.options = options;
    plugin.size = sizeof(plugin);
    plugin.option_size = sizeof(*options);
    rc = check(&plugin, path, why);
    if (rc) {
        free(options);
        return rc;
    }
    *ret_plugin = plugin;
    *ret_options = options;
    return 0;
}
