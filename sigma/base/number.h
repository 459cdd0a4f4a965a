/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: numbers of rules and events, and how they compare: whole ones of up to 64 bits
 * exactly, which a double alone would round beyond 2^53. Pure. Must not: know YAML.
 */
#ifndef TC_SIGMA_NUMBER_H
#define TC_SIGMA_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tc_number {
    bool whole;    /* it is `size`, or that below 0; else `real` */
    bool negative; /* a whole one; 0 is not */
    uint64_t size;
    double real; /* any, as near as it comes */
};

struct tc_number tc_number_of(double real);
struct tc_number tc_number_whole(bool negative, uint64_t size);

/* A decimal number, as -12, .5 or 1e3; false: it is none, or too large. */
bool tc_number_read(const char *text, size_t len, struct tc_number *ret);

/* Below 0, 0 or above as a is less than, equal to or more than b. */
int tc_number_compare(const struct tc_number *a, const struct tc_number *b);

#endif
