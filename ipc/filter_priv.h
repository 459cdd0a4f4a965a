/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a filter as it was read; shared by filter.c, which matches, and filter_parse.c.
 */
#ifndef TC_IPC_FILTER_PRIV_H
#define TC_IPC_FILTER_PRIV_H

#include "ipc/filter.h"

enum tc_filter_op { TC_OP_IS, TC_OP_IS_NOT, TC_OP_LT, TC_OP_LE, TC_OP_GT, TC_OP_GE };

struct tc_filter_value {
    char *text; /* a pattern, unless `literal` */
    size_t len;
    bool literal; /* compared byte by byte */
    bool number;  /* `n` is what it says, */
    long double n;
    int rank; /* of a severity, from 1 on; else 0 */
};

/* Where a term stands. */
enum tc_filter_place {
    TC_PLACE_FIRST, /* of a text that was added */
    TC_PLACE_OR,
    TC_PLACE_AND,
};

struct tc_filter_term {
    enum tc_filter_place place;
    enum tc_filter_op op;
    char *path;
    size_t first, count; /* of `values` */
};

struct tc_filter {
    char *text; /* the field at hand, ended for fnmatch(3) */
    size_t text_cap;
    size_t term_count, value_count;
    struct tc_filter_term terms[TC_FILTER_TERMS_MAX];
    struct tc_filter_value values[TC_FILTER_VALUES_MAX];
};

/* informational 1, low, medium, high, critical 5; of other words 0. */
int tc_filter_rank(const char *text, size_t len);

#endif
