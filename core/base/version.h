/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: comparing versions by number: 101.03.73 = 101.3.73 < 101.10.1. Pure. */
#ifndef TC_CORE_VERSION_H
#define TC_CORE_VERSION_H

/*
 * Less than, equal to or greater than 0, as a is older than, equal to or newer than b.
 * Numbers are separated by dots, a missing one counts as 0; what follows the numbers
 * ("6.1.0-18-cloud-amd64") is not looked at.
 */
int tc_version_compare(const char *a, const char *b);

/* Whether `text` begins with a number, so that it can be compared. */
int tc_version_valid(const char *text);

#endif
