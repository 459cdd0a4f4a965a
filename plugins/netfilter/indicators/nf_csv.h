/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the fields of a record of CSV (RFC 4180), and which column has a name. Blanks
 * around a field are left out. Pure.
 */
#ifndef TC_NF_CSV_H
#define TC_NF_CSV_H

#include "indicators/nf_value.h"

#define TC_NF_CSV_FIELDS_MAX 64
#define TC_NF_CSV_NONE SIZE_MAX /* no such column */

struct tc_nf_csv {
    struct tc_nf_text fields[TC_NF_CSV_FIELDS_MAX]; /* as long as the line, or till the
                                                       next _split */
    size_t count;
    char *unquoted; /* TC_NF_LINE_BYTES_MAX */
};

int tc_nf_csv_init(struct tc_nf_csv *csv); /* -ENOMEM */
void tc_nf_csv_done(struct tc_nf_csv *csv);

/* Of a line of at most TC_NF_LINE_BYTES_MAX. -EINVAL with why. */
int tc_nf_csv_split(struct tc_nf_csv *csv, struct tc_nf_text line,
                    char why[TC_NF_WHY_MAX]);

/* The field that is one of the words, which `|` separates; of two words the first. */
size_t tc_nf_csv_column(const struct tc_nf_csv *csv, const char *words);

/* Empty where the record has no such field. */
struct tc_nf_text tc_nf_csv_field(const struct tc_nf_csv *csv, size_t column);

#endif
