/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: leaving a test out, so that somebody sees it. After <cmocka.h>. */
#ifndef TESTS_SUPPORT_SKIP_H
#define TESTS_SUPPORT_SKIP_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether a skip must not be: CI=true, and root, so that everything is there to run them
 * all. */
static inline bool test_must_run(void)
{
    const char *ci = getenv("CI");

    return ci && !strcmp(ci, "true") && geteuid() == 0;
}

/* What main returns when none of its tests can run here, having said why: ctest shows it.
 */
static inline int test_skipped(void)
{
    return test_must_run() ? 1 : 77;
}

/* Prints why and skips the running test. */
#define test_skip(...)                                                                   \
    do {                                                                                 \
        if (test_must_run())                                                             \
            fail_msg("skipped in CI: " __VA_ARGS__);                                     \
        print_message("skipped: " __VA_ARGS__);                                          \
        print_message("\n");                                                             \
        skip();                                                                          \
    } while (0)

#endif
