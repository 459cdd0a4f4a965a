/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: FNV-1a with 64 bits, for tables and for numbers that stand for a text. No
 * defence: whoever chooses the bytes can make two of them collide, so what is found by it
 * is compared, or may be wrong. Must not: include anything of the project.
 */
#ifndef TC_COMMON_HASH_H
#define TC_COMMON_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TC_HASH_START UINT64_C(0xcbf29ce484222325)

/* Goes on from `hash`: first TC_HASH_START, then what the call before returned. */
static inline uint64_t tc_hash(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The same of a text, without its NUL. */
static inline uint64_t tc_hash_text(uint64_t hash, const char *text)
{
    return tc_hash(hash, text, strlen(text));
}

#endif
