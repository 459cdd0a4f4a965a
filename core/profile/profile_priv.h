/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the files of core/profile share: the steps from bytes to a checked tree, and
 * the place of a node in the file. Private to core/profile*.c.
 */
#ifndef TC_CORE_PROFILE_PRIV_H
#define TC_CORE_PROFILE_PRIV_H

#include <plist/plist.h>
#include <stdint.h>

#include "core/profile/profile.h"

struct tc_profile_place {
    unsigned line, column; /* from 1; columns are characters */
};

/* Where each element of an XML file begins, in the order of the file, without <plist>:
 * the order in which a walk of the tree meets keys and values. */
struct tc_profile_places {
    struct tc_profile_place *at;
    size_t count;
};

/* A profile's tree and where it came from. */
struct tc_profile_source {
    char *name;
    plist_t root;
    struct tc_profile_places places; /* empty for a binary file */
};

/*
 * From bytes to `root` and `places`; `name` is set. Whatever it returns,
 * tc_profile_source_done is due.
 */
int tc_profile_source_read(struct tc_profile_source *source, const void *data, size_t len,
                           char why[256]);
void tc_profile_source_done(struct tc_profile_source *source);

/*
 * Whether the text is a plist that libplist may see: well-formed, its elements known,
 * bounded, with no document type of its own. Fills *places.
 */
int tc_profile_xml_check(const char *name, const char *text, size_t len,
                         struct tc_profile_places *places, char why[256]);

/* The same of a binary plist: every reference within the file, and bounded when written
 * out, for an object may be referred to more than once. */
int tc_profile_binary_check(const char *name, const uint8_t *data, size_t len,
                            char why[256]);

/* Fills `why` with the formatted sentence, on one line and in valid UTF-8. -EINVAL. */
int tc_profile_refuse(char why[256], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, beginning with the place of the node. */
int tc_profile_refuse_at(const struct tc_profile_source *source, plist_t node,
                         char why[256], const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* How many elements the tree has, keys included. */
size_t tc_profile_count(plist_t root);

/* Checks the keys that we know of one payload; `type` is its PayloadType. */
int tc_profile_payload_check(const struct tc_profile_source *source, plist_t payload,
                             const char *type, char why[256]);

/* What one checked payload states. */
unsigned tc_profile_payload_state(plist_t payload, const char *type,
                                  const struct tc_identity *identity,
                                  enum tc_profile_gate gate);

/* The ring of one checked payload. *ret_odd: a channel that we do not know, or NULL. */
enum tc_profile_ring tc_profile_payload_ring(plist_t payload, const char *type,
                                             const char **ret_odd);

#define TC_PROFILE_TYPE_SYSTEM "com.apple.system-extension-policy"
#define TC_PROFILE_TYPE_KERNEL "com.apple.syspolicy.kernel-extension-policy"
#define TC_PROFILE_TYPE_FILTER "com.apple.webcontent-filter"
#define TC_PROFILE_TYPE_PRIVACY "com.apple.TCC.configuration-profile-policy"
#define TC_PROFILE_ALL_FILES "SystemPolicyAllFiles"
#define TC_PROFILE_ES_TYPE "EndpointSecurityExtension"
#define TC_PROFILE_NETWORK_TYPE "NetworkExtension"

/* Whether a payload has the update channel: com.microsoft.autoupdate2, and what vendors
 * name alike. */
bool tc_profile_is_update(const char *type);

/* The string under `key` of a dict, or NULL when there is none or it is no string. */
const char *tc_profile_text(plist_t dict, const char *key);

/* The array of a team in the dict of teams under `key`, or NULL. */
plist_t tc_profile_of_team(plist_t payload, const char *key, const char *team);

/* Walks a dict; starts as {.dict = it}. `key` lives until the next step. */
struct tc_profile_walk {
    plist_t dict;
    plist_dict_iter iter;
    char *key;
    plist_t value;
};

/* False at the end. */
bool tc_profile_walk_next(struct tc_profile_walk *walk);
void tc_profile_walk_done(struct tc_profile_walk *walk);

#endif
