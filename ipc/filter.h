/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a filter says (tocsin(1), FILTERS) and whether an event is what it asks for.
 * Used alike of taps, recordings and the journal's lists. Must not: know connections, the
 * bus or a database. Pure; one thread at a time for one filter.
 *
 *   filter  any ( "or" any )*         any   term ( "and" term )*
 *   term    FIELD OP value ("," value)*     OP    = != < <= > >=
 *   value   text with fnmatch(3)'s wildcards, "text as it stands", or a number, which may
 *           have a unit: ns us ms s m h d, k M G, Ki Mi Gi
 *
 * A FIELD in quotes is taken as it stands, too, and not looked up among the known ones.
 */
#ifndef TC_IPC_FILTER_H
#define TC_IPC_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/event.h>

#define TC_FILTER_BYTES_MAX 4096 /* of one filter's text */
#define TC_FILTER_TERMS_MAX 64
#define TC_FILTER_VALUES_MAX 256 /* of all terms */

struct tc_filter;
struct tc_names;

/* What a filter looks at: an event's map, and what goes with it. */
struct tc_filter_event {
    struct tocsin_str topic, source; /* ptr NULL: there is none */
    uint64_t id, reply_to, time_ns;
    const void *data; /* one map */
    size_t len;
};

/*
 * Adds the text to *filter, which is NULL at first: all that was added must hold. A field
 * that `names` (NULL: any is good) does not know is refused, with the nearest in `why`.
 * Errors: -EINVAL, -ENOMEM, both with the reason in `why`; free the filter then.
 */
int tc_filter_add(struct tc_filter **filter, const char *text, size_t len,
                  const struct tc_names *names, char why[256]);

/* Takes NULL. */
void tc_filter_free(struct tc_filter *filter);

/*
 * Whether the event is what the filter asks for; NULL asks for all. Of a list one entry
 * is enough, also of maps further in. `!=` holds where `=` does not, and so without the
 * field, too; `<` and the like do not hold then. The fields topic, source, id, reply_to
 * and @timestamp are those of the event itself where its map has no such value.
 */
bool tc_filter_match(struct tc_filter *filter, const struct tc_filter_event *event);

/*
 * A number as people write it: digits, perhaps with a fraction, and a unit, as 1.5ms, 4k
 * or 2Gi. *ret_duration: the unit was one of time, and *ret is in nanoseconds. False when
 * the bytes are none.
 */
bool tc_filter_number(const char *text, size_t len, long double *ret, bool *ret_duration);

#endif
