/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: where in a record's event the places of the table are. A map is read only as far
 * as it takes to find what is asked for, and where that was is kept. Must not: know what
 * a place means.
 */
#ifndef TC_SIGMA_RECORD_READ_H
#define TC_SIGMA_RECORD_READ_H

#include "sigma/match/record.h"

/* The value at a place (enum tc_place_id); false: the event has none there. */
bool tc_sigma_record_place(struct tc_sigma_record *record, size_t place,
                           struct tocsin_value *ret);

/* Begins to read the map that is `at` so many bytes; what is none has no entries. */
void tc_sigma_record_open(const struct tc_sigma_record *record, uint32_t at,
                          struct tc_sigma_record_reach *reach);

/* Whether a record of the kind could match the rule, which has an expression
 * (coverage.c).
 */
bool tc_sigma_record_can(const void *kind, const struct tc_sigma_set *set, size_t rule);

#endif
