/* SPDX-License-Identifier: Apache-2.0 */
/* Says that its descriptor is whole, and has the first 16 bytes of one. */
#include <tocsin/plugin.h>

struct prefix {
    uint32_t magic;
    uint16_t abi_major, abi_minor;
    uint32_t size, kind;
};

extern const struct prefix tocsin_plugin;
TOCSIN_EXPORT const struct prefix tocsin_plugin = {
    .magic = TOCSIN_PLUGIN_MAGIC,
    .abi_major = TOCSIN_ABI_MAJOR,
    .abi_minor = TOCSIN_ABI_MINOR,
    .size = sizeof(struct tocsin_plugin),
    .kind = TOCSIN_KIND_DETECTOR,
};
