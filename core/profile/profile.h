/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one configuration profile (.mobileconfig): its bytes, taken apart with distrust,
 * and what it states about the gates. Pure; any thread. Must not: open a file, or know
 * of another profile; profiles.c combines them.
 *
 * What a profile may state of a gate, and where it stands (Apple, "Device Management",
 * the payloads of these names; keys and defaults as there):
 *
 *             es_extension, network_extension       kernel_extension
 *             (system-extension-policy)             (kernel-extension-policy)
 *   LISTED    AllowedSystemExtensions{team: [id]}   AllowedKernelExtensions{team: [id]}
 *             or AllowedTeamIdentifiers[team]       or AllowedTeamIdentifiers[team]
 *   TYPE_IN   AllowedSystemExtensionTypes{team: [type]} has our type
 *   TYPE_OUT  ... has the team, and not our type
 *   CLOSED    AllowUserOverrides false              AllowUserOverrides not true
 *
 *             network_filter (webcontent-filter)    full_disk_access (TCC)
 *   LISTED    FilterType Plugin, PluginBundleID     SystemPolicyAllFiles[] with
 * Identifier agent, provider netfilter, and        es, agent or the program's path:
 *             FilterSockets or FilterPackets true   Allowed true or Authorization Allow
 *   DENIED                                          Allowed false or Authorization Deny
 *
 * All profiles together are asked at once, as on macOS ("all the other values combine
 * together", "the most restrictive setting is used"): what they state is or-ed, and then
 *
 *   1. DENIED, or TYPE_OUT with no TYPE_IN anywhere  -> DENIES   deny wins over all
 *   2. LISTED                                        -> ALLOWS   listed is listed,
 * whoever closed the list
 *   3. CLOSED                                        -> FORBIDS  nobody may grant it here
 *   4. nothing of these                              -> NOTHING  the operator is asked
 *
 * Code requirements are text to us: who the agent is, the configuration says, and which
 * plugin may be loaded, the loader does.
 */
#ifndef TC_CORE_PROFILE_H
#define TC_CORE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#define TC_PROFILE_BYTES_MAX (1 << 20) /* of one profile */
#define TC_PROFILE_DEPTH_MAX 32        /* dicts and arrays within each other */
#define TC_PROFILE_NODES_MAX 16384     /* values and keys in one profile */

enum tc_profile_gate {
    TC_PROFILE_ES_EXTENSION,
    TC_PROFILE_NETWORK_EXTENSION,
    TC_PROFILE_NETWORK_FILTER,
    TC_PROFILE_FULL_DISK_ACCESS,
    TC_PROFILE_KERNEL_EXTENSION, /* no gate: what is said of it is reported alone */
    TC_PROFILE_GATES,
};

/* The statements of the table above, and below them near misses that decide nothing. */
enum tc_profile_statement {
    TC_PROFILE_LISTED = 1 << 0,
    TC_PROFILE_TYPE_IN = 1 << 1,
    TC_PROFILE_TYPE_OUT = 1 << 2,
    TC_PROFILE_DENIED = 1 << 3,
    TC_PROFILE_CLOSED = 1 << 4,
    TC_PROFILE_PINNED = 1 << 5,       /* NonRemovableSystemExtensions lists it */
    TC_PROFILE_OTHER_TEAM = 1 << 6,   /* our extension, listed for another team */
    TC_PROFILE_OTHER_PLUGIN = 1 << 7, /* our filter, PluginBundleID of another agent */
    TC_PROFILE_FILTER_OFF = 1 << 8,   /* our filter, set to filter nothing */
};

enum tc_profile_says {
    TC_PROFILE_NOTHING,
    TC_PROFILE_ALLOWS,
    TC_PROFILE_DENIES,
    TC_PROFILE_FORBIDS,
};

/* From the least to the most cautious: of profiles that disagree the latter wins. */
enum tc_profile_ring {
    TC_PROFILE_RING_NONE, /* the profile says nothing of it */
    TC_PROFILE_RING_BETA,
    TC_PROFILE_RING_PREVIEW,
    TC_PROFILE_RING_CURRENT,
};

/* The names that stand for us in profiles: the configuration's `identity`. */
struct tc_identity {
    const char *team, *agent, *es, *netfilter, *kext;
    const char *program; /* absolute path of the agent; NULL: no path stands for it */
};

struct tc_profile;

/*
 * Takes a property list apart, XML or binary. `name` stands for the file in sentences and
 * is copied; the bytes are only read. -ENOMEM, or -EINVAL and one sentence on one line,
 * "name:line:column: ..." for XML and "name: PayloadContent[0].Key: ..." for binary.
 * Payloads and keys that the table does not have are ignored.
 */
int tc_profile_parse(const char *name, const void *data, size_t len,
                     struct tc_profile **ret_profile, char why[256]);
void tc_profile_free(struct tc_profile *profile);

/* PayloadDisplayName, or PayloadIdentifier, or the file's name: never NULL. */
const char *tc_profile_name(const struct tc_profile *profile);
const char *tc_profile_identifier(const struct tc_profile *profile); /* or NULL */

/* What is odd about a profile that was taken all the same, in one sentence; or NULL. */
const char *tc_profile_warning(const struct tc_profile *profile);

/* enum tc_profile_statement, or-ed, of one gate. */
unsigned tc_profile_state(const struct tc_profile *profile,
                          const struct tc_identity *identity, enum tc_profile_gate gate);

/* The rule above, for the statements of one profile or of many. */
enum tc_profile_says tc_profile_conclude(unsigned statements);

/* Which of the statements made tc_profile_conclude say so; 0 for NOTHING. */
unsigned tc_profile_decisive(unsigned statements);

enum tc_profile_ring tc_profile_ring(const struct tc_profile *profile);

/* "es_extension", "allows", "beta"; of RING_NONE NULL. */
const char *tc_profile_gate_name(enum tc_profile_gate gate);
const char *tc_profile_says_name(enum tc_profile_says says);
const char *tc_profile_ring_name(enum tc_profile_ring ring);

#endif
