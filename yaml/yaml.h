/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the step from YAML text (1.2) to trees of maps, lists and texts in which every
 * node has its place; the configuration and the rules are read by it. Bounded in every
 * direction, since the text may come from anybody: what is too long, too deep or grows
 * too much by its aliases is refused. Tags are refused, anchors and aliases are followed.
 * Pure: any thread, each tree by one at a time. Must not: know what any key means, or
 * decide what a plain text stands for.
 */
#ifndef TC_YAML_YAML_H
#define TC_YAML_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "yaml/arena.h"

#define TC_YAML_KEYS_MAX 1024  /* in one map */
#define TC_YAML_ANCHORS_MAX 64 /* in one document */
#define TC_YAML_WHY_MAX 320    /* bytes of a sentence */

enum tc_yaml_kind {
    TC_YAML_NULL, /* nothing, ~ or null */
    TC_YAML_TEXT,
    TC_YAML_LIST,
    TC_YAML_MAP,
};

struct tc_yaml_place {
    unsigned line, column; /* from 1 */
};

/* Bytes of the text; none, at 0: nothing of it is written. */
struct tc_yaml_span {
    unsigned from, to;
};

struct tc_yaml_node {
    enum tc_yaml_kind kind;
    bool flow;             /* a LIST or MAP in brackets */
    bool quoted;           /* a TEXT in quotes or a block: never a number or a truth */
    unsigned short height; /* maps and lists within each other, this one counted */
    unsigned count;        /* children of a LIST or MAP */
    unsigned weight;  /* nodes, this one and all below, as often as aliases have them */
    const char *text; /* of TEXT, without a NUL in it */
    struct tc_yaml_place place;
    const char *key; /* of a child of a MAP, unique there; NULL otherwise */
    struct tc_yaml_place key_place;
    struct tc_yaml_span span; /* of the value; without brackets only where it begins */
    struct tc_yaml_span key_span;
    const struct tc_yaml_node *first; /* child; those behind an alias are the anchor's */
    const struct tc_yaml_node *next;  /* sibling; of a document the one behind it */
};

/* What files of one kind may have. */
struct tc_yaml_limits {
    size_t text_bytes;  /* of input */
    size_t arena_bytes; /* of memory for the trees */
    size_t nodes;       /* with all aliases written out */
    size_t documents;
    unsigned short depth;      /* maps and lists within each other */
    bool blocks;               /* texts behind | and > */
    bool null_in_capitals;     /* Null and NULL are null, too */
    bool merge_keys;           /* << of YAML 1.1 adds what another map has */
    const char *too_large;     /* the sentences: beyond nodes or arena_bytes, */
    const char *too_many_keys; /* and beyond TC_YAML_KEYS_MAX */
};

/* What is wrong, and where. */
struct tc_yaml_error {
    struct tc_yaml_place place;
    char why[TC_YAML_WHY_MAX]; /* one line of valid UTF-8 */
};

struct tc_yaml {
    struct tc_arena arena; /* all below; a caller's things that end with it may be here */
    const char *name;
    const struct tc_yaml_node *documents; /* the first; an empty text has one, NULL */
};

/*
 * Reads `text`, of which nothing is kept. `name` stands for the file and is copied. 0 and
 * a tree for tc_yaml_free(); -EINVAL or -ENOMEM, and what is wrong in `error`.
 */
int tc_yaml_parse(const char *name, const char *text, size_t len,
                  const struct tc_yaml_limits *limits, struct tc_yaml **ret_yaml,
                  struct tc_yaml_error *error);
void tc_yaml_free(struct tc_yaml *yaml);

/* The child of a MAP by its key, or NULL; also for what is no map. */
const struct tc_yaml_node *tc_yaml_get(const struct tc_yaml_node *map, const char *key);

/* Whether both mean the same; maps in any order. */
bool tc_yaml_same(const struct tc_yaml_node *a, const struct tc_yaml_node *b);

/*
 * A map of what is in both, recursively; where both have a value that is not a map, that
 * of `over` counts. In the memory of `yaml`; NULL when there is none.
 */
const struct tc_yaml_node *tc_yaml_merge(struct tc_yaml *yaml,
                                         const struct tc_yaml_node *under,
                                         const struct tc_yaml_node *over);

/* Fills in an error, made printable. Returns -EINVAL. */
int tc_yaml_refuse(struct tc_yaml_error *error, struct tc_yaml_place place,
                   const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Makes one line of valid UTF-8 of a sentence that quotes any bytes. */
void tc_yaml_printable(char *sentence);

#endif
