/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: small steps over libplist's tree that checking and stating share. */
#include <stdlib.h>
#include <string.h>

#include "core/profile/profile_priv.h"

const char *tc_profile_text(plist_t dict, const char *key)
{
    plist_t node = plist_dict_get_item(dict, key);

    return PLIST_IS_STRING(node) ? plist_get_string_ptr(node, NULL) : NULL;
}

plist_t tc_profile_of_team(plist_t payload, const char *key, const char *team)
{
    plist_t teams = plist_dict_get_item(payload, key);

    return teams ? plist_dict_get_item(teams, team) : NULL;
}

bool tc_profile_walk_next(struct tc_profile_walk *walk)
{
    free(walk->key);
    walk->key = NULL;
    walk->value = NULL;
    if (!walk->iter)
        plist_dict_new_iter(walk->dict, &walk->iter);
    if (walk->iter)
        plist_dict_next_item(walk->dict, walk->iter, &walk->key, &walk->value);
    if (walk->value && walk->key)
        return true;
    free(walk->key);
    free(walk->iter);
    walk->key = NULL;
    walk->iter = NULL;
    return false;
}

void tc_profile_walk_done(struct tc_profile_walk *walk)
{
    free(walk->key);
    free(walk->iter);
}

bool tc_profile_is_update(const char *type)
{
    const char *last = strrchr(type, '.');

    return last && (!strcmp(last, ".autoupdate") || !strcmp(last, ".autoupdate2"));
}
