/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the matches of one alert differ in: up to twenty distinct command lines,
 * paths and addresses, and how many matches had another. Pure. Bounded:
 * TC_EDR_DISTINCT_BYTES an alert, so 32 MiB of all that an agent can have open or waiting
 * (2 * TC_EDR_ALERTS_MAX); an alert with one match has some hundred bytes.
 */
#ifndef TC_EDR_DISTINCT_H
#define TC_EDR_DISTINCT_H

#include <stddef.h>
#include <stdint.h>

#include <tocsin/event.h>

#define TC_EDR_DISTINCT_MAX 20 /* of each kind */
#define TC_EDR_DISTINCT_TEXT_MAX                                                         \
    512                            /* bytes of one; longer ones are cut, and then alike */
#define TC_EDR_DISTINCT_BYTES 4096 /* of all */

enum tc_edr_distinct_kind {
    TC_EDR_COMMAND_LINES,
    TC_EDR_PATHS,
    TC_EDR_ADDRESSES,
    TC_EDR_DISTINCT_KINDS,
};

struct tc_edr_distinct {
    size_t n[TC_EDR_DISTINCT_KINDS];
    uint64_t more[TC_EDR_DISTINCT_KINDS]; /* matches with one that is not kept */
    uint8_t *bytes;                       /* kind, length in two bytes, text, ... */
    size_t len, cap;
};

/* Frees what it holds; one of zeros is empty. */
void tc_edr_distinct_done(struct tc_edr_distinct *distinct);

/* One more match has that text; an empty one, or a ptr of NULL, says nothing. */
void tc_edr_distinct_add(struct tc_edr_distinct *distinct, enum tc_edr_distinct_kind kind,
                         struct tocsin_str text);

/* Writes the map `matches`, when there is more than one of any kind. NULL: nothing. */
void tc_edr_distinct_put(struct tocsin_writer *w, const struct tc_edr_distinct *distinct);

#endif
