/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the step from YAML text (1.2) to a tree of maps, lists and texts in which every
 * node knows its line and column. Bounded in every direction, since the text may come
 * from anybody: what is too long, too deep or grows too much by its aliases is refused.
 * Pure. Must not: know what any key means, or decide what a plain text stands for.
 */
#ifndef TC_CORE_YAML_H
#define TC_CORE_YAML_H

#include <stdbool.h>
#include <stddef.h>

#define TC_YAML_TEXT_BYTES_MAX (1 << 20)  /* of input */
#define TC_YAML_TREE_BYTES_MAX (16 << 20) /* of memory, with all aliases written out */
#define TC_YAML_DEPTH_MAX 16              /* maps and lists within each other */
#define TC_YAML_KEYS_MAX 1024             /* in one map */
#define TC_YAML_ANCHORS_MAX 64            /* in one document */

enum tc_yaml_kind {
    TC_YAML_NULL, /* nothing, ~ or null */
    TC_YAML_TEXT,
    TC_YAML_LIST,
    TC_YAML_MAP,
};

struct tc_yaml_place {
    unsigned line, column; /* from 1 */
};

struct tc_yaml_node {
    enum tc_yaml_kind kind;
    bool quoted;      /* a TEXT in quotes: never a number or a truth */
    const char *text; /* of TEXT */
    size_t count;     /* children of a LIST or MAP */
    struct tc_yaml_place place;
    const char *key; /* of a child of a MAP, unique there; NULL otherwise */
    struct tc_yaml_place key_place;
    const struct tc_yaml_node *first; /* child */
    const struct tc_yaml_node *next;  /* sibling */
};

struct tc_yaml;

/*
 * Parses one document. `name` stands for the file in every sentence and is copied. An
 * empty text is a NULL node. -ENOMEM, or -EINVAL and one sentence that begins
 * "name:line:column: ".
 */
int tc_yaml_parse(const char *name, const char *text, size_t len,
                  struct tc_yaml **ret_yaml, char why[256]);
void tc_yaml_free(struct tc_yaml *yaml);

const char *tc_yaml_name(const struct tc_yaml *yaml);
const struct tc_yaml_node *tc_yaml_root(const struct tc_yaml *yaml);

/* The child of a MAP by its key, or NULL. */
const struct tc_yaml_node *tc_yaml_get(const struct tc_yaml_node *map, const char *key);

/*
 * Writes "name:line:column: " and the sentence into `why`, on one line and in valid
 * UTF-8 whatever the file has. Returns -EINVAL.
 */
int tc_yaml_refuse(const struct tc_yaml *yaml, struct tc_yaml_place place, char why[256],
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
