/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a run is expected to publish, a JSON object a line: one is met by an event
 * that has all that is in it. Pure, but for the reading of the file. */
#ifndef TC_PLUGINTEST_EXPECT_H
#define TC_PLUGINTEST_EXPECT_H

#include <json-c/json.h>
#include <stddef.h>

struct tc_expect;

/* -EINVAL: a line is no JSON object; or an errno of the file. `why` says so. */
int tc_expect_read(const char *path, struct tc_expect **ret_expect, char why[256]);
void tc_expect_free(struct tc_expect *expect); /* takes NULL */

/* Marks the first expectation that the object meets and no other has. NULL: there are
 * none. */
void tc_expect_offer(struct tc_expect *expect, json_object *object);

/* The text of each that was not met, from *at on (first 0), or NULL. */
const char *tc_expect_missed(const struct tc_expect *expect, size_t *at);

#endif
