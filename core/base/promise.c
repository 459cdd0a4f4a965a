/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/promise.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define ALL_ISSUES ""
#define OF_PLUGIN "plugin_" /* the core's issue about a plugin: plugin_NAME */

const char *tc_promise_name(enum tc_promise promise)
{
    static const char *const names[TC_PROMISES] = {
        [TC_PROMISE_REAL_TIME] = "real_time",   [TC_PROMISE_SCANNING] = "scanning",
        [TC_PROMISE_BEHAVIOUR] = "behaviour",   [TC_PROMISE_RECORD] = "record",
        [TC_PROMISE_QUARANTINE] = "quarantine", [TC_PROMISE_NETWORK] = "network",
    };

    return names[promise];
}

/* The first line that fits counts; `key` is what an issue's key begins with. */
static const struct {
    const char *owner, *key;
    enum tc_promise promise;
} table[] = {
    {"core", "journal", TC_PROMISE_RECORD},
    {"core", "consent", TC_PROMISE_REAL_TIME},
    {"av", "quarantine", TC_PROMISE_QUARANTINE},
    {"av", "not_quarantined", TC_PROMISE_QUARANTINE},
    {"av", ALL_ISSUES, TC_PROMISE_SCANNING},
    {"edr", ALL_ISSUES, TC_PROMISE_BEHAVIOUR},
    {"trace", ALL_ISSUES, TC_PROMISE_BEHAVIOUR},
    {"netfilter", ALL_ISSUES, TC_PROMISE_NETWORK},
};

unsigned tc_promise_of(const char *owner, const char *key, const char *const sensors[2])
{
    if (!strcmp(owner, "core") && !strncmp(key, OF_PLUGIN, strlen(OF_PLUGIN)))
        return tc_promise_of(key + strlen(OF_PLUGIN), ALL_ISSUES, sensors);
    for (size_t i = 0; i < 2; i++)
        if (sensors[i] && !strcmp(owner, sensors[i]))
            return TC_PROMISE_BIT(TC_PROMISE_REAL_TIME);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (!strcmp(owner, table[i].owner) &&
            !strncmp(key, table[i].key, strlen(table[i].key)))
            return TC_PROMISE_BIT(table[i].promise);
    return 0;
}
