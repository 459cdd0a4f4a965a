/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the step from a rule file's YAML (1.2, several documents) to trees in which every
 * node knows its line and column. Bounded in every direction: what is too long, too deep
 * or grows too much by its aliases is refused. Must not: know what any key means.
 */
#ifndef TC_SIGMA_TREE_H
#define TC_SIGMA_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "yaml/arena.h"

#define TC_TREE_DEPTH_MAX 24         /* maps and lists within each other */
#define TC_TREE_KEYS_MAX 1024        /* in one map */
#define TC_TREE_NODES_MAX 200000     /* of a file, with all aliases written out */
#define TC_TREE_DOCUMENTS_MAX 4096   /* of a file */
#define TC_TREE_ANCHORS_MAX 64       /* of a document */
#define TC_TREE_BYTES_MAX (64 << 20) /* of memory for a file */
#define TC_TREE_WHY_MAX 320          /* bytes of a sentence */

enum tc_tree_kind {
    TC_TREE_NULL, /* nothing, ~ or null */
    TC_TREE_TEXT,
    TC_TREE_LIST,
    TC_TREE_MAP,
};

struct tc_place {
    unsigned line, column; /* from 1 */
};

struct tc_node {
    enum tc_tree_kind kind;
    bool quoted;      /* a TEXT in quotes or a block: never a number or a truth */
    const char *text; /* of TEXT, without a NUL in it */
    size_t count;     /* children */
    size_t weight;    /* nodes, this one and all below */
    struct tc_place place;
    const char *key; /* of a child of a MAP, unique there; else NULL */
    struct tc_place key_place;
    const struct tc_node *first, *next;
};

struct tc_tree {
    struct tc_arena arena; /* all of it */
    const struct tc_node **documents;
    size_t count;
};

/* A mistake in a file, with its place. */
struct tc_mistake {
    struct tc_place place;
    char why[TC_TREE_WHY_MAX];
};

/* 0; -EINVAL with a mistake; -ENOMEM. `tree` is to be freed after success only. */
int tc_tree_parse(const char *text, size_t len, struct tc_tree *ret_tree,
                  struct tc_mistake *mistake);
void tc_tree_done(struct tc_tree *tree);

/* The child of a MAP by its key, or NULL; also for what is no map. */
const struct tc_node *tc_tree_get(const struct tc_node *map, const char *key);

/*
 * A map of what is in both, recursively; where both have a value that is not a map, that
 * of `over` counts. NULL when there is no memory.
 */
const struct tc_node *tc_tree_merge(struct tc_tree *tree, const struct tc_node *under,
                                    const struct tc_node *over);

/* Fills in a mistake, on one line and in valid UTF-8. Returns -EINVAL. */
int tc_refuse(struct tc_mistake *mistake, struct tc_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
