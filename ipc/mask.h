/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a secret looks like on a command line, in one table of mask.c: values of
 * options and variables that are named so, of short options that some programs have for
 * it, passwords in URLs, headers of authorization, and tokens that begin in a known way.
 * Pure.
 *
 * Rather too much is hidden than too little; what is a reference ($PASSWORD) stays. What
 * no name and no form gives away is not found: a password that stands by itself.
 *
 * Rules are judged by the true text. Masked is what leaves the agent: the bus shows it to
 * those who are not to see more (bus.h), made once an event by mask_event.c.
 */
#ifndef TC_IPC_MASK_H
#define TC_IPC_MASK_H

#include <stdbool.h>
#include <stddef.h>

#define TC_MASK_SHOWN "***"
#define TC_MASK_SPANS_MAX 32 /* of one text; with the last the rest of it is masked */

struct tc_event;
struct tocsin_writer;

struct tc_mask_span {
    size_t at, n; /* n > 0 */
};

/*
 * The secrets of a command line, in order, apart from each other. Its arguments are
 * separated by blanks, or by NULs, between which a value may have blanks. The time is
 * linear in n.
 */
size_t tc_mask_find(const char *text, size_t n,
                    struct tc_mask_span ret_spans[TC_MASK_SPANS_MAX]);

/*
 * The event with its secrets as ***: the event itself when it has none, else a twin that
 * it owns, made once, without the descriptor. The loop's thread. NULL: out of memory.
 */
struct tc_event *tc_event_mask(struct tc_event *event);

/* What tc_event_mask has returned, or the event, if it was never asked. Any thread that
 * was given the event after that. */
struct tc_event *tc_event_shown(struct tc_event *event);

#endif
