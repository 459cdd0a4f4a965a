/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: places where a file is hard to find, made by children of tests for themselves.
 * All return 0, or 200 when it cannot be made. */
#ifndef TC_TESTS_SUPPORT_PLACE_H
#define TC_TESTS_SUPPORT_PLACE_H

/* Goes down from a folder, making what is not there, to where no path is long enough. */
int tc_place_deep(const char *folder);

/* A mount namespace of the caller's own, with a file system at `at` that nobody else has.
 */
int tc_place_own_mount(const char *at);

/* Says that it is there (`signal`, a folder, is removed), and waits for the answer, that
 * `signal` is there again. */
void tc_place_await(const char *signal);

/* A mount namespace of the caller's own, with an overlay over `lower` at other/merged,
 * which writes to other/upper. */
int tc_place_overlay(const char *lower, const char *other);

#endif
