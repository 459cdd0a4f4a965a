/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a set of rules is inside: fields, atoms (one question about one field),
 * expressions over atoms, rules, and the building of them. Must not: know YAML's text or
 * an event.
 *
 * Atoms are shared: a question that many rules ask is one atom, answered once an event.
 */
#ifndef TC_SIGMA_MODEL_H
#define TC_SIGMA_MODEL_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <hs.h>
#include <pcre2.h>

#include "sigma/base/number.h"
#include "sigma/base/sigma.h"
#include "sigma/base/text.h"
#include "yaml/arena.h"

#define TC_SET_BYTES_MAX (256u << 20) /* of memory for one set's rules */
#define TC_SET_ATOMS_MAX 1000000

#define TC_MAPPED_BYTES 12 /* of an IPv6 address, before the IPv4 address in it */

#define TC_FIELD_ANY 0 /* the field of keywords: every value of the event */

/* The byte between values where they are looked at as one text: what has it in it is not
 * looked for there. */
#define TC_BETWEEN_VALUES 0x1f

enum tc_atom_kind {
    TC_ATOM_TEXT,   /* a value is as `pattern` */
    TC_ATOM_REGEX,  /* `code` is found in a value */
    TC_ATOM_CIDR,   /* a value is an address in `address`/`bits` */
    TC_ATOM_NUMBER, /* a value `compare`s with `number` */
    TC_ATOM_TIME,   /* the `part` of a value that is a date does */
    TC_ATOM_EXISTS, /* the field is there */
    TC_ATOM_NULL,   /* it is not, or without a value */
    TC_ATOM_FIELD,  /* a value is, or has in it, one of the field `other` */
};

enum tc_compare {
    TC_COMPARE_EQ,
    TC_COMPARE_LT,
    TC_COMPARE_LTE,
    TC_COMPARE_GT,
    TC_COMPARE_GTE,
    TC_COMPARE_NEQ,
};

enum tc_time_part {
    TC_PART_MINUTE,
    TC_PART_HOUR,
    TC_PART_DAY,
    TC_PART_WEEK,
    TC_PART_MONTH,
    TC_PART_YEAR,
};

struct tc_atom {
    enum tc_atom_kind kind;
    bool cased;
    bool before, after; /* FIELD: other text may stand there */
    uint8_t family, bits, address[16];
    enum tc_compare compare;
    enum tc_time_part part;
    uint32_t field, other;
    struct tc_number number;
    struct tc_pattern pattern; /* TEXT: in lower case unless cased. REGEX: its text */
    uint32_t regex_options;
    pcre2_code *code;

    /* Set by compile.c. */
    bool scanned;    /* a pass over the field's values finds it */
    bool sure;       /* and is right whenever it does */
    uint32_t uses;   /* how often it stands in rules that can run */
    uint32_t *rules; /* it is a key of: they can match only when one of their keys does */
    size_t rule_count;
};

enum tc_op {
    TC_OP_ATOM,
    TC_OP_NOT, /* of its one kid */
    TC_OP_AND,
    TC_OP_OR,
};

struct tc_expr {
    enum tc_op op;
    uint32_t atom;
    size_t weight; /* atoms in it, each as often as it stands there */
    size_t count;
    const struct tc_expr **kids;
};

/* A growing list of expressions; a zeroed one is empty. */
struct tc_exprs {
    const struct tc_expr **items;
    size_t count, room;
};

struct tc_field {
    const char *name;
    uint32_t index;
    uint32_t number; /* what the name is to records */
};

/* A log source that rules name, each once. */
struct tc_source {
    const char *category, *product, *service; /* NULL: not given */
};

/* One pass over the text of a field: for the keys, or for the other atoms, of the rules
 * of one log source. See scan.h. */
struct tc_sigma_scan {
    uint32_t field, source;
    bool keys;
    struct tc_literal *literals;
    size_t count;
    hs_database_t *database; /* NULL: the atoms are tried one by one */
};

struct tc_correlation;

struct tc_rule {
    struct tc_sigma_rule info;
    const char *name;           /* or NULL */
    const struct tc_expr *expr; /* NULL: it cannot run, or is a correlation */
    uint32_t source;            /* of one with an expr; set by scan.c */
    struct tc_correlation *correlation;
    bool silent;     /* serves correlations alone, */
    bool standalone; /* unless one of them says generate: true */
    unsigned line, column;

    /* The correlations that it feeds, and as which of their rules. */
    struct tc_feed {
        uint32_t correlation, position;
    } * feeds;
    size_t feed_count;
};

struct tc_sigma_set {
    struct tc_arena arena;
    locale_t locale;
    struct tc_field *fields;
    size_t field_count, field_room;
    struct tc_atom *atoms;
    size_t atom_count, atom_room;
    struct tc_rule *rules;
    size_t rule_count, rule_room;
    uint32_t *correlations; /* rules, those that feed others first */
    size_t correlation_count;
    void *field_names, *atom_keys, *ids; /* tsearch(3) */
    struct tc_source *sources;
    size_t source_count, source_room;
    struct tc_sigma_scan *scans; /* by field; of one field those for keys first */
    size_t scan_count, scan_room;
    hs_scratch_t *scratch; /* prototype */
    uint32_t *always;      /* rules without keys */
    size_t always_count;
};

/* ---- Building. 0 or -ENOMEM, -E2BIG. ---- */

int tc_set_new(struct tc_sigma_set **ret_set);

/* The field of that name, made if need be. */
int tc_set_field(struct tc_sigma_set *set, const char *name, uint32_t *ret_field);

/* The expression of the atom, which is shared with one that asks the same. Takes over
 * atom->code in any case; fold and copy are up to the caller. */
int tc_set_atom(struct tc_sigma_set *set, const struct tc_atom *atom,
                const struct tc_expr **ret_expr);

int tc_set_rule(struct tc_sigma_set *set, const struct tc_rule *rule);

int tc_exprs_add(struct tc_sigma_set *set, struct tc_exprs *list,
                 const struct tc_expr *expr);

/* Joined by `op`; a list of one is that one. The list may be used on. */
int tc_exprs_join(struct tc_sigma_set *set, enum tc_op op, const struct tc_exprs *list,
                  const struct tc_expr **ret_expr);

int tc_expr_not(struct tc_sigma_set *set, const struct tc_expr *expr,
                const struct tc_expr **ret_expr);

/* Makes room for one more in an array of the heap. */
int tc_grow(void *array, size_t *room, size_t count, size_t size);

#endif
