/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which fields of our own events stand for which of Sigma's, and which topics for
 * which log source: one table each. Must not: read events.
 */
#ifndef TC_SIGMA_NAMES_H
#define TC_SIGMA_NAMES_H

#include <stddef.h>

/*
 * The dotted path of ours that is value `index`, from 0, of Sigma's field; NULL past the
 * last. Several paths are several values: a process has the path that the kernel resolved
 * and the one that was asked for, and rules name either.
 */
const char *tc_sigma_path(const char *field, size_t index);

/* The category of a topic's events, or NULL. */
const char *tc_sigma_category(const char *topic, size_t len);

#endif
