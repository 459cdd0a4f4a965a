/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the tags of a rule say of MITRE ATT&CK: attack.tNNNN and attack.tNNNN.NNN
 * are techniques, attack.<name> a tactic. Pure. Other tags are none of its business.
 */
#ifndef TC_EDR_ATTACK_H
#define TC_EDR_ATTACK_H

#include <tocsin/event.h>

#define TC_EDR_TECHNIQUES_MAX 32 /* of one rule, that are reported */

/* Writes the map `threat`, when a tag says anything; `tags` ends with NULL, or is NULL.
 */
void tc_edr_attack_put(struct tocsin_writer *w, const char *const *tags);

#endif
