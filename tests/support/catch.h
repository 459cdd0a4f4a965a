/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: standard error for a while, to see what was logged. Between begin and end nothing
 * must be asserted: cmocka's own words would be caught too.
 */
#ifndef TC_TESTS_SUPPORT_CATCH_H
#define TC_TESTS_SUPPORT_CATCH_H

struct tc_catch {
    int saved, caught;
    char text[8192]; /* after end */
};

void tc_catch_begin(struct tc_catch *c);
void tc_catch_end(struct tc_catch *c);

#endif
