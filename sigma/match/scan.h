/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the passes over the text of a field, which look for the literals of many atoms at
 * once. The literal of an atom is text that a value must have in it, in lower case, to be
 * as the atom asks: often all that the atom asks for; else, of wildcards in the middle or
 * letters whose case counts, the longest piece, and where that is found the value has to
 * be looked at. Must not: know events, or rules' conditions beyond their atoms.
 *
 * A pass costs by what it finds and by how short that is. So an event is searched for
 * the keys of its own log source's rules first, which are long and rare; for other atoms
 * only when a rule that needs one is evaluated.
 */
#ifndef TC_SIGMA_SCAN_H
#define TC_SIGMA_SCAN_H

#include "sigma/match/model.h"

#define TC_LITERAL_MAX 96 /* bytes of a text that a pass looks for */

struct tc_literal {
    uint32_t atom;
    uint16_t len;
    bool start, end; /* found only there in the text */
};

/* How many bytes of literal there are to find the atom by; 0: no pass can find it.
 * `ret_placed`: it is found at the start or the end of the text alone. */
size_t tc_literal_len(const struct tc_atom *atom, bool *ret_placed);

/* Makes the log sources and the passes, once atoms have their rules. -ENOMEM. */
int tc_sigma_scans_make(struct tc_sigma_set *set);

typedef void (*tc_found_fn)(void *arg, uint32_t atom);

/* Calls `found` for each atom in the text, which is in lower case; it may do so several
 * times. False: there was no memory. The scan must have a database. */
bool tc_sigma_scan_text(const struct tc_sigma_scan *scan, struct tocsin_str text,
                        hs_scratch_t *scratch, tc_found_fn found, void *arg);

#endif
