/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the files profiles*.c share: a set while it is put together. Private
 * to them.
 */
#ifndef TC_CORE_PROFILES_PRIV_H
#define TC_CORE_PROFILES_PRIV_H

#include "core/profile/profiles.h"

struct tc_profiles {
    struct tc_profiles_item items[TC_PROFILES_MAX + 1]; /* the last: what was too many */
    size_t count;
};

/* Parses and adds a profile; a refused one as an item with its sentence. -ENOMEM. */
int tc_profiles_add(struct tc_profiles *profiles, const char *file, const void *data,
                    size_t len, const struct tc_identity *identity);

/* Adds one that was not even read. -ENOMEM. */
int tc_profiles_add_refused(struct tc_profiles *profiles, const char *file,
                            const char *error);

#endif
