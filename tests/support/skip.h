/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: leaving a test out, so that somebody sees it. After <cmocka.h>. */
#ifndef TESTS_SUPPORT_SKIP_H
#define TESTS_SUPPORT_SKIP_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Prints why and skips the running test. Where CI=true and the tests run as root,
 * everything is there to run them all, and a skip is a failure.
 */
#define test_skip(...)                                                                   \
    do {                                                                                 \
        const char *ci_ = getenv("CI");                                                  \
        if (ci_ && !strcmp(ci_, "true") && geteuid() == 0)                               \
            fail_msg("skipped in CI: " __VA_ARGS__);                                     \
        print_message("skipped: " __VA_ARGS__);                                          \
        print_message("\n");                                                             \
        skip();                                                                          \
    } while (0)

#endif
