/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which topics the plugins that run publish, as the agent says of each (but for the
 * patterns of their fact not_published), and so
 * which log sources of Sigma's rules have events now. Must not: know the rules.
 */
#ifndef TC_CLI_PUBLISHED_H
#define TC_CLI_PUBLISHED_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <tocsin/event.h>

struct tc_cli;

#define TC_PUBLISHED_MAX 256 /* patterns; beyond them, everything counts as published */
#define TC_PUBLISHED_TOPIC_BYTES 128
#define TC_PUBLISHED_PLUGINS_MAX 64
#define TC_PUBLISHED_NAME_BYTES 64
#define TC_PUBLISHED_MISSING_BYTES 256
#define TC_PUBLISHED_WHY_BYTES 200

struct tc_published {
    char plugins[TC_PUBLISHED_PLUGINS_MAX][TC_PUBLISHED_NAME_BYTES]; /* that run */
    size_t plugin_count;
    char patterns[TC_PUBLISHED_MAX][TC_PUBLISHED_TOPIC_BYTES];
    size_t count;
    unsigned char owners[TC_PUBLISHED_MAX]; /* the plugin of each pattern */
    /* What each of them says that it does not publish now, as it is configured. */
    char missing[TC_PUBLISHED_PLUGINS_MAX][TC_PUBLISHED_MISSING_BYTES];
    bool unknown; /* not all of it could be had: everything counts as published */
};

/* Takes the names of those that run, of plugin.list's items. */
void tc_published_take(struct tc_published *published, const msgpack_object *items);

/* Asks the agent about each of them. */
void tc_published_ask(struct tc_published *published, struct tc_cli *cli);

/* True, and a sentence, when none of them publishes any of the topics; not of an empty
 * array, or NULL. */
bool tc_published_lacks_all(const struct tc_published *published,
                            const msgpack_object *topics,
                            char ret_why[TC_PUBLISHED_WHY_BYTES]);

/* True, and a sentence, when none of them publishes what rules of the log source (NULL:
 * that part is open) are about. */
bool tc_published_lacks(const struct tc_published *published, struct tocsin_str category,
                        struct tocsin_str service, char ret_why[TC_PUBLISHED_WHY_BYTES]);

#endif
