/* SPDX-License-Identifier: Apache-2.0 */
/* Would speak for the agent. */
#include "plain.h"

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("claims_core_topic"),
    .publishes = (const char *const[]){"acme.seen", "approval.granted", NULL},
    PLAIN_CALLS,
};
