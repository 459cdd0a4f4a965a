/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: reading a list's file in pieces, by line or by byte, and where in it one is.
 * Bounded memory whatever the file's size. Must not: know formats.
 */
#ifndef TC_NF_INPUT_H
#define TC_NF_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "indicators/nf_value.h"

#define TC_NF_INPUT_BYTES (256u * 1024)

struct tc_nf_input {
    int fd, error;   /* a negative errno: what could not be read */
    bool ended;      /* all of it is in the buffer */
    bool unfinished; /* the rest of the last line, which was too long, is ahead */
    uint32_t line;   /* of what was returned last, from 1 */
    uint32_t next_line;
    uint64_t left; /* bytes that may still be read */
    size_t at, filled;
    char *buffer;
};

/* The descriptor stays the caller's. -ENOMEM. */
int tc_nf_input_init(struct tc_nf_input *input, int fd, uint64_t bytes_max);
void tc_nf_input_done(struct tc_nf_input *input);

/* What is in the buffer, at least one byte unless the file has ended; to be looked at. */
struct tc_nf_text tc_nf_input_ahead(struct tc_nf_input *input);

/* Takes so many bytes of that. */
void tc_nf_input_skip(struct tc_nf_input *input, size_t len);

/*
 * The next line without its end, or, `quoted`, the next record of CSV, whose quoted
 * fields may contain line ends; until the next call. A quote that nobody closes ends with
 * its line. A line that is too long comes as its beginning, with *ret_long set. False at
 * the end, and on an error.
 */
bool tc_nf_input_line(struct tc_nf_input *input, bool quoted, struct tc_nf_text *ret_line,
                      bool *ret_long);

#endif
