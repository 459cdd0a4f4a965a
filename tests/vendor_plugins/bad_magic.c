/* SPDX-License-Identifier: Apache-2.0 */
/* Its descriptor is something else's. */
#include "plain.h"

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    .magic = 0x12345678,
    .abi_major = TOCSIN_ABI_MAJOR,
    .size = sizeof(struct tocsin_plugin),
    .kind = TOCSIN_KIND_DETECTOR,
    PLAIN_IDENTITY("bad_magic"),
    PLAIN_CALLS,
};
