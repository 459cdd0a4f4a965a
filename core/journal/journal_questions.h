/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the questions that the journal answers: their SQL, whose column names are the
 * keys of the answer; one that begins with a dot is not told. Internal to
 * core/journal*.c.
 */
#ifndef TC_CORE_JOURNAL_QUESTIONS_H
#define TC_CORE_JOURNAL_QUESTIONS_H

#include <stdbool.h>

#include <msgpack.h>

#include "core/journal/journal_store.h"

#define TC_JOURNAL_BESIDE_MAX 3
#define TC_JOURNAL_CURSOR_MAX 64 /* bytes of where a page of a list ended */

enum tc_journal_shape {
    TC_JOURNAL_ONE,  /* one row by id, its columns are the answer */
    TC_JOURNAL_LIST, /* {items: [row]} */
};

/* A list beside the columns of ONE: of values or, where there is more than one column, of
 * maps. */
struct tc_journal_beside {
    const char *name, *sql;
};

struct tc_journal_question {
    const char *kind;
    enum tc_journal_shape shape;
    const char *sql;

    const char *table; /* of ONE: where its id is */
    struct tc_journal_beside beside[TC_JOURNAL_BESIDE_MAX + 1]; /* up to a NULL name */

    /* Of LIST: what its filters know, and how many rows there are. */
    const struct tc_names *fields;
    const char *count_sql;
    bool paged; /* its last columns are the two of a cursor: time, rowid */
};

/* What is asked for. */
struct tc_journal_asked {
    const msgpack_object *params;
    char id[TC_STORE_ID_MAX + 1];      /* of ONE, which may be cut */
    char of_case[TC_STORE_ID_MAX + 1]; /* likewise; "": any */
    int64_t limit;
    int64_t rank;                  /* TC_STORE_RANK, from that on */
    int64_t before_ns, before_row; /* what a page begins behind */
    struct tc_filter *filter;      /* the caller's to free; NULL: all */
};

/* -EINVAL, with the reason in `why` where it is a list's; -ENOENT: no id is so; -ENOMEM.
 * `ret` is filled in all the same; its filter is then NULL. */
int tc_journal_asked_read(const struct tc_journal_question *question,
                          const msgpack_object *params, struct tc_journal_asked *ret,
                          char why[256]);

/* The question of that kind; NULL: there is none. */
const struct tc_journal_question *tc_journal_question(const char *kind,
                                                      const msgpack_object *params);

#endif
