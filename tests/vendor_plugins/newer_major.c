/* SPDX-License-Identifier: Apache-2.0 */
/* Built for a major that is still to come. */
#include "plain.h"

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    .magic = TOCSIN_PLUGIN_MAGIC,
    .abi_major = TOCSIN_ABI_MAJOR + 1,
    .size = sizeof(struct tocsin_plugin),
    .kind = TOCSIN_KIND_DETECTOR,
    .option_size = sizeof(struct tocsin_option),
    PLAIN_IDENTITY("newer_major"),
    PLAIN_CALLS,
};
