/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the files of kext_resolve.h share. */
#ifndef TC_KEXT_RESOLVE_PRIV_H
#define TC_KEXT_RESOLVE_PRIV_H

#include "kext_item.h"
#include "kext_resolve.h"
#include "sensor_place.h"
#include "sensor_scope.h"

/* A path, and whether it may be excluded by it. */
struct tc_kext_found {
    char path[TC_SENSOR_PATH_MAX];
    bool cut, unverified;
};

void tc_kext_found_at(struct tc_kext_found *ret, const struct tc_sensor_scope *scope,
                      const struct tc_sensor_place *place);

/* NULL: out of memory. */
struct tc_kext_item *tc_kext_item_of(const char *topic,
                                     const struct tc_kext_found *found);

/* Who did it, and when. */
void tc_kext_describe(struct tc_kext_resolver *resolver, struct tc_kext_item *item,
                      const struct tc_kext_record *record);

/* kext_resolve_script.c: a record TC_KEXT_SCRIPT; as tc_kext_resolve. */
struct tc_kext_item *tc_kext_resolve_script(struct tc_kext_resolver *resolver,
                                            const struct tc_sensor_scope *scope,
                                            const struct tc_kext_record *record);

#endif
