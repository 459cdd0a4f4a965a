/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: reading one file of indicators, in whichever of the formats it is, into the
 * table. A reader of a format turns it into rows; what a row means is the same for all.
 */
#ifndef TC_NF_LIST_H
#define TC_NF_LIST_H

#include "indicators/nf_indicators.h"
#include "indicators/nf_input.h"

struct tc_nf_list {
    struct tc_nf_input input;
    struct tc_nf_indicators *table;
    struct tc_nf_report *report;
    const char *path;
    uint16_t source;
    enum tc_nf_action action; /* of rows that name none */
    uint64_t now_s;
    char *why; /* TC_NF_WHY_MAX: why the file as a whole cannot be taken */
};

/* The descriptor is read from where it stands. 0, or with why in the list: -EINVAL,
 * -E2BIG, -EFBIG, -ENOMEM, what read(2) says. */
int tc_nf_list_read(struct tc_nf_list *list, int fd);

/* Each reads on from where the input stands; errors as above. */
int tc_nf_list_read_plain(struct tc_nf_list *list);
int tc_nf_list_read_csv(struct tc_nf_list *list);
int tc_nf_list_read_stix(struct tc_nf_list *list);

/* ---- For the readers ---- */

/* Takes a row, or counts it as refused: `what`, when not NULL, names it beside its line.
 * Errors are those that end the load. */
int tc_nf_list_take(struct tc_nf_list *list, const struct tc_nf_row *row,
                    const char *what);

/* Counts what stands at the current line as refused. */
void tc_nf_list_refuse(struct tc_nf_list *list, const char *what, const char *sentence);

/* Why the file cannot be taken; returns `err`. */
int tc_nf_list_fail(struct tc_nf_list *list, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The next line or record that is not too long (those are refused); comments, which begin
 * with #, and empty ones left out. 1, 0 at the end, or an error. */
int tc_nf_list_line(struct tc_nf_list *list, bool quoted, struct tc_nf_text *ret_line);

#endif
