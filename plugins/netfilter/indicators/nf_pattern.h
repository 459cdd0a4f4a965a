/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: of the patterns of STIX 2.1 (9) those that a table of values can stand for:
 * comparisons with =, ISSUBSET or IN, of which any one is enough. Pure.
 *
 *     [ipv4-addr:value = '192.0.2.1' OR domain-name:value IN ('a.example', 'b.example')]
 *     [url:value = 'https://example.com/'] OR [ipv4-addr:value ISSUBSET
 * '198.51.100.0/24']
 */
#ifndef TC_NF_PATTERN_H
#define TC_NF_PATTERN_H

#include "indicators/nf_value.h"

#define TC_NF_PATTERN_TEXT_MAX 4096 /* bytes of a value in one */

/* A comparison: `type` is ipv4-addr of ipv4-addr:value, or the whole path where it ends
 * otherwise. Another value than 0 ends the reading. */
typedef int (*tc_nf_pattern_fn)(void *arg, struct tc_nf_text type,
                                struct tc_nf_text value);

/* Calls `each` once it is known that the pattern is one of those. -EINVAL with why, or
 * what `each` has returned. */
int tc_nf_pattern_read(struct tc_nf_text pattern, tc_nf_pattern_fn each, void *arg,
                       char why[TC_NF_WHY_MAX]);

#endif
