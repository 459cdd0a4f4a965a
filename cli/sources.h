/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: log sources of Sigma rules by name, and how many rules of each can fire. Must
 * not: know where the rules come from.
 */
#ifndef TC_CLI_SOURCES_H
#define TC_CLI_SOURCES_H

#include <stdbool.h>
#include <tocsin/event.h>

#include "ipc/pack.h"

#define TC_SOURCES_MAX 512 /* that are counted; more are not */
#define TC_SOURCE_NAME_BYTES 200

struct tc_source {
    char name[TC_SOURCE_NAME_BYTES];
    uint64_t rules, fire;
};

struct tc_sources {
    struct tc_source *items; /* memory for TC_SOURCES_MAX */
    size_t count;
};

int tc_sources_init(struct tc_sources *sources); /* -ENOMEM */
void tc_sources_done(struct tc_sources *sources);

/* product/category/service, without what is left open (ptr NULL). */
void tc_source_name(const struct tocsin_str parts[3], bool correlation,
                    char ret[TC_SOURCE_NAME_BYTES]);

void tc_sources_count(struct tc_sources *sources, const char *name, bool fires);

/* An array of {source, rules, can_fire, percent}, those with the most rules first. */
void tc_sources_put(struct tc_sources *sources, struct tc_pack *p, const char *key);

/* Such an array as a table below its heading. */
void tc_sources_print(const msgpack_object *array);

#endif
