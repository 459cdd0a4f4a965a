/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the indicators in use: loaded from the operator's lists and the command line's
 * store, found by address or name, each with why it is there. Must not: know the kernel,
 * but for the layout of its table; do anything about a match.
 *
 * A load runs in any thread and takes seconds at most. What it makes does not change any
 * more, but for what _fill and _expire say, and is shared by reference count; lookups in
 * it are safe in any thread, take no lock and allocate nothing.
 *
 * Of all indicators that match, the most specific counts: the longest network; the host
 * itself before a domain, the longest domain. At the same place allow comes before block
 * before audit, and of equals the one of the earliest source, with the latest expiry of
 * them all. One that has expired does not count, and uncovers what it was in front of.
 */
#ifndef TC_NF_INDICATORS_H
#define TC_NF_INDICATORS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/nf_addresses.h"
#include "indicators/nf_entry.h"

#define TC_NF_INDICATORS_MAX (1u << 22)   /* of all lists */
#define TC_NF_LISTS_MAX 1024              /* files */
#define TC_NF_LIST_BYTES_MAX (1ull << 30) /* of a file */
#define TC_NF_LINE_BYTES_MAX (64u * 1024) /* of a line or record of one */
#define TC_NF_OBJECT_BYTES_MAX (1u << 20) /* of an object of a STIX bundle */
#define TC_NF_TEXTS_BYTES_MAX (1u << 30)  /* of all names and reasons */
#define TC_NF_PROBLEMS_MAX 8              /* that are named; all are counted */

struct tc_nf_indicators;

/* What a load met with, whether it went well or not. */
struct tc_nf_report {
    uint64_t taken;   /* lines, objects' comparisons; also those that say the same */
    uint64_t expired; /* had expired already, or STIX: is revoked */
    uint64_t refused; /* could not be taken */
    uint32_t files;
    uint32_t problems;                               /* named here, of what was refused */
    char problem[TC_NF_PROBLEMS_MAX][TC_NF_WHY_MAX]; /* "FILE:LINE: sentence" */
};

/* What to load. */
struct tc_nf_sources {
    const char *own; /* path of the command line's store, or NULL; may not be there */
    const char *const *texts; /* "block:/path", "allow:/path", "audit:/path" */
    size_t count;
};

/* Checks how a source is written, not whether it is there. -EINVAL with why. */
int tc_nf_source_check(const char *text, char why[TC_NF_WHY_MAX]);

/*
 * Loads all of it, `own` first; of a folder the files in it, by name, but for hidden
 * ones. A line that cannot be taken is counted in the report, the others are taken. Fails
 * as a whole, with why, when a file cannot be read to its end, is none of the formats, or
 * exceeds a bound: who calls keeps what it has. The caller's reference.
 */
int tc_nf_indicators_load(const struct tc_nf_sources *sources, uint64_t now_s,
                          struct tc_nf_indicators **ret_indicators,
                          struct tc_nf_report *ret_report, char why[TC_NF_WHY_MAX]);

struct tc_nf_indicators *tc_nf_indicators_ref(struct tc_nf_indicators *indicators);
void tc_nf_indicators_unref(struct tc_nf_indicators *indicators); /* takes NULL */

/* ---- What there is ---- */

struct tc_nf_counts {
    uint32_t kinds[TC_NF_KINDS]; /* by enum tc_nf_kind; loaded, expired since or not */
    uint32_t expired;            /* of them, as of the last _expire */
    uint64_t bytes;              /* of memory, without the caller's slots */
};

void tc_nf_indicators_counts(const struct tc_nf_indicators *indicators,
                             struct tc_nf_counts *ret_counts);

struct tc_nf_view {
    enum tc_nf_kind kind;
    enum tc_nf_action action;
    enum tc_nf_severity severity;
    uint32_t expires_s;         /* 0: never */
    const char *reason;         /* "" when there is none; as long as the indicators */
    const char *source;         /* path of the file; as long as the indicators */
    char value[TC_NF_NAME_MAX]; /* as tc_nf_value_text */
};

/* Ids go from 0 without a gap; false where they end. */
bool tc_nf_indicators_view(const struct tc_nf_indicators *indicators, uint32_t id,
                           struct tc_nf_view *ret_view);

/* ---- Looking up ---- */

struct tc_nf_match {
    uint32_t id;
    enum tc_nf_action action;
};

/* `address`: 16 bytes, IPv4 as mapped. */
bool tc_nf_indicators_address(const struct tc_nf_indicators *indicators,
                              const uint8_t address[16], uint64_t now_s,
                              struct tc_nf_match *ret_match);

/* `name` in any case, with or without a dot at the end; what is no name matches nothing.
 */
bool tc_nf_indicators_name(const struct tc_nf_indicators *indicators, const char *name,
                           size_t len, uint64_t now_s, struct tc_nf_match *ret_match);

/* ---- The kernel's table ---- */

/* How many slots _fill writes: a power of two. */
uint32_t tc_nf_indicators_slots(const struct tc_nf_indicators *indicators);

/*
 * Writes them all. `slots` are the caller's, and stay for as long as _expire is called;
 * they are not read for lookups. Not while _expire runs; again for other slots, in which
 * _expire is then to mark again what has expired. -ENOSPC: no
 * arrangement was found in which every entry is near enough, which takes somebody who
 * knows the random seed.
 */
int tc_nf_indicators_fill(struct tc_nf_indicators *indicators, struct tc_nf_slot *slots,
                          struct tc_nf_addresses *ret_addresses);

/*
 * Marks in `slots` (those of _fill, or NULL when there are none) what has expired, and
 * what counts in its place. Costs nothing when nothing is due. Returns how many expired.
 * In one thread at a time; lookups may go on in others.
 */
uint32_t tc_nf_indicators_expire(struct tc_nf_indicators *indicators, uint64_t now_s,
                                 struct tc_nf_slot *slots);

/* When _expire has something to do next, in seconds since 1970; UINT64_MAX: never. */
uint64_t tc_nf_indicators_next_expiry_s(const struct tc_nf_indicators *indicators);

#endif
